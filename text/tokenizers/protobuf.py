"""The wire format of protocol buffers: fields by number, read without any description of the message.

Reference: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from framework.io import FileFormatError

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_LONGEST = 10  # bytes of a number of 64 bits, seven in each


def fields(message: memoryview, what: str) -> Iterator[tuple[int, int | memoryview]]:
    """The number and the value of each field: an integer, or the bytes of a string, a message or a float.

    Args:
        message: the bytes. What is given out are views of them.
        what: the name for errors.

    Raises:
        FileFormatError: they are no message.
    """
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place, what)
        number, kind = key >> 3, key & 7
        if not number:
            raise FileFormatError(f"{what}: not a protocol buffer: field number 0 at byte {place}")
        if kind == _VARINT:
            value, place = _varint(message, place, what)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place, what)
        elif kind in (_EIGHT, _FOUR):
            length = 8 if kind == _EIGHT else 4
        else:
            raise FileFormatError(f"{what}: not a protocol buffer: wire type {kind} at byte {place}")
        if length > end - place:
            raise FileFormatError(
                f"{what}: cut short: field {number} claims {length} bytes at byte {place}, {end - place} are left"
            )
        yield number, message[place : place + length]
        place += length


def text(value: int | memoryview, what: str) -> str:
    """A field that is a string."""
    try:
        return str(raw(value, what), "utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{what}: expected text in UTF-8, {error}") from error


def number(value: int | memoryview, what: str) -> int:
    """A field that is a signed integer, an enumeration or a truth value."""
    if not isinstance(value, int):
        raise FileFormatError(f"{what}: expected a number, got {len(value)} bytes")
    return value - (1 << 64) if value >= 1 << 63 else value


def float32(value: int | memoryview, what: str) -> float:
    """A field that is a float."""
    if isinstance(value, int) or len(value) != 4:
        raise FileFormatError(f"{what}: expected the 4 bytes of a float")
    return struct.unpack("<f", value)[0]


def raw(value: int | memoryview, what: str) -> memoryview:
    """A field that is bytes, or a message."""
    if isinstance(value, int):
        raise FileFormatError(f"{what}: expected bytes, got the number {value}")
    return value


def _varint(message: memoryview, place: int, what: str) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[place : place + _LONGEST]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, place + index + 1
    raise FileFormatError(f"{what}: not a protocol buffer: no number at byte {place}")
