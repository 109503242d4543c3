"""Arrays brought from float32, bfloat16 and float16 into each other by oneDNN, and kernels that compute in float32.

Measured on two threads of a 2-core Xeon, a million elements, microseconds beside NumPy: float32 to bfloat16 109 (557),
back 115 (384), float32 to float16 108 (2427), back 113 (1392).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from framework import dtypes
from framework.kernels.onednn import library as api
from framework.kernels.onednn.activation import filled
from framework.kernels.onednn.library import OneDNNError, library
from framework.kernels.onednn.plans import BFLOAT16, FLOAT32, Plan, planned

NAME = "onednn"
WORTH = 1 << 13  # elements from which on oneDNN is the faster
MOST = 6  # axes that its loops take
FLOAT16 = np.dtype(np.float16)
_NAMES = {FLOAT32: "float32", BFLOAT16: "bfloat16", FLOAT16: "float16"}


def declines(x: Any, dtype: Any) -> str | None:
    """None if it can bring x into another type, else why not."""
    if type(x) is not np.ndarray or x.dtype not in _NAMES or dtype not in _NAMES:
        return "not a NumPy array of float32, bfloat16 or float16 to be one of another of these"
    if x.size < WORTH:
        return "too small to be worth a call of oneDNN"
    if not filled(x) and (min(x.strides) <= 0 or x.ndim > MOST):
        return "memory that oneDNN does not walk through"
    return None if _fast(_NAMES[x.dtype], _NAMES[dtype]) else "no vector loops for these types on this processor"


def cast(x: Any, dtype: Any) -> Any:
    """The elements of x in another type, in x's memory order."""
    y = np.empty_like(x, dtype=dtype)
    _run(x, y)
    return y


def to(x: Any, dtype: Any) -> Any:
    """x itself, or its elements in another type, by oneDNN where it can."""
    if x.dtype is dtype or x.dtype == dtype:
        return x
    return x.astype(dtype) if declines(x, dtype) else cast(x, dtype)


def store(out: Any, x: Any) -> None:
    """Write the elements of x into an array of another type."""
    if declines(x, out.dtype) or min(out.strides) <= 0:
        out[...] = x.astype(out.dtype)
    else:
        _run(x, out)


def _run(x: Any, y: Any) -> None:
    names, steps = (_NAMES[x.dtype], _NAMES[y.dtype]), _steps(x)
    if steps == _steps(y) and filled(x):
        _plan(x.size, *names, work=x.size).run(x, y)
    else:
        _strided(x.shape, steps, _steps(y), *names, work=x.size).run(x, y)


def _steps(x: Any) -> tuple[int, ...]:
    return tuple([s // x.itemsize for s in x.strides])


def same_half(*arrays: Any) -> bool:
    """Whether NumPy arrays are of one 16-bit type."""
    kind = arrays[0].dtype
    return kind in dtypes.HALF and all(type(x) is np.ndarray and x.dtype == kind for x in arrays)


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of float32 arrays that takes 16-bit ones too, and gives its arrays in the type of the first argument."""

    @functools.wraps(function)
    def compute(first: Any, *args: Any, **named: Any) -> Any:
        kind = first.dtype
        if kind not in dtypes.HALF:
            return function(first, *args, **named)
        found = function(*[_wide(a) for a in (first, *args)], **{name: _wide(a) for name, a in named.items()})
        if type(found) is tuple:
            return tuple([_narrow(y, kind) for y in found])
        return _narrow(found, kind)

    return compute


def _wide(x: Any) -> Any:
    return to(x, FLOAT32) if type(x) is np.ndarray and x.dtype in dtypes.HALF else x


def _narrow(y: Any, kind: Any) -> Any:
    return to(y, kind) if type(y) is np.ndarray and y.dtype == FLOAT32 else y


@functools.lru_cache
def _fast(given: str, wanted: str) -> bool:
    """Whether oneDNN compiles loops for a pair of types."""
    try:
        return _plan(WORTH, given, wanted).implementation.startswith("jit")
    except OneDNNError:
        return False


@planned
def _plan(size: int, given: str, wanted: str) -> Plan:
    lib = library()
    pair = lib.layout((size,), given, (1,)), lib.layout((size,), wanted, (1,))
    return Plan("reorder", pair, (api.SRC, api.DST))


@planned
def _strided(shape: tuple[int, ...], x: tuple[int, ...], y: tuple[int, ...], given: str, wanted: str) -> Plan:
    lib = library()
    return Plan("reorder", (lib.layout(shape, given, x), lib.layout(shape, wanted, y)), (api.SRC, api.DST))
