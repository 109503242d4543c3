"""Texts kept as one buffer of bytes, so that millions of them cost no more memory than their characters."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from framework.errors import BoundsError
from framework.io import FileFormatError
from hub.archives import BROKEN_ARCHIVE, growth_bound, is_compressed, opened
from hub.dataset_files import DatasetNotFound

Array = np.ndarray[Any, Any]
_CHUNK = 1 << 24  # bytes looked through at once


class Strings(Sequence[str]):
    """A sequence of texts in one buffer, decoded when asked for.

    A Python list of as many texts takes several times the memory, and takes it again in every worker process, which
    writes to the counters of what it reads.

    Args:
        buffer: the UTF-8 bytes of all texts.
        starts, ends: where each text is in it, in bytes.
    """

    _path: Path | None = None  # the file that the buffer is a map of, where all of its lines are here

    def __init__(self, buffer: Any, starts: Array, ends: Array) -> None:
        self._buffer = buffer
        self._starts, self._ends = starts, ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        """Of texts that are in memory, or come one by one."""
        buffer, ends = bytearray(), []
        for text in texts:
            buffer += text.encode("utf-8", "surrogatepass")
            ends.append(len(buffer))
        bounds = np.array([0, *ends], np.int64)
        return cls(bytes(buffer), bounds[:-1], bounds[1:])

    @classmethod
    def lines(cls, path: str | os.PathLike[str]) -> Strings:
        """Of a file's lines, without their ends. The file is mapped, not read; a compressed one is unpacked in memory.

        Lines end in "\\n" or "\\r\\n", and nowhere else.

        Raises:
            DatasetNotFound: there is no such file.
            FileFormatError: it is compressed, and broken.
        """
        place = Path(path)
        if not place.is_file():
            raise DatasetNotFound(f"there is no file {os.fspath(path)!r}")
        if is_compressed(place):
            return cls._of_lines(unpacked(place))
        with open(place, "rb") as file:
            if not os.path.getsize(place):
                return cls._of_lines(b"")
            lines = cls._of_lines(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        lines._path = place.absolute()
        return lines

    @classmethod
    def _of_lines(cls, buffer: Any) -> Strings:
        """The lines of a buffer."""
        whole = np.frombuffer(buffer, np.uint8)
        parts = [np.flatnonzero(whole[at : at + _CHUNK] == ord("\n")) + at for at in range(0, len(whole), _CHUNK)]
        breaks = np.concatenate([np.empty(0, np.int64), *parts])
        if len(whole) and whole[-1] != ord("\n"):
            breaks = np.append(breaks, len(whole))
        starts = np.concatenate([np.zeros(1, np.int64), breaks[:-1] + 1])[: len(breaks)]
        with_return = (
            (breaks > starts) & (breaks < len(whole)) & (whole[breaks - 1] == ord("\r"))
            if len(breaks)
            else np.empty(0, bool)
        )
        if len(breaks) and bytes(buffer[:3]) == b"\xef\xbb\xbf":  # a byte order mark is no text
            starts[0] = 3
        return cls(buffer, starts, breaks - with_return)

    def select(self, numbers: Any) -> Strings:
        """The texts of the numbers given, in the same buffer."""
        places = np.asarray(numbers, np.int64)
        return Strings(self._buffer, self._starts[places], self._ends[places])

    @property
    def sizes(self) -> Array:
        """The length of each text in bytes: a measure by which batches of like length can be formed."""
        return self._ends - self._starts

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Strings: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Strings(self._buffer, self._starts[index], self._ends[index])
        if not -len(self) <= index < len(self):
            raise BoundsError(f"text {index} is out of range for {len(self)} of them")
        piece = bytes(self._buffer[int(self._starts[index]) : int(self._ends[index])])
        try:
            return piece.decode("utf-8", "surrogatepass")  # JSON can hold halves of characters
        except UnicodeDecodeError as error:
            raise FileFormatError(f"text {index} is not UTF-8 ({error.reason} at its byte {error.start})") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"Strings([{shown}{', ...' if len(self) > 3 else ''}], {len(self)} texts)"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._path is not None:  # another process maps the file too
            return Strings.lines, (self._path,)
        first = int(self._starts.min(initial=len(self._buffer)))
        part = bytes(self._buffer[first : int(self._ends.max(initial=first))])
        return Strings, (part, self._starts - first, self._ends - first)


def unpacked(path: Path) -> bytes:
    """The content of a compressed file, within bounds."""
    most = growth_bound(path)
    with opened(path) as stream:
        try:
            content = bytes(stream.read(most + 1))
        except BROKEN_ARCHIVE as error:
            raise FileFormatError(f"{path}: the compressed data is broken ({error}); download it again") from None
    if len(content) > most:
        raise FileFormatError(f"{path}: unpacks to far more than its size lets expect; do not use it")
    return content
