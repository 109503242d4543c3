"""What float32 products may round their operands to, and which 16-bit types a processor multiplies: one policy for all.

Products of matrices, convolutions and recurrent nets follow one setting, ``set_float32_matmul_precision``, on every
device. PyTorch has two, and lets convolutions on a GPU round to TF32 from the start; here nothing rounds unless asked to,
and then all of them do. ``backends.cuda.matmul.allow_tf32`` and ``backends.cudnn.allow_tf32`` show and set the same
setting.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.settings import _Settings

_ROUNDS = {"highest": "ieee", "high": "tf32", "medium": "bf16"}


def products_round(dtype: Any = np.float32) -> str:
    """What a product of float32 matrices may round its operands to; operands of other types are taken as they are.

    Args:
        dtype: the operands' NumPy type.

    Returns:
        "ieee" (24 bits: no rounding), "tf32" (11 bits) or "bf16" (8 bits, for which a GPU takes TF32).
    """
    return _ROUNDS[_Settings.precision] if dtype == np.float32 else "ieee"


def convolutions_round(dtype: Any = np.float32) -> str:
    """The same for convolutions and recurrent nets: they follow the products."""
    return products_round(dtype)


def multiplies(dtype: dtypes.dtype) -> bool:
    """Whether the CPU in use multiplies a 16-bit type faster than float32; if not, products are computed in float32."""
    from framework.kernels import registry

    if dtype is not dtypes.bfloat16 or registry.why_not("onednn") is not None:
        return False
    from framework.kernels.onednn.precision import multiplies_bfloat16

    return multiplies_bfloat16()
