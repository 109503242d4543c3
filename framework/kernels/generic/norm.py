"""Normalization: statistics, the normalized output, and its gradient, in few passes over memory.

Statistics are accumulated in at least float32, 16-bit inputs widened block by block. Only the mean and the reciprocal
deviation are kept: the gradient computes what is normalized again.

Batch, group and instance norm differ in what shares a statistic; each has one factor and one offset a channel in the
end (for every sample, where statistics are a sample's own): ``y = x * scale + shift``, and ``dx = a * g + b * x + c``.
Both memory orders are served: channels-last as rows of C, several rows taken as one long line since NumPy's inner loops
pay for length; row-major as (N, C, L). Layer norm and RMS norm work on the rows of (rows, D).

A sum of products with ``x - mean`` is one with x less the mean's part, which saves a pass; far means cost it precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.passes import BUFFER, CACHED, column_sums, row_sums, unbuffered
from framework.kernels.generic.windows import scratch

NAME = "generic"
FAR = 2.0  # deviations between 0 and a mean above which differences from the mean are computed


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def _accumulator(x: Any) -> Any:
    """The dtype that statistics of an array have."""
    return np.dtype("float32") if x.dtype in dtypes.HALF else x.dtype


def _wide(x: Any) -> Any:
    """A block in its accumulator's dtype."""
    return x.astype("float32") if x.dtype in dtypes.HALF else x


