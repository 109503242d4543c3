"""Sums and means over dims. Half-precision inputs are accumulated in float32."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.ops.casting import cast, into
from framework.ops.dims import normalize_dims
from framework.tensor import Tensor

Dims = int | tuple[int, ...] | list[int] | None


class Sum(Op):
    """The sum over some axes."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.shape, self.axes, self.keepdim = x.shape, axes, keepdim
        if x.dtype in dtypes.HALF:
            return x.sum(axis=axes, keepdims=keepdim, dtype="float32").astype(x.dtype)
        return x.sum(axis=axes, keepdims=keepdim)

    def backward(self, g: Any) -> Any:
        from framework.ops.shape import expand

        return expand(restore_axes(g, self.axes, self.keepdim), self.shape)


class Mean(Op):
    """The mean over some axes."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.shape, self.axes, self.keepdim = x.shape, axes, keepdim
        self.count = count_of(x.shape, axes)
        if x.dtype in dtypes.HALF:
            return x.mean(axis=axes, keepdims=keepdim, dtype="float32").astype(x.dtype)
        return x.mean(axis=axes, keepdims=keepdim)

    def backward(self, g: Any) -> Any:
        from framework.ops.shape import expand

        return expand(restore_axes(g, self.axes, self.keepdim) / self.count, self.shape)


def count_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """The number of elements that a reduction over ``axes`` joins into one."""
    count = 1
    for axis in axes:
        count *= shape[axis]
    return count


def restore_axes(g: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """A reduced value with length-1 axes put back where the reduction took them out."""
    if keepdim or not axes:
        return g
    shape = list(g.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return g.reshape(shape)


def sum(
    input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Any = None
) -> Any:
    """The sum of all elements, or over ``dim``. Integers and bools sum to int64.

    Args:
        dim: dim or dims to sum over; None or an empty list for all.
        keepdim: leave the reduced dims with length 1.
        dtype: convert to this dtype first.
    """
    if isinstance(input, Tensor):
        if dtype is not None:
            input = cast(input, dtypes.as_dtype(dtype))
        elif input.array.dtype.kind in "biu":
            input = cast(input, dtypes.int64)
    y = apply(Sum, input, axes=normalize_dims(dim, input.ndim), keepdim=keepdim)
    return y if out is None else into(out, y)


def mean(
    input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Any = None
) -> Any:
    """The mean of all elements, or over ``dim``. For integers give a floating-point ``dtype``."""
    if dtype is not None:
        input = cast(input, dtypes.as_dtype(dtype))
    if isinstance(input, Tensor) and input.array.dtype.kind in "biu":
        from framework.errors import DtypeError

        raise DtypeError(
            f"mean: could not infer output dtype. Input dtype must be either a floating point or complex dtype, got "
            f"{input.dtype}; pass dtype=framework.float32 or convert with .float()"
        )
    y = apply(Mean, input, axes=normalize_dims(dim, input.ndim), keepdim=keepdim)
    return y if out is None else into(out, y)


def sum_to_size(input: Any, *size: Any) -> Any:
    """Sum over the dims that broadcasting from ``size`` to the tensor's shape would add or stretch."""
    from framework.ops.dims import shape_of

    shape = shape_of(size)
    extra = input.ndim - len(shape)
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 and input.shape[i + extra] != 1)
    axes = tuple(range(extra)) + stretched
    if axes:
        input = apply(Sum, input, axes=axes, keepdim=True)
    return input.reshape(shape) if extra or input.shape != shape else input
