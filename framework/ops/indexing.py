"""Indexing with integers, slices, masks and index tensors, and assignment through them.

An index is taken apart in two: what gives a view (integers, slices, None, ``...``) comes first, then the index tensors
and masks, which gather from that view. That is PyTorch's order; NumPy counts integers among the index arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.mode import _enabled
from framework.autograd.op import Op, apply
from framework.autograd.views import bump, check_writable, inplace
from framework.devices import array_module, store
from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.casting import NUMBERS, cast
from framework.ops.index_items import Index, full_mask, index_error, is_basic, is_whole, plain_index, split_index
from framework.ops.viewing import viewed
from framework.tensor import Tensor


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
        given = xp.asarray(index[0])
        rows = xp.where(given < 0, given + out.shape[0], given)
        values = xp.broadcast_to(xp.asarray(values, out.dtype), (*rows.shape, *out.shape[1:]))
        rows, values = rows.reshape(-1), values.reshape((rows.size, *out.shape[1:]))
        choose("scatter", out, rows).add_rows(out, rows, values)
        return
    where = [axis for axis, item in enumerate(index) if not isinstance(item, slice)]
    picked = xp.broadcast_arrays(*[xp.asarray(index[axis]) for axis in where])
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


def _gather_index(input: Any, index: Index) -> Any:
    """``input[index]`` for an index of whole slices and index arrays."""
    try:
        return apply(GetItem, input, index=index)
    except IndexError as error:
        raise index_error(error) from None


def getitem(input: Any, index: Any) -> Any:
    """``input[index]``: a view for integers, slices, None and ``...``; a copy where masks or index tensors take part.

    Raises:
        BoundsError: an index is out of range, or there are more of them than dims.
    """
    plain = plain_index(index)
    if plain is not None:
        try:
            return viewed(GetItem, input, index=plain)
        except IndexError:  # the words for it come below
            pass
    mask = full_mask(input, index)
    if mask is not None:
        from framework.ops.masking import MaskedSelect

        return apply(MaskedSelect, input, mask=mask)
    basic, advanced = split_index(input, index)
    if advanced is None:
        return viewed(GetItem, input, index=basic)
    region = input if is_whole(basic) else viewed(GetItem, input, index=basic)
    return _gather_index(region, advanced)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, with gradients to both. The value is a number or a tensor that broadcasts."""
    if isinstance(value, Tensor) and _stored(input, index, value):
        return
    if not isinstance(value, (Tensor, *NUMBERS, np.generic)):
        raise TypeError(f"can't assign a {type(value).__name__} to a tensor; make a tensor of it first")
    if isinstance(value, complex) and input.array.dtype.kind != "c":
        raise ArgumentError(f"index_put: the value {value} cannot be converted to type {input.dtype} without overflow")
    mask = full_mask(input, index)
    if mask is not None and (not isinstance(value, Tensor) or value.array.size == 1):
        from framework.ops.masking import masked_fill

        inplace(masked_fill, "index_put_")(input, index, value.reshape(()) if isinstance(value, Tensor) else value)
        return
    basic, advanced = split_index(input, index)
    region = input if advanced is not None and is_whole(basic) else viewed(GetItem, input, index=basic)
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


def _stored(input: Tensor, index: Any, value: Tensor) -> bool:
    """``input[index] = value`` in few steps where no gradient is recorded; False, with nothing done, for other calls."""
    array, source = input.array, value.array
    if type(array) is not type(source) or array.dtype != source.dtype or 0 in array.strides or input._detached_copy:
        return False
    if _enabled.get() and (input.requires_grad or value.requires_grad):
        return False
    place = plain_index(index)
    if place is None:
        return False
    try:
        array[place] = source
    except (IndexError, ValueError):
        return False
    bump(input, "copy_")
    return True


def _put(region: Tensor, index: Index, value: Any) -> None:
    if region.requires_grad or (isinstance(value, Tensor) and value.requires_grad):
        inplace(lambda t: apply(IndexPut, t, value, index=index), "index_put_")(region)
        return
    check_writable(region, "index_put_")
    try:
        store(region.array, index, value.array if isinstance(value, Tensor) else value)
    except IndexError as error:
        raise index_error(error) from None
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
    if region() is not None:
        return recast(index_put, locals())
    if isinstance(indices, Tensor):
        raise TypeError("index_put(): argument 'indices' must be tuple of Tensors, not Tensor")
    if any(not isinstance(i, Tensor | np.ndarray) for i in indices):
        raise TypeError("index_put(): argument 'indices' must be tuple of Tensors")
    indices = [i.reshape((1,)) if i.ndim == 0 and _is_integer(i) else i for i in indices]
    basic, advanced = split_index(input, tuple(indices))
    if advanced is None or not is_whole(basic):  # a 0-d mask: all of it or nothing
        from framework.ops.selection import where

        holds = bool(np.all([bool(i) for i in indices])) if indices else True
        return where(np.asarray(holds), input + values if accumulate else values, input) if holds else input.clone()
    _check_values(input, values, _result_shape(input, advanced))
    try:
        return apply(IndexPut, input, values, index=advanced, accumulate=accumulate)
    except IndexError as error:
        raise index_error(error) from None


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
    store(input.array, ..., src.array if isinstance(src, Tensor) else src)
    bump(input, name)
    return input
