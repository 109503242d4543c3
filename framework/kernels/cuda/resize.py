"""Interpolation by tables on the GPU, and its gradient.

Where the tables of all axes take few inputs together, as bilinear and bicubic ones do, one launch makes the result, and
nothing goes through memory in between. With many (antialiasing) the axes are taken one after the other, the last first, in
at least float32. The gradient is the same by the transposed tables: gathered, without atomic additions. Memory stays
channels-last or in rows, as it came.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import CTYPES, FLOATS, blocks, kernel, real
from framework.kernels.cuda.tensors import number_type, struct, vector
from framework.kernels.generic.resize import Table, fixed_point

NAME = "cuda"
THREADS = 256
FUSED = 16  # inputs of an output up to which all axes are taken at once

Ints = tuple[int, ...]
Tables = tuple[Table | None, ...]

_BITS: dict[int, Any] = {1: np.dtype("uint8"), 2: np.dtype("uint16"), 4: np.dtype("uint32"), 8: np.dtype("uint64")}
_AXIS = np.dtype(
    [("inputs", "u8"), ("weights", "u8"), ("taps", "i4"), ("length", "i4"), ("outputs", "i4"), ("unused", "i4")]
)


def declines(x: Any, tables: Tables, gradient: bool = False) -> str | None:
    """None if it can resample x by these tables, or spread the gradient x by them, else why not."""
    if not x.size:
        return "nothing to resample"
    picks = not gradient and all(table is None or table.weights is None for table in tables)
    if x.dtype in FLOATS or (picks and x.itemsize in _BITS) or (x.dtype == np.uint8 and not gradient):
        return None
    return f"there is no kernel for {x.dtype}"


def resample(x: Any, tables: Tables) -> Any:
    """x with each spatial axis replaced as its table says (None leaves it); the last axis goes first."""
    return _resampled(x, tables, False)


def resample_gradient(g: Any, tables: Tables) -> Any:
    """The gradient of ``resample`` by these tables: each output's goes to the inputs that it took."""
    return _resampled(g, tables, True)


def _resampled(x: Any, tables: Tables, gradient: bool) -> Any:
    xp = array_module(x)
    moved = x.transpose(0, *range(2, x.ndim), 1)
    last = x.ndim > 3 and moved.flags.c_contiguous and not x.flags.c_contiguous
    if last:
        y = moved
    else:
        y = xp.ascontiguousarray(x).reshape(x.shape[0] * x.shape[1], *x.shape[2:], 1)
    used = [table for table in tables if table is not None]
    if not gradient and all(table.weights is None for table in used):
        y = _pick(y, tables)
    elif x.dtype == np.uint8:
        for axis in reversed(range(len(tables))):
            table = tables[axis]
            if table is not None:
                alone = _only(tables, axis)
                y = _pick(y, alone) if table.weights is None else _bytes_along(y, table, axis + 1)
    elif math.prod([_taps(table, gradient) for table in used]) <= FUSED:
        y = _weigh(y, tables, gradient, x.dtype)
    else:
        axes = [axis for axis in reversed(range(len(tables))) if tables[axis] is not None]
        for axis in axes:
            y = _weigh(y, _only(tables, axis), gradient, x.dtype if axis == axes[-1] else real(x.dtype))
    if last:
        return y.transpose(0, y.ndim - 1, *range(1, y.ndim - 1))
    return y.reshape(*x.shape[:2], *y.shape[1:-1])


def _only(tables: Tables, axis: int) -> Tables:
    return tuple(table if place == axis else None for place, table in enumerate(tables))


def _taps(table: Table, gradient: bool) -> int:
    return int((table.transposed if gradient else table).indices.shape[1])


def _weigh(x: Any, tables: Tables, gradient: bool, dtype: Any) -> Any:
    """Weighted sums of x (N, *spatial, C) along all axes that have tables."""
    axes, outputs, _ = _axes(tables, x.shape[1:-1], gradient, real(x.dtype), array_module(x), x.device.id)
    return _launch("resample", x, axes, outputs, dtype, T=CTYPES[x.dtype], Y=CTYPES[dtype])


def _pick(x: Any, tables: Tables) -> Any:
    """The elements of x (N, *spatial, C) that tables of single inputs name."""
    axes, outputs, _ = _axes(tables, x.shape[1:-1], False, np.dtype("float32"), array_module(x), x.device.id)
    bits = _BITS[x.itemsize]
    return _launch("pick", x.view(bits), axes, outputs, bits, T=CTYPES[bits], Y=CTYPES[bits]).view(x.dtype)


def _launch(name: str, x: Any, axes: Any, outputs: Ints, dtype: Any, **macros: Any) -> Any:
    y = array_module(x).empty((x.shape[0], *outputs, x.shape[-1]), dtype)
    width, index = vector(x.shape[-1], x, y), number_type(x, y)
    count = y.size // width
    arguments = (x, y, axes, index.type(x.shape[-1]), index.type(count))
    kernel("resize", name, **macros, V=width, I=CTYPES[index])((blocks(count, THREADS),), (THREADS,), arguments)
    return y


@lru_cache(256)
def _axes(tables: Tables, lengths: Ints, gradient: bool, dtype: Any, xp: Any, device: int) -> tuple[Any, Ints, Any]:
    """The kernels' struct of three axes, the lengths of the result, and the device's arrays that the struct points to."""
    values, held = np.zeros(3, _AXIS), []
    values["taps"] = values["length"] = values["outputs"] = 1
    for axis, (table, length) in enumerate(zip(tables, lengths, strict=True), 3 - len(tables)):
        entry = values[axis]
        if table is None:
            entry["length"] = entry["outputs"] = length
            continue
        inputs, weights = table.indices, table.weights
        if gradient:
            inputs, weights = table.transposed.indices, table.transposed.weights
            inputs = np.where(weights == 0, -1, inputs)  # rows that are shorter than the longest end there
        with xp.cuda.Device(device):
            held.append(xp.asarray(inputs.astype(np.int32), blocking=True))  # any stream may be the next to read it
            entry["inputs"] = held[-1].data.ptr
            if weights is not None:
                held.append(xp.asarray(weights.astype(dtype), blocking=True))
                entry["weights"] = held[-1].data.ptr
        entry["length"], entry["taps"], entry["outputs"] = length, inputs.shape[1], inputs.shape[0]
    return struct(values), tuple(int(n) for n in values["outputs"][3 - len(tables) :]), held


def _bytes_along(x: Any, table: Table, axis: int) -> Any:
    """Weighted sums of bytes along an axis of x, rounded to bytes."""
    inputs, weights, bits = _fixed(table, array_module(x), x.device.id)
    outputs, taps = table.indices.shape
    y = array_module(x).empty((*x.shape[:axis], outputs, *x.shape[axis + 1 :]), np.uint8)
    index = number_type(x, y)
    sizes = (np.int32(taps), np.int32(x.shape[axis]), np.int32(outputs), np.int32(bits))
    kernel("resize_bytes", "resample_bytes", I=CTYPES[index])(
        (blocks(y.size, THREADS),), (THREADS,),
        (x, y, inputs, weights, *sizes, index.type(math.prod(x.shape[axis + 1 :])), index.type(y.size)),
    )  # fmt: skip
    return y


@lru_cache(128)
def _fixed(table: Table, xp: Any, device: int) -> tuple[Any, Any, int]:
    weights, bits = fixed_point(table)
    with xp.cuda.Device(device):
        return xp.asarray(table.indices.astype(np.int32), blocking=True), xp.asarray(weights, blocking=True), bits
