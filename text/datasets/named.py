"""What the data sets that have a name have in common: where their files are, and how they are brought."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from framework.data import Dataset
from framework.io import FileFormatError
from hub import get_dir
from hub.archives import extract_archive
from hub.dataset_files import DatasetNotFound, chosen
from hub.download import download as fetch
from hub.download import obtain


class Source(NamedTuple):
    """A file on the network: its official address, its hash, its name on disk.

    The hash is an MD5 of 32 or a SHA-256 of 64 digits. It is empty where none is published; the file is then taken as it
    comes, if it comes whole.
    """

    url: str
    digest: str
    name: str = ""

    @property
    def file(self) -> str:
        """The name it gets."""
        return self.name or os.path.basename(self.url)


class NamedDataset(Dataset):
    """A data set of texts with official splits, read from files under a folder.

    Files are looked for in ``root/NAME``, ``root/datasets/NAME`` (where torchtext puts them) and ``root`` itself;
    archives that lie there are unpacked. Downloads go to ``root/NAME``.

    Args:
        root: the folder; ``datasets`` in the cache folder unless given.
        split: the part. A tuple of parts, or all of them as by default, gives a tuple of data sets; where there is
            but one part, none need be named.
        download: fetch files that are missing from the official addresses, verified.

    Raises:
        ArgumentError: there is no such part.
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: a file is broken.

    Differs from torchtext: a sample is had by its number, so that a loader can shuffle and share them out; nothing is
    fetched unasked; lines come without their ends.
    """

    splits: ClassVar[tuple[str, ...]]
    sizes: ClassVar[dict[str, int]] = {}  # how many samples the official parts have
    samples: Sequence[Any]

    def __new__(cls, root: Any = None, split: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The data set of one part, or those of several."""
        if isinstance(split, str) or (split is None and len(cls.splits) == 1):
            return super().__new__(cls)
        return tuple(cls(root, part, *args, **kwargs) for part in (cls.splits if split is None else split))

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        split: str | Sequence[str] | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(get_dir(), "datasets") if root is None else Path(root).expanduser()
        self.split = chosen(self, "split", self.splits[0] if split is None else split, self.splits)
        self._download = download
        self.samples = self._read()

    def _read(self) -> Sequence[Any]:
        """The samples of the part."""
        raise NotImplementedError(f"{type(self).__name__}: a named data set must define _read()")

    def _find(self, names: Sequence[str]) -> Path | None:
        return find(self.root, type(self).__name__, names)

    def _file(self, names: str | Sequence[str], source: Source | None) -> Path:
        names = [names] if isinstance(names, str) else names
        return locate(self.root, type(self).__name__, names, source, self._download)

    def __getitem__(self, index: int) -> Any:
        return self.samples[index]

    def __len__(self) -> int:
        return len(self.samples)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.root, self.split

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.root)!r}, split={self.split!r}, {len(self)} samples)"


def find(root: Path, own: str, names: Sequence[str]) -> Path | None:
    """The first of some files that is there, in any of the places where a data set's files may be."""
    folders = (root / own, root / "datasets" / own, root)
    return next((place for name in names for folder in folders if (place := folder / name).exists()), None)


def locate(root: Path, own: str, names: Sequence[str], source: Source | None, download: bool) -> Path:
    """Where a file of a data set is, once it is there.

    Args:
        root: the folder that the user named.
        own: the data set's name.
        names: the file's name, as the archive has it, and others it may have.
        source: where it, or the archive with it, comes from; None for what has to be got by hand.
        download: fetch it if it is missing.
    """
    found = find(root, own, names)
    if found is not None:
        return found
    where = f"{own}: there is no {names[0]} under {os.fspath(root)!r}"
    if source is None:
        raise DatasetNotFound(f"{where}; it has to be got by hand")
    packed = find(root, own, [source.file])
    if packed is None:
        if not download:
            raise DatasetNotFound(f"{where}; pass download=True to fetch it")
        packed = _fetch(source, root / own / source.file)
    if packed.name == names[0]:
        return packed
    extract_archive(packed)
    found = find(root, own, names)
    if found is None:
        raise FileFormatError(f"{packed}: holds no {names[0]}; it is of another data set")
    return found


def _fetch(source: Source, path: Path) -> Path:
    if not source.digest:
        return obtain(source.url, path, Path.is_file, "")
    if len(source.digest) == 32:
        return fetch(source.url, path, md5=source.digest)
    return fetch(source.url, path, sha256=source.digest)


class Rows(Sequence[tuple[Any, ...]]):
    """Columns of texts and arrays of numbers side by side: sample i is the tuple of their values i."""

    def __init__(self, *columns: Any) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Rows(*(column[index] for column in self.columns))
        values = (column[index] for column in self.columns)
        return tuple(value if isinstance(value, str) else value.item() for value in values)
