"""Regions pooled by bilinear samples: RoIAlign, and its position-sensitive form."""

from __future__ import annotations

from typing import Any

from framework import nn
from vision.ops import regions
from vision.ops.blend import blend

Size = int | tuple[int, ...] | list[int]


def roi_align(
    input: Any,
    boxes: Any,
    output_size: Size,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Any:
    """Each box cut into bins, each bin the mean of bilinear samples of the feature map, evenly spaced.

    Args:
        input: feature maps, of a floating dtype; computed in at least float32.
        boxes: (left, top, right, bottom) in the picture's coordinates: a list with a tensor (L, 4) for each feature map, or
            one tensor (K, 5) with the feature map's number before each box. Without a gradient.
        output_size: the bins, (PH, PW) or one number for both.
        spatial_scale: what the boxes are multiplied by to lie on the feature map.
        sampling_ratio: samples a bin along each axis; not above 0 for as many as the bin's length, rounded up.
        aligned: shift the boxes by half a pixel, so that pixel (0, 0) covers 0 to 1. Otherwise its middle is at 0, and
            boxes are at least a pixel wide and high.

    Shape:
        (N, C, H, W), K boxes -> (K, C, PH, PW).

    Raises:
        ShapeError, DtypeError, BoundsError: the operands are not as said.

    Example:
        >>> roi_align(framework.rand(1, 8, 16, 16), [framework.tensor([[0.0, 0.0, 8.0, 8.0]])], 4).shape
        framework.Size([1, 8, 4, 4])

    Reference: He et al., "Mask R-CNN", https://arxiv.org/abs/1703.06870
    """
    features, rois, bins = regions.checked("roi_align", input, boxes, output_size)
    shift = 0.5 if aligned else 0.0
    starts, pixels, weights = _samples(
        features, rois, bins, spatial_scale, sampling_ratio, shift, 0.0 if aligned else 1.0
    )
    n, channels, height, width = features.shape
    pattern, weights = regions.pattern_for(features, starts, pixels, weights, n * height * width)
    rows = features.permute(0, 2, 3, 1).reshape(n * height * width, channels)
    return regions.as_maps(blend(rows, weights, pattern), len(rois), bins, input.dtype)


def ps_roi_align(
    input: Any, boxes: Any, output_size: Size, spatial_scale: float = 1.0, sampling_ratio: int = -1
) -> Any:
    """``roi_align`` with ``aligned=True`` where each bin has channels of its own.

    Args:
        input: feature maps, with the channels in the order (C, PH, PW).
        boxes, output_size, spatial_scale, sampling_ratio: as for ``roi_align``.

    Shape:
        (N, C * PH * PW, H, W), K boxes -> (K, C, PH, PW).

    Raises:
        ShapeError, DtypeError, BoundsError: the operands are not as said.

    Reference: Li et al., "Light-Head R-CNN", https://arxiv.org/abs/1711.07264
    """
    features, rois, bins = regions.checked("ps_roi_align", input, boxes, output_size)
    rows = regions.bin_planes("ps_roi_align", features, bins)
    starts, pixels, weights = _samples(features, rois, bins, spatial_scale, sampling_ratio, 0.5, 0.0)
    pixels = regions.own_plane(starts, pixels, bins)
    pattern, weights = regions.pattern_for(features, starts, pixels, weights, rows.shape[0])
    return regions.as_maps(blend(rows, weights, pattern), len(rois), bins, input.dtype)


def _samples(
    features: Any, rois: Any, bins: tuple[int, ...], scale: float, ratio: int, shift: float, least: float
) -> tuple[Any, Any, Any]:
    """Every bin's pixels and weights, for boxes moved by ``-shift`` and of at least the side ``least``."""
    kind = rois.dtype.type
    corners = rois[:, 1:] * kind(scale) - kind(shift)
    axes = []
    for axis, count, pixels in ((1, bins[0], features.shape[2]), (0, bins[1], features.shape[3])):
        length = corners[:, axis + 2] - corners[:, axis]
        length = length.clip(min=least) if least else length
        axes.append(regions.sampled(corners[:, axis], length, count, ratio, pixels))
    return regions.crossed(axes[0], axes[1], rois[:, 0].astype("int64"), bins)


class RoIAlign(nn.Module):
    """``roi_align`` as a layer, with its arguments."""

    def __init__(self, output_size: Size, spatial_scale: float, sampling_ratio: int, aligned: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Any, rois: Any) -> Any:
        """The pooled boxes."""
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned}"
        )


class PSRoIAlign(nn.Module):
    """``ps_roi_align`` as a layer, with its arguments."""

    def __init__(self, output_size: Size, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Any, rois: Any) -> Any:
        """The pooled boxes."""
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}"
        )
