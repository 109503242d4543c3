"""Taking an index apart: what gives a view, and what gathers from that view.

Integers, slices, None and ``...`` come first, then the index tensors and masks. That is PyTorch's order; NumPy counts
integers among the index arrays.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.errors import ArgumentError, BoundsError
from framework.tensor import Tensor

Index = tuple[Any, ...]
_WHOLE = slice(None)


def is_basic(index: Any) -> bool:
    """Whether an index holds only integers, slices, None and ``...``, and so gives a view."""
    items = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, slice | int | np.integer) for i in items) and not any(
        isinstance(i, bool) for i in items
    )


def plain_index(index: Any) -> Index | None:
    """An index of ints, forward slices, None and ``...`` as NumPy takes it to give a view; None for any other.

    It is the short way past ``split_index``, which finds the words for what is wrong.
    """
    items = index if type(index) is tuple else (index,)
    whole = False
    for item in items:
        kind = type(item)
        if kind is slice:
            if item.step is not None or type(item.start) not in _BOUNDS or type(item.stop) not in _BOUNDS:
                return None
        elif item is Ellipsis:
            if whole:
                return None
            whole = True
        elif kind is not int and item is not None:
            return None
    return items if whole else (*items, Ellipsis)  # the ... keeps NumPy from giving a scalar


_BOUNDS = (int, type(None))


def as_items(index: Any) -> tuple[Any, ...]:
    """The items of an index. A short list that holds sequences, slices, tensors, None or ``...`` counts as a tuple."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32:
        for item in index:
            if item is None or item is Ellipsis or isinstance(item, slice | Tensor | list | tuple | range | np.ndarray):
                return tuple(index)
    return (index,)


def _index_array(item: Any, like: Any) -> Any:
    """An index tensor, array or sequence as an array of bools or int64."""
    if isinstance(item, Tensor):
        array = item.array
        if array.dtype.kind not in "biu" or (array.dtype.kind != "b" and array.dtype not in _TENSOR_INDEX_TYPES):
            raise BoundsError(
                f"index: tensors used as indices must be long, int, byte or bool tensors, got {item.dtype}"
            )
    elif isinstance(item, np.ndarray) or hasattr(item, "__cuda_array_interface__"):
        array = item
    elif isinstance(item, str):
        raise TypeError(f"index: expected integers, slices or tensors, got the string {item!r}")
    elif isinstance(item, Sequence):
        from framework.ops.values import as_array

        array = as_array(list(item), None, None, copy=False) if len(item) else np.empty(0, np.int64)
    else:
        raise BoundsError(
            "index: only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
            f"(got {type(item).__name__})"
        )
    if array.dtype == np.uint8:
        array = np.asarray(array != 0) if isinstance(array, np.ndarray) else array != 0
    if array.dtype.kind not in "biu":
        raise BoundsError(f"index: tensors used as indices must be long, int, byte or bool tensors, got {array.dtype}")
    xp = array_module(like)
    array = xp.asarray(array) if xp is not np or isinstance(array, np.ndarray) else array.get()
    return array if array.dtype.kind == "b" else array.astype(np.int64, copy=False)


_TENSOR_INDEX_TYPES = (np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.int64))


def _plain_slice(item: slice) -> slice:
    try:
        start, stop, step = (None if v is None else operator.index(v) for v in (item.start, item.stop, item.step))
    except TypeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None
    if step is not None and step <= 0:
        raise ArgumentError(f"index: step must be greater than zero, got {step}; use flip() to reverse a dim")
    return slice(start, stop, step)


def _consumes(item: Any) -> int:
    """How many of the tensor's dims an index item speaks of."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if hasattr(item, "dtype") and item.dtype.kind == "b" else 1


def split_index(input: Any, index: Any) -> tuple[Index, Index | None]:
    """An index as the part that gives a view, and the index arrays that gather from that view (or None).

    Raises:
        BoundsError: an index is out of range, there are too many, or a mask does not fit.
    """
    array = input.array if isinstance(input, Tensor) else input
    shape = array.shape
    basic: list[Any] = []
    advanced: dict[int, Any] = {}
    items: list[Any] = []
    for item in as_items(index):
        if type(item) is int or item is None or item is Ellipsis:
            items.append(item)
        elif isinstance(item, slice):
            items.append(_plain_slice(item))
        elif isinstance(item, bool | np.bool_):
            items.append(np.asarray(item))
        elif isinstance(item, int | np.integer):
            items.append(int(item))
        else:
            found = _index_array(item, array)
            items.append(int(found) if found.ndim == 0 and found.dtype.kind != "b" else found)
    specified = sum(_consumes(item) for item in items)
    if specified > len(shape):
        if not shape:
            raise BoundsError("index: invalid index of a 0-dim tensor; use item() to convert it to a number")
        raise BoundsError(f"index: too many indices for tensor of dimension {len(shape)}: got {specified}")
    dim = out = 0
    hidden = len(shape) - specified
    for item in items:
        if item is None:
            basic.append(None)
            out += 1
        elif item is Ellipsis:
            basic.extend([_WHOLE] * hidden)
            dim, out, hidden = dim + hidden, out + hidden, 0
        elif isinstance(item, slice):
            basic.append(item)
            dim, out = dim + 1, out + 1
        elif isinstance(item, int):
            if not -shape[dim] <= item < shape[dim]:
                raise BoundsError(f"index {item} is out of bounds for dimension {dim} with size {shape[dim]}")
            basic.append(item)
            dim += 1
        elif item.dtype.kind != "b":
            basic.append(_WHOLE)
            advanced[out] = item
            dim, out = dim + 1, out + 1
        elif item.ndim == 0:  # a bool is a mask over a new dim of length 1
            basic.append(None)
            advanced[out] = np.zeros(int(item), np.int64)
            out += 1
        else:
            for k, n in enumerate(item.shape):
                if n != shape[dim + k]:
                    raise BoundsError(
                        f"index: the shape of the mask {list(item.shape)} at index {k} does not match the shape of the "
                        f"indexed tensor {list(shape)} at index {dim + k}"
                    )
            for part in item.nonzero():
                basic.append(_WHOLE)
                advanced[out] = part
                dim, out = dim + 1, out + 1
    if not advanced:
        return (*basic, Ellipsis), None  # the ... keeps NumPy from giving a scalar
    return tuple(basic), tuple(advanced.get(axis, _WHOLE) for axis in range(max(advanced) + 1))


def index_error(error: IndexError) -> BoundsError:
    """NumPy's error for a wrong index, in our class and words."""
    if "broadcast" in str(error):
        shapes = ", ".join(re.findall(r"\([\d,]*\)", str(error)))
        return BoundsError(
            f"index: shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        )
    return BoundsError(str(error).replace("axis", "dimension"))


def is_whole(basic: Index) -> bool:
    """Whether the part of an index that gives a view takes everything."""
    return all(item is Ellipsis or (isinstance(item, slice) and item == _WHOLE) for item in basic)


def full_mask(input: Any, index: Any) -> Any:
    """The mask's array, if an index is one bool tensor of the input's shape."""
    if isinstance(index, Tensor) and index.array.dtype.kind == "b" and index.array.ndim:
        shape = (input.array if isinstance(input, Tensor) else input).shape
        return index.array if index.array.shape == shape else None
    return None
