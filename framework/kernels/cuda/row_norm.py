"""Layer norm and RMS norm on the GPU, and their gradients: each array is read once.

The mean is found first and the variance from what differs from it, so that a mean far from 0 costs no precision.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from framework.kernels.cuda.columns import column_sums
from framework.kernels.cuda.modules import BYTES, CTYPES, aligned, blocks, kernel, real, width
from framework.kernels.cuda.rows import share

NULL = np.uint64(0)
MOST = 512  # threads of a block of the gradient's
BUSY = 264  # blocks of the gradient's, each of which leaves a row of sums to be added up
HELD = 8  # elements that a thread holds of a row of the gradient's
SPLITS = 32  # parts in which the rows are summed where they are too long for that


def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The rows of x (R, D) with mean 0, variance 1, times weight (D,), plus bias; also mean and 1 / deviation (R,)."""
    return _forward(x, weight, bias, eps, 1)


def rms_norm(x: Any, weight: Any, eps: float) -> tuple[Any, Any]:
    """The rows of x (R, D) over their root mean square, times weight (D,); also 1 / that root, (R,)."""
    y, _, rstd = _forward(x, weight, None, eps, 0)
    return y, rstd


def _forward(x: Any, weight: Any, bias: Any, eps: float, centered: int) -> tuple[Any, Any, Any]:
    cupy, kind, (rows, length) = import_module("cupy"), real(x.dtype), x.shape
    weight, bias, types = _types(x, weight, bias)
    y, mean, rstd = cupy.empty_like(x), cupy.empty(rows if centered else 0, kind), cupy.empty(rows, kind)
    macros, grid, block = share(rows, length, x, vector=_vector(length, (x,), weight, bias))
    arguments = (
        y, x, _or_null(weight), _or_null(bias), mean if centered else NULL, rstd, kind.type(eps), np.int64(rows),
        np.int32(length),
    )  # fmt: skip
    kernel("row_norm", "row_norm", **types, **macros, CENTERED=centered)(grid, block, arguments)
    return y, mean, rstd


def layer_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``layer_norm``; None where not ``wanted``. ``mean`` None stands for 0: RMS norm."""
    cupy, kind, (rows, length) = import_module("cupy"), real(x.dtype), x.shape
    g = g if g.dtype == x.dtype else g.astype(x.dtype)
    weight, _, types = _types(x, weight, None)
    types["CENTERED"] = int(mean is not None)
    dx = cupy.empty_like(x) if wanted[0] else None
    means = _or_null(mean)
    sizes = (np.int64(rows), np.int32(length))
    vector = _vector(length, (g, x), weight)
    parts: Any = None
    summed = any(wanted[1:])
    kept = next((k for k in _kept(vector) if k * vector * MOST >= length), 0)
    if kept:
        threads = 32 * blocks(length, 32 * kept * vector)
        together = min(max(1, MOST // threads), rows)
        busy = min(blocks(rows, together), BUSY)
        parts = cupy.empty((busy, 2 * length), kind) if summed else None
        arguments = (_or_null(dx), _or_null(parts), g, x, means, rstd, _or_null(weight), *sizes)
        kernel("row_norm_gradient", "norm_gradient", **types, V=vector, K=kept)((busy,), (threads, together), arguments)
    else:
        types |= {"V": BYTES // x.itemsize, "K": 0}
        if dx is not None:
            arguments = (dx, NULL, g, x, means, rstd, _or_null(weight), *sizes)
            kernel("row_norm_gradient", "norm_gradient", **types)((rows,), (MOST,), arguments)
        if summed:
            each = blocks(rows, SPLITS)
            splits = blocks(rows, each)
            parts = cupy.empty((splits, 2 * length), kind)
            columns = (parts, g, x, means, rstd, *sizes, np.int64(each))
            kernel("row_norm_gradient", "norm_columns", **types)((blocks(length, 256), splits), (256,), columns)
    sums: Any = column_sums(parts) if summed else None
    return dx, sums[:length] if wanted[1] else None, sums[length:] if wanted[2] else None


def _kept(vector: int) -> tuple[int, ...]:
    """How many packs of so many elements a thread of the gradient's may keep: one, or as many as it can hold."""
    return (1,) if vector == HELD else (1, HELD // vector)


def _or_null(array: Any) -> Any:
    return NULL if array is None else array


def _types(x: Any, weight: Any, bias: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Weight and bias of one type and contiguous, and the macros of the types."""
    given = [v for v in (weight, bias) if v is not None]
    kind = given[0].dtype if given else x.dtype
    if kind not in (x.dtype, real(x.dtype)) or any(v.dtype != kind for v in given):
        kind = real(x.dtype)
    cupy = import_module("cupy")
    weight, bias = (None if v is None else cupy.ascontiguousarray(v, kind) for v in (weight, bias))
    return weight, bias, {"T": CTYPES[x.dtype], "W": CTYPES[kind]}


def _vector(length: int, arrays: tuple[Any, ...], *vectors: Any) -> int:
    """How many elements of a row an access may move, with as many of a weight."""
    vector = width(length, *arrays)
    return vector if all(v is None or aligned(vector * v.itemsize, v) for v in vectors) else 1
