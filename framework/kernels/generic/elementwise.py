"""Sums, differences, products and quotients of large arrays."""

from __future__ import annotations

from typing import Any

from framework.devices import array_module

NAME = "generic"


def declines(a: Any, b: Any) -> None:
    """It serves every call."""


def add(a: Any, b: Any, out: Any = None) -> Any:
    """``a + b``, into ``out`` if given."""
    return a + b if out is None else array_module(a).add(a, b, out=out)


def sub(a: Any, b: Any, out: Any = None) -> Any:
    """``a - b``, into ``out`` if given."""
    return a - b if out is None else array_module(a).subtract(a, b, out=out)


def mul(a: Any, b: Any, out: Any = None) -> Any:
    """``a * b``, into ``out`` if given."""
    return a * b if out is None else array_module(a).multiply(a, b, out=out)


def div(a: Any, b: Any, out: Any = None) -> Any:
    """``a / b``, into ``out`` if given."""
    return a / b if out is None else array_module(a).divide(a, b, out=out)
