"""Reducing values into the places that an index names, and storing slices or flat elements by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.casting import NUMBERS, cast, into
from framework.ops.dims import normalize_dim, numpy_names
from framework.ops.gather import (
    _prepare,
    check_bounds,
    gather,
    index_array,
    positions,
    prepare_slices,
    scatter,
    scatter_add,
)
from framework.ops.indexing import IndexPut
from framework.tensor import Tensor

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


class ScatterReduce(Op):
    """A copy of ``x`` with the values of ``src`` reduced into the places that an index names."""

    def forward(self, x: Any, src: Any, index: Any, axis: int, reduce: str, include_self: bool) -> Any:
        self.index, self.axis, self.reduce, self.include_self = index, axis, reduce, include_self
        xp = array_module(x)
        x = xp.asarray(x)
        where = positions(index, x.shape, axis).reshape(-1)
        out = x.astype(np.float32) if x.dtype in dtypes.HALF else x.copy(order="C")
        flat = out.reshape(-1)
        if not include_self:
            flat[where] = _neutral(reduce, out.dtype)
        choose("scatter", flat, where).reduce_at(flat, where, src.reshape(-1).astype(out.dtype), reduce)
        if reduce == "mean":
            count = _count(xp, x.shape, where, include_self)
            out = out // count if out.dtype.kind in "iu" else out / count
        y = out.astype(x.dtype)
        if reduce in ("prod", "amax", "amin"):
            self.save(x, src, y)
        return y

    def backward(self, g: Any) -> Any:
        index, axis, reduce = self.index, self.axis, self.reduce
        if reduce == "sum":
            gx, gs = g, gather(g, axis, index) if self.needs[1] else None
        elif reduce == "mean":
            xp = array_module(index)
            where = positions(index, g.shape, axis).reshape(-1)
            gx = g / _count(xp, tuple(g.shape), where, self.include_self)
            gs = gather(gx, axis, index) if self.needs[1] else None
        else:
            x, src, y = self.saved
            rule = _prod_gradient if reduce == "prod" else _extreme_gradient
            gx, gs = rule(g, x, src, y, index, axis, self.include_self)
        if not self.include_self and self.needs[0]:
            gx = scatter(gx, axis, index, 0)
        return gx, gs


def _neutral(reduce: str, dtype: np.dtype[Any]) -> Any:
    """The value that a reduction starts from."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype.kind == "f":
        return -np.inf if reduce == "amax" else np.inf
    if dtype.kind == "b":
        return reduce == "amin"
    info = np.iinfo(dtype)
    return info.min if reduce == "amax" else info.max


def _count(xp: Any, shape: tuple[int, ...], where: Any, include_self: bool) -> Any:
    """How many values meet in each place; at least 1."""
    size = int(np.prod(shape, dtype=np.int64))
    count = xp.bincount(where, minlength=size).reshape(shape) if where.size else xp.zeros(shape, np.int64)
    return count + 1 if include_self else xp.maximum(count, 1)


