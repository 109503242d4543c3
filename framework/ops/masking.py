"""Filling, selecting and replacing elements by a bool mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.ops.casting import NUMBERS, cast, into
from framework.ops.dims import broadcast_shapes
from framework.tensor import Tensor


def mask_array(name: str, mask: Any) -> Any:
    """The plain bool array of a mask.

    Raises:
        DtypeError: the mask is not bool.
    """
    array = mask.array if isinstance(mask, Tensor) else mask
    if not hasattr(array, "dtype"):
        raise TypeError(f"{name}(): argument 'mask' must be Tensor, not {type(mask).__name__}")
    if array.dtype.kind != "b":
        raise DtypeError(f"{name}: expected a bool mask, but got mask with dtype {array.dtype}; use mask.bool()")
    return array


class MaskedFill(Op):
    """A copy of ``x`` with one value where the mask holds."""

    broadcasts = True

    def forward(self, x: Any, value: Any, mask: Any) -> Any:
        self.mask = mask
        xp = array_module(x)
        if mask.shape == x.shape or xp.broadcast_shapes(mask.shape, x.shape) == x.shape:
            out = xp.array(x, order="K")
            xp.copyto(out, xp.asarray(value).astype(x.dtype), where=mask)
            return out
        return xp.where(mask, xp.asarray(value).astype(x.dtype), x).astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        from framework.ops.reduction import sum
        from framework.ops.selection import where

        gx = apply(MaskedFill, g, 0, mask=self.mask) if self.needs[0] else None
        return gx, sum(where(self.mask, g, 0)) if self.needs[1] else None


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """A copy with ``value`` where ``mask`` is true; mask and input broadcast.

    Args:
        mask: bool tensor.
        value: a number or a 0-d tensor, which may require a gradient.

    Example:
        >>> framework.masked_fill(framework.ones(3), framework.tensor([True, False, True]), 0)
        tensor([0., 1., 0.])
    """
    array = mask_array("masked_fill", mask)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(
                f"masked_fill: only supports a 0-dimensional value tensor, but got one with {value.ndim} dimension(s)"
            )
        _check_value(input, value.dtype.category)
        value = cast(value, input.dtype) if isinstance(input, Tensor) else value
    elif isinstance(value, NUMBERS) and isinstance(input, Tensor):
        from framework.dtypes import of_scalar

        _check_value(input, of_scalar(value).category)
    broadcast_shapes(input.shape, array.shape)
    return apply(MaskedFill, input, value, mask=array)


def _check_value(input: Any, category: int) -> None:
    """A complex value fits no real tensor; other values convert."""
    from framework import dtypes

    if isinstance(input, Tensor) and category == dtypes.COMPLEX and input.dtype.category != dtypes.COMPLEX:
        raise DtypeError(f"masked_fill: value cannot be converted to {input.dtype} without overflow: it is complex")


class MaskedSelect(Op):
    """The elements of ``x`` where a mask of its shape holds, in one dimension."""

    def forward(self, x: Any, mask: Any) -> Any:
        self.mask = mask
        return x[mask]

    def backward(self, g: Any) -> Any:
        return apply(MaskedSpread, g, mask=self.mask)


class MaskedSpread(Op):
    """Zeros with the elements of ``values``, in order, where the mask holds."""

    def forward(self, values: Any, mask: Any) -> Any:
        self.mask = mask
        out = array_module(values).zeros(mask.shape, values.dtype)
        out[mask] = values
        return out

    def backward(self, g: Any) -> Any:
        return apply(MaskedSelect, g, mask=self.mask)


def masked_select(input: Any, mask: Any, *, out: Any = None) -> Any:
    """The elements where ``mask`` is true, in one dimension; mask and input broadcast."""
    from framework.ops.shape import expand

    array = mask_array("masked_select", mask)
    shape = broadcast_shapes(input.shape, array.shape)
    x = input if tuple(input.shape) == shape else expand(input, shape)
    y = apply(MaskedSelect, x, mask=array_module(array).broadcast_to(array, shape))
    return y if out is None else into(out, y, "masked_select", input, mask, apart=True)


class MaskedScatter(Op):
    """A copy of ``x`` with the leading elements of ``source``, in order, where the mask holds."""

    def forward(self, x: Any, source: Any, mask: Any, count: int) -> Any:
        self.mask, self.count, self.shape = mask, count, source.shape
        out = array_module(x).array(x, order="K")
        out[mask] = source.reshape(-1)[:count]
        return out

    def backward(self, g: Any) -> Any:
        gx = apply(MaskedFill, g, 0, mask=self.mask) if self.needs[0] else None
        gs = None
        if self.needs[1]:
            from framework.ops.indexing import place

            taken = apply(MaskedSelect, g, mask=self.mask)
            size = int(np.prod(self.shape, dtype=np.int64))
            gs = place(taken, (size,), slice(0, self.count)).reshape(self.shape)
        return gx, gs


def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """A copy with the elements of ``source``, one after the other, where ``mask`` is true.

    Raises:
        ShapeError: ``source`` has fewer elements than the mask has true ones.
    """
    from framework.ops.shape import expand

    array = mask_array("masked_scatter", mask)
    if isinstance(input, Tensor) and isinstance(source, Tensor) and input.array.dtype != source.array.dtype:
        raise DtypeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and {source.dtype}"
        )
    shape = broadcast_shapes(input.shape, array.shape)
    array = array_module(array).broadcast_to(array, shape)
    count = int(array.sum())
    size = (source.array if isinstance(source, Tensor) else source).size
    if size < count:
        raise ShapeError(
            f"masked_scatter: expected number of elements of source ({size}) to be at least the number of true "
            f"elements of the mask ({count})"
        )
    x = input if tuple(input.shape) == shape else expand(input, shape)
    return apply(MaskedScatter, x, source, mask=array, count=count)
