"""Batch norm by oneDNN over channels-last memory, and layer norm: statistics and output in one call, or all gradients.

A channels-last array is handed over as (N, C, L), a matrix as (1, C, N), which oneDNN is faster at than at the matrix.

Measured on two threads of a 2-core EPYC, float32, (16, 64, 112, 112): 3.9 ms for output and statistics and 5.8 ms for
the gradients, at the speed of memory, where the generic kernels take 11.6 and 18.2; (64, 128): 7 and 9 microseconds, not
59 and 90. Over row-major memory, and for channels that are no multiple of 8, it has plain loops only, slower than
NumPy's blocks: 17 ms, not 8.7, for the first of these.

With ReLU in the same pass, the gradient knows from a bit an element where the output was positive: (8, 64, 112, 112) takes
1.7 and 2.1 ms on a 2-core Xeon, apart 2.8 and 4.3. oneDNN's ReLU makes 0 of a nan, so where statistics or factors are
not finite the two are computed apart.

Each thread sums a channel's values one after the other in float32. Over a hundred thousand rows the variance is then off
by 3e-5 of itself, and so is the output; a mean off by 1e-5 of itself is too much where it is many deviations from 0. So
an array of many rows with such a channel is moved by what was found for the mean, and done again.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, isfinite
from typing import Any

import numpy as np

from framework.kernels.generic import norm as generic
from framework.kernels.generic.norm import group_norm as group_norm
from framework.kernels.generic.norm import group_norm_gradient as group_norm_gradient
from framework.kernels.generic.norm import rms_norm as rms_norm
from framework.kernels.layout import last
from framework.kernels.memory import empty
from framework.kernels.onednn import library as api
from framework.kernels.onednn.layer_norm import layer_norm as layer_norm
from framework.kernels.onednn.layer_norm import layer_norm_gradient as layer_norm_gradient
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import Plan, kind_of, planned

NAME = "onednn"
FAR = 8.0  # deviations between 0 and a mean above which it is not precise enough
MANY = 4096  # rows whose sum in float32 is less precise than one by NumPy
VECTOR = 8  # a number of channels that oneDNN has vector loops for is a multiple of this
WIDTH = 16  # channels of a line that its widest vectors fill
SAMPLES = 16  # into how many samples the rows are cut, if they can be
FEW = 1 << 15  # elements up to which its plain loops are faster than several calls of NumPy


def declines(x: Any, *_: Any, kind: str = "batch") -> str | None:
    """None if it can serve a norm of this kind over x, else why not."""
    if kind_of(x) is None:
        return "not a NumPy array of float32, or of bfloat16 on a processor that has it"
    if not x.size:
        return "nothing to compute"
    if kind == "layer":
        return None
    if kind != "batch":
        return "oneDNN has batch and layer norm only"
    if not _last(x):
        return "row-major memory, or gaps in it: NumPy is faster"
    if _plain(x) and _joined(x) == 1:
        return "a number of channels that oneDNN has no vector loops for"
    return None


def _plain(x: Any) -> bool:
    """Whether oneDNN has plain loops only for so many channels, and they would take long."""
    return bool(x.shape[1] % VECTOR and x.size > FEW)


@lru_cache(64)
def _filled(channels: int, value: float) -> Any:
    """A vector of one value, to be read only."""
    return np.full(channels, value, np.float32)


def _vector(v: Any, channels: int, value: float) -> Any:
    """A factor or an offset a channel as oneDNN wants it; None stands for a value."""
    return _filled(channels, value) if v is None else np.ascontiguousarray(v, np.float32)


def _last(x: Any) -> bool:
    """Whether x fills its memory, the channels innermost."""
    ndim = x.ndim
    if ndim == 4:
        return bool(x.transpose(0, 2, 3, 1).flags.c_contiguous)
    return bool(ndim == 2 or (ndim > 2 and x.transpose(0, *range(2, ndim), 1).flags.c_contiguous))


def _joined(x: Any) -> int:
    """How many rows are taken as one line, for its length to be a multiple of the vectors'; 1 where it cannot be."""
    channels = x.shape[1]
    count = WIDTH // gcd(channels, WIDTH)
    return count if count > 1 and x.size > FEW and x.size // channels % count == 0 else 1


