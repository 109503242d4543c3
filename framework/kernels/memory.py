"""Where arrays lie: freed memory is kept for the next one of its size, and large results begin at a cache line."""

from __future__ import annotations

import ctypes
import math
import sys
from pickle import PickleBuffer
from typing import Any

import numpy as np

LINE = 64  # bytes
LARGE = 20 << 20  # bytes from which on an array is better begun at a line
KEPT = 1 << 30  # bytes of freed memory at the top of the heap that stay with the process
_TRIM_THRESHOLD, _MAPPED_MOST = -1, -4  # of mallopt(3)


def keep_freed_blocks() -> None:
    """Have the C library keep freed memory, up to ``KEPT``, rather than give it back to the system.

    glibc maps every block over 128 KB (32 MB later on) for itself and unmaps it when freed, and the pages of the next
    one are zeroed by the system again. Measured: a sum of two arrays of 51 MB takes 7.7 ms into fresh pages, 3.9 ms into
    kept ones; a training step of a small net took 40 ms and 29. Where the C library is another, nothing changes.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_MAPPED_MOST, 0)
            mallopt(_TRIM_THRESHOLD, KEPT)


def empty(shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...]) -> Any:
    """A new NumPy array with strides in bytes, the only holder of its memory.

    oneDNN writes past the cache where the result begins at a cache line. That pays for what the cache can't hold:
    measured, batch norm of 77 MB takes 8 ms and not 13, its gradient 13 and not 18, but one of 13 MB 0.6 and not 0.35.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.ndarray(shape, dtype, None, 0, strides)
    block = np.empty(size + LINE, np.uint8)
    # through something that is no array: else the result, and every view of it, would count as a view of the block
    return np.ndarray(shape, dtype, PickleBuffer(block), -block.ctypes.data % LINE, strides)  # type: ignore[arg-type]


def is_whole(array: Any) -> bool:
    """Whether an array is no view of another: it has memory of its own, as NumPy or ``empty`` gave it."""
    return array.base is None or type(array.base) is PickleBuffer
