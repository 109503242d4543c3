"""Maximum and mean over windows, in one, two and three dimensions.

Results have the shape (N, C, H, W) over channels-last memory. Half-precision inputs are computed in float32.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.casting import into
from framework.ops.conv import per_axis, unbatched
from framework.tensor import Tensor

Ints = tuple[int, ...]


class MaxPool(Op):
    """The maximum of each window; with ``indices`` also its place in the plane."""

    non_differentiable = (1,)

    def forward(
        self, x: Any, window: Ints, stride: Ints, padding: Ints, dilation: Ints, outputs: Ints, indices: bool
    ) -> Any:
        self.where = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        self.lengths = x.shape[2:]
        self.kernel = choose("pool", x, kind="max", **self.where)
        y, self.winners = self.kernel.max_pool(
            x, window, stride, padding, dilation, outputs, indices or bool(self.needs[0])
        )
        if not indices:
            return y
        return y, self.kernel.max_pool_indices(self.winners, self.lengths, window, stride, padding, dilation)

    def backward(self, g: Any, _: Any = None) -> Any:
        return apply(MaxPoolGradient, g, winners=self.winners, lengths=self.lengths, kernel=self.kernel, **self.where)


class MaxPoolGradient(Op):
    """Each window's gradient, sent to the place that won."""

    def forward(
        self,
        g: Any,
        winners: Any,
        lengths: Ints,
        kernel: Any,
        window: Ints,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
    ) -> Any:
        self.where = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        self.winners, self.lengths, self.kernel = winners, lengths, kernel
        return kernel.max_pool_gradient(g, winners, lengths, window, stride, padding, dilation)

    def backward(self, gx: Any) -> Any:
        return apply(MaxPoolGather, gx, winners=self.winners, kernel=self.kernel, **self.where)


class MaxPoolGather(Op):
    """The values at the places that won."""

    def forward(
        self, x: Any, winners: Any, kernel: Any, window: Ints, stride: Ints, padding: Ints, dilation: Ints
    ) -> Any:
        self.where = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        self.winners, self.lengths, self.kernel = winners, x.shape[2:], kernel
        return kernel.max_pool_gather(x, winners, window, stride, padding, dilation)

    def backward(self, g: Any) -> Any:
        return apply(MaxPoolGradient, g, winners=self.winners, lengths=self.lengths, kernel=self.kernel, **self.where)


class AvgPool(Op):
    """The sum of each window over a divisor, zeros around the input."""

    def forward(
        self, x: Any, window: Ints, stride: Ints, padding: Ints, outputs: Ints, divisor: Any, kernel: Any = None
    ) -> Any:
        self.where = {"window": window, "stride": stride, "padding": padding, "divisor": divisor}
        self.lengths = x.shape[2:]
        self.kernel = kernel or choose("pool", x, kind="mean", **self.where)
        return self.kernel.avg_pool(x, window, stride, padding, outputs, divisor)

    def backward(self, g: Any) -> Any:
        return apply(AvgPoolGradient, g, lengths=self.lengths, kernel=self.kernel, **self.where)


class AvgPoolGradient(Op):
    """Each window's gradient over the divisor, added to all its places."""

    def forward(
        self, g: Any, lengths: Ints, kernel: Any, window: Ints, stride: Ints, padding: Ints, divisor: Any
    ) -> Any:
        self.where = {"window": window, "stride": stride, "padding": padding, "divisor": divisor}
        self.places, self.kernel = g.shape[2:], kernel
        return kernel.avg_pool_gradient(g, lengths, window, stride, padding, divisor)

    def backward(self, gx: Any) -> Any:
        return apply(AvgPool, gx, outputs=self.places, kernel=self.kernel, **self.where)


