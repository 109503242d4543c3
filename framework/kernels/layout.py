"""Channels-last memory: arrays of shape (N, C, *spatial) in which the channels of a place lie together.

Convolution, pooling and normalization take and give it. An array in another order is copied once, where it enters;
``transpositions`` counts those copies, so that a test can tell that none happens between two layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.memory import empty


class _Count:
    """How many arrays were brought into channels-last order."""

    def __init__(self) -> None:
        self.value = 0


transpositions = _Count()


def strides_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of channels-last memory of shape (N, C, *spatial)."""
    step = shape[1]
    spatial = []
    for length in reversed(shape[2:]):
        spatial.append(step)
        step *= length
    return (step, 1, *reversed(spatial))


def is_last(x: Any) -> bool:
    """Whether an array's memory is channels-last, without gaps."""
    size = x.itemsize
    expected = strides_last(x.shape)
    return all(n < 2 or s == e * size for n, s, e in zip(x.shape, x.strides, expected, strict=True)) or not x.size


def empty_last(shape: tuple[int, ...], dtype: Any) -> Any:
    """A new NumPy array of shape (N, C, *spatial) over channels-last memory of its own."""
    if 0 in shape:
        return np.empty(shape, dtype)
    size = np.dtype(dtype).itemsize
    return empty(shape, dtype, tuple([s * size for s in strides_last(shape)]))


def last(x: Any) -> Any:
    """The (N, *spatial, C) array of an (N, C, *spatial) one, contiguous: a view where the memory is channels-last."""
    moved = x.transpose(0, *range(2, x.ndim), 1)
    if not moved.flags.c_contiguous:
        transpositions.value += 1
        moved = array_module(x).ascontiguousarray(moved)
    return moved


def first(x: Any) -> Any:
    """The (N, C, *spatial) view of an (N, *spatial, C) array. One spatial axis is put in row-major order.

    Sequences have no channels-last format of their own in the public interface, so they are given back as it expects.
    """
    view = x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
    return array_module(x).ascontiguousarray(view) if x.ndim == 3 else view
