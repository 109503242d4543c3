"""Batch norm of training, layer norm and RMS norm by cuDNN: output and statistics in one call, or all gradients.

It has kernels for numbers of channels that fill its vectors of 16 bytes. Norms by known statistics and group norm, which
it has no kernels for, are our own.

Not yet run on a GPU: the graphs of all benchmark models were built for one by cuDNN itself, and run by a stand-in for it
beside the generic kernels (tests/gpu).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda import norm as own
from framework.kernels.cuda.columns import column_sums
from framework.kernels.cuda.modules import CTYPES, blocks, kernel
from framework.kernels.cuda.norm import affine as affine
from framework.kernels.cuda.norm import group_norm as group_norm
from framework.kernels.cuda.norm import group_norm_gradient as group_norm_gradient
from framework.kernels.cudnn import library
from framework.kernels.cudnn.conv import empty, laid
from framework.kernels.cudnn.library import kind_of, off
from framework.kernels.cudnn.plans import Ints, Plan, Refused, Sketch, instead, planned, rows_first, settled
from framework.kernels.layout import is_last, strides_last

NAME = "cudnn"
THREADS = 256
BYTES = 16  # of a vector, which the channels of batch norm have to fill


def declines(x: Any, *_: Any, kind: str = "batch") -> str | None:
    """None if it can serve a norm of this kind over x, else why not."""
    if kind_of(x) is None:
        return f"cuDNN's norms are used for float16, bfloat16 and float32, not {x.dtype}"
    if not x.size:
        return "nothing to compute"
    if kind == "batch":
        if x.shape[1] * x.itemsize % BYTES:
            return f"a number of channels that does not fill vectors of {BYTES} bytes"
        if x.ndim > 5:
            return "more than three spatial axes"
    elif kind not in ("layer", "rms"):
        return "cuDNN has no group norm"
    elif off() is None and not settled(kind, x.shape, x.dtype):
        return "many shapes were compiled for already, and this one has not come often yet"
    return off()


@lru_cache(64)
def _filled(device: int, count: int, value: float) -> Any:
    """A float32 vector of one value on the device in use, to be read only."""
    import cupy

    return cupy.full(count, value, "float32")


def _vector(v: Any, x: Any, count: int, value: float) -> Any:
    """Factors or offsets as cuDNN wants them, of float32 or x's type; None stands for one value."""
    if v is None:
        return _filled(library.device(), count, value)
    if v.dtype != x.dtype:
        v = v.astype("float32", copy=False)
    return v if v.flags.c_contiguous else array_module(v).ascontiguousarray(v)


def _pair(weight: Any, bias: Any, x: Any, count: int) -> tuple[Any, Any]:
    """Factors and offsets of one type."""
    weight, bias = _vector(weight, x, count, 1), _vector(bias, x, count, 0)
    if weight.dtype != bias.dtype:
        weight, bias = weight.astype("float32", copy=False), bias.astype("float32", copy=False)
    return weight, bias


def _laid(x: Any) -> tuple[Any, bool]:
    """x as cuDNN takes it, which may be row-major, and whether its memory is channels-last."""
    if x.ndim == 2:
        return (x if x.flags.c_contiguous else array_module(x).ascontiguousarray(x)), True
    if x.flags.c_contiguous and not is_last(x):
        return x, False
    return laid(x)


def _dims(x: Any) -> Ints:
    """The dims of x as cuDNN counts them: four or five."""
    shape = tuple(x.shape)
    return shape if len(shape) > 3 else (*shape[:2], *(1,) * (4 - len(shape)), *shape[2:])


def _steps(dims: Ints, channels_last: bool) -> Any:
    return strides_last(dims) if channels_last else rows_first(dims)


def _channels(dims: Ints) -> Ints:
    return (1, dims[1], *(1,) * (len(dims) - 2))


@planned
def batch_plan(kind: str, dims: Ints, last: bool, along: str, eps: float, relu: bool = False) -> Plan:
    """Run on x, weight, bias (of type ``along``), y, mean and 1 / deviation; perhaps with ReLU behind it."""
    sketch, one, steps = Sketch(), _channels(dims), _steps(dims, last)
    each = _steps(one, last)
    source = sketch.input(dims, steps, kind)
    factors, offsets = (sketch.input(one, each, along) for _ in range(2))
    y, mean, rstd, *_ = sketch.graph.batchnorm(
        input=source, scale=factors, bias=offsets, in_running_mean=None, in_running_var=None,
        epsilon=sketch.scalar(eps, len(dims)), momentum=None,
    )  # fmt: skip
    sketch.output(sketch.graph.relu(input=y) if relu else y, dims, steps, kind)
    for found in (mean, rstd):
        sketch.output(found, one, each, "FLOAT")
    return Plan(sketch)


