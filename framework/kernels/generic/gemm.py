"""Matrix products through the array library's own BLAS."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels import threads
from framework.kernels.generic import passes
from framework.kernels.generic.activation import Activation, activated
from framework.kernels.precision import products_round
from framework.kernels.registry import choose

NAME = "generic"

EXACT = 2**53  # float64 holds every integer up to here
SHARED = 10**7  # multiplications from which on threads of ours share a product that OpenBLAS computes on one
SUMMED = 1 << 14  # elements from which on a product sums faster than NumPy does
WORTH = 10**5  # multiplications, above which integers are worth a round trip through float64


def declines(a: Any, b: Any) -> None:
    """It serves every call."""


def matmul(a: Any, b: Any) -> Any:
    """``a @ b``; 16-bit types are multiplied in float32 and rounded once, integers exactly.

    A matrix on the right of a batch makes one product of all the batch's rows.
    """
    if a.ndim > 2 and b.ndim == 2:
        rows = a.size // a.shape[-1] if a.shape[-1] else int(np.prod(a.shape[:-1], dtype=np.int64))
        return matmul(a.reshape((rows, a.shape[-1])), b).reshape((*a.shape[:-1], b.shape[-1]))
    kind = a.dtype
    if kind in dtypes.HALF:
        y = array_module(a).matmul(a.astype(np.float32), b.astype(np.float32))
        return y.astype(kind)
    if kind.kind in "iu":
        return _integers(a, b)
    if a.ndim > 1 and b.ndim > 1 and a.size * b.shape[-1] > SHARED and array_module(a) is np:
        return _in_threads(a, b)
    return array_module(a).matmul(a, b)


def _in_threads(a: Any, b: Any) -> Any:
    """A large product by several threads, each of which computes some matrices, or some rows of the one there is."""
    count = threads.current()
    if count == 1 or not threads.shared():
        return np.matmul(a, b)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.empty((*lead, a.shape[-2], b.shape[-1]), np.result_type(a, b))
    if lead and lead[0] >= count:
        a, b = np.broadcast_to(a, (*lead, *a.shape[-2:])), np.broadcast_to(b, (*lead, *b.shape[-2:]))
        step = -(-lead[0] // (2 * count))
        parts = [slice(start, start + step) for start in range(0, lead[0], step)]
        threads.parallel(lambda part: np.matmul(a[part], b[part], out=out[part]), parts)
    else:
        step = -(-a.shape[-2] // count)
        parts = [slice(start, start + step) for start in range(0, a.shape[-2], step)]
        threads.parallel(lambda part: np.matmul(a[..., part, :], b, out=out[..., part, :]), parts)
    return out


def _integers(a: Any, b: Any) -> Any:
    """BLAS has no integers and NumPy's own loop is slow: use float64 where no sum can leave its exact range."""
    xp = array_module(a)
    inner = a.shape[-1]
    if xp is np and min(a.size, b.size) and a.size * b.shape[-1] > WORTH:  # CuPy's own loop waits for nothing
        largest = [max(abs(int(x.min())), abs(int(x.max()))) for x in (a, b)]
        if largest[0] * largest[1] * inner < EXACT:
            wide = xp.matmul(a.astype(np.float64), b.astype(np.float64))
            return wide.astype(np.int64).astype(a.dtype)
    return xp.matmul(a, b)


def linear(
    x: Any, weight: Any, bias: Any, activation: Activation | None = None, kept: dict[Any, Any] | None = None
) -> Any:
    """``x @ weight.T + bias`` for a matrix ``x``, then the activation; ``bias`` and ``activation`` may be None.

    Args:
        kept: a place for what is made of a weight that does not change, which these kernels have no use for.

    Shape:
        x (N, K), weight (M, K), bias (M,) -> (N, M).
    """
    if x.dtype in dtypes.HALF:
        y = array_module(x).matmul(x.astype(np.float32), weight.astype(np.float32).T)
    else:
        y = matmul(x, weight.T)
    if bias is not None:
        y += bias
    y = activated(y, activation)
    return y.astype(x.dtype) if y.dtype != x.dtype else y


def weight_gradients(g: Any, x: Any) -> tuple[Any, Any]:
    """The gradients of a linear layer's weight and bias: ``g.T @ x``, and the sum of g's rows.

    Shape:
        g (N, M), x (N, K) -> (M, K), (M,).
    """
    return matmul(g.T, x), column_sums(g)


def column_sums(x: Any) -> Any:
    """The sum of a matrix's rows, in float32 at least. Of a large one it is a product with ones, which takes half the time."""
    xp, half = array_module(x), x.dtype in dtypes.HALF
    if x.size >= SUMMED and (half or (x.dtype == np.float32 and products_round() == "ieee")):
        ones = xp.ones((1, x.shape[0]), x.dtype)
        return choose("gemm", ones, x).matmul(ones, x)[0]
    if half:
        return xp.add.reduce(x, axis=0, dtype=np.float32).astype(x.dtype)
    return passes.total(x, (0,), False) if x.size > passes.SMALL and x.dtype.kind == "f" else xp.add.reduce(x, axis=0)
