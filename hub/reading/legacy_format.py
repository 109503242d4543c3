"""The files that PyTorch wrote before 1.6: five pickles in a row, then the storages, each after its length.

The pickles are a magic number, the version, facts about the machine, the object, and the order of the storages. Numbers
are little-endian whatever the facts say, as PyTorch reads them.
"""

from __future__ import annotations

from typing import Any

from framework import devices
from hub.reading.files import Mapped, foreign
from hub.reading.machine import Machine, Refusal, shown
from hub.reading.standins import PLAIN_NAMES, as_text, finished
from hub.reading.storages import Storage, names
from hub.reading.zip_format import storage_id

MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read(file: Mapped, device: devices.device) -> Any:
    """The object in a file that starts with a pickle.

    A file that is nothing but one pickle, of a dict of arrays, is read too.

    Raises:
        Refusal: it is no such file, or holds what is no plain data.
    """
    first = Machine(file.memory, PLAIN_NAMES)
    magic = first.run()
    if isinstance(magic, dict) and first.position == len(file):
        return finished(magic, as_text)
    if type(magic) is not int or magic != MAGIC:
        raise Refusal("a pickle that PyTorch did not write")
    version = Machine(file.memory, PLAIN_NAMES, start=first.position)
    number = version.run()
    if type(number) is not int or number != _VERSION:
        raise Refusal(f"the version {shown(number)} of the format, which should be {_VERSION}")
    facts = Machine(file.memory, PLAIN_NAMES, start=version.position)
    facts.run()
    storages = _Storages(device)
    content = Machine(file.memory, names(device), start=facts.position, persistent=storages)
    found = content.run()
    order = Machine(file.memory, PLAIN_NAMES, start=content.position)
    storages.place(file, order.run(), order.position)
    return finished(found, as_text)


class _Storages:
    """Gives the storage for each persistent id, and afterwards its bytes."""

    def __init__(self, device: devices.device) -> None:
        self._device = device
        self._roots: dict[str, Storage] = {}
        self._parts: dict[tuple[str, Any], Storage] = {}

    def __call__(self, pid: Any) -> Storage:
        kind, key, count = storage_id(pid, 6)
        root = self._roots.setdefault(key, Storage(kind, count, self._device))
        if root.kind is not kind or root.count != count:
            raise Refusal(f"two sizes or types of the storage {shown(key)}")
        part = pid[5]
        if part is None:
            return root
        name, start, length = part
        if not isinstance(name, str | bytes):
            raise Refusal(f"a part of a storage called {shown(name)}")
        return self._parts.setdefault((key, name), Storage(kind, length, self._device, (root, start)))

    def place(self, file: Mapped, order: Any, position: int) -> None:
        """Find the storages' bytes, which start at a position and come in the order given."""
        if not isinstance(order, list) or not all(isinstance(key, str | bytes) for key in order):
            raise Refusal(f"the order of storages {shown(order)}")
        for name in order:
            key = name.decode("ascii") if isinstance(name, bytes) else name
            storage = self._roots.get(key)
            if storage is None or storage.data is not None:
                raise Refusal(f"the storage {shown(key)}, which is not mentioned or comes twice")
            position = take(file, position, storage, shown(key))


def take(file: Mapped, position: int, storage: Storage, name: str) -> int:
    """Give a storage its bytes, which stand after their length. Returns the position after them.

    Raises:
        Refusal: the length is another, or the file ends before.
    """
    (count,) = file.piece(position, 8, f"the length of storage {name}").view("<i8")
    if count != storage.count:
        raise Refusal(f"{count} elements of storage {name}, which should have {storage.count}")
    storage.data = file.piece(position + 8, storage.size, f"storage {name}")
    storage.swapped = foreign("little")
    return position + 8 + storage.size