def prepare(name: str, input: Any, axes: int, integers: str = "") -> tuple[Any, bool]:
    """A pool's input with a batch axis, and whether one was added.

    Args:
        integers: the integer dtypes it is defined for: "", "int64" or "all".

    Raises:
        ShapeError: another number of dims, or an empty dim other than the batch.
        DtypeError: a dtype it is not defined for.
    """
    ndim = input.ndim
    if ndim not in (axes + 1, axes + 2) or 0 in tuple(input.shape)[(1 if ndim == axes + 2 else 0) :]:
        raise ShapeError(
            f"{name}: Expected {axes + 1}D or {axes + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got: {list(input.shape)}"
        )
    if isinstance(input, Tensor) and not input.dtype.is_floating_point:
        kind = input.dtype
        if kind.numpy.kind not in "iu" or integers not in ("all", kind.name):
            raise DtypeError(f"{name}: not implemented for {kind} tensors; convert with .float()")
    return (input, False) if ndim == axes + 2 else (input.reshape((1, *input.shape)), True)


def geometry(
    name: str, input: Any, axes: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Window, stride, padding, dilation and output lengths of a pool.

    Raises:
        ArgumentError: a value below what it may be, or padding over half of the window.
        ShapeError: no window fits.
    """
    window = per_axis(name, "kernel_size", kernel_size, axes, 1)
    stride = window if stride is None or stride in ([], ()) else per_axis(name, "stride", stride, axes, 1)
    padding = per_axis(name, "padding", padding, axes, 0)
    dilation = per_axis(name, "dilation", dilation, axes, 1)
    outputs = []
    for n, k, s, p, d in zip(input.shape[2:], window, stride, padding, dilation, strict=True):
        if p > (d * (k - 1) + 1) // 2:
            raise ArgumentError(
                f"{name}: pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
        room = n + 2 * p - d * (k - 1) - 1
        count = (room + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:  # a window must start inside the input or its left padding
            count -= 1
        outputs.append(count)
    if min(outputs) < 1:
        raise ShapeError(
            f"{name}: Given input size: {tuple(input.shape[1:])}. Calculated output size: {tuple(outputs)}. Output "
            "size is too small; make kernel_size smaller or the input larger"
        )
    return window, stride, padding, dilation, tuple(outputs)


def _max_pool(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    name = f"max_pool{axes}d"
    input, single = prepare(name, input, axes, "" if axes == 1 else "all")
    window, stride, padding, dilation, outputs = geometry(
        name, input, axes, kernel_size, stride, padding, dilation, ceil_mode
    )
    found = apply(
        MaxPool, input, window=window, stride=stride, padding=padding, dilation=dilation, outputs=outputs,
        indices=return_indices,
    )  # fmt: skip
    if return_indices:
        return unbatched(found[0], single), unbatched(found[1], single)
    return unbatched(found, single)


def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum over windows of a sequence; see ``max_pool2d`` for the arguments. (N, C, L) or (C, L)."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum over windows of an image.

    Args:
        kernel_size: the window's lengths, an int or one for each spatial dim.
        stride: steps between windows; ``kernel_size`` unless given.
        padding: rows of minus infinity on each side, at most half of the window.
        dilation: steps between the values of a window.
        ceil_mode: round the number of windows up, so that the last may reach over the edge.
        return_indices: return also where in the (flattened) plane each maximum lies, int64.

    Shape:
        input (N, C, H, W) or (C, H, W) -> (N, C, H', W') with
        H' = floor((H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1.

    Example:
        >>> max_pool2d(framework.arange(16.0).reshape(1, 4, 4), 2)
        tensor([[[ 5.,  7.],
                 [13., 15.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The maximum over windows of a volume; see ``max_pool2d`` for the arguments. (N, C, D, H, W) or (C, D, H, W)."""
    if region() is not None and not return_indices:
        return recast(max_pool3d, locals())
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = True,
) -> Any:  # fmt: skip
    """``max_pool1d`` with ``return_indices``."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = True,
) -> Any:  # fmt: skip
    """``max_pool2d`` with ``return_indices``."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool3d_with_indices(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = True,
) -> Any:  # fmt: skip
    """``max_pool3d`` with ``return_indices``."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@lru_cache(256)
def _counts(lengths: Ints, window: Ints, stride: Ints, padding: Ints, outputs: Ints, padded: bool) -> Any:
    """How many values each window's mean divides by: one number, or an array (*outputs)."""
    found: Any = 1
    for n, k, s, p, o in zip(lengths, window, stride, padding, outputs, strict=True):
        start = np.arange(o) * s - p
        stop = np.minimum(start + k, n + p)
        count = stop - start if padded else np.minimum(stop, n) - np.maximum(start, 0)
        found = np.multiply.outer(found, count)
    if found.min(initial=found.flat[0]) == found.max(initial=0):
        return int(found.flat[0])
    found.flags.writeable = False
    return found


