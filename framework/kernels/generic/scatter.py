"""Adding values at repeated places, through the array library's own ``add.at``.

NumPy's ``add.at`` is fast along one axis of scalars and five times slower over rows, so rows are either spelt out as
scalars (narrow ones) or added in rounds: all first occurrences of every row at once, then all second ones, and so on.
Rows that occur often come first, so that a round adds to the first rows of one array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.runs import running

NAME = "generic"

NARROW = 32  # values a row, below which one scalar at a time is the faster way
SMALL = 4096  # values in all, below which sorting the rows costs more than it saves
ATOMIC = frozenset(
    np.dtype(k) for k in ["int32", "uint32", "uint64", "float32", "float64"]
)  # what CuPy adds atomically
FEW = 8  # repeated rows, below which each is summed by itself


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def add_at(out: Any, positions: Any, values: Any) -> None:
    """``out[p] += v`` for each position and value, in place; repeated positions add up. All three are 1-d."""
    xp = array_module(out)
    if out.dtype in dtypes.HALF:
        total = out.astype(np.float32)
        xp.add.at(total, positions, values.astype(np.float32))
        out[...] = total.astype(out.dtype)
    elif xp is np or out.dtype in ATOMIC:
        xp.add.at(out, positions, values)
    elif out.dtype.kind == "c":
        xp.add.at(out.real, positions, values.real)
        xp.add.at(out.imag, positions, values.imag)
    elif out.dtype == np.int64:  # whose sums have the bits of the unsigned ones
        xp.add.at(out.view(np.uint64), positions, values.astype(np.int64).view(np.uint64))
    else:
        total = out.astype(np.int32)
        xp.add.at(total, positions, values.astype(np.int32))
        out[...] = total.astype(out.dtype)


COMBINE = {"sum": "add", "mean": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum"}


def reduce_at(out: Any, positions: Any, values: Any, reduce: str) -> None:
    """``out[p] = f(out[p], v)`` for each position and value, all 1-d, in place; ``reduce`` names ``f``."""
    xp = array_module(out)
    if COMBINE[reduce] == "add":
        add_at(out, positions, values)
    elif xp is np:
        getattr(np, COMBINE[reduce]).at(out, positions, values)
    elif positions.size:  # CuPy's atomics know no products, and their greatest of a number and NaN is the number
        order = xp.argsort(positions)
        places = positions[order]
        found = running(getattr(xp, COMBINE[reduce]), places, values[order])
        last = xp.searchsorted(places, places, side="right") - 1
        out[places] = getattr(xp, COMBINE[reduce])(out[places], found[last])  # what is written twice is the same


def add_rows(out: Any, indices: Any, rows: Any) -> None:
    """``out[i] += row`` for each index and row, in place; repeated indices add up.

    Shape:
        out (V, ...), C-contiguous; indices (N,); rows (N, ...).
    """
    if not rows.size:
        return
    width = rows.size // rows.shape[0]
    flat = out.reshape(out.shape[0], width)
    rows = rows.reshape(rows.shape[0], width)
    if width < NARROW or rows.size < SMALL or array_module(out) is not np:
        xp = array_module(out)
        positions = (indices[:, None] * width + xp.arange(width)).reshape(-1)
        add_at(flat.reshape(-1), positions, rows.reshape(-1))
    elif out.dtype in dtypes.HALF:
        total = flat.astype(np.float32)
        _add_in_rounds(total, indices, rows.astype(np.float32))
        flat[...] = total.astype(out.dtype)
    else:
        _add_in_rounds(flat, indices, rows)


def _add_in_rounds(out: Any, indices: Any, rows: Any) -> None:
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(starts, append=len(ordered))
    often = np.argsort(-counts, kind="stable")  # those that are left in a round are then the first ones
    starts, counts = starts[often], counts[often]

    total = rows.take(order[starts], 0)
    done, left = 1, np.count_nonzero(counts > 1)
    while left >= FEW:
        total[:left] += rows.take(order[starts[:left] + done], 0)
        done += 1
        left = np.count_nonzero(counts > done)
    for place, (start, count) in enumerate(zip(starts[:left].tolist(), counts[:left].tolist(), strict=True)):
        total[place] += rows.take(order[start + done : start + count], 0).sum(0)
    out[ordered[starts]] += total


def embedding_gradient(g: Any, indices: Any, rows: int) -> Any:
    """The gradient of a table of ``rows`` rows from that of the rows taken out of it.

    Shape:
        g (N, D), indices (N,) -> (rows, D), accumulated in at least float32.
    """
    out = array_module(g).zeros((rows, *g.shape[1:]), g.dtype)
    add_rows(out, indices, g)
    return out
