"""Regions pooled over whole pixels: the maximum of each bin, and the position-sensitive mean."""

from __future__ import annotations

from typing import Any

import numpy as np

import framework
from framework import nn
from framework.autograd.op import apply
from framework.devices import array_module
from framework.kernels import threads
from framework.ops.gather import Gather
from framework.tensor import wrap
from vision.ops import regions
from vision.ops.blend import blend

Size = int | tuple[int, ...] | list[int]
BLOCK = 1 << 16  # values whose maxima are looked for together: what stays in the cache


def roi_pool(input: Any, boxes: Any, output_size: Size, spatial_scale: float = 1.0) -> Any:
    """Each box, rounded to whole pixels, cut into bins, each bin the maximum of its pixels.

    Args:
        input, boxes, output_size, spatial_scale: as for ``roi_align``. Boxes include the pixel they end at. An empty bin
            gives 0.

    Shape:
        (N, C, H, W), K boxes -> (K, C, PH, PW).

    Raises:
        ShapeError, DtypeError, BoundsError: the operands are not as said.

    Reference: Girshick, "Fast R-CNN", https://arxiv.org/abs/1504.08083
    """
    features, rois, bins = regions.checked("roi_pool", input, boxes, output_size)
    n, channels, height, width = features.shape
    starts, pixels, _ = _windows(rois, bins, spatial_scale, (height, width), 1)
    rows = features.permute(0, 2, 3, 1).reshape(n * height * width, channels)
    xp = array_module(rows.array)
    empty = np.diff(starts) == 0
    winners = _winners(rows.array, pixels, starts)
    pooled = apply(Gather, rows, index=winners, axis=0)
    if empty.any():
        pooled = framework.where(wrap(xp.asarray(empty)[:, None]), 0, pooled)
    return regions.as_maps(pooled, len(rois), bins, input.dtype)


def ps_roi_pool(input: Any, boxes: Any, output_size: Size, spatial_scale: float = 1.0) -> Any:
    """Each box, rounded to whole pixels, cut into bins, each bin the mean of its pixels in channels of its own.

    Args:
        input: feature maps, with the channels in the order (C, PH, PW).
        boxes, output_size, spatial_scale: as for ``roi_align``. Boxes do not include the pixel they end at, and as in
            torchvision no bin reaches the last line or column. An empty bin gives 0.

    Shape:
        (N, C * PH * PW, H, W), K boxes -> (K, C, PH, PW).

    Raises:
        ShapeError, DtypeError, BoundsError: the operands are not as said.

    Reference: Dai et al., "R-FCN", https://arxiv.org/abs/1605.06409. The gradient is that of the mean taken;
    torchvision's spreads over the last line and column too.
    """
    features, rois, bins = regions.checked("ps_roi_pool", input, boxes, output_size)
    rows = regions.bin_planes("ps_roi_pool", features, bins)
    height, width = features.shape[2:]
    starts, pixels, weights = _windows(rois, bins, spatial_scale, (height, width), 0)
    pixels = regions.own_plane(starts, pixels, bins)
    pattern, weights = regions.pattern_for(features, starts, pixels, weights, rows.shape[0])
    return regions.as_maps(blend(rows, weights, pattern), len(rois), bins, input.dtype)


def _windows(
    rois: Any, bins: tuple[int, ...], scale: float, size: tuple[int, int], inclusive: int
) -> tuple[Any, Any, Any]:
    """Every bin's pixels and weights. ``inclusive`` is 1 where a box holds the pixel it ends at, and 0 otherwise."""
    corners = regions.rounded(rois[:, 1:] * rois.dtype.type(scale))
    axes = []
    for axis, count, pixels in ((1, bins[0], size[0]), (0, bins[1], size[1])):
        length = corners[:, axis + 2] - corners[:, axis] + inclusive
        axes.append(regions.whole(corners[:, axis], length, count, pixels - 1 + inclusive, pixels))
    return regions.crossed(axes[0], axes[1], rois[:, 0].astype("int64"), bins)


def _winners(x: Any, pixels: Any, starts: Any) -> Any:
    """For each bin and channel, the first row of ``x`` (M, C) with the highest value among the bin's; 0 for no row.

    Bins are taken by falling size, so that those with a k-th pixel are always the first ones.
    """
    xp = array_module(x)
    counts = np.diff(starts)
    order = np.argsort(-counts, kind="stable")
    order = order[: np.count_nonzero(counts)]
    out = xp.zeros((len(counts), x.shape[1]), "int64")
    step = max(BLOCK // x.shape[1], 1)

    def block(start: int) -> None:
        bins = order[start : start + step]
        first, size = starts[bins], counts[bins]
        best = x[xp.asarray(pixels[first])]
        winner = xp.zeros(best.shape, "uint16" if size[0] < 1 << 16 else "int64")  # the k-th pixel; narrow is faster
        for k in range(1, size[0]):
            left = np.count_nonzero(size > k)
            values = x[xp.asarray(pixels[first[:left] + k])]
            xp.copyto(winner[:left], k, where=values > best[:left])
            xp.maximum(best[:left], values, out=best[:left])
        out[xp.asarray(bins)] = xp.asarray(pixels)[xp.asarray(first)[:, None] + winner]

    threads.parallel(block, range(0, len(order), step))
    return out


class RoIPool(nn.Module):
    """``roi_pool`` as a layer, with its arguments."""

    def __init__(self, output_size: Size, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Any, rois: Any) -> Any:
        """The pooled boxes."""
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        """The settings."""
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"


class PSRoIPool(nn.Module):
    """``ps_roi_pool`` as a layer, with its arguments."""

    def __init__(self, output_size: Size, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Any, rois: Any) -> Any:
        """The pooled boxes."""
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        """The settings."""
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"
