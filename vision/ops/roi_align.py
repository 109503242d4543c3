"""Regions pooled by bilinear samples: RoIAlign, and its position-sensitive form."""

from __future__ import annotations

from typing import Any

from framework import nn
from framework.autograd.op import Op, apply
from framework.kernels import choose
from framework.kernels.generic.boxes import samples
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
        ShapeError, DtypeError, BoundsError: the operands are not as said. On a GPU, which is not waited for, boxes in one
            tensor are taken as they are, and one of a feature map that is not there gives nan.

    Example:
        >>> roi_align(framework.rand(1, 8, 16, 16), [framework.tensor([[0.0, 0.0, 8.0, 8.0]])], 4).shape
        framework.Size([1, 8, 4, 4])

    Reference: He et al., "Mask R-CNN", https://arxiv.org/abs/1703.06870
    """
    features, rois, bins = regions.checked("roi_align", input, boxes, output_size, beside=True)
    y = apply(_Align, features, rois=rois, bins=bins, scale=spatial_scale, ratio=sampling_ratio, aligned=aligned)
    return y.to(input.dtype)


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
    starts, pixels, weights = samples(rois, bins, features.shape[2:], spatial_scale, sampling_ratio, 0.5, False)
    pixels = regions.own_plane(starts, pixels, bins)
    pattern, weights = regions.pattern_for(features, starts, pixels, weights, rows.shape[0])
    return regions.as_maps(blend(rows, weights, pattern), len(rois), bins, input.dtype)


class _Align(Op):
    """Each region's bins, the means of samples."""

    name = "RoiAlign"

    def forward(self, x: Any, kernel: Any = None, state: Any = None, **where: Any) -> Any:
        self.where, self.shape = where, x.shape
        self.kernel = kernel or choose("boxes", x, where["rois"])
        y, self.state = self.kernel.roi_align(x, **where, state=state)
        return y

    def backward(self, g: Any) -> Any:
        return apply(_AlignGradient, g, shape=self.shape, kernel=self.kernel, state=self.state, **self.where)


class _AlignGradient(Op):
    """Each bin's gradient, shared among the pixels of its samples."""

    name = "RoiAlignGradient"

    def forward(self, g: Any, shape: Any, kernel: Any, state: Any, **where: Any) -> Any:
        self.where, self.kernel, self.state = where, kernel, state
        return kernel.roi_align_gradient(g, shape=shape, state=state, **where)

    def backward(self, gx: Any) -> Any:
        return apply(_Align, gx, kernel=self.kernel, state=self.state, **self.where)


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
