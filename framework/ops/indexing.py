"""Indexing with slices, masks and index arrays, and assignment through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view, bump, check_writable, inplace
from framework.devices import array_module
from framework.errors import DimensionError
from framework.ops.casting import cast
from framework.tensor import Tensor, wrap


class GetItem(Op):
    """``x[index]``: a view for slices and integers, a copy for masks and index arrays."""

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
        xp = array_module(g)
        out = xp.zeros(shape, g.dtype)
        if is_basic(index):
            out[index] = g
        else:
            xp.add.at(out, index, g)
        return out

    def backward(self, g: Any) -> Any:
        return getitem(g, self.index)


def place(g: Any, shape: tuple[int, ...], index: Any) -> Any:
    """Zeros of ``shape`` with ``g`` added at ``index``."""
    return apply(Place, g, shape=shape, index=index)


def is_basic(index: Any) -> bool:
    """Whether an index holds only integers, slices, None and ``...``, and so gives a view."""
    items = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, slice | int | np.integer) for i in items) and not any(
        isinstance(i, bool) for i in items
    )


def plain_index(index: Any) -> Any:
    """An index with Tensors turned into arrays and lists into index arrays."""
    if isinstance(index, tuple):
        return tuple(_plain_item(i) for i in index)
    return _plain_item(index)


def _plain_item(item: Any) -> Any:
    if isinstance(item, Tensor):
        if item.array.ndim == 0 and item.array.dtype.kind in "iu":
            return int(item.array)
        return item.array != 0 if item.array.dtype == np.uint8 else item.array
    if isinstance(item, list):
        return np.asarray([_plain_item(i) for i in item]) if item else np.empty(0, np.int64)
    if isinstance(item, slice):
        return slice(*(None if v is None else int(v) for v in (item.start, item.stop, item.step)))
    return item


def getitem(input: Any, index: Any) -> Any:
    """``input[index]``."""
    index = plain_index(index)
    try:
        return apply_view(GetItem, input, index=index) if is_basic(index) else apply(GetItem, input, index=index)
    except IndexError as error:
        raise DimensionError(f"index: {error}, for a tensor of shape {tuple(input.shape)}") from None


class IndexPut(Op):
    """A copy of ``x`` with ``values`` stored at an index."""

    def forward(self, x: Any, values: Any, index: Any) -> Any:
        self.index = index
        out = x.copy()
        out[index] = values
        return out

    def backward(self, g: Any) -> Any:
        zero = apply(IndexPut, g, 0, index=self.index) if self.needs[0] else None
        return zero, getitem(g, self.index) if self.needs[1] else None

    broadcasts = True


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, with gradients to both."""
    index = plain_index(index)
    value = cast(value, input.dtype) if isinstance(value, Tensor) else value
    if is_basic(index):
        region = getitem(input, index)
        region.copy_(value) if isinstance(value, Tensor) else region.fill_(value)
    elif input.requires_grad or (isinstance(value, Tensor) and value.requires_grad):
        put = inplace(lambda t: apply(IndexPut, t, value, index=index), "index_put_")
        put(input)
    else:
        check_writable(input, "index_put_")
        input.array[index] = value.array if isinstance(value, Tensor) else value
        bump(input, "index_put_")


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The indices of the elements that are not zero: (count, ndim) int64, or with ``as_tuple`` one tensor a dim."""
    found = array_module(input.array).nonzero(np.atleast_1d(input.array))
    if as_tuple:
        return tuple(wrap(i) for i in found)
    columns = found[: input.array.ndim]
    xp = array_module(input.array)
    return wrap(xp.stack(columns, 1) if columns else xp.empty((len(found[0]), 0), np.int64))


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
    if input.requires_grad or (isinstance(src, Tensor) and src.requires_grad):
        return inplace(lambda t: apply(Overwrite, t, src), name)(input)
    input.array[...] = src.array if isinstance(src, Tensor) else src
    bump(input, name)
    return input
