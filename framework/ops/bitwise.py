"""Bits of integers: logic and shifts. Bool tensors take the logic, too."""

from __future__ import annotations

from typing import Any

from framework.ops.pointwise import binary, unary, unsupported
from framework.tensor import Tensor


@binary(floats=False, complex=False)
def bitwise_and(xp: Any, a: Any, b: Any) -> Any:
    """The bits set in both operands; logical and of bools."""
    return xp.bitwise_and(a, b)


@binary(floats=False, complex=False)
def bitwise_or(xp: Any, a: Any, b: Any) -> Any:
    """The bits set in either operand; logical or of bools."""
    return xp.bitwise_or(a, b)


@binary(floats=False, complex=False)
def bitwise_xor(xp: Any, a: Any, b: Any) -> Any:
    """The bits set in exactly one operand; logical exclusive or of bools."""
    return xp.bitwise_xor(a, b)


@unary(integers="keep", complex=False, exact=True)
def _bitwise_not(xp: Any, x: Any) -> Any:
    return xp.invert(x)


def bitwise_not(input: Any, *, out: Any = None) -> Any:
    """Every bit of an integer inverted; logical not of bools."""
    if isinstance(input, Tensor) and input.array.dtype.kind in "fV":
        raise unsupported("bitwise_not", input)
    return _bitwise_not(input, out=out)


@binary(bools=False, floats=False, complex=False)
def bitwise_left_shift(xp: Any, a: Any, b: Any) -> Any:
    """The bits of ``input`` moved up by ``other`` places; 0 for a shift that is negative or as long as the integer."""
    return xp.left_shift(a, b)


@binary(bools=False, floats=False, complex=False)
def bitwise_right_shift(xp: Any, a: Any, b: Any) -> Any:
    """The bits of ``input`` moved down by ``other`` places, keeping the sign."""
    return xp.right_shift(a, b)
