"""Sums, differences, products and quotients of large arrays, or of one and a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module

NAME = "generic"
REAL = frozenset({bool, int, float})  # the types of a number beside an array


def declines(a: Any, b: Any) -> None:
    """It serves every call."""


def add(a: Any, b: Any, out: Any = None) -> Any:
    """``a + b``, into ``out`` if given."""
    return _combined("add", a, b, out)


def sub(a: Any, b: Any, out: Any = None) -> Any:
    """``a - b``, into ``out`` if given."""
    return _combined("subtract", a, b, out)


def mul(a: Any, b: Any, out: Any = None) -> Any:
    """``a * b``, into ``out`` if given."""
    return _combined("multiply", a, b, out)


def div(a: Any, b: Any, out: Any = None) -> Any:
    """``a / b``, into ``out`` if given."""
    return _combined("divide", a, b, out)


def _combined(name: str, a: Any, b: Any, out: Any) -> Any:
    if type(b) in REAL or type(a) in REAL:
        return _with_number(name, a, b, out)
    xp = array_module(a)
    if out is None and xp is not np and a.dtype == b.dtype and a.dtype.kind not in "iub":
        # CuPy lays its results out row by row; channels-last operands give a channels-last result here as in NumPy
        like = a if a.size >= b.size else b
        if not like.flags.c_contiguous and np.broadcast_shapes(a.shape, b.shape) == like.shape:
            out = xp.empty_like(like)
    return getattr(xp, name)(a, b) if out is None else getattr(xp, name)(a, b, out=out)


def _with_number(name: str, a: Any, b: Any, out: Any) -> Any:
    """The operation on an array of floats and a number, in the array's dtype and memory order.

    Half precision computes in float32, or a large number would turn into inf first; and NumPy leaves it there.
    """
    like = a if type(b) in REAL else b
    xp = array_module(like)
    if like.dtype not in dtypes.HALF:
        if out is None and xp is not np:
            out = xp.empty_like(like)
        return getattr(xp, name)(a, b, out=out)
    wide = like.astype(np.float32)
    getattr(xp, name)(*(wide if v is like else v for v in (a, b)), out=wide)
    if out is None:
        return wide.astype(like.dtype)
    out[...] = wide
    return out
