"""Sums, products, means and truths over dims. Half-precision inputs are accumulated in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.kernels.generic import passes
from framework.ops.arithmetic import conj_value
from framework.ops.casting import cast, convert, into
from framework.ops.dims import named_sizes, normalize_dim, normalize_dims, numpy_names
from framework.tensor import Tensor, wrap

Dims = int | tuple[int, ...] | list[int] | None


class Sum(Op):
    """The sum over some axes."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.shape, self.axes, self.keepdim = x.shape, axes, keepdim
        return total(x, axes, keepdim)

    def backward(self, g: Any) -> Any:
        from framework.ops.shape import expand

        return expand(restore_axes(g, self.axes, self.keepdim), self.shape)


class Mean(Op):
    """The mean over some axes."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.shape, self.axes, self.keepdim = x.shape, axes, keepdim
        self.count = count_of(x.shape, axes)
        sums = total(widened(x), axes, keepdim)
        return (sums / sums.dtype.type(self.count)).astype(x.dtype)

    def backward(self, g: Any) -> Any:
        from framework.ops.shape import expand

        return expand(restore_axes(g, self.axes, self.keepdim) / self.count, self.shape)


class Prod(Op):
    """The product along one axis."""

    def forward(self, x: Any, axis: int, keepdim: bool) -> Any:
        self.axis, self.keepdim = axis, keepdim
        y = passes.product(widened(x), axis, keepdim).astype(x.dtype, copy=False)
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        g = restore_axes(g, (self.axis,), self.keepdim)
        if (plain(x) == 0).any():
            return g * conj_value(_product_of_others(x, self.axis))
        return g * conj_value(restore_axes(y, (self.axis,), self.keepdim) / x)


def _product_of_others(x: Any, axis: int) -> Any:
    """For each element, the product of all others along an axis: the derivative of a product where one is zero."""
    if isinstance(x, Tensor):
        from framework.ops.selection import where

        # row k holds the elements with the k-th replaced by 1
        moved = x.swapaxes(axis, -1).unsqueeze(-2)
        n = moved.shape[-1]
        rows = where(array_module(x.array).eye(n, dtype=bool), 1, moved.expand(*moved.shape[:-2], n, n))
        return prod(rows, -1).swapaxes(axis, -1)
    xp = array_module(x)
    moved = xp.moveaxis(widened(x), axis, 0)
    before, after = xp.ones_like(moved), xp.ones_like(moved)
    before[1:] = xp.cumprod(moved[:-1], axis=0)
    after[:-1] = xp.flip(xp.cumprod(xp.flip(moved[1:], 0), axis=0), 0)
    return xp.moveaxis(before * after, 0, axis)


class LogSumExp(Op):
    """``log(sum(exp(x)))`` over some axes, with the largest element taken out of the sum."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.axes, self.keepdim = axes, keepdim
        xp, w = array_module(x), widened(x)
        if count_of(x.shape, axes):
            top = w.real.max(axis=axes, keepdims=True)
            top = xp.where(xp.isfinite(top), top, top.dtype.type(0))
        else:
            top = w.real.dtype.type(0)
        y = xp.log(xp.add.reduce(xp.exp(w - top), axis=axes, keepdims=True)) + top
        y = y.astype(x.dtype)
        y = y if keepdim else y.reshape(remaining(x.shape, axes))
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        from framework.ops.exponential import exp

        x, y = self.saved
        y = restore_axes(y, self.axes, self.keepdim)
        return restore_axes(g, self.axes, self.keepdim) * conj_value(exp(x - y))


def plain(x: Any) -> Any:
    """The array of a Tensor; an array itself."""
    return x.array if isinstance(x, Tensor) else x


def as_given(result: Any, input: Any) -> Any:
    """A result computed on arrays, as a Tensor without history if the input was one."""
    return (
        wrap(np.asarray(result) if isinstance(result, np.generic) else result) if isinstance(input, Tensor) else result
    )


def widened(x: Any) -> Any:
    """The array to accumulate: 16-bit elements as float32, others as they are."""
    return convert(x, np.dtype(np.float32)) if x.dtype in dtypes.HALF else x


def total(x: Any, axes: Any, keepdim: bool) -> Any:
    """The sum of an array over axes, accumulated in float32 at least; in its dtype, int64 for small integers."""
    xp = array_module(x)
    if x.dtype in dtypes.HALF:
        if x.size > passes.SMALL and xp is np:
            return total(widened(x), axes, keepdim).astype(x.dtype)
        return xp.add.reduce(x, axis=axes, dtype=np.float32, keepdims=keepdim).astype(x.dtype)
    if x.size > passes.SMALL and x.dtype.kind == "f":
        return passes.total(x, axes, keepdim)  # products with ones: add.reduce takes 3 to 12 times as long
    # the ufunc's own method: ndarray.sum warns from inside NumPy where inf - inf meet
    return xp.add.reduce(x, axis=axes, keepdims=keepdim)


