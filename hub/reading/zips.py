"""Zip archives as memory: entries that are stored as they are come mapped, compressed ones within bounds.

The sizes and places of all entries are checked. Checksums are checked where bytes are read anyway, as in compressed
entries and pickles, and not in the mapped ones, since that would read the whole file.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any

import numpy as np

from hub.reading.files import Mapped
from hub.reading.machine import Refusal, shown

_LOCAL = struct.Struct("<4s5H3I2H")  # what stands before each entry
_ENCRYPTED, _UTF8 = 1, 0x800  # flags
_MOST_TIMES = 20  # compressed entries may not be more than so many times the file, or than the size below
_ALWAYS = 1 << 26


class Archive:
    """The entries of a zip archive.

    Raises:
        Refusal: a name is given twice or leads out of the archive, entries overlap or lie outside the file, are encrypted
            or compressed out of proportion.
        zipfile.BadZipFile: it is no whole archive.
    """

    def __init__(self, file: Mapped) -> None:
        self._file = file
        self._entries: dict[str, tuple[zipfile.ZipInfo, int]] = {}
        with zipfile.ZipFile(file.memory) as archive:  # type: ignore[call-overload]
            found = archive.infolist()
            end = archive.start_dir
        expanded = 0
        for entry in sorted(found, key=lambda e: e.header_offset, reverse=True):
            start = self._start(entry)
            if start + entry.compress_size > end:
                raise Refusal(f"the entry {shown(entry.filename)}, which overlaps another or ends outside the file")
            end = entry.header_offset
            self._check(entry)
            expanded += entry.file_size if entry.compress_type else 0
            self._entries[entry.filename] = entry, start
        if expanded > max(_MOST_TIMES * len(file), _ALWAYS):
            raise Refusal(f"entries that would unpack to {expanded} bytes: a zip bomb")

    @property
    def names(self) -> list[str]:
        """The names of the entries, folders left out, in the order of the file."""
        return [name for name in reversed(self._entries) if not name.endswith("/")]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def data(self, name: str) -> np.ndarray[Any, Any]:
        """The bytes of an entry: mapped where they are stored as they are and aligned."""
        entry, start = self._entries[name]
        found = self._file.piece(start, entry.compress_size, f"the entry {shown(name)}")
        if entry.compress_type == zipfile.ZIP_STORED:
            return found
        unpacked = zlib.decompressobj(-15).decompress(found.data, entry.file_size + 1)
        _check_sum(entry, unpacked)
        return np.frombuffer(bytearray(unpacked), np.uint8)

    def read(self, name: str) -> bytes:
        """The bytes of an entry, whose checksum is right."""
        data = self.data(name).tobytes()
        _check_sum(self._entries[name][0], data)
        return data

    def _start(self, entry: zipfile.ZipInfo) -> int:
        """Where an entry's bytes start, which its own header says."""
        place = entry.header_offset
        mark, _, flags, *_, name, extra = _LOCAL.unpack(self._file.memory[place : place + _LOCAL.size])
        if mark != b"PK\3\4":
            raise Refusal(f"no header of the entry {shown(entry.filename)}")
        if (flags | entry.flag_bits) & _ENCRYPTED:
            raise Refusal(f"the encrypted entry {shown(entry.filename)}")
        own = self._file.memory[place + _LOCAL.size : place + _LOCAL.size + name]
        if own != entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437"):
            raise Refusal(f"the entry {shown(entry.filename)}, which its own header calls {shown(own)}")
        return place + _LOCAL.size + name + extra

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name = entry.orig_filename
        if name in self._entries:
            raise Refusal(f"the entry {shown(name)} twice")
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
            raise Refusal(f"the entry {shown(name)}, whose name leads out of the archive")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refusal(f"the entry {shown(name)}, compressed by method {entry.compress_type}")
        if entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            raise Refusal(f"the entry {shown(name)} of two sizes")


def _check_sum(entry: zipfile.ZipInfo, data: bytes) -> None:
    if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
        raise Refusal(f"the entry {shown(entry.filename)}, whose bytes are not those that were written")
