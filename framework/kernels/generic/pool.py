"""Maxima and means over windows of channels-last memory, by shifted passes.

Arrays are (N, C, *spatial) with one to three spatial axes; results are channels-last, whatever the input was. A maximum
goes through the window's taps one after the other, in blocks of rows that stay in the processor's cache; for its
gradient it keeps which tap won, in one byte. A mean is separable: it goes along one axis after the other.

Measured in float32 on one thread of an EPYC, a pass over an element takes: comparison 0.09 ns, maximum 0.15, the
winner's number 0.07 (an integer product and maximum; assignment through a mask takes 3.5), a masked addition of the
gradient 0.4 (a bitwise "and" with the mask; NumPy's ``where=`` takes 1.0).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.windows import Ints, blocks, first, in_float32, last, overlap, scratch, two_axes, widened

NAME = "generic"
CACHED = 1 << 20  # bytes of output that a pass works on at once

_INTEGER = {4: np.dtype("int32"), 8: np.dtype("int64")}


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def _limit(xp: Any) -> int:
    """A GPU does it in one block."""
    return CACHED if xp is np else 1 << 40


def _lowest(dtype: Any) -> Any:
    return -math.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _wide(x: Any) -> Any:
    return x.astype("float32") if x.dtype in dtypes.HALF else x


def max_pool(
    x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, outputs: Ints, winners: bool
) -> tuple[Any, Any]:
    """The maximum of each window, and the number of the tap that holds it (None unless ``winners``).

    Returns:
        (N, C, *outputs) of x's dtype; (N, *outputs, C), the first tap in row-major order where several are equal.
    """
    kind, xp, source = x.dtype, array_module(x), last(_wide(x))
    y = xp.empty((x.shape[0], *outputs, x.shape[1]), source.dtype)
    kernel, stride, padding, dilation = two_axes(kernel, stride, padding, dilation)
    source, out = widened(source), widened(y)
    taps = won = None
    if winners:
        count = math.prod(kernel)
        taps = xp.empty(y.shape, "uint8" if count <= 256 else "uint16" if count <= 65536 else "int32")
        won = widened(taps)
        won[...] = _first_taps(xp, out.shape[1:-1], kernel, stride, padding, dilation)[..., None]
    out[...] = _lowest(source.dtype)
    for batch, rows in blocks(out.shape[0], out.shape[1:-1], out.shape[-1] * out.itemsize, _limit(xp)):
        for number, tap in enumerate(np.ndindex(*kernel)):
            offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
            there, here = overlap(offset, stride, source.shape[1:-1], out.shape[1:-1], rows)
            if there is None:
                continue
            value = source[(batch, *there)]
            best = out[batch, rows][(slice(None), *here)]
            if won is not None:
                # taps come in ascending order, so the latest winner is the greatest number
                greater = xp.greater(value, best).view("uint8")
                place = won[batch, rows][(slice(None), *here)]
                xp.maximum(place, greater * won.dtype.type(number), out=place)
            xp.maximum(best, value, out=best)
    if taps is not None and source.dtype.kind == "f" and xp.isnan(y).any():
        _nan_winners(source, out, won, kernel, stride, padding, dilation)
    y = first(y)
    return y.astype(kind, copy=False), taps


def _first_taps(xp: Any, outputs: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    """The number of the first tap of each window that lies inside the input."""
    number = xp.zeros((1,) * len(outputs), "int64")
    for axis, (o, k, s, p, d) in enumerate(zip(outputs, kernel, stride, padding, dilation, strict=True)):
        tap = xp.maximum(0, -((xp.arange(o) * s - p) // d))
        number = number * k + tap.reshape((-1,) + (1,) * (len(outputs) - axis - 1))
    return number


def _nan_winners(x: Any, y: Any, won: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> None:
    """A window with NaNs is won by the last of them: comparisons do not see it."""
    xp = array_module(x)
    every = slice(0, y.shape[1])
    for number, tap in enumerate(np.ndindex(*kernel)):
        offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
        there, here = overlap(offset, stride, x.shape[1:-1], y.shape[1:-1], every)
        if there is not None:
            place = won[(slice(None), *here)]
            place[xp.isnan(x[(slice(None), *there)])] = number


def max_pool_gradient(
    g: Any, taps: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Any:
    """The gradient (N, C, *lengths): each window's goes to the tap that won."""
    kind, xp, source = g.dtype, array_module(g), last(_wide(g))
    x = xp.zeros((g.shape[0], *lengths, g.shape[1]), source.dtype)
    kernel, stride, padding, dilation = two_axes(kernel, stride, padding, dilation)
    source, out, won = widened(source), widened(x), widened(taps)
    bits = source.view(_INTEGER[source.itemsize])
    for batch, rows in blocks(source.shape[0], source.shape[1:-1], source.shape[-1] * source.itemsize, _limit(xp)):
        for number, tap in enumerate(np.ndindex(*kernel)):
            offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
            there, here = overlap(offset, stride, out.shape[1:-1], source.shape[1:-1], rows)
            if there is None:
                continue
            chosen = won[batch, rows][(slice(None), *here)] == number
            mask = scratch(xp, "mask", chosen.shape, bits.dtype)
            mask[...] = xp.negative(chosen.view("int8"))  # all ones where the tap won
            xp.bitwise_and(mask, bits[batch, rows][(slice(None), *here)], out=mask)
            out[(batch, *there)] += mask.view(source.dtype)
    return first(x).astype(kind, copy=False)


