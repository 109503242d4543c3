"""The memory under a tensor: its owner, where in it a tensor starts, and arrays laid over it with any strides."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices
from framework.devices import array_module
from framework.errors import GraphError, ShapeError
from framework.tensor import Tensor


def owner_of(array: Any) -> Any:
    """The array that owns the memory ``array`` looks at."""
    base = array.base
    while base is not None:
        inner = getattr(base, "base", None) if not isinstance(base, type(array)) else base
        if not isinstance(inner, type(array)):
            break
        array, base = inner, inner.base
    return array


def flat(array: Any) -> Any:
    """The owner's memory as a 1-d array of bytes."""
    owner = owner_of(array)
    order = sorted(range(owner.ndim), key=lambda axis: (-owner.strides[axis], -owner.shape[axis]))
    dense = owner.transpose(order)
    if not dense.flags.c_contiguous:
        raise ShapeError(
            f"storage: the array of shape {owner.shape} and strides {owner.strides} lies with gaps in memory that is "
            "not ours; clone() it first"
        )
    return dense.reshape(-1).view(np.uint8)


def address(array: Any) -> int:
    """The address of an array's first element."""
    data = array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else array.data.ptr
    return int(data)


def offset_of(array: Any) -> int:
    """Elements from the start of the owner's memory to the array's first element."""
    return (address(array) - address(owner_of(array))) // array.itemsize if array.size else 0


def strided(array: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, dtype: Any = None) -> Any:
    """An array over the same memory with other strides, in bytes, from ``offset`` bytes after its first element.

    Raises:
        ShapeError: the new array would reach outside the memory.
    """
    dtype = array.dtype if dtype is None else dtype
    memory = flat(array)
    start = offset + (address(array) - address(memory) if array.size else 0)
    last = start + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + dtype.itemsize
    if 0 not in shape and (start < 0 or last > memory.size):
        raise ShapeError(
            f"as_strided: sizes {shape} with strides {tuple(s // dtype.itemsize for s in strides)} and offset "
            f"{start // dtype.itemsize} are out of bounds for storage of size {memory.size} bytes"
        )
    if isinstance(array, np.ndarray):
        return np.ndarray(shape, dtype, memory, start if 0 not in shape else 0, strides)
    xp = array_module(array)
    return xp.lib.stride_tricks.as_strided(memory[start:last].view(dtype), shape, strides)


class UntypedStorage:
    """The bytes under a tensor, shared by all its views: ``data_ptr()``, ``nbytes()``, ``size()``, ``device``."""

    def __init__(self, array: Any) -> None:
        self._array = owner_of(array)

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return address(self._array)

    def nbytes(self) -> int:
        """The number of bytes."""
        return int(self._array.nbytes)

    size = __len__ = nbytes

    @property
    def device(self) -> devices.device:
        """Where the bytes lie."""
        return devices.of(self._array)

    def __repr__(self) -> str:
        return f"<framework.UntypedStorage of {self.nbytes()} bytes on {self.device}>"


def untyped_storage(input: Tensor) -> UntypedStorage:
    """The memory under the tensor."""
    return UntypedStorage(input.array)


def storage_offset(input: Tensor) -> int:
    """Elements from the start of the memory to the tensor's first element."""
    return offset_of(input.array)


def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same memory, shape and strides."""
    a, b = input.array, tensor.array
    return address(a) == address(b) and a.shape == b.shape and a.strides == b.strides


def cuda_array_interface(input: Tensor) -> Any:
    """How other libraries reach the tensor's memory on a GPU.

    Raises:
        AttributeError: the tensor lies on the CPU.
        GraphError: it requires gradients.
    """
    if input.is_cpu:
        raise AttributeError("__cuda_array_interface__: the tensor lies on the CPU; use cuda() first")
    if input.requires_grad:
        raise GraphError("__cuda_array_interface__: can't hand out a tensor that requires grad; use detach() first")
    return input._hand_out().__cuda_array_interface__
