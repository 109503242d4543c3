"""Counts of values: of integers, and of numbers that fall into bins. None of them has a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework import dtypes, return_types
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.casting import into
from framework.tensor import Tensor, wrap


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs, or the sum of the weights at its places.

    Args:
        input: 1-d tensor of non-negative integers.
        weights: of the input's shape. Sums are float32 for float32 weights, else float64.
        minlength: the least length of the result.

    Example:
        >>> framework.bincount(framework.tensor([0, 2, 2]))
        tensor([1, 0, 2])
    """
    x = input.array
    if x.dtype.kind == "b" or x.dtype.kind not in "iu":
        raise DtypeError(f"bincount: not implemented for {input.dtype}; it counts non-negative integers")
    if minlength < 0:
        raise ArgumentError(f"bincount: minlength should be >= 0, got {minlength}")
    if x.ndim != 1 and x.size:
        raise ShapeError(f"bincount only supports 1-d non-negative integral inputs, got shape {tuple(input.shape)}")
    if x.size and x.min() < 0:
        raise ArgumentError("bincount only supports 1-d non-negative integral inputs, got a negative value")
    if weights is not None and (weights.ndim != 1 or weights.shape[0] != x.size):
        raise ShapeError(
            f"bincount: weights should be 1-d and have the same length as input, got {tuple(weights.shape)}"
        )
    xp = array_module(x)
    flat = x.reshape(-1).astype(np.int64)
    if weights is None:
        return wrap(xp.bincount(flat, minlength=minlength).astype(np.int64))
    kind = np.float32 if weights.dtype is dtypes.float32 else np.float64
    sums = xp.bincount(flat, weights=weights.array.astype(np.float64), minlength=minlength)
    return wrap(sums.astype(kind))


def _bounds(name: str, x: Any, low: float, high: float) -> tuple[float, float]:
    """The range of a histogram: the values' own where none is given, widened where it is empty.

    Raises:
        ArgumentError: the range is not finite.
    """
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ArgumentError(f"{name}: range of [{low}, {high}] is not finite")
    if low > high:
        raise ArgumentError(f"{name}: max must be larger than min, got min={low} and max={high}")
    return low, high


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Any = None) -> Tensor:
    """How many elements fall into each of ``bins`` equal bins from ``min`` to ``max``, in the input's dtype.

    Args:
        bins: the number of bins.
        min, max: the range, both ends included; where they are equal, that of the elements. What lies outside and NaN
            are not counted.
    """
    x = input.array
    if input.dtype.category != dtypes.FLOATING:
        raise DtypeError(f"histc: not implemented for {input.dtype}; convert with .float()")
    if bins <= 0:
        raise ArgumentError(f"histc: bins must be > 0, but got {bins}")
    if max < min:
        raise ArgumentError(f"histc: max must be larger than min, got min={min} and max={max}")
    wide = x.astype(np.float32) if x.dtype in dtypes.HALF else x
    low, high = _bounds("histc", wide, min, max)
    xp = array_module(x)
    # the bin in the input's own arithmetic, rounding and all: what falls on an edge is then PyTorch's choice
    inside, number = x[(wide >= low) & (wide <= high)], x.dtype.type
    place = ((inside - number(low)) * number(bins) / (number(high) - number(low))).astype(np.int64)
    y = wrap(xp.bincount(xp.minimum(place, bins - 1), minlength=bins).astype(x.dtype))
    return y if out is None else into(out, y, "histc")


def _edges(name: str, x: Any, bins: int, limits: Any) -> Any:
    """The ``bins + 1`` edges of equal bins over a range, or over the values."""
    if bins <= 0:
        raise ArgumentError(f"{name}: bins must be > 0, but got {bins}")
    if limits is None:
        low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    else:
        low, high = (float(v) for v in limits)
        if low > high:
            raise ArgumentError(f"{name}: min should not exceed max, got min={low} and max={high}")
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ArgumentError(f"{name}: range of [{low}, {high}] is not finite")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return array_module(x).linspace(low, high, bins + 1, dtype=x.dtype)


def _cells(x: Any, edges: Any) -> Any:
    """The bin that each value falls into, -1 for values outside. The last bin includes its right edge."""
    xp = array_module(x)
    cells = xp.searchsorted(edges, x, "right") - 1
    cells = xp.where(x == edges[-1], len(edges) - 2, cells)
    return xp.where((x >= edges[0]) & (x <= edges[-1]), cells, -1)


