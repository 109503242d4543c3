"""Devices, and the array module that serves each."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

from framework.errors import DeviceError


class device:
    """Where a tensor's memory lies: ``device("cpu")``, ``device("cuda", 1)``, ``device("cuda:0")``, ``device(0)``."""

    type: str
    index: int | None

    __slots__ = ("index", "type")

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        if isinstance(type, device):
            where = type
            type, index = where.type, where.index
        elif isinstance(type, int):
            index, type = type, "cuda"
        kind, _, number = type.partition(":")
        if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise DeviceError(f"device: expected 'cpu', 'cuda' or 'cuda:N', got {type!r}")
        if number and index is not None:
            raise DeviceError(f"device: {type!r} already holds an index; drop index={index}")
        self.type = kind
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        _outer.append(_default[0])
        set_default_device(self)
        return self

    def __exit__(self, *_: object) -> None:
        _default[0] = _outer.pop()


CPU = device("cpu")
_default = [CPU]  # where factory functions make tensors
_outer: list[device] = []  # the defaults around the ``with device(...)`` blocks that are open


def default() -> device:
    """The device of new tensors for which none is given; ``CPU`` itself when that is main memory."""
    return _default[0]


def get_default_device() -> device:
    """The device of new tensors for which none is given."""
    return _default[0]


def set_default_device(device: Any) -> None:
    """Set the device of new tensors for which none is given; None stands for the CPU.

    Example:
        >>> with framework.device("cuda"):
        ...     model = framework.nn.Linear(4, 2)
    """
    where = CPU if device is None else _device(device)
    module_of(where)
    _default[0] = CPU if where.type == "cpu" else where


_device = device


def array_module(array: Any) -> Any:
    """NumPy for a NumPy array or a Python number, CuPy for a CuPy array. The library is never imported by this."""
    if isinstance(array, np.ndarray):
        return np
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(array, cupy.ndarray) else np


def scipy_for(xp: Any, module: str) -> Any:
    """A part of SciPy that works on an array module's arrays, such as ``"special"``; imported when first asked for."""
    return import_module(f"scipy.{module}" if xp is np else f"cupyx.scipy.{module}")


def of(array: Any) -> device:
    """The device that holds an array."""
    if isinstance(array, np.ndarray):
        return CPU
    return device("cuda", array.device.id)


def module_of(where: device) -> Any:
    """The array module that makes arrays on a device.

    Raises:
        DeviceError: a CUDA device is asked for, and CuPy or the GPU is missing.
    """
    if where.type == "cpu":
        return np
    try:
        import cupy
    except ImportError:
        raise DeviceError(
            f"device {where}: CuPy is not installed; install the extra with pip install 'eagerkit[cuda]', or use 'cpu'"
        ) from None
    if not cupy.cuda.is_available():
        raise DeviceError(f"device {where}: no CUDA GPU is available to CuPy; check the driver, or use 'cpu'")
    return cupy


def move(array: Any, where: device) -> Any:
    """The array itself if it lies on the device already, else a copy there."""
    current = of(array)
    if current.type == where.type and (where.index is None or current.index == where.index):
        return array
    if where.type == "cpu":
        return array.get()
    cupy = module_of(where)
    with cupy.cuda.Device(where.index):  # None is the one in use
        return cupy.asarray(array)


def pinned(array: Any) -> Any:
    """A copy of a NumPy array in page-locked memory, in the same order.

    Raises:
        DeviceError: CuPy or the GPU is missing.
    """
    module_of(device("cuda"))
    from cupyx import empty_like_pinned

    copy = empty_like_pinned(array)
    copy[...] = array
    return copy


def is_pinned(array: Any) -> bool:
    """Whether a NumPy array lies in memory that CuPy page-locked."""
    cupy = sys.modules.get("cupy")
    while cupy is not None and array is not None:
        if isinstance(array, cupy.cuda.pinned_memory.PinnedMemoryPointer):
            return True
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return False
