"""Largest and smallest elements, and where they are.

Which gradient a tie gets is PyTorch's: ``amax``, ``amin``, ``aminmax`` and the full ``max`` and ``min`` share it evenly
among the equal elements; ``max`` and ``min`` along a dim send all of it to the index they return, the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import return_types
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, DtypeError
from framework.ops.casting import into
from framework.ops.dims import normalize_dim, normalize_dims, numpy_names
from framework.ops.gather import Spread, positions
from framework.ops.reduction import Dims, as_given, one_dim, plain, restore_axes, widened
from framework.tensor import Tensor


class Extremum(Op):
    """The largest (``name="max"``) or smallest (``"min"``) element over some axes."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, which: str) -> Any:
        self.axes, self.keepdim = axes, keepdim
        y = getattr(widened(x), which)(axis=axes, keepdims=keepdim).astype(x.dtype)
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = (plain(v) for v in self.saved)
        y = restore_axes(y, self.axes, self.keepdim)
        return share(restore_axes(g, self.axes, self.keepdim), (x == y) | ((x != x) & (y != y)), self.axes)


def share(g: Any, mask: Any, axes: tuple[int, ...]) -> Any:
    """A gradient of reduced shape, spread evenly over the places of ``mask`` (a plain bool array) along ``axes``."""
    from framework.ops.selection import where

    counts = array_module(mask).add.reduce(mask, axis=axes, keepdims=True).astype(plain(g).dtype)
    return where(mask, g / counts, 0)


class Pick(Op):
    """The values at int64 indices along an axis, which has its own length in them; removed unless ``keepdim``."""

    def forward(self, x: Any, indices: Any, axis: int, keepdim: bool) -> Any:
        self.indices, self.axis, self.keepdim, self.shape = indices, axis, keepdim, x.shape
        if not x.ndim:
            return x.copy()
        y = x.reshape(-1)[positions(indices, x.shape, axis)]
        return y if keepdim else y.reshape(x.shape[:axis] + x.shape[axis + 1 :])

    def backward(self, g: Any) -> Any:
        if not self.shape:
            return g
        return apply(
            Spread, restore_axes(g, (self.axis,), self.keepdim), index=self.indices, axis=self.axis, shape=self.shape
        )


def pick(input: Any, indices: Any, axis: int, keepdim: bool = True) -> Any:
    """The values at plain int64 ``indices`` along an axis, with the gradient to these places.

    Args:
        indices: of the input's shape but along ``axis``, where its length is 1 unless ``keepdim``.
    """
    return apply(Pick, input, indices=indices, axis=axis, keepdim=keepdim)


def picked(name: str, input: Any, indices: Any, axis: int, keepdim: bool, out: Any = None) -> Any:
    """The named result ``(values, indices)`` of a reduction that chose one index along an axis.

    Args:
        indices: plain array with the axis kept at length 1.
    """
    values = pick(input, indices, axis, keepdim)
    result = getattr(return_types, name)(values, as_given(indices.reshape(values.shape), input))
    apart = name not in ("sort", "topk")
    return result if out is None else into(out, result, name, input, apart=apart)


def check_not_empty(name: str, shape: tuple[int, ...], axes: tuple[int, ...], whole: bool) -> None:
    """Refuse to reduce a dim of no elements where the reduction has no value for it.

    Raises:
        ArgumentError: a full reduction of an empty tensor.
        DimensionError: one of ``axes`` has length 0.
    """
    if 0 not in shape:
        return
    if whole:
        raise ArgumentError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
            "with the 'dim' argument."
        )
    for axis in axes:
        if shape[axis] == 0:
            raise DimensionError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


def refuse(name: str, input: Any, kinds: str, words: str) -> None:
    """Raise a ``DtypeError`` for an input of one of these NumPy dtype kinds."""
    if plain(input).dtype.kind in kinds:
        raise DtypeError(f"{name}(): does not support {words} input, got {plain(input).dtype}")


def _extremum(name: str, which: str, input: Any, dim: Any, keepdim: bool) -> Any:
    refuse(name, input, "c", "complex")
    whole = dim is None or (hasattr(dim, "__len__") and not len(dim))
    axes = normalize_dims(dim, input.ndim)
    check_not_empty(name, tuple(input.shape), axes, whole)
    return apply(Extremum, input, axes=axes, keepdim=keepdim, which=which)


