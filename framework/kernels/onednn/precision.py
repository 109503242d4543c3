"""float32 products in bfloat16, where ``set_float32_matmul_precision("medium")`` allows it.

oneDNN's own mode for it changes nothing on processors whose only bfloat16 instructions are AVX-512's, so the operands
are converted here, in one pass each, and multiplied as bfloat16 with sums in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.kernels.onednn import library as api
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import BFLOAT16, FLOAT32, Plan, has_bfloat16, planned
from framework.settings import _Settings

WORTH = 1 << 24  # multiplications from which on two conversions pay


def halves(a: Any, work: int) -> bool:
    """Whether a product of so many multiplications is to be computed in bfloat16."""
    return _Settings.precision == "medium" and work >= WORTH and a.dtype == FLOAT32 and has_bfloat16()


def halved(x: Any) -> Any:
    """x rounded to bfloat16, in its memory order, without gaps."""
    y = np.empty_like(x, dtype=BFLOAT16)
    steps = tuple([s // 4 for s in x.strides]), tuple([s // 2 for s in y.strides])
    _conversion(x.shape, *steps).run(x, y)
    return y


@planned
def _conversion(shape: tuple[int, ...], given: tuple[int, ...], wanted: tuple[int, ...]) -> Plan:
    lib = library()
    pair = lib.layout(shape, "float32", given), lib.layout(shape, "bfloat16", wanted)
    return Plan("reorder", pair, (api.SRC, api.DST))
