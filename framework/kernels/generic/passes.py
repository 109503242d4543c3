"""Passes over memory that cost what the memory costs: what the kernels and the reductions share.

Measured in float32 on one thread of an EPYC, a pass of a ufunc over blocks that stay in the cache takes 0.1 ns an
element, and calling it 1 us. An inner loop shorter than the ufunc's buffer (8192 elements) with an operand that
broadcasts takes 0.2, since NumPy copies that operand through the buffer; ``np.where`` and ``copyto`` with a random mask
take 1 to 4, a mask of bits 0.3. A row sum takes 0.05 as a product with ones and 0.16 to 2 as ``sum``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module

BUFFER = 8192  # elements of a ufunc's buffer; inner loops this long are not copied through it
LINE = 64 << 10  # elements of a block of a long elementwise computation
CHUNK = 1024  # terms that are added one after the other in the input's precision, at most
CACHED = 1 << 20  # bytes of a block whose passes find it in the processor's cache; smaller ones cost more calls
SMALL = 4096  # elements of an array for which one call of NumPy is faster than several

_INTEGER = {2: np.dtype("int16"), 4: np.dtype("int32"), 8: np.dtype("int64")}


@contextmanager
def unbuffered(length: int) -> Iterator[None]:
    """Within it, ufuncs whose inner loops are of this length do not copy what broadcasts; long enough ones gain."""
    if not 512 <= length < BUFFER:
        yield
        return
    before = np.setbufsize(512)
    try:
        yield
    finally:
        np.setbufsize(before)


def order(x: Any) -> tuple[int, ...] | None:
    """The axes from the outermost in memory to the innermost, if x fills its memory without gaps; else None."""
    if x.flags.c_contiguous:
        return tuple(range(x.ndim))
    axes = tuple(sorted(range(x.ndim), key=lambda axis: (-x.strides[axis], -x.shape[axis])))
    return axes if x.transpose(axes).flags.c_contiguous else None


def flat(x: Any) -> Any:
    """All elements of x in memory order, a view; None if they have gaps."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    axes = order(x)
    return None if axes is None else x.transpose(axes).reshape(-1)


def bits(x: Any) -> Any:
    """The memory of a float array as integers of its width."""
    return x.view(_INTEGER[x.itemsize])


def zeroed(x: Any, where: Any) -> Any:
    """A fresh x with 0 where the (bool, fresh) mask is true, whatever x holds there."""
    # -1 + true is 0 and -1 + false all ones, so an "and" picks without a branch
    mask = where.view("int8")
    mask -= 1
    if x.dtype.kind == "c":
        return array_module(x).where(mask, x, x.dtype.type(0))
    return (bits(x) & mask).view(x.dtype)


def selected(where: Any, first: float, second: float, dtype: Any) -> Any:
    """``first`` where the (bool) mask is true, ``second`` elsewhere."""
    a, b = (bits(np.asarray(v, dtype)) for v in (first, second))
    y = -where.view("int8") & (a ^ b)[()]  # without a branch
    y ^= b[()]
    return y.view(dtype)


def blockwise(compute: Callable[..., None], x: Any, *others: Any, **params: Any) -> Any:
    """An elementwise result in x's memory order, by ``compute(*blocks, out=block, **params)``.

    Blocks are lines that stay in the cache with the temporaries of ``compute``.
    """
    xp = array_module(x)
    y = xp.empty_like(x)
    target, sources = flat(y), []
    for array in (x, *others):
        source = flat(array) if array.strides == y.strides else None
        if source is None:
            same = xp.empty_like(y)
            same[...] = array
            source = flat(same)
        sources.append(source)
    step = LINE if xp is np else max(1, x.size)
    for start in range(0, x.size, step):
        block = slice(start, start + step)
        compute(*[source[block] for source in sources], out=target[block], **params)
    return y


def at_least(x: Any, value: Any) -> Any:
    """``maximum(x, value)`` for one value: against a line of it, since NumPy has no vector loop for a scalar."""
    xp = array_module(x)
    if xp is np and x.size > SMALL and x.dtype.kind == "f" and x.itemsize > 2 and flat(x) is not None:
        y = np.empty_like(x)
        source, target, line = flat(x), flat(y), np.full(BUFFER, value, x.dtype)
        main = x.size - x.size % BUFFER
        np.maximum(source[:main].reshape(-1, BUFFER), line, out=target[:main].reshape(-1, BUFFER))
        np.maximum(source[main:], line[: x.size - main], out=target[main:])
        return y
    return xp.maximum(x, x.dtype.type(value))


@lru_cache(64)
def ones(length: int, dtype: Any) -> Any:
    """A read-only vector of ones."""
    vector = np.ones(length, dtype)
    vector.flags.writeable = False
    return vector


def row_sums(x: Any) -> Any:
    """The sums (R,) over the rows of a contiguous float array (R, D)."""
    rows, length = x.shape
    if array_module(x) is not np or not x.size:
        return x.sum(1)
    if length <= 2 * CHUNK:
        return x @ ones(length, x.dtype)
    # long rows in parts, whose sums are added in pairs: the error stays that of a short row
    main = length - length % CHUNK
    total = np.add.reduce(x[:, :main].reshape(rows, -1, CHUNK) @ ones(CHUNK, x.dtype), 1)
    return total if main == length else total + x[:, main:] @ ones(length - main, x.dtype)


