"""Addition, subtraction, multiplication, division and negation: the ops that every expression is made of.

The four operations are written out, where other elementwise ops are made by ``pointwise``, because their cost is the
cost of an op.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.mode import _enabled
from framework.autograd.op import Op, Scalar, apply, moved, new, record_pair
from framework.errors import ArgumentError, DtypeError
from framework.kernels.generic.elementwise import REAL
from framework.kernels.registry import LARGE, choose
from framework.ops.casting import NUMBERS, cast, convert, into, promote
from framework.ops.pointwise import binary, broadcast_error, unary
from framework.tensor import Tensor

_NUMBERS = frozenset({int, float})
_NEITHER: list[Any] = [None, None]
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv
}  # fmt: skip


def fixed(y: Any, a: Any, b: Any) -> Any:
    """A result in its operands' dtype: NumPy's 16-bit types turn into float32 beside a Python float."""
    kind = getattr(a, "dtype", None) or b.dtype
    return y if y.dtype is kind or y.dtype == kind else convert(y, kind)


def _mixed(name: str, a: Any, b: Any) -> Any:
    """The operation on an array and a number, in the array's dtype."""
    array, number = (a, b) if type(b) in REAL or hasattr(a, "dtype") else (b, a)
    kind = array.dtype
    if type(number) in REAL and kind.kind in "fV" and (kind.itemsize == 2 or array.size >= LARGE):
        return getattr(choose("elementwise", array, number), name)(a, b)
    y = _OPERATORS[name](a, b)
    return y if y.dtype is kind else y.astype(kind)


def _product(a: Any, b: Any) -> Any:
    """``a * b`` of a large array and an array or a number, within a gradient rule."""
    return _mixed("mul", a, b) if type(a) is not type(b) else choose("elementwise", a, b).mul(a, b)


def conj_value(x: Any) -> Any:
    """The conjugate of a complex value; real arrays, Tensors and numbers come back as they are."""
    if isinstance(x, np.ndarray):
        return x.conj() if x.dtype.kind == "c" else x
    if isinstance(x, Tensor):
        return conj_physical(x) if x.array.dtype.kind == "c" else x
    if x is None or type(x) in REAL:
        return x
    return x.conjugate() if not hasattr(x, "dtype") or x.dtype.kind == "c" else x


class Add(Op):
    """``a + b``."""

    broadcasts = True
    bare = True

    def forward(self, a: Any, b: Any) -> Any:
        if type(a) is not type(b):
            return _mixed("add", a, b)
        return a + b if a.size < LARGE > b.size else choose("elementwise", a, b).add(a, b)

    def backward(self, g: Any) -> Any:
        return g, g


class Sub(Op):
    """``a - b``."""

    broadcasts = True
    bare = True

    def forward(self, a: Any, b: Any) -> Any:
        if type(a) is not type(b):
            return _mixed("sub", a, b)
        return a - b if a.size < LARGE > b.size else choose("elementwise", a, b).sub(a, b)

    def backward(self, g: Any) -> Any:
        needs = self.needs
        return g if needs[0] else None, -g if needs[1] else None


class Mul(Op):
    """``a * b``."""

    broadcasts = True
    bare = True

    def forward(self, a: Any, b: Any) -> Any:
        needs = self.needs
        self.saved = (a if needs[1] else None, b if needs[0] else None)
        if type(a) is not type(b):
            return _mixed("mul", a, b)
        return a * b if a.size < LARGE > b.size else choose("elementwise", a, b).mul(a, b)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        first, second = self.needs
        if isinstance(g, Tensor) or g.dtype.kind == "c":
            a, b = conj_value(a), conj_value(b)
        elif g.size >= LARGE:
            return None if first is None else _product(g, b), None if second is None else _product(g, a)
        return None if first is None else g * b, None if second is None else g * a


class Div(Op):
    """``a / b``."""

    broadcasts = True
    bare = True

    def forward(self, a: Any, b: Any) -> Any:
        needs = self.needs
        self.saved = (a if needs[1] else None, b if needs[0] or needs[1] else None)
        if type(a) is not type(b):
            return _mixed("div", a, b)
        return a / b if a.size < LARGE > b.size else choose("elementwise", a, b).div(a, b)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        ga = g / conj_value(b)
        return ga if self.needs[0] else None, -ga * conj_value(a / b) if self.needs[1] else None


