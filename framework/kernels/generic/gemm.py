"""Matrix products through the array library's own BLAS."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.devices import array_module

NAME = "generic"


def declines(a: Any, b: Any) -> None:
    """It serves every call."""


def matmul(a: Any, b: Any) -> Any:
    """``a @ b``; 16-bit types are multiplied in float32 and rounded once."""
    if a.dtype in dtypes.HALF:
        xp = array_module(a)
        return xp.matmul(a.astype("float32"), b.astype("float32")).astype(a.dtype)
    if a.dtype.kind == "b":
        return array_module(a).matmul(a, b)
    return a @ b
