"""Interpolation by oneDNN, where its rule for positions is that of the tables.

oneDNN takes output i of a linear axis from (i + 1/2) * length / size - 1/2, as interpolation without aligned corners
does, and of a nearest one from the input closest to it, which is PyTorch's choice where an axis grows by a whole factor.
Tables that say otherwise are left to the generic kernel, and so are factors whose positions round differently in
float32. Results have the input's memory order, channels-last or row-major, as the generic kernel's do.

Measured on two threads of a 2-core EPYC, float32, milliseconds beside the generic kernel's, channels-last
(8, 64, 56, 56) to twice the size: bilinear 0.75 and 10.0, its gradient 5.5 and 16.8; nearest 0.49 and 2.6, its gradient
0.80 and 7.8. With 3 channels gradients take twice the generic kernel's time, in row-major memory 1.5 to 4 times; a
trilinear one takes as long as the generic kernel's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from framework.dtypes import HALF
from framework.kernels.generic.resize import Table
from framework.kernels.layout import empty_last, is_last, strides_last
from framework.kernels.onednn import library as api
from framework.kernels.onednn.conversion import in_float32
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import FLOAT32, Plan, planned, strides_of

NAME = "onednn"
WORTH = 1 << 12  # elements of the larger side under which NumPy's few calls are as fast
FEW = 8  # fewer channels leave most of a vector empty
NEAR = 2e-6  # input steps that positions may differ by, about what float32 rounds those of short axes by

Ints = tuple[int, ...]
Tables = tuple[Table | None, ...]


def declines(x: Any, tables: Tables, gradient: bool = False) -> str | None:
    """None if it can resample x by these tables, or spread the gradient x by them, else why not."""
    if type(x) is not np.ndarray or not (x.dtype == FLOAT32 or x.dtype in HALF):
        return "not a NumPy array of float32 or a 16-bit type"
    if max(x.size, x.shape[0] * x.shape[1] * _product(tables, not gradient)) < WORTH or not x.size:
        return "too small to be worth a call of oneDNN"
    rule = _rule(tables)
    if rule is None:
        return "weights or positions that are not oneDNN's"
    if x.flags.c_contiguous:
        if gradient or rule == api.NEAREST or x.ndim == 5:
            return "not faster in row-major memory"
    elif x.ndim == 3 or not is_last(x):
        return "neither row-major nor channels-last memory"
    elif gradient and (x.shape[1] < FEW or (rule == api.LINEAR and x.ndim == 5)):
        return "not faster for the gradient of a volume or of few channels"
    return None


@in_float32
def resample(x: Any, tables: Tables) -> Any:
    """x with each spatial axis replaced as its table says."""
    rows = x.flags.c_contiguous
    shape = (*x.shape[:2], *[len(t.indices) for t in tables if t is not None])
    y = np.empty(shape, FLOAT32) if rows else empty_last(shape, FLOAT32)
    _forward(x.shape, shape, _rule(tables), rows).run(x, y)
    return y


@in_float32
def resample_gradient(g: Any, tables: Tables) -> Any:
    """The gradient of ``resample`` by these tables."""
    x = empty_last((*g.shape[:2], *[t.length for t in tables if t is not None]), FLOAT32)
    _backward(x.shape, g.shape, _rule(tables)).run(g, x)
    return x


def _product(tables: Tables, outputs: bool) -> int:
    size = 1
    for table in tables:
        if table is not None:
            size *= len(table.indices) if outputs else table.length
    return size


@lru_cache(256)
def _rule(tables: Tables) -> int | None:
    """oneDNN's algorithm that takes all axes as these tables do, or None."""
    found = {None if table is None else _axis_rule(table) for table in tables}
    return found.pop() if len(found) == 1 else None


def _axis_rule(table: Table) -> int | None:
    size, taps = table.indices.shape
    places = np.arange(size)
    if table.weights is None:
        factor, left = divmod(size, table.length)
        same = not left and np.array_equal(table.indices[:, 0], places // factor)
        return api.NEAREST if same else None
    if taps != 2 or not size or (np.diff(table.indices, axis=1) > 1).any():
        return None
    at = (places.astype(FLOAT32) + FLOAT32.type(0.5)) * FLOAT32.type(table.length) / FLOAT32.type(size)
    expected = np.clip(at - FLOAT32.type(0.5), 0, table.length - 1)
    found = (table.indices * table.weights).sum(1)
    return api.LINEAR if abs(found - expected).max() <= NEAR else None


def _layouts(x: Ints, y: Ints, rows: bool) -> tuple[Any, Any]:
    lib, order = library(), strides_of if rows else strides_last
    return lib.layout(x, "float32", order(x)), lib.layout(y, "float32", order(y))


@planned
def _forward(x: Ints, y: Ints, rule: int, rows: bool) -> Plan:
    arguments = (api.FORWARD_TRAINING, rule, None, *_layouts(x, y, rows))
    return Plan("resampling_forward", arguments, (api.SRC, api.DST))


@planned
def _backward(x: Ints, y: Ints, rule: int) -> Plan:
    arguments = (rule, None, *_layouts(x, y, False))
    hint = _forward(x, y, rule, False)
    return Plan("resampling_backward", arguments, (api.DIFF_DST, api.DIFF_SRC), hint=hint, forward=False)
