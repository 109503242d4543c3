"""Taking and putting values along a dim by index tensors: gather and scatter, index_select and index_add.

Index tensors hold int64 or int32 from 0 to the dim's length less one; repeated indices add up in gradients and in the
``add`` ops, and in plain assignment the last one stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.casting import NUMBERS, into
from framework.ops.dims import broadcast_shapes, normalize_dim, numpy_names
from framework.tensor import Tensor


class Gather(Op):
    """``x[..., index[...], ...]``: the values that an index names along one axis."""

    def forward(self, x: Any, index: Any, axis: int) -> Any:
        self.index, self.axis, self.shape = index, axis, x.shape
        return x.reshape(-1)[positions(index, x.shape, axis)]

    def backward(self, g: Any) -> Any:
        return apply(Spread, g, index=self.index, axis=self.axis, shape=self.shape)


class Spread(Op):
    """The adjoint of ``Gather``: zeros of ``shape`` with values added where an index says."""

    def forward(self, g: Any, index: Any, axis: int, shape: tuple[int, ...]) -> Any:
        self.index, self.axis = index, axis
        out = array_module(g).zeros(shape, g.dtype)
        add_along(out, index, g, axis)
        return out

    def backward(self, g: Any) -> Any:
        return apply(Gather, g, index=self.index, axis=self.axis)


class Scatter(Op):
    """A copy of ``x`` with the values of ``src`` (an array or a number) stored where an index says."""

    def forward(self, x: Any, src: Any, index: Any, axis: int) -> Any:
        self.index, self.axis = index, axis
        out = array_module(x).array(x, order="C")
        out.reshape(-1)[positions(index, x.shape, axis)] = src
        return out

    def backward(self, g: Any) -> Any:
        gx = apply(Scatter, g, 0, index=self.index, axis=self.axis) if self.needs[0] else None
        return gx, apply(Gather, g, index=self.index, axis=self.axis) if self.needs[1] else None


class ScatterAdd(Op):
    """A copy of ``x`` with the values of ``src`` added where an index says."""

    def forward(self, x: Any, src: Any, index: Any, axis: int) -> Any:
        self.index, self.axis = index, axis
        out = array_module(x).array(x, order="C")
        add_along(out, index, src, axis)
        return out

    def backward(self, g: Any) -> Any:
        return g, apply(Gather, g, index=self.index, axis=self.axis) if self.needs[1] else None


class IndexSelect(Op):
    """Whole slices of one axis, by a 1-d index."""

    def forward(self, x: Any, index: Any, axis: int) -> Any:
        self.index, self.axis, self.length = index, axis, x.shape[axis]
        return x.take(index, axis)

    def backward(self, g: Any) -> Any:
        return apply(IndexSpread, g, index=self.index, axis=self.axis, length=self.length)


class IndexSpread(Op):
    """The adjoint of ``IndexSelect``: slices added into zeros where a 1-d index says."""

    def forward(self, g: Any, index: Any, axis: int, length: int) -> Any:
        self.index, self.axis = index, axis
        rows = g if axis == 0 else g.swapaxes(0, axis)
        out = choose("scatter", g, index).embedding_gradient(rows, index, length)
        return out if axis == 0 else out.swapaxes(0, axis)

    def backward(self, g: Any) -> Any:
        return apply(IndexSelect, g, index=self.index, axis=self.axis)


def positions(index: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Where each entry of an index lies in the flat memory of a C-contiguous array of ``shape``."""
    if not shape:
        return index  # a 0-d tensor holds one element
    xp = array_module(index)
    step = 1
    total: Any = None
    for dim in range(len(shape) - 1, -1, -1):
        part = index if dim == axis else xp.arange(index.shape[dim]).reshape((-1,) + (1,) * (len(shape) - 1 - dim))
        part = part if step == 1 else part * step
        total = part if total is None else total + part
        step *= shape[dim]
    return total


def add_along(out: Any, index: Any, values: Any, axis: int) -> None:
    """Add values into a C-contiguous array, in place, where an index of the same shape says along an axis."""
    if index.size:
        where = positions(index, out.shape, axis).reshape(-1)
        choose("scatter", out, where).add_at(out.reshape(-1), where, values.reshape(-1))


def index_array(name: str, index: Any) -> Any:
    """The plain array of an index tensor as int64.

    Raises:
        DtypeError: it is no tensor of int64 or int32.
    """
    array = index.array if isinstance(index, Tensor) else index
    if not hasattr(array, "dtype"):
        raise TypeError(f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}")
    if array.size and (array.dtype.kind != "i" or array.dtype.itemsize < 4):
        raise DtypeError(f"{name}(): expected dtype int32/int64 for index, got {array.dtype}")
    return array if array.dtype == np.int64 else array.astype(np.int64)


def check_bounds(name: str, index: Any, length: int, axis: int = 0) -> None:
    """Refuse indices outside ``[0, length)``. Not on a GPU, where asking would wait for it.

    Raises:
        BoundsError: an index is out of range.
    """
    if index.size and isinstance(index, np.ndarray):
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= length:
            wrong = low if low < 0 else high
            raise BoundsError(f"{name}: index {wrong} is out of bounds for dimension {axis} with size {length}")


