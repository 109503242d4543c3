"""Elements in another order, or repeated: flips, rolls, rotations, tiles."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, ShapeError
from framework.kernels.generic.runs import owners
from framework.ops.dims import also_named, named_sizes, normalize_dim, normalize_dims, numpy_names
from framework.ops.indexing import getitem
from framework.ops.shape import expand, reshape, transpose
from framework.tensor import Tensor, wrap


class Flip(Op):
    """Axes reversed."""

    def forward(self, x: Any, axes: tuple[int, ...]) -> Any:
        self.axes = axes
        return array_module(x).flip(x, axes).copy(order="C") if axes else x.copy()

    def backward(self, g: Any) -> Any:
        return apply(Flip, g, axes=self.axes)


def flip(input: Any, *dims: Any, **named: Any) -> Any:
    """The order of the entries reversed along ``dims``. A copy."""
    wanted = named_sizes("flip", dims, named, "dims")
    axes = normalize_dims(wanted, input.ndim) if wanted else ()
    return apply(Flip, input, axes=axes)


def fliplr(input: Any) -> Any:
    """The columns reversed (dim 1)."""
    if input.ndim < 2:
        raise ShapeError(f"fliplr: input must be >= 2-d, got shape {tuple(input.shape)}")
    return flip(input, 1)


def flipud(input: Any) -> Any:
    """The rows reversed (dim 0)."""
    if input.ndim < 1:
        raise ShapeError("flipud: input must be >= 1-d, got a 0-d tensor")
    return flip(input, 0)


class Roll(Op):
    """Entries moved along axes, those pushed off the end coming back at the front."""

    def forward(self, x: Any, shifts: tuple[int, ...], axes: tuple[int, ...] | None) -> Any:
        self.shifts, self.axes = shifts, axes
        return array_module(x).roll(x, shifts if axes is not None else shifts[0], axes)

    def backward(self, g: Any) -> Any:
        return apply(Roll, g, shifts=tuple(-s for s in self.shifts), axes=self.axes)


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Entries moved by ``shifts`` along ``dims``, around the end; without ``dims`` along the flattened tensor."""
    moves = (operator.index(shifts),) if not hasattr(shifts, "__len__") else tuple(shifts)
    axes = () if dims is None else (dims,) if not hasattr(dims, "__len__") else tuple(dims)
    if not moves:
        raise ArgumentError("roll: `shifts` required")
    if not axes and len(moves) == 1:
        return apply(Roll, input, shifts=moves, axes=None)
    if len(moves) != len(axes):
        raise ArgumentError(f"roll: shifts and dimensions must align, got shifts {moves} and dims {axes}")
    return apply(Roll, input, shifts=moves, axes=tuple(normalize_dim(d, input.ndim) for d in axes))


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """The plane of two dims rotated by 90 degrees ``k`` times, from the first dim towards the second."""
    from framework.ops.memory import clone

    dims = tuple(dims)
    if len(dims) != 2:
        raise ArgumentError(f"rot90: expected total rotation dims == 2, got {dims}")
    if input.ndim < 2:
        raise ShapeError(f"rot90: expected total dims >= 2, got shape {tuple(input.shape)}")
    for d in dims:
        if not -input.ndim <= d < input.ndim:
            raise DimensionError(f"rot90: dim {d} is out of range for shape {tuple(input.shape)}")
    a, b = dims[0] % input.ndim, dims[1] % input.ndim
    if a == b:
        raise ArgumentError(f"rot90: expected rotation dims to be different, got {dims}")
    turns = k % 4
    if turns == 1:
        return transpose(flip(input, b), a, b)
    if turns == 2:
        return flip(input, a, b)
    return transpose(flip(input, a), a, b) if turns == 3 else clone(input)


class Tile(Op):
    """The whole repeated along each axis; there are as many repeats as axes."""

    name = "Repeat"

    def forward(self, x: Any, repeats: tuple[int, ...]) -> Any:
        self.shape, self.repeats = x.shape, repeats
        return array_module(x).tile(x, repeats)

    def backward(self, g: Any) -> Any:
        from framework.ops.reduction import sum

        split = [n for pair in zip(self.repeats, self.shape, strict=True) for n in pair]
        parts = reshape(g, tuple(split))
        return reshape(sum(parts, tuple(range(0, len(split), 2))), self.shape) if split else g