def _avg_pool(
    axes: int, input: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor_override: int | None, out: Any = None,
) -> Any:  # fmt: skip
    name = f"avg_pool{axes}d"
    input, single = prepare(name, input, axes, "int64")
    if divisor_override == 0:
        raise ArgumentError(f"{name}: divisor must be not zero, got divisor_override=0")
    window, stride, padding, _, outputs = geometry(name, input, axes, kernel_size, stride, padding, 1, ceil_mode)
    lengths = tuple(int(n) for n in input.shape[2:])
    count = divisor_override or _counts(lengths, window, stride, padding, outputs, count_include_pad)
    y = apply(AvgPool, input, window=window, stride=stride, padding=padding, outputs=outputs, divisor=count)
    y = unbatched(y, single)
    return y if out is None else into(out, y)


def avg_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:  # fmt: skip
    """The mean over windows of a sequence; see ``avg_pool2d`` for the arguments. (N, C, L) or (C, L)."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, out: Any = None,
) -> Any:  # fmt: skip
    """The mean over windows of an image.

    Args:
        kernel_size: the window's lengths, an int or one for each spatial dim.
        stride: steps between windows; ``kernel_size`` unless given.
        padding: rows of zeros on each side, at most half of the window.
        ceil_mode: round the number of windows up, so that the last may reach over the edge.
        count_include_pad: whether the padding counts in the mean.
        divisor_override: divide the sum by this number and not by the count.

    Shape:
        input (N, C, H, W) or (C, H, W) -> (N, C, H', W') with H' = floor((H + 2 * padding - kernel_size) / stride) + 1.
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out)


def avg_pool3d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None, *, out: Any = None,
) -> Any:  # fmt: skip
    """The mean over windows of a volume; see ``avg_pool2d`` for the arguments. (N, C, D, H, W) or (C, D, H, W)."""
    if region() is not None:
        return recast(avg_pool3d, locals())
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out)


def _lp_pool(axes: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    from framework.ops.exponential import pow
    from framework.ops.signs import abs, sign

    window = per_axis(f"lp_pool{axes}d", "kernel_size", kernel_size, axes, 1)
    if norm_type == math.inf:
        return _max_pool(axes, abs(input), window, stride, 0, 1, ceil_mode, False)
    if norm_type == -math.inf:
        return -_max_pool(axes, -abs(input), window, stride, 0, 1, ceil_mode, False)
    mean = _avg_pool(axes, pow(input, norm_type), window, stride, 0, ceil_mode, True, None)
    return pow(sign(mean) * abs(mean) * math.prod(window), 1.0 / norm_type)


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The p-norm (``sum(x ** p) ** (1 / p)``) over windows of a sequence; see ``lp_pool2d``."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The p-norm (``sum(x ** p) ** (1 / p)``) over windows of an image.

    Args:
        norm_type: p; infinity gives the greatest magnitude, minus infinity the least.
        kernel_size, stride, ceil_mode: as in ``avg_pool2d``.
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """The p-norm (``sum(x ** p) ** (1 / p)``) over windows of a volume; see ``lp_pool2d``."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
