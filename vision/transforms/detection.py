"""Random changes of size and extent that detectors are trained with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from framework.errors import ArgumentError
from vision import tv_tensors
from vision.transforms.base import (
    RandomTransform,
    Transform,
    has_all,
    has_any,
    is_pure_tensor,
    random_numbers,
    uniform,
)
from vision.transforms.boxes import converted
from vision.transforms.geometry import crop, pad, resize
from vision.transforms.images import (
    Interpolation,
    check_fill,
    fill_for,
    get_bounding_boxes,
    interpolation_mode,
    query_size,
)
from vision.tv_tensors import BoundingBoxes, BoundingBoxFormat


class _RandomSize(Transform):
    """Resizes everything to a size that ``make_params`` draws."""

    interpolation: Interpolation
    antialias: bool | None

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The resized image."""
        return self._call_kernel(
            resize, inpt, params["size"], interpolation=self.interpolation, antialias=self.antialias
        )


class ScaleJitter(_RandomSize):
    """An image resized to a random share of what just fits a target.

    Args:
        target_size: (width, height) in pixels, in torchvision's order.
        scale_range: (lowest, highest) share.
        interpolation, antialias: as in ``functional.resize``.

    Reference: Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation",
        https://arxiv.org/abs/2012.07177
    """

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Interpolation = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The new size."""
        height, width = query_size(flat_inputs, "ScaleJitter")
        scale = min(self.target_size[1] / height, self.target_size[0] / width) * uniform(self.scale_range)
        return {"size": (int(height * scale), int(width * scale))}


class RandomShortestSize(_RandomSize):
    """An image resized so that its shorter side has one of some lengths.

    Args:
        min_size: the lengths to choose from, or one.
        max_size: what the longer side may not exceed.
        interpolation, antialias: as in ``functional.resize``.
    """

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: Interpolation = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The new size."""
        height, width = query_size(flat_inputs, "RandomShortestSize")
        scale = self.min_size[int(random_numbers().integers(len(self.min_size)))] / min(height, width)
        if self.max_size is not None:
            scale = min(scale, self.max_size / max(height, width))
        return {"size": (int(height * scale), int(width * scale))}


class RandomResize(_RandomSize):
    """An image resized so that its shorter side has a random length from ``min_size`` up to, not with, ``max_size``."""

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Interpolation = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The shorter side's length."""
        return {"size": [int(random_numbers().integers(self.min_size, self.max_size))]}


class RandomZoomOut(RandomTransform):
    """An image on a larger canvas, at a random place, with probability ``p``.

    Args:
        fill: of the canvas, as in ``functional.pad``; a dict by type where masks shall have another.
        side_range: how many times as wide and high the canvas is, (lowest, highest), from 1 on.
        p: the probability.

    Reference: Liu et al., "SSD: Single Shot MultiBox Detector", https://arxiv.org/abs/1512.02325
    """

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__(p)
        if not isinstance(side_range, Sequence) or len(side_range) != 2:
            raise ArgumentError(f"RandomZoomOut: side_range should be two numbers, got {side_range!r}")
        if not 1.0 <= side_range[0] <= side_range[1]:
            raise ArgumentError(f"RandomZoomOut: side_range should increase from 1 on, got {side_range}")
        self.fill = check_fill("RandomZoomOut", fill)
        self.side_range = side_range

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The border's four widths."""
        height, width = query_size(flat_inputs, "RandomZoomOut")
        times = uniform(self.side_range)
        across, down = int(width * times) - width, int(height * times) - height
        left, top = (int(room * share) for room, share in zip((across, down), random_numbers().random(2), strict=True))
        return {"padding": [left, top, across - left, down - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The canvas with the image."""
        return self._call_kernel(pad, inpt, params["padding"], fill_for(self.fill, inpt))


class RandomIoUCrop(Transform):
    """A random rectangle of the image that overlaps some box by a random share at least.

    Boxes whose middle lies outside come out as zeros: put ``SanitizeBoundingBoxes`` after it. Boxes may not be turned.

    Args:
        min_scale, max_scale: the rectangle's width and height as shares of the image's.
        min_aspect_ratio, max_aspect_ratio: its width / height.
        sampler_options: the overlaps (intersection over union) to choose from; 1 and more leave the sample as it is.
        trials: rectangles to try for an overlap before another is chosen.

    Reference: Liu et al., "SSD: Single Shot MultiBox Detector", https://arxiv.org/abs/1512.02325
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse samples without an image or without boxes."""
        if not (
            has_all(flat_inputs, BoundingBoxes) and has_any(flat_inputs, Image.Image, tv_tensors.Image, is_pure_tensor)
        ):
            raise TypeError("RandomIoUCrop: the sample should hold an image, a tensor or Pillow's, and bounding boxes")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The rectangle, and which boxes have their middle in it; nothing for the whole image."""
        size = query_size(flat_inputs, "RandomIoUCrop")
        found = get_bounding_boxes(flat_inputs)
        boxes: Any = converted(tv_tensors.plain(found), found.format, BoundingBoxFormat.XYXY).to("cpu").numpy()
        stream = random_numbers()
        while len(boxes):
            overlap = self.options[int(stream.integers(len(self.options)))]
            if overlap >= 1.0:
                return {}
            for _ in range(self.trials):
                params = self._tried(size, boxes, overlap)
                if params:
                    return params
        return {}

    def _tried(self, size: tuple[int, int], boxes: Any, overlap: float) -> dict[str, Any]:
        """A random rectangle, or nothing where it is not as wished."""
        height, width = size
        draws = random_numbers().random(4)
        shares = self.min_scale + (self.max_scale - self.min_scale) * draws[:2]
        across, down = int(width * shares[0]), int(height * shares[1])
        if not across or not down or not self.min_aspect_ratio <= across / down <= self.max_aspect_ratio:
            return {}
        left, top = int((width - across) * draws[2]), int((height - down) * draws[3])
        first, last = boxes[:, :2], boxes[:, 2:]
        low, high = (left, top), (left + across, top + down)
        middle = (first + last) * 0.5
        inside = ((middle > low) & (middle < high)).all(1)
        if not inside.any():
            return {}
        first, last = first[inside], last[inside]
        shared = (last.clip(low, high) - first.clip(low, high)).prod(1)
        if (shared / ((last - first).prod(1) + across * down - shared)).max() < overlap:
            return {}
        return {"top": top, "left": left, "height": down, "width": across, "is_within_crop_area": inside}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The rectangle of an image, and the boxes in it."""
        if not params:
            return inpt
        out = self._call_kernel(crop, inpt, params["top"], params["left"], params["height"], params["width"])
        if isinstance(out, BoundingBoxes):
            within = tv_tensors.plain(out).new_tensor(params["is_within_crop_area"]).unsqueeze(1)
            out = tv_tensors.wrap(tv_tensors.plain(out) * within, like=out)
        return out
