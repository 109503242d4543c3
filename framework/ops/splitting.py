"""Taking tensors apart along a dim, as views."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.autograd.views import mark_view
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, ShapeError
from framework.ops.dims import also_named, normalize_dim, numpy_names
from framework.ops.slices import Select, Slice, sliced
from framework.tensor import Tensor


class Split(Op):
    """Consecutive parts of an axis, as views."""

    def forward(self, x: Any, lengths: tuple[int, ...], axis: int) -> Any:
        self.shape, self.axis, self.lengths, self.dtype = x.shape, axis, lengths, x.dtype
        before, parts, start = (slice(None),) * axis, [], 0
        for length in lengths:
            parts.append(x[(*before, slice(start, start + length))])
            start += length
        return tuple(parts)

    def backward(self, *gradients: Any) -> Any:
        from framework.ops.joining import Cat

        whole = _together(gradients, self.axis)
        if whole is not None:
            return whole
        given = next(g for g in gradients if g is not None)
        shapes = [(*self.shape[: self.axis], n, *self.shape[self.axis + 1 :]) for n in self.lengths]
        xp = array_module(given.array if isinstance(given, Tensor) else given)
        parts = [xp.zeros(shape, self.dtype) if g is None else g for g, shape in zip(gradients, shapes, strict=True)]
        return apply(Cat, *parts, axis=self.axis)


def _addresses(parts: Sequence[Any]) -> list[int] | None:
    """Where parts of one array begin, if all are NumPy arrays of the same strides; else None."""
    first = parts[0]
    base = first.base if type(first) is np.ndarray else None
    if base is None:
        return None
    for part in parts:
        if type(part) is not np.ndarray or part.base is not base or part.strides != first.strides:
            return None
    return [part.__array_interface__["data"][0] for part in parts]


def _together(parts: Sequence[Any], axis: int) -> Any:
    """The array that consecutive parts of one array make up; None for others. Attention gives such gradients."""
    first, starts = parts[0], _addresses(parts)
    if starts is None:
        return None
    step = first.strides[axis]
    if any(b - a != part.shape[axis] * step for a, b, part in zip(starts, starts[1:], parts)):
        return None
    shape = (*first.shape[:axis], sum(part.shape[axis] for part in parts), *first.shape[axis + 1 :])
    return np.lib.stride_tricks.as_strided(first, shape, first.strides)


def _evenly(parts: Sequence[Any], axis: int) -> Any:
    """The array whose entries along an axis are parts of one array, at even distances; None for others."""
    first, starts = parts[0], _addresses(parts)
    if starts is None or len(starts) < 2:
        return None
    step = starts[1] - starts[0]
    if step <= 0 or any(b - a != step for a, b in pairwise(starts)):
        return None
    shape = (*first.shape[:axis], len(parts), *first.shape[axis:])
    return np.lib.stride_tricks.as_strided(first, shape, (*first.strides[:axis], step, *first.strides[axis:]))


class Unbind(Op):
    """The entries of an axis, as views."""

    def forward(self, x: Any, axis: int) -> Any:
        self.shape, self.axis, self.dtype = (*x.shape[:axis], *x.shape[axis + 1 :]), axis, x.dtype
        before = (slice(None),) * axis
        return tuple([x[(*before, i, ...)] for i in range(x.shape[axis])])

    def backward(self, *gradients: Any) -> Any:
        from framework.ops.joining import Stack

        whole = _evenly(gradients, self.axis)
        if whole is not None:
            return whole
        given = next(g for g in gradients if g is not None)
        xp = array_module(given.array if isinstance(given, Tensor) else given)
        parts = [xp.zeros(self.shape, self.dtype) if g is None else g for g in gradients]
        return apply(Stack, *parts, axis=self.axis)


@numpy_names
def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Parts of a dim of the lengths listed. Views."""
    if not input.ndim:
        raise ShapeError("split_with_sizes: expects at least a 1-dimensional tensor")
    axis = normalize_dim(dim, input.ndim)
    total = input.shape[axis]
    lengths = tuple(int(n) for n in split_sizes)
    if sum(lengths) != total or min(lengths, default=0) < 0:
        raise ArgumentError(
            f"split_with_sizes: expects split_sizes to have only non-negative entries and to sum exactly to {total} "
            f"(input tensor's size at dimension {axis}), but got split_sizes={list(lengths)}"
        )
    parts = apply(Split, input, lengths=lengths, axis=axis)
    if isinstance(input, Tensor):
        before, start = (slice(None),) * axis, 0
        for part, length in zip(parts, lengths, strict=True):
            mark_view(part, input, ((Slice, {"index": (*before, slice(start, start + length))}),), "split")
            start += length
    return parts  # type: ignore[no-any-return]


@numpy_names
def split(tensor: Any, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None) -> tuple[Any, ...]:
    """Parts of a dim: of equal length (the last may be shorter), or of the lengths listed. Views.

    Example:
        >>> [part.shape[0] for part in framework.arange(5).split(2)]
        [2, 2, 1]
    """
    size = split_size if split_size_or_sections is None else split_size_or_sections
    if not hasattr(size, "__index__"):
        return split_with_sizes(tensor, size, dim)
    if not tensor.ndim:
        raise ShapeError("split: expects at least a 1-dimensional tensor")
    axis, size = normalize_dim(dim, tensor.ndim), int(size)
    total = tensor.shape[axis]
    if size < 0:
        raise ArgumentError(f"split: expects split_size be non-negative, but got split_size={size}")
    if size == 0 and total:
        raise ArgumentError(
            f"split: split_size can only be 0 if dimension size is 0, but got dimension size of {total}"
        )
    starts = range(0, total, size) if total else [0]
    return split_with_sizes(tensor, [min(size, total - start) for start in starts], axis)