def _raw(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


def _extreme_gradient(g: Any, x: Any, src: Any, y: Any, index: Any, axis: int, include_self: bool) -> Any:
    """The gradient goes in equal parts to all that equal the extreme."""
    own, there = _raw(x) == _raw(y), _raw(src) == gather(_raw(y), axis, index)
    if not include_self:
        own = scatter(own, axis, index, False)
    kind = _raw(g).dtype
    shares = scatter_add(own.astype(kind), axis, index, there.astype(kind))
    part = g / np.maximum(shares, 1).astype(kind)
    return part * own.astype(kind), gather(part, axis, index) * there.astype(kind)


def _prod_gradient(g: Any, x: Any, src: Any, y: Any, index: Any, axis: int, include_self: bool) -> Any:
    """``y / x``; where one of the factors is 0, the product of the others goes to that one.

    With two zeros in one place the second derivative by both of them is left out.
    """
    zero_x, zero_src = _raw(x) == 0, _raw(src) == 0
    if not zero_src.any() and not (include_self and zero_x.any()):
        safe = x if not zero_x.any() else x + zero_x.astype(_raw(x).dtype)
        return g * y / safe, gather(g * y, axis, index) / src
    kind = _raw(x).dtype
    own = zero_x if include_self else scatter(zero_x, axis, index, False)
    full_x, full_src = x + zero_x.astype(kind), src + zero_src.astype(kind)  # the zeros replaced by ones
    product = apply(ScatterReduce, full_x, full_src, index=index, axis=axis, reduce="prod", include_self=include_self)
    zeros = scatter_add(own.astype(np.int64), axis, index, zero_src.astype(np.int64))
    # 1 at a factor that is 0 where no other is; y and not 0 at the rest, since y varies with the factor that is 0
    lone_x = ((zeros - own == 0) & zero_x).astype(kind)
    lone_src = ((gather(zeros, axis, index) - zero_src == 0) & zero_src).astype(kind)
    gx = (g * product * lone_x + g * y * (~zero_x).astype(kind)) / full_x
    lone, rest = gather(g * product, axis, index) * lone_src, gather(g * y, axis, index) * (~zero_src).astype(kind)
    return gx, (lone + rest) / full_src


@numpy_names
def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True, out: Any = None
) -> Any:
    """A copy with the values of ``src`` reduced into the places that ``index`` names along a dim.

    Args:
        index: int64 tensor with as many dims as ``input``.
        src: tensor of the input's dtype, at least as long as ``index`` in every dim.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: count the value of ``input`` among those that are reduced.
    """
    if reduce not in REDUCTIONS:
        raise ArgumentError(
            f"scatter_reduce: reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    x, index, source, axis = _prepare("scatter_reduce", input, dim, index, src)
    y = apply(ScatterReduce, x, source, index=index, axis=axis, reduce=reduce, include_self=include_self)
    return y if out is None else into(out, y)


@numpy_names
def index_reduce(
    input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True, out: Any = None
) -> Any:
    """A copy with the slices of ``source`` reduced (prod, mean, amax, amin) into those that a 1-d ``index`` names."""
    if reduce not in REDUCTIONS[1:]:
        raise ArgumentError(f"index_reduce: expected reduce to be one of prod, mean, amax or amin but got {reduce}")
    x, array, source, axis = prepare_slices("index_reduce", input, dim, index, source)
    spread = array_module(array).broadcast_to(array.reshape((-1,) + (1,) * (x.ndim - 1 - axis)), tuple(source.shape))
    y = apply(ScatterReduce, input, source, index=spread, axis=axis, reduce=reduce, include_self=include_self)
    return y if out is None else into(out, y)


@numpy_names
def index_copy(input: Any, dim: int, index: Any, source: Any, *, out: Any = None) -> Any:
    """A copy with the slices of ``source`` in place of those that a 1-d ``index`` names."""
    if region() is not None:
        return recast(index_copy, locals())
    if input.ndim and source.ndim and input.ndim != source.ndim:
        raise BoundsError(
            f"index_copy(): when source and destination are not scalars, their dimensionality must match, got source "
            f"of {source.ndim} dims and destination of {input.ndim}"
        )
    x, array, source, axis = prepare_slices("index_copy", input, dim, index, source)
    y = apply(IndexPut, x, source, index=(*(slice(None),) * axis, array))
    y = y if input.ndim else y.reshape(())
    return y if out is None else into(out, y)


@numpy_names
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """A copy with ``value`` (a number or a 0-d tensor) in the slices that a 1-d ``index`` names."""
    array = index_array("index_fill", index)
    if array.ndim > 1:
        raise BoundsError(f"index_fill(): index has to be a vector/scalar, got shape {tuple(array.shape)}")
    axis = normalize_dim(dim, input.ndim)
    x, array = input if input.ndim else input.reshape((1,)), array.reshape(-1)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(
                f"index_fill: only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)"
            )
        value = cast(value, x.dtype)
    elif isinstance(value, complex) and isinstance(x, Tensor) and not x.is_complex():
        raise DtypeError(f"index_fill: converting the complex value {value} to the type {x.dtype} is not supported")
    elif not isinstance(value, NUMBERS):
        raise TypeError(f"index_fill(): argument 'value' must be a number or a Tensor, not {type(value).__name__}")
    length = x.shape[axis]
    array = array_module(array).unique(array + length * (array < 0))  # a repeated index fills, and counts, once
    check_bounds("index_fill", array, length, axis)
    y = apply(IndexPut, x, value, index=(*(slice(None),) * axis, array))
    return y if input.ndim else y.reshape(())


def _flat_index(name: str, input: Any, index: Any) -> Any:
    array = index.array if isinstance(index, Tensor) else index
    if array.dtype != np.int64:
        raise DtypeError(f"{name}(): expected a long tensor for index, but got {array.dtype}")
    size = _raw(input).size
    if array.size and isinstance(array, np.ndarray):
        low, high = int(array.min()), int(array.max())
        if low < -size or high >= size:
            wrong = low if low < -size else high
            raise BoundsError(f"{name}: out of range: tried to access index {wrong} on a tensor of {size} elements")
    return array


def take(input: Any, index: Any, *, out: Any = None) -> Any:
    """The elements at flat positions, in the shape of ``index``; negative positions count from the end."""
    from framework.ops.indexing import GetItem

    array = _flat_index("take", input, index)
    y = apply(GetItem, input.reshape((-1,)), index=(array,))
    return y if out is None else into(out, y, "take", input, index, apart=True)


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """A copy with the elements of ``source`` stored at (or added to) flat positions."""
    array = _flat_index("put_", input, index)
    if isinstance(input, Tensor) and isinstance(source, Tensor) and input.array.dtype != source.array.dtype:
        raise DtypeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {input.dtype} and "
            f"source.dtype = {source.dtype}"
        )
    if _raw(source).size != array.size:
        raise BoundsError(
            f"put_(): expected source and index to have the same number of elements, but got source.numel() = "
            f"{_raw(source).size}, index.numel() = {array.size}"
        )
    flat, values = input.reshape((-1,)), source.reshape((-1,))
    return apply(IndexPut, flat, values, index=(array.reshape(-1),), accumulate=accumulate).reshape(input.shape)
