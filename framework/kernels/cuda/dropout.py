"""Random masks and what they leave, on the GPU: the CPU's masks, bit for bit, from the same seed.

Mask and output are made in one launch, which reads the input once; the gradient reads the mask, a byte an element.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from framework.kernels.cuda.modules import BYTES, CTYPES, FLOATS, aligned, blocks, in_order_of, kernel, real
from framework.kernels.generic import dropout as generic
from framework.kernels.generic.passes import order
from framework.kernels.layout import is_last

NAME = "cuda"
THREADS, EACH = 256, 16  # elements a thread


def declines(x: Any) -> str | None:
    """None if it can serve an array, else why not."""
    if x.dtype not in FLOATS:
        return f"there is no kernel for {x.dtype}"
    return None if x.size else "nothing to compute"


def keep_mask(shape: tuple[int, ...], p: float, generator: Any) -> Any:
    """A bool array: each element False with probability ``p``, which sixteen random bits meet to within 1 / 65536."""
    mask = import_module("cupy").empty(shape, bool)
    if mask.size:
        draw = _drawn(mask.size, p, generator)
        kernel("dropout", "keep", T="float", V=1)(
            (blocks(mask.size + EACH, THREADS * EACH),), (THREADS,), (mask, np.int64(mask.size), *draw)
        )
    return mask


def drop(x: Any, p: float, scale: float, generator: Any) -> tuple[Any, Any]:
    """``x * scale`` where a new mask holds, 0 elsewhere; and the mask, drawn in the order of x's memory."""
    if order(x) is None:
        x = import_module("cupy").ascontiguousarray(x)
    y, mask = import_module("cupy").empty_like(x), import_module("cupy").empty_like(x, dtype=bool)
    *numbers, first = _drawn(x.size, p, generator)
    arguments = (y, x, mask, np.int64(x.size), _factor(x, scale), *numbers, first)
    vector = _vector(x, 4 * int(first) % EACH)
    kernel("dropout", "drop", T=CTYPES[x.dtype], V=vector)(
        (blocks(x.size + EACH, THREADS * EACH),), (THREADS,), arguments
    )
    return y, mask


def apply_mask(x: Any, mask: Any, scale: float) -> Any:
    """``x * scale`` where the mask holds, 0 elsewhere."""
    cupy = import_module("cupy")
    if mask.shape == x.shape:
        mask = mask if order(mask) is not None else cupy.ascontiguousarray(mask)
        x = in_order_of(x, mask)
        y = cupy.empty_like(x)
        vector = BYTES // x.itemsize if aligned(BYTES, x, mask) else 1
        kernel("dropout", "apply", T=CTYPES[x.dtype], V=vector)(
            (blocks(x.size, THREADS * vector),), (THREADS,), (y, x, mask, np.int64(x.size), _factor(x, scale))
        )
        return y
    if order(x) is None:
        x = cupy.ascontiguousarray(x)
    last = x.ndim > 2 and is_last(x)
    if x.ndim < 2 or mask.shape != x.shape[:2] + (1,) * (x.ndim - 2) or not (last or x.flags.c_contiguous):
        return generic.apply_mask(x, mask, scale)
    y, flags = cupy.empty_like(x), cupy.ascontiguousarray(mask)
    sample = math.prod(x.shape[1:])
    steps = (np.int64(sample), np.int64(1 if last else sample // x.shape[1]), np.int64(x.shape[1]))
    kernel("dropout", "apply_channels", T=CTYPES[x.dtype], V=1)(
        (blocks(x.size, THREADS),), (THREADS,), (y, x, flags, np.int64(x.size), _factor(x, scale), *steps)
    )
    return y


def _drawn(count: int, p: float, generator: Any) -> tuple[Any, ...]:
    """The limit that an element's bits have to reach, and where they are drawn."""
    limit = min(round(p * 65536), 65535)
    return (np.uint32(limit), *generator.stream.place((count + 3) // 4))


def _factor(x: Any, scale: float) -> Any:
    """The scale as the array's dtype holds it, in the dtype that is computed in."""
    return real(x.dtype).type(x.dtype.type(scale))


def _vector(x: Any, shift: int) -> int:
    """How many elements an access moves, where the first of them is so many after the start of a block."""
    for vector in (BYTES // x.itemsize, 4):
        if shift % vector == 0 and vector * x.itemsize <= BYTES and aligned(vector * x.itemsize, x):
            return vector
    return 1
