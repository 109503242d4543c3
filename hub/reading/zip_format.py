"""The files that PyTorch has written since 1.6: a zip archive of one pickle, and of each storage as an entry beside it.

NAME/data.pkl  NAME/byteorder  NAME/data/0  NAME/data/1 ...
"""

from __future__ import annotations

from typing import Any

from framework import devices, dtypes
from hub.reading.files import Mapped, foreign
from hub.reading.machine import Machine, Refusal, shown
from hub.reading.standins import as_text, finished
from hub.reading.storages import Storage, StorageType, names
from hub.reading.zips import Archive


def read(file: Mapped, archive: Archive, device: devices.device) -> Any:
    """The object in the archive.

    Raises:
        Refusal: it holds several objects, a scripted program, or what is no plain data.
    """
    pickles = [name for name in archive.names if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise Refusal(f"{len(pickles)} entries data.pkl where one is expected")
    folder = pickles[0].removesuffix("data.pkl")
    strange = next((name for name in archive.names if not name.startswith(folder)), None)
    if strange is not None:
        raise Refusal(f"the entry {shown(strange)} outside the folder {shown(folder)}")
    if any(name.startswith((f"{folder}constants.pkl", f"{folder}code/")) for name in archive.names):
        raise Refusal("a TorchScript program; load it in PyTorch and save its state_dict()")
    order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in archive else b"little"
    if order not in (b"little", b"big"):
        raise Refusal(f"the byte order {shown(order)}")
    storages = _Storages(archive, folder, device, foreign(order.decode()))
    machine = Machine(archive.read(pickles[0]), names(device), persistent=storages)
    return finished(machine.run(), as_text)


class _Storages:
    """Gives the storage for each persistent id."""

    def __init__(self, archive: Archive, folder: str, device: devices.device, swapped: bool) -> None:
        self._archive = archive
        self._folder = folder
        self._device = device
        self._swapped = swapped
        self._found: dict[tuple[str, dtypes.dtype], Storage] = {}

    def __call__(self, pid: Any) -> Storage:
        kind, key, count = storage_id(pid, 5)
        found = self._found.get((key, kind))
        if found is None:
            found = Storage(kind, count, self._device)
            name = f"{self._folder}data/{key}"
            if name not in self._archive:
                raise Refusal(f"a mention of the storage {shown(key)}, which the file has not")
            data = self._archive.data(name)
            if len(data) // kind.itemsize != count:
                raise Refusal(f"{len(data)} bytes of the storage {shown(key)}, which should have {found.size}")
            found.data = data[: found.size]
            found.swapped = self._swapped
            self._found[key, kind] = found
        if found.count != count:
            raise Refusal(f"two sizes of the storage {shown(key)}")
        return found


def storage_id(pid: Any, length: int) -> tuple[dtypes.dtype, str, int]:
    """The dtype, key and number of elements in a storage's persistent id.

    Args:
        pid: ``("storage", type, key, location, count, ...)``. The location is not looked at.
        length: of the id.

    Raises:
        Refusal: it is something else.
    """
    if type(pid) is not tuple or len(pid) != length or pid[0] not in ("storage", b"storage"):
        raise Refusal(f"the persistent id {shown(pid)}")
    _, kind, key, _, count = pid[:5]
    if not isinstance(kind, StorageType) or not isinstance(key, str | bytes):
        raise Refusal(f"a storage of the type {shown(kind)}")
    return kind.kind, key.decode("ascii") if isinstance(key, bytes) else key, count
