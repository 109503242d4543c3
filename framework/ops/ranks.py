"""Medians, modes and quantiles: the statistics that come from the order of the elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.ops.casting import into
from framework.ops.dims import normalize_dim, numpy_names
from framework.ops.extremes import check_not_empty, picked, refuse, share
from framework.ops.gather import gather
from framework.ops.reduction import one_dim, plain
from framework.ops.shape import movedim
from framework.ops.sorting import order, sort, sortable
from framework.tensor import Tensor

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


class Median(Op):
    """The lower median of all elements; equal elements share the gradient evenly."""

    def forward(self, x: Any, skips_nan: bool) -> Any:
        flat = x.reshape(-1)
        numbers = flat.size if x.dtype.kind in "iu" else int((flat == flat).sum())
        rank = max(numbers - 1, 0) // 2 if skips_nan or numbers == flat.size else flat.size - 1  # where the NaN are
        y = array_module(x).partition(sortable(flat), rank)[rank].astype(x.dtype)
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = (plain(v) for v in self.saved)
        return share(g.reshape((1,) * x.ndim), (x == y) | ((x != x) & (y != y)), tuple(range(x.ndim)))


def _median_index(x: Any, axis: int, skips_nan: bool) -> Any:
    """The index of the lower median along an axis, which is kept; of a NaN where one counts."""
    xp = array_module(x)
    if not x.ndim:
        return xp.zeros((), np.int64)
    indices = order(x, axis)
    length = x.shape[axis]
    if x.dtype.kind in "iu":
        rank = xp.full((1,) * x.ndim, (length - 1) // 2)
    else:
        numbers = xp.add.reduce(x == x, axis=axis, keepdims=True)
        rank = xp.maximum(numbers - 1, 0) // 2 if skips_nan else xp.where(numbers < length, numbers, (length - 1) // 2)
    shape = tuple(1 if d == axis else n for d, n in enumerate(x.shape))
    return xp.take_along_axis(indices, xp.broadcast_to(rank, shape), axis)


def _median(name: str, input: Any, dim: Any, keepdim: bool, out: Any) -> Any:
    refuse(name, input, "cb", "complex or bool")
    x = plain(input)
    if dim is None:
        if x.size:
            y = apply(Median, input, skips_nan=name == "nanmedian")
        else:
            y = input.sum() + float("nan") if x.dtype.kind not in "iu" else input.sum()
        return y if out is None else into(out, y, name)
    axis = normalize_dim(one_dim(name, dim), x.ndim)
    check_not_empty(name, x.shape, (axis,) if x.ndim else (), False)
    return picked(name, input, _median_index(x, axis, name == "nanmedian"), axis, keepdim, out)


@numpy_names
def median(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The median, the lower of the two middle elements where their number is even. NaN if there is a NaN.

    ``median(input)`` gives a 0-d tensor; with ``dim`` the named tuple ``(values, indices)``.
    """
    return _median("median", input, dim, keepdim, out)


@numpy_names
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The median of the elements that are not NaN; see ``median``."""
    return _median("nanmedian", input, dim, keepdim, out)


@numpy_names
def mode(input: Any, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The most frequent element along ``dim``, as the named tuple ``(values, indices)``.

    The smallest of several equally frequent ones, and the last of its places.
    """
    refuse("mode", input, "c", "complex")
    x = plain(input)
    xp = array_module(x)
    axis = normalize_dim(one_dim("mode", dim), x.ndim)
    check_not_empty("mode", x.shape, (axis,) if x.ndim else (), False)
    if not x.ndim:
        return picked("mode", input, xp.zeros((), np.int64), axis, keepdim, out)
    moved = xp.moveaxis(x, axis, -1)
    indices = order(moved, moved.ndim - 1)
    values = xp.take_along_axis(moved, indices, -1)
    place = xp.arange(values.shape[-1])
    fresh = xp.concatenate([xp.ones((*values.shape[:-1], 1), bool), values[..., 1:] != values[..., :-1]], -1)
    start = _running_max(xp.where(fresh, place, 0))
    # the run that first reaches the greatest length is the smallest value of that frequency
    end = (place - start).argmax(-1)[..., None] if values.size else xp.zeros((*values.shape[:-1], 1), np.int64)
    return picked("mode", input, xp.moveaxis(xp.take_along_axis(indices, end, -1), -1, axis), axis, keepdim, out)


