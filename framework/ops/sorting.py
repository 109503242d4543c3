"""Sorting and ranking along a dim, and the distinct values of a tensor.

NaN sorts after every number. All sorts are stable, whether asked or not: equal elements keep their order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.ops.casting import into
from framework.ops.dims import normalize_dim, numpy_names
from framework.ops.extremes import check_not_empty, picked, refuse
from framework.ops.reduction import as_given, one_dim, plain
from framework.tensor import Tensor, wrap


def sortable(x: Any) -> Any:
    """The array in a dtype that array libraries sort, which bfloat16 is not to all: NumPy compares it, slowly."""
    return x.astype(np.float32) if x.dtype.kind == "V" else x


def order(x: Any, axis: int, descending: bool = False) -> Any:
    """The stable sorting permutation of an array along an axis, as int64; NaN last, or first if descending."""
    xp = array_module(x)
    if not x.ndim:
        return xp.zeros((), np.int64)
    x = sortable(x)
    if not descending:
        return xp.argsort(x, axis=axis, kind="stable")
    # sorted backwards and read backwards, so that equal elements keep their order
    found = xp.argsort(xp.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - xp.flip(found, axis)


@numpy_names
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool | None = False, out: Any = None) -> Any:
    """The elements in order along ``dim``, as the named tuple ``(values, indices)``.

    Args:
        dim: the dim to sort along.
        descending: from the largest to the smallest.
        stable: accepted; the sort is stable in any case.

    Example:
        >>> framework.sort(framework.tensor([3, 1, 2])).indices
        tensor([1, 2, 0])
    """
    refuse("sort", input, "c", "complex")
    axis = normalize_dim(one_dim("sort", dim), input.ndim)
    indices = order(plain(input), axis, bool(descending))
    return picked("sort", input, indices, axis, True, out)


@numpy_names
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False, out: Any = None) -> Any:
    """The indices that sort the tensor along ``dim``; equal elements keep their order."""
    refuse("argsort", input, "c", "complex")
    axis = normalize_dim(one_dim("argsort", dim), input.ndim)
    result = as_given(order(plain(input), axis, bool(descending)), input)
    return result if out is None else into(out, result, "argsort")


def msort(input: Any, *, out: Any = None) -> Any:
    """The values in ascending order along the first dim."""
    values = sort(input, 0).values
    return values if out is None else into(out, values, "msort")


@numpy_names
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: Any = None) -> Any:
    """The ``k`` largest (or smallest) elements along ``dim``, as the named tuple ``(values, indices)``.

    Args:
        k: how many, from 0 to the length of the dim.
        largest: the largest rather than the smallest.
        sorted: accepted; the result is in order in any case.

    Raises:
        ArgumentError: ``k`` is out of range.

    Example:
        >>> framework.topk(framework.tensor([1.0, 5.0, 3.0]), 2).values
        tensor([5., 3.])
    """
    refuse("topk", input, "c", "complex")
    refuse("topk", input, "b", "bool")
    axis = normalize_dim(one_dim("topk", dim), input.ndim)
    x = plain(input)
    k, length = int(k), x.shape[axis] if x.ndim else 1
    if not 0 <= k <= length:
        raise ArgumentError(
            f"topk: selected index k out of range: expected 0 <= k <= {length} along dim {axis}, got {k}"
        )
    if x.ndim == 0:
        indices = array_module(x).zeros((), np.int64)
        return picked("topk", input, indices, 0, True, out)
    return picked("topk", input, _best(x, k, axis, largest), axis, True, out)


def _best(x: Any, k: int, axis: int, largest: bool) -> Any:
    """The indices of the ``k`` best elements along an axis, the best first."""
    xp, n = array_module(x), x.shape[axis]
    first = (slice(None),) * axis + (slice(0, k),)
    if 8 * k > n or k == 0:
        return order(x, axis, largest)[first]
    # far fewer than all: part them from the rest, then sort only them
    cut = (slice(None),) * axis + (slice(n - k, n) if largest else slice(0, k),)
    found = xp.sort(xp.argpartition(x, n - k if largest else k - 1, axis=axis)[cut], axis=axis)
    inner = order(xp.take_along_axis(x, found, axis), axis, largest)
    return xp.take_along_axis(found, inner, axis)


@numpy_names
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The ``k``-th smallest element along ``dim``, counted from 1, as the named tuple ``(values, indices)``.

    Raises:
        ArgumentError: ``k`` is not between 1 and the length of the dim.
        DimensionError: the dim has length 0.
    """
    refuse("kthvalue", input, "cb", "complex or bool")
    axis = normalize_dim(one_dim("kthvalue", dim), input.ndim)
    x = plain(input)
    check_not_empty("kthvalue", x.shape, (axis,) if x.ndim else (), False)
    length = x.shape[axis] if x.ndim else 1
    if not 1 <= k <= length:
        raise ArgumentError(
            f"kthvalue(): selected number k out of range for dimension {axis}: {k} is not in 1..{length}"
        )
    return picked("kthvalue", input, at_rank(order(x, axis), int(k) - 1, axis), axis, keepdim, out)


