"""Matrix products by oneDNN: batches, operands in any memory order, bias and activation in the same pass.

Measured on two threads of a 2-core EPYC, float32, beside NumPy on one thread: 2.0 to 2.6 times as fast from 128 x 128
matrices on, even at half a million multiplications, half as fast at 64 x 64 x 64 and below. A transposed right operand
is repacked at every call, so a few rows by such a matrix stay with NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.kernels.generic.activation import Activation
from framework.kernels.onednn import library as api
from framework.kernels.onednn.activation import post_op
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import SIZES, Plan, kind_of, planned, strides_of

NAME = "onednn"
WORTH = 1 << 19  # multiplications from which on oneDNN is the faster
WORTH_TRANSPOSED = 1 << 18  # the same for a transposed right operand, which OpenBLAS is slower at
FEW_ROWS = 8  # fewer rows than this do not pay for repacking a transposed right operand


def declines(a: Any, b: Any) -> str | None:
    """None if it can serve ``a @ b``, else why not."""
    kind = kind_of(a, b)
    if kind is None:
        return "not two NumPy arrays of float32, or of bfloat16 on a processor that has it"
    if a.ndim < 2 or b.ndim < 2:
        return "a vector"
    return _too_small(a.size * b.shape[-1], a.shape[-2], b.strides[-1] != b.itemsize)


def _too_small(work: int, rows: int, transposed: bool) -> str | None:
    if work < (WORTH_TRANSPOSED if transposed else WORTH):
        return "too small to be worth a call of oneDNN"
    if transposed and rows < FEW_ROWS:
        return "too few rows to be worth repacking a transposed operand"
    return None


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


def linear(x: Any, weight: Any, bias: Any, activation: Activation | None = None) -> Any:
    """``x @ weight.T + bias`` for a matrix ``x``, then the activation; ``bias`` and ``activation`` may be None.

    Shape:
        x (N, K), weight (M, K), bias (M,) -> (N, M).
    """
    return _product(x, weight.T, bias, activation)


def _product(a: Any, b: Any, bias: Any, activation: Any) -> Any:
    a, b = _operand(a), _operand(b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2]) if a.ndim > 2 or b.ndim > 2 else ()
    if len(a.shape) != len(b.shape):
        a, b = (x.reshape((1,) * (len(batch) + 2 - x.ndim) + x.shape) for x in (a, b))
    out = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    if not out.size or not a.size:
        out[...] = 0 if bias is None else bias
        return out
    plan = _plan(a.shape, a.strides, b.shape, b.strides, str(a.dtype), bias is not None, activation)
    if bias is None:
        plan.run(a, b, out)
    else:
        plan.run(a, b, np.ascontiguousarray(bias), out)
    return out


@planned
def _plan(
    a: tuple[int, ...], a_strides: tuple[int, ...], b: tuple[int, ...], b_strides: tuple[int, ...], kind: str,
    bias: bool, activation: Any,
) -> Plan:  # fmt: skip
    lib, size = library(), SIZES[kind]
    out = (*np.broadcast_shapes(a[:-2], b[:-2]), a[-2], b[-1])
    left = lib.layout(a, kind, tuple(s // size for s in a_strides))
    right = lib.layout(b, kind, tuple(s // size for s in b_strides))
    along = (1,) * (len(out) - 1) + out[-1:]
    added = lib.layout(along, kind, strides_of(along)) if bias else None
    target = lib.layout(out, kind, strides_of(out))
    kinds = (api.SRC, api.WEIGHTS, *((api.BIAS,) if bias else ()), api.DST)
    return Plan("matmul", (left, right, added, target), kinds, post_op(activation))
