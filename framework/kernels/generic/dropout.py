"""Random masks on NumPy and CuPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

NAME = "generic"


def declines(x: Any) -> None:
    """It serves every call."""


def keep_mask(shape: tuple[int, ...], p: float, generator: Any) -> Any:
    """A bool array on the generator's device: each element False with probability ``p``.

    Sixteen random bits an element: a probability is met to within 1 / 65536.
    """
    bits = generator.bits16(math.prod(shape)).reshape(shape)
    return bits >= np.uint16(min(round(p * 65536), 65535))


def apply_mask(x: Any, mask: Any, scale: float) -> Any:
    """``x * scale`` where the mask holds, 0 elsewhere."""
    y = x * mask
    y *= x.dtype.type(scale)
    return y
