"""Views of another shape: the same elements, in the same memory where the strides allow it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.op import Op
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, ShapeError
from framework.ops import dims as _dims
from framework.ops.dims import normalize_dim, normalize_dims, numpy_names
from framework.ops.viewing import lengths, ordered, swapped, viewed
from framework.tensor import Size, Tensor


class Reshape(Op):
    """The same elements in another shape: a view where the memory order allows it, else a copy."""

    name = "View"

    def forward(self, x: Any, shape: tuple[int, ...]) -> Any:
        self.shape = x.shape
        return x.reshape(shape)

    def backward(self, g: Any) -> Any:
        return reshape(g, self.shape)


class Squeeze(Reshape):
    """Length-1 axes taken out."""

    name = "Squeeze"


class Unsqueeze(Reshape):
    """A length-1 axis put in."""

    name = "Unsqueeze"


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


class Transpose(Permute):
    """Two axes swapped."""


class T(Permute):
    """A matrix transposed."""


class Expand(Op):
    """Length-1 axes repeated without copying."""

    broadcasts = True

    def forward(self, x: Any, shape: tuple[int, ...]) -> Any:
        return expanded(x, shape)

    def backward(self, g: Any) -> Any:
        return g


def expanded(x: Any, shape: tuple[int, ...]) -> Any:
    """NumPy's ``broadcast_to``, writable: whether an in-place write is allowed is for the op to say."""
    if isinstance(x, np.ndarray):
        flags = x.flags
        if flags.c_contiguous and flags.writeable and x.dtype.kind != "V" and x.size:
            # laid out by hand, at a fraction of what broadcast_to costs
            extra = len(shape) - x.ndim
            steps = [0 if n != m else s for n, m, s in zip(x.shape, shape[extra:], x.strides, strict=True)]
            return np.ndarray(shape, x.dtype, x, 0, (*(0,) * extra, *steps))
        out = np.broadcast_to(x, shape)
        if flags.writeable:
            out.flags.writeable = True
        return out
    return array_module(x).broadcast_to(x, shape)


