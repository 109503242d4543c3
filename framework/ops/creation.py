"""Tensors of a shape, filled with a number or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.ops.casting import into
from framework.ops.dims import shape_of
from framework.ops.memory import arrange, empty_kept, matches, memory_format, preserves
from framework.ops.values import leaf, stored
from framework.tensor import Tensor, wrap


def options(dtype: Any, device: Any) -> tuple[Any, Any]:
    """The array module and NumPy dtype that ``dtype=`` and ``device=`` ask for."""
    where = devices.default() if device is None else devices.device(device)
    kind = (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy
    return np if where is devices.CPU else devices.module_of(where), kind


def checked_shape(name: str, size: tuple[Any, ...], named: Any = None) -> tuple[int, ...]:
    """A shape given as numbers, as one sequence, or by the keyword ``size``.

    Raises:
        ShapeError: a length is negative.
    """
    if not size and named is None:
        raise TypeError(f'{name}() missing 1 required positional argument: "size"')
    shape = shape_of(size if named is None else (named,))
    for n in shape:
        if n < 0:
            raise ShapeError(f"{name}: trying to create tensor with negative dimension {n}: {list(shape)}")
    return shape


def scalar_tensor(
    s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad:
    bool = False,
) -> Tensor:  # fmt: skip
    """A 0-d tensor of a number, in the default dtype unless said otherwise."""
    kind = dtypes.get_default_dtype() if dtype is None else dtype
    if dtype is None and isinstance(s, complex):
        kind = kind.to_complex()
    return full((), s, dtype=kind, device=device, requires_grad=requires_grad)


def zeros(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of zeros: ``zeros(2, 3)`` or ``zeros((2, 3))``."""
    xp, kind = options(out.dtype if out is not None and dtype is None else dtype, device)
    y = xp.zeros(checked_shape("zeros", sizes, size), kind)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def ones(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ones: ``ones(2, 3)`` or ``ones((2, 3))``."""
    xp, kind = options(out.dtype if out is not None and dtype is None else dtype, device)
    y = xp.ones(checked_shape("ones", sizes, size), kind)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def empty(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor with whatever its memory held."""
    xp, kind = options(out.dtype if out is not None and dtype is None else dtype, device)
    y = xp.empty(checked_shape("empty", sizes, size), kind)
    if not preserves(memory_format):
        y = arrange(y, memory_format)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def _number(fill_value: Any) -> Any:
    """The Python number to fill with, which may come as a 0-d tensor."""
    if isinstance(fill_value, Tensor | np.ndarray):
        if fill_value.ndim:
            raise ShapeError(
                f"full: fill_value only supports a number or a 0-d tensor, got shape {tuple(fill_value.shape)}"
            )
        return fill_value.item()
    return fill_value.item() if isinstance(fill_value, np.generic) else fill_value


def filled(xp: Any, array: Any, value: Any) -> Any:
    """An array filled with a number that its dtype can hold."""
    value = _number(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and array.dtype.kind in "iu":
        stored(np.asarray(value), dtypes.OF_NUMPY[array.dtype])
        value = np.asarray(value).astype(array.dtype)[()]
    elif isinstance(value, complex) and array.dtype.kind != "c":
        raise DtypeError(
            f"full: value cannot be converted to type {dtypes.OF_NUMPY[array.dtype].name} without overflow"
        )
    array[...] = value
    return array


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of the shape ``size`` filled with a number, whose type gives the dtype unless that is given."""
    if dtype is None:
        dtype = out.dtype if out is not None else fill_value.dtype if isinstance(fill_value, Tensor) else None
        dtype = dtypes.of_scalar(_number(fill_value)) if dtype is None else dtype
    xp, kind = options(dtype, device)
    y = filled(xp, xp.empty(checked_shape("full", (tuple(size),)), kind), fill_value)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def laid_like(input: Any, dtype: Any, device: Any, format: memory_format | None) -> Any:
    """An uninitialised array of the input's shape, and in its memory order unless a format is given."""
    array = input.array if isinstance(input, Tensor) else input
    kind = array.dtype if dtype is None else dtypes.as_dtype(dtype).numpy
    xp = array_module(array) if device is None else devices.module_of(devices.device(device))
    if xp is not array_module(array):
        array = devices.move(array, devices.device(device))
    if not preserves(format) and not matches(array, format):  # type: ignore[arg-type]
        return arrange(xp.empty(array.shape, kind), format)  # type: ignore[arg-type]
    return empty_kept(array, kind)


def empty_like(
    input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False, memory_format: Any = None,
) -> Any:  # fmt: skip
    """An uninitialised tensor of the input's shape, dtype, device and memory order."""
    return _like(input, laid_like(input, dtype, device, memory_format), requires_grad)


def _like(input: Any, array: Any, requires_grad: bool) -> Any:
    return wrap(array).requires_grad_(requires_grad) if isinstance(input, Tensor) else array


def zeros_like(
    input: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool =
    False, pin_memory: bool = False, memory_format: Any = None,
) -> Any:  # fmt: skip
    """Zeros of the input's shape, dtype, device and memory order."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad, memory_format=memory_format)


def ones_like(
    input: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool =
    False, pin_memory: bool = False, memory_format: Any = None,
) -> Any:  # fmt: skip
    """Ones of the input's shape, dtype, device and memory order."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad, memory_format=memory_format)


def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool =
    False, pin_memory: bool = False, memory_format: Any = None,
) -> Any:  # fmt: skip
    """A number in every element of the input's shape, dtype, device and memory order."""
    y = laid_like(input, dtype, device, memory_format)
    return _like(input, filled(array_module(y), y, fill_value), requires_grad)
