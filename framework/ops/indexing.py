"""Indexing with integers, slices, masks and index tensors, and assignment through them.

An index is taken apart in two: what gives a view (integers, slices, None, ``...``) comes first, then the index tensors
and masks, which gather from that view. That is PyTorch's order; NumPy counts integers among the index arrays.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view, bump, check_writable, inplace
from framework.devices import array_module
from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.casting import NUMBERS, cast
from framework.tensor import Tensor

Index = tuple[Any, ...]
_WHOLE = slice(None)


class GetItem(Op):
    """``x[index]`` with a plain index: a view for slices and integers, a copy for index arrays."""

    name = "Slice"

    def forward(self, x: Any, index: Any) -> Any:
        self.shape, self.index = x.shape, index
        return x[index]

    def backward(self, g: Any) -> Any:
        return place(g, self.shape, self.index)


class Place(Op):
    """A gradient put back where ``GetItem`` took its values: zeros elsewhere, repeated places add up."""

    def forward(self, g: Any, shape: tuple[int, ...], index: Any) -> Any:
        self.index = index
        out = array_module(g).zeros(shape, g.dtype)
        if is_basic(index):
            out[index] = g
        else:
            add_index(out, index, g)
        return out

    def backward(self, g: Any) -> Any:
        return apply(GetItem, g, index=self.index)


class IndexPut(Op):
    """A copy of ``x`` with ``values`` stored at, or added to, an index."""

    broadcasts = True

    def forward(self, x: Any, values: Any, index: Index, accumulate: bool = False) -> Any:
        self.index, self.accumulate = index, accumulate
        out = x.copy()
        if accumulate:
            add_index(out, index, values)
        else:
            out[index] = values
        return out

    def backward(self, g: Any) -> Any:
        gx = None
        if self.needs[0]:
            gx = g if self.accumulate else apply(IndexPut, g, 0, index=self.index)
        return gx, apply(GetItem, g, index=self.index) if self.needs[1] else None


def place(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros of ``shape`` with ``g`` added at ``index``."""
    return apply(Place, g, shape=tuple(shape), index=index)


def add_index(out: Any, index: Index, values: Any) -> None:
    """``out[index] += values`` in place, repeated places adding up; ``index`` holds whole slices and index arrays."""
    xp = array_module(out)
    rows: Any
    if len(index) == 1 and out.ndim > 1 and out.flags.c_contiguous:  # whole rows: nothing to rearrange
        rows = xp.where(index[0] < 0, index[0] + out.shape[0], index[0])
        values = xp.broadcast_to(xp.asarray(values, out.dtype), (*rows.shape, *out.shape[1:]))
        rows, values = rows.reshape(-1), values.reshape((rows.size, *out.shape[1:]))
        choose("scatter", out, rows).add_rows(out, rows, values)
        return
    where = [axis for axis, item in enumerate(index) if not isinstance(item, slice)]
    picked = xp.broadcast_arrays(*[index[axis] for axis in where])
    rest = [axis for axis in range(out.ndim) if axis not in where]
    order = (*where, *rest)
    rows = 0
    for axis, item in zip(where, picked, strict=True):
        length = out.shape[axis]
        rows = rows * length + xp.where(item < 0, item + length, item)
    adjacent = where[-1] - where[0] + 1 == len(where)
    first = where[0] if adjacent else 0  # the index arrays' dims stand where the first was, or in front
    ndim = picked[0].ndim
    shape = [out.shape[axis] for axis in rest]
    shape[first:first] = picked[0].shape
    values = xp.broadcast_to(xp.asarray(values), shape)
    values = xp.moveaxis(values, tuple(range(first, first + ndim)), tuple(range(ndim)))
    count = int(np.prod([out.shape[axis] for axis in where], dtype=np.int64))
    table = xp.ascontiguousarray(out.transpose(order)).reshape((count, *(out.shape[axis] for axis in rest)))
    values = values.reshape((rows.size, *table.shape[1:])).astype(out.dtype, copy=False)
    choose("scatter", table, rows).add_rows(table, rows.reshape(-1), values)
    moved = out.transpose(order)
    moved[...] = table.reshape(moved.shape)


