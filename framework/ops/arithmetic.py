"""Addition, subtraction, multiplication, division and negation: the ops that every expression is made of.

The four operations are written out, where other elementwise ops are made by ``pointwise``, because their cost is the
cost of an op.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.mode import _enabled
from framework.autograd.op import Op, apply
from framework.autograd.views import bump, inplace
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.ops.casting import NUMBERS, cast, into, promote
from framework.ops.pointwise import binary, broadcast_error, unary, widen
from framework.tensor import Tensor

_REAL = frozenset({bool, int, float})


def fixed(y: Any, a: Any, b: Any) -> Any:
    """A result in its operands' dtype: NumPy's 16-bit types turn into float32 beside a Python float."""
    kind = getattr(a, "dtype", None) or b.dtype
    return y if y.dtype is kind or y.dtype == kind else y.astype(kind)


def _mixed(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """An array and a number: half precision computes in float32, or a large number would turn into inf first."""
    return operation(widen(a), widen(b))


def conj_value(x: Any) -> Any:
    """The conjugate of a complex value; real arrays, Tensors and numbers come back as they are."""
    if isinstance(x, Tensor):
        return conj_physical(x) if x.array.dtype.kind == "c" else x
    return x if type(x) in _REAL else x.conjugate() if np.iscomplexobj(x) else x


class Add(Op):
    """``a + b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        return fixed(a + b if type(a) is type(b) else _mixed(operator.add, a, b), a, b)

    def backward(self, g: Any) -> Any:
        return g, g


class Sub(Op):
    """``a - b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        return fixed(a - b if type(a) is type(b) else _mixed(operator.sub, a, b), a, b)

    def backward(self, g: Any) -> Any:
        needs = self.needs
        return g if needs[0] else None, -g if needs[1] else None


class Mul(Op):
    """``a * b``."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        needs = self.needs
        self.saved = (a if needs[1] else None, b if needs[0] else None)
        return fixed(a * b if type(a) is type(b) else _mixed(operator.mul, a, b), a, b)

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
        return fixed(a / b if type(a) is type(b) else _mixed(operator.truediv, a, b), a, b)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        ga = g / conj_value(b)
        return ga if self.needs[0] else None, -ga * conj_value(a / b) if self.needs[1] else None


def _call(op: type[Op], name: str, a: Any, b: Any, out: Any) -> Any:
    try:
        y = apply(op, a, b)
    except ValueError as error:
        raise broadcast_error(name, a, b, error) from None
    return y if out is None else into(out, y, name)


def plain(x: Any) -> Any:
    """The array of a Tensor; arrays and numbers as they are."""
    return x.array if isinstance(x, Tensor) else x


def category_of(x: Any) -> int:
    """The dtype category of a Tensor, an array or a Python number."""
    return dtypes.of_scalar(x).category if isinstance(x, NUMBERS) else dtypes.of(plain(x)).category


def _scaled(name: str, a: Any, b: Any, alpha: Any) -> Any:
    """``alpha * b`` for promoted operands, once ``alpha`` is known to fit their dtype."""
    category = max(category_of(x) for x in (a, b) if not isinstance(x, NUMBERS))
    given = category_of(alpha)
    if given == dtypes.BOOL and category != dtypes.BOOL:
        raise ArgumentError(f"{name}: a bool alpha is supported for bool results only, got {alpha}; give a number")
    if given > category and given > dtypes.INTEGRAL:
        raise ArgumentError(
            f"{name}: for {'integral' if category <= dtypes.INTEGRAL else 'non-complex'} input tensors, argument alpha "
            f"must not be a {'floating point' if given == dtypes.FLOATING else 'complex'} number, got {alpha}"
        )
    return b * alpha if isinstance(b, NUMBERS) else mul(b, alpha)


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """``input + alpha * other``, elementwise with broadcasting.

    Example:
        >>> framework.add(framework.tensor([1.0, 2.0]), 10, alpha=2)
        tensor([21., 22.])
    """
    a, b = promote(input, other, "add")
    if alpha != 1 or alpha is True:
        b = _scaled("add", a, b, alpha)
    try:
        y = apply(Add, a, b)
    except ValueError as error:
        raise broadcast_error("add", a, b, error) from None
    return y if out is None else into(out, y, "add")


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """``input - alpha * other``, elementwise with broadcasting. Bool tensors can't be subtracted: use ``^``."""
    if _is_bool(input) or _is_bool(other):
        raise DtypeError(
            "sub: subtraction, the `-` operator, with a bool tensor is not supported; use ~ or logical_not() to invert "
            "a mask, ^ or logical_xor() for the difference of two"
        )
    a, b = promote(input, other, "sub")
    if alpha != 1 or alpha is True:
        b = _scaled("sub", a, b, alpha)
    try:
        y = apply(Sub, a, b)
    except ValueError as error:
        raise broadcast_error("sub", a, b, error) from None
    return y if out is None else into(out, y, "sub")


