"""RoIAlign over the levels of a feature pyramid, each box on the level that suits its size."""

from __future__ import annotations

import math
from typing import Any

import framework
from framework import nn
from framework.errors import ArgumentError
from vision.ops.overlap import box_area
from vision.ops.roi_align import roi_align


class LevelMapper:
    """Which level of a pyramid each box is pooled from.

    Args:
        k_min, k_max: the first and last level, as powers of two of their stride.
        canonical_scale: the side, in pixels, of a square box of the canonical level.
        canonical_level: that level.
        eps: added to the level before it is rounded down.

    Reference: Lin et al., "Feature Pyramid Networks", https://arxiv.org/abs/1612.03144, equation 1
    """

    def __init__(
        self, k_min: int, k_max: int, canonical_scale: int = 224, canonical_level: int = 4, eps: float = 1e-6
    ) -> None:
        self.k_min = k_min
        self.k_max = k_max
        self.s0 = canonical_scale
        self.lvl0 = canonical_level
        self.eps = eps

    def __call__(self, boxlists: list[Any]) -> Any:
        """The level of each box, int64, counted from ``k_min``."""
        side = framework.cat([box_area(boxes) for boxes in boxlists]).sqrt()
        level = framework.floor(self.lvl0 + framework.log2(side / self.s0) + self.eps)
        return level.clamp(min=self.k_min, max=self.k_max).long() - self.k_min


class MultiScaleRoIAlign(nn.Module):
    """``roi_align`` of boxes, each from the level of a pyramid that its size asks for.

    The scale of each level is found from its size and that of the pictures, as the nearest power of two, at the first
    call, and kept.

    Args:
        featmap_names: the levels to pool from.
        output_size: the bins, (PH, PW) or one number for both.
        sampling_ratio: as for ``roi_align``.
        canonical_scale: the side, in pixels, of a square box that ``canonical_level`` is for.
        canonical_level: that level, as a power of two of its stride.

    Example:
        >>> pool = MultiScaleRoIAlign(["a", "b"], 3, 2)
        >>> levels = {"a": framework.rand(1, 5, 64, 64), "b": framework.rand(1, 5, 32, 32)}
        >>> pool(levels, [framework.tensor([[10.0, 10.0, 90.0, 200.0]])], [(512, 512)]).shape
        framework.Size([1, 5, 3, 3])

    Reference: Lin et al., "Feature Pyramid Networks", https://arxiv.org/abs/1612.03144. Where ``featmap_names`` leaves a
    level out, boxes for a level past the last are pooled from the last; torchvision gives zeros for them.
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: int | tuple[int, ...] | list[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names = featmap_names
        self.output_size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        self.sampling_ratio = sampling_ratio
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level
        self.scales: list[float] | None = None
        self.map_levels: LevelMapper | None = None

    def forward(self, x: dict[str, Any], boxes: list[Any], image_shapes: list[tuple[int, int]]) -> Any:
        """The pooled boxes, (K, C, PH, PW), in the order of the boxes.

        Args:
            x: the levels (N, C, H_i, W_i) by name, from the largest on.
            boxes: for each picture (L, 4), in "xyxy" format and its pixels.
            image_shapes: (height, width) of each picture.
        """
        levels = [level for name, level in x.items() if name in self.featmap_names]
        if not levels:
            raise ArgumentError(f"MultiScaleRoIAlign: none of {self.featmap_names} is among the levels {list(x)}")
        if self.scales is None or self.map_levels is None:
            self.scales, self.map_levels = self._found(levels, image_shapes)
        scales = self.scales
        ids = [framework.full_like(own[:, :1], i) for i, own in enumerate(boxes)]
        rois = framework.cat([framework.cat(ids), framework.cat(boxes)], 1)
        if len(levels) == 1:
            return self._pooled(levels[0], rois, scales[0])
        level_of = self.map_levels(boxes).clamp(max=len(levels) - 1)
        members = [framework.where(level_of == i)[0] for i in range(len(levels))]
        pooled = [
            self._pooled(level, rois[own], scale) for level, scale, own in zip(levels, scales, members, strict=True)
        ]
        back = framework.argsort(framework.cat(members))
        return framework.cat([p.to(levels[0].dtype) for p in pooled])[back]

    def _pooled(self, level: Any, rois: Any, scale: float) -> Any:
        return roi_align(level, rois, self.output_size, scale, self.sampling_ratio)

    def _found(self, levels: list[Any], image_shapes: list[tuple[int, int]]) -> tuple[list[float], LevelMapper]:
        """The levels' scales, and what maps boxes to them."""
        if not image_shapes:
            raise ArgumentError("MultiScaleRoIAlign: image_shapes should not be empty")
        height = max(shape[0] for shape in image_shapes)
        powers = [round(math.log2(level.shape[-2] / height)) for level in levels]
        mapper = LevelMapper(-powers[0], -powers[-1], self.canonical_scale, self.canonical_level)
        return [2.0**power for power in powers], mapper

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"featmap_names={self.featmap_names}, output_size={self.output_size}, sampling_ratio={self.sampling_ratio}"
        )