def _three_forms(name: str, input: Any, dim: Any, keepdim: bool, other: Any, out: Any) -> Any:
    """``max``/``min`` of all elements, along a dim, or of two tensors elementwise."""
    if isinstance(dim, Tensor) or (other is None and isinstance(dim, np.ndarray) and dim.ndim):
        other, dim = dim, None
    if other is not None:
        from framework.ops.selection import maximum, minimum

        return (maximum if name == "max" else minimum)(input, other, out=out)
    if dim is None:
        y = _extremum(name, name, input, None, False)
        return y if out is None else into(out, y, name)
    refuse(name, input, "c", "complex")
    axis = normalize_dim(one_dim(name, dim), input.ndim)
    indices = extreme_index(name, plain(input), axis)
    return picked(name, input, indices, axis, keepdim, out)


def extreme_index(name: str, x: Any, axis: int) -> Any:
    """The first index of the largest or smallest element along an axis, which is kept. NaN counts as the extreme."""
    check_not_empty(name, x.shape, (axis,) if x.ndim else (), False)
    if not x.ndim:
        return array_module(x).zeros((), np.int64)
    w = widened(x)
    found = w.argmax(axis) if name.endswith("max") else w.argmin(axis)
    return found.reshape((*x.shape[:axis], 1, *x.shape[axis + 1 :]))


@numpy_names
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
    """The largest element: of all, along ``dim``, or elementwise of two tensors.

    ``max(input)`` gives a 0-d tensor; ``max(input, dim, keepdim)`` the named tuple ``(values, indices)``, with the
    first index among equals; ``max(input, other)`` is ``maximum(input, other)``. NaN counts as the largest.

    Raises:
        ArgumentError: a full reduction of an empty tensor.
        DimensionError: the dim has length 0.

    Example:
        >>> framework.max(framework.tensor([[1, 5], [7, 2]]), dim=1).values
        tensor([5, 7])
    """
    return _three_forms("max", input, dim, keepdim, other, out)


@numpy_names
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
    """The smallest element: of all, along ``dim``, or elementwise of two tensors.

    ``min(input)`` gives a 0-d tensor; ``min(input, dim, keepdim)`` the named tuple ``(values, indices)``, with the
    first index among equals; ``min(input, other)`` is ``minimum(input, other)``. NaN counts as the smallest.

    Raises:
        ArgumentError: a full reduction of an empty tensor.
        DimensionError: the dim has length 0.
    """
    return _three_forms("min", input, dim, keepdim, other, out)


@numpy_names
def amax(input: Any, dim: Dims = (), keepdim: bool = False, *, out: Any = None) -> Any:
    """The largest element over ``dim`` (a dim or several; all unless given). Ties share the gradient evenly."""
    y = _extremum("amax", "max", input, dim, keepdim)
    return y if out is None else into(out, y, "amax")


@numpy_names
def amin(input: Any, dim: Dims = (), keepdim: bool = False, *, out: Any = None) -> Any:
    """The smallest element over ``dim`` (a dim or several; all unless given). Ties share the gradient evenly."""
    y = _extremum("amin", "min", input, dim, keepdim)
    return y if out is None else into(out, y, "amin")


@numpy_names
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """The smallest and the largest element, of all or along ``dim``, as the named tuple ``(min, max)``."""
    refuse("aminmax", input, "c", "complex")
    if dim is None and plain(input).size == 0:
        raise ArgumentError("aminmax(): cannot compute aminmax over an empty dimension, as it has no identity")
    for given in out or ():
        if given.array.dtype != plain(input).dtype:
            raise DtypeError(f"aminmax(): Expected out tensor to have dtype {input.dtype}, but got {given.dtype}")
    dims = None if dim is None else one_dim("aminmax", dim)
    low, high = (_extremum("aminmax", which, input, dims, keepdim) for which in ("min", "max"))
    result = return_types.aminmax(low, high)
    return result if out is None else into(out, result, "aminmax")


def _position(name: str, input: Any, dim: Any, keepdim: bool, out: Any) -> Any:
    x = plain(input)
    refuse(name, x, "c", "complex")
    refuse(name, x, "b", "bool")
    if dim is None:
        if x.size == 0:
            raise DimensionError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        found = extreme_index(name, x.reshape(-1), 0).reshape((1,) * x.ndim if keepdim else ())
    else:
        axis = normalize_dim(one_dim(name, dim), x.ndim)
        found = extreme_index(name, x, axis)
        found = found if keepdim or not x.ndim else found.reshape((*x.shape[:axis], *x.shape[axis + 1 :]))
    result = as_given(found, input)
    return result if out is None else into(out, result, name)


@numpy_names
def argmax(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The index of the largest element along ``dim``, the first among equals; without ``dim``, in the flat tensor."""
    return _position("argmax", input, dim, keepdim, out)


@numpy_names
def argmin(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The index of the smallest element along ``dim``, the first among equals; without ``dim``, in the flat tensor."""
    return _position("argmin", input, dim, keepdim, out)
