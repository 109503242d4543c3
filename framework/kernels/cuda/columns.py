"""The sums of a matrix's columns on the GPU, in two stages: the same in each run.

Not yet run on a GPU: compiled, and compared with NumPy on the host (tests/gpu).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from framework.kernels.cuda.modules import CTYPES, blocks, kernel, real, width

ACROSS, DOWN = 32, 16  # threads of a block
WANTED = 512  # blocks that keep a GPU busy
LEAST = 128  # rows that a block does at least


def column_sums(x: Any) -> Any:
    """The sum over the rows of x (R, C), row-major: (C,), in the dtype that x is computed in."""
    rows, columns = x.shape
    vector = width(columns, x)
    tiles = blocks(columns, ACROSS * vector)
    splits = max(1, min(WANTED // tiles, rows // LEAST))
    each = blocks(rows, splits)
    splits = blocks(rows, each)
    out = import_module("cupy").empty((splits, columns), real(x.dtype))
    if not columns:
        return out[0]
    arguments = (out, x, np.int64(rows), np.int64(columns), np.int64(each))
    kernel("columns", "column_sums", T=CTYPES[x.dtype], V=vector)((tiles, splits), (ACROSS, DOWN), arguments)
    return out[0] if splits == 1 else column_sums(out)
