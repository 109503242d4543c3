"""Sums, differences, products and quotients of large arrays on the GPU, 16 bytes an access.

Operands of one memory order without gaps are gone through side by side; a vector for every row (a bias), a number for
each, or a vector for all places of a picture (the weights of its channels), is read again and again. Other broadcasts,
orders and dtypes are CuPy's own kernels, which find their places element by element. Results have the memory order of
the larger operand.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import BYTES, CTYPES, FLOATS, blocks, kernel, real
from framework.kernels.generic import elementwise as generic
from framework.kernels.generic.elementwise import REAL

NAME = "cuda"
THREADS = 256

Ints = tuple[int, ...]


def declines(a: Any, b: Any) -> str | None:
    """It serves every two arrays of a GPU, or an array and a number."""
    return None if type(b) in REAL or array_module(b) is array_module(a) else "not two arrays of a GPU"


def add(a: Any, b: Any, out: Any = None) -> Any:
    """``a + b``, into ``out`` if given, which may be one of them."""
    return _combined("+", "add", a, b, out)


def sub(a: Any, b: Any, out: Any = None) -> Any:
    """``a - b``, into ``out`` if given, which may be one of them."""
    return _combined("-", "sub", a, b, out)


def mul(a: Any, b: Any, out: Any = None) -> Any:
    """``a * b``, into ``out`` if given, which may be one of them."""
    return _combined("*", "mul", a, b, out)


def div(a: Any, b: Any, out: Any = None) -> Any:
    """``a / b``, into ``out`` if given, which may be one of them."""
    return _combined("/", "div", a, b, out)


def _combined(sign: str, name: str, a: Any, b: Any, out: Any) -> Any:
    numbered, swapped = type(b) in REAL, type(a) in REAL
    large, kind = (b, b.dtype) if swapped else (a, a.dtype)
    plan: tuple[int, ...] | None = None
    if kind in FLOATS:
        if numbered or swapped:
            plan = () if _memory_order(large.shape, large.strides, kind.itemsize) is not None else None
        elif b.dtype == kind:
            found = _plan(a.shape, a.strides, b.shape, b.strides, kind.itemsize)
            if found is not None:
                plan, swapped = found
                large = b if swapped else a
    if plan is not None:
        if out is None:
            out = array_module(large).empty_like(large)
        elif out.dtype != kind or out.strides != large.strides or out.shape != large.shape:
            plan = None
    if plan is None:
        return getattr(generic, name)(a, b, out)
    small = a if swapped else b
    count, grid = np.int64(large.size), (blocks(large.size, THREADS * BYTES // kind.itemsize),)
    macros = {"T": CTYPES[kind], "OP": sign}
    if type(small) in REAL:
        number = real(kind).type(small)
        kernel("elementwise", "combine_number", **macros)(
            grid, (THREADS,), (large, number, out, count, np.bool_(swapped))
        )
    elif plan:
        more = (*[np.int64(n) for n in plan], np.bool_(swapped))
        kernel("elementwise", "combine_repeated", **macros)(grid, (THREADS,), (large, small, out, count, *more))
    elif count:
        kernel("elementwise", "combine", **macros)(grid, (THREADS,), (a, b, out, count))
    return out


@lru_cache(1024)
def _plan(a: Ints, a_strides: Ints, b: Ints, b_strides: Ints, size: int) -> tuple[Ints, bool] | None:
    """How the smaller operand is repeated, and whether it is the first; None if that is not what it takes.

    Each element so often, so many of them, and these so often before the next; nothing for operands alike.
    """
    if a == b:
        rows = _memory_order(a, a_strides, size)
        return ((), False) if rows is not None and _steps(a, a_strides) == _steps(b, b_strides) else None
    if math.prod(a) < math.prod(b):
        found = _plan(b, b_strides, a, a_strides, size)
        return found and (found[0], True)
    order = _memory_order(a, a_strides, size)
    if order is None or not math.prod(a) or len(b) > len(a):
        return None
    lengths, strides = (1,) * (len(a) - len(b)) + b, (0,) * (len(a) - len(b)) + b_strides
    if any(m not in (1, n) for n, m in zip(a, lengths, strict=True)):
        return None
    runs = [1]  # of axes from the innermost: along which the operand is repeated, along which it is not, and so on
    step = size
    for axis in reversed(order):
        if a[axis] == 1:
            continue
        if lengths[axis] == 1:
            if len(runs) % 2 == 0:
                runs.append(1)
        else:
            if strides[axis] != step:
                return None
            step *= a[axis]
            if len(runs) % 2:
                runs.append(1)
        runs[-1] *= a[axis]
    if len(runs) > 4:
        return None
    repeat, length, again = (*runs, 1, 1)[:3]
    return (repeat, length, again), False


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
