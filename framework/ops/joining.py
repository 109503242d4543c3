"""Joining tensors: end to end, on a new dim, in blocks, and in all combinations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.ops.casting import as_operand, into, result_type
from framework.ops.dims import normalize_dim, numpy_names
from framework.ops.indexing import getitem
from framework.ops.shape import atleast_1d, atleast_2d, atleast_3d, expand, reshape
from framework.ops.splitting import split
from framework.tensor import Tensor, wrap


class Cat(Op):
    """Arrays one after the other along an axis."""

    def forward(self, *arrays: Any, axis: int) -> Any:
        self.axis = axis
        self.lengths = tuple(a.shape[axis] for a in arrays)
        return array_module(arrays[0]).concatenate(arrays, axis)

    def backward(self, g: Any) -> Any:
        return split(g, self.lengths, self.axis)


def listed(name: str, tensors: Any) -> tuple[Any, ...]:
    """The tensors given as a list or tuple.

    Raises:
        TypeError: something else was given, or something else than tensors is in the list.
    """
    if isinstance(tensors, Tensor) or not isinstance(tensors, Sequence):
        raise TypeError(f"{name}(): argument 'tensors' must be tuple of Tensors, not {type(tensors).__name__}")
    for i, t in enumerate(tensors):
        if not hasattr(t, "ndim"):
            raise TypeError(f"{name}(): expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    return tuple(tensors)


def promoted(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors in their common dtype; raw arrays as they are."""
    if any(isinstance(t, Tensor) for t in tensors):
        first = tensors[0].dtype
        if any(t.dtype != first for t in tensors):
            dtype = result_type(*tensors)
            return tuple(as_operand(t, dtype) for t in tensors)
    return tensors


