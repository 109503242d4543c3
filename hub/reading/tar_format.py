"""The files that PyTorch wrote before 0.2: a tar of ``sys_info``, ``storages``, ``tensors`` and a ``pickle`` of the object.

``storages`` and ``tensors`` start with a pickle of how many there are, and each has a pickle before its raw numbers.
"""

from __future__ import annotations

import struct
from typing import Any

from framework import devices
from hub.reading.files import Mapped
from hub.reading.legacy_format import take
from hub.reading.machine import Machine, Refusal, shown
from hub.reading.standins import as_text, finished
from hub.reading.storages import Storage, StorageType, View, names

_BLOCK = 512
_MEMBERS = {"sys_info", "storages", "tensors", "pickle"}
_FILE, _NOTES = (b"0", b"\0"), (b"x", b"g")  # kinds of members; notes hold times and owners
_MARK = slice(257, 262)
_MOST_DIMS = 64


def is_tar(head: bytes) -> bool:
    """Whether a file that starts so is a tar."""
    return head[_MARK] == b"ustar"


def read(file: Mapped, device: devices.device) -> Any:
    """The object in the archive.

    Raises:
        Refusal: it is another archive, or holds what is no plain data.
    """
    places = _members(file)
    missing = sorted(_MEMBERS - places.keys())
    if missing:
        raise Refusal(f"no member {missing[0]}")
    known = names(device)
    found: dict[int, Any] = {}
    _read_storages(file, known, device, found, *places["storages"])
    _read_tensors(file, known, found, *places["tensors"])
    start, end = places["pickle"]
    machine = Machine(file.memory[start:end], known, persistent=lambda pid: _lookup(found, pid))
    return finished(machine.run(), as_text)


def _members(file: Mapped) -> dict[str, tuple[int, int]]:
    """Where each member starts and ends."""
    found: dict[str, tuple[int, int]] = {}
    position = 0
    while position + _BLOCK <= len(file):
        head = file.memory[position : position + _BLOCK]
        if not head.strip(b"\0"):
            break
        if not is_tar(head):
            raise Refusal("a broken header in the tar")
        name = head[:100].rstrip(b"\0").decode("utf-8").removeprefix("./")
        size = int(head[124:136].rstrip(b"\0 ") or b"0", 8)
        start = position + _BLOCK
        if size < 0 or start + size > len(file):
            raise Refusal(f"the member {shown(name)} of {size} bytes, which the file ends before")
        if head[156:157] in _FILE:
            if name not in _MEMBERS or name in found:
                raise Refusal(f"the member {shown(name)} in a tar, which PyTorch did not write")
            found[name] = start, start + size
        elif head[156:157] not in _NOTES:
            raise Refusal(f"the member {shown(name)} of a tar, which is no plain file")
        position = start + -(-size // _BLOCK) * _BLOCK
    return found


def _read_storages(
    file: Mapped, known: Any, device: devices.device, found: dict[int, Any], position: int, end: int
) -> None:
    count, position = _pickled(file, known, position, end)
    for _ in range(_checked(count)):
        (key, _, kind), position = _pickled(file, known, position, end)
        if not isinstance(kind, StorageType) or _checked(key) in found:
            raise Refusal(f"a storage of the type {shown(kind)}, or twice")
        (length,) = _numbers(file, position, end, "<q")
        found[key] = storage = Storage(kind.kind, length, device)
        if position + 8 + storage.size > end:
            raise Refusal(f"a storage of {length} elements, which the member ends before")
        position = take(file, position, storage, shown(key))
    parts, _ = _pickled(file, known, position, end)
    for key, root, start, length in parts:
        whole = found[_checked(root)]
        found[_checked(key)] = Storage(whole.kind, length, device, (whole, start))


def _read_tensors(file: Mapped, known: Any, found: dict[int, Any], position: int, end: int) -> None:
    count, position = _pickled(file, known, position, end)
    for _ in range(_checked(count)):
        (key, storage, _), position = _pickled(file, known, position, end)
        dims, _ = _numbers(file, position, end, "<2i")
        if not 0 <= dims <= _MOST_DIMS:
            raise Refusal(f"a tensor of {dims} dims")
        form = f"<{2 * dims + 1}q"
        *lengths, start = _numbers(file, position + 8, end, form)
        found[_checked(key)] = View(found[_checked(storage)], start, tuple(lengths[:dims]), tuple(lengths[dims:]))
        position += 8 + struct.calcsize(form)


def _pickled(file: Mapped, known: Any, start: int, end: int) -> tuple[Any, int]:
    """The object of a pickle in a member, and the position after it."""
    machine = Machine(memoryview(file.memory)[:end], known, start=start)
    return machine.run(), machine.position


def _numbers(file: Mapped, position: int, end: int, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.memory[position : min(end, position + struct.calcsize(form))])


def _checked(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise Refusal(f"{shown(number)} as a number of parts or a key")
    return number


def _lookup(found: dict[int, Any], pid: Any) -> Any:
    """The tensor or storage of a persistent id, which is its number, also as text."""
    if not isinstance(pid, int | str | bytes):
        raise Refusal(f"the persistent id {shown(pid)}")
    if int(pid) not in found:
        raise Refusal(f"a mention of {shown(pid)}, which the file has not")
    return found[int(pid)]