def _blocks(xp: Any, rows: int, width: int, itemsize: int) -> Iterator[tuple[slice, int]]:
    """Slices of rows that stay in the cache, and the length of the lines of whole rows that each is seen as.

    A line is as long as a ufunc's buffer at least, so that vectors which broadcast along it are not copied through that;
    the rows that are left over in the end are one shorter line.
    """
    joined = max(1, min(-(-BUFFER // max(width, 1)), rows))
    step = rows // joined * joined
    if xp is np:
        step = min(step, max(1, CACHED // max(1, width * max(itemsize, 4) * joined)) * joined)
    stop = rows - rows % joined
    for start in range(0, stop, max(step, 1)):
        yield slice(start, min(start + step, stop)), joined * width
    if stop < rows:
        yield slice(stop, rows), (rows - stop) * width


class Channels:
    """An (N, C, *spatial) array seen so that vectors of one value a channel broadcast along its blocks.

    Args:
        apart: statistics are each sample's own.
        like: an array whose memory order this one is brought to.

    Attributes:
        array: (S, rows, C) over channels-last memory, else (S, n, C, L); S is N if ``apart``, else 1.
    """

    def __init__(self, x: Any, apart: bool = False, like: Channels | None = None) -> None:
        self.xp, self.shape, self.channels = array_module(x), x.shape, x.shape[1]
        moved = x.transpose(0, *range(2, x.ndim), 1)
        self.last: bool = like.last if like else bool(x.ndim == 2 or moved.flags.c_contiguous)
        self.samples = x.shape[0] if apart else 1
        source = self.xp.ascontiguousarray(moved if self.last else x)
        length = source.size // max(1, x.shape[0] * self.channels)
        inside = x.shape[0] // max(self.samples, 1)
        shape = (inside * length, self.channels) if self.last else (inside, self.channels, length)
        self.array = source.reshape(self.samples, *shape)

    def empty(self, dtype: Any) -> tuple[Any, Any]:
        """A new array of this layout, and the same memory as (N, C, *spatial)."""
        out = self.xp.empty(self.array.shape, dtype)
        if not self.last:
            return out, out.reshape(self.shape)
        whole = out.reshape(self.shape[0], *self.shape[2:], self.channels)
        return out, whole.transpose(0, whole.ndim - 1, *range(1, whole.ndim - 1))

    def blocks(self, *vectors: Any) -> Iterator[tuple[Any, ...]]:
        """For each block its sample, a function that cuts it out of an array, and the vectors (S, C) along it."""
        xp, array = self.xp, self.array
        if not array.size:
            return
        if self.last:
            cuts = list(_blocks(xp, array.shape[1], self.channels, array.itemsize))
            longest = max((line for _, line in cuts), default=0) // max(self.channels, 1)
        else:
            size = array.shape[2] * array.shape[3]
            step = max(1, CACHED // max(1, size * max(array.itemsize, 4))) if xp is np else max(1, array.shape[1])
            cuts = [(slice(start, start + step), 0) for start in range(0, array.shape[1], step)]
        for sample in range(self.samples):
            if self.last:
                here = [xp.tile(v[sample], longest) for v in vectors]
            else:
                here = [v[sample][:, None] for v in vectors]
            for rows, line in cuts:
                yield sample, _Cut(sample, rows, line), *([v[:line] for v in here] if self.last else here)

    def total(self, block: Any) -> Any:
        """The sum of a block a channel."""
        if self.last:
            return column_sums(block.reshape(1, -1, self.channels))[0]
        return row_sums(block.reshape(-1, block.shape[-1])).reshape(-1, self.channels).sum(0)

    def dot(self, a: Any, b: Any) -> Any:
        """The sum of a product of blocks a channel."""
        if self.xp is not np:
            return self.total(a * b)
        if not self.last:
            return np.vecdot(a, b).sum(0)
        product = scratch(np, "norm", a.shape, a.dtype)
        np.multiply(a, b, out=product)
        return self.total(product)

    def spread(self, values: Any) -> Any:
        """Values a group, (S, groups), as values a channel, (S, C)."""
        return self.xp.repeat(values, self.channels // values.shape[1], axis=1)

    def joined(self, values: Any, groups: int) -> Any:
        """The sums (S, groups) of values a channel."""
        return values.reshape(self.samples, groups, self.channels // groups).sum(2)

    def unbuffered(self) -> Any:
        """The context for elementwise passes over blocks."""
        return unbuffered(0 if self.last else self.array.shape[-1])


class _Cut:
    """Where a block lies."""

    def __init__(self, sample: int, rows: slice, line: int) -> None:
        self.place, self.line = (sample, rows), line

    def __call__(self, array: Any) -> Any:
        part = array[self.place]
        return part.reshape(-1, self.line) if self.line else part


def _moments(view: Channels, groups: int) -> tuple[Any, Any]:
    """Mean and (biased) variance of the channels joined in groups: float64 (S, groups)."""
    xp, count = view.xp, view.array.size // max(1, view.samples * groups)
    total, square = (xp.zeros((view.samples, view.channels), "float64") for _ in range(2))
    for sample, cut in view.blocks():
        part = _wide(cut(view.array))
        total[sample] += view.total(part)
        square[sample] += view.dot(part, part)
    mean = view.joined(total, groups) / count
    variance = view.joined(square, groups) / count - mean * mean
    if xp is np and bool((mean * mean <= FAR * FAR * variance).all()):  # asking a GPU would wait for it
        return mean, variance
    square[...] = 0
    for sample, cut, center in view.blocks(view.spread(mean).astype(_accumulator(view.array))):
        part = _wide(cut(view.array)) - center
        square[sample] += view.dot(part, part)
    return mean, view.joined(square, groups) / count


def _scale(view: Channels, out: Any, scale: Any, shift: Any) -> None:
    """``out = x * scale + shift``, with factors (S, C)."""
    kind = _accumulator(view.array)
    with view.unbuffered():
        for _, cut, factor, offset in view.blocks(scale.astype(kind), shift.astype(kind)):
            part, place = cut(view.array), cut(out)
            if part.dtype == kind:
                view.xp.multiply(part, factor, out=place)
                place += offset
            else:
                place[...] = part.astype(kind) * factor + offset


def affine(x: Any, scale: Any, shift: Any) -> Any:
    """``x * scale + shift`` with one of each a channel: batch norm by known statistics."""
    view = Channels(x)
    out, y = view.empty(x.dtype)
    _scale(view, out, scale[None], shift[None])
    return y


def batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """x (N, C, *spatial) with mean 0 and variance 1 a channel, times weight, plus bias; also mean and variance."""
    y, mean, variance = _normalized(Channels(x), x, x.shape[1], weight, bias, eps)
    kind = _accumulator(x)
    return y, mean[0].astype(kind), variance[0].astype(kind)


def _normalized(view: Channels, x: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The output, and mean and variance (S, groups) in float64."""
    mean, variance = _moments(view, groups)
    out, y = view.empty(x.dtype)
    scale = view.spread(1 / np.sqrt(variance + eps))
    if weight is not None:
        scale *= _wide(weight)
    shift = -view.spread(mean) * scale
    if bias is not None:
        shift += _wide(bias)
    _scale(view, out, scale, shift)
    return y, mean, variance


def batch_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, fixed: bool, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm``, or of ``affine`` if the statistics are ``fixed``; None where not ``wanted``."""
    view = Channels(x)
    return _gradients(Channels(g, like=view), view, mean[None], rstd[None], weight, fixed, wanted)


def _gradients(
    g: Channels, x: Channels, mean: Any, rstd: Any, weight: Any, fixed: bool, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of x, weight and bias; mean and rstd are (S, groups)."""
    groups, kind = mean.shape[1], _accumulator(x.array)
    mean, rstd = (x.spread(v.astype("float64")) for v in (mean, rstd))
    total, product = _gradient_sums(g, x, mean, rstd)
    dx = None
    if wanted[0]:
        scale = rstd if weight is None else rstd * _wide(weight)
        if fixed:
            factor = offset = None
        else:
            count = max(1, x.array.size // max(1, x.samples * groups))
            along = 1.0 if weight is None else _wide(weight).astype("float64")
            first, second = (x.spread(x.joined(along * v, groups)) / count for v in (total, product))
            factor = -rstd * rstd * second
            offset = -rstd * first - factor * mean
        out, dx = x.empty(x.array.dtype)
        _combined(g, x, out, scale, factor, offset)
    return dx, product.sum(0).astype(kind) if wanted[1] else None, total.sum(0).astype(kind) if wanted[2] else None


def _gradient_sums(g: Channels, x: Channels, mean: Any, rstd: Any) -> tuple[Any, Any]:
    """The sums (S, C) of g, and of g times the normalized x."""
    xp = x.xp
    total, product = (xp.zeros((x.samples, x.channels), "float64") for _ in range(2))
    near = xp is np and bool((abs(mean * rstd) <= FAR).all())
    for sample, cut, center in x.blocks(mean.astype(_accumulator(x.array))):
        part, values = _wide(cut(g.array)), _wide(cut(x.array))
        total[sample] += x.total(part)
        product[sample] += x.dot(part, values if near else values - center)
    if near:
        product -= mean * total
    return total, product * rstd


def _combined(g: Channels, x: Channels, out: Any, scale: Any, factor: Any, offset: Any) -> None:
    """``out = g * scale + x * factor + offset``, with factors (S, C); the latter two may be None."""
    xp, kind = x.xp, _accumulator(x.array)
    vectors = [v.astype(kind) for v in (scale, factor, offset) if v is not None]
    with x.unbuffered():
        for _, cut, *along in x.blocks(*vectors):
            part, place = _wide(cut(g.array)), cut(out)
            result = place if place.dtype == kind else xp.empty(part.shape, kind)
            xp.multiply(part, along[0], out=result)
            if factor is not None:
                product = scratch(xp, "norm", part.shape, kind)
                xp.multiply(_wide(cut(x.array)), along[1], out=product)
                result += product
                result += along[2]
            if result is not place:
                place[...] = result


def group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Each sample's groups of channels with mean 0 and variance 1; also mean and 1 / deviation, (N, groups)."""
    kind = _accumulator(x)
    y, mean, variance = _normalized(Channels(x, apart=True), x, groups, weight, bias, eps)
    return y, mean.astype(kind), (1 / np.sqrt(variance + eps)).astype(kind)


def group_norm_gradient(
    g: Any, x: Any, groups: int, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``group_norm``; None where not ``wanted``."""
    view = Channels(x, apart=True)
    return _gradients(Channels(g, True, view), view, mean, rstd, weight, False, wanted)


def _row_dot(a: Any, b: Any) -> Any:
    return np.vecdot(a, b) if array_module(a) is np else (a * b).sum(1)


def _tiled(v: Any, kind: Any, line: int, width: int) -> Any:
    """A vector of a row, repeated along a line of several; None stays None."""
    return None if v is None else array_module(v).tile(v.astype(kind, copy=False), line // max(width, 1))


def _along(part: Any, line: int, weight: Any, bias: Any, out: Any) -> None:
    """``out = part * weight + bias``, rows joined to lines; ``part`` may be overwritten."""
    xp = array_module(part)
    long, place = part.reshape(-1, line), out.reshape(-1, line)
    target = place if place.dtype == long.dtype else long
    if weight is not None:
        xp.multiply(long, weight[:line], out=target)
        long = target
    if bias is not None:
        xp.add(long, bias[:line], out=target)
        long = target
    if long is not place:
        place[...] = long


def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The rows of x (R, D) with mean 0, variance 1, times weight (D,), plus bias; also mean and 1 / deviation (R,)."""
    return _normalized_rows(x, weight, bias, eps, True)


def rms_norm(x: Any, weight: Any, eps: float) -> tuple[Any, Any]:
    """The rows of x (R, D) over their root mean square, times weight (D,); also 1 / that root, (R,)."""
    y, _, rstds = _normalized_rows(x, weight, None, eps, False)
    return y, rstds


def _normalized_rows(x: Any, weight: Any, bias: Any, eps: float, centered: bool) -> tuple[Any, Any, Any]:
    xp, kind, (rows, count) = array_module(x), _accumulator(x), x.shape
    y = xp.empty(x.shape, x.dtype)
    means, rstds = (xp.empty(rows, kind) for _ in range(2))
    cuts = list(_blocks(xp, rows, count, x.itemsize))
    longest = max((line for _, line in cuts), default=0)
    weight, bias = (_tiled(v, kind, longest, count) for v in (weight, bias))
    average = xp.full(count, 1 / max(count, 1), kind)
    with unbuffered(count):
        for block, line in cuts:
            part = _wide(x[block])
            normal = scratch(xp, "norm", part.shape, kind)
            if centered:
                xp.matmul(part, average, out=means[block])
                part = xp.subtract(part, means[block][:, None], out=normal)
            rstd = _row_dot(part, part)
            rstd /= count
            rstd += eps
            xp.sqrt(rstd, out=rstd)
            xp.divide(1, rstd, out=rstds[block])
            plain = weight is None and bias is None and y.dtype == kind
            xp.multiply(part, rstds[block][:, None], out=y[block] if plain else normal)
            if not plain:
                _along(normal, line, weight, bias, y[block])
    return y, means, rstds


def layer_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``layer_norm``; None where not ``wanted``. ``mean`` None stands for 0: RMS norm."""
    xp, kind, (rows, count) = array_module(x), _accumulator(x), x.shape
    dx = xp.empty(x.shape, x.dtype) if wanted[0] else None
    dw, db = (xp.zeros(count, "float64") if w else None for w in wanted[1:])
    cuts = list(_blocks(xp, rows, count, x.itemsize))
    along = _tiled(weight, kind, max((line for _, line in cuts), default=0), count)
    each = xp.ones(count, kind) if weight is None else weight.astype(kind, copy=False)
    with unbuffered(count):
        for block, line in cuts:
            part, scale = _wide(g[block]), rstd[block]
            if db is not None:
                db += xp.ones(part.shape[0], kind) @ part
            if dx is None and dw is None:
                continue
            values, center = _wide(x[block]), None if mean is None else mean[block]
            if center is not None and (xp is not np or not bool((abs(center * scale) <= FAR).all())):
                values, center = values - center[:, None], None
            product = scratch(xp, "norm", part.shape, kind)
            xp.multiply(part, values, out=product)
            if dw is not None:
                dw += scale @ product
                if center is not None:
                    dw -= (scale * center) @ part
            if dx is None:
                continue
            # with n = (x - mean) * rstd and h = g * weight: dx = rstd * (h - average of h - n * average of (h * n))
            total, along_x = part @ each, product @ each
            if center is not None:
                along_x -= center * total
            factor = along_x * (-scale * scale * scale / count)
            result = dx[block] if dx.dtype == kind else xp.empty(part.shape, kind)
            if along is None:
                xp.multiply(part, scale[:, None], out=result)
            else:
                xp.multiply(part.reshape(-1, line), along[:line], out=result.reshape(-1, line))
                result *= scale[:, None]
            xp.multiply(values, factor[:, None], out=product)
            result += product
            if mean is not None:
                offset = -scale * total / count
                if center is not None:
                    offset -= factor * center
                result += offset[:, None]
            if dx.dtype != kind:
                dx[block] = result
    return dx, None if dw is None else dw.astype(kind), None if db is None else db.astype(kind)
