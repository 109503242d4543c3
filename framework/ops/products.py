"""Products built on ``matmul``: scaled sums, outer, inner, Kronecker and cross products, contractions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DimensionError, DtypeError, ShapeError
from framework.ops.arithmetic import conj_value, mul
from framework.ops.casting import cast, into, result_type
from framework.ops.dims import broadcast_shapes, normalize_dim, numpy_names
from framework.ops.matmul import _check_rank, check_operands, dot, matmul
from framework.ops.shape import expand
from framework.tensor import Tensor


def _scaled_sum(name: str, input: Any, product: Any, beta: Any, alpha: Any, out: Any) -> Any:
    """``beta * input + alpha * product``; with ``beta=0`` the input is not read, so its NaNs do not count."""
    if product.dtype.category <= dtypes.INTEGRAL:
        beta, alpha = int(beta), int(alpha)
    shape = tuple(product.shape)
    if input.ndim > len(shape) or broadcast_shapes(input.shape, shape) != shape:
        raise ShapeError(
            f"{name}: the expanded size {shape} must match the existing size {tuple(input.shape)} of input"
        )
    y = product if alpha == 1 else product * alpha
    if beta != 0:
        y = (input if beta == 1 else input * beta) + y
    return y if out is None else into(out, y)


def _wide(function: Any) -> Any:
    """Let a scaled sum of 16-bit tensors be computed in float32 and rounded once; it is on autocast's lists."""

    @functools.wraps(function)
    def wrapped(input: Any, first: Any, second: Any, **options: Any) -> Any:
        if region() is not None:
            return recast(wrapped, options, input, first, second)
        kind = first.dtype if isinstance(first, Tensor) else None
        if kind not in (dtypes.float16, dtypes.bfloat16) or not (kind is second.dtype is input.dtype):
            return function(input, first, second, **options)
        out = options.pop("out", None)
        y = function(*(cast(x, dtypes.float32) for x in (input, first, second)), **options)
        return into(out, cast(y, kind))

    return wrapped


@_wide
def addmm(
    input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1, out_dtype: Any = None, out: Any = None
) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)`` for matrices; ``input`` broadcasts.

    Shape:
        mat1 (n, k), mat2 (k, m) -> (n, m).
    """
    check_operands("addmm", mat1, mat2, input)
    _check_rank("addmm", mat1, 2, "mat1")
    _check_rank("addmm", mat2, 2, "mat2")
    return _scaled_sum("addmm", input, matmul(mat1, mat2), beta, alpha, out)


@_wide
def addmv(input: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
    """``beta * input + alpha * (mat @ vec)``; ``input`` broadcasts.

    Shape:
        mat (n, k), vec (k,) -> (n,).
    """
    check_operands("addmv", mat, vec, input)
    _check_rank("addmv", mat, 2, "mat")
    _check_rank("addmv", vec, 1, "vec")
    return _scaled_sum("addmv", input, matmul(mat, vec), beta, alpha, out)


@_wide
def baddbmm(
    input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1, out_dtype: Any = None, out: Any = None
) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2)``; ``input`` broadcasts.

    Shape:
        batch1 (b, n, k), batch2 (b, k, m) -> (b, n, m).
    """
    from framework.ops.matmul import bmm

    check_operands("baddbmm", batch1, batch2, input)
    return _scaled_sum("baddbmm", input, bmm(batch1, batch2), beta, alpha, out)


