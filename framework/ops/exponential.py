"""Powers, exponentials, logarithms and roots, and what is made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes, return_types
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.kernels import choose
from framework.ops.arithmetic import applied, conj_value, fixed, mul
from framework.ops.casting import NUMBERS, cast, into, promote
from framework.ops.pointwise import binary, common_kind, nothing_like, unary, unsupported, widen
from framework.ops.selection import where
from framework.tensor import Tensor

LN2, LN10 = math.log(2), math.log(10)


class Pow(Op):
    """``a ** b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        xp = array_module(a if hasattr(a, "dtype") else b)
        self.b_number, x = b if isinstance(b, NUMBERS) else None, widen(a)
        if self.b_number == 2:
            y = x * x
        elif self.b_number == 0.5:
            y = xp.sqrt(x)
        elif self.b_number == -1:
            y = 1 / x
        else:
            y = xp.power(x, widen(b))
        y = fixed(y, a, b)
        self.save(a, b, y if self.needs[1] else None)
        return y

    def backward(self, g: Any) -> Any:
        a, b, y = self.saved
        ga = gb = None
        if self.needs[0]:
            if isinstance(b, NUMBERS):
                ga = nothing_like(g) if b == 0 else g * conj_value(b * (a if b == 2 else pow(a, b - 1)))
            else:
                # at b = 0 the derivative is 0, also where 0 ** -1 would not be finite
                ga = where(b == 0, 0, g * conj_value(b * pow(a, where(b == 0, 1, b) - 1)))
        if self.needs[1]:
            if isinstance(a, NUMBERS):
                logarithm = _log_number(a)
                gb = g * conj_value(y * logarithm)
                gb = where(_not_negative(b), 0, gb) if a == 0 else gb
            else:
                zero = (a == 0) & _not_negative(b)
                gb = where(zero, 0, g * conj_value(y * log(where(zero, 1, a))))
        return ga, gb


def _not_negative(b: Any) -> Any:
    from framework.ops.complex import real

    if isinstance(b, NUMBERS):
        return complex(b).real >= 0
    return (real(b) if _is_complex(b) else b) >= 0


def _is_complex(x: Any) -> bool:
    return (x.array if isinstance(x, Tensor) else x).dtype.kind == "c"


def _log_number(a: Any) -> Any:
    if isinstance(a, complex):
        return complex(np.log(a))
    return math.log(a) if a > 0 else -math.inf if a == 0 else math.nan


def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """``input ** exponent``, elementwise with broadcasting; either may be a Python number.

    Raises:
        ArgumentError: an integer tensor to a negative integer number.
    """
    if region() is not None:
        return recast(pow, locals())
    a, b = promote(input, exponent, "pow")
    tensor = a if isinstance(a, Tensor) else b
    if isinstance(tensor, Tensor) and tensor.array.dtype.kind in "biu":
        if tensor.array.dtype.kind == "b":
            if not isinstance(exponent, bool):
                raise unsupported("pow", tensor)
            b = a | (not exponent)  # to the power of True itself, to the power of False True
            return b if out is None else into(out, b, "pow")
        if not isinstance(exponent, Tensor) and isinstance(exponent, int) and exponent < 0:
            raise ArgumentError("pow: integers to negative integer powers are not allowed; convert with .float()")
        return applied(IntegerPow, "pow", a, b, out)
    return applied(Pow, "pow", a, b, out)


class IntegerPow(Op):
    """``a ** b`` of integers: a negative power is 0, but for the bases 1 and -1."""

    name = "pow"

    def forward(self, a: Any, b: Any) -> Any:
        xp = array_module(a if hasattr(a, "dtype") else b)
        kind = common_kind(a, b)
        a, b = xp.asarray(a), xp.asarray(b)
        negative = b < 0
        units = xp.where(a == 1, 1, xp.where(a == -1, 1 - 2 * (b % 2), 0))
        return xp.where(negative, units, xp.power(a, xp.where(negative, 0, b))).astype(kind)


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """``input ** exponent`` in float64, or complex128 if an operand is complex."""
    for argument, x in (("input", input), ("exponent", exponent)):
        if not isinstance(x, NUMBERS) and not hasattr(x, "dtype"):
            raise TypeError(f"float_power(): argument '{argument}' must be Tensor, not {type(x).__name__}")
    values = [x.array if isinstance(x, Tensor) else x for x in (input, exponent)]
    wide = dtypes.complex128 if any(np.iscomplexobj(x) for x in values) else dtypes.float64
    if out is not None and out.dtype is not wide:
        raise DtypeError(f"float_power: out= must have dtype {wide}, got {out.dtype}")
    a, b = (x if isinstance(x, NUMBERS) else cast(x, wide) for x in (input, exponent))
    return pow(a, b, out=out)


