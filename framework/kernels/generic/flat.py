"""Arrays of one shape seen as flat ones, in blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework.devices import array_module

BLOCK = 1 << 15  # elements: five float32 arrays of that length and a temporary fit in a megabyte of cache


def flattened(arrays: tuple[Any, ...]) -> list[Any] | None:
    """Flat views of NumPy arrays in one memory order (the gradient, the second, may be a copy); None if one is not dense."""
    p = arrays[0]
    if not p.flags.c_contiguous:  # channels-last memory, say: all of them in that order
        order = sorted(range(p.ndim), key=lambda axis: -abs(p.strides[axis]))
        arrays = tuple([a.transpose(order) for a in arrays])
    if not all(a.flags.c_contiguous for i, a in enumerate(arrays) if i != 1):
        return None
    return [a.reshape(-1) for a in arrays]


def blocks(arrays: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Flat views of a block of each array, or the arrays whole where one is not dense or lies on a GPU."""
    flat = flattened(arrays) if array_module(arrays[0]) is np else None
    if flat is None:
        yield arrays
        return
    size = flat[0].size
    even = size // BLOCK * BLOCK
    yield from zip(*[a[:even].reshape(-1, BLOCK) for a in flat], strict=True)
    if even < size:
        yield tuple([a[even:] for a in flat])
