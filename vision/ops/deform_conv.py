"""Deformable convolution: a convolution whose taps are moved, each at each place, by offsets that are computed too."""

from __future__ import annotations

import math
from typing import Any

import framework
from framework import nn
from framework.autograd.autocast import recast, region
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels.generic.windows import output_lengths
from framework.ops.conv import per_axis
from framework.tensor import wrap
from vision.ops.blend import Pattern, blend

Size = int | tuple[int, ...]


def deform_conv2d(
    input: Any,
    offset: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = (1, 1),
    padding: Size = (0, 0),
    dilation: Size = (1, 1),
    mask: Any = None,
) -> Any:
    """A convolution that reads the input bilinearly where its taps are moved to, zeros lying around it.

    Args:
        input: of a floating dtype; computed in at least float32.
        offset: how far, in pixels, each tap is moved down and right: for each group of input channels and each tap, in
            row-major order, a pair of channels.
        weight: as of ``conv2d``; the groups of the convolution follow from its second dim.
        bias: added to each output channel.
        stride, padding, dilation: as of ``conv2d``.
        mask: what each tap's value is multiplied by; ones unless given, which is the first version of the operation.

    Shape:
        input (N, C, H, W), offset (N, G * KH * KW * 2, H', W'), weight (O, C / groups, KH, KW), bias (O,),
        mask (N, G * KH * KW, H', W') -> (N, O, H', W').

    Raises:
        ShapeError, DtypeError: the operands do not fit each other.

    Example:
        >>> x, weight = framework.rand(4, 3, 10, 10), framework.rand(5, 3, 3, 3)
        >>> deform_conv2d(x, framework.rand(4, 18, 8, 8), weight, mask=framework.rand(4, 9, 8, 8)).shape
        framework.Size([4, 5, 8, 8])

    Reference: Dai et al., "Deformable Convolutional Networks", https://arxiv.org/abs/1703.06211; Zhu et al.,
    "Deformable ConvNets v2", https://arxiv.org/abs/1811.11168
    """
    if region() is not None:
        return recast(deform_conv2d, locals())
    steps = per_axis("deform_conv2d", "stride", stride, 2, 1)
    pads = per_axis("deform_conv2d", "padding", padding, 2, 0)
    gaps = per_axis("deform_conv2d", "dilation", dilation, 2, 1)
    outputs, groups = _checked(input, offset, weight, bias, mask, (steps, pads, gaps))
    kind = input.dtype
    if kind not in (framework.float32, framework.float64):
        input, offset, weight = input.float(), offset.float(), weight.float()
        mask = None if mask is None else mask.float()

    n, channels, height, width = input.shape
    out_channels, own, *window = weight.shape
    taps = window[0] * window[1]
    moves = offset.reshape(n, groups, taps, 2, *outputs).permute(0, 4, 5, 2, 1, 3)  # (N, H', W', taps, G, 2)
    down, right = (
        moves[..., axis] + wrap(_places(offset.array, window[axis], steps, pads, gaps, outputs, axis, taps))
        for axis in (0, 1)
    )
    if mask is not None:
        mask = mask.reshape(n, groups, taps, *outputs).permute(0, 3, 4, 2, 1)
    weights, pattern = _corners(down, right, mask, (height, width))

    rows = input.permute(0, 2, 3, 1).reshape(n * height * width * groups, channels // groups)
    places = n * outputs[0] * outputs[1]
    columns = blend(rows, weights, pattern).reshape(places, taps, channels)
    parts = channels // own
    kernel = weight.reshape(parts, out_channels // parts, own, taps).permute(
        0, 3, 2, 1
    )  # (parts, taps, own, O / parts)
    kernel = kernel.reshape(parts, taps * own, out_channels // parts)
    columns = columns.reshape(places, taps, parts, own).permute(2, 0, 1, 3).reshape(parts, places, taps * own)
    out = (columns @ kernel).permute(1, 0, 2).reshape(n, *outputs, out_channels)
    if bias is not None:
        out = out + bias.to(out.dtype)
    return out.permute(0, 3, 1, 2).to(kind)


def _checked(
    input: Any, offset: Any, weight: Any, bias: Any, mask: Any, geometry: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], int]:
    """The output's lengths, and the groups of offsets."""
    steps, pads, gaps = geometry
    operands = {"input": input, "offset": offset, "weight": weight, "bias": bias, "mask": mask}
    for name, value in operands.items():
        if value is not None and (value.dtype != input.dtype or not value.is_floating_point()):
            raise DtypeError(
                f"deform_conv2d: the operands should have one floating dtype, got {name} of {value.dtype} and input of "
                f"{input.dtype}"
            )
        if name != "bias" and value is not None and value.ndim != 4:
            raise ShapeError(f"deform_conv2d: {name} should have 4 dims, got shape {tuple(value.shape)}")
    n, channels = input.shape[:2]
    out_channels, own, *window = weight.shape
    if channels % own or out_channels % (channels // own):
        raise ShapeError(
            f"deform_conv2d: weight {tuple(weight.shape)} does not divide into groups for {channels} input channels"
        )
    if bias is not None and tuple(bias.shape) != (out_channels,):
        raise ShapeError(f"deform_conv2d: bias should have shape ({out_channels},), got {tuple(bias.shape)}")
    outputs = tuple(output_lengths(tuple(input.shape[2:]), tuple(window), steps, pads, gaps))
    taps = window[0] * window[1]
    groups = offset.shape[1] // (2 * taps)
    if min(outputs) < 1:
        raise ShapeError(
            f"deform_conv2d: the kernel {tuple(window)} does not fit into the input {tuple(input.shape[2:])} with padding "
            f"{pads} and dilation {gaps}"
        )
    if groups < 1 or channels % groups or tuple(offset.shape) != (n, groups * 2 * taps, *outputs):
        raise ShapeError(
            f"deform_conv2d: offset should have shape ({n}, G * {2 * taps}, {outputs[0]}, {outputs[1]}), G dividing "
            f"{channels} channels, got {tuple(offset.shape)}"
        )
    if mask is not None and tuple(mask.shape) != (n, groups * taps, *outputs):
        raise ShapeError(
            f"deform_conv2d: mask should have shape ({n}, {groups * taps}, {outputs[0]}, {outputs[1]}), got "
            f"{tuple(mask.shape)}"
        )
    return outputs, groups


def _places(
    like: Any, length: int, steps: Any, pads: Any, gaps: Any, outputs: tuple[int, ...], axis: int, taps: int
) -> Any:
    """The coordinate of each tap of a plain convolution along an axis, (H', W', taps, 1) or broadcastable to it."""
    xp = array_module(like)
    start = xp.arange(outputs[axis]) * steps[axis] - pads[axis]
    tap = xp.arange(taps) // (taps // length) if axis == 0 else xp.arange(taps) % length
    grid = start[:, None] + tap * gaps[axis]
    return (grid[:, None] if axis == 0 else grid[None])[..., None].astype(like.dtype)


def _corners(down: Any, right: Any, mask: Any, size: tuple[int, int]) -> tuple[Any, Pattern]:
    """The weights of the four pixels around each place (N, H', W', taps, G), and where those pixels' rows are.

    The rows are those of channels-last pixels cut into G groups. A pixel outside weighs nothing.
    """
    height, width = size
    n, groups = down.shape[0], down.shape[-1]
    xp = array_module(down.array)
    axes = []
    for at, pixels in ((down, height), (right, width)):
        low = xp.floor(at.array)
        part = at - wrap(low)
        near = xp.clip(xp.nan_to_num(low, nan=-2.0), -2, pixels).astype(
            "int64"
        )  # what is further out weighs nothing too
        sides = []
        for pixel, share in ((near, 1 - part), (near + 1, part)):
            inside = (pixel >= 0) & (pixel < pixels)
            sides.append((xp.clip(pixel, 0, pixels - 1), framework.where(wrap(inside), share, 0)))
        axes.append(sides)
    picture = xp.arange(n).reshape(n, 1, 1, 1, 1) * height
    group = xp.arange(groups)
    weights, rows = [], []
    for line, above in axes[0]:
        scaled = above if mask is None else above * mask
        for column, beside in axes[1]:
            weights.append(scaled * beside)
            rows.append(((picture + line) * width + column) * groups + group)
    found = xp.stack(rows, -1).reshape(-1)
    starts = xp.arange(0, len(found) + 1, 4)
    return framework.stack(weights, -1).reshape(-1), Pattern(starts, found, n * height * width * groups)


class DeformConv2d(nn.Module):
    """``deform_conv2d`` with a weight and a bias of its own; the offsets and the mask are given to it.

    Args:
        in_channels, out_channels: channels of the input and the result.
        kernel_size, stride, padding, dilation, groups: as of ``Conv2d``.
        bias: whether there is a bias.

    Raises:
        ArgumentError: ``groups`` does not divide the channels.
    """

    weight: Any
    bias: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"DeformConv2d: groups={groups} should divide in_channels={in_channels} and out_channels={out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_axis("DeformConv2d", "kernel_size", kernel_size, 2, 1)
        self.stride = per_axis("DeformConv2d", "stride", stride, 2, 1)
        self.padding = per_axis("DeformConv2d", "padding", padding, 2, 0)
        self.dilation = per_axis("DeformConv2d", "dilation", dilation, 2, 1)
        self.groups = groups
        self.weight = nn.Parameter(framework.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.register_parameter("bias", nn.Parameter(framework.empty(out_channels)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, as ``Conv2d`` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any, offset: Any, mask: Any = None) -> Any:
        """The convolution of ``input`` with its taps moved by ``offset``."""
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)

    def extra_repr(self) -> str:
        """The settings."""
        words = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, default in (("padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1)):
            value = getattr(self, name)
            words += f", {name}={value}" if value != default else ""
        return words if self.bias is not None else f"{words}, bias=False"
