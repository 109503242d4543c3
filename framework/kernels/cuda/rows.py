"""How the rows of an array are shared out among the threads of a GPU, for kernels that read each row once.

Not yet run on a GPU: used by kernels that are compiled, and checked on the host (tests/gpu).
"""

from __future__ import annotations

from typing import Any

from framework.kernels.cuda.modules import BYTES, aligned, blocks, width

TOGETHER = 128  # threads of a block that several short rows share
LONGEST = 1024  # threads that a row gets which does not fit into registers
# of the packs of a row, up to how many go to how many threads, and how many each of these keeps in registers
SHARES = ((32, 32, 1), (128, 32, 4), (512, 128, 4), (2048, 512, 4))


def share(
    rows: int, length: int, *arrays: Any, vector: int | None = None
) -> tuple[dict[str, int], tuple[int], tuple[int, int]]:
    """The macros V and K, the grid and the block for rows of a length in arrays of one element type, in whole memory.

    V is how many elements an access moves, found from the arrays if not given, and K how many of these a thread keeps; 0
    stands for rows that are read more than once, which need not be a multiple of V long.
    """
    vector = vector or width(length, *arrays)
    packs = length // vector
    for most, threads, kept in SHARES:
        if packs <= most:
            together = max(1, TOGETHER // threads)
            return {"V": vector, "K": kept}, (blocks(rows, together),), (threads, together)
    vector = BYTES // arrays[0].itemsize if aligned(BYTES, *arrays) else 1
    return {"V": vector, "K": 0}, (rows,), (LONGEST, 1)
