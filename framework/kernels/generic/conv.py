"""Convolution and its two gradients as matrix products over channels-last memory.

Arrays are (N, C, *spatial) with one to three spatial axes. Inputs are brought to channels-last order once if they are
not in it, and results have the shape (N, C, *spatial) over channels-last memory.

A product needs the input's windows as rows of a matrix, ``(N * outputs, taps * C)``, which is ``taps`` times the
input. It is made in blocks of a few megabytes in a buffer that is used again: a block stays in the processor's cache
between the copy and the product.

Measured in float32 on one thread of a 2-core EPYC with OpenBLAS, 3x3 convolutions with 64 to 512 channels, batch 4:
copying the windows takes 1-6 % of the forward time; the product runs at 95-103 GFLOP/s for blocks of 2-8 MB, at 85
for blocks of 32 MB and at 30-90 for blocks under 1 MB. The input gradient with stride 1 as a convolution by the
reversed kernel takes 9.7-10.6 ms where adding the windows' gradients in place takes 9.5-13.1. Forward and both
gradients together take 1.1 to 1.3 times PyTorch's time over ResNet-18's 3x3 layers; depthwise layers 5-8 times, 32
groups of 4 or 8 about 4 times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.generic import depthwise
from framework.kernels.generic.activation import Activation, activated
from framework.kernels.generic.windows import (
    BLOCK,
    Ints,
    Windows,
    block_rows,
    blocks,
    in_float32,
    output_lengths,
    overlap,
    scratch,
    two_axes,
    widened,
)
from framework.kernels.layout import first, last

NAME = "generic"
MERGED = 32  # channels that small groups are joined to, so that their products are not tiny


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def _joined(weight: Any, groups: int) -> tuple[Any, int]:
    """Small groups joined into larger ones whose weights are zero between the parts: fewer, faster products."""
    factor = _joins(weight, groups)
    if factor == 1:
        return weight, groups
    outputs, inputs, kernel = weight.shape[0] // groups, weight.shape[1], weight.shape[2:]
    xp = array_module(weight)
    wide = xp.zeros((groups // factor, factor, outputs, factor, inputs, *kernel), weight.dtype)
    parts = weight.reshape(groups // factor, factor, outputs, inputs, *kernel)
    for j in range(factor):
        wide[:, j, :, j] = parts[:, j]
    return wide.reshape(weight.shape[0], factor * inputs, *kernel), groups // factor


def _joins(weight: Any, groups: int) -> int:
    """How many groups to join into one."""
    if groups == 1 or weight.shape[1] == 0:
        return 1
    most = max(1, MERGED // max(weight.shape[1], weight.shape[0] // groups))
    return max(f for f in range(1, min(most, groups) + 1) if groups % f == 0)


def _is_depthwise(channels: int, groups: int) -> bool:
    return groups > 1 and groups == channels


def forward(
    x: Any, weight: Any, bias: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int, residual: Any = None,
    activation: Activation | None = None, kept: dict[Any, Any] | None = None,
) -> Any:  # fmt: skip
    """The convolution of x (N, C, *spatial) with weight (O, C / groups, *kernel), plus bias and residual, activated.

    Args:
        bias: (O,) or None.
        residual: what is added before the activation, of the output's shape; or None.
        activation: a function of the activation family and its parameters; or None.
        kept: where what is made of the weight may be kept, while the weight does not change; nothing is made here.
    """
    y = _forward(x, weight, bias, stride, padding, dilation, groups)
    if residual is not None:
        y += residual
    return activated(y, activation)


@in_float32
def _forward(x: Any, weight: Any, bias: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Any:
    kernel = weight.shape[2:]
    outputs = output_lengths(x.shape[2:], kernel, stride, padding, dilation)
    xp, source = array_module(x), last(x)
    y = xp.empty((x.shape[0], *outputs, weight.shape[0]), x.dtype)
    kernel, stride, padding, dilation = two_axes(kernel, stride, padding, dilation)
    source, out = widened(source), widened(y)
    if _is_depthwise(x.shape[1], groups):
        depthwise.forward(source, weight.reshape(weight.shape[0], *kernel), bias, out, stride, padding, dilation)
        return first(y)
    weight, groups = _joined(weight, groups)
    filters = last(weight).reshape(groups, weight.shape[0] // groups, -1).swapaxes(1, 2)  # (groups, taps * C, O)
    if groups == 1 and all(k == 1 for k in kernel) and all(s == 1 for s in stride) and not any(padding):
        _product(source.reshape(-1, source.shape[-1]), filters[0], out.reshape(-1, out.shape[-1]), bias)
        return first(y)
    windows = Windows(source, kernel, stride, padding, dilation, out.shape[1:-1], groups)
    for batch, rows in windows.blocks():
        matrix = windows.matrix(batch, rows)
        part = block_rows(out, batch, rows)
        if groups == 1:
            _product(matrix, filters[0], part, bias)
        else:
            xp.matmul(matrix, filters, out=part.reshape(part.shape[0], groups, -1).swapaxes(0, 1))
            if bias is not None:
                part += bias
    return first(y)


def _product(a: Any, b: Any, out: Any, bias: Any) -> None:
    array_module(a).matmul(a, b, out=out)
    if bias is not None:
        out += bias


@in_float32
def input_gradient(
    g: Any, weight: Any, bias: Any, lengths: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Any:
    """What ``forward`` gives back to its input: (N, C, *lengths) from g (N, O, *outputs); also the transposed
    convolution.

    A convolution with stride 1 is turned into one of g with the kernel reversed. With strides, or more padding than the
    kernel reaches, the windows' gradients are computed as rows and added where they came from.
    """
    kernel, channels = weight.shape[2:], weight.shape[1] * groups
    xp, source = array_module(g), last(g)
    x = xp.empty((g.shape[0], *lengths, channels), g.dtype)
    kernel, stride, padding, dilation = two_axes(kernel, stride, padding, dilation)
    source, out = widened(source), widened(x)
    back = tuple(d * (k - 1) - p for k, p, d in zip(kernel, padding, dilation, strict=True))
    if _is_depthwise(channels, groups):
        depthwise.input_gradient(source, weight.reshape(weight.shape[0], *kernel), out, stride, padding, dilation)
    else:
        weight, groups = _joined(weight, groups)
        plain = all(k == 1 for k in kernel) and not any(padding) and out.shape[1:-1] == source.shape[1:-1]
        if all(s == 1 for s in stride) and groups == 1 and plain:
            filters = weight.reshape(weight.shape[0], channels)
            xp.matmul(source.reshape(-1, source.shape[-1]), filters, out=out.reshape(-1, channels))
        elif all(s == 1 for s in stride) and min(back) >= 0:
            parts = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
            reversed_ = xp.ascontiguousarray(parts.transpose(0, 3, 1, 2)[:, ::-1])
            reversed_ = reversed_.reshape(groups, -1, weight.shape[1])  # (groups, taps * O, C)
            windows = Windows(source, kernel, stride, back, dilation, out.shape[1:-1], groups)
            for batch, rows in windows.blocks():
                matrix = windows.matrix(batch, rows)
                part = block_rows(out, batch, rows)
                if groups == 1:
                    xp.matmul(matrix, reversed_[0], out=part)
                else:
                    xp.matmul(matrix, reversed_, out=part.reshape(part.shape[0], groups, -1).swapaxes(0, 1))
        else:
            filters = last(weight).reshape(groups, weight.shape[0] // groups, -1, weight.shape[1])
            _scattered(source, filters, out, kernel, stride, padding, dilation)
    if bias is not None:
        x += bias
    return first(x)


def _scattered(g: Any, filters: Any, out: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> None:
    """Windows' gradients, block by block, each tap added to the places it was read from."""
    xp = array_module(g)
    groups, size = filters.shape[0], filters.shape[-1]
    matrix = filters.reshape(groups, filters.shape[1], -1)  # (groups, O, taps * C)
    out[...] = 0
    width = groups * matrix.shape[-1]
    for batch, rows in blocks(g.shape[0], g.shape[1:-1], width * g.itemsize, BLOCK):
        part = block_rows(g, batch, rows)
        shape = (batch.stop - batch.start, rows.stop - rows.start, *g.shape[2:-1])
        if groups == 1:
            columns = scratch(xp, "windows", (part.shape[0], width), g.dtype)
            xp.matmul(part, matrix[0], out=columns)
            columns = columns.reshape(*shape, 1, -1, size)
        else:
            columns = scratch(xp, "windows", (groups, part.shape[0], matrix.shape[-1]), g.dtype)
            xp.matmul(part.reshape(part.shape[0], groups, -1).swapaxes(0, 1), matrix, out=columns)
            columns = xp.moveaxis(columns.reshape(groups, *shape, -1, size), 0, -3)
        target = out[batch].reshape(shape[0], *out.shape[1:-1], groups, size)
        for number, tap in enumerate(np.ndindex(*kernel)):
            offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
            there, here = overlap(offset, stride, out.shape[1:-1], g.shape[1:-1], rows)
            if there is not None:
                target[(slice(None), *there)] += columns[(slice(None), *here)][..., number, :]


