"""Special functions: error functions, gamma functions, Bessel functions, entropy. They need SciPy.

Half-precision tensors are computed in float32. ``framework.special`` lists them under PyTorch's names.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module, scipy_for
from framework.errors import ArgumentError, GraphError
from framework.ops.casting import NUMBERS, cast, into
from framework.ops.exponential import exp, log, log1p, square
from framework.ops.pointwise import binary, unary, unsupported, widen
from framework.ops.selection import where
from framework.ops.signs import sgn
from framework.tensor import Tensor


def functions(xp: Any) -> Any:
    """The module of special functions for an array module."""
    return scipy_for(xp, "special")


# Error functions and the normal distribution


@unary(gradient=lambda g, x: g * (2 / math.sqrt(math.pi) * exp(-square(x))), complex=False)
def erf(xp: Any, x: Any) -> Any:
    """The error function: ``2 / sqrt(pi)`` times the integral of ``exp(-t ** 2)`` from 0 to ``input``."""
    return functions(xp).erf(x)


@unary(gradient=lambda g, x: g * (-2 / math.sqrt(math.pi) * exp(-square(x))), complex=False)
def erfc(xp: Any, x: Any) -> Any:
    """``1 - erf(input)``, exact also where that is tiny."""
    return functions(xp).erfc(x)


@unary(gradient=lambda g, x, y: g * (2 * x * y - 2 / math.sqrt(math.pi)), complex=False, half=False)
def erfcx(xp: Any, x: Any) -> Any:
    """``exp(input ** 2) * erfc(input)``."""
    return functions(xp).erfcx(x)


@unary(gradient=lambda g, y: g * (math.sqrt(math.pi) / 2 * exp(square(y))), complex=False)
def erfinv(xp: Any, x: Any) -> Any:
    """The inverse of ``erf``, on (-1, 1); nan outside [-1, 1]."""
    return functions(xp).erfinv(x)


@unary(gradient=lambda g, x: g * (exp(square(x) * -0.5) / math.sqrt(2 * math.pi)), complex=False)
def ndtr(xp: Any, x: Any) -> Any:
    """The probability that a standard normal variable is at most ``input``."""
    return functions(xp).ndtr(x)


@unary(gradient=lambda g, y: g * (exp(square(y) * 0.5) * math.sqrt(2 * math.pi)), complex=False, half=False)
def ndtri(xp: Any, x: Any) -> Any:
    """The quantile of the standard normal distribution: the inverse of ``ndtr``."""
    return functions(xp).ndtri(x)


@unary(gradient=lambda g, x: g / erfcx(x * -math.sqrt(0.5)) * math.sqrt(2 / math.pi), complex=False, half=False)
def log_ndtr(xp: Any, x: Any) -> Any:
    """The logarithm of ``ndtr``, exact also far below 0."""
    return functions(xp).log_ndtr(x)


# Gamma functions


@unary(gradient=lambda g, x: g * digamma(x), complex=False)
def lgamma(xp: Any, x: Any) -> Any:
    """The logarithm of the absolute value of the gamma function; inf at both infinities."""
    return xp.where(xp.isinf(x), xp.inf, functions(xp).gammaln(x))


@unary(gradient=lambda g, x: g * polygamma(1, x), complex=False)
def digamma(xp: Any, x: Any) -> Any:
    """The derivative of ``lgamma``."""
    y = functions(xp).psi(x)
    # at its poles PyTorch has nan, and at zero an infinity of the opposite sign
    y = xp.where((x < 0) & (x == xp.floor(x)), xp.nan, y)
    return xp.where(x == 0, xp.copysign(xp.inf, -x), y)


class Polygamma(Op):
    """The derivative of order n of digamma."""

    def forward(self, x: Any, n: int) -> Any:
        self.n = n
        self.save(x)
        xp = array_module(x)
        z = widen(x)
        if n == 1:
            return self._trigamma(xp, z).astype(x.dtype)
        y = functions(xp).zeta(z.dtype.type(n + 1), z)
        y = xp.where(z == xp.inf, xp.nan, y)  # PyTorch's value there; the limit is 0
        return (y * ((-1) ** (n + 1) * math.gamma(n + 1))).astype(x.dtype)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        return g * polygamma(self.n + 1, x)

    @staticmethod
    def _trigamma(xp: Any, x: Any) -> Any:
        """By reflection below 1/2, where the series has no value."""
        low = x < 0.5
        mirrored = functions(xp).zeta(x.dtype.type(2), xp.where(low, 1 - x, x))
        return xp.where(low, (math.pi / xp.sin(math.pi * x)) ** 2 - mirrored, mirrored)


def polygamma(n: int, input: Any, *, out: Any = None) -> Any:
    """The derivative of order ``n`` of the digamma function; ``digamma`` itself for 0.

    Args:
        n: not negative.
    """
    if n < 0:
        raise ArgumentError(f"polygamma: polygamma(n, x) does not support negative n, got {n}")
    if n == 0:
        return digamma(input, out=out)
    kind = input.array.dtype.kind if isinstance(input, Tensor) else "f"
    if kind == "c":
        raise unsupported("polygamma", input)
    y = apply(Polygamma, cast(input, dtypes.get_default_dtype()) if kind in "biu" else input, n=n)
    return y if out is None else into(out, y, "polygamma")


def mvlgamma(input: Any, p: int, *, out: Any = None) -> Any:
    """The logarithm of the multivariate gamma function of dimension ``p``, elementwise.

    Args:
        p: at least 1.
    """
    if p < 1:
        raise ArgumentError(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    total = lgamma(input)
    for j in range(1, p):
        total = total + lgamma(input - j / 2)
    y = total + p * (p - 1) / 4 * math.log(math.pi)
    return y if out is None else into(out, y, "mvlgamma")


class IncompleteGamma(Op):
    """The regularized incomplete gamma function, lower or upper."""

    broadcasts = True

    def forward(self, a: Any, x: Any, upper: bool) -> Any:
        self.upper = upper
        self.save(a, x)
        special = functions(array_module(x))
        y = (special.gammaincc if upper else special.gammainc)(widen(a), widen(x))
        return y.astype(a.dtype)

    def backward(self, g: Any) -> Any:
        name = "igammac" if self.upper else "igamma"
        if self.needs[0]:
            raise GraphError(f"{name}: the derivative for argument 0 is not implemented")
        a, x = self.saved
        density = exp((a - 1) * log(x) - x - lgamma(a))
        return None, -g * density if self.upper else g * density


def _incomplete_gamma(name: str, input: Any, other: Any, out: Any) -> Any:
    from framework.ops.casting import promote
    from framework.ops.pointwise import broadcast_error

    a, x = promote(input, other, name)
    for argument, value in (("input", input), ("other", other)):
        if not hasattr(value, "dtype"):
            raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(value).__name__}")
    if isinstance(a, Tensor) and not a.dtype.is_floating_point:
        raise unsupported(name, a)
    try:
        y = apply(IncompleteGamma, a, x, upper=name == "igammac")
    except ValueError as error:
        raise broadcast_error(name, a, x, error) from None
    return y if out is None else into(out, y, name)


def igamma(input: Any, other: Any, *, out: Any = None) -> Any:
    """The lower incomplete gamma function of order ``input`` at ``other``, divided by the gamma function."""
    return _incomplete_gamma("igamma", input, other, out)


def igammac(input: Any, other: Any, *, out: Any = None) -> Any:
    """``1 - igamma(input, other)``, exact also where that is tiny."""
    return _incomplete_gamma("igammac", input, other, out)


@binary(gradient=(None, lambda g, a, b: -g * a * zeta(a + 1, b)), integers="float", complex=False, half=False)
def zeta(xp: Any, a: Any, b: Any) -> Any:
    """The Hurwitz zeta function: the sum of ``(k + other) ** -input`` over k = 0, 1, 2, ...

    Half precision is refused.
    """
    return functions(xp).zeta(a, b)


# Logarithms times a factor


def _log(x: Any, shift: int = 0) -> Any:
    """``log(shift + x)`` of a Tensor, an array or a number."""
    if isinstance(x, NUMBERS):
        return float((np.log1p if shift else np.log)(x))
    return log1p(x) if shift else log(x)


@binary(
    gradient=(lambda g, a, b: where((a == 0) & (b <= 0), 0, g * _log(b)), lambda g, a, b: g * a / b),
    integers="float",
    complex=False,
)
def xlogy(xp: Any, a: Any, b: Any) -> Any:
    """``input * log(other)``, 0 where ``input`` is 0; nan where ``other`` is nan."""
    return functions(xp).xlogy(a, b)


@binary(
    gradient=(lambda g, a, b: where((a == 0) & (b <= -1), 0, g * _log(b, 1)), lambda g, a, b: g * a / (b + 1)),
    integers="float",
    complex=False,
)
def xlog1py(xp: Any, a: Any, b: Any) -> Any:
    """``input * log1p(other)``, 0 where ``input`` is 0; nan where ``other`` is nan."""
    return functions(xp).xlog1py(a, b)


@unary(gradient=lambda g, x: g * where(x != x, math.nan, -log(x) - 1), complex=False)
def entr(xp: Any, x: Any) -> Any:
    """``-input * log(input)``, 0 at 0 and -inf below."""
    return functions(xp).entr(x)


# Modified Bessel functions of the first kind


@unary(gradient=lambda g, x: g * i1(x), complex=False)
def i0(xp: Any, x: Any) -> Any:
    """The modified Bessel function of order 0."""
    return functions(xp).i0(x)


@unary(gradient=lambda g, x, y: g * (i1e(x) - sgn(x) * y), complex=False)
def i0e(xp: Any, x: Any) -> Any:
    """``exp(-abs(input)) * i0(input)``."""
    return functions(xp).i0e(x)


def _i1_gradient(g: Any, x: Any, y: Any) -> Any:
    zero = x == 0
    return g * where(zero, 0.5, i0(x) - y / where(zero, 1, x))


@unary(gradient=_i1_gradient, complex=False)
def i1(xp: Any, x: Any) -> Any:
    """The modified Bessel function of order 1."""
    return functions(xp).i1(x)


def _i1e_gradient(g: Any, x: Any, y: Any) -> Any:
    zero = x == 0
    return g * where(zero, 0.5, i0e(x) - y * (sgn(x) + 1 / where(zero, 1, x)))


@unary(gradient=_i1e_gradient, complex=False)
def i1e(xp: Any, x: Any) -> Any:
    """``exp(-abs(input)) * i1(input)``."""
    return functions(xp).i1e(x)


gammaln, psi, multigammaln = lgamma, digamma, mvlgamma
gammainc, gammaincc = igamma, igammac