def float_power_(input: Tensor, exponent: Any) -> Tensor:
    """``float_power`` in place, for a float64 or complex128 tensor that holds the result."""
    from framework.autograd.views import inplace

    wide = (
        dtypes.complex128
        if input.is_complex() or np.iscomplexobj(getattr(exponent, "array", exponent))
        else dtypes.float64
    )
    if input.dtype is not wide and (isinstance(exponent, NUMBERS) or hasattr(exponent, "dtype")):
        raise DtypeError(
            f"float_power_: the base has dtype {input.dtype} but the operation's result requires dtype {wide}"
        )
    return inplace(float_power, "float_power_")(input, exponent)


def square(input: Any, *, out: Any = None) -> Any:
    """``input ** 2``, elementwise."""
    return pow(input, 2, out=out)


@unary(gradient=lambda g, y: g * conj_value(y))
def exp(xp: Any, x: Any) -> Any:
    """``e ** input``, elementwise."""
    return choose("activation", x, kind="exp").exp(x)


@unary(gradient=lambda g, y: g * conj_value(y) * LN2)
def exp2(xp: Any, x: Any) -> Any:
    """``2 ** input``, elementwise."""
    return xp.exp(x * LN2) if x.dtype.kind == "c" else xp.exp2(x)


@unary(gradient=lambda g, y: g * (conj_value(y) + 1))
def expm1(xp: Any, x: Any) -> Any:
    """``exp(input) - 1``, exact also near 0."""
    return xp.expm1(x)


@unary(gradient=lambda g, x: g / conj_value(x))
def log(xp: Any, x: Any) -> Any:
    """The natural logarithm of each element."""
    return xp.log(x)


@unary(gradient=lambda g, x: g / (conj_value(x) * LN2))
def log2(xp: Any, x: Any) -> Any:
    """The logarithm to base 2 of each element."""
    return xp.log2(x)


@unary(gradient=lambda g, x: g / (conj_value(x) * LN10))
def log10(xp: Any, x: Any) -> Any:
    """The logarithm to base 10 of each element."""
    return xp.log10(x)


@unary(gradient=lambda g, x: g / (conj_value(x) + 1))
def log1p(xp: Any, x: Any) -> Any:
    """``log(1 + input)``, exact also near 0."""
    return xp.log1p(x)


@unary(gradient=lambda g, y: g / (2 * conj_value(y)))
def sqrt(xp: Any, x: Any) -> Any:
    """The square root of each element."""
    return xp.sqrt(x)


@unary(gradient=lambda g, y: g * (-0.5 * conj_value(y * y * y)))
def rsqrt(xp: Any, x: Any) -> Any:
    """``1 / sqrt(input)``, elementwise."""
    return 1 / xp.sqrt(x)


def _sigmoid_gradient(g: Any, y: Any) -> Any:
    if isinstance(g, Tensor):
        return g * conj_value((1 - y) * y)
    return choose("activation", y, kind="sigmoid").sigmoid_backward(g, y)


@unary(gradient=_sigmoid_gradient)
def sigmoid(xp: Any, x: Any) -> Any:
    """``1 / (1 + exp(-input))``, elementwise: values between 0 and 1."""
    return choose("activation", x, kind="sigmoid").sigmoid(x)


class Logit(Op):
    """``log(x / (1 - x))`` of x clamped to ``[eps, 1 - eps]``."""

    def forward(self, x: Any, eps: float | None) -> Any:
        self.eps = eps
        self.save(x)
        z = widen(x)
        if eps is not None:
            z = array_module(x).clip(z, eps, 1 - eps)
        return array_module(x).log(z / (1 - z)).astype(x.dtype)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        slope = g / (x * (1 - x))
        if self.eps is None:
            return where((x >= 0) & (x <= 1), slope, math.nan)
        return where((x >= self.eps) & (x <= 1 - self.eps), slope, 0)


