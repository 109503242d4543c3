"""Softmax, log-softmax and the cross-entropy of class indices, on plain arrays.

All of it is computed in at least float32; results come back in the input's dtype.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.passes import row_sums, unbuffered

NAME = "generic"


def declines(x: Any, **params: Any) -> None:
    """It serves every call."""


def _wide(x: Any) -> Any:
    return x.astype("float32") if x.dtype in dtypes.HALF else x


def _shifted(xp: Any, x: Any, axis: int) -> Any:
    """A fresh ``x - max(x)``: its exponential can't overflow."""
    if not x.shape[axis]:
        return x.copy()
    return x - x.max(axis=axis, keepdims=True)


def sum_along(x: Any, axis: int) -> Any:
    """The sum along an axis, which stays with length 1. Over contiguous rows BLAS takes a quarter of ``sum``'s time."""
    if axis % x.ndim == x.ndim - 1 and x.flags.c_contiguous and x.size:
        return row_sums(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], 1)
    return x.sum(axis=axis, keepdims=True)


def softmax(x: Any, axis: int) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis."""
    xp = array_module(x)
    with unbuffered(x.shape[axis]):
        y = _shifted(xp, _wide(x), axis)
        xp.exp(y, out=y)
        y /= sum_along(y, axis)
    return y.astype(x.dtype) if y.dtype != x.dtype else y


def softmax_backward(g: Any, y: Any, axis: int) -> Any:
    """The gradient of softmax, from the output's gradient and the output."""
    wide, p = _wide(g), _wide(y)
    d = wide * p
    with unbuffered(g.shape[axis]):
        d -= p * sum_along(d, axis)
    return d.astype(g.dtype) if d.dtype != g.dtype else d


def log_softmax(x: Any, axis: int) -> Any:
    """``x - log(sum(exp(x)))`` along an axis."""
    xp = array_module(x)
    with unbuffered(x.shape[axis]):
        y = _shifted(xp, _wide(x), axis)
        y -= xp.log(sum_along(xp.exp(y), axis))
    return y.astype(x.dtype) if y.dtype != x.dtype else y


def log_softmax_backward(g: Any, y: Any, axis: int) -> Any:
    """The gradient of log-softmax, from the output's gradient and the output."""
    xp = array_module(g)
    wide = _wide(g)
    d = xp.exp(_wide(y))
    with unbuffered(g.shape[axis]):
        d *= sum_along(wide, axis)
    xp.subtract(wide, d, out=d)
    return d.astype(g.dtype) if d.dtype != g.dtype else d


def cross_entropy(
    logits: Any, target: Any, scale: Any, smooth: Any, class_weight: Any, probabilities: bool
) -> tuple[Any, Any]:
    """The scaled cross-entropy of each sample, and the softmax of the logits if asked for.

    Args:
        logits: (N, C, ...).
        target: (N, ...) class indices, all in range.
        scale: what multiplies ``-log p[target]``: (N, ...), or a number.
        smooth: what multiplies the (weighted) sum of ``-log p`` over all classes, likewise; None for nothing.
        class_weight: (1, C, 1...), the weights within that sum; None for ones.
        probabilities: whether the softmax is wanted.
    """
    xp = array_module(logits)
    z = _shifted(xp, _wide(logits), 1)
    picked = pick(z, target)
    if smooth is not None:
        weighted = (z if class_weight is None else z * class_weight).sum(axis=1)
    p = xp.exp(z, out=z)
    total = sum_along(p, 1)[:, 0]
    log_total = xp.log(total)
    loss = (log_total - picked) * scale
    if smooth is not None:
        mass = z.shape[1] if class_weight is None else class_weight.sum()
        loss += (log_total * mass - weighted) * smooth
    if not probabilities:
        return loss, None
    p /= total[:, None]
    return loss, p


def cross_entropy_backward(p: Any, target: Any, scale: Any, smooth: Any, class_weight: Any) -> Any:
    """``p * (scale + smooth * mass) - scale * onehot - smooth * class_weight``: the gradient in the logits."""
    xp = array_module(p)
    factor = scale
    if smooth is not None:
        factor = scale + smooth * (p.shape[1] if class_weight is None else class_weight.sum())
    factor = xp.asarray(factor, p.dtype)
    d = p * (factor[:, None] if factor.ndim else factor)
    if d.ndim == 2:
        d[xp.arange(len(d)), target] -= scale
    else:
        index = target[:, None]
        values = xp.take_along_axis(d, index, 1) - (scale[:, None] if getattr(scale, "ndim", 0) else scale)
        xp.put_along_axis(d, index, values.astype(d.dtype), 1)
    if smooth is not None:
        part = smooth[:, None] if getattr(smooth, "ndim", 0) else smooth
        d -= part if class_weight is None else part * class_weight
    return d


@lru_cache(16)
def places(rows: int, length: int) -> Any:
    """Where each row begins, in elements; read-only."""
    starts = np.arange(0, rows * length, length)
    starts.flags.writeable = False
    return starts


def row_losses(logits: Any, target: Any, probabilities: bool) -> tuple[Any, Any, Any]:
    """The sum over rows of ``-log p[target]``, the softmax of the rows and where in it the targets are.

    It is the plain case of ``cross_entropy`` in as few calls as it takes, on NumPy arrays.

    Args:
        logits: (N, C), contiguous, of float32 or float64.
        target: (N,) class indices, all in range.
        probabilities: whether the softmax is wanted; if not, None may come in its place.
    """
    with unbuffered(logits.shape[1]):
        p = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
        place = places(*logits.shape) + target
        picked = p.reshape(-1).take(place)
        np.exp(p, out=p)
        total = row_sums(p)
        loss = np.log(total)
        loss -= picked
        if probabilities:
            p /= total[:, None]
    return np.add.reduce(loss), p if probabilities else None, place


def row_losses_backward(p: Any, place: Any, scale: Any) -> Any:
    """The gradient in the logits of ``scale`` times the sum: ``scale * (p - onehot)``."""
    d = p * scale
    d.reshape(-1)[place] -= scale
    return d


def pick(x: Any, target: Any) -> Any:
    """``x[n, target[n, ...], ...]``: the entry of its class for each sample."""
    xp = array_module(x)
    if x.ndim == 2:
        return x[xp.arange(len(x)), target]
    return xp.take_along_axis(x, target[:, None], 1)[:, 0]