def repeat(input: Any, *repeats: Any, **named: Any) -> Any:
    """The whole tensor repeated along each dim; more repeats than dims add dims in front. A copy.

    Example:
        >>> framework.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    times = named_sizes("repeat", repeats, named, "repeats")
    if len(times) < input.ndim:
        raise ShapeError(
            f"repeat: number of dimensions of repeat dims {times} can not be smaller than those of shape "
            f"{tuple(input.shape)}"
        )
    if any(n < 0 for n in times):
        raise ArgumentError(f"repeat: repeats must be non-negative, got {times}")
    shape = (1,) * (len(times) - input.ndim) + tuple(input.shape)
    return apply(Tile, reshape(input, shape), repeats=times)


def tile(input: Any, *dims: Any, **named: Any) -> Any:
    """The whole tensor repeated along each dim; fewer repeats than dims apply to the last ones."""
    times = named_sizes("tile", dims, named, "dims")
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


@numpy_names
def repeat_interleave(
    input: Any = None, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Each entry of a dim repeated, ``repeats`` times or as often as its entry of ``repeats`` says.

    With a tensor of counts alone: the position of each count, as often as it says.

    Example:
        >>> framework.repeat_interleave(framework.tensor([7, 8]), 2)
        tensor([7, 7, 8, 8])
    """
    if repeats is None or input is None:
        input = repeats if input is None else input
        counts = input.array
        if counts.ndim != 1 or counts.dtype.kind not in "iu":
            raise ArgumentError(
                f"repeat_interleave: repeats must be a 1-d integer tensor, got {input.dtype} {input.shape}"
            )
        if counts.size and int(counts.min()) < 0:
            raise ArgumentError("repeat_interleave: repeats can not be negative")
        xp = array_module(counts)
        return wrap(xp.repeat(xp.arange(counts.size), counts).astype(counts.dtype))
    if dim is None:
        input, dim = reshape(input, -1), 0
    axis = normalize_dim(dim, input.ndim)
    if not input.ndim:
        input = reshape(input, 1)
    if isinstance(repeats, Tensor) and repeats.array.size == 1 and repeats.array.ndim < 2:
        repeats = int(repeats.array.reshape(-1)[0])
    length = input.shape[axis]
    if not isinstance(repeats, int):
        counts = repeats.array if isinstance(repeats, Tensor) else np.asarray(repeats)
        if counts.ndim != 1 or counts.dtype.kind not in "iu":
            raise ArgumentError("repeat_interleave: repeats must be a number or a 1-d tensor of int32 or int64")
        if counts.size != length:
            raise ArgumentError(
                f"repeat_interleave: repeats must have the same size as input along dim, got {counts.size} counts for "
                f"{length} entries"
            )
        if counts.size and int(counts.min()) < 0:
            raise ArgumentError("repeat_interleave: repeats can not be negative")
        total = int(counts.sum()) if output_size is None else output_size
        where = owners(counts, total)
        if output_size is not None and output_size != where.size:
            raise ArgumentError(f"repeat_interleave: output_size {output_size} does not match the {where.size} repeats")
        return getitem(input, (slice(None),) * axis + (where,))
    if repeats < 0:
        raise ArgumentError(f"repeat_interleave: repeats can not be negative, got {repeats}")
    shape = tuple(input.shape)
    spread = expand(
        reshape(input, (*shape[: axis + 1], 1, *shape[axis + 1 :])), (*shape[: axis + 1], repeats, *shape[axis + 1 :])
    )
    joined = reshape(spread, (*shape[:axis], length * repeats, *shape[axis + 1 :]))
    from framework.ops.memory import clone

    return clone(joined) if repeats == 1 and isinstance(joined, Tensor) else joined


@also_named(input="tensor")
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers (...) int64 as vectors (..., num_classes) int64: 1 at the class, 0 elsewhere.

    Args:
        num_classes: -1 for the greatest number in ``tensor`` plus 1.
    """
    classes = tensor.array
    if tensor.dtype is not dtypes.int64:
        raise ArgumentError(f"one_hot: one_hot is only applicable to index tensor of type int64, got {tensor.dtype}")
    if not classes.size and num_classes <= 0:
        raise ArgumentError("one_hot: can not infer total number of classes from empty tensor; pass num_classes")
    if classes.size and int(classes.min()) < 0:
        raise ArgumentError("one_hot: class values must be non-negative")
    if num_classes == -1:
        num_classes = int(classes.max()) + 1
    elif num_classes < 1:
        raise ArgumentError(f"one_hot: num_classes should be positive, got {num_classes}")
    elif classes.size and int(classes.max()) >= num_classes:
        raise ArgumentError(f"one_hot: class values must be smaller than num_classes, got {int(classes.max())}")
    xp = array_module(classes)
    return wrap((classes[..., None] == xp.arange(num_classes)).astype(np.int64))