def _operate(op: type[Op], name: str, a: Any, b: Any) -> Any:
    """An arithmetic op on operands of any kind: ``promote``, then ``apply``, written out for the commonest kinds."""
    node = new(op)
    node.saved = ()
    first = second = None
    if isinstance(a, Tensor):
        x = a.array
        if isinstance(b, Tensor):
            y = b.array
            if x.dtype is not y.dtype:
                return _promoted(op, name, a, b)
            if b._view is not None:
                b._view.refresh(b)
            if b._requires_grad:
                source = b._node
                second = (b if source is None else source, b._output_nr, y.shape, y.dtype)
        elif type(b) in _NUMBERS and x.dtype.kind in "fV":
            y = b
        else:
            return _promoted(op, name, a, b)
        if a._view is not None:
            a._view.refresh(a)
        if a._requires_grad:
            source = a._node
            first = (a if source is None else source, a._output_nr, x.shape, x.dtype)
    else:
        return _promoted(op, name, a, b)
    recording = (first is not None or second is not None) and _enabled.get()
    node.needs = [first, second] if recording else _NEITHER
    try:
        result = devices.there(name, node.forward, (x, y), {}) if devices.several else node.forward(x, y)
    except ValueError as error:
        raise broadcast_error(name, a, b, error) from None
    except TypeError as error:
        return moved(error, op, (a, b), (x, y), {})
    tensor = new(Tensor)
    tensor.array = np.asarray(result) if isinstance(result, Scalar) else result
    if recording:
        record_pair(node, a, b, tensor)
    return tensor


def _promoted(op: type[Op], name: str, a: Any, b: Any) -> Any:
    return applied(op, name, *promote(a, b, name), None)


def applied(op: type[Op], name: str, a: Any, b: Any, out: Any) -> Any:
    """``apply`` on two promoted operands, with the error that names the op where their shapes do not broadcast."""
    try:
        y = apply(op, a, b)
    except ValueError as error:
        raise broadcast_error(name, a, b, error) from None
    return y if out is None else into(out, y, name, a, b)


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


def _older_form(name: str, other: Any, older: tuple[Any, ...], alpha: Any) -> tuple[Any, Any]:
    """``other`` and ``alpha`` of a call in three positions: ``add(x, alpha, tensor)`` or ``add(x, number, alpha)``."""
    if len(older) != 1 or not isinstance(other, NUMBERS):
        raise TypeError(f"{name}() takes 2 positional arguments but {2 + len(older)} were given; pass alpha by keyword")
    return (other, older[0]) if isinstance(older[0], NUMBERS) else (older[0], other)


def add(input: Any, other: Any, *older: Any, alpha: Any = 1, out: Any = None) -> Any:
    """``input + alpha * other``, elementwise with broadcasting.

    Example:
        >>> framework.add(framework.tensor([1.0, 2.0]), 10, alpha=2)
        tensor([21., 22.])
    """
    if older:
        other, alpha = _older_form("add", other, older, alpha)
    if alpha != 1 or alpha is True:
        input, other = promote(input, other, "add")
        other = _scaled("add", input, other, alpha)
    y = _operate(Add, "add", input, other)
    return y if out is None else into(out, y, "add", input, other)


def sub(input: Any, other: Any, *older: Any, alpha: Any = 1, out: Any = None) -> Any:
    """``input - alpha * other``, elementwise with broadcasting. Bool tensors can't be subtracted: use ``^``."""
    if older:
        other, alpha = _older_form("sub", other, older, alpha)
    if _is_bool(input) or _is_bool(other):
        raise DtypeError(
            "sub: subtraction, the `-` operator, with a bool tensor is not supported; use ~ or logical_not() to invert "
            "a mask, ^ or logical_xor() for the difference of two"
        )
    if alpha != 1 or alpha is True:
        input, other = promote(input, other, "sub")
        other = _scaled("sub", input, other, alpha)
    y = _operate(Sub, "sub", input, other)
    return y if out is None else into(out, y, "sub", input, other)


def _is_bool(x: Any) -> bool:
    return x.array.dtype.kind == "b" if isinstance(x, Tensor) else x is True or x is False


def mul(input: Any, other: Any, *, out: Any = None) -> Any:
    """``input * other``, elementwise with broadcasting."""
    y = _operate(Mul, "mul", input, other)
    return y if out is None else into(out, y, "mul", input, other)


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
    if not (isinstance(input, Tensor) and input.array.dtype.kind == "f"):
        a, b = promote(input, other, "div")
        tensor = a if isinstance(a, Tensor) else b
        if isinstance(tensor, Tensor) and tensor.array.dtype.kind in "biu":
            default = dtypes.get_default_dtype()
            numbers = tensor is a and isinstance(input, NUMBERS)  # two numbers: a became a tensor
            input, other = (
                v if isinstance(v, NUMBERS) and not numbers else cast(w, default) for v, w in ((input, a), (other, b))
            )
    y = _operate(Div, "div", input, other)
    return y if out is None else into(out, y, "div", input, other)


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
    return y if out is None else into(out, y, "neg", input)


class Neg(Op):
    """``-x``."""

    bare = True

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


def rsub(input: Any, other: Any, alpha: Any = 1) -> Any:
    """``other - alpha * input``."""
    if isinstance(input, NUMBERS):
        raise TypeError(f"rsub(): argument 'input' must be Tensor, not {type(input).__name__}")
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


subtract, multiply, divide, negative = sub, mul, div, neg
