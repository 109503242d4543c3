"""Sums, differences, products and quotients of large arrays on the GPU, 16 bytes an access.

Operands of one memory order without gaps are gone through side by side; a vector for every row (a bias), or a number for
each, is read again and again. Other broadcasts, orders and dtypes are CuPy's own kernels, which find their places element
by element.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import BYTES, CTYPES, FLOATS, blocks, kernel

NAME = "cuda"
THREADS = 256

Ints = tuple[int, ...]


def declines(a: Any, b: Any) -> str | None:
    """It serves every two arrays of a GPU."""
    return None if array_module(b) is array_module(a) else "not two arrays of a GPU"


def add(a: Any, b: Any, out: Any = None) -> Any:
    """``a + b``, into ``out`` if given, which may be one of them."""
    return _combined("+", "add", a, b, out)


def sub(a: Any, b: Any, out: Any = None) -> Any:
    """``a - b``, into ``out`` if given, which may be one of them."""
    return _combined("-", "subtract", a, b, out)


def mul(a: Any, b: Any, out: Any = None) -> Any:
    """``a * b``, into ``out`` if given, which may be one of them."""
    return _combined("*", "multiply", a, b, out)


def div(a: Any, b: Any, out: Any = None) -> Any:
    """``a / b``, into ``out`` if given, which may be one of them."""
    return _combined("/", "divide", a, b, out)


def _combined(sign: str, name: str, a: Any, b: Any, out: Any) -> Any:
    xp, kind = array_module(a), a.dtype
    plan = _plan(a.shape, a.strides, b.shape, b.strides, kind.itemsize) if kind in FLOATS and b.dtype == kind else None
    if plan is not None:
        repeat, length, swapped = plan
        large, small = (b, a) if swapped else (a, b)
        if out is None:
            out = xp.empty_like(large)
        elif out.dtype != kind or out.strides != large.strides or out.shape != large.shape:
            plan = None
    if plan is None:
        return getattr(xp, name)(a, b) if out is None else getattr(xp, name)(a, b, out=out)
    count, grid = np.int64(large.size), (blocks(large.size, THREADS * BYTES // kind.itemsize),)
    if repeat:
        more = (np.int64(repeat), np.int64(length), np.bool_(swapped))
        kernel("elementwise", "combine_repeated", T=CTYPES[kind], OP=sign)(
            grid, (THREADS,), (large, small, out, count, *more)
        )
    elif count:
        kernel("elementwise", "combine", T=CTYPES[kind], OP=sign)(grid, (THREADS,), (a, b, out, count))
    return out


@lru_cache(1024)
def _plan(a: Ints, a_strides: Ints, b: Ints, b_strides: Ints, size: int) -> tuple[int, int, bool] | None:
    """How the smaller operand is repeated: each element so often, and so many of them; (0, 0) for operands alike.

    None if that is not what it takes. Last, whether it is the first operand that is repeated.
    """
    if a == b:
        rows = _memory_order(a, a_strides, size)
        return (0, 0, False) if rows is not None and _steps(a, a_strides) == _steps(b, b_strides) else None
    if math.prod(a) < math.prod(b):
        found = _plan(b, b_strides, a, a_strides, size)
        return found and (*found[:2], True)
    order = _memory_order(a, a_strides, size)
    if order is None or not math.prod(a) or len(b) > len(a):
        return None
    lengths, strides = (1,) * (len(a) - len(b)) + b, (0,) * (len(a) - len(b)) + b_strides
    if any(m not in (1, n) for n, m in zip(a, lengths, strict=True)):
        return None
    axes = [place for place, axis in enumerate(order) if lengths[axis] > 1]
    if not axes:
        return 1, 1, False
    first, stop = axes[0], axes[-1] + 1
    step = size
    for axis in reversed(order[first:stop]):
        if lengths[axis] != a[axis] or (a[axis] > 1 and strides[axis] != step):
            return None
        step *= a[axis]
    return math.prod([a[axis] for axis in order[stop:]]), math.prod([a[axis] for axis in order[first:stop]]), False


def _memory_order(shape: Ints, strides: Ints, size: int) -> Ints | None:
    """The axes from the outermost in memory to the innermost, if elements fill it without gaps."""
    order = tuple(sorted(range(len(shape)), key=lambda axis: (-strides[axis], -shape[axis], axis)))
    for axis in reversed(order):
        if shape[axis] > 1 and strides[axis] != size:
            return None
        size *= shape[axis]
    return order


def _steps(shape: Ints, strides: Ints) -> list[int]:
    """The strides that matter."""
    return [step for n, step in zip(shape, strides, strict=True) if n > 1]
