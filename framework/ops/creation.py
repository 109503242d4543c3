"""Tensors from values, shapes and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import DtypeError
from framework.ops.casting import convert
from framework.ops.dims import shape_of
from framework.tensor import Tensor, wrap


def options(dtype: Any, device: Any) -> tuple[Any, Any]:
    """The array module and NumPy dtype that ``dtype=`` and ``device=`` ask for."""
    xp = np if device is None else devices.module_of(devices.device(device))
    return xp, (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy


def as_array(data: Any, dtype: Any, device: Any, copy: bool) -> Any:
    """An array of data given as nested lists, numbers, arrays or tensors, with PyTorch's default dtypes."""
    if isinstance(data, list | tuple) and data and _holds_tensors(data):
        data = np.array(_plain(data))
    if isinstance(data, Tensor):
        array = data.array
    elif isinstance(data, np.ndarray | np.generic) or hasattr(data, "__cuda_array_interface__"):
        array = data if not isinstance(data, np.generic) else np.asarray(data)
        dtypes.of(array)
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("="))
    else:
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"tensor: the nested lists do not form a rectangular array: {error}") from None
        if array.dtype == np.float64 and not _holds_numpy(data):
            array = array.astype(dtypes.get_default_dtype().numpy) if dtype is None else array
        elif array.dtype == np.complex128 and not _holds_numpy(data):
            array = array.astype(dtypes.get_default_dtype().to_complex().numpy) if dtype is None else array
        if array.dtype.kind in "OUS":
            raise DtypeError(f"tensor: expected numbers, got {type(data).__name__} holding {array.dtype}")
        if array.size == 0 and dtype is None and not _holds_numpy(data):
            array = array.astype(dtypes.get_default_dtype().numpy)
        copy = False
    if dtype is not None and array.dtype != dtypes.as_dtype(dtype).numpy:
        array, copy = convert(array, dtypes.as_dtype(dtype).numpy), False
    if device is not None:
        moved = devices.move(array, devices.device(device))
        array, copy = moved, copy and moved is array
    return array.copy(order="K") if copy else array


def _holds_tensors(data: Any) -> bool:
    return isinstance(data, Tensor) or (isinstance(data, list | tuple) and any(_holds_tensors(d) for d in data[:1]))


def _holds_numpy(data: Any) -> bool:
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, np.ndarray | np.generic) or hasattr(data, "__array__")


def _plain(data: Any) -> Any:
    return [_plain(d) for d in data] if isinstance(data, list | tuple) else data.tolist() if isinstance(data, Tensor) else data


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new leaf tensor from numbers, nested lists, arrays or tensors. The data is copied.

    Args:
        dtype: inferred unless given: Python floats take the default dtype, ints int64; arrays keep theirs.
        device: "cpu" unless given.
        requires_grad: whether ops on it are recorded.
        pin_memory: accepted for PyTorch's signature.

    Example:
        >>> framework.tensor([[1.0, 2.0], [3.0, 4.0]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    return wrap(as_array(data, dtype, device, copy=True)).requires_grad_(requires_grad)


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
    """A tensor over a NumPy array's memory: writes to either show in both.

    Raises:
        TypeError: the argument is not a NumPy array, or its dtype is none of ours.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(ndarray).__name__}; use tensor() for lists")
    dtypes.of(ndarray)
    return wrap(ndarray)


def zeros(
    *size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:  # fmt: skip
    """A tensor of zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    xp, kind = options(dtype, device)
    return wrap(xp.zeros(shape_of(size), kind)).requires_grad_(requires_grad)


def ones(
    *size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:  # fmt: skip
    """A tensor of ones: ``ones(2, 3)`` or ``ones((2, 3))``."""
    xp, kind = options(dtype, device)
    return wrap(xp.ones(shape_of(size), kind)).requires_grad_(requires_grad)


def empty(
    *size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None
) -> Tensor:  # fmt: skip
    """A tensor with whatever its memory held."""
    xp, kind = options(dtype, device)
    return wrap(xp.empty(shape_of(size), kind)).requires_grad_(requires_grad)
