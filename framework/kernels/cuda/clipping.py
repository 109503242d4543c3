"""The gradients' common length, and scaling them by it, on the GPU: two launches and one, whatever their number.

The length stays on the device, and the kernel that scales reads it there; where nothing is to be scaled its blocks end at
once. Sums of squares are of 4096 elements each, in at least float32, and are added up in double, in the same order in
each run.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import CTYPES, FLOATS, kernel, real
from framework.kernels.cuda.tensors import CHUNK, is_dense, tables

NAME = "cuda"
THREADS = 256


def declines(*arrays: Any) -> str | None:
    """None if it can serve these gradients, else why not."""
    kind, where = arrays[0].dtype, arrays[0].device
    if kind not in FLOATS:
        return f"there is no kernel for {kind}"
    for array in arrays:
        if array.dtype != kind or array.device != where:
            return "gradients of several dtypes or devices"
        if not is_dense(array):
            return "a gradient with gaps in its memory"
    return None


def length(arrays: list[Any]) -> Any:
    """The Euclidean norm of arrays seen as one vector, a 0-d array of their dtype on their device."""
    with arrays[0].device:
        return _length(arrays)


def _length(arrays: list[Any]) -> Any:
    xp, kind = array_module(arrays[0]), arrays[0].dtype
    rows = _rows(arrays)
    total = sum([-(-count // CHUNK) for _, count, _ in rows])
    sums, found, done = xp.empty(total, real(kind)), xp.empty((), kind), 0
    for table, count, chunks, words in tables(rows, 1):
        kernel("gradients", "squares", G=CTYPES[kind], WORDS=words)(
            (chunks,), (THREADS,), (table, sums[done:], np.int32(count))
        )
        done += chunks
    kernel("gradients", "root", G=CTYPES[kind], WORDS=480)((1,), (1024,), (sums, found, np.int64(total)))
    return found


def clip(arrays: list[Any], total: Any, most: float) -> bool:
    """Multiply arrays by ``most / (total + 1e-6)`` in place, where that is under 1; False if ``total`` is not theirs."""
    kind = arrays[0].dtype
    if total.dtype != kind or type(total) is not type(arrays[0]) or total.device != arrays[0].device:
        return False
    with arrays[0].device:
        for table, count, chunks, words in tables(_rows(arrays), 1):
            kernel("gradients", "scale", G=CTYPES[kind], WORDS=words)(
                (chunks,), (THREADS,), (table, total, real(kind).type(most), np.int32(count))
            )
    return True


def _rows(arrays: list[Any]) -> list[tuple[list[int], int, int]]:
    return [([array.data.ptr], array.size, 0) for array in arrays if array.size]
