"""The elementwise update rules of the optimizers, in place.

A rule is a function ``rule(xp, p, g, *state, **numbers)``: it changes the parameter ``p`` and the state in place and
leaves the gradient ``g`` alone. It uses nothing but operators and ``xp``'s ``sqrt``, ``abs``, ``sign``, ``maximum`` and
``where``, so it runs on arrays (``xp`` is NumPy or CuPy) and, for optimizers that gradients flow through, on tensors
(``xp`` is the framework).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[..., None]


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
    average(m, g, beta1)
    average_square(v, g, beta2)
    if largest is not None:
        largest[...] = xp.maximum(largest, v)
        v = largest
    # both sides times the correction, which spares a pass over memory
    update = m / (xp.sqrt(v) + eps * correction)
    update *= rate * correction
    p -= update


def average(m: Any, g: Any, beta: float) -> None:
    """``m = beta m + (1 - beta) g``."""
    change = g - m
    change *= 1 - beta
    m += change


def average_square(v: Any, g: Any, beta: float) -> None:
    """``v = beta v + (1 - beta) g^2``."""
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
    average_square(v, g, alpha)
    if centered:
        mean = more[0]
        average(mean, g, alpha)
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
    average_square(v, g, rho)
    change = xp.sqrt(moved + eps) / xp.sqrt(v + eps) * g
    average_square(moved, change, rho)
    p -= change * lr


def nadam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, beta1: float, beta2: float, rate_gradient: float, rate_mean: float,
    correction: float, eps: float, decay: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """``p = decay p - (rate_gradient g + rate_mean m) / (sqrt(v) / correction + eps)``."""
    g = _gradient(p, g, weight_decay, maximize)
    if decay != 1:
        p *= decay
    average(m, g, beta1)
    average_square(v, g, beta2)
    p -= (g * rate_gradient + m * rate_mean) / (xp.sqrt(v) / correction + eps)


def radam(
    xp: Any, p: Any, g: Any, m: Any, v: Any, *, beta1: float, beta2: float, rate: float, rectified: float | None,
    eps: float, decay: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """``p = decay p - rate m rectified / (sqrt(v) + eps)``; ``p = decay p - rate m`` while that is not known."""
    g = _gradient(p, g, weight_decay, maximize)
    if decay != 1:
        p *= decay
    average(m, g, beta1)
    average_square(v, g, beta2)
    p -= m * rate if rectified is None else m / (xp.sqrt(v) + eps) * (rate * rectified)


def adamax(
    xp: Any, p: Any, g: Any, m: Any, largest: Any, *, beta1: float, beta2: float, rate: float, eps: float,
    weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """``largest = max(beta2 largest, |g| + eps);  p -= rate m / largest``."""
    g = _gradient(p, g, weight_decay, maximize)
    average(m, g, beta1)
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
    average(m, g, beta2)


RULES: dict[str, Rule] = {
    "sgd": sgd, "adam": adam, "rmsprop": rmsprop, "adagrad": adagrad, "adadelta": adadelta, "nadam": nadam,
    "radam": radam, "adamax": adamax, "asgd": asgd, "rprop": rprop, "lion": lion,
}  # fmt: skip
"""The elementwise rules, by name."""
