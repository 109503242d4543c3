"""Which products are computed in bfloat16: those of bfloat16 arrays, and of float32 ones where the policy allows it.

Both only on a processor that multiplies bfloat16 faster than float32, with sums in float32: one with matrix tiles (AMX),
or AMD's with AVX-512's instructions for it. On an Intel processor that has these alone, products of bfloat16 take twice
as long as float32's (2048 x 384 by 384 x 1536, two threads of a Xeon: 13.7 ms and 7.4, PyTorch's 13.8 and 7.0), so there
and on older ones they are computed in float32 and rounded once.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from framework.kernels.onednn.plans import BFLOAT16
from framework.kernels.precision import products_round

WORTH = 1 << 24  # multiplications from which on two conversions pay


@functools.lru_cache(1)
def multiplies_bfloat16() -> bool:
    """Whether this processor is the faster at multiplying bfloat16."""
    if not os.path.exists("/proc/cpuinfo"):
        return False
    with open("/proc/cpuinfo") as file:
        text = file.read()
    return "amx_bf16" in text or ("avx512_bf16" in text and "AuthenticAMD" in text)


def multiplied(x: Any) -> bool:
    """Whether products of a 16-bit array are computed as they are, and not in float32."""
    return x.dtype == BFLOAT16 and multiplies_bfloat16()


def halves(a: Any, work: int) -> bool:
    """Whether a product of so many float32 multiplications is to be computed in bfloat16."""
    return work >= WORTH and products_round(a.dtype) == "bf16" and multiplies_bfloat16()
