"""Channels-last arrays, cut into blocks and windows: what convolution and pooling share.

Arrays are (N, C, *spatial) outside and (N, *spatial, C), contiguous, inside. One spatial axis becomes two, the second
of length 1, so that blocks can be cut along the first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module

BLOCK = 4 << 20  # bytes of window matrix made at once
KEPT = 32 << 20  # a larger buffer is not kept for the next call

Ints = tuple[int, ...]

_local = threading.local()


def in_float32(function: Callable[..., Any]) -> Callable[..., Any]:
    """16-bit types are computed in float32 and rounded once."""

    @wraps(function)
    def call(first: Any, *args: Any) -> Any:
        kind = first.dtype
        if kind not in dtypes.HALF:
            return function(first, *args)
        wide = [a.astype("float32") if hasattr(a, "dtype") else a for a in (first, *args)]
        return function(*wide).astype(kind)

    return call


def scratch(xp: Any, name: str, shape: Ints, dtype: Any) -> Any:
    """An uninitialised array that the next request of this name, in this thread, may overwrite."""
    if xp is not np:
        return xp.empty(shape, dtype)
    count = 1
    for n in shape:
        count *= n
    size = count * dtype.itemsize
    if size > KEPT:
        return np.empty(shape, dtype)
    buffer = getattr(_local, name, None)
    if buffer is None or buffer.nbytes < size:
        buffer = np.empty(size, np.uint8)
        setattr(_local, name, buffer)
    return buffer[:size].view(dtype).reshape(shape)


def output_lengths(lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """The number of windows along each spatial axis."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(lengths, kernel, stride, padding, dilation, strict=True)
    )


def copy_pixels(source: Any, target: Any) -> None:
    """``target[...] = source`` for arrays whose last axis, the channels of a pixel, lies together in memory.

    Few channels are copied as one element, which NumPy does in the time of a single number.
    """
    size = source.shape[-1] * source.itemsize
    together = all(v.strides[-1] == v.itemsize for v in (source, target))
    if array_module(source) is np and together and 8 < size <= 512:
        pixel = np.dtype((np.void, size))
        source, target = source.view(pixel), target.view(pixel)
    target[...] = source


class Windows:
    """The windows of a channels-last array, given block by block as rows of a matrix."""

    def __init__(self, x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, outputs: Ints, groups: int):
        self.x, self.kernel, self.stride, self.padding, self.dilation = x, kernel, stride, padding, dilation
        self.outputs, self.groups = outputs, groups
        self.xp = array_module(x)
        self.width = int(np.prod(kernel)) * x.shape[-1]  # elements of a row, over all groups

    def blocks(self, limit: int = BLOCK) -> Iterator[tuple[slice, slice]]:
        """Slices of the batch axis and of the first output axis, such that a block's matrix stays under the limit."""
        return blocks(self.x.shape[0], self.outputs, self.width * self.x.itemsize, limit)

    def matrix(self, batch: slice, rows: slice) -> Any:
        """A block's windows: (rows, taps * C), or (groups, rows, taps * C / groups)."""
        xp, x = self.xp, self.x
        outputs = (rows.stop - rows.start, *self.outputs[1:])
        source = self.padded(batch, rows)
        step = source.strides
        size = x.shape[-1] // self.groups
        shape: Ints = (source.shape[0], *outputs, *self.kernel, size)
        strides: Ints = (
            step[0],
            *(a * s for a, s in zip(step[1:-1], self.stride, strict=True)),
            *(a * d for a, d in zip(step[1:-1], self.dilation, strict=True)),
            step[-1],
        )
        count = source.shape[0] * int(np.prod(outputs))
        if self.groups == 1 and x.shape[-1] == 1:
            # a tap's pixels lie together where there is one channel, so the matrix is made with its axes swapped
            axes = len(outputs) + 1
            shape, strides = (*self.kernel, *shape[:axes]), (*strides[axes:-1], *strides[:axes])
            matrix = scratch(xp, "windows", shape, x.dtype)
            matrix[...] = xp.lib.stride_tricks.as_strided(source, shape, strides)
            return matrix.reshape(-1, count).T
        if self.groups == 1 and self.dilation[-1] == 1:
            # and a line of taps does where they are neighbours
            shape, strides = (*shape[:-2], shape[-2] * size), (*strides[:-2], step[-1])
        elif self.groups > 1:
            shape, strides = (self.groups, *shape), (size * step[-1], *strides)
        matrix = scratch(xp, "windows", shape, x.dtype)
        copy_pixels(xp.lib.stride_tricks.as_strided(source, shape, strides), matrix)
        return matrix.reshape((count, -1) if self.groups == 1 else (self.groups, count, -1))

    def padded(self, batch: slice, rows: slice) -> Any:
        """The part of the input that a block's windows cover, with its padding."""
        x = self.x[batch]
        bounds = []
        for axis, (k, s, p, d) in enumerate(zip(self.kernel, self.stride, self.padding, self.dilation, strict=True)):
            start, stop = (rows.start, rows.stop) if axis == 0 else (0, self.outputs[axis])
            bounds.append((start * s - p, (stop - 1) * s - p + d * (k - 1) + 1))
        lengths = x.shape[1:-1]
        inside = [(max(lo, 0), max(min(hi, n), max(lo, 0))) for (lo, hi), n in zip(bounds, lengths, strict=True)]
        part = x[(slice(None), *(slice(lo, hi) for lo, hi in inside))]
        if inside == bounds:
            return part
        out = scratch(self.xp, "padded", (x.shape[0], *(hi - lo for lo, hi in bounds), x.shape[-1]), x.dtype)
        whole = [slice(None)] * out.ndim
        for axis, ((lo, hi), (a, b)) in enumerate(zip(bounds, inside, strict=True), 1):
            if a > lo:
                out[(*whole[:axis], slice(0, a - lo))] = 0
            if hi > b:
                out[(*whole[:axis], slice(b - lo, None))] = 0
            whole[axis] = slice(a - lo, b - lo)
        out[tuple(whole)] = part
        return out