def max_pool_gather(x: Any, taps: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    """From x (N, C, *lengths), the element of each window that won a ``max_pool``: (N, C, *outputs)."""
    xp, source = array_module(x), last(x)
    y = xp.zeros(taps.shape, x.dtype)
    kernel, stride, padding, dilation = two_axes(kernel, stride, padding, dilation)
    source, out, won = widened(source), widened(y), widened(taps)
    every = slice(0, out.shape[1])
    for number, tap in enumerate(np.ndindex(*kernel)):
        offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
        there, here = overlap(offset, stride, source.shape[1:-1], out.shape[1:-1], every)
        if there is not None:
            place = out[(slice(None), *here)]
            xp.copyto(place, source[(slice(None), *there)], where=won[(slice(None), *here)] == number)
    return first(y)


def max_pool_indices(taps: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    """The winners' places in their (flattened) plane of the input: int64 (N, C, *outputs), row-major."""
    xp, axes = array_module(taps), len(kernel)
    rest, flat, size = taps.astype("int64"), xp.zeros((1,) * (axes + 2), "int64"), 1
    for axis in reversed(range(axes)):
        start = xp.arange(taps.shape[axis + 1]) * stride[axis] - padding[axis]
        place = start.reshape((-1,) + (1,) * (axes - axis)) + (rest % kernel[axis]) * dilation[axis]
        flat = flat + place * size
        rest = rest // kernel[axis]
        size *= lengths[axis]
    return xp.ascontiguousarray(xp.moveaxis(flat, -1, 1))


@in_float32
def avg_pool(x: Any, kernel: Ints, stride: Ints, padding: Ints, outputs: Ints, divisor: Any) -> Any:
    """The sum of each window, with zeros around the input, over ``divisor``: (N, C, *outputs).

    Args:
        divisor: an int, or an array of them (*outputs).
    """
    source = last(x)
    for axis, (k, s, p, o) in enumerate(zip(kernel, stride, padding, outputs, strict=True), 1):
        source = _sum_along(source, axis, k, s, p, o)
    return first(_over(source, divisor))


def _over(x: Any, divisor: Any) -> Any:
    """x (N, *outputs, C) over a divisor; integers are rounded towards zero."""
    xp = array_module(x)
    if x.dtype.kind in "iu":
        divisor = xp.asarray(divisor)[..., None]
        return xp.sign(x) * (abs(x) // abs(divisor)) * xp.sign(divisor)
    if isinstance(divisor, int):
        return x if divisor == 1 else x / divisor
    return x / xp.asarray(divisor.astype(x.dtype))[..., None]


def _sum_along(x: Any, axis: int, kernel: int, stride: int, padding: int, outputs: int) -> Any:
    xp = array_module(x)
    if kernel == 1 and stride == 1 and not padding and outputs == x.shape[axis]:
        return x
    before = (slice(None),) * axis
    if kernel == stride and not padding and outputs * kernel <= x.shape[axis] and kernel > 8:
        parts = x[(*before, slice(0, outputs * kernel))]
        return parts.reshape(*x.shape[:axis], outputs, kernel, *x.shape[axis + 1 :]).sum(axis + 1)
    out = xp.zeros((*x.shape[:axis], outputs, *x.shape[axis + 1 :]), x.dtype)
    for tap in range(kernel):
        there, here = overlap((tap - padding,), (stride,), (x.shape[axis],), (outputs,), slice(0, outputs))
        if there is not None:
            out[(*before, *here)] += x[(*before, *there)]
    return out


@in_float32
def avg_pool_gradient(g: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, divisor: Any) -> Any:
    """The gradient (N, C, *lengths): each window's, over ``divisor``, added to all its places."""
    source = _over(last(g), divisor)
    for axis, (k, s, p, n) in enumerate(zip(kernel, stride, padding, lengths, strict=True), 1):
        source = _spread_along(source, axis, k, s, p, n)
    return first(source)


def _spread_along(g: Any, axis: int, kernel: int, stride: int, padding: int, length: int) -> Any:
    xp = array_module(g)
    outputs = g.shape[axis]
    if kernel == 1 and stride == 1 and not padding and outputs == length:
        return g
    before = (slice(None),) * axis
    if kernel == stride and not padding and outputs * kernel == length:
        return xp.repeat(g, kernel, axis)
    out = xp.zeros((*g.shape[:axis], length, *g.shape[axis + 1 :]), g.dtype)
    for tap in range(kernel):
        there, here = overlap((tap - padding,), (stride,), (length,), (outputs,), slice(0, outputs))
        if there is not None:
            out[(*before, *there)] += g[(*before, *here)]
    return out