def column_sums(x: Any) -> Any:
    """The sums (A, B) over the middle axis of a contiguous float array (A, N, B)."""
    outer, count, inner = x.shape
    if array_module(x) is not np or not x.size:
        return x.sum(1)
    if inner < 32 and count > 64:
        # narrow rows are joined to wider ones
        join = 64 // inner + 1
        main = count - count % join
        joined = column_sums(x[:, :main].reshape(outer, -1, join * inner)).reshape(outer, join, inner)
        total = np.add.reduce(joined, 1)
        return total if main == count else total + np.add.reduce(x[:, main:], 1)
    if count <= 2 * CHUNK:
        return np.matmul(ones(count, x.dtype), x)
    main = count - count % CHUNK
    total = np.add.reduce(np.matmul(ones(CHUNK, x.dtype), x[:, :main].reshape(outer, -1, CHUNK, inner)), 1)
    return total if main == count else total + np.matmul(ones(count - main, x.dtype), x[:, main:])


def total(x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """The sum over some axes of a float32 or float64 array: products with ones, where the axes lie together in memory."""
    xp = array_module(x)
    lie = order(x) if xp is np and x.size > SMALL and axes else None
    if lie is None:
        return xp.add.reduce(x, axis=axes, keepdims=keepdim)
    long = [axis for axis in lie if x.shape[axis] > 1]
    where = [number for number, axis in enumerate(long) if axis in axes]
    if not where or where[-1] - where[0] != len(where) - 1:
        return xp.add.reduce(x, axis=axes, keepdims=keepdim)
    first, stop = where[0], where[-1] + 1
    lengths = [x.shape[axis] for axis in long]
    sizes = [int(np.prod(part)) for part in (lengths[:first], lengths[first:stop], lengths[stop:])]
    memory = x.transpose(lie)
    if sizes[2] == 1:
        sums = row_sums(memory.reshape(sizes[0], sizes[1]))
    else:
        sums = column_sums(memory.reshape(sizes))
    kept = [axis for axis in lie if axis not in axes]
    sums = sums.reshape([x.shape[axis] for axis in kept])
    sums = np.ascontiguousarray(sums.transpose(np.argsort(kept))) if kept != sorted(kept) else sums
    if keepdim:
        return sums.reshape([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    return sums if kept else sums[()]


def product(x: Any, axis: int, keepdim: bool) -> Any:
    """The product along an axis of an array."""
    xp = array_module(x)
    if xp is np and x.size > SMALL and x.dtype.kind == "f" and x.flags.c_contiguous and x.shape[axis:] == x.shape[-1:]:
        y = _row_products(x.reshape(-1, x.shape[-1])).reshape(x.shape[:-1])
        return y[..., None] if keepdim else y
    return xp.multiply.reduce(x, axis=axis, keepdims=keepdim)


def _row_products(x: Any) -> Any:
    """The products (R,) over rows (R, D), half by half: a plain product waits for each multiplication in turn."""
    rows, length = x.shape
    out = np.empty(rows, x.dtype)
    step = max(1, (256 << 10) // max(length, 1))
    for start in range(0, rows, step):
        part = x[start : start + step]
        while part.shape[1] > 32:
            half = part.shape[1] // 2
            joined = part[:, :half] * part[:, half : 2 * half]
            if part.shape[1] % 2:
                joined[:, 0] *= part[:, -1]
            part = joined
        if part.shape[1] > 16:
            np.multiply.reduce(part, axis=1, out=out[start : start + step])
        else:
            result = out[start : start + step]
            result[...] = 1
            for column in range(part.shape[1]):
                result *= part[:, column]
    return out


def running_sum(x: Any, axis: int, kind: Any, reverse: bool = False) -> Any:
    """The running sums of x along an axis, accumulated in ``kind``, in x's dtype; from the far end if ``reverse``."""
    xp = array_module(x)
    if reverse:
        x = xp.flip(x, axis)
    inner = int(np.prod(x.shape[axis + 1 :]))
    if xp is np and x.size > SMALL and x.dtype.kind in "fV" and (inner >= 256 or x.shape[axis] <= 32):
        y = np.empty(x.shape, x.dtype)
        shape = (-1, x.shape[axis], inner)
        _side_by_side(x.reshape(shape), y.reshape(shape), kind)
    else:
        wide = x.astype(kind) if x.dtype.kind == "V" else x
        y = xp.cumsum(wide, axis=axis, dtype=kind).astype(x.dtype, copy=False)
    return xp.flip(y, axis) if reverse else y


def _side_by_side(x: Any, y: Any, kind: Any) -> None:
    """The running sums along the middle axis of (A, N, B), many at once: one alone waits for each addition."""
    step = max(1, CACHED // max(1, x.shape[1] * x.shape[2] * x.itemsize))
    for start in range(0, x.shape[0], step):
        part, place = x[start : start + step], y[start : start + step]
        sums = np.zeros((part.shape[0], x.shape[2]), kind)
        for n in range(x.shape[1]):
            sums += part[:, n]
            place[:, n] = sums
