"""Softmax, log-softmax, their gradients and the cross-entropy of class indices on the GPU.

A row of up to some thousands of elements is read once, by a warp or a block, and stays in registers; of a longer one
(a vocabulary's) maximum and sum are found in one sweep, and a second one writes the result. Elements along the axis that
are neighbours in memory make rows, whatever the axis; else each thread takes a column. Sums are in at least float32.

Cross-entropy is one launch, which also writes the probabilities, where they are wanted, and its gradient another, which
reads them. Nothing here waits for the device.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from framework.kernels.cuda.modules import BYTES, CTYPES, FLOATS, aligned, blocks, in_order_of, kernel, real
from framework.kernels.cuda.rows import share
from framework.kernels.generic import softmax as generic

NAME = "cuda"
THREADS = 256
NARROW = 32  # columns side by side below which reading them would leave most of a warp's access unused
NULL = np.uint64(0)


def declines(x: Any, axis: int = 1) -> str | None:
    """None if it can serve a softmax of x along an axis, else why not."""
    if x.dtype not in FLOATS:
        return f"there is no kernel for {x.dtype}"
    if not x.size:
        return "nothing to compute"
    return "more than 2**31 elements along the axis" if x.shape[axis] >= 2**31 else None


def softmax(x: Any, axis: int) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis."""
    return _forward(x, axis, 0)


def log_softmax(x: Any, axis: int) -> Any:
    """``x - log(sum(exp(x)))`` along an axis."""
    return _forward(x, axis, 1)


def softmax_backward(g: Any, y: Any, axis: int) -> Any:
    """The gradient of softmax, from the output's gradient and the output."""
    return _backward(g, y, axis, 0)


def log_softmax_backward(g: Any, y: Any, axis: int) -> Any:
    """The gradient of log-softmax, from the output's gradient and the output."""
    return _backward(g, y, axis, 1)