def at_rank(indices: Any, rank: int, axis: int) -> Any:
    """One entry along an axis of a sorting permutation; the axis is kept."""
    return indices[(slice(None),) * axis + (slice(rank, rank + 1),)] if indices.ndim else indices


# Distinct values


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in ascending order, or the distinct slices along ``dim`` in lexicographic order.

    Args:
        sorted: accepted; the result is in order in any case.
        return_inverse: also give where each element (slice) of the input went: int64 of the input's shape (of ``dim``).
        return_counts: also give how often each occurs, as int64.

    Example:
        >>> framework.unique(framework.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    refuse("unique", input, "c", "complex")
    x = input.array
    xp = array_module(x)
    if dim is None:
        flat = x.reshape(-1)
        permutation = xp.argsort(sortable(flat), kind="stable")
        rows, shape = flat[permutation][:, None], x.shape
    else:
        slices = _slices("unique", x, dim)
        columns = _flat_slices(slices)
        # lexsort takes its least significant key first
        permutation = xp.lexsort(sortable(columns).T[::-1])
        rows, shape = columns[permutation], (slices.shape[0],)
    starts, group = _runs(rows)
    inverse = xp.empty(len(permutation), np.int64)
    inverse[permutation] = group
    if dim is None:
        values = rows[starts, 0]
    else:
        values = xp.moveaxis(slices[permutation[starts]], 0, normalize_dim(dim, x.ndim))
    return _distinct(values, inverse.reshape(shape), starts, len(permutation), return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or the slices along ``dim``) without those that equal the one just before.

    Args:
        return_inverse: also give where each element (slice) of the input went, as int64.
        return_counts: also give the length of each run, as int64.
    """
    x = input.array
    xp = array_module(x)
    if dim is None:
        rows, shape = x.reshape(-1)[:, None], x.shape
        starts, group = _runs(rows)
        values = rows[starts, 0]
    else:
        slices = _slices("unique_consecutive", x, dim)
        shape = (slices.shape[0],)
        starts, group = _runs(_flat_slices(slices))
        values = xp.moveaxis(slices[starts], 0, normalize_dim(dim, x.ndim))
    return _distinct(values, group.reshape(shape), starts, group.size, return_inverse, return_counts)


def _slices(name: str, x: Any, dim: int) -> Any:
    """The array with ``dim`` in front.

    Raises:
        ShapeError: another dim has length 0 while ``dim`` has not, so that slices hold nothing to compare.
    """
    axis = normalize_dim(one_dim(name, dim), x.ndim)
    x = array_module(x).moveaxis(x, axis, 0) if x.ndim else x.reshape(1)
    if 0 in x.shape[1:]:
        raise ShapeError(f"{name}: There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    return x


def _flat_slices(slices: Any) -> Any:
    return slices.reshape(slices.shape[0], math.prod(slices.shape[1:]))


def _runs(rows: Any) -> tuple[Any, Any]:
    """Where runs of equal rows start, and the number of the run that each row belongs to. NaN equals nothing."""
    xp = array_module(rows)
    fresh = xp.ones(len(rows), bool)
    if len(rows):
        fresh[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return xp.nonzero(fresh)[0], xp.cumsum(fresh) - 1


def _distinct(values: Any, inverse: Any, starts: Any, count: int, with_inverse: bool, with_counts: bool) -> Any:
    result = [wrap(values)]
    if with_inverse:
        result.append(wrap(inverse.astype(np.int64)))
    if with_counts:
        xp = array_module(starts)
        result.append(wrap(xp.diff(xp.append(starts, count)).astype(np.int64)))
    return result[0] if len(result) == 1 else tuple(result)
