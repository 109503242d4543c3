"""Exponentials, logarithms and roots."""

from __future__ import annotations

from typing import Any

from framework.ops.arithmetic import conj_value
from framework.ops.pointwise import unary


@unary(gradient=lambda g, y: g * conj_value(y))
def exp(xp: Any, x: Any) -> Any:
    """``e ** input``, elementwise."""
    return xp.exp(x)


@unary(gradient=lambda g, x: g / conj_value(x))
def log(xp: Any, x: Any) -> Any:
    """The natural logarithm of each element."""
    return xp.log(x)


@unary(gradient=lambda g, y: g / (2 * conj_value(y)))
def sqrt(xp: Any, x: Any) -> Any:
    """The square root of each element."""
    return xp.sqrt(x)
