"""The update rules of the optimizers that need a whole parameter: its norm, its rows and columns, its singular vectors.

They are called as the elementwise ones are, on arrays alone. Nothing in them waits for a GPU.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.flat import blocks
from framework.kernels.generic.update_rules import Rule, average, average_square


def lamb(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, lr: float, beta1: float, beta2: float, correction1: float,
    correction2: float, eps: float, weight_decay: float, trust_clip: bool, always_adapt: bool, gradient_scale: float,
    maximize: bool,
) -> None:  # fmt: skip
    """Adam's direction (plus the decay), scaled so that its length is ``lr`` times the parameter's."""
    scale = -gradient_scale if maximize else gradient_scale

    def direction(p: Any, m: Any, v: Any) -> Any:
        update = m / (xp.sqrt(v) / correction2 + eps)
        update /= correction1
        if weight_decay != 0:
            update += p * weight_decay
        return update

    length = step_length = np.float64(0)
    for p_, g_, m_, v_ in blocks((p, g, m, v)):
        g_ = g_ * scale
        average(m_, g_, beta1)
        average_square(v_, g_, beta2)
        update = direction(p_, m_, v_)
        length = length + (p_ * p_).sum().astype(np.float64)
        step_length = step_length + (update * update).sum().astype(np.float64)
    rate: Any = lr
    if weight_decay != 0 or always_adapt:
        known = (length > 0) & (step_length > 0)
        trust = xp.sqrt(xp.where(known, length, 1.0) / xp.where(known, step_length, 1.0))
        rate = (lr * (xp.minimum(trust, 1.0) if trust_clip else trust)).astype(p.dtype)
    for p_, _, m_, v_ in blocks((p, g, m, v)):  # the direction again: cheaper than memory for it
        p_ -= direction(p_, m_, v_) * rate


def adafactor(
    xp: Any, p: Any, g: Any, *state: Any, lr: float, step: float, beta2_decay: float, eps1: float, eps2: float,
    d: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """A step relative to the parameter's size along ``g / sqrt(v)``; ``v`` of a matrix is kept as two vectors."""
    if maximize:
        g = -g
    weight = step**beta2_decay
    alpha = xp.fmax(_root_mean_square(xp, p), eps2) * min(lr, 1 / math.sqrt(step))
    if weight_decay != 0:
        p *= 1 - lr * weight_decay
    square = g * g
    if len(state) == 2:
        rows, columns = state
        average(rows, square.mean(-1, keepdims=True), 1 - weight)
        average(columns, square.mean(-2, keepdims=True), 1 - weight)
        v = rows @ columns
        v /= rows.mean(-2, keepdims=True).clip(eps1)
    else:
        (v,) = state
        average(v, square, 1 - weight)
    update = g / xp.sqrt(v.clip(eps1 * eps1))
    p -= update * (alpha / xp.fmax(_root_mean_square(xp, update) / d, 1.0)).astype(p.dtype)


def _root_mean_square(xp: Any, x: Any) -> Any:
    """A float64, which on a GPU is not waited for."""
    return xp.sqrt((x * x).sum().astype(np.float64) / max(x.size, 1))


def muon(
    xp: Any, p: Any, g: Any, buffer: Any, *, rate: float, momentum: float, nesterov: bool, decay: float,
    ns_coefficients: tuple[float, float, float], ns_steps: int, eps: float,
) -> None:  # fmt: skip
    """``p = decay p - rate O``, with ``O`` the orthogonal matrix nearest to the momentum, found in bfloat16."""
    buffer[...] = _between(buffer, g, 1 - momentum)
    update = _between(g, buffer, momentum) if nesterov else buffer
    p *= decay
    p -= orthogonalize(update, ns_coefficients, ns_steps, eps).astype(p.dtype) * rate


def _between(a: Any, b: Any, weight: float) -> Any:
    """``a + weight (b - a)`` with one rounding at the end, as a fused multiply-add has.

    What is orthogonalized is rounded to bfloat16, where a difference in the last bit of float32 would show.
    """
    weight = float(np.asarray(weight, a.dtype))
    start, factor = (a, weight) if weight < 0.5 else (b, weight - 1)
    return (start.astype(np.float64) + factor * (b - a).astype(np.float64)).astype(a.dtype)


def orthogonalize(matrix: Any, coefficients: tuple[float, float, float], steps: int, eps: float) -> Any:
    """A matrix with the same singular vectors and singular values near 1, by a quintic Newton-Schulz iteration.

    The products are of bfloat16 values and summed in float32; each line's result is rounded once, to bfloat16.
    """
    a, b, c = (float(np.float32(value)) for value in coefficients)
    xp = array_module(matrix)

    def rounded(x: Any) -> Any:
        return x.astype(np.float32).astype(dtypes.bfloat16.numpy).astype(np.float32)

    def combined(p: float, x: Any, q: float, y: Any) -> Any:
        return rounded(p * x.astype(np.float64) + q * y.astype(np.float64))

    x = rounded(matrix.T if matrix.shape[0] > matrix.shape[1] else matrix)
    length = rounded(xp.sqrt((x * x).sum()))
    x = rounded(x / xp.maximum(length, length.dtype.type(eps)))
    for _ in range(steps):
        gram = rounded(x @ x.T)
        x = combined(a, x, 1.0, combined(b, gram, c, gram @ gram) @ x)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


WHOLE: dict[str, Rule] = {"lamb": lamb, "adafactor": adafactor, "muon": muon}
