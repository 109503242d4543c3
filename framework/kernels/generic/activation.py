"""Activations and their gradients on NumPy and CuPy arrays. Half-precision arrays are computed in float32.

Each ``name(x, ...)`` has a ``name_backward(g, v, ...)``, where ``v`` is what its op saves: the input, or the output of
``relu``, ``hardtanh``, ``sigmoid`` and ``tanh``. An ``out`` is written to if given; it may be ``x`` itself.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.passes import blockwise, selected, zeroed

NAME = "generic"

CLIPPED = 1024  # elements from which on clipping takes less time than a maximum, which is called in less
SQRT_HALF = math.sqrt(0.5)
SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
CUBIC = 0.044715  # of GELU's approximation by tanh
# erf(x / sqrt(2)) = tanh(x * p(x ** 2)) within 2e-7 in float32, for every x; a fit, weighted so that GELU's error stays
# under 2e-7 too (PyTorch's is 1e-6). It takes a sixth of the time of erf.
ERF = (0.7978847013780735, 0.03633331367158548, -3.251325416132624e-05, -5.5409634875082516e-05, 3.991146078285852e-06,
       -1.3476605574416955e-07, 1.8346102607069593e-09)  # fmt: skip


def declines(x: Any, kind: str = "") -> None:
    """It serves every call."""


Activation = tuple[Any, ...]  # a function of this file and its parameters, such as ("hardtanh", 0.0, 6.0)


def activated(x: Any, activation: Activation | None) -> Any:
    """What an activation makes of x; x itself for None."""
    if activation is None:
        return x
    name, *params = activation
    return globals()[name](x, *params)


def _widened(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def compute(*arrays: Any, **params: Any) -> Any:
        dtype = arrays[0].dtype
        if dtype.itemsize == 2 and dtype in dtypes.HALF:
            wide = [a.astype("float32") if hasattr(a, "dtype") else a for a in arrays]  # a parameter stays what it is
            return function(*wide, **params).astype(dtype)
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


def exp(x: Any) -> Any:
    """``e ** x``."""
    return array_module(x).exp(x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    xp, y = array_module(x), -x
    if not y.ndim:  # a NumPy scalar, which can't be written into
        return 1 / (1 + xp.exp(y))
    xp.exp(y, out=y)
    y += 1
    return xp.reciprocal(y, out=y)


def sigmoid_backward(g: Any, y: Any) -> Any:
    """Its gradient, from the output."""
    slope = (1 - y) * y
    return g * (slope.conj() if slope.dtype.kind == "c" else slope)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return array_module(x).tanh(x)


def tanh_backward(g: Any, y: Any) -> Any:
    """Its gradient, from the output."""
    slope = 1 - y * y
    return g * (slope.conj() if slope.dtype.kind == "c" else slope)


def relu(x: Any, out: Any = None) -> Any:
    """``max(x, 0)``."""
    number, xp = x.dtype.type, array_module(x)
    if x.size > CLIPPED and xp is np and x.dtype.kind == "f" and x.itemsize > 2:
        return x.clip(number(0), number(math.inf), out)  # NumPy has no vector loop for a scalar in ``maximum``
    return xp.maximum(x, number(0), out=out)


def relu_backward(g: Any, y: Any) -> Any:
    """Its gradient, from the output."""
    return zeroed(g, y <= 0)  # a nan lets the gradient through, as in PyTorch


def hardtanh(x: Any, low: float, high: float, out: Any = None) -> Any:
    """``x`` limited to ``[low, high]``."""
    xp, number = array_module(x), x.dtype.type
    if x.dtype.kind == "f":
        return xp.clip(x, number(low), number(high), out=out)  # one pass
    return xp.minimum(xp.maximum(x, number(low)), number(high), out=out)  # NumPy's clip widens bfloat16


def hardtanh_backward(g: Any, y: Any, low: float, high: float) -> Any:
    """Its gradient, from the output, which lies within the limits where the input did: 0 at and beyond them."""
    inside = y > low
    inside &= y < high
    return zeroed(g, ~inside)


def threshold(x: Any, threshold: float, value: float) -> Any:
    """``x`` above the threshold, ``value`` elsewhere."""
    return array_module(x).where(x <= threshold, x.dtype.type(value), x).astype(x.dtype, copy=False)


def threshold_backward(g: Any, x: Any, threshold: float, value: float) -> Any:
    """Its gradient."""
    return zeroed(g, x <= threshold)


@_widened
def leaky_relu(x: Any, slope: float) -> Any:
    """``x`` above 0, ``slope * x`` elsewhere."""
    if not 0 <= slope <= 1:
        return array_module(x).where(x > 0, x, x * slope)
    return blockwise(_leaky_relu, x, slope=slope)


def _leaky_relu(x: Any, out: Any, slope: float) -> None:
    xp = array_module(x)
    xp.multiply(x, slope, out=out)
    xp.maximum(x, out, out=out)


@_widened
def leaky_relu_backward(g: Any, x: Any, slope: float) -> Any:
    """Its gradient."""
    return selected(x > 0, 1, slope, g.dtype) * g


@_widened
def gelu(x: Any, tanh: bool) -> Any:
    """``x`` times the normal distribution function of ``x``, exactly or approximated by tanh."""
    return blockwise(_gelu, x, tanh=tanh)


def _gelu(x: Any, out: Any, tanh: bool) -> None:
    _gelu_tanh(x, out, tanh)
    out += 1
    out *= x
    out *= 0.5


def _gelu_tanh(x: Any, out: Any, tanh: bool) -> None:
    """What GELU adds to 1: ``erf(x / sqrt(2))``, or its approximation by ``tanh``."""
    xp = array_module(x)
    if not tanh and x.dtype != "float32":
        xp.multiply(erf(x * SQRT_HALF), 1, out=out)
        return
    square = x * x
    factors = (SQRT_2_OVER_PI, SQRT_2_OVER_PI * CUBIC) if tanh else ERF
    xp.multiply(square, factors[-1], out=out)
    for factor in factors[-2:0:-1]:
        out += factor
        out *= square
    out += factors[0]
    out *= x
    xp.tanh(out, out=out)


@_widened
def gelu_backward(g: Any, x: Any, tanh: bool) -> Any:
    """Its gradient."""
    return blockwise(_gelu_backward, x, g, tanh=tanh)


def _gelu_backward(x: Any, g: Any, out: Any, tanh: bool) -> None:
    xp = array_module(x)
    _gelu_tanh(x, out, tanh)
    slope = x * x
    if tanh:
        slope *= 3 * CUBIC * SQRT_2_OVER_PI
        slope += SQRT_2_OVER_PI
        slope *= x
        rest = out * out
        xp.subtract(1, rest, out=rest)
        slope *= rest
    else:
        slope *= -0.5
        xp.exp(slope, out=slope)
        slope *= x
        slope *= SQRT_2_OVER_PI
    out += slope
    out += 1
    out *= g
    out *= 0.5


@_widened
def silu(x: Any) -> Any:
    """``x * sigmoid(x)``."""
    y = array_module(x).exp(-x)
    y += 1
    return x / y


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
    return blockwise(_elu, x, alpha=alpha, scale=scale, input_scale=input_scale)


def _elu(x: Any, out: Any, alpha: float, scale: float, input_scale: float) -> None:
    xp = array_module(x)
    negative = xp.clip(x, None, 0)
    if input_scale != 1:
        negative *= input_scale
    xp.expm1(negative, out=negative)  # 0 above 0
    if alpha * scale != 1:
        negative *= alpha * scale
    xp.clip(x, 0, None, out=out)
    if scale != 1:
        out *= scale
    out += negative


@_widened
def elu_backward(g: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    """Its gradient."""
    return blockwise(_elu_backward, x, g, alpha=alpha, scale=scale, input_scale=input_scale)


def _elu_backward(x: Any, g: Any, out: Any, alpha: float, scale: float, input_scale: float) -> None:
    xp = array_module(x)
    xp.clip(x, None, 0, out=out)  # a nan stays one
    if input_scale != 1:
        out *= input_scale
    xp.exp(out, out=out)  # 1 above 0
    below = alpha * scale * input_scale
    if below != scale:
        out *= selected(x > 0, scale, below, x.dtype)
    elif scale != 1:
        out *= scale
    out *= g


@_widened
def hardsigmoid(x: Any) -> Any:
    """``x / 6 + 1 / 2`` limited to ``[0, 1]``."""
    return array_module(x).clip(x + 3, 0, 6) / 6


@_widened
def hardsigmoid_backward(g: Any, x: Any) -> Any:
    """Its gradient."""
    return zeroed(g / 6, ~((x > -3) & (x < 3)))


@_widened
def hardswish(x: Any) -> Any:
    """``x * hardsigmoid(x)``."""
    y = array_module(x).clip(x + 3, 0, 6)
    y *= x
    y /= 6
    return y


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
    return zeroed(x, (x >= -lambd) & (x <= lambd))


def hardshrink_backward(g: Any, x: Any, lambd: float) -> Any:
    """Its gradient, and that of ``softshrink``."""
    return zeroed(g, ~((x < -lambd) | (x > lambd)))


@_widened
def softshrink(x: Any, lambd: float) -> Any:
    """``x`` moved towards 0 by ``lambd``, and 0 where it would pass it."""
    xp = array_module(x)
    return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0))


softshrink_backward = hardshrink_backward
