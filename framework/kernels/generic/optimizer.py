"""The update rules of the optimizers, in place.

A rule is a function ``rule(xp, p, g, *state, **numbers)``: it changes the parameter ``p`` and the state in place and
leaves the gradient ``g`` alone. It uses nothing but operators and ``xp``'s ``sqrt``, ``abs``, ``sign``, ``maximum`` and
``where``, so it runs on arrays (``xp`` is NumPy or CuPy) and, for optimizers that gradients flow through, on tensors
(``xp`` is the framework).

``step`` runs elementwise rules over blocks that stay in the cache: a rule of a dozen NumPy calls then reads and writes
main memory once. The other rules (``WHOLE``) take a parameter at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module

NAME = "generic"

BLOCK = 1 << 15  # elements: five float32 arrays of that length and a temporary fit in a megabyte of cache

Job = tuple[tuple[Any, ...], dict[str, Any]]  # (parameter, gradient, state...), the rule's numbers
Rule = Callable[..., None]


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def step(rule: str, jobs: list[Job]) -> None:
    """Apply a rule to parameters: for each, its arrays (parameter, gradient, state) and the rule's numbers.

    Arithmetic of 16-bit parameters is done in float32; complex ones are updated as pairs of reals.
    """
    whole = rule in WHOLE
    function = WHOLE[rule] if whole else RULES[rule]
    for arrays, numbers in jobs:
        p = arrays[0]
        kind = p.dtype
        if not p.size:
            continue
        if kind.kind == "c":
            arrays = tuple([_as_real(a) for a in arrays])
        if kind in dtypes.HALF or any(a.dtype != kind for a in arrays):
            for part in [arrays] if whole else _blocks(arrays):
                _widened(function, part, numbers)
        elif whole or p.size <= BLOCK:
            function(array_module(p), *arrays, **numbers)
        else:
            xp = array_module(p)
            for part in _blocks(arrays):
                function(xp, *part, **numbers)


def _widened(function: Rule, arrays: tuple[Any, ...], numbers: dict[str, Any]) -> None:
    """Run a rule on float32 (or wider) copies, and store what it changed."""
    wide = [a.astype(np.float32) if a.dtype in dtypes.HALF else a for a in arrays]
    function(array_module(arrays[0]), *wide, **numbers)
    for position, (array, copy) in enumerate(zip(arrays, wide, strict=True)):
        if position != 1 and copy is not array:
            array[...] = copy.astype(array.dtype)


def _as_real(array: Any) -> Any:
    """A complex array's memory as reals, with one more axis of length 2."""
    if array.dtype.kind != "c":
        return array
    real = array.real
    shape, strides = (*array.shape, 2), (*array.strides, real.itemsize)
    return array_module(array).lib.stride_tricks.as_strided(real, shape, strides)


def _blocks(arrays: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Flat views of a block of each array, or the arrays whole where one is not dense or lies on a GPU."""
    p = arrays[0]
    if array_module(p) is not np:
        yield arrays
        return
    if not p.flags.c_contiguous:  # channels-last memory, say: all of them in that order
        order = sorted(range(p.ndim), key=lambda axis: -abs(p.strides[axis]))
        arrays = tuple([a.transpose(order) for a in arrays])
    gradient = np.ascontiguousarray(arrays[1])
    others = (arrays[0], *arrays[2:])
    if not all(a.flags.c_contiguous for a in others):
        yield arrays
        return
    flat = [a.reshape(-1) for a in (arrays[0], gradient, *arrays[2:])]
    even = p.size // BLOCK * BLOCK
    yield from zip(*[a[:even].reshape(-1, BLOCK) for a in flat], strict=True)
    if even < p.size:
        yield tuple([a[even:] for a in flat])


def _gradient(p: Any, g: Any, weight_decay: float, maximize: bool) -> Any:
    """The gradient to descend along, with the L2 penalty's."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g + weight_decay * p
    return g


def sgd(
    xp: Any, p: Any, g: Any, buffer: Any = None, *, lr: float, momentum: float = 0, dampening: float = 0,
    nesterov: bool = False, weight_decay: float = 0, maximize: bool = False,
) -> None:  # fmt: skip
    """``b = momentum b + (1 - dampening) g;  p -= lr b`` (Nesterov: ``p -= lr (g + momentum b)``)."""
    g = _gradient(p, g, weight_decay, maximize)
    if buffer is not None:
        buffer *= momentum
        buffer += g if dampening == 0 else g * (1 - dampening)
        g = g + momentum * buffer if nesterov else buffer
    p -= g * lr


def adam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, largest: Any = None, *, beta1: float, beta2: float, rate: float,
    correction: float, eps: float, decay: float = 1, weight_decay: float = 0, maximize: bool = False,
) -> None:  # fmt: skip
    """``p = decay p - rate m / (sqrt(v) / correction + eps)``; with ``largest`` that is AMSGrad's.

    Args:
        rate: the learning rate over ``1 - beta1^t``.
        correction: ``sqrt(1 - beta2^t)``.
        decay: ``1 - lr * weight_decay`` where the decay is decoupled.
    """
    g = _gradient(p, g, weight_decay, maximize)
    if decay != 1:
        p *= decay
    _average(m, g, beta1)
    _average_square(v, g, beta2)
    if largest is not None:
        largest[...] = xp.maximum(largest, v)
        v = largest
    # both sides times the correction, which spares a pass over memory
    update = m / (xp.sqrt(v) + eps * correction)
    update *= rate * correction
    p -= update


