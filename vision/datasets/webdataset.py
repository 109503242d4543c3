"""Samples out of tar files, read from front to back and never unpacked: the layout of the webdataset library.

A sample is the run of members whose names agree up to the first dot: ``0001.jpg``, ``0001.cls``, ``0001.json``.
"""

from __future__ import annotations

import io
import json
import os
import posixpath
import re
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.data import IterableDataset, get_worker_info
from framework.data.sampler import draw_seed
from framework.errors import ArgumentError
from framework.io import FileFormatError
from hub.archives import BROKEN_ARCHIVE, Bounded, opened
from hub.dataset_files import DatasetNotFound, chosen
from vision.datasets.folder import IMG_EXTENSIONS
from vision.datasets.skipping import BROKEN
from vision.io import open_image

LARGEST = 1 << 26  # bytes a member may hold
_MOST_SHARDS = 1_000_000
_REFUSED = ("pyd", "pickle", "pkl", "pth", "pt")  # what others read by pickle, which runs what it reads


def expand_braces(pattern: str) -> list[str]:
    """The names that a pattern stands for.

    Args:
        pattern: may hold ranges, "x-{000..003}.tar", and choices, "{train,val}.tar".

    Raises:
        ArgumentError: they are more than a million.
    """
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None:
        return [pattern]
    span = re.fullmatch(r"([0-9]+)\.\.([0-9]+)", found[1])
    if span is None:
        choices: Any = found[1].split(",")
    else:
        first, last = span.groups()
        padded = len(first) > 1 and first.startswith("0")
        choices = [str(number).zfill(len(first) if padded else 0) for number in _range(int(first), int(last), pattern)]
    rest = expand_braces(pattern[found.end() :])
    if len(choices) * len(rest) > _MOST_SHARDS:
        raise ArgumentError(f"expand_braces: {pattern!r} stands for more than {_MOST_SHARDS} names")
    return [f"{pattern[: found.start()]}{choice}{end}" for choice in choices for end in rest]


def _range(first: int, last: int, pattern: str) -> range:
    if not 0 <= last - first < _MOST_SHARDS:
        raise ArgumentError(f"expand_braces: {pattern!r} counts backwards, or to more than {_MOST_SHARDS} names")
    return range(first, last + 1)


class WebDataset(IterableDataset):
    """A stream of samples out of tar files, packed by gzip, bzip2 or xz or not.

    A sample is a dict of ``__key__``, ``__url__`` (the tar) and what the members hold, by their endings in small letters:
    images as Pillow images in RGB, "cls" and "id" as ints, "txt" and "text" as texts, "json" decoded, "npy" as arrays,
    others as bytes. With several loader workers each reads its own tars, or where there are fewer tars than workers, its
    share of the samples.

    Args:
        shards: the tars: a path with ranges such as "train-{000..146}.tar", or a list of such.
        fields: make samples tuples of these endings instead; "jpg;png" takes the first there is.
        transform: applied to the first of the fields.
        target_transform: applied to the second.
        shuffle: the number of samples kept to draw the next from; also shuffles the order of tars. 0 keeps the order.
        seed: what the order follows from, with the number given to ``set_epoch``. None draws a new one for each pass from
            the default generator, which a loader keys.
        decode: False leaves all as bytes.
        on_error: "raise" at a sample that cannot be read, or "skip" it and count.

    Attributes:
        skipped: how many samples were skipped; a loader's worker processes count alone.

    Raises:
        DatasetNotFound: a tar is missing.
        FileFormatError: while reading: a tar or a member is broken, larger than 64 MiB, or pickled, which is never read.

    Example:
        >>> data = WebDataset("train-{000..146}.tar", fields=("jpg;png", "cls"), transform=preprocess, shuffle=1000)
        >>> for images, labels in DataLoader(data, batch_size=64, num_workers=4): ...

    Reference: https://github.com/webdataset/webdataset. Tars are read from disk only.
    """

    def __init__(
        self,
        shards: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        fields: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        shuffle: int = 0,
        seed: int | None = None,
        decode: bool = True,
        on_error: str = "raise",
    ) -> None:
        patterns = [shards] if isinstance(shards, str | os.PathLike) else shards
        self.shards = [name for pattern in patterns for name in expand_braces(os.fspath(pattern))]
        missing = next((name for name in self.shards if not os.path.isfile(name)), None)
        if missing is not None or not self.shards:
            raise DatasetNotFound(f"WebDataset: there is no {missing!r} of {len(self.shards)} tars; give their paths")
        if fields is None and (transform is not None or target_transform is not None):
            raise ArgumentError("WebDataset: transforms need fields, such as fields=('jpg', 'cls')")
        if shuffle < 0:
            raise ArgumentError(f"WebDataset: shuffle must be 0 or more, got {shuffle}")
        self.fields = None if fields is None else tuple(fields)
        self.transform = transform
        self.target_transform = target_transform
        self.shuffle = shuffle
        self.seed = seed
        self.decode = decode
        self.on_error = chosen(self, "on_error", on_error, ("raise", "skip"))
        self.epoch = 0
        self.skipped = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass, where ``seed`` is given."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        seed = draw_seed(None) if self.seed is None else self.seed
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, self.epoch, number])))
        split = len(self.shards) >= count
        shards = self.shards[number::count] if split else list(self.shards)
        if self.shuffle and split:
            shards = [shards[place] for place in rng.permutation(len(shards))]
        groups: Iterator[dict[str, Any]] = (group for shard in shards for group in self._groups(shard))
        if not split:
            groups = (group for place, group in enumerate(groups) if place % count == number)
        return self._samples(_shuffled(groups, self.shuffle, rng) if self.shuffle > 1 else groups)

    def _groups(self, shard: str) -> Iterator[dict[str, Any]]:
        """The samples of a tar, as bytes."""
        group: dict[str, Any] = {}
        try:
            for key, ending, data in _members(shard):
                if group and group["__key__"] != key:
                    yield group
                    group = {}
                if not group:
                    group = {"__key__": key, "__url__": shard}
                if ending in group:
                    raise FileFormatError(f"{shard}: sample {key} has two members that end in .{ending}; pack it again")
                group[ending] = data
        except FileFormatError:
            if self.on_error == "raise":
                raise
            self.skipped += 1
            return
        if group:
            yield group

    def _samples(self, groups: Iterator[dict[str, Any]]) -> Iterator[Any]:
        for group in groups:
            try:
                sample = self._sample(group)
            except BROKEN:
                if self.on_error == "raise":
                    raise
                self.skipped += 1
                continue
            yield sample

    def _sample(self, group: dict[str, Any]) -> Any:
        if self.fields is None:
            return {name: _decoded(group, name) if self.decode else group[name] for name in group}
        parts = []
        for field in self.fields:
            name = next((name for name in field.split(";") if name in group), None)
            if name is None:
                raise FileFormatError(
                    f"{group['__url__']}: sample {group['__key__']} has no {field}; it has {', '.join(list(group)[2:])}"
                )
            parts.append(_decoded(group, name) if self.decode else group[name])
        for place, function in enumerate((self.transform, self.target_transform)):
            if function is not None and place < len(parts):
                parts[place] = function(parts[place])
        return tuple(parts)


