"""Keeping freed memory for the next array of its size."""

from __future__ import annotations

import numpy as np

LARGEST = 30 << 20  # bytes; glibc raises its limit to 32 MiB at most


def keep_freed_blocks() -> None:
    """Have the C library keep blocks of up to 30 MB that are freed, rather than give them back to the system.

    glibc asks the system for every block over 128 KB and returns it when freed, and first touching a page costs more
    than a pass over it: a training step of a small net spent a quarter of its time so. Freeing one large block, which is
    never touched here, raises that limit for the process. Elsewhere this does nothing.
    """
    block = np.empty(LARGEST, np.uint8)
    del block
