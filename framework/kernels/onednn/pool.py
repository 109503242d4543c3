"""Maxima and means over windows by oneDNN, over channels-last memory.

Arrays are (N, C, *spatial) with one to three spatial axes; an input that is not channels-last is copied once, and
results are channels-last (sequences row-major). Half precision is computed in float32, as the generic kernel does.

oneDNN's workspace for the gradient of a maximum is what the generic kernel keeps, the number of the tap that won in
memory order, so the generic functions for the winners' places and values serve here too. But its maximum takes NaNs for
absent and minus infinity for the least finite number. The sum of squares of the input is finite only where neither
occurs (nor a number whose square overflows); the generic kernel computes the others. The sum takes a third of the
forward pass.

Measured on two threads of a 2-core EPYC, float32, channels-last, forward and backward, milliseconds beside the generic
kernel's: maxima of 3 x 3 at every other place of (16, 64, 112, 112) 2.7 + 1.8 and 21.5 + 28; of 2 x 2 of
(128, 64, 24, 24) 0.6 + 0.3 and 3.7 + 3.1; means of 3 x 3 at every place of (16, 192, 35, 35) 0.44 + 0.82 and 5.0 + 5.5.
Even (1, 1, 4, 4) takes 15 us where the generic kernel takes 64. oneDNN's pool without a workspace was the slower one
(3.5 and 2.9 ms), so it is asked for one always.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.kernels import threads
from framework.kernels.generic import pool as generic
from framework.kernels.generic.pool import max_pool_gather as max_pool_gather
from framework.kernels.generic.pool import max_pool_indices as max_pool_indices
from framework.kernels.layout import empty_last, strides_last
from framework.kernels.onednn import library as api
from framework.kernels.onednn.conversion import to
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import FLOAT32, Plan, int64s, planned
from framework.kernels.onednn.reorder import as_given, channels_last

NAME = "onednn"
ALONE = 1 << 21  # elements whose squares one thread sums before a second has started
FEW = 8  # fewer channels leave most of a vector empty; then gradients of windows side by side are the generic kernel's
SMALL = 1 << 16  # elements whose mean over all pixels is one product of NumPy

Ints = tuple[int, ...]


def declines(
    x: Any, kind: str, window: Ints, stride: Ints, padding: Ints, dilation: Ints = (), divisor: Any = None
) -> str | None:
    """None if it can serve a pool of x, else why not."""
    if type(x) is not np.ndarray or not (x.dtype == FLOAT32 or x.dtype in dtypes.HALF):
        return "not a NumPy array of float32 or a 16-bit type"
    if not x.size:
        return "nothing to pool"
    if any(dilation) and max(dilation) > 1:
        return "dilated windows"
    return None


def max_pool(
    x: Any, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, outputs: Ints, winners: bool
) -> tuple[Any, Any]:
    """The maximum of each window, and the number of the tap that holds it (None unless ``winners``).

    Returns:
        (N, C, *outputs) of x's dtype; (N, *outputs, C), the first tap in row-major order where several are equal.
    """
    source = channels_last(to(x, FLOAT32))
    if not _tame(source):
        return generic.max_pool(x, kernel, stride, padding, dilation, outputs, winners)
    y = empty_last((*x.shape[:2], *outputs), FLOAT32)
    taps = np.empty((x.shape[0], *outputs, x.shape[1]), _tap_type(kernel))
    _forward(x.shape, outputs, kernel, stride, padding, api.MAX_POOL).run(source, y, taps)
    return to(as_given(y), x.dtype), taps if winners else None


def max_pool_gradient(
    g: Any, taps: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints
) -> Any:
    """The gradient (N, C, *lengths): each window's goes to the tap that won."""
    if g.shape[1] < FEW and _apart(kernel, stride):
        return generic.max_pool_gradient(g, taps, lengths, kernel, stride, padding, dilation)
    x = empty_last((*g.shape[:2], *lengths), FLOAT32)
    plan = _backward(x.shape, g.shape[2:], kernel, stride, padding, api.MAX_POOL)
    plan.run(channels_last(to(g, FLOAT32)), np.ascontiguousarray(taps, _tap_type(kernel)), x)
    return to(as_given(x), g.dtype)