def _members(shard: str) -> Iterator[tuple[str, str, bytes]]:
    """Key, ending and content of the members of a tar, one after another."""
    try:
        with (
            opened(Path(shard)) as stream,
            tarfile.open(fileobj=Bounded(stream, sys.maxsize), mode="r:") as tar,  # type: ignore[call-overload]
        ):
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                folder, name = posixpath.split(member.name)
                stem, _, ending = name.partition(".")
                if not member.isreg() or not stem or not ending:
                    continue
                ending = ending.lower()
                if ending.rpartition(".")[2] in _REFUSED:
                    raise FileFormatError(
                        f"{shard}: {member.name} is pickled, and pickles can run code; pack it otherwise"
                    )
                if member.size > LARGEST:
                    raise FileFormatError(f"{shard}: {member.name} holds {member.size} bytes, more than {LARGEST}")
                data = tar.extractfile(member).read()  # type: ignore[union-attr]
                if len(data) != member.size:
                    raise EOFError("unexpected end of data")
                yield posixpath.join(folder, stem), ending, data
    except FileFormatError as error:
        if str(error).startswith(shard):
            raise
        raise FileFormatError(f"{shard}: {error}") from None
    except BROKEN_ARCHIVE as error:
        raise FileFormatError(f"{shard}: the tar is broken ({error}); pack or fetch it again") from None


def _decoded(group: dict[str, Any], name: str) -> Any:
    data = group[name]
    if name.startswith("__"):
        return data
    kind = name.rpartition(".")[2]
    try:
        if f".{kind}" in IMG_EXTENSIONS:
            return open_image(data)
        if kind in ("cls", "id"):
            return int(data)
        if kind in ("txt", "text"):
            return data.decode("utf-8")
        if kind == "json":
            return json.loads(data)
        if kind == "npy":
            return np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, RecursionError) as error:
        raise FileFormatError(f"{group['__url__']}: {group['__key__']}.{name}: {error}") from None
    return data


def _shuffled(stream: Iterator[Any], size: int, rng: np.random.Generator) -> Iterator[Any]:
    """The stream in another order: each item is drawn from so many that wait."""
    waiting: list[Any] = []
    for item in stream:
        if len(waiting) < size:
            waiting.append(item)
            continue
        place = int(rng.integers(size))
        waiting[place], item = item, waiting[place]
        yield item
    for place in rng.permutation(len(waiting)):
        yield waiting[place]
