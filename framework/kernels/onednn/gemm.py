"""Matrix products by oneDNN: batches, operands in any memory order, bias and activation in the same pass.

Measured on two threads of a 2-core EPYC, float32, beside NumPy on one thread: 2.0 to 2.6 times as fast from 128 x 128
matrices on, even at half a million multiplications, half as fast at 64 x 64 x 64 and below. A transposed right operand
is repacked at every call, so a few rows by such a matrix take BLAS's interface of oneDNN, which does not: one row by
1024 x 256 takes 12 us beside NumPy's 20, two rows 12 beside 150, where OpenBLAS leaves its kernel for vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.kernels import threads
from framework.kernels.generic.activation import Activation
from framework.kernels.generic.gemm import column_sums
from framework.kernels.onednn import library as api
from framework.kernels.onednn import packed
from framework.kernels.onednn.activation import post_op
from framework.kernels.onednn.conversion import same_half, to
from framework.kernels.onednn.library import OneDNNError, library
from framework.kernels.onednn.plans import BFLOAT16, FLOAT32, SIZES, Plan, address, kind_of, planned, strides_of
from framework.kernels.onednn.precision import halves, multiplied

NAME = "onednn"
WORTH = 1 << 19  # multiplications from which on oneDNN is the faster
WORTH_TRANSPOSED = 1 << 18  # the same for a transposed right operand, which OpenBLAS is slower at
WORTH_FEW = 1 << 17  # the same for a few rows by a transposed operand
FEW_ROWS = 12  # up to so many rows do not pay for repacking a transposed right operand


def declines(a: Any, b: Any) -> str | None:
    """None if it can serve ``a @ b``, else why not."""
    if kind_of(a, b) is None and not same_half(a, b):
        return "not two NumPy arrays of float32 or of a 16-bit type"
    if a.ndim < 2 or b.ndim < 2:
        return "a vector"
    work = a.size * b.shape[-1]
    if b.strides[-1] == b.itemsize:
        least = WORTH
    elif (a.shape[-2] if a.ndim == 2 or b.ndim > 2 or not a.size else a.size // a.shape[-1]) > FEW_ROWS:
        least = WORTH_TRANSPOSED
    elif a.itemsize == 4 and b.ndim == 2:
        least = WORTH_FEW
    else:
        return "too few rows to be worth repacking a transposed operand"
    return "too small to be worth a call of oneDNN" if work < least else None


def _operand(x: Any) -> Any:
    """x itself if rows or columns of its matrices lie together in memory, else a copy."""
    strides, size = x.strides, x.itemsize
    if strides[-1] == size and strides[-2] >= size * x.shape[-1]:
        return x
    if strides[-2] == size and strides[-1] >= size * x.shape[-2]:
        return x
    return np.ascontiguousarray(x)


def matmul(a: Any, b: Any) -> Any:
    """``a @ b`` over the last two axes, the leading ones broadcasting."""
    if a.ndim > 2 and b.ndim == 2:
        rows = a.reshape(-1, a.shape[-1])
        return _product(rows, b, None, None).reshape(*a.shape[:-1], b.shape[-1])
    return _product(a, b, None, None)


def linear(
    x: Any, weight: Any, bias: Any, activation: Activation | None = None, kept: dict[Any, Any] | None = None
) -> Any:
    """``x @ weight.T + bias`` for a matrix ``x``, then the activation; ``bias`` and ``activation`` may be None.

    Args:
        kept: a place for what is made of the weight, see ``framework.ops.kept``; None where it may change.

    Shape:
        x (N, K), weight (M, K), bias (M,) -> (N, M).
    """
    turned = weight.T
    if kept is not None and packed.serves(x, turned, kept):
        y = packed.product(np.ascontiguousarray(x), turned, bias, activation, kept)
        if y is not None:
            return y
    return _product(x, turned, bias, activation)


def weight_gradients(g: Any, x: Any) -> tuple[Any, Any]:
    """The gradients of a linear layer's weight and bias: ``g.T @ x``, and the sum of g's rows.

    Shape:
        g (N, M), x (N, K) -> (M, K), (M,).
    """
    wide = to(g, FLOAT32)
    sums = to(column_sums(wide), g.dtype)
    if wide is g or multiplied(g):
        return matmul(g.T, x), sums
    return to(matmul(wide.T, to(x, FLOAT32)), g.dtype), sums


def _few_rows(a: Any, b: Any, bias: Any) -> Any:
    """``a @ b + bias`` for a few rows and a transposed matrix, both dense; oneDNN names matrices by columns or rows."""
    threads.openmp()
    (rows, inner), columns = a.shape, b.shape[1]
    out = np.empty((rows, columns), FLOAT32)
    if bias is not None:
        out[...] = bias
    status = library().sgemm(
        b"N", b"T", rows, columns, inner, 1.0, address(a), a.strides[0] // 4, address(b), b.strides[1] // 4,
        0.0 if bias is None else 1.0, address(out), columns
    )  # fmt: skip
    if status:
        raise OneDNNError("dnnl_sgemm", status)
    return out


def _takes_few(a: Any, b: Any) -> bool:
    """Whether ``_few_rows`` serves two operands: float32 matrices of dense rows and of dense columns."""
    if a.ndim != 2 or b.ndim != 2 or not 0 < a.shape[0] <= FEW_ROWS or a.dtype != FLOAT32 or not b.size:
        return False
    (row, step), (inner, column) = a.strides, b.strides
    return step == 4 == inner and row >= 4 * a.shape[1] and column >= 4 * b.shape[0]


def _product(a: Any, b: Any, bias: Any, activation: Any) -> Any:
    if a.itemsize == 2 and not multiplied(a):
        bias = None if bias is None else to(bias, FLOAT32)
        return to(_product(to(a, FLOAT32), to(b, FLOAT32), bias, activation), a.dtype)
    if activation is None and _takes_few(a, b):
        return _few_rows(a, b, bias)
    a, b = _operand(a), _operand(b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) if a.ndim > 2 or b.ndim > 2 else ()
    if len(a.shape) != len(b.shape):
        a, b = (x.reshape((1,) * (len(batch) + 2 - x.ndim) + x.shape) for x in (a, b))
    out = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    if not out.size or not a.size:
        out[...] = 0 if bias is None else bias
        return out
    if halves(a, out.size * a.shape[-1]):
        a, b = to(a, BFLOAT16), to(b, BFLOAT16)
    kinds = kind_of(a), kind_of(out)
    plan = _plan(a.shape, a.strides, b.shape, b.strides, kinds, bias is not None, activation)
    if bias is None:
        plan.run(a, b, out)
    else:
        plan.run(a, b, np.ascontiguousarray(bias), out)
    return out


@planned
def _plan(
    a: tuple[int, ...], a_strides: tuple[int, ...], b: tuple[int, ...], b_strides: tuple[int, ...],
    types: tuple[str, str], bias: bool, activation: Any,
) -> Plan:  # fmt: skip
    kind, kind_out = types
    lib, size = library(), SIZES[kind]
    out = (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    left = lib.layout(a, kind, tuple(s // size for s in a_strides))
    right = lib.layout(b, kind, tuple(s // size for s in b_strides))
    along = (1,) * (len(out) - 1) + out[-1:]
    added = lib.layout(along, kind_out, strides_of(along)) if bias else None
    target = lib.layout(out, kind_out, strides_of(out))
    kinds = (api.SRC, api.WEIGHTS, *((api.BIAS,) if bias else ()), api.DST)
    return Plan("matmul", (left, right, added, target), kinds, post_op(activation))
