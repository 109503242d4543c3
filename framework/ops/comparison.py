"""Comparisons: bool results, no gradients."""

from __future__ import annotations

from typing import Any

from framework.ops.pointwise import binary


@binary(result="bool")
def eq(xp: Any, a: Any, b: Any) -> Any:
    """``input == other``, elementwise."""
    return xp.equal(a, b)


@binary(result="bool")
def ne(xp: Any, a: Any, b: Any) -> Any:
    """``input != other``, elementwise."""
    return xp.not_equal(a, b)


@binary(result="bool", complex=False)
def lt(xp: Any, a: Any, b: Any) -> Any:
    """``input < other``, elementwise."""
    return xp.less(a, b)


@binary(result="bool", complex=False)
def le(xp: Any, a: Any, b: Any) -> Any:
    """``input <= other``, elementwise."""
    return xp.less_equal(a, b)


@binary(result="bool", complex=False)
def gt(xp: Any, a: Any, b: Any) -> Any:
    """``input > other``, elementwise."""
    return xp.greater(a, b)


@binary(result="bool", complex=False)
def ge(xp: Any, a: Any, b: Any) -> Any:
    """``input >= other``, elementwise."""
    return xp.greater_equal(a, b)


not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
