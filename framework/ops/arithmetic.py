"""Addition, subtraction, multiplication, division, negation and powers: the ops that every expression is made of.

They are written out, where other elementwise ops are made by ``pointwise``, because their cost is the cost of an op.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.ops.casting import NUMBERS, cast, into, promote
from framework.ops.pointwise import broadcast_error, common_kind
from framework.tensor import Tensor


_REAL = frozenset({bool, int, float})


def fixed(y: Any, a: Any, b: Any) -> Any:
    """A result in its operands' dtype: NumPy's 16-bit types turn into float32 beside a Python float."""
    kind = getattr(a, "dtype", None) or b.dtype
    return y if y.dtype is kind or y.dtype == kind else y.astype(kind)


def conj_value(x: Any) -> Any:
    """The conjugate of a complex value; real arrays, Tensors and numbers come back as they are."""
    if isinstance(x, Tensor):
        return conj(x) if x.array.dtype.kind == "c" else x
    return x if type(x) in _REAL else x.conjugate() if np.iscomplexobj(x) else x


class Add(Op):
    """``a + b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        return fixed(a + b, a, b)

    def backward(self, g: Any) -> Any:
        return g, g


class Sub(Op):
    """``a - b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        return fixed(a - b, a, b)

    def backward(self, g: Any) -> Any:
        needs = self.needs
        return g if needs[0] else None, -g if needs[1] else None


class Mul(Op):
    """``a * b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        needs = self.needs
        self.saved = (a if needs[1] else None, b if needs[0] else None)
        return fixed(a * b, a, b)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        needs = self.needs
        return g * conj_value(b) if needs[0] else None, g * conj_value(a) if needs[1] else None


class Div(Op):
    """``a / b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        needs = self.needs
        self.saved = (a if needs[1] else None, b if needs[0] or needs[1] else None)
        return fixed(a / b, a, b)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        ga = g / conj_value(b)
        return ga if self.needs[0] else None, -ga * conj_value(a / b) if self.needs[1] else None


class Pow(Op):
    """``a ** b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        xp = array_module(a if hasattr(a, "dtype") else b)
        if isinstance(b, NUMBERS) and b == 2:
            y = fixed(a * a, a, b)
        else:
            y = fixed(xp.power(a, b), a, b)
        self.save(a, b, y if self.needs[1] else None)
        return y

    def backward(self, g: Any) -> Any:
        from framework.ops.exponential import log
        from framework.ops.selection import where

        a, b, y = self.saved
        ga = gb = None
        if self.needs[0]:
            if isinstance(b, NUMBERS):
                ga = g * 0 if b == 0 else g * conj_value(b * (a if b == 2 else pow(a, b - 1)))
            else:
                # at b = 0 the derivative is 0, also where 0 ** -1 would not be finite
                ga = where(b == 0, g * 0, g * conj_value(b * pow(a, where(b == 0, b * 0 + 1, b) - 1)))
        if self.needs[1]:
            if isinstance(a, NUMBERS):
                gb = g * conj_value(y * _log_number(a)) if a != 0 else where(b == 0, g * float("-inf"), g * 0)
            else:
                zero = (a == 0) & (b >= 0) if not _is_complex(b) else a == 0
                gb = where(zero, g * 0, g * conj_value(y * log(where(zero, a * 0 + 1, a))))
        return ga, gb


def _is_complex(x: Any) -> bool:
    return (x.array if isinstance(x, Tensor) else x).dtype.kind == "c"


def _log_number(a: Any) -> Any:
    if isinstance(a, complex):
        return complex(np.log(a))
    return float(np.log(a)) if a > 0 else float("nan")


def _call(op: type[Op], name: str, a: Any, b: Any, out: Any) -> Any:
    try:
        y = apply(op, a, b)
    except ValueError as error:
        raise broadcast_error(name, a, b, error) from None
    return y if out is None else into(out, y)


