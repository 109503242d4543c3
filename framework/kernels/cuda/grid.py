"""Sampling at the places of a grid on the GPU, and its gradients, one launch each.

A thread works out the pixels around a place once for some channels: 16 bytes' worth where the channels of a pixel lie
together, eight planes otherwise. The gradient of the image adds to the pixels in the order in which threads arrive; where
deterministic algorithms are asked for, the generic kernel scatters it.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import settings
from framework.devices import array_module
from framework.kernels.cuda.modules import CTYPES, blocks, kernel
from framework.kernels.cuda.tensors import number_type, struct, vector
from framework.kernels.generic import grid as generic
from framework.kernels.layout import last, strides_last

NAME = "cuda"
THREADS = 256
PLANES = 8  # channels that a thread takes where each is a plane

Ints = tuple[int, ...]
_MODES = {"bilinear": "LINEAR", "nearest": "NEAREST", "bicubic": "BICUBIC"}
_PADDINGS = ("zeros", "border", "reflection")
_LAYOUT = np.dtype([("sample", "i8"), ("channel", "i8"), ("place", "i8", 3), ("length", "i4", 3), ("unused", "i4")])


def declines(x: Any, grid: Any, **how: Any) -> str | None:
    """None if it can sample x at a grid, else why not."""
    if x.dtype not in (np.float32, np.float64):
        return f"there is no kernel for {x.dtype}"
    return None if x.size and grid.size else "nothing to sample"


def grid_sample(x: Any, grid: Any, mode: str, padding: str, corners: bool) -> Any:
    """The values of x (N, C, *spatial) at the places of a grid (N, *outputs, axes), in x's memory order."""
    xp, rows = array_module(x), _in_rows(x)
    source, shape = _laid(x, rows), (*x.shape[:2], *grid.shape[1:-1])
    y = _empty(xp, shape, x.dtype, rows)
    _launch("sample", (source, xp.ascontiguousarray(grid), y), x.shape, shape, rows, mode, padding, corners)
    return y


def grid_sample_gradient(
    g: Any, x: Any, grid: Any, mode: str, padding: str, corners: bool, needs: tuple[bool, bool]
) -> tuple[Any, Any]:
    """The gradients of x and of the grid from that of ``grid_sample(x, grid, ...)``; None for what is not needed."""
    xp, rows = array_module(x), _in_rows(x)
    above, places = _laid(g, rows), xp.ascontiguousarray(grid)
    gx = gg = None
    where = (x.shape, g.shape, rows, mode, padding, corners)
    if needs[0]:
        if settings.are_deterministic_algorithms_enabled():
            gx = generic.grid_sample_gradient(g, x, grid, mode, padding, corners, (True, False))[0]
        else:
            gx = _empty(xp, x.shape, x.dtype, rows)
            gx[...] = 0
            _launch("spread", (above, places, gx), *where)
    if needs[1] and mode == "nearest":
        gg = xp.zeros(grid.shape, grid.dtype)
    elif needs[1]:
        gg = xp.empty(grid.shape, grid.dtype)
        _launch("slopes", (above, _laid(x, rows), places, gg), *where)
    return gx, gg


def _in_rows(x: Any) -> bool:
    """Whether x is taken in row-major order: unless the channels of its pixels lie together."""
    return bool(x.shape[1] == 1 or x.flags.c_contiguous or not x.transpose(0, *range(2, x.ndim), 1).flags.c_contiguous)


def _laid(x: Any, rows: bool) -> Any:
    """x over row-major memory, or (N, *spatial, C) over channels-last memory."""
    return array_module(x).ascontiguousarray(x) if rows else last(x)


def _empty(xp: Any, shape: Ints, dtype: Any, rows: bool) -> Any:
    if rows:
        return xp.empty(shape, dtype)
    return xp.empty((shape[0], *shape[2:], shape[1]), dtype).transpose(0, len(shape) - 1, *range(1, len(shape) - 1))


def _layout(shape: Ints, rows: bool) -> Any:
    """The kernels' struct on an array of this shape."""
    layout, missing = np.zeros(1, _LAYOUT), 5 - len(shape)
    if rows:
        steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    else:
        steps = list(strides_last(shape))
        steps[0] = math.prod(shape[1:])
    layout["sample"], layout["channel"] = steps[:2]
    layout["place"] = (0,) * missing + tuple(steps[2:])
    layout["length"] = (1,) * missing + shape[2:]
    return struct(layout)


def _launch(
    name: str, arrays: tuple[Any, ...], shape: Ints, outputs: Ints, rows: bool, mode: str, padding: str, corners: bool
) -> None:
    channels, count, axes = shape[1], math.prod(outputs[2:]), len(shape) - 2
    width = 1 if rows else vector(channels, *arrays[: 1 + (name == "slopes")])
    each = PLANES if width == 1 else width
    together = width > 1 and name != "slopes"
    threads = shape[0] * count * (channels // width if together else 1)
    grid = (blocks(threads, THREADS), 1 if together or name == "slopes" else blocks(channels, each))
    index = number_type(*arrays)
    how = np.array([_PADDINGS.index(padding), corners, channels, each], np.int32)
    more = (_layout(shape, rows), _layout(outputs, rows), struct(how), index.type(count), index.type(threads))
    kernel("grid", name, T=CTYPES[arrays[0].dtype], V=width, MODE=_MODES[mode], I=CTYPES[index], AXES=axes)(
        grid, (THREADS,), (*arrays, *more)
    )
