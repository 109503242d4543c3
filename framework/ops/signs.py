"""Magnitudes and signs, and the neighbours of a number."""

from __future__ import annotations

from typing import Any

from framework.errors import DtypeError
from framework.ops.arithmetic import conj_value
from framework.ops.pointwise import binary, nothing_like, unary
from framework.ops.selection import where
from framework.tensor import Tensor


@unary(gradient=lambda g, x: g * sgn(x), integers="keep", bools=False, result="real", exact=True)
def abs(xp: Any, x: Any) -> Any:
    """The magnitude of each element."""
    return xp.abs(x)


@unary(gradient=nothing_like, integers="keep", complex=False, exact=True)
def sign(xp: Any, x: Any) -> Any:
    """-1, 0 or 1 by the sign of each element. For complex tensors see ``sgn``."""
    return _sign(xp, x)


def _sign(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "b":
        return x.copy()
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)  # nan gives 0, unlike NumPy's


def _sgn_gradient(g: Any, x: Any) -> Any:
    from framework.ops.complex import real

    if (x.array if isinstance(x, Tensor) else x).dtype.kind != "c":
        return nothing_like(g)
    zero = x == 0
    size = where(zero, 1, abs(x))
    unit = x / size
    # the part of the gradient across the direction of x
    return where(zero, 0, (g - unit * real(g * conj_value(unit))) / size)


@unary(gradient=_sgn_gradient, integers="keep", exact=True)
def sgn(xp: Any, x: Any) -> Any:
    """``input / abs(input)``, 0 at 0: the sign of a real number, the direction of a complex one."""
    if x.dtype.kind != "c":
        return _sign(xp, x)
    size = xp.abs(x)
    return xp.where(size == 0, 0, x / xp.where(size == 0, 1, size))


@unary(integers="keep", complex=False, result="bool")
def signbit(xp: Any, x: Any) -> Any:
    """Whether each element's sign bit is set: negative numbers, and -0.0."""
    return x < 0 if x.dtype.kind in "biu" else xp.signbit(x)


@binary(
    gradient=(lambda g, a, y: where(a == 0, 0, g * sign(a) * sign(y)), nothing_like),
    integers="float",
    complex=False,
    numbers="other",
    exact=True,
)
def copysign(xp: Any, a: Any, b: Any) -> Any:
    """The magnitude of ``input`` with the sign of ``other``, which may be -0.0."""
    return xp.copysign(a, b)


@binary(
    gradient=(lambda g, a, b: where(a != b, g, 0), nothing_like),
    integers="refuse",
    complex=False,
    numbers="none",
    exact=True,
)
def nextafter(xp: Any, a: Any, b: Any) -> Any:
    """The next number that the dtype can hold after ``input`` towards ``other``."""
    return xp.nextafter(a, b)


@binary(complex=False, numbers="none", exact=True)
def _heaviside(xp: Any, a: Any, b: Any) -> Any:
    return xp.where(a == 0, b, (a > 0) | (a != a))


def heaviside(input: Any, values: Any, *, out: Any = None) -> Any:
    """0 where ``input`` is negative, 1 where positive, and ``values`` where it is 0. Both have one dtype."""
    if isinstance(input, Tensor) and isinstance(values, Tensor) and input.dtype is not values.dtype:
        raise DtypeError(
            f"heaviside: expected tensors of one dtype, got {input.dtype} and {values.dtype}; convert one of them"
        )
    return _heaviside(input, values, out=out)


absolute = abs
