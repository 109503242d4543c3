"""Maxima and means over windows on the GPU, over channels-last memory, one launch each.

A thread computes 16 bytes' worth of channels of one place. Gradients are gathered by the inputs from the windows that hold
them: no atomic additions, no zeros to write first, the same numbers in each run. Sequences stay as they are, (N, C, L) in
rows: every channel is then a sample of its own. Means over wide windows, such as whole maps, are made by a block each.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.cuda.modules import CTYPES, FLOATS, blocks, kernel, real
from framework.kernels.cuda.tensors import number_type, on_device, struct, vector
from framework.kernels.generic.pool import max_pool_gather as max_pool_gather
from framework.kernels.generic.pool import max_pool_indices as max_pool_indices
from framework.kernels.layout import last

NAME = "cuda"
THREADS = 256
WIDE = 32  # taps of a window from which on a block may share it
FEW = 1 << 18  # threads below which it does: they would leave a large GPU idle
NULL = np.uint64(0)
_BYTE = np.dtype("uint8")

Ints = tuple[int, ...]


def declines(
    x: Any, kind: str, window: Ints, stride: Ints, padding: Ints, dilation: Ints = (), divisor: Any = None
) -> str | None:
    """None if it can serve a pool of x, else why not."""
    if x.dtype not in FLOATS:
        return f"there is no kernel for {x.dtype}"
    return None if x.size else "nothing to pool"


def max_pool(
    x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, outputs: Ints, winners: bool
) -> tuple[Any, Any]:
    """The maximum of each window, and the number of the tap that holds it (None unless ``winners``).

    Returns:
        (N, C, *outputs) of x's dtype; (N, *outputs, C), the first tap in row-major order where several are equal, the
        last nan where there are any.
    """
    xp, source = array_module(x), _laid(x)
    y = xp.empty((source.shape[0], *outputs, source.shape[-1]), x.dtype)
    taps = xp.empty(y.shape, _tap_type(kernel)) if winners else None
    window = _window(kernel, stride, padding, dilation, x.shape[2:], outputs)
    _launch("max_pool", source, y, (source, y, NULL if taps is None else taps, window), _tap_type(kernel))
    return _shown(y, x), None if taps is None else _in_order(taps, x)


def max_pool_gradient(
    g: Any, taps: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Any:
    """The gradient (N, C, *lengths): each window's goes to the tap that won."""
    xp, source = array_module(g), _laid(g)
    numbers = xp.ascontiguousarray(taps if g.ndim > 3 else taps.transpose(0, 2, 1)).reshape(source.shape)
    gx = xp.empty((source.shape[0], *lengths, source.shape[-1]), g.dtype)
    window = _window(kernel, stride, padding, dilation, tuple(lengths), g.shape[2:])
    _launch("max_pool_gradient", source, gx, (source, numbers, gx, window), taps.dtype)
    return _shown(gx, g)


def avg_pool(x: Any, kernel: Ints, stride: Ints, padding: Ints, outputs: Ints, divisor: Any) -> Any:
    """The sum of each window, with zeros around the input, over ``divisor``: (N, C, *outputs).

    Args:
        divisor: an int, or an array of them (*outputs).
    """
    source = _laid(x)
    y = array_module(x).empty((source.shape[0], *outputs, source.shape[-1]), x.dtype)
    window = _window(kernel, stride, padding, (1,) * len(kernel), x.shape[2:], outputs)
    wide = math.prod(kernel) >= WIDE and y.size < FEW * vector(y.shape[-1], source)
    _launch("avg_pool_wide" if wide else "avg_pool", source, y, (source, y, *_divisor(divisor, x), window))
    return _shown(y, x)


def avg_pool_gradient(g: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, divisor: Any) -> Any:
    """The gradient (N, C, *lengths): each window's, over ``divisor``, added to all its places."""
    source = _laid(g)
    gx = array_module(g).empty((source.shape[0], *lengths, source.shape[-1]), g.dtype)
    window = _window(kernel, stride, padding, (1,) * len(kernel), tuple(lengths), g.shape[2:])
    _launch("avg_pool_gradient", source, gx, (source, gx, *_divisor(divisor, g), window))
    return _shown(gx, g)


def _laid(x: Any) -> Any:
    """x as the kernels take it: (N, *spatial, C), or (N * C, L, 1) for a sequence."""
    if x.ndim > 3:
        return last(x)
    return array_module(x).ascontiguousarray(x).reshape(x.shape[0] * x.shape[1], x.shape[2], 1)


def _shown(y: Any, like: Any) -> Any:
    """A kernel's result as (N, C, *spatial)."""
    if like.ndim == 3:
        return y.reshape(like.shape[0], like.shape[1], y.shape[1])
    return y.transpose(0, y.ndim - 1, *range(1, y.ndim - 1))


def _in_order(taps: Any, like: Any) -> Any:
    """The winners as (N, *outputs, C)."""
    return taps if like.ndim > 3 else taps.reshape(*like.shape[:2], taps.shape[1]).transpose(0, 2, 1)


def _tap_type(kernel: Ints) -> Any:
    count = math.prod(kernel)
    return np.dtype("uint8" if count <= 256 else "uint16" if count <= 65536 else "int32")


@lru_cache(512)
def _window(kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, lengths: Ints, outputs: Ints) -> Any:
    """The kernels' struct of three axes; those that are missing come first."""
    missing = 3 - len(kernel)
    values = zip((kernel, stride, padding, dilation, lengths, outputs), (1, 1, 0, 1, 1, 1), strict=True)
    return struct(np.array([[fill] * missing + list(given) for given, fill in values], np.int32).reshape(-1))


def _divisor(divisor: Any, x: Any) -> tuple[Any, Any]:
    """An array of divisors on the device, or none, and the one of all windows."""
    kind = real(x.dtype)
    if isinstance(divisor, int):
        return NULL, kind.type(divisor)
    return on_device(divisor, kind, x), kind.type(1)


def _launch(name: str, source: Any, result: Any, arguments: tuple[Any, ...], taps: Any = _BYTE) -> None:
    channels = source.shape[-1]
    width = vector(channels, source)
    index = number_type(source, result)
    if name == "avg_pool_wide":
        across = min(32, 1 << (channels // width - 1).bit_length())
        grid: Ints = (result.size // channels, blocks(channels, across * width))
        shape: Ints = (across, THREADS // across)
    else:
        grid, shape = (blocks(result.size // width, THREADS),), (THREADS,)
    kernel("pool", name, T=CTYPES[source.dtype], V=width, I=CTYPES[index], K=CTYPES[taps])(
        grid, shape, (*arguments, index.type(channels), index.type(result.size // width))
    )