def _key(x: Any, joined: int) -> tuple[int, int, int, str]:
    """The lengths (N, C, L) that a plan for x is made for, and its element type."""
    channels = x.shape[1] * joined
    rows = x.size // channels
    n = gcd(rows, SAMPLES)
    return n, channels, rows // n, "float32" if x.itemsize == 4 else "bfloat16"


def _dense(x: Any) -> Any:
    """x, or a copy without gaps if it is a matrix that has some; else there are none, as ``declines`` has seen."""
    return np.ascontiguousarray(x) if x.ndim == 2 else x


def _moved(g: Any) -> Any:
    """A copy over channels-last memory."""
    moved = last(g)
    return moved.transpose(0, moved.ndim - 1, *range(1, moved.ndim - 1))


def _like(x: Any) -> Any:
    """A new array of the shape, type and memory order of x."""
    return empty(x.shape, x.dtype, x.strides)


def affine(x: Any, scale: Any, shift: Any) -> Any:
    """``x * scale + shift`` with one of each a channel: batch norm by known statistics."""
    channels, x = x.shape[1], _dense(x)
    y = _like(x)
    scale, shift = _vector(scale, channels, 1), _vector(shift, channels, 0)
    joined = _joined(x)
    if joined > 1:
        scale, shift, channels = np.tile(scale, joined), np.tile(shift, joined), channels * joined
    plan = _forward(*_key(x, joined), 0.0, True, work=x.size)
    plan.run(x, scale, shift, _filled(channels, 0), _filled(channels, 1), y)
    return y


def batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """x (N, C, *spatial) with mean 0 and variance 1 a channel, times weight, plus bias; also mean and variance."""
    channels, x = x.shape[1], _dense(x)
    scale, shift = _vector(weight, channels, 1), _vector(bias, channels, 0)
    joined = _joined(x)
    if joined > 1:
        y, mean, variance = None, *_joined_moments(x, joined)
    else:
        y, mean, variance = _trained(x, scale, shift, eps, 1)
    if x.size > MANY * channels and bool((mean * mean > FAR * FAR * (variance + eps)).any()):
        moved = affine(x.astype(np.float32, copy=False), None, -mean)
        y, rest, variance = batch_norm(moved, weight, bias, eps)
        return y.astype(x.dtype, copy=False), mean + rest, variance
    if y is None:
        scale = scale / np.sqrt(variance + eps)
        y = affine(x, scale, shift - mean * scale)
    return y, mean, variance


def _trained(x: Any, scale: Any, shift: Any, eps: float, joined: int) -> tuple[Any, Any, Any]:
    channels = x.shape[1] * joined
    y, mean, variance = _like(x), np.empty(channels, np.float32), np.empty(channels, np.float32)
    _forward(*_key(x, joined), eps, False, work=x.size).run(x, scale, shift, mean, variance, y)
    return y, mean, variance


def _joined_moments(x: Any, joined: int) -> tuple[Any, Any]:
    """Mean and variance, from those of the places of a line of several rows."""
    channels = x.shape[1]
    _, means, variances = _trained(x, _filled(channels * joined, 1), _filled(channels * joined, 0), 1.0, joined)
    means, variances = means.reshape(joined, channels).astype("float64"), variances.reshape(joined, channels)
    mean = means.mean(0)
    variance = variances.mean(0) + ((means - mean) ** 2).mean(0)
    return mean.astype(np.float32), variance.astype(np.float32)