def count_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """The number of elements that a reduction over ``axes`` joins into one."""
    count = 1
    for axis in axes:
        count *= shape[axis]
    return count


def remaining(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the reduced axes."""
    return tuple(n for axis, n in enumerate(shape) if axis not in axes)


def restore_axes(g: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """A reduced value with length-1 axes put back where the reduction took them out."""
    if keepdim or not axes:
        return g
    shape = list(g.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return g.reshape(shape)


def floating(name: str, input: Any) -> Any:
    """The input with integers and bools converted to the default dtype."""
    if isinstance(input, Tensor):
        return cast(input, dtypes.get_default_dtype()) if input.dtype.category < dtypes.FLOATING else input
    if not hasattr(input, "dtype"):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    return input


def _accumulating(input: Any, dtype: Any) -> Any:
    """The input in the dtype that a sum or product accumulates and returns: integers and bools in int64."""
    if dtype is not None:
        return cast(input, dtypes.as_dtype(dtype))
    if isinstance(input, Tensor) and input.array.dtype.kind in "biu":
        return cast(input, dtypes.int64)
    return input


@numpy_names
def sum(
    input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Any = None
) -> Any:
    """The sum of all elements, or over ``dim``. Integers and bools sum to int64.

    Args:
        dim: dim or dims to sum over; None or an empty list for all.
        keepdim: leave the reduced dims with length 1.
        dtype: convert to this dtype first.
    """
    if region() is not None:
        return recast(sum, locals())
    input = _accumulating(input, dtype)
    y = apply(Sum, input, axes=normalize_dims(dim, input.ndim), keepdim=keepdim)
    y = y if dtype is None else cast(y, dtypes.as_dtype(dtype))  # NumPy adds up small integers in int64
    return y if out is None else into(out, y, "sum")


@numpy_names
def nansum(
    input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Any = None
) -> Any:
    """The sum of all elements, or over ``dim``, with NaN counted as zero."""
    from framework.ops.selection import where

    x = plain(input)
    if x.dtype.kind == "c":
        raise DtypeError("nansum: does not support complex inputs; sum the real and imaginary parts")
    holes = x != x
    return sum(where(holes, 0, input) if holes.any() else input, dim, keepdim, dtype=dtype, out=out)


@numpy_names
def mean(
    input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Any = None
) -> Any:
    """The mean of all elements, or over ``dim``.

    Args:
        dim: dim or dims to average over; None or an empty list for all.
        keepdim: leave the reduced dims with length 1.
        dtype: convert to this dtype first; integers need one.

    Raises:
        DtypeError: the input is integer or bool and no floating-point ``dtype`` is given.
    """
    if dtype is not None:
        if dtypes.as_dtype(dtype).category < dtypes.FLOATING:
            raise DtypeError(
                "mean: could not infer output dtype. Optional dtype must be either a floating point or complex dtype, "
                f"got {dtype}"
            )
        input = cast(input, dtypes.as_dtype(dtype))
    if isinstance(input, Tensor) and input.array.dtype.kind in "biu":
        raise DtypeError(
            f"mean: could not infer output dtype. Input dtype must be either a floating point or complex dtype, got "
            f"{input.dtype}; pass dtype=framework.float32 or convert with .float()"
        )
    y = apply(Mean, input, axes=normalize_dims(dim, input.ndim), keepdim=keepdim)
    return y if out is None else into(out, y, "mean")


@numpy_names
def nanmean(
    input: Any, dim: Dims = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Any = None
) -> Any:
    """The mean of the elements that are not NaN, of all or over ``dim``; NaN where there are none."""
    if isinstance(input, Tensor) and input.array.dtype.kind in "biu":
        raise DtypeError(f"nanmean: expected input to have floating point or complex dtype but got {input.dtype}")
    x = plain(input)
    axes = normalize_dims(dim, input.ndim)
    counts = array_module(x).add.reduce(x == x, axis=axes, keepdims=keepdim)
    sums = nansum(input, axes, keepdim, dtype=dtype)
    y = sums / array_module(x).asarray(counts).astype(plain(sums).dtype)
    return y if out is None else into(out, y, "nanmean")


@numpy_names
def prod(
    input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: dtypes.dtype | None = None, out: Any = None
) -> Any:
    """The product of all elements, or along ``dim``. Integers and bools multiply in int64.

    Args:
        dim: one dim; None for all elements.
        keepdim: leave the reduced dim with length 1.
        dtype: convert to this dtype first.
    """
    if region() is not None:
        return recast(prod, locals())
    input = _accumulating(input, dtype)
    if dim is None:
        shape = (1,) * input.ndim if keepdim else ()
        y = apply(Prod, input.reshape((-1,)), axis=0, keepdim=False)
        y = y.reshape(shape) if shape else y
    else:
        axis = normalize_dim(one_dim("prod", dim), input.ndim)
        y = apply(Prod, input, axis=axis, keepdim=keepdim) if input.ndim else input.reshape((1,)).reshape(())
    return y if out is None else into(out, y, "prod")


def one_dim(name: str, dim: Any) -> int:
    """A dim that has to be a single integer.

    Raises:
        TypeError: it is a tuple, a float or anything else.
    """
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(dim).__name__}")
    return int(dim)


@numpy_names
def logsumexp(input: Any, dim: Dims, keepdim: bool = False, *, out: Any = None) -> Any:
    """``log(sum(exp(input)))`` over ``dim``, computed without overflow.

    Args:
        dim: dim or dims to reduce.
        keepdim: leave the reduced dims with length 1.
    """
    if region() is not None:
        return recast(logsumexp, locals())
    input = floating("logsumexp", input)
    y = apply(LogSumExp, input, axes=normalize_dims(dim, input.ndim), keepdim=keepdim)
    return y if out is None else into(out, y, "logsumexp")


def _truth(name: str, input: Any, dim: Any, keepdim: bool, out: Any) -> Any:
    x = plain(input)
    truths = x if x.dtype.kind == "b" else x != 0
    if dim is not None and hasattr(dim, "__len__") and not len(dim):
        y = truths  # no dim at all: each element by itself
    else:
        y = getattr(truths, name)(axis=normalize_dims(dim, x.ndim), keepdims=keepdim)
    y = y.astype(np.uint8) if x.dtype == np.uint8 else y
    result = as_given(y, input)
    return result if out is None else into(out, result, name)


@numpy_names
def any(input: Any, dim: Dims = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Whether an element is not zero, of all or over ``dim``. NaN is not zero. bool; uint8 for uint8."""
    return _truth("any", input, dim, keepdim, out)


@numpy_names
def all(input: Any, dim: Dims = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """Whether no element is zero, of all or over ``dim``; true where there are none. bool; uint8 for uint8."""
    return _truth("all", input, dim, keepdim, out)


@numpy_names
def count_nonzero(input: Any, dim: Dims = None) -> Any:
    """The number of elements that are not zero, of all or over ``dim``, as int64."""
    x = plain(input)
    return as_given(array_module(x).add.reduce(x != 0, axis=normalize_dims(dim, x.ndim), dtype=np.int64), input)


def sum_to_size(input: Any, *size: Any, **named: Any) -> Any:
    """Sum over the dims that broadcasting from ``size`` to the tensor's shape would add or stretch.

    Raises:
        ShapeError: ``size`` does not broadcast to the tensor's shape.
    """
    shape = named_sizes("sum_to_size", size, named, "size")
    extra = input.ndim - len(shape)
    given = tuple(input.shape)
    if extra < 0 or [n for n, m in zip(shape, given[max(extra, 0) :], strict=False) if n not in (1, m)]:
        raise ShapeError(f"sum_to_size: size {shape} is not expandable to size {given}")
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 and given[i + extra] != 1)
    axes = tuple(range(extra)) + stretched
    if axes or not shape:
        input = apply(Sum, _accumulating(input, None), axes=axes, keepdim=True)
    return input.reshape(shape) if extra or tuple(input.shape) != shape else input


@numpy_names
def hash_tensor(input: Tensor, dim: Dims = (), keepdim: bool = False, *, mode: int = 0, out: Any = None) -> Tensor:
    """The exclusive or of all elements' bits, or of those over ``dim``, as uint64.

    Floating-point elements count with the bits of their float64 value, integers and bools with those of their int64.

    Args:
        mode: 0, the only hash there is.
    """
    x = input.array
    wide = x.astype(np.float64 if input.dtype.category == dtypes.FLOATING else np.int64)
    xp, axes = array_module(x), normalize_dims(dim, x.ndim)
    bits = xp.ascontiguousarray(wide).reshape(x.shape).view(np.uint64)
    bits = xp.moveaxis(bits, axes, range(len(axes)))
    kept = bits.shape[len(axes) :]
    bits = bits.reshape(int(np.prod(bits.shape[: len(axes)], dtype=np.int64)), *kept)
    while len(bits) > 1:  # halves: not every array library reduces by ^
        half = len(bits) // 2
        bits = xp.concatenate((bits[:half] ^ bits[half : 2 * half], bits[2 * half :]))
    y = bits.sum(0)
    if keepdim:
        y = y.reshape(tuple(1 if axis in axes else n for axis, n in enumerate(x.shape)))
    y = as_given(y, input)
    return y if out is None else into(out, y, "hash_tensor")
