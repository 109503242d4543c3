"""Windows of an image as columns, and columns added back into an image: each is the other's gradient."""

from __future__ import annotations

import math
from typing import Any

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DimensionError, ShapeError
from framework.kernels.generic.windows import output_lengths, overlap
from framework.ops.conv import per_axis, unbatched
from framework.tensor import Tensor

Ints = tuple[int, ...]


class Unfold(Op):
    """Each window of an image as a column."""

    name = "Im2Col"

    def forward(self, x: Any, window: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
        xp = array_module(x)
        self.where = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        self.lengths = x.shape[2:]
        outputs = output_lengths(x.shape[2:], window, stride, padding, dilation)
        out = xp.zeros((*x.shape[:2], *window, *outputs), x.dtype)
        for i in range(window[0]):
            for j in range(window[1]):
                there, here = _places((i, j), stride, padding, dilation, x.shape[2:], outputs)
                if there is not None:
                    out[(slice(None), slice(None), i, j, *here)] = x[(slice(None), slice(None), *there)]
        return out.reshape(x.shape[0], x.shape[1] * math.prod(window), math.prod(outputs))

    def backward(self, g: Any) -> Any:
        return apply(Fold, g, lengths=self.lengths, **self.where)


class Fold(Op):
    """Columns added into an image where their windows lie."""

    name = "Col2Im"

    def forward(self, x: Any, lengths: Ints, window: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
        xp = array_module(x)
        self.where = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        outputs = output_lengths(lengths, window, stride, padding, dilation)
        channels = x.shape[1] // math.prod(window)
        columns = x.reshape(x.shape[0], channels, *window, *outputs)
        out = xp.zeros((x.shape[0], channels, *lengths), "float32" if x.dtype in dtypes.HALF else x.dtype)
        for i in range(window[0]):
            for j in range(window[1]):
                there, here = _places((i, j), stride, padding, dilation, lengths, outputs)
                if there is not None:
                    out[(slice(None), slice(None), *there)] += columns[(slice(None), slice(None), i, j, *here)]
        return out.astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return apply(Unfold, g, **self.where)


def _places(tap: Ints, stride: Ints, padding: Ints, dilation: Ints, lengths: Ints, outputs: Ints) -> tuple[Any, Any]:
    offset = tuple(t * d - p for t, d, p in zip(tap, dilation, padding, strict=True))
    return overlap(offset, stride, lengths, outputs, slice(0, outputs[0]))


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Every window of an image as a column.

    Args:
        kernel_size, dilation, padding, stride: an int, or one for each of H and W.

    Shape:
        input (N, C, H, W) or (C, H, W) -> (N, C * KH * KW, L), L the number of windows in row-major order.

    Example:
        >>> unfold(framework.ones(1, 3, 4, 4), 2).shape
        framework.Size([1, 12, 9])
    """
    where = {
        "window": per_axis("unfold", "kernel_size", kernel_size, 2, 1),
        "dilation": per_axis("unfold", "dilation", dilation, 2, 1),
        "padding": per_axis("unfold", "padding", padding, 2, 0),
        "stride": per_axis("unfold", "stride", stride, 2, 1),
    }
    if input.ndim < 3:
        raise DimensionError(f"unfold: expected input (N, C, H, W) or (C, H, W), got shape {list(input.shape)}")
    if input.ndim > 4 or 0 in tuple(input.shape)[input.ndim - 3 :]:
        raise ShapeError(
            "unfold: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            f"for input, but got: {list(input.shape)}"
        )
    single = input.ndim == 3
    x = input.reshape((1, *input.shape)) if single else input
    outputs = output_lengths(tuple(x.shape[2:]), where["window"], where["stride"], where["padding"], where["dilation"])
    if min(outputs) < 1:
        raise ShapeError(
            f"unfold: Given input with spatial size {tuple(x.shape[2:])}, kernel_size={where['window']}, "
            f"dilation={where['dilation']}, padding={where['padding']}, calculated shape of the array of sliding "
            f"blocks as {outputs}, but its components must be at least one."
        )
    return unbatched(apply(Unfold, x, **where), single)


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Columns added into an image at their windows' places: the transpose of ``unfold``.

    Args:
        output_size: (H, W) of the image.
        kernel_size, dilation, padding, stride: those of the windows.

    Shape:
        input (N, C * KH * KW, L) or (C * KH * KW, L) -> (N, C, H, W) or (C, H, W).
    """
    lengths = per_axis("fold", "output_size", output_size, 2, 1)
    where = {
        "window": per_axis("fold", "kernel_size", kernel_size, 2, 1),
        "dilation": per_axis("fold", "dilation", dilation, 2, 1),
        "padding": per_axis("fold", "padding", padding, 2, 0),
        "stride": per_axis("fold", "stride", stride, 2, 1),
    }
    if input.ndim not in (2, 3) or 0 in tuple(input.shape)[input.ndim - 2 :]:
        raise ShapeError(
            "fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    single = input.ndim == 2
    x = input.reshape((1, *input.shape)) if single else input
    if x.shape[1] % math.prod(where["window"]):
        raise ShapeError(
            f"fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)={x.shape[1]} and kernel_size={where['window']}."
        )
    outputs = output_lengths(lengths, where["window"], where["stride"], where["padding"], where["dilation"])
    if min(outputs) < 1 or x.shape[2] != math.prod(outputs):
        raise ShapeError(
            f"fold: Given output_size={lengths}, kernel_size={where['window']}, dilation={where['dilation']}, "
            f"padding={where['padding']}, stride={where['stride']}, expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {outputs[0]} * {outputs[1]} = {math.prod(outputs)}, but got "
            f"input.size(2)={x.shape[2]}."
        )
    if isinstance(x, Tensor) and x.dtype.name == "bool":
        return fold(input.to(dtypes.uint8), output_size, kernel_size, dilation, padding, stride).to(dtypes.bool_)
    return unbatched(apply(Fold, x, lengths=lengths, **where), single)