@planned
def batch_gradient_plan(kind: str, dims: Ints, last: bool, along: str) -> Plan:
    """Run on the output's gradient, x, weight, mean, 1 / deviation, and the gradients of x, weight and bias."""
    sketch, one, steps = Sketch(), _channels(dims), _steps(dims, last)
    each = _steps(one, last)
    gradient, source = (sketch.input(dims, steps, kind) for _ in range(2))
    factors = sketch.input(one, each, along)
    mean, rstd = (sketch.input(one, each, "FLOAT") for _ in range(2))
    dx, dw, db = sketch.graph.batchnorm_backward(
        grad=gradient, input=source, scale=factors, mean=mean, inv_variance=rstd
    )
    sketch.output(dx, dims, steps, kind)
    for found in (dw, db):
        sketch.output(found, one, each, along)
    return Plan(sketch)


def batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """x (N, C, *spatial) with mean 0 and variance 1 a channel, times weight, plus bias; also mean and variance."""
    try:
        y, mean, variance, _ = _batch_norm(x, weight, bias, eps, False)
    except Refused as why:
        return instead("norm", why, x, kind="batch").batch_norm(x, weight, bias, eps)  # type: ignore[no-any-return]
    return y, mean, variance


def batch_norm_relu(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """``max(batch_norm, 0)``, mean and variance, and what our own kernel of its gradient takes to know where the output was
    positive.

    cuDNN's ReLU makes 0 of a nan, which would hide that training has gone wrong, so channels that are not finite are made
    nan again.
    """
    try:
        y, mean, variance, factors = _batch_norm(x, weight, bias, eps, True)
    except Refused:  # a gradient has to come from where its forward pass did
        return own.batch_norm_relu(x, weight, bias, eps)  # type: ignore[no-any-return]
    channels = y.shape[1]
    sizes = (np.int64(math.prod(y.shape[2:])), np.int64(y.size // channels), np.bool_(y.ndim == 2 or is_last(y)))
    kernel("spoil", "spoil", T=CTYPES[y.dtype])((channels,), (THREADS,), (y, factors, np.int32(channels), *sizes))
    return y, mean, variance, factors


batch_norm_relu_gradient = own.batch_norm_relu_gradient


def _batch_norm(x: Any, weight: Any, bias: Any, eps: float, relu: bool) -> tuple[Any, Any, Any, Any]:
    """The output, mean, variance, and with ReLU the factors and offsets of the channels, (2, C)."""
    xp, channels = array_module(x), x.shape[1]
    x, last = _laid(x)
    scale, shift = _pair(weight, bias, x, channels)
    plan = batch_plan(kind_of(x), _dims(x), last, kind_of(scale), eps, relu)
    y = empty(xp, x.shape, x.dtype, last and x.ndim > 2)
    mean, rstd, variance = (xp.empty(channels, "float32") for _ in range(3))
    plan.run(x, scale, shift, y, mean, rstd)
    factors = xp.empty((2, channels), "float32") if relu else None
    wide = (v.astype("float32", copy=False) for v in (scale, shift))
    arguments = (variance, np.uint64(0) if factors is None else factors, mean, rstd, *wide)
    kernel("cudnn", "batch_statistics")(
        (blocks(channels, THREADS),), (THREADS,), (*arguments, np.float32(eps), np.int32(channels))
    )
    return y, mean, variance, factors


def batch_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, fixed: bool, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm``, or of ``affine`` if the statistics are ``fixed``; None where not ``wanted``."""
    if fixed:
        return own.batch_norm_gradient(g, x, mean, rstd, weight, fixed, wanted)  # type: ignore[no-any-return]
    given, xp, channels = x, array_module(x), x.shape[1]
    x, last = _laid(x)
    factors = _vector(weight, x, channels, 1)
    try:
        plan = batch_gradient_plan(kind_of(x), _dims(x), last, kind_of(factors))
    except Refused as why:
        other = instead("norm", why, given, kind="batch")
        return other.batch_norm_gradient(g, given, mean, rstd, weight, fixed, wanted)  # type: ignore[no-any-return]
    g = _like(g, x.ndim, last)
    dx = empty(xp, x.shape, x.dtype, last and x.ndim > 2)
    dw, db = xp.empty(channels, factors.dtype), xp.empty(channels, factors.dtype)
    plan.run(g, x, factors, mean.astype("float32", copy=False), rstd.astype("float32", copy=False), dx, dw, db)
    return dx if wanted[0] else None, dw if wanted[1] else None, db if wanted[2] else None


def _like(g: Any, ndim: int, last: bool) -> Any:
    """An output's gradient in the order of memory of its input."""
    if last and ndim > 2:
        return g if is_last(g) else _moved(g)
    return g if g.flags.c_contiguous else array_module(g).ascontiguousarray(g)


def _moved(g: Any) -> Any:
    moved = array_module(g).ascontiguousarray(g.transpose(0, *range(2, g.ndim), 1))
    return moved.transpose(0, g.ndim - 1, *range(1, g.ndim - 1))


@planned
def rows_plan(kind: str, rows: int, count: int, along: str, eps: float, centered: bool) -> Plan:
    """Layer norm, or RMS norm if not ``centered``; run on x, weight, bias, y, mean and 1 / deviation, in which RMS norm
    has neither bias nor mean.
    """
    sketch, dims, one, each = Sketch(), (rows, count, 1, 1), (1, count, 1, 1), (rows, 1, 1, 1)
    source = sketch.input(dims, strides_last(dims), kind)
    factors = sketch.input(one, strides_last(one), along)
    options = {"norm_forward_phase": sketch.library.norm_forward_phase.TRAINING, "input": source, "scale": factors}
    if centered:
        offsets = sketch.input(one, strides_last(one), along)
        y, *found = sketch.graph.layernorm(**options, bias=offsets, epsilon=sketch.scalar(eps, 4))
    else:
        y, *found = sketch.graph.rmsnorm(**options, epsilon=sketch.scalar(eps, 4))
    sketch.output(y, dims, strides_last(dims), kind)
    for statistic in found:
        sketch.output(statistic, each, strides_last(each), "FLOAT")
    return Plan(sketch)


@planned
def rows_gradient_plan(kind: str, rows: int, count: int, along: str, centered: bool) -> Plan:
    """Run on the output's gradient, x, weight, mean, 1 / deviation, and the gradients of x, weight and bias; RMS norm has
    neither mean nor bias.
    """
    sketch, dims, one, each = Sketch(), (rows, count, 1, 1), (1, count, 1, 1), (rows, 1, 1, 1)
    gradient, source = (sketch.input(dims, strides_last(dims), kind) for _ in range(2))
    options = {"grad": gradient, "input": source, "scale": sketch.input(one, strides_last(one), along)}
    if centered:
        options["mean"] = sketch.input(each, strides_last(each), "FLOAT")
    options["inv_variance"] = sketch.input(each, strides_last(each), "FLOAT")
    if centered:
        dx, *found = sketch.graph.layernorm_backward(**options)
    else:
        dx, *found = sketch.graph.rmsnorm_backward(**options, has_dbias=False)
    sketch.output(dx, dims, strides_last(dims), kind)
    for gradient in found[: 2 if centered else 1]:
        sketch.output(gradient, one, strides_last(one), along)
    return Plan(sketch)


def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The rows of x (R, D) with mean 0, variance 1, times weight (D,), plus bias; also mean and 1 / deviation (R,)."""
    xp, (rows, count) = array_module(x), x.shape
    factors, offsets = _pair(weight, bias, x, count)
    try:
        plan = rows_plan(kind_of(x), rows, count, kind_of(factors), eps, True)
    except Refused as why:
        return instead("norm", why, x, kind="layer").layer_norm(x, weight, bias, eps)  # type: ignore[no-any-return]
    y, mean, rstd = xp.empty(x.shape, x.dtype), xp.empty(rows, "float32"), xp.empty(rows, "float32")
    plan.run(x, factors, offsets, y, mean, rstd)
    return y, mean, rstd


def rms_norm(x: Any, weight: Any, eps: float) -> tuple[Any, Any]:
    """The rows of x (R, D) over their root mean square, times weight (D,); also 1 / that root, (R,)."""
    xp, (rows, count) = array_module(x), x.shape
    factors = _vector(weight, x, count, 1)
    try:
        plan = rows_plan(kind_of(x), rows, count, kind_of(factors), eps, False)
    except Refused as why:
        return instead("norm", why, x, kind="rms").rms_norm(x, weight, eps)  # type: ignore[no-any-return]
    y, rstd = xp.empty(x.shape, x.dtype), xp.empty(rows, "float32")
    plan.run(x, factors, y, rstd)
    return y, rstd


def layer_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``layer_norm``; None where not ``wanted``. ``mean`` None stands for 0: RMS norm."""
    xp, (rows, count) = array_module(x), x.shape
    factors = _vector(weight, x, count, 1)
    try:
        plan = rows_gradient_plan(kind_of(x), rows, count, kind_of(factors), mean is not None)
    except Refused as why:
        other = instead("norm", why, x, kind="rms" if mean is None else "layer")
        return other.layer_norm_gradient(g, x, mean, rstd, weight, wanted)  # type: ignore[no-any-return]
    dx, dw = xp.empty(x.shape, x.dtype), xp.empty(count, factors.dtype)
    db = None
    if mean is None:
        plan.run(g, x, factors, rstd, dx, dw)
        if wanted[2]:
            db = column_sums(g)
    else:
        db = xp.empty(count, factors.dtype)
        plan.run(g, x, factors, mean, rstd, dx, dw, db)
    return dx if wanted[0] else None, dw if wanted[1] else None, db if wanted[2] else None
