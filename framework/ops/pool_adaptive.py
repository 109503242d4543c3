"""Pools to a given output size, and pools over windows placed at random; max unpooling stands in ``unpool.py``."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import apply
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.kernels.generic.resize import Table
from framework.ops.conv import unbatched
from framework.ops.dims import shape_of
from framework.ops.gather import Gather
from framework.ops.pool import AvgPool, MaxPool, prepare
from framework.ops.resize import Resample
from framework.tensor import Tensor, wrap

Ints = tuple[int, ...]
FEW_TAPS = 64  # windows up to which a maximum by shifted passes beats gathering each window


def adaptive_windows(length: int, outputs: int) -> tuple[Any, Any]:
    """Where the windows of an adaptive pool start and stop along an axis: int64 (outputs,)."""
    places = np.arange(outputs)
    return places * length // max(outputs, 1), -(-(places + 1) * length // max(outputs, 1))


def _output_size(name: str, input: Any, output_size: Any, axes: int) -> Ints:
    """Output lengths; None keeps the input's."""
    given = tuple(output_size) if hasattr(output_size, "__len__") else (output_size,) * axes
    if len(given) == 1 and axes > 1:
        given *= axes
    if len(given) != axes:
        raise ArgumentError(f"{name}: output_size must be {axes} ints or one, got {output_size}")
    spatial = input.shape[input.ndim - axes :]
    lengths = tuple(int(n) if s is None else shape_of((s,))[0] for s, n in zip(given, spatial, strict=True))
    if min(lengths) < 0:
        raise ArgumentError(f"{name}: elements of output_size must be greater than or equal to 0, got {lengths}")
    return lengths


