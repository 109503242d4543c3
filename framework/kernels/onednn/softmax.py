"""Softmax, log-softmax and the cross-entropy of class indices by oneDNN, along the axis whose elements are neighbours.

Along any other axis oneDNN has a reference loop only, 50 times as slow as NumPy, so these are declined.
Its log-softmax is 4e-6 off, so that is NumPy's, by blocks of rows in threads, and the gradient oneDNN's.
A row that holds a nan or an infinity comes out of oneDNN as a nan and zeros, so results are looked through (a product
of BLAS, which finds a nan in a tenth to a third of the time of the softmax) and computed anew by NumPy if there is one.

Measured on two threads of a 2-core EPYC, float32, beside NumPy: rows of 10, 64 of them, 4 us and 11; rows of 1000, 256 of
them, 102 and 248 (the gradient 27 and 114); rows of 128, 24576 of them, 1.3 ms and 5.1 (the gradient 0.5 and 3.4). A
loss over 2048 rows of 30522 classes and its gradient take 45 ms and 98.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.kernels import threads
from framework.kernels.generic import softmax as generic
from framework.kernels.generic.softmax import cross_entropy as cross_entropy
from framework.kernels.generic.softmax import cross_entropy_backward as cross_entropy_backward
from framework.kernels.generic.softmax import pick as pick
from framework.kernels.generic.softmax import places
from framework.kernels.onednn import library as api
from framework.kernels.onednn.activation import BLOCK, SHARED, filled, has_nan, in_order_of, line
from framework.kernels.onednn.library import BINARY, library
from framework.kernels.onednn.plans import Plan, kind_of, planned

NAME = "onednn"
WORTH = 512  # elements from which on oneDNN is the faster
SCALED = 1 << 17  # elements from which on it is the faster at multiplying by a number
SURE = 1e-30  # a probability whose logarithm is exact; a smaller one may have lost its digits


def declines(x: Any, axis: int = 1) -> str | None:
    """None if it can serve a softmax of x along an axis, else why not."""
    if x.size < WORTH:
        return "too small to be worth a call of oneDNN"
    if kind_of(x) is None:
        return "not a NumPy array of float32, or of bfloat16 on a processor that has it"
    if x.strides[axis] != x.itemsize:
        return "an axis whose elements are not neighbours in memory"
    return None if filled(x) else "elements with gaps between them in memory"


def softmax(x: Any, axis: int) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis."""
    y = _normalized(x, x.shape[axis])
    return generic.softmax(x, axis) if has_nan(y) else y


def log_softmax(x: Any, axis: int) -> Any:
    """``x - log(sum(exp(x)))`` along an axis."""
    if x.size < SHARED:
        return generic.log_softmax(x, axis)
    y, length = np.empty_like(x), x.shape[axis]
    rows, target = line(x).reshape(-1, length), line(y).reshape(-1, length)
    step = max(1, BLOCK // length)

    def block(start: int) -> None:
        target[start : start + step] = generic.log_softmax(rows[start : start + step], 1)

    threads.parallel(block, range(0, len(rows), step))
    return y


def softmax_backward(g: Any, y: Any, axis: int) -> Any:
    """The gradient of softmax, from the output's gradient and the output."""
    if declines(y, axis) is not None:  # a hook on saved tensors gave another array back
        return generic.softmax_backward(g, y, axis)
    return _gradient(g, y, y.shape[axis], api.SOFTMAX)


def log_softmax_backward(g: Any, y: Any, axis: int) -> Any:
    """The gradient of log-softmax, from the output's gradient and the output."""
    if declines(y, axis) is not None or np.isnan(y.take(0, axis)).any():
        return generic.log_softmax_backward(g, y, axis)
    return _gradient(g, y, y.shape[axis], api.LOG_SOFTMAX)


def row_losses(logits: Any, target: Any, probabilities: bool) -> tuple[Any, Any, Any]:
    """The sum over rows of ``-log p[target]``, the softmax of the rows and where in it the targets are.

    Args:
        logits: (N, C), contiguous.
        target: (N,) class indices, all in range.
    """
    if kind_of(logits) != "float32":
        return generic.row_losses(logits, target, probabilities)
    p = _normalized(logits, logits.shape[1])
    place = places(*logits.shape) + target
    picked = p.reshape(-1).take(place)
    if np.minimum.reduce(picked) > SURE:  # also false for a nan
        return -np.add.reduce(np.log(picked)), p, place
    unsure = np.flatnonzero(~(picked > SURE))
    picked[unsure] = 1.0
    loss = -np.add.reduce(np.log(picked))
    rest, p[unsure], _ = generic.row_losses(logits[unsure], target[unsure], True)
    return loss + rest, p, place


def row_losses_backward(p: Any, place: Any, scale: Any) -> Any:
    """The gradient in the logits of ``scale`` times the sum: ``scale * (p - onehot)``."""
    if p.size < SCALED or kind_of(p) != "float32" or declines(p) is not None:
        return generic.row_losses_backward(p, place, scale)
    d = np.empty_like(p)
    _multiplied(p.size).run(p, np.full(1, scale, p.dtype), d)
    d.reshape(-1)[place] -= scale
    return d


def _normalized(x: Any, length: int) -> Any:
    y = np.empty_like(x)
    _forward(x.size // length, length, api.SOFTMAX, kind_of(x)).run(x, y)
    return y


def _gradient(g: Any, y: Any, length: int, algorithm: int) -> Any:
    d = np.empty_like(y)
    _backward(y.size // length, length, algorithm, kind_of(y)).run(y, in_order_of(g, y), d)
    return d


@planned
def _forward(rows: int, length: int, algorithm: int, kind: str) -> Plan:
    layout = library().layout((rows, length), kind, (length, 1))
    return Plan("softmax_forward", (api.FORWARD_TRAINING, algorithm, layout, layout, 1), (api.SRC, api.DST))


@planned
def _backward(rows: int, length: int, algorithm: int, kind: str) -> Plan:
    layout = library().layout((rows, length), kind, (length, 1))
    kinds = (api.DST, api.DIFF_DST, api.DIFF_SRC)
    hint = _forward(rows, length, algorithm, kind)
    return Plan("softmax_backward", (algorithm, layout, layout, layout, 1), kinds, hint=hint, forward=False)


@planned
def _multiplied(size: int) -> Plan:
    lib = library()
    layout, number = lib.layout((size,), "float32", (1,)), lib.layout((1,), "float32", (1,))
    return Plan("binary", (BINARY["mul"], layout, number, layout), (api.SRC, api.SRC_1, api.DST))
