"""Keeping freed memory for the next array of its size."""

from __future__ import annotations

import ctypes
import sys

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
