"""Weighted sums of an array's entries along its spatial axes: what interpolation in all its modes comes to.

An axis has a table: for each output, the inputs that it takes and their weights. Arrays are (N, C, *spatial), and the
result has the input's memory order, channels-last or row-major.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module

NAME = "generic"


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


class Table:
    """Where each output along an axis comes from.

    Attributes:
        indices: int64 (outputs, taps), the inputs that each output takes.
        weights: float64 (outputs, taps), their weights; None stands for a single tap of weight 1.
        length: the axis's length in the input.
    """

    def __init__(self, indices: Any, weights: Any, length: int) -> None:
        self.indices, self.weights, self.length = indices, weights, length

    @cached_property
    def transposed(self) -> Table:
        """The table of the gradient: for each input, the outputs that took it."""
        outputs, taps = self.indices.shape
        weights = np.ones((outputs, taps)) if self.weights is None else self.weights
        into, value = self.indices.ravel(), weights.ravel()
        source = np.repeat(np.arange(outputs), taps)
        used = value != 0
        into, value, source = into[used], value[used], source[used]
        order = np.argsort(into, kind="stable")
        into, value, source = into[order], value[order], source[order]
        counts = np.bincount(into, minlength=self.length)
        place = np.arange(into.size) - (np.cumsum(counts) - counts)[into]
        most = max(1, int(counts.max(initial=0)))
        indices, found = np.zeros((self.length, most), np.int64), np.zeros((self.length, most))
        indices[into, place], found[into, place] = source, value
        return Table(indices, found, outputs)


def resample(x: Any, tables: tuple[Table | None, ...]) -> Any:
    """x with each spatial axis replaced as its table says (None leaves it); the last axis goes first."""
    moved = x.transpose(0, *range(2, x.ndim), 1)
    last = x.ndim > 3 and moved.flags.c_contiguous and not x.flags.c_contiguous
    y = moved if last else x
    kind = x.dtype
    if kind in dtypes.HALF:
        y = y.astype("float32")
    for axis in reversed(range(len(tables))):
        table = tables[axis]
        if table is not None:
            y = _along(y, table, axis + (1 if last else 2))
    y = y.astype(kind, copy=False)
    return y.transpose(0, y.ndim - 1, *range(1, y.ndim - 1)) if last else y


def resample_gradient(g: Any, tables: tuple[Table | None, ...]) -> Any:
    """The gradient of ``resample`` by these tables: each output's goes to the inputs that it took."""
    return resample(g, tuple(None if table is None else table.transposed for table in tables))


def _along(x: Any, table: Table, axis: int) -> Any:
    xp = array_module(x)
    indices = xp.asarray(table.indices)
    if table.weights is None:
        return xp.take(x, indices[:, 0], axis)
    if x.dtype == "uint8":
        return _bytes_along(x, table, axis)
    weights = xp.asarray(table.weights.astype(x.dtype)).reshape(*table.weights.shape, *(1,) * (x.ndim - axis - 1))
    total = xp.take(x, indices[:, 0], axis)
    total *= weights[:, 0]
    for tap in range(1, indices.shape[1]):
        part = xp.take(x, indices[:, tap], axis)
        part *= weights[:, tap]
        total += part
    return total


def fixed_point(table: Table) -> tuple[Any, int]:
    """A table's weights as 16-bit fixed-point numbers, int32, and how many of their bits are a fraction's."""
    bits, most = 0, float(table.weights.max(initial=0))
    while bits < 22 and int(0.5 + most * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    return np.trunc(table.weights * (1 << bits) + np.where(table.weights < 0, -0.5, 0.5)).astype("int32"), bits


def _bytes_along(x: Any, table: Table, axis: int) -> Any:
    """The sum by fixed-point weights, rounded to a byte after each axis, as image libraries do."""
    xp = array_module(x)
    fixed, bits = fixed_point(table)
    weights = xp.asarray(fixed).reshape(*fixed.shape, *(1,) * (x.ndim - axis - 1))
    indices = xp.asarray(table.indices)
    total = xp.full((), 1 << (bits - 1), "int32")
    for tap in range(indices.shape[1]):
        total = total + xp.take(x, indices[:, tap], axis) * weights[:, tap]
    return xp.clip(total >> bits, 0, 255).astype("uint8")
