"""Positions of values in sorted sequences, and membership."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.casting import NUMBERS, as_operand, into, result_type
from framework.ops.dims import also_named
from framework.ops.reduction import plain
from framework.ops.sorting import sortable
from framework.tensor import Tensor, wrap


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
    out: Any = None,
) -> Any:
    """Where each value would be inserted to keep the innermost dim of ``sorted_sequence`` in order.

    Args:
        sorted_sequence: 1-d, or of ``input``'s leading shape: one ascending sequence a row.
        input: a tensor of values, or a number.
        out_int32: give int32 rather than int64.
        right: after equal elements rather than before them.
        side: "right" or "left", the same as ``right``.
        sorter: int64 indices that put ``sorted_sequence`` in order, of its shape.

    Raises:
        ShapeError: the leading shapes differ, or that of ``sorter``.
        ArgumentError: ``side`` contradicts ``right``.

    Example:
        >>> framework.searchsorted(framework.tensor([1, 3, 5]), framework.tensor([3, 6]))
        tensor([1, 3])
    """
    if side is not None:
        if side not in ("left", "right"):
            raise ArgumentError(f"searchsorted(): side can only be 'left' or 'right' but got {side!r}")
        if right and side == "left":
            raise ArgumentError("searchsorted(): side and right can't be set to opposites, got side='left' with right")
        right = side == "right"
    sequence = sorted_sequence.array
    if sequence.ndim == 0:
        raise ShapeError("searchsorted(): sorted_sequence should have at least 1 dimension, got a scalar")
    xp = array_module(sequence)
    if isinstance(input, Tensor):
        values = input.array
        if sequence.ndim > 1 and sequence.shape[:-1] != values.shape[:-1]:
            raise ShapeError(
                "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
                f"tensor and input value tensor must match, but we got {sequence.shape} and {values.shape}"
            )
    else:
        if not isinstance(input, NUMBERS):
            raise TypeError(f"searchsorted(): argument 'input' must be Tensor or number, not {type(input).__name__}")
        if sequence.ndim > 1:
            raise ShapeError("searchsorted(): input value can be a scalar only when sorted_sequence is 1-dimensional")
        values = xp.asarray(input)
    # compared in the common dtype of both
    dtype = result_type(sorted_sequence, input).numpy
    sequence, values = (sortable(v.astype(dtype, copy=False)) for v in (sequence, values))
    if sorter is not None:
        if not isinstance(sorter, Tensor) or tuple(sorter.shape) != sequence.shape:
            raise ShapeError("searchsorted(): boundary and sorter must have the same size")
        if sorter.array.dtype != np.int64:
            raise DtypeError(f"searchsorted(): sorter must be a tensor of long dtype but got dtype {sorter.dtype}")
        if sorter.array.size and (sorter.array.min() < 0 or sorter.array.max() >= sequence.shape[-1]):
            raise ArgumentError("searchsorted(): sorter index out of range")
        sequence = xp.take_along_axis(sequence, sorter.array, -1)
    if out_int32 and sequence.shape[-1] >= 2**31:
        raise ArgumentError("searchsorted(): the size of sorted_sequence exceeds the range of int32")
    where = "right" if right else "left"
    if sequence.ndim == 1:
        found = xp.searchsorted(sequence, values, where)
    else:
        found = xp.empty(values.shape, np.int64)
        for row in np.ndindex(sequence.shape[:-1]):
            found[row] = xp.searchsorted(sequence[row], values[row], where)
    y = wrap(xp.asarray(found).astype(np.int32 if out_int32 else np.int64))
    return y if out is None else into(out, y, "searchsorted")


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Any = None) -> Any:
    """The number of the bucket that each value falls into: bucket i ends at ``boundaries[i]``.

    Args:
        input: a tensor of values, or a number.
        boundaries: 1-d, ascending.
        out_int32: give int32 rather than int64.
        right: a value equal to a boundary belongs to the bucket after it.
    """
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@also_named(element="elements", test_element="test_elements")
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Any = None
) -> Any:
    """Whether each of ``elements`` is among ``test_elements``, as a bool tensor of the shape of ``elements``.

    Args:
        elements, test_elements: tensors; one of them may be a number.
        assume_unique: accepted; it changes nothing.
        invert: whether it is not.
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin(): expected elements or test_elements to be a Tensor, got two numbers")
    dtype = result_type(elements, test_elements)
    pair = (elements, test_elements)
    x, y = (plain(as_operand(wrap(np.asarray(v)) if isinstance(v, NUMBERS) else v, dtype)) for v in pair)
    if dtype.is_complex or x.dtype.kind == "b":
        raise DtypeError(f"isin(): unsupported input type: {dtype}")
    xp = array_module(x)
    x, tests = sortable(x), xp.sort(sortable(y).reshape(-1))
    if tests.size:
        # not np.isin, which warns on bfloat16: the first test element not below x either equals it or none does
        at = xp.searchsorted(tests, x)
        found = tests[xp.minimum(at, tests.size - 1)] == x
    else:
        found = xp.zeros(x.shape, bool)
    result = wrap(xp.asarray(~found if invert else found))
    return result if out is None else into(out, result, "isin")