@numpy_names
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most ``chunks`` parts of a dim, all of one length but the last. Views."""
    if not input.ndim:
        raise ShapeError("chunk: expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise ArgumentError(f"chunk: expects `chunks` to be greater than 0, got: {chunks}")
    axis = normalize_dim(dim, input.ndim)
    total = input.shape[axis]
    return split_with_sizes(input, [0] * chunks, axis) if not total else split(input, -(-total // chunks), axis)


def _apart(parts: tuple[Any, ...], input: Any) -> tuple[Any, ...]:
    for part in parts:
        if isinstance(part, Tensor):
            part._view = part._counter = None  # written to like tensors of their own
    return parts


def unsafe_split(input: Any, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
    """``split`` whose parts do not count as views: writing into one in place is the caller's risk."""
    return _apart(split(input, split_size, dim), input)


def unsafe_split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """``split_with_sizes`` whose parts do not count as views."""
    return _apart(split_with_sizes(input, split_sizes, dim), input)


def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """``chunk`` whose parts do not count as views."""
    return _apart(chunk(input, chunks, dim), input)


@numpy_names
@also_named(tensor_indices_or_sections="indices_or_sections")
def tensor_split(
    input: Any, indices_or_sections: Any = None, dim: int = 0, *, sections: Any = None, indices: Any = None
) -> tuple[Any, ...]:
    """Parts of a dim: so many of nearly equal length, or cut before the indices listed, as in NumPy. Views."""
    where = next((v for v in (indices_or_sections, sections, indices) if v is not None), None)
    if not input.ndim:
        raise ShapeError("tensor_split: expected at least a 1-dimensional tensor")
    axis = normalize_dim(dim, input.ndim)
    total = input.shape[axis]
    if isinstance(where, Tensor):
        if where.ndim > 1 or where.array.dtype != "int64":
            raise ArgumentError("tensor_split: expected a 0-d or 1-d int64 tensor of sections or indices")
        where = where.tolist()
    if isinstance(where, int):
        if where <= 0:
            raise ArgumentError(f"tensor_split: number of sections must be larger than 0, got {where}")
        size, extra = divmod(total, where)
        cuts = [i * size + min(i, extra) for i in range(where + 1)]
    else:
        if where is None:
            raise TypeError("tensor_split() missing argument: indices_or_sections")
        cuts = [0, *(int(i) for i in where), None]  # type: ignore[list-item]
    return tuple(sliced(input, axis, a, b) for a, b in pairwise(cuts))


def _numpy_split(name: str, input: Any, where: Any, axis: int, least: int) -> tuple[Any, ...]:
    if input.ndim < least:
        raise ShapeError(f"{name}: requires a tensor with at least {least} dimension, got shape {tuple(input.shape)}")
    if isinstance(where, int) and (where <= 0 or input.shape[axis] % where):
        raise ArgumentError(
            f"{name}: attempted to split along dimension {axis}, but the size of the dimension {input.shape[axis]} is "
            f"not divisible by the split_size {where}"
        )
    return tensor_split(input, where, axis)


def hsplit(
    input: Any, indices_or_sections: Any = None, *, sections: Any = None, indices: Any = None
) -> tuple[Any, ...]:
    """``tensor_split`` of the columns (dim 1; dim 0 of a vector) into equal parts or at indices."""
    where = next(v for v in (indices_or_sections, sections, indices) if v is not None)
    return _numpy_split("hsplit", input, where, 0 if input.ndim == 1 else 1, 1)


def vsplit(
    input: Any, indices_or_sections: Any = None, *, sections: Any = None, indices: Any = None
) -> tuple[Any, ...]:
    """``tensor_split`` of the rows (dim 0) into equal parts or at indices."""
    where = next(v for v in (indices_or_sections, sections, indices) if v is not None)
    return _numpy_split("vsplit", input, where, 0, 2)


def dsplit(
    input: Any, indices_or_sections: Any = None, *, sections: Any = None, indices: Any = None
) -> tuple[Any, ...]:
    """``tensor_split`` of the depth (dim 2) into equal parts or at indices."""
    where = next(v for v in (indices_or_sections, sections, indices) if v is not None)
    return _numpy_split("dsplit", input, where, 2, 3)


@numpy_names
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """The tensors at each position of a dim. Views."""
    if not input.ndim:
        raise DimensionError("Dimension specified as 0 but tensor has no dimensions: unbind needs at least one")
    axis = normalize_dim(dim, input.ndim)
    parts = apply(Unbind, input, axis=axis)
    if isinstance(input, Tensor):
        before = (slice(None),) * axis
        for i, part in enumerate(parts):
            mark_view(part, input, ((Select, {"index": (*before, i)}),), "unbind")
    return parts  # type: ignore[no-any-return]
