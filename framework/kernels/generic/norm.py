"""Normalization: statistics, the normalized output, and its gradient, in few passes over memory.

Statistics are accumulated in at least float32, 16-bit inputs widened block by block. Only the mean and the reciprocal
deviation are kept: the gradient computes what is normalized again.

Batch, group and instance norm differ in what shares a statistic; each has one factor and one offset a channel in the
end (for every sample, where statistics are a sample's own): ``y = x * scale + shift``, and ``dx = a * g + b * x + c``.

A sum of products with ``x - mean`` is one with x less the mean's part, which saves a pass; far means cost it precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.generic.channels import FAR, Channels, accumulator, wide
from framework.kernels.generic.layer_norm import layer_norm as layer_norm
from framework.kernels.generic.layer_norm import layer_norm_gradient as layer_norm_gradient
from framework.kernels.generic.layer_norm import rms_norm as rms_norm
from framework.kernels.generic.windows import scratch

NAME = "generic"


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def _moments(view: Channels, groups: int) -> tuple[Any, Any]:
    """Mean and (biased) variance of the channels joined in groups: float64 (S, groups)."""
    xp, count = view.xp, view.array.size // max(1, view.samples * groups)
    total, square = (xp.zeros((view.samples, view.channels), "float64") for _ in range(2))
    for sample, cut in view.blocks():
        part = wide(cut(view.array))
        total[sample] += view.total(part)
        square[sample] += view.dot(part, part)
    mean = view.joined(total, groups) / count
    variance = view.joined(square, groups) / count - mean * mean
    if xp is np and bool((mean * mean <= FAR * FAR * variance).all()):  # asking a GPU would wait for it
        return mean, variance
    square[...] = 0
    for sample, cut, center in view.blocks(view.spread(mean).astype(accumulator(view.array))):
        part = wide(cut(view.array)) - center
        square[sample] += view.dot(part, part)
    return mean, view.joined(square, groups) / count


def _scale(view: Channels, out: Any, scale: Any, shift: Any) -> None:
    """``out = x * scale + shift``, with factors (S, C)."""
    kind = accumulator(view.array)
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
    kind = accumulator(x)
    return y, mean[0].astype(kind), variance[0].astype(kind)


def _normalized(view: Channels, x: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The output, and mean and variance (S, groups) in float64."""
    mean, variance = _moments(view, groups)
    out, y = view.empty(x.dtype)
    scale = view.spread(1 / np.sqrt(variance + eps))
    if weight is not None:
        scale *= wide(weight)
    shift = -view.spread(mean) * scale
    if bias is not None:
        shift += wide(bias)
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
    groups, kind = mean.shape[1], accumulator(x.array)
    mean, rstd = (x.spread(v.astype("float64")) for v in (mean, rstd))
    total, product = _gradient_sums(g, x, mean, rstd)
    dx = None
    if wanted[0]:
        scale = rstd if weight is None else rstd * wide(weight)
        if fixed:
            factor = offset = None
        else:
            count = max(1, x.array.size // max(1, x.samples * groups))
            along = 1.0 if weight is None else wide(weight).astype("float64")
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
    for sample, cut, center in x.blocks(mean.astype(accumulator(x.array))):
        part, values = wide(cut(g.array)), wide(cut(x.array))
        total[sample] += x.total(part)
        product[sample] += x.dot(part, values if near else values - center)
    if near:
        product -= mean * total
    return total, product * rstd


def _combined(g: Channels, x: Channels, out: Any, scale: Any, factor: Any, offset: Any) -> None:
    """``out = g * scale + x * factor + offset``, with factors (S, C); the latter two may be None."""
    xp, kind = x.xp, accumulator(x.array)
    vectors = [v.astype(kind) for v in (scale, factor, offset) if v is not None]
    with x.unbuffered():
        for _, cut, *along in x.blocks(*vectors):
            part, place = wide(cut(g.array)), cut(out)
            result = place if place.dtype == kind else xp.empty(part.shape, kind)
            xp.multiply(part, along[0], out=result)
            if factor is not None:
                product = scratch(xp, "norm", part.shape, kind)
                xp.multiply(wide(cut(x.array)), along[1], out=product)
                result += product
                result += along[2]
            if result is not place:
                place[...] = result


def batch_norm_relu(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """``max(batch_norm, 0)``, mean and variance, and what its gradient takes to know where the output was positive."""
    y, mean, variance = batch_norm(x, weight, bias, eps)
    return y, mean, variance, cut(y)


def cut(y: Any) -> Any:
    """Make ``max(y, 0)`` of an array in place; where it was positive, or a nan."""
    xp = array_module(y)
    passed = xp.less_equal(y, 0)
    xp.logical_not(passed, out=passed)
    xp.maximum(y, 0, out=y)
    return passed


def let_through(g: Any, passed: Any) -> Any:
    """The output's gradient where ``cut`` left something, 0 elsewhere."""
    return array_module(g).where(passed, g, g.dtype.type(0))


def batch_norm_relu_gradient(
    g: Any, x: Any, passed: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm_relu``; None where not ``wanted``."""
    return batch_norm_gradient(let_through(g, passed), x, mean, rstd, weight, False, wanted)


def group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Each sample's groups of channels with mean 0 and variance 1; also mean and 1 / deviation, (N, groups)."""
    kind = accumulator(x)
    y, mean, variance = _normalized(Channels(x, apart=True), x, groups, weight, bias, eps)
    return y, mean.astype(kind), (1 / np.sqrt(variance + eps)).astype(kind)


def group_norm_gradient(
    g: Any, x: Any, groups: int, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``group_norm``; None where not ``wanted``."""
    view = Channels(x, apart=True)
    return _gradients(Channels(g, True, view), view, mean, rstd, weight, False, wanted)
