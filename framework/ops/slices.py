"""Parts of a tensor as views (one entry, a range, sliding windows, any strides), and copies with one replaced."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, ShapeError
from framework.ops.casting import cast, into
from framework.ops.dims import normalize_dim, numpy_names
from framework.ops.indexing import getitem, place
from framework.ops.storage import offset_of, strided
from framework.ops.viewing import viewed
from framework.tensor import Tensor


class Slice(Op):
    """A range of an axis, or one entry of it, given as a basic index."""

    def forward(self, x: Any, index: tuple[Any, ...]) -> Any:
        self.shape, self.index = x.shape, index
        return x[(*index, ...)]  # with the ellipsis a 0-d result is an array, and so a view

    def backward(self, g: Any) -> Any:
        return place(g, self.shape, self.index)


class Select(Slice):
    """One entry of an axis."""


def index_number(index: Any) -> int:
    """A position given as a Python number or a 0-d integer tensor."""
    if isinstance(index, Tensor):
        if index.ndim or index.array.dtype.kind not in "iu":
            raise ArgumentError(
                f"expected a number or a 0-dim integral Tensor, got {index.dtype} of shape {tuple(index.shape)}"
            )
        return int(index.item())
    return operator.index(index)


@numpy_names
def select(input: Any, dim: int, index: Any) -> Any:
    """The tensor at one position of a dim, which disappears. A view."""
    if not input.ndim:
        raise DimensionError("select: cannot be applied to a 0-d tensor")
    axis, at = normalize_dim(dim, input.ndim), index_number(index)
    length = input.shape[axis]
    if not -length <= at < length:
        raise DimensionError(
            f"select: index {at} out of range for tensor of size {list(input.shape)} at dimension {axis}"
        )
    return viewed(Select, input, index=(*(slice(None),) * axis, at % length))


@numpy_names
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """``length`` entries of a dim from ``start`` on. A view."""
    if not input.ndim:
        raise DimensionError("narrow: cannot be applied to a 0-d tensor")
    axis, first = normalize_dim(dim, input.ndim), index_number(start)
    total = input.shape[axis]
    if length < 0:
        raise ArgumentError(f"narrow: length must be non-negative, got {length}")
    if not -total <= first <= total:
        raise DimensionError(f"narrow: start {first} out of range (expected to be in range of [{-total}, {total}])")
    first += total if first < 0 else 0
    if first + length > total:
        raise ArgumentError(f"narrow: start ({first}) + length ({length}) exceeds dimension size ({total})")
    return viewed(Slice, input, index=(*(slice(None),) * axis, slice(first, first + length)))


def sliced(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    """``input[start:end:step]`` along ``dim``. A view."""
    return viewed(Slice, input, index=(*(slice(None),) * normalize_dim(dim, input.ndim), slice(start, end, step)))


class Unfold(Op):
    """Sliding windows along an axis, as a view whose last axis runs inside the window."""

    def forward(self, x: Any, axis: int, size: int, step: int) -> Any:
        self.shape, self.axis, self.size, self.step = x.shape, axis, size, step
        if not x.ndim:
            return strided(x, (size,), (x.itemsize,))
        count = (x.shape[axis] - size) // step + 1
        shape = (*x.shape[:axis], count, *x.shape[axis + 1 :], size)
        strides = (*x.strides[:axis], x.strides[axis] * step, *x.strides[axis + 1 :], x.strides[axis])
        return strided(x, shape, strides)

    def backward(self, g: Any) -> Any:
        return apply(Refold, g, shape=self.shape, axis=self.axis, size=self.size, step=self.step)


class Refold(Op):
    """Windows added back to where ``Unfold`` took them."""

    def forward(self, g: Any, shape: tuple[int, ...], axis: int, size: int, step: int) -> Any:
        self.axis, self.size, self.step = axis, size, step
        xp = array_module(g)
        if not shape:
            return g.sum(axis=-1).reshape(()) if size else xp.zeros((), g.dtype)
        out = xp.zeros(shape, g.dtype)
        along = xp.moveaxis(out, axis, 0)
        windows = xp.moveaxis(g, axis, 0)  # (count, ..., size)
        count = windows.shape[0]
        if size <= count:
            for k in range(size):
                along[k : k + count * step : step][:count] += windows[..., k]
        else:
            for i in range(count):
                along[i * step : i * step + size] += xp.moveaxis(windows[i], -1, 0)
        return out

    def backward(self, g: Any) -> Any:
        return apply(Unfold, g if g.ndim == 0 else _dense(g), axis=self.axis, size=self.size, step=self.step)


def _dense(g: Any) -> Any:
    from framework.ops.memory import contiguous

    return contiguous(g) if isinstance(g, Tensor) else array_module(g).ascontiguousarray(g)


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of ``size`` entries of a dim, one every ``step``; the windows' own dim comes last. A view.

    Example:
        >>> framework.arange(5).unfold(0, 2, 1).shape
        framework.Size([4, 2])
    """
    axis = normalize_dim(dimension, input.ndim)
    length = input.shape[axis] if input.ndim else 1
    if size < 0:
        raise ArgumentError(f"unfold: size is {size} but must be >= 0")
    if size > length:
        raise ArgumentError(f"unfold: maximum size for tensor at dimension {axis} is {length} but size is {size}")
    if step <= 0:
        raise ArgumentError(f"unfold: step is {step} but must be > 0")
    return apply_view(Unfold, input, axis=axis, size=size, step=step)


