"""Convolution with one input channel a group: no sums over channels, so no products, but shifted multiplications."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.generic.passes import unbuffered
from framework.kernels.generic.windows import Ints, Windows, blocks, overlap, scratch

CACHED = 1 << 20  # bytes of output that a pass works on at once: it stays in the processor's second cache


def _limit(xp: Any) -> int:
    """A GPU does it in one block."""
    return CACHED if xp is np else 1 << 40


def forward(x: Any, weight: Any, bias: Any, out: Any, stride: Ints, padding: Ints, dilation: Ints) -> None:
    """A channel at a time: the shifted inputs, each times its tap, summed in a block that stays in the cache."""
    xp, channels, kernel = array_module(x), out.shape[-1], weight.shape[1:]
    if channels != x.shape[-1]:
        x = xp.repeat(x, channels // x.shape[-1], axis=-1)
    taps = xp.ascontiguousarray(xp.moveaxis(weight, 0, -1))  # (*kernel, C)
    windows = Windows(x, kernel, stride, padding, dilation, out.shape[1:-1], 1)
    line = out.shape[-2] * channels
    run = stride[-1] == 1 and channels < 1024  # neighbours in a line are one run of memory: longer inner loops
    plan: list[tuple[Any, Any]] = [
        (
            tuple(slice(t * d, None, s) for t, d, s in zip(tap, dilation, stride, strict=True)),
            xp.tile(taps[tap], out.shape[-2]) if run else taps[tap],
        )
        for tap in np.ndindex(*kernel)
    ]
    for batch, rows in blocks(x.shape[0], out.shape[1:-1], channels * x.itemsize, _limit(xp)):
        source, total = windows.padded(batch, rows), out[batch, rows]
        shape, strides = total.shape, source.strides
        strides = (strides[0], *(a * s for a, s in zip(strides[1:-1], stride, strict=True)), strides[-1])
        if run:
            shape, strides = (*shape[:-2], line), (*strides[:-2], x.itemsize)
            total = total.reshape(shape)
        product = scratch(xp, "product", shape, x.dtype)
        with unbuffered(shape[-1]):  # the factors broadcast
            for number, (cut, factor) in enumerate(plan):
                shifted = xp.lib.stride_tricks.as_strided(source[(slice(None), *cut)], shape, strides)
                if number == 0:
                    xp.multiply(shifted, factor, out=total)
                else:
                    xp.multiply(shifted, factor, out=product)
                    total += product
        if bias is not None:
            out[batch, rows] += bias


def input_gradient(g: Any, weight: Any, out: Any, stride: Ints, padding: Ints, dilation: Ints) -> None:
    """The input's gradient, (N, *spatial, C), into ``out``; weight is (O, *kernel)."""
    xp, channels, kernel = array_module(g), out.shape[-1], weight.shape[1:]
    back = tuple(d * (k - 1) - p for k, p, d in zip(kernel, padding, dilation, strict=True))
    several = weight.shape[0] // channels
    if several == 1 and all(s == 1 for s in stride) and min(back) >= 0:
        flipped = weight[(slice(None), *(slice(None, None, -1),) * len(kernel))]
        forward(g, flipped, None, out, stride, back, dilation)
        return
    taps = xp.moveaxis(weight, 0, -1)
    out[...] = 0
    for batch, rows in blocks(g.shape[0], g.shape[1:-1], weight.shape[0] * g.itemsize, _limit(xp)):
        part, target = g[batch, rows], out[batch]
        for tap in np.ndindex(*kernel):
            offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
            there, here = overlap(offset, stride, out.shape[1:-1], g.shape[1:-1], rows)
            if there is not None:
                product = part[(slice(None), *here)] * taps[tap]
                if several > 1:
                    product = product.reshape(*product.shape[:-1], channels, several).sum(-1)
                target[(slice(None), *there)] += product


def weight_gradient(g: Any, x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    """The weight's gradient, (*kernel, O), from g and x in (N, *spatial, C)."""
    xp, channels = array_module(g), g.shape[-1]
    if channels != x.shape[-1]:
        x = xp.repeat(x, channels // x.shape[-1], axis=-1)
    total = xp.zeros((*kernel, channels), g.dtype)
    axes = list(range(g.ndim))
    for batch, rows in blocks(g.shape[0], g.shape[1:-1], channels * g.itemsize, _limit(xp)):
        part, source = g[batch, rows], x[batch]
        for tap in np.ndindex(*kernel):
            offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
            there, here = overlap(offset, stride, x.shape[1:-1], g.shape[1:-1], rows)
            if there is not None:
                a, b = part[(slice(None), *here)], source[(slice(None), *there)]
                if xp is np:
                    total[tap] += np.einsum(a, axes, b, axes, axes[-1:])  # multiplies and adds in one pass
                else:
                    total[tap] += (a * b).sum(tuple(range(a.ndim - 1)))
    return total