def _average(m: Any, g: Any, beta: float) -> None:
    change = g - m
    change *= 1 - beta
    m += change


def _average_square(v: Any, g: Any, beta: float) -> None:
    v *= beta
    square = g * g
    square *= 1 - beta
    v += square


def rmsprop(
    xp: Any, p: Any, g: Any, v: Any, *more: Any, lr: float, alpha: float, eps: float, centered: bool, momentum: float,
    weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """``p -= lr g / (sqrt(v - mean^2) + eps)``; ``more`` is the ``mean`` if centered, then the momentum if any."""
    g = _gradient(p, g, weight_decay, maximize)
    _average_square(v, g, alpha)
    if centered:
        mean = more[0]
        _average(mean, g, alpha)
        v = v - mean * mean
    update = g / (xp.sqrt(v) + eps)
    if momentum > 0:
        buffer = more[-1]
        buffer *= momentum
        buffer += update
        update = buffer
    p -= update * lr


def adagrad(
    xp: Any, p: Any, g: Any, total: Any, *, rate: float, eps: float, weight_decay: float, maximize: bool
) -> None:
    """``p -= rate g / (sqrt(sum of g^2) + eps)``."""
    g = _gradient(p, g, weight_decay, maximize)
    total += g * g
    p -= g / (xp.sqrt(total) + eps) * rate


def adadelta(
    xp: Any,
    p: Any,
    g: Any,
    v: Any,
    moved: Any,
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """``d = g sqrt(moved + eps) / sqrt(v + eps);  p -= lr d``, where ``moved`` averages ``d^2``."""
    g = _gradient(p, g, weight_decay, maximize)
    _average_square(v, g, rho)
    change = xp.sqrt(moved + eps) / xp.sqrt(v + eps) * g
    _average_square(moved, change, rho)
    p -= change * lr


def nadam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, beta1: float, beta2: float, rate_gradient: float, rate_mean: float,
    correction: float, eps: float, decay: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """``p = decay p - (rate_gradient g + rate_mean m) / (sqrt(v) / correction + eps)``."""
    g = _gradient(p, g, weight_decay, maximize)
    if decay != 1:
        p *= decay
    _average(m, g, beta1)
    _average_square(v, g, beta2)
    p -= (g * rate_gradient + m * rate_mean) / (xp.sqrt(v) / correction + eps)


def radam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, beta1: float, beta2: float, rate: float, rectified: float | None,
    eps: float, decay: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """``p = decay p - rate m rectified / (sqrt(v) + eps)``; ``p = decay p - rate m`` while that is not known."""
    g = _gradient(p, g, weight_decay, maximize)
    if decay != 1:
        p *= decay
    _average(m, g, beta1)
    _average_square(v, g, beta2)
    p -= m * rate if rectified is None else m / (xp.sqrt(v) + eps) * (rate * rectified)


def adamax(
    xp: Any, p: Any, g: Any, m: Any, largest: Any, *, beta1: float, beta2: float, rate: float, eps: float,
    weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """``largest = max(beta2 largest, |g| + eps);  p -= rate m / largest``."""
    g = _gradient(p, g, weight_decay, maximize)
    _average(m, g, beta1)
    largest[...] = xp.maximum(largest * beta2, xp.abs(g) + eps)
    p -= m / largest * rate


def asgd(
    xp: Any, p: Any, g: Any, average: Any, *, eta: float, mu: float, lambd: float, weight_decay: float, maximize: bool
) -> None:
    """``p = (1 - lambd eta) p - eta g;  average += mu (p - average)``."""
    g = _gradient(p, g, weight_decay, maximize)
    p *= 1 - lambd * eta
    p -= g * eta
    if mu == 1:
        average[...] = p
    else:
        average += (p - average) * mu


def rprop(
    xp: Any, p: Any, g: Any, previous: Any, size: Any, *, shrink: float, grow: float, smallest: float, largest: float,
    maximize: bool,
) -> None:  # fmt: skip
    """Each element's step grows while its gradient keeps its sign, shrinks (and is skipped once) when that flips."""
    if maximize:
        g = -g
    agreement = g * previous
    flipped = agreement < 0
    size += size * (agreement > 0) * (grow - 1)
    size += size * flipped * (shrink - 1)
    size[...] = xp.where(size > largest, largest, xp.where(size < smallest, smallest, size))
    previous[...] = xp.where(flipped, 0.0, g)
    p -= xp.sign(previous) * size


def lion(
    xp: Any, p: Any, g: Any, m: Any, *, lr: float, beta1: float, beta2: float, decay: float, maximize: bool
) -> None:
    """``p = decay p - lr sign(beta1 m + (1 - beta1) g);  m = beta2 m + (1 - beta2) g``."""
    if maximize:
        g = -g
    if decay != 1:
        p *= decay
    p -= xp.sign(m * beta1 + g * (1 - beta1)) * lr
    _average(m, g, beta2)


RULES: dict[str, Rule] = {
    "sgd": sgd, "adam": adam, "rmsprop": rmsprop, "adagrad": adagrad, "adadelta": adadelta, "nadam": nadam,
    "radam": radam, "adamax": adamax, "asgd": asgd, "rprop": rprop, "lion": lion,
}  # fmt: skip
"""The elementwise rules, by name."""


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

    length = step_length = 0.0
    for p_, g_, m_, v_ in _blocks((p, g, m, v)):
        g_ = g_ * scale
        _average(m_, g_, beta1)
        _average_square(v_, g_, beta2)
        update = direction(p_, m_, v_)
        length += float((p_ * p_).sum())
        step_length += float((update * update).sum())
    trust = 1.0
    if (weight_decay != 0 or always_adapt) and length > 0 and step_length > 0:
        trust = math.sqrt(length / step_length)
        trust = min(trust, 1.0) if trust_clip else trust
    for p_, _, m_, v_ in _blocks((p, g, m, v)):  # the direction again: cheaper than memory for it
        p_ -= direction(p_, m_, v_) * (lr * trust)


def adafactor(
    xp: Any, p: Any, g: Any, *state: Any, lr: float, step: float, beta2_decay: float, eps1: float, eps2: float,
    d: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """A step relative to the parameter's size along ``g / sqrt(v)``; ``v`` of a matrix is kept as two vectors."""
    if maximize:
        g = -g
    weight = step**beta2_decay
    alpha = max(eps2, _root_mean_square(p)) * min(lr, 1 / math.sqrt(step))
    if weight_decay != 0:
        p *= 1 - lr * weight_decay
    square = g * g
    if len(state) == 2:
        rows, columns = state
        _average(rows, square.mean(-1, keepdims=True), 1 - weight)
        _average(columns, square.mean(-2, keepdims=True), 1 - weight)
        v = rows @ columns
        v /= rows.mean(-2, keepdims=True).clip(eps1)
    else:
        (v,) = state
        _average(v, square, 1 - weight)
    update = g / xp.sqrt(v.clip(eps1 * eps1))
    p -= update * (alpha / max(1.0, _root_mean_square(update) / d))


def _root_mean_square(x: Any) -> float:
    return math.sqrt(float((x * x).sum()) / max(x.size, 1))


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
    x = rounded(x / max(float(rounded(xp.sqrt((x * x).sum()))), eps))
    for _ in range(steps):
        gram = rounded(x @ x.T)
        x = combined(a, x, 1.0, combined(b, gram, c, gram @ gram) @ x)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


WHOLE: dict[str, Rule] = {"lamb": lamb, "adafactor": adafactor, "muon": muon}
"""The rules that need a whole parameter: its norm, its rows and columns, its singular vectors."""
