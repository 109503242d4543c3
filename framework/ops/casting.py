"""Changes of dtype and device, and the common dtype of operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError
from framework.tensor import Tensor

NUMBERS = (bool, int, float, complex)
_REAL = frozenset({int, float})


class Cast(Op):
    """Elements converted to another dtype."""

    name = "ToCopy"

    def forward(self, x: Any, dtype: Any) -> Any:
        self.dtype_in = x.dtype
        return convert(x, dtype)

    def backward(self, g: Any) -> Any:
        return cast(g, dtypes.OF_NUMPY[self.dtype_in])


class ToDevice(Op):
    """Elements copied to another device."""

    name = "ToCopy"

    def forward(self, x: Any, where: devices.device) -> Any:
        self.source = devices.of(x)
        return devices.move(x, where)

    def backward(self, g: Any) -> Any:
        return apply(ToDevice, g, where=self.source)


def convert(array: Any, dtype: np.dtype[Any]) -> Any:
    """An array's elements in another dtype: complex to real drops the imaginary part, as PyTorch does."""
    if array.dtype.kind == "c" and dtype.kind != "c":
        array = array.real if dtype.kind != "b" else array != 0
    return array.astype(dtype)


def cast(input: Any, dtype: dtypes.dtype) -> Any:
    """The tensor in another dtype; the tensor itself if it has that dtype already."""
    kind = dtype.numpy
    return input if (input.array if isinstance(input, Tensor) else input).dtype == kind else apply(Cast, input, dtype=kind)


def cast_gradient(g: Any, dtype: np.dtype[Any]) -> Any:
    """A gradient in its input's dtype, the real part of it for a real input."""
    return cast(g, dtypes.OF_NUMPY[dtype])


def result_type(*operands: Any) -> dtypes.dtype:
    """The dtype of an op on these tensors and Python numbers: tensors with dimensions count most, then 0-d ones.

    Example:
        >>> result_type(framework.ones(2, dtype=framework.int32), 1.5)
        framework.float32
    """
    dimensioned: dtypes.dtype | None = None
    scalars: dtypes.dtype | None = None
    numbers: dtypes.dtype | None = None
    for x in operands:
        if isinstance(x, NUMBERS):
            found = dtypes.of_scalar(x)
            numbers = found if numbers is None else dtypes.promote_types(numbers, found)
            continue
        array = x.array if isinstance(x, Tensor) else x
        found = dtypes.of(array)
        if array.ndim:
            dimensioned = found if dimensioned is None else dtypes.promote_types(dimensioned, found)
        else:
            scalars = found if scalars is None else dtypes.promote_types(scalars, found)
    result = dtypes.combine(dimensioned, dtypes.combine(scalars, numbers))
    if result is None:
        raise DtypeError("result_type: expected at least one tensor or number")
    return result


def promote(input: Any, other: Any) -> tuple[Any, Any]:
    """Both operands in their common dtype. Python numbers stay numbers where NumPy treats them as PyTorch does."""
    if isinstance(input, Tensor):
        if isinstance(other, Tensor):
            if input.array.dtype is other.array.dtype:
                return input, other
        elif type(other) in _REAL and input.array.dtype.kind == "f":
            return input, other
    elif not isinstance(other, Tensor):
        return input, other  # raw arrays, inside a gradient rule
    dtype = result_type(input, other)
    return as_operand(input, dtype), as_operand(other, dtype)


def as_operand(x: Any, dtype: dtypes.dtype) -> Any:
    """One operand in the common dtype. An integer is wrapped into range, as PyTorch does and NumPy refuses."""
    if isinstance(x, NUMBERS):
        if dtype.is_floating_point or dtype.is_complex:
            return x
        return np.asarray(x).astype(dtype.numpy)
    return cast(x, dtype)


def can_cast(from_: dtypes.dtype, to: dtypes.dtype) -> bool:
    """Whether ``from_`` converts to ``to`` under the promotion rules: float to int does not."""
    return dtypes.can_cast(dtypes.as_dtype(from_), dtypes.as_dtype(to))


def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype, device or memory format: ``to(dtype)``, ``to(device, dtype)``, ``to(other)``.

    Args:
        dtype: the element type to convert to.
        device: where to copy it.
        non_blocking: accepted; copies from main memory are complete when this returns.
        copy: give a copy also when nothing changes.
        memory_format: ``framework.channels_last`` and the like.
    """
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    flags = list(args)
    if flags and isinstance(flags[0], Tensor):
        other = flags.pop(0)
        dtype, device = other.dtype, other.device
    if isinstance(other := kwargs.pop("other", None), Tensor):
        dtype, device = other.dtype, other.device
    if flags and (isinstance(flags[0], str | devices.device) or (type(flags[0]) is int)):
        device = flags.pop(0)
        if flags and not isinstance(flags[0], bool):
            dtype = flags.pop(0)
    elif flags and not isinstance(flags[0], bool):
        dtype = flags.pop(0)
    copy = kwargs.pop("copy", flags[1] if len(flags) > 1 else False)
    kwargs.pop("non_blocking", None)
    memory_format = kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to: unexpected argument {', '.join(kwargs)}; it takes dtype, device, copy and memory_format")
    out = input
    if device is not None:
        where = devices.device(device)
        if devices.move(out.array, where) is not out.array:
            out = apply(ToDevice, out, where=where)
    if dtype is not None:
        out = cast(out, dtypes.as_dtype(dtype))
    if memory_format is not None:
        from framework.ops.memory import contiguous, preserves

        if not preserves(memory_format):
            out = contiguous(out, memory_format=memory_format)
    if copy and out is input:
        from framework.ops.memory import clone

        return clone(out)
    return out


def into(out: Any, result: Any) -> Any:
    """Store a result in the tensor given as ``out=``, which is resized if it is empty, and return that tensor."""
    if out is None:
        return result
    if isinstance(out, tuple | list):
        return type(result)(into(o, r) for o, r in zip(out, result, strict=True)) if type(result) is tuple else type(
            result
        )(*[into(o, r) for o, r in zip(out, result, strict=True)])
    if not dtypes.can_cast(result.dtype, out.dtype):
        raise DtypeError(f"out: result type {result.dtype} can't be cast to the desired output type {out.dtype}")
    if out.array.shape != result.array.shape:
        out.array = array_module(result.array).empty(result.array.shape, out.array.dtype)
    out.array[...] = convert(result.array, out.array.dtype)
    from framework.autograd.views import bump

    bump(out, "out=")
    return out
