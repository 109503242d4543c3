"""A few rows by a weight that oneDNN has put in its own order once and for all.

A product of a few rows reads the weight once and does little with it: what it costs is how the weight lies in memory.
Measured on two threads of a 2-core Xeon, float32, weights from main memory, microseconds beside BLAS's interface of
oneDNN and a product that repacks at each call: 8 rows by 384 x 50257, 2080 (4270, 7900), by 384 x 1536, 69 (117, 136),
32 rows 5600 (8380, 8150) and 152 (174, 257). One row, which memory bounds, gains a tenth (2540 beside 2900), and more than some
fifty gain nothing.

The copy takes as much memory as the weight, so no more than ``ROOM`` bytes are kept in a process; weights beyond it are
multiplied as they lie.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from framework.kernels import threads
from framework.kernels.onednn import library as api
from framework.kernels.onednn.activation import post_op
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import FLOAT32, Plan, planned, strides_of
from framework.settings import _Settings

ROWS = range(1, 49)
WORTH = 1 << 16  # numbers in a weight from which on a copy of it is worth having
ROOM = 1 << 30  # bytes of copies in all
_TYPICAL = 16  # the rows whose product says how the weight is to lie

_lock = threading.Lock()
_room = [ROOM]


def serves(x: Any, weight: Any, kept: dict[Any, Any] | None) -> bool:
    """Whether a matrix of few rows is to be multiplied by a copy of ``weight`` (K, M) in oneDNN's order."""
    return kept is not None and x.shape[0] in ROWS and weight.size >= WORTH and weight.dtype == FLOAT32 == x.dtype


def product(x: Any, weight: Any, bias: Any, activation: Any, kept: dict[Any, Any]) -> Any:
    """``x @ weight + bias``, then the activation; None where there is no room for a copy of the weight.

    Shape:
        x (N, K) without gaps, weight (K, M), bias (M,) or None -> (N, M).
    """
    key = (threads.openmp(), _Settings.precision, x.shape[0], weight.strides, bias is None, activation)
    made = kept.get(key)
    if made is None:
        made = _made(x.shape[0], weight, bias is not None, activation, kept)
        if made is None:
            return None
        kept[key] = made
    plan, packed = made
    out = np.empty((x.shape[0], weight.shape[1]), FLOAT32)
    if bias is None:
        plan.run(x, packed, out)
    else:
        plan.run(x, packed, np.ascontiguousarray(bias), out)
    return out


def _made(rows: int, weight: Any, bias: bool, activation: Any, kept: dict[Any, Any]) -> tuple[Plan, Any] | None:
    """The plan of a product and the copy of its weight, which is the same for all numbers of rows."""
    packing = _packing(weight.shape, weight.strides)
    packed = kept.get(packing)
    if packed is None:
        packed = packing.pack(weight)
        if packed is None:
            return None
        kept[packing] = packed
    return _plan(rows, weight.shape, weight.strides, bias, activation), packed


class _Packing:
    """How weights of one shape are to lie, and the way there from how they lie now."""

    def __init__(self, shape: tuple[int, int], strides: tuple[int, int]) -> None:
        lib = library()
        typical = _described((_TYPICAL, shape[0]), lib.layout(shape, "float32", None), shape[1])
        self._owner = typical  # the layout belongs to it
        self.layout = typical.layout(api.WEIGHTS)
        self.size = typical.size(api.WEIGHTS)
        given = lib.layout(shape, "float32", tuple([step // FLOAT32.itemsize for step in strides]))
        self._reorder = Plan("reorder", (given, self.layout), (api.SRC, api.DST))

    def pack(self, weight: Any) -> Any:
        """A copy of a weight in this order; None where copies take too much memory already."""
        with _lock:
            if self.size > _room[0]:
                return None
            _room[0] -= self.size
        packed = np.empty(self.size, np.uint8)
        weakref.finalize(packed, _give_back, self.size)
        self._reorder.run(weight, packed)
        return packed


def _give_back(size: int) -> None:
    with _lock:
        _room[0] += size


@planned
def _packing(shape: tuple[int, int], strides: tuple[int, int]) -> _Packing:
    return _Packing(shape, strides)


@planned
def _plan(rows: int, shape: tuple[int, int], strides: tuple[int, int], bias: bool, activation: Any) -> Plan:
    return _described((rows, shape[0]), _packing(shape, strides).layout, shape[1], bias, activation)


def _described(x: tuple[int, int], weight: Any, columns: int, bias: bool = False, activation: Any = None) -> Plan:
    lib = library()
    left, target = (lib.layout(shape, "float32", strides_of(shape)) for shape in (x, (x[0], columns)))
    added = lib.layout((1, columns), "float32", (columns, 1)) if bias else None
    kinds = (api.SRC, api.WEIGHTS, *((api.BIAS,) if bias else ()), api.DST)
    return Plan("matmul", (left, weight, added, target), kinds, post_op(activation))
