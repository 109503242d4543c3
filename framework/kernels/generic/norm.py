"""Normalization: statistics, the normalized output, and its gradient, in few passes over memory.

Statistics are accumulated in at least float32, and 16-bit inputs are widened block by block. What is normalized is
computed again from the input in the gradient, so only the mean and the reciprocal deviation are kept.

Batch, group and instance norm differ in what shares a statistic; each has one factor and one offset a channel in the
end (for every sample, where statistics are a sample's own): ``y = x * scale + shift``, and ``dx = a * g + b * x + c``.
Both memory orders are served: channels-last as a matrix (rows, C), several rows taken as one long line since NumPy's
inner loops pay for length; row-major as (N, C, L). Layer norm and RMS norm work on the rows of (rows, D).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module

NAME = "generic"
LINE = 1024  # elements of a line that inner loops go along, at least, where rows can be joined to one
CACHED = 256 << 10  # bytes of a block: it, its gradient and a temporary stay in the processor's second cache


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def _accumulator(x: Any) -> Any:
    """The dtype that statistics of an array have."""
    return np.dtype("float32") if x.dtype in dtypes.HALF else x.dtype


def _wide(x: Any) -> Any:
    """A block in its accumulator's dtype."""
    return x.astype("float32") if x.dtype in dtypes.HALF else x