@in_float32
def weight_gradient(g: Any, x: Any, shape: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Any:
    """What ``forward`` gives back to its weight, of ``shape`` (O, C / groups, *kernel), from g and x."""
    xp, kernel = array_module(g), shape[2:]
    gradient, source = widened(last(g)), widened(last(x))
    kernel, stride, padding, dilation = two_axes(kernel, stride, padding, dilation)
    if _is_depthwise(x.shape[1], groups):
        found = depthwise.weight_gradient(gradient, source, kernel, stride, padding, dilation)  # (*kernel, O)
        return xp.ascontiguousarray(xp.moveaxis(found, -1, 0)).reshape(shape)
    factor = _joins(xp.broadcast_to(xp.zeros((), g.dtype), shape), groups)
    many = groups // factor
    plain = many == 1 and all(k == 1 for k in kernel) and all(s == 1 for s in stride) and not any(padding)
    total = xp.zeros(
        (many, shape[0] // many, int(np.prod(kernel)) * x.shape[1] // many), g.dtype
    )  # (groups, O, taps * C)
    if plain:
        xp.matmul(gradient.reshape(-1, shape[0]).T, source.reshape(-1, x.shape[1]), out=total[0])
    else:
        windows = Windows(source, kernel, stride, padding, dilation, gradient.shape[1:-1], many)
        # the sum is read and written once a block, so a block is not smaller than the sum
        for number, (batch, rows) in enumerate(windows.blocks(max(BLOCK, 2 * total.nbytes))):
            matrix = windows.matrix(batch, rows)
            part = block_rows(gradient, batch, rows)
            left = part.T if many == 1 else part.reshape(part.shape[0], many, -1).transpose(1, 2, 0)
            out = total if number == 0 else scratch(xp, "sum", total.shape, total.dtype)
            xp.matmul(left, matrix, out=out[0] if many == 1 else out)
            if number:
                total += out
    size = shape[1]
    found = total.reshape(many, factor, shape[0] // groups, -1, factor, size)
    if factor > 1:
        found = xp.stack([found[:, j, :, :, j] for j in range(factor)], 1)
    return xp.ascontiguousarray(found.reshape(shape[0], -1, size).swapaxes(1, 2)).reshape(shape)


@in_float32
def bias_gradient(g: Any) -> Any:
    """The sum of g (N, O, *outputs) over all axes but the channels."""
    xp = array_module(g)
    rows = last(g).reshape(-1, g.shape[1])
    return xp.ones(rows.shape[0], g.dtype) @ rows