def _prepare(name: str, input: Any, dim: int, index: Any, src: Any = None) -> tuple[Any, Any, Any, int]:
    """Input, index array and source with at least one dim, checked, and the axis."""
    index = index_array(name, index)
    axis = normalize_dim(dim, input.ndim)
    if index.size == 0 and index.ndim != input.ndim:
        index = index.reshape((0,) * max(input.ndim, 1))
    if max(input.ndim, 1) != max(index.ndim, 1):
        raise ShapeError(
            f"{name}(): index tensor must have the same number of dimensions as input tensor, got index "
            f"{tuple(index.shape)} for input {tuple(input.shape)}"
        )
    shape, lengths = tuple(input.shape) or (1,), index.shape or (1,)
    if input.ndim:
        index = index.reshape(lengths)
    if index.size:
        for d, (n, limit) in enumerate(zip(lengths, shape, strict=True)):
            if d != axis and n > limit:
                raise ShapeError(
                    f"{name}(): expected index {tuple(index.shape)} to be no larger than self {shape} apart from "
                    f"dimension {axis}"
                )
    if src is not None:
        if max(src.ndim, 1) != len(lengths):
            raise ShapeError(
                f"{name}(): index tensor must have the same number of dimensions as src tensor, got index "
                f"{tuple(index.shape)} and src {tuple(src.shape)}"
            )
        if src.ndim != index.ndim:
            src = src.reshape((1,)) if index.ndim else src.reshape(()) if tuple(src.shape) == (1,) else src[0]
        if tuple(src.shape) != index.shape:
            if any(n > limit for n, limit in zip(index.shape, src.shape, strict=True)):
                raise ShapeError(
                    f"{name}(): expected index {tuple(index.shape)} to be no larger than src {tuple(src.shape)}"
                )
            src = src[tuple(slice(0, n) for n in index.shape)]
        _same_dtype(name, input, src)
    check_bounds(name, index, shape[axis], axis)
    return input, index, src, axis


def _same_dtype(name: str, input: Any, src: Any) -> None:
    if isinstance(input, Tensor) and isinstance(src, Tensor) and input.array.dtype != src.array.dtype:
        raise DtypeError(f"{name}(): expected self.dtype to be equal to src.dtype, got {input.dtype} and {src.dtype}")