def infer_shape(name: str, shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """A target shape with its -1 worked out.

    Raises:
        ShapeError: more than one -1, a negative length, or a number of elements that does not fit.
    """
    if shape and math.prod(shape) == count and min(shape) >= 0:  # the usual call
        return shape
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
            raise ShapeError(
                f"{name}: cannot reshape tensor of {count} elements into {shape}: the unspecified dimension size -1 is "
                "ambiguous, since the other lengths multiply to 0"
            )
        if count % known == 0:
            return (*shape[:unknown], count // known, *shape[unknown + 1 :])
    elif known == count:
        return shape
    raise ShapeError(f"{name}: shape {shape} is invalid for input of size {count}")


def reshape(input: Any, *shape: Any, **named: Any) -> Any:
    """The tensor in another shape with the same elements; one length may be -1. A view where that is possible.

    Example:
        >>> framework.arange(6).reshape(2, -1)
        tensor([[0, 1, 2],
                [3, 4, 5]])
    """
    if not shape and not named:
        raise TypeError("reshape() missing 1 required positional argument: 'shape'")
    target = infer_shape("reshape", lengths("reshape", shape, named, "shape"), _size(input))
    return viewed(Reshape, input, shape=target)


def reshape_as(input: Any, other: Any) -> Any:
    """The tensor in the shape of ``other``."""
    return reshape(input, tuple(other.shape))


def view(input: Tensor, *shape: Any, **named: Any) -> Tensor:
    """The tensor in another shape, sharing memory; one length may be -1. ``view(dtype)`` reinterprets the bytes.

    On channels-last memory, which convolutions give, it copies where no view exists; an in-place write into such a
    copy is an error.

    Raises:
        ShapeError: the memory order does not allow the view; use ``reshape``.
    """
    if "dtype" in named:
        shape = (named.pop("dtype"),)
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        from framework.ops.memory import view_as_dtype

        return view_as_dtype(input, shape[0])
    target = infer_shape("view", lengths("view", shape, named, "size"), input.array.size)
    out = viewed(Reshape, input, shape=target)
    if out._view is None and out.array.size:
        from framework.ops.memory import is_channels_last

        if not is_channels_last(input.array):
            raise ShapeError(
                f"view: view size {target} is not compatible with input tensor's size {tuple(input.shape)} and stride "
                f"{input.stride()} (at least one dimension spans across two contiguous subspaces); use reshape()"
            )
        out._detached_copy = True
    return out


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor viewed in the shape of ``other``."""
    return view(input, tuple(other.shape))


def _size(input: Any) -> int:
    return input.array.size if isinstance(input, Tensor) else input.size


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dims from ``start_dim`` to ``end_dim`` (included) joined into one; a 0-d tensor gets one dim.

    Example:
        >>> framework.zeros(8, 3, 5, 5).flatten(1).shape
        framework.Size([8, 75])
    """
    first, last = normalize_dim(start_dim, input.ndim), normalize_dim(end_dim, input.ndim)
    if first > last:
        raise ShapeError(f"flatten: start_dim {start_dim} cannot come after end_dim {end_dim}")
    shape = tuple(input.shape)
    if first == last and shape:
        return input
    joined = 1
    for n in shape[first : last + 1]:
        joined *= n
    return viewed(Reshape, input, shape=(*shape[:first], joined, *shape[last + 1 :]))


@numpy_names
def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """A dim split into dims of lengths ``sizes``, one of which may be -1. A view."""
    sizes = tuple(int(n) for n in sizes)
    if not sizes:
        raise ArgumentError("unflatten: sizes must be non-empty")
    at = normalize_dim(dim, input.ndim)
    if not input.ndim:
        raise DimensionError("unflatten: a 0-d tensor has no dim to split")
    shape = tuple(input.shape)
    inner = infer_shape(f"unflatten: dim {dim} of length {shape[at]}", sizes, shape[at])
    return viewed(Reshape, input, shape=shape[:at] + inner + shape[at + 1 :])


def ravel(input: Any) -> Any:
    """The elements in one dim. A view where that is possible."""
    return reshape(input, -1)


def permute(input: Any, *dims: Any, **named: Any) -> Any:
    """The dims in the order ``dims``: ``permute(x, (0, 2, 3, 1))`` shows an NCHW tensor as NHWC. A view."""
    order = lengths("permute", dims, named, "dims")
    if len(order) != input.ndim:
        raise ShapeError(f"permute: expected {input.ndim} dims for shape {tuple(input.shape)}, got {order}")
    return viewed(Permute, input, axes=ordered(order))


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """The tensor with two dims swapped. A view."""
    return viewed(Transpose, input, axes=swapped(dim0, dim1, input.ndim))


def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """``transpose`` under NumPy's name."""
    return transpose(input, axis0, axis1)


def swapdims(input: Any, dim0: int, dim1: int) -> Any:
    """``transpose``."""
    return transpose(input, dim0, dim1)


def t(input: Any) -> Any:
    """A matrix transposed; a vector or 0-d tensor as it is. A view."""
    if input.ndim > 2:
        raise ShapeError(f"t: expected a tensor with at most 2 dimensions, got shape {tuple(input.shape)}; use mT")
    return viewed(T, input, axes=(1, 0) if input.ndim == 2 else tuple(range(input.ndim)))


def reversed_dims(input: Any) -> Any:
    """All dims in reverse order, as ``x.T``. A view."""
    return viewed(Permute, input, axes=tuple(range(input.ndim))[::-1])


def matrix_transpose(input: Any) -> Any:
    """The last two dims swapped, as ``x.mT``. A view."""
    if input.ndim < 2:
        raise ShapeError(f"mT: expected matrices (at least 2 dimensions), got shape {tuple(input.shape)}")
    return transpose(input, -2, -1)


def adjoint(input: Any) -> Any:
    """The conjugate transpose of matrices, as ``x.mH``; for real tensors a view."""
    from framework.ops.arithmetic import conj

    if input.ndim < 2:
        raise ShapeError(f"adjoint: expected matrices (at least 2 dimensions), got shape {tuple(input.shape)}")
    return conj(transpose(input, -2, -1))


def hermitian(input: Any) -> Any:
    """The conjugate transpose of a matrix, as ``x.H``; a 0-d tensor is conjugated only."""
    from framework.ops.arithmetic import conj

    if input.ndim not in (0, 2):
        raise ShapeError(f"H: expected a matrix, got shape {tuple(input.shape)}; use mH for batches of matrices")
    return conj(transpose(input, 0, 1)) if input.ndim else conj(input)


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """The dims ``source`` moved to the positions ``destination``, the others kept in order. A view."""
    sources = (source,) if isinstance(source, int) else tuple(source)
    targets = (destination,) if isinstance(destination, int) else tuple(destination)
    if len(sources) != len(targets):
        raise ShapeError(f"movedim: expected as many source as destination dims, got {sources} and {targets}")
    from_axes = normalize_dims(sources, input.ndim) if sources else ()
    to_axes = normalize_dims(targets, input.ndim) if targets else ()
    order = [-1] * input.ndim
    for axis, position in zip(from_axes, to_axes, strict=True):
        order[position] = axis
    rest = iter(axis for axis in range(input.ndim) if axis not in from_axes)
    return viewed(Permute, input, axes=tuple(next(rest) if axis < 0 else axis for axis in order))


def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    """``movedim`` under NumPy's name."""
    return movedim(input, source, destination)


def expand(input: Any, *size: Any, implicit: bool = False, **named: Any) -> Any:
    """The tensor with its length-1 dims repeated to ``size`` (-1 keeps a length), without copying. A view."""
    shape = lengths("expand", size, named, "size")
    extra = len(shape) - input.ndim
    current = (1,) * extra + tuple(input.shape)
    target = tuple(c if n == -1 and i >= extra else n for i, (c, n) in enumerate(zip(current, shape, strict=False)))
    wrong = extra < 0 or any(n < 0 for n in target)
    if wrong or any(c not in (1, n) for c, n in zip(current, target, strict=True)):
        raise ShapeError(
            f"expand: the expanded size {shape} must match the existing size {tuple(input.shape)} at non-singleton "
            "dimensions, and may add dimensions in front only"
        )
    return viewed(Expand, input, shape=target)


def expand_as(input: Any, other: Any) -> Any:
    """The tensor expanded to the shape of ``other``. A view."""
    return expand(input, tuple(other.shape))


def broadcast_to(input: Any, size: Any) -> Any:
    """The tensor broadcast to a shape. A view."""
    return expand(input, tuple(size))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to.

    Example:
        >>> framework.broadcast_shapes((2, 1), (3,))
        framework.Size([2, 3])
    """
    for shape in shapes:
        for n in (shape,) if isinstance(shape, int) else shape:
            if n < 0:
                raise ShapeError(f"broadcast_shapes: trying to create a tensor with negative dimension {n}: {shape}")
    return Size(_dims.broadcast_shapes(*shapes))


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """All tensors expanded to the shape they broadcast to. Views."""
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tuple(tensors[0])
    shape = _dims.broadcast_shapes(*(x.shape for x in tensors))
    return tuple(expand(x, shape) for x in tensors)


@numpy_names
def unsqueeze(input: Any, dim: int) -> Any:
    """The tensor with a length-1 dim inserted at ``dim``. A view."""
    at = normalize_dim(dim, input.ndim + 1)
    shape = tuple(input.shape)
    return viewed(Unsqueeze, input, shape=(*shape[:at], 1, *shape[at:]))


@numpy_names
def squeeze(input: Any, dim: Any = None) -> Any:
    """The tensor without its length-1 dims, or without those of ``dim`` that have length 1. A view."""
    dims = normalize_dims(dim, input.ndim) if dim is None or not hasattr(dim, "__len__") or len(dim) else ()
    shape = tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims)
    return viewed(Squeeze, input, shape=shape)


def _at_least(ndim: int, tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        return tuple(_at_least(ndim, (x,)) for x in tensors[0])
    if len(tensors) != 1:
        return tuple(_at_least(ndim, (x,)) for x in tensors)
    x = tensors[0]
    if x.ndim >= ndim:
        return x
    shape = tuple(x.shape)
    padded = (
        (1,) * (ndim - len(shape)) + shape if ndim < 3 else {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[x.ndim]
    )
    return reshape(x, padded)


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one dim; one tensor gives a tensor, several (or a list) a tuple."""
    return _at_least(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dims: length-1 dims are added in front."""
    return _at_least(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dims: a vector becomes (1, N, 1), a matrix (M, N, 1)."""
    return _at_least(3, tensors)
