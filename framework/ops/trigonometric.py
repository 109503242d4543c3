"""Trigonometric and hyperbolic functions and their inverses. Angles are in radians."""

from __future__ import annotations

import math
from typing import Any

from framework.kernels import choose
from framework.ops.arithmetic import conj_value, plain
from framework.ops.exponential import rsqrt, sqrt
from framework.ops.pointwise import binary, unary
from framework.ops.selection import where
from framework.tensor import Tensor


@unary(gradient=lambda g, x: g * conj_value(cos(x)))
def sin(xp: Any, x: Any) -> Any:
    """The sine of each element."""
    return xp.sin(x)


@unary(gradient=lambda g, x: -g * conj_value(sin(x)))
def cos(xp: Any, x: Any) -> Any:
    """The cosine of each element."""
    return xp.cos(x)


@unary(gradient=lambda g, y: g * conj_value(1 + y * y))
def tan(xp: Any, x: Any) -> Any:
    """The tangent of each element."""
    return xp.tan(x)


@unary(gradient=lambda g, x: g * conj_value(rsqrt(1 - x * x)))
def asin(xp: Any, x: Any) -> Any:
    """The inverse sine of each element, in [-pi/2, pi/2]; nan outside [-1, 1]."""
    return xp.arcsin(x)


@unary(gradient=lambda g, x: -g * conj_value(rsqrt(1 - x * x)))
def acos(xp: Any, x: Any) -> Any:
    """The inverse cosine of each element, in [0, pi]; nan outside [-1, 1]."""
    return xp.arccos(x)


@unary(gradient=lambda g, x: g / conj_value(x * x + 1))
def atan(xp: Any, x: Any) -> Any:
    """The inverse tangent of each element, in (-pi/2, pi/2)."""
    return xp.arctan(x)


@unary(gradient=lambda g, x: g * conj_value(cosh(x)))
def sinh(xp: Any, x: Any) -> Any:
    """The hyperbolic sine of each element."""
    return xp.sinh(x)


@unary(gradient=lambda g, x: g * conj_value(sinh(x)))
def cosh(xp: Any, x: Any) -> Any:
    """The hyperbolic cosine of each element."""
    return xp.cosh(x)


def _tanh_gradient(g: Any, y: Any) -> Any:
    if isinstance(g, Tensor):
        return g * conj_value(1 - y * y)
    return choose("activation", y, kind="tanh").tanh_backward(g, y)


@unary(gradient=_tanh_gradient)
def tanh(xp: Any, x: Any) -> Any:
    """The hyperbolic tangent of each element: values between -1 and 1."""
    return choose("activation", x, kind="tanh").tanh(x)


@unary(gradient=lambda g, x: g * conj_value(rsqrt(x * x + 1)))
def asinh(xp: Any, x: Any) -> Any:
    """The inverse hyperbolic sine of each element."""
    return xp.arcsinh(x)


def _acosh_gradient(g: Any, x: Any) -> Any:
    if plain(x).dtype.kind == "c":  # the product of two roots has the branch cut where acosh has it
        return g / conj_value(sqrt(x - 1) * sqrt(x + 1))
    return g * rsqrt(x * x - 1)


@unary(gradient=_acosh_gradient)
def acosh(xp: Any, x: Any) -> Any:
    """The inverse hyperbolic cosine of each element; nan below 1."""
    return xp.arccosh(x)


@unary(gradient=lambda g, x: g / conj_value(1 - x * x))
def atanh(xp: Any, x: Any) -> Any:
    """The inverse hyperbolic tangent of each element; nan outside [-1, 1]."""
    return xp.arctanh(x)


def _per_square(g: Any, a: Any, b: Any) -> Any:
    """``g / (a * a + b * b)``, 0 at the origin."""
    total = a * a + b * b
    origin = total == 0
    return where(origin, 0, g / where(origin, 1, total))


@binary(
    gradient=(lambda g, a, b: _per_square(g, a, b) * b, lambda g, a, b: -_per_square(g, a, b) * a),
    integers="float",
    complex=False,
    numbers="none",
)
def atan2(xp: Any, a: Any, b: Any) -> Any:
    """The angle of the point with y = ``input`` and x = ``other``, in [-pi, pi]."""
    return xp.arctan2(a, b)


def _sinc_gradient(g: Any, x: Any) -> Any:
    angle = x * math.pi
    zero = x == 0
    return where(zero, 0, g * conj_value((angle * cos(angle) - sin(angle)) / where(zero, 1, angle * x)))


@unary(gradient=_sinc_gradient)
def sinc(xp: Any, x: Any) -> Any:
    """``sin(pi * input) / (pi * input)``, 1 at 0."""
    zero = x == 0
    angle = xp.where(zero, x.dtype.type(1), x) * x.dtype.type(math.pi)
    return xp.where(zero, x.dtype.type(1), xp.sin(angle) / angle)


@unary(gradient=lambda g: g * (math.pi / 180), complex=False)
def deg2rad(xp: Any, x: Any) -> Any:
    """Degrees to radians."""
    return x * (math.pi / 180)


@unary(gradient=lambda g: g * (180 / math.pi), complex=False)
def rad2deg(xp: Any, x: Any) -> Any:
    """Radians to degrees."""
    return x * (180 / math.pi)


@binary(
    gradient=(lambda g, a, y: g * (a / y), lambda g, b, y: g * (b / y)),
    integers="refuse",
    complex=False,
    numbers="none",
)
def hypot(xp: Any, a: Any, b: Any) -> Any:
    """``sqrt(input ** 2 + other ** 2)``, without overflow: the hypotenuse of a right triangle with these legs."""
    return xp.hypot(a, b)


arcsin, arccos, arctan = asin, acos, atan
arcsinh, arccosh, arctanh = asinh, acosh, atanh
arctan2 = atan2