def _is_bool(x: Any) -> bool:
    return x.array.dtype.kind == "b" if isinstance(x, Tensor) else x is True or x is False


def mul(input: Any, other: Any, *, out: Any = None) -> Any:
    """``input * other``, elementwise with broadcasting."""
    a, b = promote(input, other, "mul")
    try:
        y = apply(Mul, a, b)
    except ValueError as error:
        raise broadcast_error("mul", a, b, error) from None
    return y if out is None else into(out, y, "mul")


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """``input / other``, elementwise with broadcasting; integers divide to the default dtype.

    Args:
        rounding_mode: None for true division, "trunc" to round towards zero, "floor" to round down. Rounded
            quotients have a gradient of zero, and integers stay integers.
    """
    if rounding_mode is not None:
        from framework.ops.rounding import floor_quotient, trunc_quotient

        if rounding_mode not in ("floor", "trunc"):
            raise ArgumentError(
                f"div: expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
            )
        return (floor_quotient if rounding_mode == "floor" else trunc_quotient)(input, other, out=out)
    a, b = promote(input, other, "div")
    tensor = a if isinstance(a, Tensor) else b
    if isinstance(tensor, Tensor) and tensor.array.dtype.kind in "biu":
        default = dtypes.get_default_dtype()
        a, b = (v if isinstance(v, NUMBERS) else cast(w, default) for v, w in ((input, a), (other, b)))
    return _call(Div, "div", a, b, out)


def true_divide(input: Any, other: Any, *, out: Any = None) -> Any:
    """``input / other``, elementwise with broadcasting."""
    return div(input, other, out=out)


def neg(input: Any, *, out: Any = None) -> Any:
    """``-input``, elementwise."""
    if isinstance(input, Tensor) and input.array.dtype.kind == "b":
        raise DtypeError(
            "neg: negation, the `-` operator, on a bool tensor is not supported; use ~ or logical_not() on a mask"
        )
    y = apply(Neg, input)
    return y if out is None else into(out, y, "neg")


class Neg(Op):
    """``-x``."""

    def forward(self, x: Any) -> Any:
        return -x

    def backward(self, g: Any) -> Any:
        return -g


def positive(input: Any) -> Any:
    """The tensor itself, as ``+input`` says. Bool tensors are refused."""
    if isinstance(input, Tensor) and input.array.dtype.kind == "b":
        raise DtypeError("positive: the `+` operator, on a bool tensor is not supported; convert with .int()")
    return input


@unary(gradient=lambda g, x: conj_physical(g), integers="keep", exact=True)
def conj_physical(xp: Any, x: Any) -> Any:
    """The complex conjugate of each element, computed at once; a copy of a real tensor."""
    return x.conj() if x.dtype.kind == "c" else x.copy()


def conj(input: Any) -> Any:
    """The complex conjugate of each element; a real tensor itself."""
    return conj_physical(input) if (input.array if isinstance(input, Tensor) else input).dtype.kind == "c" else input


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """``other - alpha * input``."""
    return sub(other, input, alpha=alpha)


@unary(gradient=lambda g, y: -g * conj_value(y * y))
def reciprocal(xp: Any, x: Any) -> Any:
    """``1 / input``, elementwise."""
    return 1 / x


@binary(bools=False, floats=False, complex=False, numbers="none")
def gcd(xp: Any, a: Any, b: Any) -> Any:
    """The greatest common divisor of integers, not negative; ``gcd(0, 0)`` is 0."""
    return xp.gcd(a, b)


@binary(bools=False, floats=False, complex=False, numbers="none")
def lcm(xp: Any, a: Any, b: Any) -> Any:
    """The least common multiple of integers, not negative; 0 where either is 0."""
    return xp.lcm(a, b)


def _in_place(function: Callable[..., Any], ufunc: str) -> Callable[..., Tensor]:
    """The ``name_`` form of one of the four operations: without a temporary where nothing is recorded."""
    name = f"{function.__name__}_"
    recorded = inplace(function, name)

    def method(self: Tensor, other: Any, **kwargs: Any) -> Tensor:
        array = self.array
        if (
            not kwargs
            and array.flags.forc
            and array.dtype.kind == "f"
            and array.itemsize > 2
            and not self._detached_copy
        ):
            recording = _enabled.get()
            operand = None
            if isinstance(other, Tensor):
                if other.array.dtype is array.dtype and other.array.shape == array.shape:
                    recording = recording and other.requires_grad
                    operand = other.array
            elif type(other) in _REAL:
                recording, operand = False, other
            if operand is not None and not recording and not (self.requires_grad and _enabled.get()):
                getattr(array_module(array), ufunc)(array, operand, out=array)
                bump(self, name)
                return self
        return recorded(self, other, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = recorded.__doc__
    return method


add_, sub_ = _in_place(add, "add"), _in_place(sub, "subtract")
mul_, div_ = _in_place(mul, "multiply"), _in_place(div, "true_divide")

subtract, multiply, divide, negative = sub, mul, div, neg
subtract_, multiply_, divide_ = sub_, mul_, div_
