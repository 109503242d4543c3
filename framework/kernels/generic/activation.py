"""Activations and their gradients on NumPy and CuPy arrays. Half-precision arrays are computed in float32.

Each ``name(x, ...)`` has a ``name_backward(g, v, ...)``, where ``v`` is what its op saves: the input, or for ``relu``
the output.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module

NAME = "generic"

SQRT_HALF = math.sqrt(0.5)
SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
CUBIC = 0.044715  # of GELU's approximation by tanh


def declines(x: Any, kind: str = "") -> None:
    """It serves every call."""


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def compute(*arrays: Any, **params: Any) -> Any:
        dtype = arrays[0].dtype
        if dtype.itemsize == 2 and dtype in dtypes.HALF:
            return function(*[a.astype("float32") for a in arrays], **params).astype(dtype)
        return function(*arrays, **params)

    return compute


def erf(x: Any) -> Any:
    """The error function."""
    if array_module(x) is np:
        from scipy.special import erf
    else:
        from cupyx.scipy.special import erf
    return erf(x)


def logistic(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    y = array_module(x).exp(-x)
    y += 1
    return 1 / y


def relu(x: Any) -> Any:
    """``max(x, 0)``."""
    return array_module(x).maximum(x, x.dtype.type(0))


def relu_backward(g: Any, y: Any) -> Any:
    """Its gradient, from the output."""
    return array_module(g).where(y <= 0, g.dtype.type(0), g)  # a nan lets the gradient through, as in PyTorch


def hardtanh(x: Any, low: float, high: float) -> Any:
    """``x`` limited to ``[low, high]``."""
    xp = array_module(x)
    return xp.minimum(xp.maximum(x, x.dtype.type(low)), x.dtype.type(high))  # NumPy's clip widens bfloat16


def hardtanh_backward(g: Any, x: Any, low: float, high: float) -> Any:
    """Its gradient: 0 at and beyond the limits."""
    return array_module(g).where((x > low) & (x < high), g, g.dtype.type(0))


def threshold(x: Any, threshold: float, value: float) -> Any:
    """``x`` above the threshold, ``value`` elsewhere."""
    return array_module(x).where(x <= threshold, x.dtype.type(value), x)


def threshold_backward(g: Any, x: Any, threshold: float, value: float) -> Any:
    """Its gradient."""
    return array_module(g).where(x <= threshold, g.dtype.type(0), g)


@_widened
def leaky_relu(x: Any, slope: float) -> Any:
    """``x`` above 0, ``slope * x`` elsewhere."""
    xp, y = array_module(x), x * slope
    return xp.maximum(x, y) if 0 <= slope <= 1 else xp.where(x > 0, x, y)


@_widened
def leaky_relu_backward(g: Any, x: Any, slope: float) -> Any:
    """Its gradient."""
    return array_module(g).where(x > 0, g, g * slope)


@_widened
def gelu(x: Any, tanh: bool) -> Any:
    """``x`` times the normal distribution function of ``x``, exactly or approximated by tanh."""
    xp = array_module(x)
    y = xp.tanh(SQRT_2_OVER_PI * (x + CUBIC * (x * x * x))) if tanh else erf(x * SQRT_HALF)
    y += 1
    y *= x
    y *= 0.5
    return y


@_widened
def gelu_backward(g: Any, x: Any, tanh: bool) -> Any:
    """Its gradient."""
    xp = array_module(x)
    if tanh:
        square = x * x
        t = xp.tanh(SQRT_2_OVER_PI * (x + CUBIC * (square * x)))
        inner = 0.5 * SQRT_2_OVER_PI * (1 + 3 * CUBIC * square)
        return g * (0.5 * (1 + t) + x * (1 - t * t) * inner)
    density = xp.exp(-0.5 * (x * x))
    density *= x
    density *= 1 / math.sqrt(2 * math.pi)
    y = erf(x * SQRT_HALF)
    y += 1
    y *= 0.5
    y += density
    y *= g
    return y


@_widened
def silu(x: Any) -> Any:
    """``x * sigmoid(x)``."""
    y = logistic(x)
    y *= x
    return y


@_widened
def silu_backward(g: Any, x: Any) -> Any:
    """Its gradient."""
    s = logistic(x)
    y = 1 - s
    y *= x
    y += 1
    y *= s
    y *= g
    return y


@_widened
def mish(x: Any) -> Any:
    """``x * tanh(log(1 + exp(x)))``."""
    return x * _tanh_softplus(x)


@_widened
def mish_backward(g: Any, x: Any) -> Any:
    """Its gradient."""
    t = _tanh_softplus(x)
    return g * (t + x * logistic(x) * (1 - t * t))


def _tanh_softplus(x: Any) -> Any:
    xp = array_module(x)
    e = xp.exp(xp.minimum(x, x.dtype.type(20)))  # beyond 20 the quotient is 1 in float64 too
    n = e * (e + 2)
    return n / (n + 2)


@_widened
def elu(x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    """``scale * x`` above 0, ``scale * alpha * (exp(input_scale * x) - 1)`` elsewhere."""
    xp = array_module(x)
    negative = xp.expm1(xp.minimum(x, x.dtype.type(0)) * input_scale)
    return xp.where(x > 0, x * scale, negative * (alpha * scale))


@_widened
def elu_backward(g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    """Its gradient."""
    xp = array_module(x)
    slope = xp.exp(xp.minimum(x, x.dtype.type(0)) * input_scale)
    return g * xp.where(x > 0, x.dtype.type(scale), slope * (alpha * scale * input_scale))


@_widened
def hardsigmoid(x: Any) -> Any:
    """``x / 6 + 1 / 2`` limited to ``[0, 1]``."""
    return array_module(x).clip(x + 3, 0, 6) / 6


@_widened
def hardsigmoid_backward(g: Any, x: Any) -> Any:
    """Its gradient."""
    return array_module(g).where((x > -3) & (x < 3), g / 6, g.dtype.type(0))


@_widened
def hardswish(x: Any) -> Any:
    """``x * hardsigmoid(x)``."""
    return x * array_module(x).clip(x + 3, 0, 6) / 6


@_widened
def hardswish_backward(g: Any, x: Any) -> Any:
    """Its gradient."""
    xp = array_module(x)
    return xp.where(x <= -3, g.dtype.type(0), xp.where(x >= 3, g, g * (x / 3 + 0.5)))


@_widened
def softplus(x: Any, beta: float, threshold: float) -> Any:
    """``log(1 + exp(beta * x)) / beta``; ``x`` itself where ``beta * x`` exceeds the threshold."""
    xp = array_module(x)
    z = x * beta
    return xp.where(z > threshold, x, xp.log1p(xp.exp(xp.minimum(z, z.dtype.type(threshold)))) / beta)


@_widened
def softplus_backward(g: Any, x: Any, beta: float, threshold: float) -> Any:
    """Its gradient."""
    z = x * beta
    return array_module(x).where(z > threshold, g, g * logistic(z))


@_widened
def logsigmoid(x: Any) -> Any:
    """``log(sigmoid(x))``."""
    xp = array_module(x)
    return xp.minimum(x, x.dtype.type(0)) - xp.log1p(xp.exp(-xp.abs(x)))


@_widened
def logsigmoid_backward(g: Any, x: Any) -> Any:
    """Its gradient."""
    return g * logistic(-x)


def hardshrink(x: Any, lambd: float) -> Any:
    """``x`` outside ``[-lambd, lambd]``, 0 inside."""
    return array_module(x).where((x >= -lambd) & (x <= lambd), x.dtype.type(0), x)


def hardshrink_backward(g: Any, x: Any, lambd: float) -> Any:
    """Its gradient, and that of ``softshrink``."""
    return array_module(x).where((x < -lambd) | (x > lambd), g, g.dtype.type(0))


@_widened
def softshrink(x: Any, lambd: float) -> Any:
    """``x`` moved towards 0 by ``lambd``, and 0 where it would pass it."""
    xp = array_module(x)
    return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0))


softshrink_backward = hardshrink_backward
