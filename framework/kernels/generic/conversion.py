"""Arrays in another floating-point type."""

from __future__ import annotations

from typing import Any

NAME = "generic"


def declines(x: Any, dtype: Any) -> None:
    """It serves every call."""


def cast(x: Any, dtype: Any) -> Any:
    """The elements of x in another type, in x's memory order."""
    return x.astype(dtype)
