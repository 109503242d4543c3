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
from framework.kernels.generic.passes import column_sums
from framework.kernels.generic.windows import (
    Ints,
    blocks,
    copy_pixels,
    in_float32,
    overlap,
    scratch,
    two_axes,
    widened,
)
from framework.kernels.layout import first, last

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
    for batch, rows in blocks(out.shape[0], out.shape[1:-1], out.shape[-1] * out.itemsize, _limit(xp)):
        best = out[batch, rows]
        # a tap's values are gathered first: comparisons over contiguous memory take half of strided ones
        value = scratch(xp, "values", best.shape, best.dtype)
        for number, tap in enumerate(np.ndindex(*kernel)):
            offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
            there, here = overlap(offset, stride, source.shape[1:-1], out.shape[1:-1], rows)
            target = value if number else best
            if there is None or any(s.stop - s.start < n for s, n in zip(here, best.shape[1:-1], strict=True)):
                target[...] = _lowest(source.dtype)
            if there is not None:
                copy_pixels(source[(batch, *there)], target[(slice(None), *here)])
            if not number or there is None:
                continue
            if won is not None:
                # taps come in ascending order, so the latest winner is the greatest number
                place = won[batch, rows]
                greater = xp.greater(value, best).view("uint8")
                if place.dtype == greater.dtype:
                    greater *= number
                else:
                    greater = greater * place.dtype.type(number)
                xp.maximum(place, greater, out=place)
            xp.maximum(best, value, out=best)
    if taps is not None and source.dtype.kind == "f" and (xp is not np or np.isnan(y).any()):
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
            xp.copyto(won[(slice(None), *here)], number, where=xp.isnan(x[(slice(None), *there)]))


def max_pool_gradient(
    g: Any, taps: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Any:
    """The gradient (N, C, *lengths): each window's goes to the tap that won."""
    kind, xp, source = g.dtype, array_module(g), last(_wide(g))
    apart = all(d * (k - 1) < s for k, s, d in zip(kernel, stride, dilation, strict=True))
    outputs = g.shape[2:]
    exact = all(k == s and o * s == n for k, s, o, n in zip(kernel, stride, outputs, lengths, strict=True))
    tiled = exact and apart and not any(padding)
    x = (xp.empty if tiled else xp.zeros)((g.shape[0], *lengths, g.shape[1]), source.dtype)
    kernel, stride, padding, dilation = two_axes(kernel, stride, padding, dilation)
    source, out, won = widened(source), widened(x), widened(taps)
    bits = source.view(_INTEGER[source.itemsize])
    for batch, rows in blocks(source.shape[0], source.shape[1:-1], source.shape[-1] * source.itemsize, _limit(xp)):
        part, winner = bits[batch, rows], won[batch, rows]
        share = scratch(xp, "values", part.shape, bits.dtype)
        for number, tap in enumerate(np.ndindex(*kernel)):
            offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
            there, here = overlap(offset, stride, out.shape[1:-1], source.shape[1:-1], rows)
            if there is None:
                continue
            chosen = xp.equal(winner, number).view("int8")
            xp.negative(chosen, out=chosen)  # all ones where the tap won
            xp.bitwise_and(part, chosen, out=share)
            target, found = out[(batch, *there)], share.view(source.dtype)[(slice(None), *here)]
            if apart:
                copy_pixels(found, target)  # no other window reaches these places
            else:
                target += found
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
    sums = source = last(x)
    if kernel == x.shape[2:] and not any(padding) and x.dtype.kind == "f":
        # one window: a sum over all pixels at once
        pixels = source.reshape(x.shape[0], math.prod(kernel), x.shape[1])
        sums = column_sums(pixels).reshape(x.shape[0], *outputs, x.shape[1])
        kernel = ()
    for axis, (k, s, p, o) in enumerate(zip(kernel, stride, padding, outputs, strict=False), 1):
        sums = _sum_along(sums, axis, k, s, p, o)
    if sums is not source and isinstance(divisor, int) and sums.dtype.kind == "f":
        sums /= divisor
        return first(sums)
    return first(_over(sums, divisor))


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
    out = xp.empty((*x.shape[:axis], outputs, *x.shape[axis + 1 :]), x.dtype)
    whole: list[Any] = []  # taps that every window has
    rest: list[Any] = []  # those that padding takes from some
    for tap in range(kernel):
        there, here = overlap((tap - padding,), (stride,), (x.shape[axis],), (outputs,), slice(0, outputs))
        if there is not None:
            full = here[0].stop - here[0].start == outputs
            (whole if full else rest).append(((*before, *here), (*before, *there)))
    if len(whole) > 1:
        xp.add(x[whole[0][1]], x[whole[1][1]], out=out)  # a pass less than adding both to zeros
    else:
        out[...] = x[whole[0][1]] if whole else 0
    for here, there in whole[2:] + rest:
        out[here] += x[there]
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