def logit(input: Any, eps: float | None = None, *, out: Any = None) -> Any:
    """``log(input / (1 - input))``, the inverse of ``sigmoid``.

    Args:
        eps: clamp the input to ``[eps, 1 - eps]`` first; None leaves it, so values outside [0, 1] give nan.
    """
    kind = input.array.dtype.kind if isinstance(input, Tensor) else ""
    if kind == "c":
        raise unsupported("logit", input)
    y = apply(Logit, cast(input, dtypes.get_default_dtype()) if kind and kind in "biu" else input, eps=eps)
    return y if out is None else into(out, y, "logit")


@binary(
    gradient=(
        lambda g, a, b: g / (1 + exp(conj_value(b - a))),
        lambda g, a, b: g / (1 + exp(conj_value(a - b))),
    ),
    integers="refuse",
    numbers="none",
)
def logaddexp(xp: Any, a: Any, b: Any) -> Any:
    """``log(exp(input) + exp(other))``, without overflow."""
    if a.dtype.kind != "c":
        return xp.logaddexp(a, b)
    larger = a.real >= b.real
    high, low = xp.where(larger, a, b), xp.where(larger, b, a)
    same = (a == b) & ~xp.isfinite(a)  # two equal infinities, whose difference is nan
    return xp.where(same, a, high + xp.log1p(xp.exp(low - high)))


@binary(
    gradient=(lambda g, a, b: g / (1 + exp2(b - a)), lambda g, a, b: g / (1 + exp2(a - b))),
    integers="refuse",
    complex=False,
    numbers="none",
)
def logaddexp2(xp: Any, a: Any, b: Any) -> Any:
    """``log2(2 ** input + 2 ** other)``, without overflow."""
    return xp.logaddexp2(a, b)


class Ldexp(Op):
    """``x * 2 ** exponent`` of floats and integers, without an intermediate that overflows."""

    name = "ldexp"
    broadcasts = True

    def forward(self, x: Any, exponent: Any) -> Any:
        self.exponent = exponent
        return array_module(x).ldexp(widen(x), exponent.astype("int32")).astype(x.dtype)

    def backward(self, g: Any) -> Any:
        return apply(Ldexp, g, self.exponent), None


def ldexp(input: Any, other: Any, *, out: Any = None) -> Any:
    """``input * 2 ** other``, elementwise with broadcasting."""
    for argument, x in (("input", input), ("other", other)):
        if not hasattr(x, "dtype"):
            raise TypeError(f"ldexp(): argument '{argument}' must be Tensor, not {type(x).__name__}")
    kinds = [(x.array if isinstance(x, Tensor) else x).dtype.kind for x in (input, other)]
    if kinds[1] in "iu" and kinds[0] != "c":
        x = cast(input, dtypes.get_default_dtype()) if kinds[0] in "biu" else input
        return applied(Ldexp, "ldexp", x, other, out)
    if kinds[1] == "b" and kinds[0] in "fV":
        raise unsupported("ldexp", other)
    return mul(input, pow(2.0, other), out=out)


class Frexp(Op):
    """Mantissa and exponent."""

    non_differentiable = (1,)

    def forward(self, x: Any) -> Any:
        mantissa, exponent = array_module(x).frexp(widen(x))
        self.exponent = exponent
        return mantissa.astype(x.dtype), exponent.astype("int32")

    def backward(self, g: Any, _: Any) -> Any:
        return None if g is None else g * array_module(self.exponent).exp2(-self.exponent)


def frexp(input: Any, *, out: Any = None) -> Any:
    """Mantissas in (-1, -0.5] or [0.5, 1) and int32 exponents with ``input = mantissa * 2 ** exponent``.

    Returns:
        the named tuple ``(mantissa, exponent)``.
    """
    if not input.dtype.is_floating_point:
        raise DtypeError(f"frexp: only floating-point dtypes are supported, got {input.dtype}; convert with .float()")
    return into(out, return_types.frexp(*apply(Frexp, input)), "frexp")


expit = sigmoid