def adaptive_average(name: str, axes: int, input: Any, output_size: Any) -> Any:
    """The mean over windows that share the input evenly; the public functions say what the arguments are."""
    lengths = _output_size(name, input, output_size, axes)
    input, single = prepare(name, input, axes)
    spatial = tuple(int(n) for n in input.shape[2:])
    if min(lengths) > 0 and all(n % o == 0 for n, o in zip(spatial, lengths, strict=True)):
        window = tuple(n // o for n, o in zip(spatial, lengths, strict=True))
        y = apply(
            AvgPool,
            input,
            window=window,
            stride=window,
            padding=(0,) * axes,
            outputs=lengths,
            divisor=math.prod(window),
        )
        return unbatched(y, single)
    tables = tuple(_mean_table(n, o) for n, o in zip(spatial, lengths, strict=True))
    return unbatched(apply(Resample, input, tables=tables), single)


@lru_cache(256)
def _mean_table(length: int, outputs: int) -> Table:
    """The table of an axis whose windows are averaged."""
    start, stop = adaptive_windows(length, outputs)
    taps = np.arange(max(int((stop - start).max(initial=1)), 1))
    inside = taps < (stop - start)[:, None]
    weights = inside / np.maximum(stop - start, 1)[:, None]
    return Table(np.minimum(start[:, None] + taps, length - 1), weights, length)


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """The mean over ``output_size`` windows of a sequence; see ``adaptive_avg_pool2d``. (N, C, L) or (C, L)."""
    return adaptive_average("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The mean over windows of an image such that the output has the size asked for.

    Window i of o along an axis of length n goes from floor(i * n / o) to ceil((i + 1) * n / o).

    Args:
        output_size: (H', W'), or one int for both; None keeps a dim as it is.

    Shape:
        input (N, C, H, W) or (C, H, W) -> (N, C, H', W') or (C, H', W').

    Example:
        >>> adaptive_avg_pool2d(framework.ones(1, 3, 7, 5), 1).shape
        framework.Size([1, 3, 1, 1])
    """
    return adaptive_average("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """The mean over windows of a volume; see ``adaptive_avg_pool2d``. (N, C, D, H, W) or (C, D, H, W)."""
    if region() is not None:
        return recast(adaptive_avg_pool3d, locals())
    return adaptive_average("adaptive_avg_pool3d", 3, input, output_size)


def _window_maxima(x: Any, starts: list[Any], lengths: list[Any]) -> Any:
    """Where the greatest value of each window lies in the flattened plane: int64 (N, C, *outputs).

    Args:
        x: the array, (N, C, *spatial).
        starts: for each axis the first place of each window, (outputs,), or (N, C, outputs) where planes differ.
        lengths: for each axis the windows' lengths, (outputs,).
    """
    xp, axes = array_module(x), len(starts)
    flat: Any = None
    size = 1
    for axis in reversed(range(axes)):
        start, length = xp.asarray(starts[axis]), xp.asarray(lengths[axis])
        taps = xp.arange(int(length.max()))
        # a window shorter than the longest repeats its last place, which changes neither maximum nor first winner
        place = start[..., None] + xp.minimum(taps, length[:, None] - 1)
        place = place.reshape(*(place.shape[:-2] or (1, 1)), *place.shape[-2:])
        shape = [*place.shape[:2], *(1,) * (2 * axes)]
        shape[2 + axis], shape[2 + axes + axis] = place.shape[2:]
        place = place.reshape(shape) * size
        flat = place if flat is None else flat + place
        size *= x.shape[2 + axis]
    outputs = flat.shape[2 : 2 + axes]
    flat = flat.reshape(*flat.shape[:2], int(np.prod(outputs)), -1)
    found = xp.empty((*x.shape[:2], flat.shape[2]), "int64")
    for n in range(x.shape[0]):
        places = flat[n if flat.shape[0] > 1 else 0]
        planes = x[n].reshape(x.shape[1], -1)
        if places.shape[0] == 1:
            values = planes[:, places[0]]
            best = values.argmax(-1)
            found[n] = places[0][xp.arange(places.shape[1]), best]
        else:
            values = xp.take_along_axis(planes[:, None], places, 2)
            best = values.argmax(-1)
            found[n] = xp.take_along_axis(places, best[..., None], 2)[..., 0]
    return found.reshape(*x.shape[:2], *outputs)


def _take_planes(input: Any, places: Any, axes: int) -> Any:
    """The values at places in each flattened plane, with their gradient."""
    planes = input.reshape((*input.shape[:2], math.prod(input.shape[2:])))
    y = apply(Gather, planes, index=places.reshape(*places.shape[:2], math.prod(places.shape[2:])), axis=2)
    return y.reshape(places.shape)


def _maxima(input: Any, single: bool, starts: list[Any], lengths: list[Any], return_indices: bool) -> Any:
    array = input.array if isinstance(input, Tensor) else input
    if array.dtype.kind == "V":
        array = array.astype("float32")
    if min(len(v) for v in lengths) == 0 or array.size == 0:
        shape = (*input.shape[:2], *(len(v) for v in lengths))
        places = array_module(array).zeros(shape, "int64")
    else:
        places = _window_maxima(array, starts, lengths)
    y = unbatched(_take_planes(input, places, len(starts)), single)
    if not return_indices:
        return y
    return y, unbatched(wrap(places) if isinstance(input, Tensor) else places, single)


def _adaptive_max(axes: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    name = f"adaptive_max_pool{axes}d"
    lengths = _output_size(name, input, output_size, axes)
    input, single = prepare(name, input, axes)
    window = tuple(int(n) // max(o, 1) for n, o in zip(input.shape[2:], lengths, strict=True))
    even = all(o * w == n for n, o, w in zip(input.shape[2:], lengths, window, strict=True))
    if even and math.prod(window) <= FEW_TAPS:
        found = apply(
            MaxPool, input, window=window, stride=window, padding=(0,) * axes, dilation=(1,) * axes, outputs=lengths,
            indices=return_indices,
        )  # fmt: skip
        return (
            (unbatched(found[0], single), unbatched(found[1], single)) if return_indices else unbatched(found, single)
        )
    bounds = [adaptive_windows(int(n), o) for n, o in zip(input.shape[2:], lengths, strict=True)]
    return _maxima(input, single, [a for a, _ in bounds], [b - a for a, b in bounds], return_indices)


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum over ``output_size`` windows of a sequence; see ``adaptive_max_pool2d``. (N, C, L) or (C, L)."""
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum over windows of an image such that the output has the size asked for.

    Args:
        output_size: (H', W'), or one int for both; None keeps a dim as it is.
        return_indices: return also where in the (flattened) plane each maximum lies, int64.

    Shape:
        input (N, C, H, W) or (C, H, W) -> (N, C, H', W') or (C, H', W').
    """
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """The maximum over windows of a volume; see ``adaptive_max_pool2d``. (N, C, D, H, W) or (C, D, H, W)."""
    if region() is not None:
        return recast(adaptive_max_pool3d, locals())
    return _adaptive_max(3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(input: Any, output_size: Any, return_indices: bool = True) -> Any:
    """``adaptive_max_pool1d`` with ``return_indices``."""
    return _adaptive_max(1, input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Any, output_size: Any, return_indices: bool = True) -> Any:
    """``adaptive_max_pool2d`` with ``return_indices``."""
    return _adaptive_max(2, input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Any, output_size: Any, return_indices: bool = True) -> Any:
    """``adaptive_max_pool3d`` with ``return_indices``."""
    return _adaptive_max(3, input, output_size, True)


def _fractional(
    axes: int, input: Any, kernel_size: Any, output_size: Any, output_ratio: Any, return_indices: bool, samples: Any
) -> Any:
    from framework.ops.conv import per_axis

    name = f"fractional_max_pool{axes}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name}: requires specifying either an output_size or an output_ratio")
    window = per_axis(name, "kernel_size", kernel_size, axes, 1)
    if output_size is None:
        ratios = tuple(output_ratio) if hasattr(output_ratio, "__len__") else (output_ratio,) * axes
        if len(ratios) != axes:
            raise ValueError(f"{name}: requires output_ratio to be one number or {axes}, got {output_ratio}")
        output_size = [int(n * r) for n, r in zip(input.shape[input.ndim - axes :], ratios, strict=True)]
    outputs = per_axis(name, "output_size", output_size, axes, 1)
    input, single = prepare(name, input, axes)
    for n, k, o in zip(input.shape[2:], window, outputs, strict=True):
        if o + k - 1 > n:
            raise ShapeError(
                f"{name}: output_size {outputs} with kernel_size {window} is too large relative to the input's "
                f"{tuple(input.shape[2:])}; output + kernel - 1 must not exceed it"
            )
    if samples is None:
        from framework.ops.random import rand

        samples = rand(input.shape[0], input.shape[1], axes)
    drawn = (samples.array if isinstance(samples, Tensor) else samples).astype("float64")
    starts = []
    for axis, (n, k, o) in enumerate(zip(input.shape[2:], window, outputs, strict=True)):
        u = drawn[..., axes - 1 - axis if axes == 2 else axis, None]  # 2-d samples come as (width, height)
        step = (n - k) / (o - 1) if o > 1 else 0.0
        places = np.arange(o)
        start = ((places + u) * step).astype("int64") - (u * step).astype("int64")
        start[..., -1] = n - k
        starts.append(start)
    lengths = [np.full(o, k) for k, o in zip(window, outputs, strict=True)]
    return _maxima(input, single, starts, lengths, return_indices)


def fractional_max_pool2d(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:  # fmt: skip
    """The maximum over windows at pseudo-random steps of one or two lengths, so that a size shrinks by any factor.

    Args:
        kernel_size: the window's lengths.
        output_size: output lengths; give it or ``output_ratio``.
        output_ratio: output length / input length, between 0 and 1.
        return_indices: return also where in the (flattened) plane each maximum lies, int64.
        _random_samples: numbers in [0, 1) that place the windows, (N, C, 2); drawn unless given.

    Reference:
        Graham, "Fractional Max-Pooling", https://arxiv.org/abs/1412.6071.
    """
    if region() is not None:
        return recast(fractional_max_pool2d, locals())
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:  # fmt: skip
    """``fractional_max_pool2d`` over volumes; samples (N, C, 3)."""
    if region() is not None:
        return recast(fractional_max_pool3d, locals())
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool2d_with_indices(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = True,
    _random_samples: Any = None,
) -> Any:  # fmt: skip
    """``fractional_max_pool2d`` with ``return_indices``."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, True, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Any, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = True,
    _random_samples: Any = None,
) -> Any:  # fmt: skip
    """``fractional_max_pool3d`` with ``return_indices``."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, True, _random_samples)