@_wide
def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``; ``input`` broadcasts.

    Shape:
        batch1 (b, n, k), batch2 (b, k, m) -> (n, m).
    """
    check_operands("addbmm", batch1, batch2, input)
    _check_rank("addbmm", batch1, 3, "batch1")
    _check_rank("addbmm", batch2, 3, "batch2")
    b, n, k = batch1.shape
    if tuple(batch2.shape[:2]) != (b, k):
        raise ShapeError(f"addbmm: expected batch2 of shape ({b}, {k}, m), got {tuple(batch2.shape)}")
    # the sum over the batch is part of one long product
    left = batch1.swapaxes(0, 1).reshape((n, b * k))
    return _scaled_sum("addbmm", input, matmul(left, batch2.reshape((b * k, batch2.shape[2]))), beta, alpha, out)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1, out: Any = None) -> Any:
    """``beta * input + alpha * outer(vec1, vec2)``; ``input`` broadcasts. Of bools: ``or`` and ``and``.

    Shape:
        vec1 (n,), vec2 (m,) -> (n, m).
    """
    if region() is not None:
        return recast(addr, locals())
    _check_rank("addr", vec1, 1, "vec1")
    _check_rank("addr", vec2, 1, "vec2")
    dtype = result_type(input, vec1, vec2)
    for name, value in (("beta", beta), ("alpha", alpha)):
        if dtype.category <= dtypes.INTEGRAL and isinstance(value, float):
            raise DtypeError(f"addr: for integral input tensors, argument {name} must not be a floating point number")
    input, vec1, vec2 = (cast(x, dtype) for x in (input, vec1, vec2))
    if dtype is dtypes.bool_:
        y = outer(vec1, vec2) if alpha else outer(vec1, vec2) != outer(vec1, vec2)
        y = y | expand(input, tuple(y.shape)) if beta else y
        return y if out is None else into(out, y)
    return _scaled_sum("addr", input, outer(vec1 if alpha == 1 else vec1 * alpha, vec2), beta, 1, out)


def outer(input: Any, vec2: Any, *, out: Any = None) -> Any:
    """All products of an element of one vector with an element of the other, (n,), (m,) -> (n, m)."""
    for x, what in ((input, "self"), (vec2, "vec2")):
        if x.ndim != 1:
            raise ShapeError(f"outer: expected 1-D argument {what}, but got {x.ndim}-D")
    return mul(input.reshape((-1, 1)), vec2.reshape((1, -1)), out=out)


ger = outer


def inner(input: Any, other: Any, *, out: Any = None) -> Any:
    """The sums of products over the last dims, (..., k), (***, k) -> (..., ***); numbers multiply."""
    if input.ndim == 0 or other.ndim == 0:
        return mul(input, other, out=out)
    if input.dtype != other.dtype:
        raise DtypeError(f"inner: both inputs should have same dtype, got {input.dtype} and {other.dtype}")
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and "
            f"{list(other.shape)}"
        )
    if input.ndim == other.ndim == 1:
        return dot(input, other, out=out)
    return tensordot(input, other, ([-1], [-1]), out=out)


def tensordot(a: Any, b: Any, dims: Any = 2, out: Any = None) -> Any:
    """Contract dims of ``a`` with dims of ``b``.

    Args:
        dims: how many last dims of ``a`` meet the first of ``b``, or two lists of dims that meet in order.
    """
    if region() is not None:
        return recast(tensordot, locals())
    check_operands("tensordot", a, b)
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise ShapeError(f"tensordot: expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: expects dims <= ndim_a and dims <= ndim_b, got dims={dims}")
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise ShapeError("tensordot: both dimension lists should have same length")
    left, right = [normalize_dim(d, a.ndim) for d in left], [normalize_dim(d, b.ndim) for d in right]
    for i, j in zip(left, right, strict=True):
        if a.shape[i] != b.shape[j]:
            if 1 not in (a.shape[i], b.shape[j]):
                raise ShapeError(
                    f"tensordot: contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and "
                    f"second has size {b.shape[j]} in dim {j}"
                )
            # a length of 1 broadcasts: the other operand is summed over the dim
            if a.shape[i] == 1:
                b = cast(b.sum(j, keepdim=True), b.dtype)
            else:
                a = cast(a.sum(i, keepdim=True), a.dtype)
    kept_a = [d for d in range(a.ndim) if d not in left]
    kept_b = [d for d in range(b.ndim) if d not in right]
    shape = tuple(a.shape[d] for d in kept_a) + tuple(b.shape[d] for d in kept_b)
    inner_size = int(np.prod([a.shape[d] for d in left], dtype=np.int64))
    rows = int(np.prod([a.shape[d] for d in kept_a], dtype=np.int64))
    columns = int(np.prod([b.shape[d] for d in kept_b], dtype=np.int64))
    from framework.ops.shape import permute

    a = permute(a, (*kept_a, *left)).reshape((rows, inner_size))
    b = permute(b, (*right, *kept_b)).reshape((inner_size, columns))
    y = matmul(a, b).reshape(shape)
    return y if out is None else into(out, y)


def kron(input: Any, other: Any, *, out: Any = None) -> Any:
    """The Kronecker product: each element of ``input`` times all of ``other``, in blocks."""
    ndim = max(input.ndim, other.ndim)
    a = (1,) * (ndim - input.ndim) + tuple(input.shape)
    b = (1,) * (ndim - other.ndim) + tuple(other.shape)
    left = input.reshape([n for pair in zip(a, (1,) * ndim, strict=True) for n in pair])
    right = other.reshape([n for pair in zip((1,) * ndim, b, strict=True) for n in pair])
    y = mul(left, right).reshape([n * m for n, m in zip(a, b, strict=True)])
    return y if out is None else into(out, y)


class Cross(Op):
    """The cross product along an axis of length 3."""

    broadcasts = True

    def forward(self, a: Any, b: Any, axis: int) -> Any:
        self.axis = axis
        self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        kind = a.dtype
        if kind in dtypes.HALF:
            a, b = a.astype(np.float32), b.astype(np.float32)
        xp = array_module(a)
        ahead, behind = xp.asarray([1, 2, 0]), xp.asarray([2, 0, 1])
        y = a.take(ahead, axis) * b.take(behind, axis) - a.take(behind, axis) * b.take(ahead, axis)
        return y.astype(kind, copy=False)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        return (
            apply(Cross, conj_value(b), g, axis=self.axis) if self.needs[0] else None,
            apply(Cross, g, conj_value(a), axis=self.axis) if self.needs[1] else None,
        )


def linalg_cross(input: Any, other: Any, *, dim: int = -1, out: Any = None) -> Any:
    """The cross product of 3-vectors along ``dim``; the other dims broadcast."""
    if input.ndim != other.ndim:
        raise ShapeError(
            f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim} and {other.ndim}"
        )
    if input.dtype != other.dtype:
        raise DtypeError(f"linalg.cross: expected both inputs of one dtype, got {input.dtype} and {other.dtype}")
    axis = normalize_dim(dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ShapeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and {other.shape[axis]}"
        )
    broadcast_shapes(input.shape, other.shape)
    y = apply(Cross, input, other, axis=axis - input.ndim)
    return y if out is None else into(out, y)


@numpy_names
def cross(input: Any, other: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """The cross product of 3-vectors along ``dim``, or along the first dim of length 3."""
    if region() is not None:
        return recast(cross, locals())
    if dim is None:
        if input.ndim != other.ndim:
            raise ShapeError("cross: inputs must have the same number of dimensions")
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise DimensionError(f"cross: no dimension of size 3 in input of shape {tuple(input.shape)}")
    return linalg_cross(input, other, dim=dim, out=out)


def vecdot(x: Any, y: Any, *, dim: int = -1, out: Any = None) -> Any:
    """The sums of ``conj(x) * y`` along ``dim``; the other dims broadcast."""
    if region() is not None:
        return recast(vecdot, locals())
    check_operands("linalg.vecdot", x, y)
    if not x.ndim or not y.ndim:
        raise ShapeError("linalg.vecdot: expected tensors of at least one dim")
    shape = broadcast_shapes(x.shape, y.shape)
    axis = normalize_dim(dim, len(shape)) - len(shape)
    if -axis > min(x.ndim, y.ndim) or x.shape[axis] != y.shape[axis]:
        x, y = expand(x, shape), expand(y, shape)
    row = conj_value(x).swapaxes(axis, -1)
    column = y.swapaxes(axis, -1)
    z = matmul(row.reshape((*row.shape[:-1], 1, row.shape[-1])), column.reshape((*column.shape, 1)))
    z = z.reshape(z.shape[:-2])
    if axis != -1 and z.ndim:  # swapping left the last dim where ``dim`` was
        z = _move_axis(z, axis + 1 + z.ndim, z.ndim - 1)
    return z if out is None else into(out, z)


def _move_axis(x: Any, source: int, target: int) -> Any:
    from framework.ops.shape import permute

    order = [d for d in range(x.ndim) if d != source]
    order.insert(target, source)
    return permute(x, order)


def multi_dot(tensors: Sequence[Any], *, out: Any = None) -> Any:
    """The product of two or more matrices, in the order of multiplication that costs least.

    The first and the last may be vectors: a row and a column.
    """
    if region() is not None:
        return recast(multi_dot, locals())
    tensors = list(tensors)
    if len(tensors) < 2:
        raise ShapeError(f"linalg.multi_dot: expected at least 2 tensors but got {len(tensors)}")
    check_operands("linalg.multi_dot", *tensors)
    for i, x in enumerate(tensors):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(tensors) - 1)):
            raise ShapeError(
                f"linalg.multi_dot: tensor {i} must be 2D (the first and the last may be 1D), got {tuple(x.shape)}"
            )
    matrices = list(tensors)
    matrices[0] = matrices[0].reshape((1, -1)) if matrices[0].ndim == 1 else matrices[0]
    matrices[-1] = matrices[-1].reshape((-1, 1)) if matrices[-1].ndim == 1 else matrices[-1]
    lengths = [matrices[0].shape[0]]
    for x in matrices:
        if x.shape[0] != lengths[-1] and len(lengths) > 1:
            raise ShapeError(
                f"linalg.multi_dot: tensors cannot be multiplied: {', '.join(str(tuple(t.shape)) for t in tensors)}"
            )
        lengths.append(x.shape[1])
    y = _product(matrices, _splits(lengths), 0, len(matrices) - 1)
    kept = ((y.shape[0],) if tensors[0].ndim == 2 else ()) + ((y.shape[1],) if tensors[-1].ndim == 2 else ())
    y = y if len(kept) == 2 else y.reshape(kept)
    return y if out is None else into(out, y)


def _splits(lengths: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each run of matrices, by dynamic programming over the number of multiplications."""
    count = len(lengths) - 1
    cost = {(i, i): 0 for i in range(count)}
    splits: dict[tuple[int, int], int] = {}
    for span in range(1, count):
        for i in range(count - span):
            j = i + span
            options = [
                (cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1], k) for k in range(i, j)
            ]
            cost[i, j], splits[i, j] = min(options)
    return splits


def _product(matrices: list[Any], splits: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return matrices[i]
    k = splits[i, j]
    return matmul(_product(matrices, splits, i, k), _product(matrices, splits, k + 1, j))


def chain_matmul(*matrices: Any, out: Any = None) -> Any:
    """The product of matrices given one by one, in the cheapest order."""
    if len(matrices) == 1:
        return matrices[0]
    return multi_dot(matrices, out=out)  # which is on autocast's lists