def _histogram(
    name: str, x: Any, bins: Sequence[Any], limits: Any, weight: Any, density: bool
) -> tuple[Any, list[Any]]:
    """Counts and edges of a histogram over the columns of ``x`` (points, dims)."""
    xp = array_module(x)
    edges = []
    for d, given in enumerate(bins):
        if isinstance(given, Tensor):
            if given.ndim != 1 or given.numel() < 1:
                raise ShapeError(f"{name}: bins tensor should have one dimension, got shape {tuple(given.shape)}")
            if given.array.dtype != x.dtype:
                raise DtypeError(f"{name}: input and bins should have the same dtype, got {x.dtype} and {given.dtype}")
            edges.append(given.array)
        else:
            edges.append(_edges(name, x[:, d], int(given), None if limits is None else limits[2 * d : 2 * d + 2]))
    shape = tuple(len(e) - 1 for e in edges)
    inside, flat = xp.ones(len(x), bool), xp.zeros(len(x), np.int64)
    for d, e in enumerate(edges):
        cells = _cells(x[:, d], e)
        inside &= cells >= 0
        flat = flat * shape[d] + cells
    w = None if weight is None else weight.array.reshape(-1)[inside].astype(np.float64)
    counts = xp.bincount(flat[inside], weights=w, minlength=int(np.prod(shape))).reshape(shape).astype(x.dtype)
    if density:
        counts = counts / counts.sum()
        for d, e in enumerate(edges):
            counts = counts / xp.diff(e).reshape((-1,) + (1,) * (len(shape) - 1 - d))
    return counts.astype(x.dtype, copy=False), edges


def _check(name: str, input: Tensor, weight: Tensor | None, shape: tuple[int, ...]) -> None:
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise DtypeError(f"{name}: not implemented for {input.dtype}; it takes float32 and float64")
    if weight is not None:
        if tuple(weight.shape) != shape:
            raise ShapeError(
                f"{name}: if weight tensor is provided it should have shape {shape}, got {tuple(weight.shape)}"
            )
        if weight.dtype != input.dtype:
            raise DtypeError(f"{name}: weight should have the dtype of input, got {weight.dtype} and {input.dtype}")


def histogram(
    input: Tensor,
    bins: Any = 100,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """Counts of all elements in bins, as the named tuple ``(hist, bin_edges)``.

    Args:
        input: float32 or float64 tensor.
        bins: the number of equal bins, or a 1-d tensor of their edges, ascending.
        range: ``(low, high)`` of equal bins; that of the elements unless given.
        weight: what each element counts, of the input's shape; 1 unless given.
        density: divide so that the integral over the bins is 1.
    """
    _check("histogram", input, weight, tuple(input.shape))
    hist, edges = _histogram("histogram", input.array.reshape(-1, 1), [bins], range, weight, density)
    result = return_types.histogram(wrap(hist), wrap(edges[0]))
    return result if out is None else into(out, result, "histogram")


def histogramdd(
    input: Tensor, bins: Any, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:
    """Counts of points in boxes, as the named tuple ``(hist, bin_edges)``, ``bin_edges`` holding one tensor a dim.

    Args:
        input: (..., n) tensor of points in n dims.
        bins: the number of bins for all dims, a list of one a dim, or a list of tensors of edges.
        range: ``low0, high0, low1, high1, ...``; that of the points unless given.
        weight: what each point counts, of the input's leading shape.
        density: divide so that the integral is 1.
    """
    if input.ndim < 2:
        raise ShapeError(f"histogramdd: input tensor should have at least 2 dimensions, got {input.ndim}")
    _check("histogramdd", input, weight, tuple(input.shape[:-1]))
    dims = input.shape[-1]
    each = [bins] * dims if isinstance(bins, int) else list(bins)
    if len(each) != dims:
        raise ArgumentError(f"histogramdd: expected {dims} sequences of bin edges, one a dim, but got {len(each)}")
    if range is not None and len(range) != 2 * dims:
        raise ArgumentError(f"histogramdd: expected range to hold {2 * dims} numbers, two a dim, got {len(range)}")
    hist, edges = _histogram("histogramdd", input.array.reshape(-1, dims), each, range, weight, density)
    return return_types.histogramdd(wrap(hist), tuple(wrap(e) for e in edges))
