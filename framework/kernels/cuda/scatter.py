"""Adding values at repeated places on the GPU, and reducing them into places.

Atomic operations in the order in which threads come, unless ``use_deterministic_algorithms`` asks for the same result in
each run: then the places are sorted, and each place's values are joined in their own order by one thread a column. A
table of 16 bits is summed in float32: into a table of that type if it is not much larger than what is added, else by
sorted places, which touches the rows that are named and no others.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from framework import dtypes, settings
from framework.kernels.cuda.modules import CTYPES, blocks, kernel

NAME = "cuda"
THREADS = 256
MANY = 65535  # blocks along a grid's second axis at most
WIDE = 16  # times what is added, from which on a float32 twin of a table costs more than sorting
OPERATIONS = {"sum": 0, "mean": 0, "prod": 1, "amax": 2, "amin": 3}
_FLOAT32, _INT32, _INT64 = (np.dtype(name) for name in ("float32", "int32", "int64"))
_DIRECT = (_FLOAT32, dtypes.float64.numpy, _INT32, _INT64)  # types that atomic operations take
# types that are joined in another one, and which: what is cut off again is the same
_INSTEAD = {
    np.dtype(name): _INT32 for name in ("bool", "uint8", "int8", "int16", "uint16")
} | {dtypes.uint32.numpy: _INT64} | dict.fromkeys(dtypes.HALF, _FLOAT32)  # fmt: skip


def declines(*arrays: Any, **params: Any) -> str | None:
    """None if it can serve a call that puts values into the first array, else why not."""
    out = arrays[0]
    return None if out.dtype in _DIRECT or out.dtype in _INSTEAD else f"there is no kernel for {out.dtype}"


def add_at(out: Any, positions: Any, values: Any) -> None:
    """``out[p] += v`` for each position and value, in place; repeated positions add up. All three are 1-d."""
    _combine(out, positions, values, 1, 0)


def reduce_at(out: Any, positions: Any, values: Any, reduce: str) -> None:
    """``out[p] = f(out[p], v)`` for each position and value, all 1-d, in place; ``reduce`` names ``f``."""
    _combine(out, positions, values, 1, OPERATIONS[reduce])


def add_rows(out: Any, indices: Any, rows: Any) -> None:
    """``out[i] += row`` for each index and row, in place; repeated indices add up.

    Shape:
        out (V, ...), C-contiguous; indices (N,); rows (N, ...).
    """
    if rows.size:
        _combine(out, indices, rows, rows.size // rows.shape[0], 0)


def embedding_gradient(g: Any, indices: Any, rows: int) -> Any:
    """The gradient of a table of ``rows`` rows from that of the rows taken out of it.

    Shape:
        g (N, D), indices (N,) -> (rows, D), accumulated in at least float32.
    """
    cupy = import_module("cupy")
    shape = (rows, *g.shape[1:])
    if g.dtype in dtypes.HALF and not _sorts(rows, len(indices)):
        total = cupy.zeros(shape, np.float32)
        add_rows(total, indices, g)
        return total.astype(g.dtype)
    out = cupy.zeros(shape, g.dtype)
    add_rows(out, indices, g)
    return out


def _sorts(rows: int, added: int) -> bool:
    """Whether values are joined into a 16-bit table by sorted places."""
    return settings.are_deterministic_algorithms_enabled() or rows > WIDE * added


def _combine(out: Any, places: Any, values: Any, width: int, operation: int) -> None:
    if not values.size:
        return
    cupy, kind = import_module("cupy"), out.dtype
    if not out.flags.c_contiguous:
        whole = cupy.ascontiguousarray(out)
        _combine(whole, places, values, width, operation)
        out[...] = whole
        return
    places = cupy.ascontiguousarray(places, np.int64)
    in_order = settings.are_deterministic_algorithms_enabled() and not (operation > 1 or kind.kind in "iub")
    half = kind in dtypes.HALF
    if half and not operation and _sorts(out.size // width, len(places)):
        in_order = True
    elif kind not in _DIRECT:
        whole = out.astype(_INSTEAD[kind])
        values = values if half else values.astype(_INSTEAD[kind])
        _combine(whole, places, values, width, operation)
        out[...] = whole.astype(kind)
        return
    if values.dtype != kind and not (values.dtype in dtypes.HALF and kind == _FLOAT32):
        values = values.astype(kind)
    values = cupy.ascontiguousarray(values)
    types = {"T": CTYPES[values.dtype], "A": CTYPES[kind], "OP": operation}
    if not in_order:
        kernel("scatter", "combine", **types)(
            (blocks(values.size, THREADS),), (THREADS,), (out, places, values, np.int64(values.size), np.int64(width))
        )
        return
    sources = places.argsort()  # CuPy's sort is stable
    across = min(THREADS, 1 << (width - 1).bit_length())
    down = THREADS // across
    arguments = (out, places[sources], sources, values, np.int64(len(places)), np.int64(width))
    grid = (blocks(len(places), down), min(blocks(width, across), MANY))
    kernel("scatter_sorted", "combine_sorted", **types)(grid, (across, down), arguments)
