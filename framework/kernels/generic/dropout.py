"""Random masks on NumPy and CuPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels import threads

NAME = "generic"
SHARED = 1 << 19  # elements from which on threads share a mask's application
_PIECE = 1 << 16  # elements that a thread takes at once


def declines(x: Any) -> None:
    """It serves every call."""


def keep_mask(shape: tuple[int, ...], p: float, generator: Any) -> Any:
    """A bool array on the generator's device: each element False with probability ``p``.

    Sixteen random bits an element: a probability is met to within 1 / 65536. The numbers are compared as they are
    drawn, in threads where the mask is large; they do not depend on the number of threads.
    """
    limit = np.uint16(min(round(p * 65536), 65535))
    if generator.numpy is None:
        return (generator.bits16(math.prod(shape)) >= limit).reshape(shape)
    mask = np.empty(math.prod(shape), bool)

    def compare(start: int, bits: Any) -> None:
        np.greater_equal(bits, limit, out=mask[start : start + bits.size])

    generator.each_bits16(mask.size, compare)
    return mask.reshape(shape)


def mask_like(x: Any, p: float, generator: Any, keep: Any = keep_mask) -> Any:
    """A mask of x's shape, drawn by ``keep`` in the order of x's memory, so that both are read in one sweep."""
    if x.flags.c_contiguous:
        return keep(x.shape, p, generator)
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    mask = keep(tuple(x.shape[axis] for axis in order), p, generator)
    return mask.transpose(np.argsort(order).tolist())


def drop(x: Any, p: float, scale: float, generator: Any) -> tuple[Any, Any]:
    """``x * scale`` where a new mask holds, 0 elsewhere; and the mask."""
    mask = mask_like(x, p, generator)
    return apply_mask(x, mask, scale), mask


def apply_mask(x: Any, mask: Any, scale: float) -> Any:
    """``x * scale`` where the mask holds, 0 elsewhere."""
    factor = x.dtype.type(scale)
    if x.size < SHARED or x.shape != mask.shape or array_module(x) is not np:
        y = x * mask
        y *= factor
        return y
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    dense = np.ascontiguousarray(x.transpose(order))
    flat, flags = dense.reshape(-1), np.ascontiguousarray(mask.transpose(order)).reshape(-1)
    out = np.empty_like(dense)
    result = out.reshape(-1)

    def piece(start: int) -> None:
        part = slice(start, start + _PIECE)
        np.multiply(flat[part], flags[part], out=result[part])
        np.multiply(result[part], factor, out=result[part])

    threads.parallel(piece, range(0, x.size, _PIECE))
    return out.transpose(np.argsort(order))