def _forward(x: Any, axis: int, log: int) -> Any:
    x, axis = _readable(x, axis)
    y, length = import_module("cupy").empty_like(x), x.shape[axis]
    types = {"T": CTYPES[x.dtype], "P": CTYPES[x.dtype], "LOG": log}
    if _inner(x, axis) == 1:
        macros, grid, block = share(x.size // length, length, x)
        kernel("softmax", "softmax", **types, **macros)(
            grid, block, (y, x, np.int64(x.size // length), np.int32(length))
        )
    else:
        _columns("softmax", "softmax_columns", types, x, axis, (y, x))
    return y


def _backward(g: Any, y: Any, axis: int, log: int) -> Any:
    y, axis = _readable(y, axis)
    g = in_order_of(g if g.dtype == y.dtype else g.astype(y.dtype), y)
    d, length = import_module("cupy").empty_like(y), y.shape[axis]
    types = {"T": CTYPES[y.dtype], "P": CTYPES[y.dtype], "LOG": log}
    if _inner(y, axis) == 1:
        macros, grid, block = share(y.size // length, length, g, y)
        arguments = (d, g, y, np.int64(y.size // length), np.int32(length))
        kernel("softmax", "softmax_gradient", **types, **macros)(grid, block, arguments)
    else:
        _columns("softmax", "softmax_columns_gradient", types, y, axis, (d, g, y))
    return d


def cross_entropy(
    logits: Any, target: Any, scale: Any, smooth: Any, class_weight: Any, probabilities: bool
) -> tuple[Any, Any]:
    """The scaled cross-entropy of each sample, and the softmax of the logits if asked for; see the generic kernel."""
    cupy, kind = import_module("cupy"), real(logits.dtype)
    logits, _ = _readable(logits, 1)
    length = logits.shape[1]
    samples = logits.size // length
    loss = cupy.empty(target.shape, kind)
    p = cupy.empty_like(logits, dtype=kind) if probabilities else None
    types = {"T": CTYPES[logits.dtype], "P": CTYPES[kind]}
    weight = NULL if class_weight is None else cupy.ascontiguousarray(class_weight, kind)
    arguments = (
        loss, NULL if p is None else p, logits, cupy.ascontiguousarray(target, np.int64), weight,
        *_factors(scale, smooth, kind, target.shape),
    )  # fmt: skip
    if _inner(logits, 1) == 1:
        macros, grid, block = share(samples, length, logits)
        kernel("cross_entropy", "cross_entropy", **types, **macros)(
            grid, block, (*arguments, np.int64(samples), np.int32(length))
        )
    else:
        _columns("cross_entropy", "cross_entropy_columns", types, logits, 1, arguments)
    return loss, p


def cross_entropy_backward(p: Any, target: Any, scale: Any, smooth: Any, class_weight: Any) -> Any:
    """``p * (scale + smooth * mass) - scale * onehot - smooth * class_weight``: the gradient in the logits."""
    cupy, kind = import_module("cupy"), p.dtype
    p, _ = _readable(p, 1)
    d, vector = cupy.empty_like(p), BYTES // p.itemsize if aligned(BYTES, p) else 1
    weight = mass = NULL
    if smooth is not None and class_weight is not None:
        weight = cupy.ascontiguousarray(class_weight, kind)
        mass = weight.sum()
    arguments = (
        d, p, cupy.ascontiguousarray(target, np.int64), weight, mass, *_factors(scale, smooth, kind, target.shape),
        np.int64(p.size), np.int32(p.shape[1]), np.int64(_inner(p, 1)),
    )  # fmt: skip
    types = {"T": CTYPES[kind], "P": CTYPES[kind], "V": vector, "K": 0}
    kernel("cross_entropy", "cross_entropy_gradient", **types)(
        (blocks(p.size, THREADS * vector),), (THREADS,), arguments
    )
    return d


def row_losses(logits: Any, target: Any, probabilities: bool) -> tuple[Any, Any, Any]:
    """The sum over rows of ``-log p[target]``, the softmax of the rows and where in it the targets are."""
    loss, p = cross_entropy(logits, target, 1.0, None, None, probabilities)
    return loss.sum(), p, import_module("cupy").arange(0, logits.size, logits.shape[1]) + target


def row_losses_backward(p: Any, place: Any, scale: Any) -> Any:
    """The gradient in the logits of ``scale`` times the sum: ``scale * (p - onehot)``."""
    return cross_entropy_backward(p, place % p.shape[1], scale, None, None)


def pick(x: Any, target: Any) -> Any:
    """``x[n, target[n, ...], ...]``: the entry of its class for each sample."""
    if not x.flags.c_contiguous or x.dtype not in FLOATS:
        return generic.pick(x, target)
    cupy = import_module("cupy")
    out, inner = cupy.empty(target.shape, x.dtype), math.prod(x.shape[2:])
    types = {"T": CTYPES[x.dtype], "P": CTYPES[real(x.dtype)], "V": 1, "K": 0}
    target = cupy.ascontiguousarray(target, np.int64)
    arguments = (out, x, target, np.int64(out.size), np.int32(x.shape[1]), np.int64(inner))
    kernel("cross_entropy", "pick", **types)((blocks(out.size, THREADS),), (THREADS,), arguments)
    return out


def _inner(x: Any, axis: int) -> int:
    """How far the elements along an axis lie apart; 1 for neighbours."""
    return 1 if x.shape[axis] == 1 else x.strides[axis] // x.itemsize


def _readable(x: Any, axis: int) -> tuple[Any, int]:
    """x, or a copy, so that it is whole and row-major but that the axis may be the innermost; and the axis from 0."""
    axis %= x.ndim
    moved = x.transpose(*range(axis), *range(axis + 1, x.ndim), axis)
    if moved.flags.c_contiguous:
        return x, axis
    if x.flags.c_contiguous and math.prod(x.shape[axis + 1 :]) >= NARROW:
        return x, axis
    copy = import_module("cupy").ascontiguousarray(moved)
    return copy.transpose(*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)), axis


def _columns(file: str, name: str, types: dict[str, Any], x: Any, axis: int, arguments: tuple[Any, ...]) -> None:
    length, inner = x.shape[axis], _inner(x, axis)
    columns = x.size // length
    sizes = (np.int64(columns // inner), np.int32(length), np.int64(inner))
    kernel(file, name, **types, V=1, K=0)((blocks(columns, THREADS),), (THREADS,), (*arguments, *sizes))


def _factors(scale: Any, smooth: Any, kind: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Scale and smooth as the kernels take them: where they lie, or a number, and whether there is one a sample."""
    return (*_numbers(scale, kind, shape), np.bool_(smooth is not None), *_numbers(smooth, kind, shape))


def _numbers(value: Any, kind: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    if not hasattr(value, "shape") or isinstance(value, np.generic):
        return NULL, kind.type(0 if value is None else value), np.int32(0)
    cupy = import_module("cupy")
    if value.ndim and value.shape != shape:
        value = cupy.broadcast_to(value, shape)
    return cupy.ascontiguousarray(value, kind), kind.type(0), np.int32(value.ndim > 0)
