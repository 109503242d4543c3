"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, ShapeError
from framework.ops.casting import into
from framework.ops.dims import normalize_dim
from framework.tensor import Tensor, wrap


class Diagonal(Op):
    """The diagonal of two axes, as a view with that axis last."""

    def forward(self, x: Any, offset: int, axis1: int, axis2: int) -> Any:
        self.shape, self.offset, self.axes = x.shape, offset, (axis1, axis2)
        y = x.diagonal(offset, axis1, axis2)
        if isinstance(y, np.ndarray) and x.flags.writeable:
            y.flags.writeable = True
        return y

    def backward(self, g: Any) -> Any:
        return apply(PlaceDiagonal, g, shape=self.shape, offset=self.offset, axes=self.axes)


class PlaceDiagonal(Op):
    """Zeros with values on the diagonal of two axes."""

    name = "DiagonalBackward"

    def forward(self, g: Any, shape: tuple[int, ...], offset: int, axes: tuple[int, int]) -> Any:
        self.offset, self.axes = offset, axes
        out = array_module(g).zeros(shape, g.dtype)
        where = out.diagonal(offset, *axes)
        if isinstance(where, np.ndarray):
            where.flags.writeable = True
        where[...] = g
        return out

    def backward(self, g: Any) -> Any:
        return apply(Diagonal, g, offset=self.offset, axis1=self.axes[0], axis2=self.axes[1])


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The diagonal of the dims ``dim1`` and ``dim2``, which become one dim at the end. A view.

    Args:
        offset: 0 for the main diagonal, positive above it, negative below.
    """
    if input.ndim < 2 and not (-input.ndim <= dim1 < input.ndim and -input.ndim <= dim2 < input.ndim):
        raise DimensionError(f"diagonal: expected at least 2 dimensions, got shape {tuple(input.shape)}")
    a, b = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    if a == b:
        raise ShapeError(f"diagonal: diagonal dimensions cannot be identical {dim1}, {dim2}")
    return apply_view(Diagonal, input, offset=int(offset), axis1=a, axis2=b)


def linalg_diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """``diagonal`` of the last two dims unless said otherwise. A view."""
    return diagonal(A, offset, dim1, dim2)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Zeros with the input's last dim on the diagonal of two new dims."""
    if not input.ndim:
        raise DimensionError("diag_embed: expected at least 1 dimension, got a 0-d tensor")
    ndim = input.ndim + 1
    a, b = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if a == b:
        raise ShapeError(f"diag_embed: diagonal dimensions cannot be identical {dim1}, {dim2}")
    side = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for axis in sorted((a, b)):
        shape.insert(axis, side)
    return apply(PlaceDiagonal, input, shape=tuple(shape), offset=int(offset), axes=(a, b))


def diag(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """A matrix with the vector on its diagonal, or the diagonal of a matrix (a copy)."""
    from framework.ops.memory import clone

    if input.ndim not in (1, 2):
        raise ShapeError(f"diag: matrix or a vector expected, got shape {tuple(input.shape)}")
    if input.ndim == 1:
        y = diag_embed(input, diagonal)
    else:
        y = apply(Diagonal, input, offset=int(diagonal), axis1=0, axis2=1)
        y = clone(y)
    return y if out is None else into(out, y)


def diagflat(input: Any, offset: int = 0) -> Any:
    """A matrix with all elements of the input on its diagonal."""
    from framework.ops.shape import reshape

    return diag_embed(reshape(input, -1), offset)


class Triangle(Op):
    """The part of matrices on one side of a diagonal, zeros elsewhere."""

    def forward(self, x: Any, diagonal: int, lower: bool) -> Any:
        self.diagonal, self.lower = diagonal, lower
        xp = array_module(x)
        rows, columns = x.shape[-2:]
        mask = xp.tri(rows, columns, diagonal if lower else diagonal - 1, dtype=bool)
        return xp.where(mask if lower else ~mask, x, xp.zeros((), x.dtype)).astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return apply(type(self), g, diagonal=self.diagonal, lower=self.lower)


class Tril(Triangle):
    """The lower triangle."""


class Triu(Triangle):
    """The upper triangle."""


def tril(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """The lower triangle of matrices (..., M, N): elements on and below a diagonal, zeros above."""
    return _triangle("tril", Tril, input, diagonal, out)


def triu(input: Any, diagonal: int = 0, *, out: Any = None) -> Any:
    """The upper triangle of matrices (..., M, N): elements on and above a diagonal, zeros below."""
    return _triangle("triu", Triu, input, diagonal, out)


def _triangle(name: str, op: type[Op], input: Any, diagonal: int, out: Any) -> Any:
    if input.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions, got shape {tuple(input.shape)}")
    y = apply(op, input, diagonal=int(diagonal), lower=op is Tril)
    return y if out is None else into(out, y)


def _triangle_indices(
    name: str, row: int, col: int, offset: int, dtype: Any, device: Any, layout: Any, lower: bool
) -> Tensor:
    kind = dtypes.as_dtype(dtypes.int64 if dtype is None else dtype)
    if row < 0 or col < 0:
        raise ArgumentError(f"{name}: row and col must be non-negative, got {row} and {col}")
    if kind not in (dtypes.int32, dtypes.int64):
        raise ArgumentError(f"{name}: dtype must be int32 or int64, got {kind}")
    mask = np.tri(row, col, offset if lower else offset - 1, dtype=bool)
    found = np.stack(np.nonzero(mask if lower else ~mask)).astype(kind.numpy)
    return wrap(devices.move(found, devices.device(device)) if device is not None else found)


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The rows and columns (2, count) of the elements that ``tril`` keeps of a (row, col) matrix, row by row."""
    return _triangle_indices("tril_indices", row, col, offset, dtype, device, layout, True).requires_grad_(
        requires_grad
    )


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: Any = None,
    device: Any = None,
    layout: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The rows and columns (2, count) of the elements that ``triu`` keeps of a (row, col) matrix, row by row."""
    return _triangle_indices("triu_indices", row, col, offset, dtype, device, layout, False).requires_grad_(
        requires_grad
    )


def trace(input: Any) -> Any:
    """The sum of a matrix's main diagonal."""
    if region() is not None:
        return recast(trace, locals())
    from framework.ops.reduction import sum

    if input.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, got shape {tuple(input.shape)}")
    return sum(diagonal(input))
