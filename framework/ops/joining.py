"""Joining tensors, and taking them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.autograd.op import Op, apply
from framework.autograd.views import mark_view
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.ops.casting import as_operand, into, result_type
from framework.ops.dims import normalize_dim
from framework.tensor import Tensor


class Cat(Op):
    """Arrays one after the other along an axis."""

    def forward(self, *arrays: Any, axis: int) -> Any:
        self.axis = axis
        self.lengths = tuple(a.shape[axis] for a in arrays)
        return array_module(arrays[0]).concatenate(arrays, axis)

    def backward(self, g: Any) -> Any:
        return split(g, self.lengths, self.axis)


class Split(Op):
    """Consecutive parts of an axis, as views."""

    def forward(self, x: Any, lengths: tuple[int, ...], axis: int) -> Any:
        self.shape, self.axis, self.lengths, self.dtype = x.shape, axis, lengths, x.dtype
        parts, start = [], 0
        for length in lengths:
            parts.append(x[(slice(None),) * axis + (slice(start, start + length),)])
            start += length
        return tuple(parts)

    def backward(self, *gradients: Any) -> Any:
        given = next(g for g in gradients if g is not None)
        shapes = [(*self.shape[: self.axis], n, *self.shape[self.axis + 1 :]) for n in self.lengths]
        xp = array_module(given.array if isinstance(given, Tensor) else given)
        parts = [xp.zeros(shape, self.dtype) if g is None else g for g, shape in zip(gradients, shapes, strict=True)]
        return apply(Cat, *parts, axis=self.axis)


def cat(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Tensors joined along an existing dim; all other lengths must agree. 1-d empty tensors are passed over.

    Example:
        >>> framework.cat([framework.zeros(1, 2), framework.ones(2, 2)]).shape
        framework.Size([3, 2])
    """
    if not len(tensors):
        raise ArgumentError("cat: expected a non-empty list of tensors")
    tensors = tuple(tensors)
    if any(isinstance(t, Tensor) for t in tensors):
        dtype = result_type(*tensors)
        tensors = tuple(as_operand(t, dtype) for t in tensors)
    if len(tensors) > 1:
        tensors = tuple(t for t in tensors if t.ndim != 1 or t.shape[0]) or tensors[:1]
    if any(t.ndim == 0 for t in tensors):
        raise ShapeError("cat: a zero-dimensional tensor cannot be concatenated; use stack()")
    axis = normalize_dim(dim, tensors[0].ndim)
    first = tuple(tensors[0].shape)
    for i, t in enumerate(tensors):
        if t.ndim != len(first) or any(a != b for k, (a, b) in enumerate(zip(first, t.shape, strict=True)) if k != axis):
            raise ShapeError(
                f"cat: sizes of tensors must match except in dimension {axis}: tensor 0 has shape {first}, tensor {i} "
                f"{tuple(t.shape)}"
            )
    y = apply(Cat, *tensors, axis=axis)
    return y if out is None else into(out, y)


def stack(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Tensors of one shape joined along a new dim."""
    from framework.ops.shape import unsqueeze

    tensors = tuple(tensors)
    if not tensors:
        raise ArgumentError("stack: expected a non-empty list of tensors")
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ShapeError(
                f"stack: expects each tensor to be of equal size, but got {tuple(tensors[0].shape)} at entry 0 and "
                f"{tuple(t.shape)} at entry {i}"
            )
    axis = normalize_dim(dim, tensors[0].ndim + 1)
    y = cat([unsqueeze(t, axis) for t in tensors], axis)
    return y if out is None else into(out, y)


def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple[Any, ...]:
    """Parts of a dim: of equal length (the last may be shorter), or of the lengths listed. Views."""
    axis = normalize_dim(dim, tensor.ndim)
    total = tensor.shape[axis]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and total):
            raise ArgumentError(f"split: split_size must be positive, got {size}")
        starts = range(0, total, size) if total else [0]
        lengths = tuple(min(size, total - start) for start in starts)
    else:
        lengths = tuple(int(n) for n in split_size_or_sections)
        if sum(lengths) != total or min(lengths, default=0) < 0:
            raise ArgumentError(
                f"split: split_sizes must be non-negative and sum to {total} (the length of dim {axis}), got {lengths}"
            )
    parts = apply(Split, tensor, lengths=lengths, axis=axis)
    if isinstance(tensor, Tensor):
        for i, part in enumerate(parts):
            mark_view(part, tensor, ((_Part, {"number": i, "lengths": lengths, "axis": axis}),), "split")
    return parts


class _Part(Op):
    """One of the parts of a split, for taking a view anew."""

    def forward(self, x: Any, number: int, lengths: tuple[int, ...], axis: int) -> Any:
        start = sum(lengths[:number])
        self.shape, self.where = x.shape, (slice(None),) * axis + (slice(start, start + lengths[number]),)
        return x[self.where]

    def backward(self, g: Any) -> Any:
        from framework.ops.indexing import place

        return place(g, self.shape, self.where)
