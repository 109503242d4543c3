"""Weights written for others to read: as safetensors, or as the archive that PyTorch's ``torch.load`` takes.

The archive holds a pickle. It is put together here instruction by instruction and names nothing but ``OrderedDict``, the
types of storages and the function that lays a tensor over one, all of which ``torch.load(weights_only=True)`` allows.

Reference: the instructions, https://docs.python.org/3/library/pickletools.html
"""

from __future__ import annotations

import os
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import ArgumentError, DtypeError
from framework.io import atomic_path, save_file
from framework.io.weights import memory_key
from framework.tensor import Tensor

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".th")
_HEADER = 30  # bytes of a record's header before its name
_ALIGNMENT = 64  # bytes; where readers that map the file into memory expect storages to begin
_STORAGES = {
    dtypes.float64: "DoubleStorage", dtypes.float32: "FloatStorage", dtypes.float16: "HalfStorage",
    dtypes.bfloat16: "BFloat16Storage", dtypes.int64: "LongStorage", dtypes.int32: "IntStorage",
    dtypes.int16: "ShortStorage", dtypes.int8: "CharStorage", dtypes.uint8: "ByteStorage", dtypes.bool_: "BoolStorage",
    dtypes.complex64: "ComplexFloatStorage", dtypes.complex128: "ComplexDoubleStorage",
}  # fmt: skip


def save_state_dict(state_dict: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Write named tensors to a file, atomically. Tied tensors are stored once and stay tied.

    Args:
        state_dict: as a model's ``state_dict()`` gives it.
        path: its suffix tells the format: ``.safetensors``, or PyTorch's ``.pth``, ``.pt``, ``.bin``, ``.ckpt``, ``.th``.

    Raises:
        ArgumentError: the suffix is another.
        DtypeError: PyTorch's archive has no storage of a tensor's dtype.

    Example:
        >>> hub.save_state_dict(model.state_dict(), "model.pth")  # torch.load("model.pth", weights_only=True)
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".safetensors":
        save_file(state_dict, path)
    elif suffix in TORCH_SUFFIXES:
        save_torch(OrderedDict(state_dict), path)
    else:
        raise ArgumentError(
            f"save_state_dict: {os.fspath(path)!r} should end in .safetensors or one of {', '.join(TORCH_SUFFIXES)}"
        )


def save_torch(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write tensors inside plain containers to a file that ``torch.load(path, weights_only=True)`` reads, atomically.

    Args:
        obj: tensors, dicts, lists, tuples, strings, numbers, None. Tensors come back as plain ones on the CPU.
        path: where to.

    Raises:
        TypeError: there is something else inside.
        DtypeError: PyTorch's archive has no storage of a tensor's dtype.
    """
    stream = _Stream()
    stream.value(obj)
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        _write(archive, "archive/data.pkl", stream.finished())
        _write(archive, "archive/byteorder", sys.byteorder.encode())
        for number, array in enumerate(stream.arrays):
            _write(archive, f"archive/data/{number}", array.reshape(-1).view(np.uint8).data)
        _write(archive, "archive/version", b"3\n")


def _write(archive: zipfile.ZipFile, name: str, content: bytes | memoryview) -> None:
    """Add a record whose bytes begin at a multiple of the alignment."""
    record = zipfile.ZipInfo(name)
    large = len(content) > zipfile.ZIP64_LIMIT
    begins = archive.start_dir + _HEADER + len(name) + 4 + (20 if large else 0)
    padding = -begins % _ALIGNMENT
    record.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding  # the field that PyTorch pads with, too
    with archive.open(record, "w", force_zip64=large) as file:
        file.write(content)


class _Stream:
    """A pickle in the making, and the arrays that it refers to."""

    def __init__(self) -> None:
        self.parts = [b"\x80\x02"]  # PROTO 2
        self.arrays: list[np.ndarray[Any, Any]] = []
        self._numbers: dict[Any, int] = {}  # of arrays, by the memory they were

    def finished(self) -> bytes:
        """The whole stream."""
        return b"".join([*self.parts, b"."])

    def value(self, obj: Any) -> None:
        """Append what puts an object on the stack."""
        if isinstance(obj, Tensor):
            self._tensor(obj)
        elif isinstance(obj, Mapping):
            self.parts.append(b"ccollections\nOrderedDict\n)R" if isinstance(obj, OrderedDict) else b"}")
            self._marked([part for item in obj.items() for part in item], b"u")  # SETITEMS
        elif isinstance(obj, list):
            self.parts.append(b"]")
            self._marked(obj, b"e")  # APPENDS
        elif isinstance(obj, tuple):
            self._marked(obj, b"t")
        elif obj is None or isinstance(obj, bool):
            self.parts.append({None: b"N", True: b"\x88", False: b"\x89"}[obj])
        elif isinstance(obj, int):
            self._integer(int(obj))
        elif isinstance(obj, float):
            self.parts.append(struct.pack(">cd", b"G", obj))
        elif isinstance(obj, str):
            text = obj.encode("utf-8", "surrogatepass")
            self.parts += [struct.pack("<cI", b"X", len(text)), text]
        else:
            raise TypeError(
                f"save_torch: a {type(obj).__name__} cannot be written; only tensors, dicts, lists, tuples, strings, numbers"
            )

    def _marked(self, items: Any, end: bytes) -> None:
        self.parts.append(b"(")
        for item in items:
            self.value(item)
        self.parts.append(end)

    def _integer(self, number: int) -> None:
        if -(2**31) <= number < 2**31:
            self.parts.append(struct.pack("<ci", b"J", number))
        else:
            data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
            self.parts += [struct.pack("<cB", b"\x8a", len(data)), data]  # LONG1: up to 255 bytes

    def _tensor(self, tensor: Tensor) -> None:
        if tensor.dtype not in _STORAGES:
            raise DtypeError(
                f"save_torch: PyTorch has no storage of {tensor.dtype}; save as .safetensors, or convert it"
            )
        key = memory_key(tensor.array)
        if key not in self._numbers:
            self._numbers[key] = len(self.arrays)
            self.arrays.append(np.ascontiguousarray(devices.move(tensor.array, devices.CPU)))
        number = self._numbers[key]
        array = self.arrays[number]
        self.parts.append(b"ctorch._utils\n_rebuild_tensor_v2\n((")
        self.value("storage")
        self.parts.append(b"ctorch\n" + _STORAGES[tensor.dtype].encode() + b"\n")
        for part in (str(number), "cpu", array.size):
            self.value(part)
        self.parts.append(b"tQ")  # the end of the storage's tuple: BINPERSID
        self.value(0)  # where in the storage the tensor begins
        self.value(tuple(tensor.shape))
        self.value(_row_major(tuple(tensor.shape)))
        self.value(False)  # requires_grad
        self.parts.append(b"ccollections\nOrderedDict\n)RtR")  # no hooks; the end of the arguments: REDUCE


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The steps, in elements, of a row-major tensor."""
    steps = [1]
    for length in reversed(shape[1:]):
        steps.append(steps[-1] * max(length, 1))
    return tuple(reversed(steps)) if shape else ()
