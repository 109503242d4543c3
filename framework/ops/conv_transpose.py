"""Transposed convolutions: what a convolution gives back to its input, as a layer of its own."""

from __future__ import annotations

from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.op import apply
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.conv import InputGradient, batched, check_types, check_weight, per_axis, unbatched
from framework.tensor import Tensor


def transpose_convolve(
    name: str, axes: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups:
    int,
    dilation: Any,
) -> Any:  # fmt: skip
    """The transposed convolution with ``axes`` spatial axes; the public functions say what the arguments are."""
    input, single = batched(name, input, axes)
    check_types(name, input, weight, bias)
    if isinstance(input, Tensor) and input.array.dtype.kind in "iu" and input.array.dtype != "int64":
        raise DtypeError(f"{name}: not implemented for {input.dtype} tensors; convert with .float()")
    stride = per_axis(name, "stride", stride, axes, 1)
    padding = per_axis(name, "padding", padding, axes, 0)
    extra = per_axis(name, "output_padding", output_padding, axes, 0)
    dilation = per_axis(name, "dilation", dilation, axes, 1)
    check_weight(name, input, weight, bias, groups, axes, True)
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise ArgumentError(
                f"{name}: output padding must be smaller than either stride or dilation, got output_padding={extra}, "
                f"stride={stride} and dilation={dilation}"
            )
    lengths = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(input.shape[2:], stride, padding, dilation, weight.shape[2:], extra, strict=True)
    )
    if min(lengths) <= 0:
        raise ShapeError(
            f"{name}: Given input size per channel: {tuple(input.shape[2:])}. Calculated output size per channel: "
            f"{lengths}. Output size is too small"
        )
    where = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return unbatched(apply(InputGradient, input, weight, bias, lengths=lengths, **where), single)


def conv_transpose1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """A transposed convolution over sequences; see ``conv_transpose2d`` for the arguments.

    Shape:
        input (N, C, L) or (C, L), weight (C, O / groups, K), bias (O,) -> (N, O, L') or (O, L').
    """
    if region() is not None:
        return recast(conv_transpose1d, locals())
    return transpose_convolve(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """A transposed convolution over images: every input value adds the weight, times itself, to a window of the output.

    Args:
        stride: steps between the output's windows.
        padding: what is cut off each side of the output.
        output_padding: what is added to one side of the output; smaller than stride or dilation.
        groups: input and output channels are cut into so many parts that do not see each other.
        dilation: steps between the values of a window.

    Shape:
        input (N, C, H, W) or (C, H, W), weight (C, O / groups, KH, KW), bias (O,) -> (N, O, H', W') with
        H' = (H - 1) * stride - 2 * padding + dilation * (KH - 1) + output_padding + 1.

    Example:
        >>> conv_transpose2d(framework.ones(1, 4, 8, 8), framework.ones(4, 3, 2, 2), stride=2).shape
        framework.Size([1, 3, 16, 16])
    """
    if region() is not None:
        return recast(conv_transpose2d, locals())
    return transpose_convolve(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    """A transposed convolution over volumes; see ``conv_transpose2d`` for the arguments.

    Shape:
        input (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, KD, KH, KW), bias (O,) -> (N, O, D', H', W').
    """
    if region() is not None:
        return recast(conv_transpose3d, locals())
    return transpose_convolve(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )
