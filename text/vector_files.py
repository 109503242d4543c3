"""Files of word vectors, as text or in word2vec's binary form, and the arrays that are made of them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import os
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from framework.io import FileFormatError, atomic_path

_LINES = 2048  # that are parsed at a time
_LONGEST = 1 << 16  # bytes of a word in a binary file
_Found = tuple[list[str], np.ndarray]


def opened(path: Path, member: str | None, most: int | None, cache: Path) -> _Found:
    """The words of a file, and its vectors as an array that lies on the disk.

    Args:
        path: the file.
        member: which one in it, where it is packed with others.
        most: how many vectors to keep.
        cache: the folder for the array. One that was made of this state of the file before is used again.
    """
    state = path.stat()
    key = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}\n{member}\n{most}"
    stem = cache / f"{path.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    words_path, array_path = stem.with_name(f"{stem.name}.words"), stem.with_name(f"{stem.name}.npy")
    if not (words_path.is_file() and array_path.is_file()):
        cache.mkdir(parents=True, exist_ok=True)
        words, numbers = convert(path, member, most, None)
        with atomic_path(array_path) as temporary, open(temporary, "wb") as file:
            np.save(file, numbers)
        with atomic_path(words_path) as temporary:
            Path(temporary).write_text("\n".join(words), encoding="utf-8", newline="\n")
        del numbers
    words = words_path.read_bytes().decode("utf-8").split("\n")
    numbers = np.asarray(np.load(array_path, mmap_mode="c", allow_pickle=False))  # writes stay in memory
    if len(numbers) != len(words):
        raise FileFormatError(
            f"{array_path}: {len(numbers)} vectors for {len(words)} words; delete it to have it made anew"
        )
    return words, numbers


def convert(path: Path, member: str | None, most: int | None, wanted: Collection[str] | None) -> _Found:
    """The words and the vectors of a file, those of ``wanted`` alone if there is such a set. Of a word that is there
    twice the first vector counts."""
    with _unpacked(path, member) as (file, name):
        where = str(path) if name == path.name else f"{path}: {name}"
        parts = _binary(file, where, most, wanted) if name.endswith(".bin") else _text(file, where, most, wanted)
        words: list[str] = []
        arrays = []
        seen: set[str] = set()
        for some, numbers in parts:
            fresh = [row for row, word in enumerate(some) if word not in seen and not seen.add(word)]  # type: ignore[func-returns-value]
            words += [some[row] for row in fresh]
            arrays.append(numbers if len(fresh) == len(some) else numbers[fresh])
    if not arrays:
        what = "none of the words asked for is in it" if wanted is not None else "there are no vectors in it"
        raise FileFormatError(f"{where}: {what}")
    return words, np.concatenate(arrays)


@contextlib.contextmanager
def _unpacked(path: Path, member: str | None) -> Iterator[tuple[Any, str]]:
    """The file, unpacked as it is read, and its name."""
    name = path.name
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                chosen = _member(path, archive.namelist(), member)
                with archive.open(chosen) as file:
                    yield file, chosen
        elif name.endswith((".tar.gz", ".tgz", ".tar")):
            with tarfile.open(path) as archive:
                chosen = _member(path, [entry.name for entry in archive if entry.isfile()], member)
                inner = archive.extractfile(chosen)
                if inner is None:
                    raise FileFormatError(f"{path}: {chosen} is no file")
                with inner:
                    yield inner, chosen
        elif name.endswith(".gz"):
            with gzip.open(path) as file:
                yield file, name.removesuffix(".gz")
        else:
            with open(path, "rb") as file:
                yield file, name
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        raise FileFormatError(f"{path}: damaged: {error}") from error


def _member(path: Path, names: list[str], member: str | None) -> str:
    found = [name for name in names if member is None or os.path.basename(name) == member]
    found = [name for name in found if not name.endswith("/")]
    if len(found) != 1:
        wanted = f"one file named {member}" if member else "one file"
        raise FileFormatError(
            f"{path}: expected {wanted} in it, it has {', '.join(names[:10]) or 'none'}; pass member="
        )
    return found[0]


def _text(
    file: IO[bytes], where: str, most: int | None, wanted: Collection[str] | None
) -> Iterator[tuple[list[str], np.ndarray]]:
    """A word and its numbers a line. Some words have blanks in them, so the numbers are counted from the end."""
    first = file.readline()
    head = first.split()
    counted = len(head) == 2 and head[0].isdigit() and head[1].isdigit()
    dim = int(head[1]) if counted else len(head) - 1
    if dim < 1:
        raise FileFormatError(f"{where}, line 1: expected a word and its numbers, got {first[:60]!r}")
    keep = None if wanted is None else {word.encode("utf-8") for word in wanted}
    lines = itertools.islice(file if counted else itertools.chain([first], file), most)
    number = int(counted)
    while chunk := list(itertools.islice(lines, _LINES)):
        words, rows = [], []
        for line in chunk:
            number += 1
            line = line.strip(b" \r\n")
            if line.count(b" ") == dim:
                word, _, row = line.partition(b" ")
            else:
                word, row = _split(line, dim, where, number)
            if keep is None or word in keep:
                words.append(word)
                rows.append(row)
        if words:
            yield [_word(word, where) for word in words], _parsed(rows, dim, where, number)


def _split(line: bytes, dim: int, where: str, number: int) -> tuple[bytes, bytes]:
    parts = line.rsplit(None, dim)
    if len(parts) != dim + 1:
        raise FileFormatError(f"{where}, line {number}: expected a word and {dim} numbers, got {len(parts)} parts")
    return parts[0], b" ".join(parts[1:])


def _parsed(rows: list[bytes], dim: int, where: str, number: int) -> np.ndarray:
    try:
        found = np.loadtxt([row.decode("latin-1") for row in rows], np.float32, comments=None, ndmin=2)
    except ValueError as error:
        raise FileFormatError(f"{where}, in the {len(rows)} vectors up to line {number}: {error}") from error
    if found.shape != (len(rows), dim):
        raise FileFormatError(
            f"{where}, in the {len(rows)} vectors up to line {number}: expected {dim} numbers in each"
        )
    return found


def _binary(
    file: IO[bytes], where: str, most: int | None, wanted: Collection[str] | None
) -> Iterator[tuple[list[str], np.ndarray]]:
    """word2vec's form: the counts in a line, then each word, a blank, and its numbers as they lie in memory."""
    head = file.readline(64).split()
    if len(head) != 2 or not (head[0].isdigit() and head[1].isdigit()) or int(head[1]) < 1:
        raise FileFormatError(
            f"{where}: expected the numbers of words and of dimensions in its first line, got {head!r:.60}"
        )
    count, width = int(head[0]), 4 * int(head[1])
    keep = None if wanted is None else {word.encode("utf-8") for word in wanted}
    buffer, place = b"", 0
    words: list[str] = []
    rows: list[bytes] = []
    for number in range(count if most is None else min(count, most)):
        end = buffer.find(b" ", place)
        if end < 0 or len(buffer) - end - 1 < width:
            buffer, place = buffer[place:] + file.read(max(1 << 20, width + _LONGEST)), 0
            end = buffer.find(b" ", 0, _LONGEST)
            if end < 0 or len(buffer) - end - 1 < width:
                raise FileFormatError(f"{where}: cut short: {number} of {count} vectors are there")
        word = buffer[place:end].lstrip(b"\n")
        place = end + 1 + width
        if keep is None or word in keep:
            words.append(_word(word, where))
            rows.append(buffer[end + 1 : place])
        if len(words) == _LINES:
            yield words, np.frombuffer(b"".join(rows), "<f4").reshape(len(rows), -1)
            words, rows = [], []
    if words:
        yield words, np.frombuffer(b"".join(rows), "<f4").reshape(len(rows), -1)


def _word(word: bytes, where: str) -> str:
    if b"\n" in word:
        raise FileFormatError(f"{where}: a word with a line break in it: {word[:60]!r}")
    return word.decode("utf-8", "replace")