class AsStrided(Op):
    """The memory read with other strides, which are in elements; ``offset`` counts from the input's first element."""

    def forward(self, x: Any, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
        self.shape, self.size, self.stride, self.offset = x.shape, size, stride, offset
        self.steps = tuple(s // x.itemsize for s in x.strides)
        return strided(x, size, tuple(s * x.itemsize for s in stride), offset * x.itemsize)

    def backward(self, g: Any) -> Any:
        # through a flat memory that holds the input and the output: elements read twice add up, elements that share a
        # place in the input share its gradient
        shift = max(0, -self.offset)
        span = 1 + max(_reach(self.shape, self.steps), self.offset + _reach(self.size, self.stride)) + shift
        memory = place(g, (span,), (positions(self.size, self.stride, self.offset + shift),))
        where = positions(self.shape, self.steps, shift)
        shared = np.bincount(where.reshape(-1), minlength=span)[where]
        taken = getitem(memory, (where,))
        if not shared.size or shared.max() <= 1:
            return taken
        return taken / array_module(g.array if isinstance(g, Tensor) else g).asarray(shared.astype(np.float32))


def _reach(shape: tuple[int, ...], steps: tuple[int, ...]) -> int:
    return sum((n - 1) * s for n, s in zip(shape, steps, strict=True)) if 0 not in shape else 0


def positions(shape: tuple[int, ...], steps: tuple[int, ...], offset: int) -> np.ndarray[Any, Any]:
    """Where in a flat memory each element of an array with these strides (in elements) lies."""
    where = np.full(shape, offset, np.int64)
    for axis, (n, s) in enumerate(zip(shape, steps, strict=True)):
        where += (np.arange(n) * s).reshape((n,) + (1,) * (len(shape) - axis - 1))
    return where


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the tensor's memory with any shape and strides, in elements, from ``storage_offset`` on."""
    size, stride, offset = _geometry(input, size, stride, storage_offset)
    return apply_view(AsStrided, input, size=size, stride=stride, offset=offset)


def _geometry(input: Tensor, size: Any, stride: Any, storage_offset: int | None) -> tuple[Any, Any, int]:
    size, stride = tuple(int(n) for n in size), tuple(int(s) for s in stride)
    if len(size) != len(stride):
        raise ShapeError(f"as_strided: mismatch in length of strides and shape: size {size}, stride {stride}")
    if any(s < 0 for s in stride):
        raise ShapeError(f"as_strided: negative strides are not supported, got {stride}")
    if any(n < 0 for n in size) or (storage_offset is not None and storage_offset < 0):
        raise ShapeError(f"as_strided: sizes and storage_offset must be non-negative, got {size} and {storage_offset}")
    start = 0 if storage_offset is None else storage_offset - offset_of(input.array)
    return size, stride, start


class Replace(Op):
    """A copy of the input whose region, as a view op takes it, holds other values."""

    name = "Scatter"

    def forward(self, x: Any, src: Any, view: type[Op], params: dict[str, Any], order: tuple[int, ...] | None) -> Any:
        self.view, self.params, self.shape = view, params, src.shape
        if order is None:
            order = tuple(sorted(range(x.ndim), key=lambda axis: (-x.strides[axis], axis)))
        self.order = order
        inverse = np.argsort(order) if order else ()
        out = x.transpose(order).copy(order="C").transpose(tuple(int(i) for i in inverse))
        apply(view, out, **params)[...] = src
        return out

    def backward(self, g: Any) -> Any:
        from framework.ops.memory import clone

        xp = array_module(g.array if isinstance(g, Tensor) else g)
        zero = xp.zeros(self.shape, g.array.dtype if isinstance(g, Tensor) else g.dtype)
        rest = apply(Replace, g, zero, view=self.view, params=self.params, order=self.order) if self.needs[0] else None
        if not self.needs[1]:
            return rest, None
        laid = g
        if self.view is AsStrided:
            inverse = tuple(int(i) for i in np.argsort(self.order))
            laid = clone(_dense(g.transpose(self.order) if not isinstance(g, Tensor) else g.permute(self.order)))
            laid = laid.permute(inverse) if isinstance(laid, Tensor) else laid.transpose(inverse)
        part = apply(self.view, laid, **self.params)
        return rest, part.clone() if isinstance(part, Tensor) else part.copy()


def _replace(name: str, input: Any, src: Any, region: Any, view: type[Op], params: dict[str, Any]) -> Any:
    if tuple(region.shape) != tuple(src.shape):
        raise ShapeError(
            f"{name}: expected src to have a size equal to the slice of self: src size {list(src.shape)}, slice size "
            f"{list(region.shape)}"
        )
    src = cast(src, input.dtype) if isinstance(src, Tensor) else src
    return apply(Replace, input, src, view=view, params=params, order=None)


def _step(region: Any) -> tuple[type[Op], dict[str, Any]]:
    """The view op that made a region out of a detached tensor, as the region remembers it."""
    return region._view.steps[-1]  # type: ignore[no-any-return]


@numpy_names
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """A copy of the tensor with ``src`` at one position of a dim."""
    region = select(input.detach(), dim, index)
    return _replace("select_scatter", input, src, region, *_step(region))


@numpy_names
def slice_scatter(
    input: Any,
    src: Any,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Any = None,
) -> Any:
    """A copy of the tensor with ``src`` in ``[start:end:step]`` of a dim."""
    if step <= 0:
        raise ArgumentError(f"slice_scatter: step must be positive, got {step}")
    region = sliced(input.detach(), dim, start, end, step)
    y = _replace("slice_scatter", input, src, region, *_step(region))
    return y if out is None else into(out, y)


def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A copy of the tensor with ``src`` on a diagonal."""
    from framework.ops.diagonals import diagonal

    region = diagonal(input.detach(), offset, dim1, dim2)
    return _replace("diagonal_scatter", input, src, region, *_step(region))


def as_strided_scatter(input: Any, src: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A copy of the tensor with ``src`` in the elements that ``as_strided`` would show."""
    region = as_strided(input.detach(), size, stride, storage_offset)
    return _replace("as_strided_scatter", input, src, region, *_step(region))