def _scaled(other: Any, alpha: Any) -> Any:
    return other if alpha == 1 else mul(other, alpha)


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """``input + alpha * other``, elementwise with broadcasting.

    Example:
        >>> framework.add(framework.tensor([1.0, 2.0]), 10, alpha=2)
        tensor([21., 22.])
    """
    a, b = promote(input, other if alpha == 1 else _scaled(other, alpha))
    return _call(Add, "add", a, b, out)


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """``input - alpha * other``, elementwise with broadcasting. Bool tensors can't be subtracted: use ``^``."""
    a, b = promote(input, other if alpha == 1 else _scaled(other, alpha))
    if _are_bools(a, b):
        raise DtypeError("sub: subtraction with bool tensors is not supported; use bitwise_xor() or logical_not()")
    return _call(Sub, "sub", a, b, out)


def mul(input: Any, other: Any, *, out: Any = None) -> Any:
    """``input * other``, elementwise with broadcasting."""
    a, b = promote(input, other)
    try:
        y = apply(Mul, a, b)
    except ValueError as error:
        raise broadcast_error("mul", a, b, error) from None
    return y if out is None else into(out, y)


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """``input / other``, elementwise with broadcasting; integers divide to the default dtype.

    Args:
        rounding_mode: None for true division, "trunc" to round towards zero, "floor" to round down.
    """
    if rounding_mode is not None:
        from framework.ops.rounding import floor_divide, trunc_divide

        if rounding_mode not in ("floor", "trunc"):
            raise ValueError(f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}")
        return (floor_divide if rounding_mode == "floor" else trunc_divide)(input, other, out=out)
    a, b = promote(input, other)
    for x in (a, b):
        if isinstance(x, Tensor) and x.array.dtype.kind in "biu":
            default = dtypes.get_default_dtype()
            a, b = (v if isinstance(v, NUMBERS) else cast(v, default) for v in (a, b))
            break
    return _call(Div, "div", a, b, out)


def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """``input ** exponent``, elementwise with broadcasting; either may be a Python number."""
    a, b = promote(input, exponent)
    kind = (a if isinstance(a, Tensor) else b).dtype if isinstance(a, Tensor) or isinstance(b, Tensor) else None
    if kind is not None and kind.category <= dtypes.INTEGRAL:
        return _integer_power(a, b, out)
    return _call(Pow, "pow", a, b, out)


def _integer_power(a: Any, b: Any, out: Any) -> Any:
    values = [x.array if isinstance(x, Tensor) else x for x in (a, b)]
    if np.ndim(values[1]) == 0 and not isinstance(b, Tensor) and values[1] < 0:
        raise ArgumentError("pow: integers to negative integer powers are not allowed; convert with .float()")
    return _call(IntegerPow, "pow", a, b, out)


class IntegerPow(Op):
    """``a ** b`` of integers: a negative power is 0, but for the bases 1 and -1."""

    name = "pow"

    def forward(self, a: Any, b: Any) -> Any:
        xp = array_module(a if hasattr(a, "dtype") else b)
        kind = common_kind(a, b)
        negative = xp.asarray(b) < 0
        y = xp.power(a, xp.where(negative, 0, b))
        units = xp.where(xp.asarray(a) == 1, 1, xp.where(xp.asarray(a) == -1, 1 - 2 * (xp.asarray(b) % 2), 0))
        return xp.where(negative, units, y).astype(kind)


def _are_bools(a: Any, b: Any) -> bool:
    kind = a.array.dtype if isinstance(a, Tensor) else b.array.dtype if isinstance(b, Tensor) else None
    return kind is not None and kind.kind == "b"


def neg(input: Any, *, out: Any = None) -> Any:
    """``-input``, elementwise."""
    if isinstance(input, Tensor) and input.array.dtype.kind == "b":
        raise DtypeError("neg: negation of a bool tensor is not supported; use ~ or logical_not()")
    y = apply(Neg, input)
    return y if out is None else into(out, y)


class Neg(Op):
    """``-x``."""

    def forward(self, x: Any) -> Any:
        return -x

    def backward(self, g: Any) -> Any:
        return -g


class Conj(Op):
    """The complex conjugate."""

    def forward(self, x: Any) -> Any:
        return x.conj()

    def backward(self, g: Any) -> Any:
        return conj(g)


def conj(input: Any) -> Any:
    """The complex conjugate of each element; a real tensor comes back as it is."""
    return apply(Conj, input) if _is_complex(input) else input


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)


def square(input: Any, *, out: Any = None) -> Any:
    """``input ** 2``, elementwise."""
    return pow(input, 2, out=out)


subtract, multiply, divide, true_divide, negative = sub, mul, div, div, neg