def avg_pool(x: Any, kernel: Ints, stride: Ints, padding: Ints, outputs: Ints, divisor: Any) -> Any:
    """The sum of each window, with zeros around the input, over ``divisor``: (N, C, *outputs).

    Args:
        divisor: an int, or an array of them (*outputs).
    """
    if x.size <= SMALL and _whole(x.shape[2:], kernel):
        return generic.avg_pool(x, kernel, stride, padding, outputs, divisor)
    y = empty_last((*x.shape[:2], *outputs), FLOAT32)
    plan = _forward(x.shape, outputs, kernel, stride, padding, api.MEAN_WITH_PADDING)
    plan.run(channels_last(to(x, FLOAT32)), y)
    factor = _factor(kernel, divisor)
    if factor is not None:
        y *= factor
    return to(as_given(y), x.dtype)


def avg_pool_gradient(g: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, divisor: Any) -> Any:
    """The gradient (N, C, *lengths): each window's, over ``divisor``, added to all its places."""
    if _whole(lengths, kernel) or (g.shape[1] < FEW and _apart(kernel, stride)):
        return generic.avg_pool_gradient(g, lengths, kernel, stride, padding, divisor)
    x = empty_last((*g.shape[:2], *lengths), FLOAT32)
    plan = _backward(x.shape, g.shape[2:], kernel, stride, padding, api.MEAN_WITH_PADDING)
    source, factor = channels_last(to(g, FLOAT32)), _factor(kernel, divisor)
    plan.run(source if factor is None else source * factor, x)
    return to(as_given(x), g.dtype)


def _tame(x: Any) -> bool:
    """Whether the sum of the squares of a gapless float32 array is finite."""
    flat = x.transpose(0, *range(2, x.ndim), 1).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        if flat.size <= ALONE:
            return math.isfinite(np.dot(flat, flat))
        sums: list[float] = []

        def add(part: Any) -> None:
            sums.append(float(np.dot(part, part)))

        threads.parallel(add, np.array_split(flat, threads.current()))
        return math.isfinite(sum(sums))


def _apart(kernel: Ints, stride: Ints) -> bool:
    """Whether no two windows overlap."""
    return all(k <= s for k, s in zip(kernel, stride, strict=True))


def _whole(lengths: Ints, kernel: Ints) -> bool:
    """Whether there is one window, over all pixels."""
    return tuple(lengths) == tuple(kernel)


def _tap_type(kernel: Ints) -> Any:
    """What oneDNN keeps the number of a tap in."""
    return np.uint8 if math.prod(kernel) <= 255 else np.int32


def _factor(kernel: Ints, divisor: Any) -> Any:
    """What a mean over the whole window is multiplied by to be a sum over a divisor; None for 1."""
    count = math.prod(kernel)
    if isinstance(divisor, int):
        return None if divisor == count else np.float32(count / divisor)
    return (count / divisor).astype(FLOAT32)


def _arguments(
    shape: Ints, outputs: Ints, kernel: Ints, stride: Ints, padding: Ints, algorithm: int
) -> tuple[Any, ...]:
    lib = library()
    pooled = (*shape[:2], *outputs)
    far = [(o - 1) * s + k - n - p for n, o, k, s, p in zip(shape[2:], outputs, kernel, stride, padding, strict=True)]
    return (
        algorithm,
        lib.layout(shape, "float32", strides_last(shape)),
        lib.layout(pooled, "float32", strides_last(pooled)),
        int64s(stride), int64s(kernel), int64s((0,) * len(kernel)), int64s(padding), int64s(far),
    )  # fmt: skip


@planned
def _forward(shape: Ints, outputs: Ints, kernel: Ints, stride: Ints, padding: Ints, algorithm: int) -> Plan:
    kinds = (api.SRC, api.DST, *((api.WORKSPACE,) if algorithm == api.MAX_POOL else ()))
    arguments = (api.FORWARD_TRAINING, *_arguments(shape, outputs, kernel, stride, padding, algorithm))
    return Plan("pooling_forward", arguments, kinds)


@planned
def _backward(shape: Ints, outputs: Ints, kernel: Ints, stride: Ints, padding: Ints, algorithm: int) -> Plan:
    kinds = (api.DIFF_DST, *((api.WORKSPACE,) if algorithm == api.MAX_POOL else ()), api.DIFF_SRC)
    hint = _forward(shape, outputs, kernel, stride, padding, algorithm)
    arguments = _arguments(shape, outputs, kernel, stride, padding, algorithm)
    return Plan("pooling_backward", arguments, kinds, hint=hint, forward=False)