def batch_norm_relu(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """``max(batch_norm, 0)``, mean and variance, and what its gradient takes to know where the output was positive."""
    channels, x = x.shape[1], _dense(x)
    if not _plain(x):
        scale, shift = _vector(weight, channels, 1), _vector(bias, channels, 0)
        y, mean, variance = _like(x), np.empty(channels, np.float32), np.empty(channels, np.float32)
        plan = _forward(*_key(x, 1), eps, False, True, work=x.size)
        passed = np.empty(plan.size(api.WORKSPACE), np.uint8)
        plan.run(x, scale, shift, mean, variance, y, passed)
        far = x.size > MANY * channels and bool((mean * mean > FAR * FAR * (variance + eps)).any())
        if not far and isfinite(mean.sum() + variance.sum() + scale.sum() + shift.sum()):
            return y, mean, variance, passed
    y, mean, variance = batch_norm(x, weight, bias, eps)
    return y, mean, variance, generic.cut(y)


def batch_norm_relu_gradient(
    g: Any, x: Any, passed: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm_relu``; None where not ``wanted``."""
    if passed.dtype == bool:
        return batch_norm_gradient(generic.let_through(g, passed), x, mean, rstd, weight, False, wanted)
    return _gradients(_dense(g) if _last(g) else _moved(g), _dense(x), mean, rstd, weight, False, wanted, passed)


def batch_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, fixed: bool, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm``, or of ``affine`` if the statistics are ``fixed``; None where not ``wanted``."""
    x = _dense(x)
    if _plain(x):
        return generic.batch_norm_gradient(g, x, mean, rstd, weight, fixed, wanted)
    g = _dense(g) if _last(g) else _moved(g)
    if fixed and wanted == (True, False, False):
        return affine(g, rstd if weight is None else rstd * weight, None), None, None
    return _gradients(g, x, mean, rstd, weight, fixed, wanted)


def _gradients(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, fixed: bool, wanted: tuple[bool, bool, bool], passed: Any = None
) -> tuple[Any, Any, Any]:
    channels = x.shape[1]
    dx, dw, db = _like(x), np.empty(channels, np.float32), np.empty(channels, np.float32)
    variance = np.ascontiguousarray(1 / (rstd * rstd), np.float32)  # with what is added to it, which the plan does not
    mean, weight = np.ascontiguousarray(mean, np.float32), _vector(weight, channels, 1)
    plan = _backward(*_key(x, 1), fixed, passed is not None, work=x.size)
    if passed is None:
        plan.run(x, mean, variance, g, weight, dx, dw, db)
    else:
        plan.run(x, mean, variance, g, weight, passed, dx, dw, db)
    return dx if wanted[0] else None, dw if wanted[1] else None, db if wanted[2] else None


def _layout(n: int, channels: int, length: int, kind: str) -> Any:
    return library().layout((n, channels, length), kind, (channels * length, 1, channels))


@planned
def _forward(n: int, channels: int, length: int, kind: str, eps: float, known: bool, relu: bool = False) -> Plan:
    layout = _layout(n, channels, length, kind)
    kinds = (api.SRC, api.SCALES, api.SHIFTS, api.MEAN, api.VARIANCE, api.DST, *((api.WORKSPACE,) if relu else ()))
    return Plan("batch_normalization_forward", (api.FORWARD_TRAINING, layout, layout, eps, _flags(known, relu)), kinds)


@planned
def _backward(n: int, channels: int, length: int, kind: str, known: bool, relu: bool) -> Plan:
    layout = _layout(n, channels, length, kind)
    kinds = (
        api.SRC, api.MEAN, api.VARIANCE, api.DIFF_DST, api.SCALES, *((api.WORKSPACE,) if relu else ()), api.DIFF_SRC,
        api.DIFF_SCALES, api.DIFF_SHIFTS,
    )  # fmt: skip
    hint = _forward(n, channels, length, kind, 0.0, known, relu, work=n * channels * length)
    arguments = (api.BACKWARD, layout, layout, layout, 0.0, _flags(known, relu))
    return Plan("batch_normalization_backward", arguments, kinds, (), hint, False)


def _flags(known: bool, relu: bool) -> int:
    return api.SCALE | api.SHIFT | (api.GLOBAL_STATISTICS if known else 0) | (api.NORM_RELU if relu else 0)
