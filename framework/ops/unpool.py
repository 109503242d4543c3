"""Max unpooling: values put back where a max pool took them from."""

from __future__ import annotations

from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.op import apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.conv import per_axis, unbatched
from framework.ops.gather import Scatter
from framework.tensor import Tensor


def _output_lengths(name: str, input: Any, window: Any, stride: Any, padding: Any, output_size: Any) -> tuple[int, ...]:
    """The unpooled lengths: the smallest that the pool may have come from, or those asked for if they fit."""
    axes = len(window)
    spatial = input.shape[input.ndim - axes :]
    usual = tuple((n - 1) * s + k - 2 * p for n, s, k, p in zip(spatial, stride, window, padding, strict=True))
    if output_size is None:
        return usual
    asked = tuple(int(n) for n in output_size)
    if len(asked) == axes + 2:
        asked = asked[2:]
    if len(asked) != axes:
        raise ValueError(
            f"{name}: output_size should be a sequence containing {axes} or {axes + 2} elements, but it has a length "
            f"of {len(asked)}"
        )
    for d, (n, u, s) in enumerate(zip(asked, usual, stride, strict=True)):
        if not u - s < n < u + s:
            raise ValueError(f"{name}: invalid output_size {asked} (dim {d} must be between {u - s} and {u + s})")
    return asked


def _unpool(axes: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> Any:
    name = f"max_unpool{axes}d"
    window = per_axis(name, "kernel_size", kernel_size, axes, 1)
    stride = window if stride is None else per_axis(name, "stride", stride, axes, 1)
    padding = per_axis(name, "padding", padding, axes, 0)
    places = indices.array if isinstance(indices, Tensor) else indices
    if places.dtype != "int64":
        raise DtypeError(f"{name}: elements in indices should be type int64 but got: {places.dtype}")
    if input.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{name}: expected input to be a {axes + 1}d or {axes + 2}d Tensor, but got {input.ndim} dims")
    if tuple(input.shape) != tuple(places.shape):
        raise ShapeError(
            f"{name}: expected shape of indices to be the same as that of the input {list(input.shape)}, but got "
            f"{list(places.shape)}"
        )
    lengths = _output_lengths(name, input, window, stride, padding, output_size)
    if min(lengths) < 0:
        raise ArgumentError(f"{name}: output_size must be non-negative, got {lengths}")
    single = input.ndim == axes + 1
    if single:
        input, places = input.reshape((1, *input.shape)), places[None]
    count = 1
    for n in lengths:
        count *= n
    if places.size and (places.min() < 0 or places.max() >= count):
        wrong = int(places.max() if places.max() >= count else places.min())
        raise ArgumentError(
            f"{name}: Found an invalid max index: {wrong} (output volumes are of size {'x'.join(map(str, lengths))})"
        )
    array = input.array if isinstance(input, Tensor) else input
    zeros = array_module(array).zeros((*array.shape[:2], count), array.dtype)
    values = input.reshape((*input.shape[:2], -1))
    y = apply(Scatter, zeros, values, index=places.reshape(values.shape), axis=2)
    return unbatched(y.reshape((*input.shape[:2], *lengths)), single)


def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The values of a ``max_pool1d`` put back where its indices say; see ``max_unpool2d``."""
    if region() is not None:
        return recast(max_unpool1d, locals())
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The values of a ``max_pool2d`` put back where its indices say, zeros elsewhere.

    Args:
        indices: int64 places in the flattened plane, as ``max_pool2d(..., return_indices=True)`` gives them.
        kernel_size, stride, padding: those of the pool.
        output_size: the input size of the pool, where several sizes give the same output.
    """
    if region() is not None:
        return recast(max_unpool2d, locals())
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """The values of a ``max_pool3d`` put back where its indices say; see ``max_unpool2d``."""
    if region() is not None:
        return recast(max_unpool3d, locals())
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