def blocks(batch: int, outputs: Ints, row_bytes: int, limit: int) -> Iterator[tuple[slice, slice]]:
    """Slices of a batch and of its first spatial axis: several whole images, or some rows of one."""
    if 0 in outputs:
        return
    line = max(1, int(np.prod(outputs[1:])) * row_bytes)
    image = line * outputs[0]
    if image <= limit:
        step = max(1, limit // image)
        for n in range(0, batch, step):
            yield slice(n, min(n + step, batch)), slice(0, outputs[0])
    else:
        step = max(1, limit // line)
        for n in range(batch):
            for r in range(0, outputs[0], step):
                yield slice(n, n + 1), slice(r, min(r + step, outputs[0]))


def two_axes(*values: Any) -> Any:
    """One spatial axis becomes two, so that blocks can be cut along it; the second has length 1."""
    fill = {0: 1, 1: 1, 2: 0, 3: 1}  # kernel, stride, padding, dilation
    return tuple((*v, fill[i]) if len(v) == 1 else v for i, v in enumerate(values))


def widened(x: Any) -> Any:
    """(N, L, C) as (N, L, 1, C); arrays with more axes as they are."""
    return x[:, :, None] if x.ndim == 3 else x


def block_rows(array: Any, batch: slice, rows: slice) -> Any:
    """A block of an (N, *spatial, C) array as a matrix: (rows, C), a view."""
    return array[batch, rows].reshape(-1, array.shape[-1])


def overlap(offset: Ints, stride: Ints, lengths: Ints, outputs: Ints, rows: slice) -> tuple[Any, Any]:
    """Where one tap of the windows falls inside the input: slices of the input's spatial axes, and of the block's
    windows.

    Returns:
        ``(None, None)`` if the tap reads nothing but padding.
    """
    there, here = [], []
    for axis, (o, s, n) in enumerate(zip(offset, stride, lengths, strict=True)):
        start, stop = (rows.start, rows.stop) if axis == 0 else (0, outputs[axis])
        lo = max(start, -(o // s))  # the first window with lo * s + o >= 0
        hi = min(stop, (n - 1 - o) // s + 1)
        if lo >= hi:
            return None, None
        there.append(slice(lo * s + o, (hi - 1) * s + o + 1, s))
        here.append(slice(lo - start, hi - start))
    return there, here