class Channels:
    """An (N, C, *spatial) array seen so that vectors of one value a channel broadcast along it."""

    def __init__(self, x: Any, like: Channels | None = None) -> None:
        self.xp, self.shape, self.channels = array_module(x), x.shape, x.shape[1]
        moved = x.transpose(0, *range(2, x.ndim), 1)
        self.last: bool = like.last if like else bool(x.ndim == 2 or moved.flags.c_contiguous)
        self.joined = 1
        if self.last:
            rows = self.xp.ascontiguousarray(moved).reshape(-1, self.channels)
            self.joined = like.joined if like else _divisor(rows.shape[0], max(1, LINE // max(self.channels, 1)))
            self.array = rows.reshape(-1, self.joined * self.channels)
        else:
            self.array = self.xp.ascontiguousarray(x).reshape(x.shape[0], self.channels, -1)

    def empty(self, dtype: Any) -> tuple[Any, Any]:
        """A new array of this layout, and the same memory as (N, C, *spatial)."""
        out = self.xp.empty(self.array.shape, dtype)
        if not self.last:
            return out, out.reshape(self.shape)
        whole = out.reshape(self.shape[0], *self.shape[2:], self.channels)
        return out, whole.transpose(0, whole.ndim - 1, *range(1, whole.ndim - 1))

    def blocks(self) -> Iterator[slice]:
        """Slices of the first axis that stay in the cache."""
        rows = self.array.shape[0]
        line = self.array.size // max(rows, 1) * max(self.array.itemsize, 4)
        step = max(1, CACHED // max(line, 1)) if self.xp is np else max(rows, 1)
        for start in range(0, rows, step):
            yield slice(start, start + step)

    def vector(self, values: Any) -> Any:
        """One value a channel, as it broadcasts along the array."""
        return self.xp.tile(values, self.joined) if self.last else values[:, None]

    def total(self, block: Any) -> Any:
        """The sum of a block a channel, before ``folded``."""
        xp = self.xp
        return xp.ones(block.shape[0], block.dtype) @ block if self.last else block.sum(2).sum(0)

    def dot(self, a: Any, b: Any) -> Any:
        """The sum of a product of blocks a channel, before ``folded``; multiplied and added in one pass."""
        if self.xp is not np:
            return self.total(a * b)
        return np.einsum("ij,ij->j", a, b) if self.last else np.einsum("ncl,ncl->nc", a, b).sum(0)

    def folded(self, totals: Any) -> Any:
        """Totals of joined rows brought to one a channel."""
        return totals.reshape(self.joined, self.channels).sum(0) if self.last else totals

    def zeros(self) -> Any:
        """A place for totals: sums of many blocks are kept in float64."""
        return self.xp.zeros(self.joined * self.channels, "float64")


def _divisor(number: int, most: int) -> int:
    """The greatest divisor of a number that is not above ``most``."""
    return next((d for d in range(min(most, number), 0, -1) if number % d == 0), 1)


def _moments(view: Channels, groups: int) -> tuple[Any, Any]:
    """Mean and (biased) variance of the channels joined in groups: two vectors of ``groups`` float64."""
    xp, members = view.xp, view.channels // groups
    count = view.array.size // groups
    total = view.zeros()
    for block in view.blocks():
        total += view.total(_wide(view.array[block]))
    mean = view.folded(total).reshape(groups, members).sum(1) / count
    center = view.vector(xp.repeat(mean, members).astype(_accumulator(view.array)))
    total = view.zeros()
    for block in view.blocks():
        part = view.array[block]
        part = xp.subtract(part, center, dtype=center.dtype) if part.dtype in dtypes.HALF else part - center
        total += view.dot(part, part)
    return mean, view.folded(total).reshape(groups, members).sum(1) / count


def _scale(view: Channels, out: Any, scale: Any, shift: Any) -> None:
    """``out = x * scale + shift``."""
    kind = _accumulator(view.array)
    scale, shift = (view.vector(v.astype(kind)) for v in (scale, shift))
    for block in view.blocks():
        part = view.array[block]
        if part.dtype == kind:
            view.xp.multiply(part, scale, out=out[block])
            out[block] += shift
        else:
            out[block] = part.astype(kind) * scale + shift


def affine(x: Any, scale: Any, shift: Any) -> Any:
    """``x * scale + shift`` with one of each a channel: batch norm by known statistics."""
    view = Channels(x)
    out, y = view.empty(x.dtype)
    _scale(view, out, scale, shift)
    return y


def batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """x (N, C, *spatial) with mean 0 and variance 1 a channel, times weight, plus bias; also mean and variance."""
    view = Channels(x)
    mean, variance = _moments(view, view.channels)
    out, y = view.empty(x.dtype)
    scale, shift = _factors(mean, 1 / np.sqrt(variance + eps), weight, bias)
    _scale(view, out, scale, shift)
    kind = _accumulator(x)
    return y, mean.astype(kind), variance.astype(kind)


def _factors(mean: Any, rstd: Any, weight: Any, bias: Any) -> tuple[Any, Any]:
    scale = rstd if weight is None else rstd * _wide(weight)
    shift = -mean * scale
    return scale, shift if bias is None else shift + _wide(bias)


def batch_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, fixed: bool, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm``, or of ``affine`` if the statistics are ``fixed``; None where not ``wanted``."""
    view = Channels(x)
    gradient = Channels(g, view)
    out, dx = view.empty(x.dtype) if wanted[0] else (None, None)
    dw, db = _gradient(gradient, view, out, mean, rstd, weight, view.channels, fixed)
    return dx, dw if wanted[1] else None, db if wanted[2] else None


def _gradient(
    g: Channels, x: Channels, out: Any, mean: Any, rstd: Any, weight: Any, groups: int, fixed: bool = False
) -> tuple[Any, Any]:
    """The gradient of x into ``out``, and those of weight and bias; mean and rstd have one value a group."""
    xp, members, kind = x.xp, x.channels // groups, _accumulator(x.array)
    mean, rstd = (xp.repeat(v.astype("float64"), members) for v in (mean, rstd))
    weight = 1.0 if weight is None else _wide(weight).astype("float64")
    center = x.vector(mean.astype(kind))
    total, product = x.zeros(), x.zeros()
    for block in x.blocks():
        part = _wide(g.array[block])
        total += x.total(part)
        product += x.dot(part, _wide(x.array[block]) - center)
    total, product = x.folded(total), x.folded(product) * rstd  # sums of g, and of g times the normalized x
    if out is not None:
        scale = weight * rstd
        if fixed:
            factor, offset = total * 0, total * 0
        else:
            count = x.array.size // groups
            parts = [(weight * v).reshape(groups, members).sum(1) / count for v in (total, product)]
            first, second = (xp.repeat(v, members) for v in parts)
            factor = -rstd * rstd * second
            offset = -rstd * first - factor * mean
        scale, factor, offset = (x.vector(v.astype(kind)) for v in (scale, factor, offset))
        for block in x.blocks():
            part = _wide(g.array[block])
            if fixed:
                out[block] = part * scale
                continue
            result = out[block] if out.dtype == kind else xp.empty(part.shape, kind)
            xp.multiply(part, scale, out=result)
            result += _wide(x.array[block]) * factor
            result += offset
            if result.dtype != out.dtype:
                out[block] = result
    return product.astype(kind), total.astype(kind)


def group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Each sample's groups of channels with mean 0 and variance 1; also mean and 1 / deviation, (N, groups)."""
    xp, kind = array_module(x), _accumulator(x)
    whole = Channels(x)
    y = whole.empty(x.dtype)[1]
    means, rstds = (xp.empty((x.shape[0], groups), "float64") for _ in range(2))
    for n in range(x.shape[0]):
        view = Channels(x[n : n + 1], None)
        mean, variance = _moments(view, groups)
        means[n], rstds[n] = mean, 1 / np.sqrt(variance + eps)
        members = view.channels // groups
        scale, shift = _factors(xp.repeat(mean, members), xp.repeat(rstds[n], members), weight, bias)
        _scale(view, Channels(y[n : n + 1], view).array, scale, shift)
    return y, means.astype(kind), rstds.astype(kind)


def group_norm_gradient(
    g: Any, x: Any, groups: int, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``group_norm``; None where not ``wanted``."""
    xp, kind = array_module(x), _accumulator(x)
    dx = Channels(x).empty(x.dtype)[1] if wanted[0] else None
    dw, db = (xp.zeros(x.shape[1], "float64") for _ in range(2))
    for n in range(x.shape[0]):
        view = Channels(x[n : n + 1])
        out = Channels(dx[n : n + 1], view).array if dx is not None else None
        product, total = _gradient(Channels(g[n : n + 1], view), view, out, mean[n], rstd[n], weight, groups)
        dw += product
        db += total
    return dx, dw.astype(kind) if wanted[1] else None, db.astype(kind) if wanted[2] else None


def _row_blocks(x: Any) -> Iterator[slice]:
    step = max(1, CACHED // max(1, x.shape[1] * max(x.itemsize, 4))) if array_module(x) is np else max(1, x.shape[0])
    for start in range(0, x.shape[0], step):
        yield slice(start, start + step)


def _row_dot(a: Any, b: Any) -> Any:
    return np.einsum("ij,ij->i", a, b) if array_module(a) is np else (a * b).sum(1)


def _column_dot(a: Any, b: Any) -> Any:
    return np.einsum("ij,ij->j", a, b) if array_module(a) is np else (a * b).sum(0)


def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The rows of x (R, D) with mean 0, variance 1, times weight (D,), plus bias; also mean and 1 / deviation (R,)."""
    xp, kind, count = array_module(x), _accumulator(x), x.shape[1]
    y = xp.empty(x.shape, x.dtype)
    means, rstds = (xp.empty(x.shape[0], kind) for _ in range(2))
    weight, bias = (None if v is None else v.astype(kind, copy=False) for v in (weight, bias))
    average = xp.full(count, 1 / max(count, 1), kind)
    for block in _row_blocks(x):
        part = _wide(x[block])
        mean = part @ average
        part = part - mean[:, None]
        rstd = 1 / xp.sqrt(_row_dot(part, part) / count + eps)
        part *= rstd[:, None]
        means[block], rstds[block] = mean, rstd
        if weight is None:
            y[block] = part if bias is None else part + bias
        elif y.dtype == kind:
            xp.multiply(part, weight, out=y[block])
            if bias is not None:
                y[block] += bias
        else:
            part *= weight
            y[block] = part if bias is None else part + bias
    return y, means, rstds


def layer_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``layer_norm``; None where not ``wanted``. ``mean`` None stands for 0: RMS norm."""
    xp, kind, count = array_module(x), _accumulator(x), x.shape[1]
    dx = xp.empty(x.shape, x.dtype) if wanted[0] else None
    dw, db = (xp.zeros(count, "float64") if w else None for w in wanted[1:])
    weight = None if weight is None else weight.astype(kind, copy=False)
    average = xp.full(count, 1 / max(count, 1), kind)
    for block in _row_blocks(x):
        part, factor = _wide(g[block]), rstd[block][:, None]
        if db is not None:
            db += xp.ones(part.shape[0], kind) @ part
        if dx is None and dw is None:
            continue
        normal = _wide(x[block])
        normal = normal * factor if mean is None else (normal - mean[block][:, None]) * factor
        if dw is not None:
            dw += _column_dot(part, normal)
        if dx is not None:
            part = part.copy() if weight is None else part * weight
            normal *= (_row_dot(part, normal) / count)[:, None]
            if mean is not None:
                part -= (part @ average)[:, None]
            part -= normal
            xp.multiply(part, factor, out=part)
            dx[block] = part
    return dx, None if dw is None else dw.astype(kind), None if db is None else db.astype(kind)


def rms_norm(x: Any, weight: Any, eps: float) -> tuple[Any, Any]:
    """The rows of x (R, D) over their root mean square, times weight (D,); also 1 / that root, (R,)."""
    xp, kind, count = array_module(x), _accumulator(x), x.shape[1]
    y, rstds = xp.empty(x.shape, x.dtype), xp.empty(x.shape[0], kind)
    weight = None if weight is None else weight.astype(kind, copy=False)
    for block in _row_blocks(x):
        part = _wide(x[block])
        rstds[block] = 1 / xp.sqrt(_row_dot(part, part) / count + eps)
        part = part * rstds[block][:, None]
        if weight is not None:
            part *= weight
        y[block] = part
    return y, rstds