@numpy_names
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False, out: Any = None) -> Any:
    """The values that ``index`` names along a dim: ``out[i][j] = input[index[i][j]][j]`` for ``dim=0`` of two.

    Args:
        index: int64 tensor with as many dims as ``input``, no longer than it but along ``dim``.
        sparse_grad: accepted; gradients are dense.

    Shape:
        that of ``index``.

    Example:
        >>> framework.gather(framework.tensor([[1, 2], [3, 4]]), 1, framework.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    shape = tuple(index.shape)
    x, index, _, axis = _prepare("gather", input, dim, index)
    y = apply(Gather, x, index=index, axis=axis)
    y = y if tuple(y.shape) == shape else y.reshape(shape)
    if out is not None and out.dtype != y.dtype:
        raise DtypeError(f"gather(): expected out tensor to have dtype {y.dtype}, but got {out.dtype} instead")
    return y if out is None else into(out, y, "gather", input, index, apart=True)


@numpy_names
def take_along_dim(input: Any, indices: Any, dim: int | None = None, *, out: Any = None) -> Any:
    """The values that ``indices`` names along a dim, the others broadcasting; of the flat tensor without ``dim``."""
    array = index_array("take_along_dim", indices)
    if dim is None:
        return gather(input.reshape((-1,)), 0, array.reshape(-1), out=out)
    if input.ndim != array.ndim:
        raise ShapeError(
            f"take_along_dim(): input and indices should have the same number of dimensions, but got {input.ndim} "
            f"dimensions for input, and {array.ndim} dimensions for indices"
        )
    axis = normalize_dim(dim, input.ndim)
    # each keeps its own length along the dim; over the others they broadcast against one another
    common = broadcast_shapes(
        [1 if d == axis else n for d, n in enumerate(input.shape)],
        [1 if d == axis else n for d, n in enumerate(array.shape)],
    )
    from framework.ops.shape import expand

    def stretched(x: Any) -> Any:
        return expand(x, tuple(x.shape[d] if d == axis else n for d, n in enumerate(common)))

    array = stretched(array)
    length = input.shape[axis] if input.ndim else 1
    if array.size and isinstance(array, np.ndarray):
        if int(array.min()) < -length or int(array.max()) >= length:
            raise BoundsError(f"take_along_dim: an index is out of bounds for dimension {axis} with size {length}")
        array = np.where(array < 0, array + length, array) if int(array.min()) < 0 else array
    elif array.size:  # on a GPU nobody waits for the least and the greatest
        array = array_module(array).where(array < 0, array + length, array)
    return gather(stretched(input), axis, array, out=out)


@numpy_names
def index_select(input: Any, dim: int, index: Any, *, out: Any = None) -> Any:
    """The slices of a dim that a 1-d ``index`` names, in its order.

    Example:
        >>> framework.index_select(framework.tensor([[1, 2], [3, 4]]), 1, framework.tensor([1]))
        tensor([[2],
                [4]])
    """
    array = index_array("index_select", index)
    if array.ndim > 1:
        raise BoundsError(f"index_select(): index is supposed to be a vector, got shape {tuple(array.shape)}")
    axis = normalize_dim(dim, input.ndim)
    x = input if input.ndim else input.reshape((1,))
    check_bounds("index_select", array, x.shape[axis], axis)
    if not input.ndim and array.size != 1:
        raise ShapeError(f"index_select(): a 0-d tensor takes an index of one element, got {array.size}")
    y = apply(IndexSelect, x, index=array.reshape(-1), axis=axis)
    y = y if input.ndim else y.reshape(())
    return y if out is None else into(out, y, "index_select", input, index, apart=True)


@numpy_names
def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None, out: Any = None
) -> Any:
    """A copy with values stored where ``index`` says: ``out[index[i][j]][j] = src[i][j]`` for ``dim=0`` of two.

    Args:
        index: int64 tensor with as many dims as ``input``.
        src: tensor at least as long as ``index`` in every dim, or a number (also as ``value``).
        reduce: "add" or "multiply" to combine with what is there instead of replacing it.
    """
    src = value if src is None else src
    if src is None:
        raise TypeError("scatter() missing 1 required positional argument: 'src' or 'value'")
    if reduce not in (None, "add", "multiply"):
        raise ArgumentError(f"scatter: reduce argument must be either add or multiply, got {reduce!r}")
    number = isinstance(src, NUMBERS)
    x, index, source, axis = _prepare("scatter", input, dim, index, None if number else src)
    if number:
        source = src
    if reduce is not None:
        if number:
            kind = x.array.dtype if isinstance(x, Tensor) else x.dtype
            source = array_module(index).full(index.shape, source).astype(kind)
        if reduce == "add":
            y = apply(ScatterAdd, x, source, index=index, axis=axis)
        else:
            from framework.ops.scatter import scatter_reduce

            y = scatter_reduce(x, axis, index, source, "prod")
    else:
        y = apply(Scatter, x, source, index=index, axis=axis)
    return y if out is None else into(out, y, "scatter", index, src, apart=True)


@numpy_names
def scatter_add(input: Any, dim: int, index: Any, src: Any, *, out: Any = None) -> Any:
    """A copy with values added where ``index`` says: ``out[index[i][j]][j] += src[i][j]`` for ``dim=0`` of two."""
    if region() is not None:
        return recast(scatter_add, locals())
    x, index, source, axis = _prepare("scatter_add", input, dim, index, src)
    y = apply(ScatterAdd, x, source, index=index, axis=axis)
    return y if out is None else into(out, y, "scatter_add", index, src, apart=True)


class IndexAdd(Op):
    """A copy of ``x`` with slices added along an axis where a 1-d index says."""

    def forward(self, x: Any, source: Any, index: Any, axis: int) -> Any:
        self.index, self.axis = index, axis
        out = x.swapaxes(0, axis).copy(order="C")
        choose("scatter", out, index).add_rows(out, index, source.swapaxes(0, axis))
        return out.swapaxes(0, axis)

    def backward(self, g: Any) -> Any:
        return g, apply(IndexSelect, g, index=self.index, axis=self.axis) if self.needs[1] else None


@numpy_names
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """A copy with ``alpha`` times the slices of ``source`` added to those that a 1-d ``index`` names.

    Shape:
        source: that of ``input``, with the length of ``index`` along ``dim``.
    """
    x, array, source, axis = prepare_slices("index_add", input, dim, index, source)
    if alpha != 1:
        source = source * alpha
    y = apply(IndexAdd, x, source, index=array, axis=axis)
    y = y if input.ndim else y.reshape(())
    return y if out is None else into(out, y)


def prepare_slices(name: str, input: Any, dim: int, index: Any, source: Any) -> tuple[Any, Any, Any, int]:
    """Checked arguments of an op that puts the slices of ``source`` where a 1-d index says."""
    array = index_array(name, index)
    if array.ndim > 1:
        raise BoundsError(f"{name}(): index should have dimension 1 or 0, got {array.ndim}")
    axis = normalize_dim(dim, input.ndim)
    array = array.reshape(-1)
    _same_dtype(name, input, source)
    x = input if input.ndim else input.reshape((1,))
    source = source if source.ndim else source.reshape((1,))
    wanted = tuple(array.shape[0] if d == axis else n for d, n in enumerate(x.shape))
    if tuple(source.shape) != wanted:
        raise BoundsError(
            f"{name}(): source/destination tensor must have same slice shapes and as many slices as indices: expected "
            f"source of shape {wanted}, got {tuple(source.shape)}"
        )
    check_bounds(name, array, x.shape[axis], axis)
    return x, array, source, axis
