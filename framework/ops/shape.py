"""Views and changes of shape. What can share memory does, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view, shares_memory
from framework.devices import array_module
from framework.errors import ShapeError
from framework.ops.dims import normalize_dim, normalize_dims, shape_of
from framework.tensor import Tensor


class Reshape(Op):
    """The same elements in another shape: a view where the memory order allows it, else a copy."""

    name = "View"

    def forward(self, x: Any, shape: tuple[int, ...]) -> Any:
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, g: Any) -> Any:
        return reshape(g, self.shape)


class Permute(Op):
    """The axes in another order."""

    def forward(self, x: Any, axes: tuple[int, ...]) -> Any:
        self.axes = axes
        return x.transpose(axes)

    def backward(self, g: Any) -> Any:
        inverse = [0] * len(self.axes)
        for i, axis in enumerate(self.axes):
            inverse[axis] = i
        return permute(g, inverse)


class Expand(Op):
    """Length-1 axes repeated without copying."""

    broadcasts = True

    def forward(self, x: Any, shape: tuple[int, ...]) -> Any:
        return array_module(x).broadcast_to(x, shape) if array_module(x) is not np else _expanded(x, shape)

    def backward(self, g: Any) -> Any:
        return g


def _expanded(x: Any, shape: tuple[int, ...]) -> Any:
    """NumPy's ``broadcast_to``, writable: whether an in-place write is allowed is for the op to say."""
    extra = len(shape) - x.ndim
    strides = (0,) * extra + tuple(
        0 if n == 1 and shape[i + extra] != 1 else s for i, (n, s) in enumerate(zip(x.shape, x.strides, strict=True))
    )
    return np.lib.stride_tricks.as_strided(x, shape, strides) if x.size else np.broadcast_to(x, shape)


def infer_shape(name: str, shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """A target shape with its -1 worked out.

    Raises:
        ShapeError: more than one -1, a negative length, or a number of elements that does not fit.
    """
    known, unknown = 1, None
    for i, n in enumerate(shape):
        if n == -1:
            if unknown is not None:
                raise ShapeError(f"{name}: only one dimension can be inferred, got {shape}")
            unknown = i
        elif n < 0:
            raise ShapeError(f"{name}: invalid shape dimension {n} in {shape}")
        else:
            known *= n
    if unknown is not None:
        if known == 0:
            raise ShapeError(f"{name}: cannot infer the -1 in {shape}, since the other lengths multiply to 0")
        if count % known == 0:
            return shape[:unknown] + (count // known,) + shape[unknown + 1 :]
    elif known == count:
        return shape
    raise ShapeError(f"{name}: shape {shape} is invalid for input of size {count}")


def reshape(input: Any, *shape: Any) -> Any:
    """The tensor in another shape with the same elements; one length may be -1. A view where that is possible."""
    target = infer_shape("reshape", shape_of(shape), _size(input))
    return apply_view(Reshape, input, shape=target)


def view(input: Tensor, *shape: Any) -> Tensor:
    """The tensor in another shape, sharing memory; one length may be -1. ``view(dtype)`` reinterprets the bytes.

    On channels-last memory, which convolutions give, it copies where no view exists; an in-place write into such a
    copy is an error.

    Raises:
        ShapeError: the memory order does not allow the view; use ``reshape``.
    """
    from framework import dtypes

    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        from framework.ops.memory import view_as_dtype

        return view_as_dtype(input, shape[0])
    target = infer_shape("view", shape_of(shape), input.array.size)
    out = apply_view(Reshape, input, shape=target)
    if not shares_memory(out.array, input.array) and out.array.size:
        from framework.ops.memory import is_channels_last

        if not is_channels_last(input.array):
            raise ShapeError(
                f"view: view size {target} is not compatible with input tensor's size {tuple(input.shape)} and stride "
                f"{input.stride()} (at least one dimension spans across two contiguous subspaces); use reshape()"
            )
        out._detached_copy = True
    return out


def _size(input: Any) -> int:
    return input.array.size if isinstance(input, Tensor) else input.size


def permute(input: Any, dims: Any) -> Any:
    """The dims in the order ``dims``: ``permute(x, (0, 2, 3, 1))`` shows an NCHW tensor as NHWC. A view."""
    if len(dims) != input.ndim:
        raise ShapeError(f"permute: expected {input.ndim} dims for shape {tuple(input.shape)}, got {tuple(dims)}")
    axes = normalize_dims(dims, input.ndim) if len(dims) else ()
    return apply_view(Permute, input, axes=axes)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """The tensor with two dims swapped. A view."""
    a, b = normalize_dim(dim0, input.ndim), normalize_dim(dim1, input.ndim)
    axes = list(range(input.ndim))
    if axes:
        axes[a], axes[b] = axes[b], axes[a]
    return apply_view(Permute, input, axes=tuple(axes))


def expand(input: Any, *sizes: Any) -> Any:
    """The tensor with its length-1 dims repeated to ``sizes`` (-1 keeps a length), without copying. A view."""
    shape = shape_of(sizes)
    extra = len(shape) - input.ndim
    current = (1,) * extra + tuple(input.shape)
    target = tuple(c if n == -1 else n for c, n in zip(current, shape, strict=False))
    wrong = extra < 0 or any(n == -1 for n in shape[: max(extra, 0)])
    if wrong or any(c not in (1, n) for c, n in zip(current, target, strict=True)):
        raise ShapeError(
            f"expand: the expanded size {shape} must match the existing size {tuple(input.shape)} at non-singleton "
            "dimensions, and may add dimensions in front only"
        )
    return apply_view(Expand, input, shape=target)


def unsqueeze(input: Any, dim: int) -> Any:
    """The tensor with a length-1 dim inserted at ``dim``. A view."""
    at = normalize_dim(dim, input.ndim + 1)
    shape = tuple(input.shape)
    return apply_view(Reshape, input, shape=shape[:at] + (1,) + shape[at:])


def squeeze(input: Any, dim: Any = None) -> Any:
    """The tensor without its length-1 dims, or without those of ``dim`` that have length 1. A view."""
    dims = normalize_dims(dim, input.ndim) if dim is None or not hasattr(dim, "__len__") or len(dim) else ()
    shape = tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims)
    return apply_view(Reshape, input, shape=shape)