def is_basic(index: Any) -> bool:
    """Whether an index holds only integers, slices, None and ``...``, and so gives a view."""
    items = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, slice | int | np.integer) for i in items) and not any(
        isinstance(i, bool) for i in items
    )


def _as_items(index: Any) -> tuple[Any, ...]:
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
    for item in _as_items(index):
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


def _gather_index(input: Any, index: Index) -> Any:
    """``input[index]`` for an index of whole slices and index arrays."""
    try:
        return apply(GetItem, input, index=index)
    except IndexError as error:
        raise _index_error(error) from None


def _index_error(error: IndexError) -> BoundsError:
    if "broadcast" in str(error):
        shapes = ", ".join(re.findall(r"\([\d,]*\)", str(error)))
        return BoundsError(
            f"index: shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        )
    return BoundsError(str(error).replace("axis", "dimension"))


def _is_whole(basic: Index) -> bool:
    return all(item is Ellipsis or (isinstance(item, slice) and item == _WHOLE) for item in basic)


def _full_mask(input: Any, index: Any) -> Any:
    """The mask's array, if an index is one bool tensor of the input's shape."""
    if isinstance(index, Tensor) and index.array.dtype.kind == "b" and index.array.ndim:
        shape = (input.array if isinstance(input, Tensor) else input).shape
        return index.array if index.array.shape == shape else None
    return None


def getitem(input: Any, index: Any) -> Any:
    """``input[index]``: a view for integers, slices, None and ``...``; a copy where masks or index tensors take part.

    Raises:
        BoundsError: an index is out of range, or there are more of them than dims.
    """
    mask = _full_mask(input, index)
    if mask is not None:
        from framework.ops.masking import MaskedSelect

        return apply(MaskedSelect, input, mask=mask)
    basic, advanced = split_index(input, index)
    if advanced is None:
        return apply_view(GetItem, input, index=basic)
    region = input if _is_whole(basic) else apply_view(GetItem, input, index=basic)
    return _gather_index(region, advanced)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, with gradients to both. The value is a number or a tensor that broadcasts."""
    if not isinstance(value, (Tensor, *NUMBERS, np.generic)):
        raise TypeError(f"can't assign a {type(value).__name__} to a tensor; make a tensor of it first")
    if isinstance(value, complex) and input.array.dtype.kind != "c":
        raise ArgumentError(f"index_put: the value {value} cannot be converted to type {input.dtype} without overflow")
    mask = _full_mask(input, index)
    if mask is not None and (not isinstance(value, Tensor) or value.array.size == 1):
        from framework.ops.masking import masked_fill

        inplace(masked_fill, "index_put_")(input, index, value.reshape(()) if isinstance(value, Tensor) else value)
        return
    basic, advanced = split_index(input, index)
    region = input if advanced is not None and _is_whole(basic) else apply_view(GetItem, input, index=basic)
    if advanced is None:
        if isinstance(value, Tensor):
            region.copy_(_without_leading(value, region.ndim))
        else:
            region.fill_(value)
        return
    if isinstance(value, Tensor):
        if mask is not None or isinstance(index, bool):
            value = cast(value, input.dtype)
        shape = _result_shape(region, advanced)
        value = _without_leading(value, len(shape))
        _check_values(region, value, shape)
    _put(region, advanced, value)


def _put(region: Tensor, index: Index, value: Any) -> None:
    if region.requires_grad or (isinstance(value, Tensor) and value.requires_grad):
        inplace(lambda t: apply(IndexPut, t, value, index=index), "index_put_")(region)
        return
    check_writable(region, "index_put_")
    try:
        region.array[index] = value.array if isinstance(value, Tensor) else value
    except IndexError as error:
        raise _index_error(error) from None
    bump(region, "index_put_")


def _without_leading(value: Tensor, ndim: int) -> Tensor:
    """A value without the dims of length 1 that it has in front beyond those of where it goes."""
    extra = value.ndim - ndim
    return value.reshape(value.shape[extra:]) if extra > 0 and set(value.shape[:extra]) == {1} else value


def _result_shape(region: Any, index: Index) -> tuple[int, ...]:
    array = region.array if isinstance(region, Tensor) else region
    where = [axis for axis, item in enumerate(index) if not isinstance(item, slice)]
    try:
        common = np.broadcast_shapes(*[index[axis].shape for axis in where])
    except ValueError:
        shapes = ", ".join(str(list(index[axis].shape)) for axis in where)
        raise BoundsError(
            f"index: shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    shape = [n for axis, n in enumerate(array.shape) if axis not in where]
    first = where[0] if where[-1] - where[0] + 1 == len(where) else 0
    shape[first:first] = common
    return tuple(shape)


def _check_values(region: Any, values: Any, shape: tuple[int, ...]) -> None:
    if isinstance(values, Tensor) and isinstance(region, Tensor) and values.array.dtype != region.array.dtype:
        raise DtypeError(
            f"index_put: requires the source and destination dtypes match, got {region.dtype} for the destination and "
            f"{values.dtype} for the source"
        )
    given = tuple(values.shape)
    if len(given) > len(shape) or any(n not in (1, m) for n, m in zip(given[::-1], shape[::-1], strict=False)):
        raise ShapeError(
            f"index_put: shape mismatch: value tensor of shape {list(given)} cannot be broadcast to indexing result of "
            f"shape {list(shape)}"
        )


def index_put(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """A copy with ``values`` stored at ``input[indices]``; ``indices`` is a tuple of index tensors and masks.

    Args:
        values: tensor of the input's dtype that broadcasts to the shape of ``input[indices]``.
        accumulate: add instead; repeated places then add up.
    """
    if isinstance(indices, Tensor):
        raise TypeError("index_put(): argument 'indices' must be tuple of Tensors, not Tensor")
    if any(not isinstance(i, Tensor | np.ndarray) for i in indices):
        raise TypeError("index_put(): argument 'indices' must be tuple of Tensors")
    indices = [i.reshape((1,)) if i.ndim == 0 and _is_integer(i) else i for i in indices]
    basic, advanced = split_index(input, tuple(indices))
    if advanced is None or not _is_whole(basic):  # a 0-d mask: all of it or nothing
        from framework.ops.selection import where

        holds = bool(np.all([bool(i) for i in indices])) if indices else True
        return where(np.asarray(holds), input + values if accumulate else values, input) if holds else input.clone()
    _check_values(input, values, _result_shape(input, advanced))
    try:
        return apply(IndexPut, input, values, index=advanced, accumulate=accumulate)
    except IndexError as error:
        raise _index_error(error) from None


def _is_integer(i: Any) -> bool:
    kind = (i.array if isinstance(i, Tensor) else i).dtype
    return kind.kind in "iu" and kind != np.uint8


class Overwrite(Op):
    """A tensor's history after all its elements were replaced: none of the old, all of the new."""

    name = "copy_"
    broadcasts = True

    def forward(self, x: Any, src: Any) -> Any:
        out = array_module(x).empty_like(x)
        out[...] = src
        return out

    def backward(self, g: Any) -> Any:
        return g * 0 if self.needs[0] else None, g if self.needs[1] else None


def overwrite(input: Tensor, src: Any, name: str) -> Tensor:
    """Replace all elements by ``src`` (a tensor or a number), in place and with history."""
    check_writable(input, name)
    if isinstance(src, Tensor):
        src = cast(src.to(input.device), input.dtype)
        shape, given = input.array.shape, src.array.shape
        if given != shape and (
            len(given) > len(shape) or any(n not in (1, m) for n, m in zip(given[::-1], shape[::-1], strict=False))
        ):
            raise ShapeError(f"{name}: the expanded size {tuple(shape)} must match the existing size {tuple(given)}")
    if input.requires_grad or (isinstance(src, Tensor) and src.requires_grad):
        return inplace(lambda t: apply(Overwrite, t, src), name)(input)
    input.array[...] = src.array if isinstance(src, Tensor) else src
    bump(input, name)
    return input
