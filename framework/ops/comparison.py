"""Comparisons, tests of values and logic: bool results, no gradients."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, GraphError
from framework.ops.pointwise import binary, broadcast_error, unary
from framework.tensor import Tensor, wrap


@binary(result="bool", numbers="other")
def eq(xp: Any, a: Any, b: Any) -> Any:
    """``input == other``, elementwise."""
    return xp.equal(a, b)


@binary(result="bool", numbers="other")
def ne(xp: Any, a: Any, b: Any) -> Any:
    """``input != other``, elementwise."""
    return xp.not_equal(a, b)


@binary(result="bool", complex=False, numbers="other")
def lt(xp: Any, a: Any, b: Any) -> Any:
    """``input < other``, elementwise."""
    return xp.less(a, b)


@binary(result="bool", complex=False, numbers="other")
def le(xp: Any, a: Any, b: Any) -> Any:
    """``input <= other``, elementwise."""
    return xp.less_equal(a, b)


@binary(result="bool", complex=False, numbers="other")
def gt(xp: Any, a: Any, b: Any) -> Any:
    """``input > other``, elementwise."""
    return xp.greater(a, b)


@binary(result="bool", complex=False, numbers="other")
def ge(xp: Any, a: Any, b: Any) -> Any:
    """``input >= other``, elementwise."""
    return xp.greater_equal(a, b)


@unary(integers="keep", result="bool")
def logical_not(xp: Any, x: Any) -> Any:
    """Whether each element is zero (false)."""
    return x == 0


@binary(result="bool", numbers="none")
def logical_and(xp: Any, a: Any, b: Any) -> Any:
    """Whether both elements are nonzero."""
    return xp.logical_and(a != 0, b != 0)


@binary(result="bool", numbers="none")
def logical_or(xp: Any, a: Any, b: Any) -> Any:
    """Whether at least one element is nonzero."""
    return xp.logical_or(a != 0, b != 0)


@binary(result="bool", numbers="none")
def logical_xor(xp: Any, a: Any, b: Any) -> Any:
    """Whether exactly one element is nonzero."""
    return xp.logical_xor(a != 0, b != 0)


@unary(integers="keep", result="bool")
def isnan(xp: Any, x: Any) -> Any:
    """Whether each element is not a number; a complex one if either part is not."""
    return x != x


@unary(integers="keep", result="bool")
def isinf(xp: Any, x: Any) -> Any:
    """Whether each element is infinite; a complex one if either part is."""
    return xp.zeros_like(x, dtype=bool) if x.dtype.kind in "biu" else xp.isinf(x)


@unary(integers="keep", result="bool")
def isfinite(xp: Any, x: Any) -> Any:
    """Whether each element is neither infinite nor nan."""
    return xp.ones_like(x, dtype=bool) if x.dtype.kind in "biu" else xp.isfinite(x)


@unary(integers="keep", result="bool", complex=False)
def isposinf(xp: Any, x: Any) -> Any:
    """Whether each element is positive infinity."""
    return xp.zeros_like(x, dtype=bool) if x.dtype.kind in "biu" else xp.isinf(x) & (x > 0)


@unary(integers="keep", result="bool", complex=False)
def isneginf(xp: Any, x: Any) -> Any:
    """Whether each element is negative infinity."""
    return xp.zeros_like(x, dtype=bool) if x.dtype.kind in "biu" else xp.isinf(x) & (x < 0)


@unary(integers="keep", result="bool")
def isreal(xp: Any, x: Any) -> Any:
    """Whether each element has no imaginary part."""
    return x.imag == 0 if x.dtype.kind == "c" else xp.ones_like(x, dtype=bool)


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of a tensor is not zero.

    Raises:
        GraphError: the tensor has no element, or several.
    """
    if input.array.size != 1:
        raise GraphError(
            f"is_nonzero: the truth of a tensor with {'several' if input.array.size else 'no'} values is "
            f"ambiguous, got shape {tuple(input.shape)}; use .any() or .all()"
        )
    return bool(input.array.reshape(()) != 0)


def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Whether ``abs(input - other) <= atol + rtol * abs(other)``, elementwise; equal infinities are close.

    Args:
        rtol: relative tolerance, not negative.
        atol: absolute tolerance, not negative.
        equal_nan: whether two nans are close.
    """
    if not isinstance(other, Tensor):
        raise TypeError(f"isclose(): argument 'other' must be Tensor, not {type(other).__name__}")
    if input.dtype is not other.dtype:
        raise DtypeError(f"isclose: {input.dtype} did not match {other.dtype}; convert one of them")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise ArgumentError(f"isclose: {name} must be greater than or equal to zero, but got {value}")
    a, b = input.array, other.array
    xp = array_module(a)
    try:
        close = a == b
    except ValueError as error:
        raise broadcast_error("isclose", a, b, error) from None
    if equal_nan and input.dtype.category >= dtypes.FLOATING:
        close = close | ((a != a) & (b != b))
    if rtol or atol:
        if a.dtype.kind in "biuV" or a.dtype == "float16":
            wide = xp.float64 if a.dtype.kind in "biu" else xp.float32
            a, b = a.astype(wide), b.astype(wide)
        error_allowed, error_found = atol + rtol * xp.abs(b), xp.abs(a - b)
        close = close | (xp.isfinite(error_found) & (error_found <= error_allowed))
    return wrap(xp.asarray(close))


def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all elements are close, in the sense of ``isclose``."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 'other' must be Tensor, not {type(other).__name__}")
    return input.array.shape == other.array.shape and bool((input.array == other.array).all())


def _compared(other: Any) -> bool:
    return isinstance(other, Tensor | bool | int | float | complex) or hasattr(other, "dtype")


def eq_operator(input: Any, other: Any) -> Any:
    """``input == other``; what is neither tensor nor number is left to Python, which finds it unequal."""
    return eq(input, other) if _compared(other) else NotImplemented


def ne_operator(input: Any, other: Any) -> Any:
    """``input != other``; what is neither tensor nor number is left to Python, which finds it unequal."""
    return ne(input, other) if _compared(other) else NotImplemented


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