def _running_max(x: Any) -> Any:
    """The greatest so far along the last axis of an integer array."""
    from framework.ops.cumulative import scan

    xp = array_module(x)
    return scan(xp.maximum, x, x.ndim - 1)


def _quantile(name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, out: Any) -> Any:
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise DtypeError(f"{name}() input tensor must be either float or double dtype, got {input.dtype}")
    if input.numel() == 0:
        raise ArgumentError(f"{name}() input tensor must be non-empty")
    if interpolation not in INTERPOLATIONS:
        raise ArgumentError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    kind = input.array.dtype
    xp = array_module(input.array)
    if isinstance(q, Tensor):
        if q.ndim > 1:
            raise ArgumentError(f"{name}() q must be a scalar or 1D tensor, got shape {tuple(q.shape)}")
        if q.dtype != input.dtype:
            raise DtypeError(
                f"{name}() q tensor must be same dtype as the input tensor, got {q.dtype} and {input.dtype}"
            )
        if q.array.size and not ((q.array >= 0) & (q.array <= 1)).all():
            raise ArgumentError(f"{name}() q values must be in the range [0, 1]")
    else:
        if not 0 <= q <= 1:
            raise ArgumentError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = xp.asarray(q, dtype=kind)
    shape, levels = tuple(input.shape), q.reshape((-1,))
    if dim is None:
        x, kept, rest = input.reshape((-1,)), (1,) * len(shape), ()
    else:
        axis = normalize_dim(one_dim(name, dim), len(shape))
        x = movedim(input, axis, -1) if shape else input.reshape((1,))
        kept = tuple(1 if d == axis else n for d, n in enumerate(shape))
        rest = tuple(n for d, n in enumerate(shape) if d != axis)
    y = _between(sort(x, -1).values, levels, name == "nanquantile", interpolation)  # (..., levels)
    y = movedim(y, -1, 0).reshape((*q.shape, *(kept if keepdim else rest)))
    return y if out is None else into(out, y, name)


def _between(x: Any, levels: Any, skips_nan: bool, interpolation: str) -> Any:
    """Values at fractional ranks of the sorted last axis: (..., n) and (levels,) give (..., levels)."""
    from framework.ops.selection import where

    values = x.array
    xp, n = array_module(values), values.shape[-1]
    numbers = xp.add.reduce(values == values, axis=-1, keepdims=True).astype(values.dtype)
    last = numbers - 1 if skips_nan else xp.full_like(numbers, n - 1)
    ranks = levels * xp.maximum(last, 0)  # a Tensor where the levels are one: they may want a gradient
    if not skips_nan:
        # one NaN makes the result NaN: it lies last in order
        broken = xp.broadcast_to(numbers < n, ranks.shape)
        ranks = where(broken, n - 1, ranks) if broken.any() else ranks
    if interpolation in ("lower", "higher", "nearest"):
        whole = {"lower": xp.floor, "higher": xp.ceil, "nearest": xp.rint}[interpolation](plain(ranks))
        return gather(x, -1, whole.astype(np.int64))
    below = xp.floor(plain(ranks))
    low = gather(x, -1, below.astype(np.int64))
    high = gather(x, -1, xp.ceil(plain(ranks)).astype(np.int64))
    weight: Any = ranks - below if interpolation == "linear" else values.dtype.type(0.5)
    span = high - low
    return where(xp.asarray(plain(weight) < 0.5), low + weight * span, high - span * (1 - weight))


@numpy_names
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """The ``q``-quantiles of all elements or along ``dim``; NaN where there is a NaN.

    Args:
        input: float32 or float64 tensor.
        q: a number in [0, 1], or a 1-d tensor of them, whose dim then comes first in the result.
        dim: one dim; None for all elements.
        keepdim: leave the reduced dim with length 1.
        interpolation: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".

    Example:
        >>> framework.quantile(framework.tensor([1.0, 2.0, 4.0]), 0.75)
        tensor(3.)
    """
    if region() is not None:
        return recast(quantile, locals())
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out)


@numpy_names
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """The quantiles of the elements that are not NaN, NaN where there are none; see ``quantile``."""
    if region() is not None:
        return recast(nanquantile, locals())
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out)