@numpy_names
def cat(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Tensors joined along an existing dim; all other lengths must agree. 1-d empty tensors are passed over.

    Example:
        >>> framework.cat([framework.zeros(1, 2), framework.ones(2, 2)]).shape
        framework.Size([3, 2])
    """
    if region() is not None:
        return recast(cat, locals())
    tensors = listed("cat", tensors)
    if not tensors:
        raise ArgumentError("cat: expected a non-empty list of Tensors")
    tensors = promoted(tensors)
    if len(tensors) > 1:
        tensors = tuple(t for t in tensors if t.ndim != 1 or t.shape[0]) or tensors[:1]
    for i, t in enumerate(tensors):
        if not t.ndim:
            raise ShapeError(f"cat: zero-dimensional tensor (at position {i}) cannot be concatenated; use stack()")
    axis = normalize_dim(dim, tensors[0].ndim)
    first = tuple(tensors[0].shape)
    for i, t in enumerate(tensors):
        if t.ndim != len(first) or any(
            a != b for k, (a, b) in enumerate(zip(first, t.shape, strict=True)) if k != axis
        ):
            raise ShapeError(
                f"cat: sizes of tensors must match except in dimension {axis}: tensor 0 has shape {first}, tensor {i} "
                f"{tuple(t.shape)}"
            )
    y = apply(Cat, *tensors, axis=axis)
    return y if out is None else into(out, y, "cat", *tensors, apart=True)


@numpy_names
def concat(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """``cat`` under another name."""
    return cat(tensors, dim, out=out)


concatenate = concat


class Stack(Op):
    """Arrays of one shape along a new axis."""

    def forward(self, *arrays: Any, axis: int) -> Any:
        self.axis = axis
        return array_module(arrays[0]).stack(arrays, axis)

    def backward(self, g: Any) -> Any:
        from framework.ops.splitting import unbind

        return unbind(g, self.axis)


@numpy_names
def stack(tensors: Sequence[Any], dim: int = 0, *, out: Any = None) -> Any:
    """Tensors of one shape joined along a new dim."""
    if region() is not None:
        return recast(stack, locals())
    tensors = listed("stack", tensors)
    if not tensors:
        raise ArgumentError("stack: expects a non-empty TensorList")
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ShapeError(
                f"stack: expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(t.shape)} at entry {i}"
            )
    y = apply(Stack, *promoted(tensors), axis=normalize_dim(dim, tensors[0].ndim + 1))
    return y if out is None else into(out, y, "stack", *tensors, apart=True)


def hstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Tensors joined along dim 1, vectors along dim 0."""
    parts = atleast_1d(listed("hstack", tensors))
    if not parts:
        raise ArgumentError("hstack: expects a non-empty TensorList")
    return cat(parts, 0 if parts[0].ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Tensors joined along dim 0, vectors as rows."""
    parts = atleast_2d(listed("vstack", tensors))
    if not parts:
        raise ArgumentError("vstack: expects a non-empty TensorList")
    return cat(parts, 0, out=out)


def row_stack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """``vstack`` under another name."""
    return vstack(tensors, out=out)


def dstack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Tensors joined along dim 2, after ``atleast_3d``."""
    parts = atleast_3d(listed("dstack", tensors))
    if not parts:
        raise ArgumentError("dstack: expects a non-empty TensorList")
    return cat(parts, 2, out=out)


def column_stack(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """Tensors joined along dim 1, vectors as columns."""
    parts = listed("column_stack", tensors)
    if not parts:
        raise ArgumentError("column_stack: expects a non-empty TensorList")
    return cat([reshape(t, (-1 if t.ndim else 1, 1)) if t.ndim < 2 else t for t in parts], 1, out=out)


def block_diag(*tensors: Any) -> Any:
    """A matrix with the given matrices (vectors as rows, numbers as 1 x 1) along its diagonal, zeros elsewhere."""
    from framework.ops.padding import constant_pad_nd

    if not tensors:
        return wrap(np.empty((1, 0), np.float32))
    for i, t in enumerate(tensors):
        if t.ndim > 2:
            raise ShapeError(f"block_diag: input tensors must have 2 or fewer dimensions, input {i} has {t.ndim}")
    parts = promoted(tuple(atleast_2d(t) for t in tensors))
    width = sum(t.shape[1] for t in parts)
    rows, start = [], 0
    for t in parts:
        rows.append(constant_pad_nd(t, (start, width - start - t.shape[1])))
        start += t.shape[1]
    return cat(rows, 0)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Vectors expanded to the grid of their combinations: one tensor of coordinates for each vector.

    Args:
        tensors: vectors (or 0-d tensors), one after the other or in a list.
        indexing: "ij" (the default): output dim i runs along vector i; "xy": the first two dims change places.
    """
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tuple(tensors[0])
    if not tensors:
        raise ArgumentError("meshgrid: expects a non-empty TensorList")
    if indexing not in (None, "ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing must be one of 'xy' or 'ij', but received {indexing!r}")
    for t in tensors:
        if t.ndim > 1:
            raise ShapeError(f"meshgrid: expected scalar or 1D tensor in the tensor list, got shape {tuple(t.shape)}")
    if any(t.dtype != tensors[0].dtype for t in tensors):
        raise ArgumentError("meshgrid: expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple(t.shape[0] if t.ndim else 1 for t in tensors)
    grids = [
        expand(reshape(t, (1,) * i + (-1,) + (1,) * (len(shape) - i - 1)), shape) if 0 not in t.shape
        else expand(reshape(t, (1,) * i + (0,) + (1,) * (len(shape) - i - 1)), shape)
        for i, t in enumerate(tensors)
    ]  # fmt: skip
    if swap:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> Any:
    """All tuples that take one element from each vector (count, vectors); one vector comes back as it is."""
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tuple(tensors[0])
    for t in tensors:
        if t.ndim != 1:
            raise ShapeError(f"cartesian_prod: expects a 1D vector, but got vector with size {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(grid, -1) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All ways to choose ``r`` elements of a vector (count, r), in order, like ``itertools.combinations``."""
    if input.ndim != 1:
        raise ShapeError(f"combinations: expects a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise ArgumentError(f"combinations: expects a non-negative number, but got {r}")
    if r == 0:
        return reshape(input[:0], 0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    where = np.array(list(choose(range(input.shape[0]), r)), np.int64).reshape(-1, r)
    return getitem(input, (where,))
