"""Transforms that distort images, masks, boxes and points at random: perspective and elastic."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from framework.errors import ArgumentError
from framework.ops.joining import cat
from framework.ops.random import rand
from vision.transforms.base import RandomTransform, Transform, random_numbers
from vision.transforms.blur import gaussian_blur
from vision.transforms.distortion import elastic, perspective, perspective_coefficients
from vision.transforms.images import Interpolation, check_fill, fill_for, interpolation_mode, query_size


class RandomPerspective(RandomTransform):
    """An image seen from a random place, with probability ``p``.

    Args:
        distortion_scale: how far the corners move: up to this share of half the width and height, between 0 and 1.
        p: the probability.
        interpolation, fill: as in ``functional.perspective``. The fill may be a dict by the image's type.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Interpolation = "bilinear",
        fill: Any = 0,
    ) -> None:
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ArgumentError(
                f"RandomPerspective: distortion_scale should be between 0 and 1, got {distortion_scale}"
            )
        interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = check_fill("RandomPerspective", fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """The corners of an image, and where they move to at random, for ``functional.perspective``."""
        down = int(distortion_scale * (height // 2)) + 1
        across = int(distortion_scale * (width // 2)) + 1
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        inwards = random_numbers().integers((across, down), size=(4, 2)).tolist()
        moved = [[abs(x - dx), abs(y - dy)] for (x, y), (dx, dy) in zip(corners, inwards, strict=True)]
        return corners, moved

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The eight coefficients."""
        height, width = query_size(flat_inputs, "RandomPerspective")
        return {"coefficients": perspective_coefficients(*self.get_params(width, height, self.distortion_scale))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The distorted image."""
        fill = fill_for(self.fill, inpt)
        return self._call_kernel(perspective, inpt, None, None, self.interpolation, fill, params["coefficients"])


def _pair(name: str, value: Any) -> list[float]:
    values = [value] if isinstance(value, numbers.Real) else value
    if not isinstance(values, Sequence) or not all(isinstance(v, numbers.Real) for v in values):
        raise TypeError(f"ElasticTransform: {name} should be a number or a sequence of numbers, got {value!r}")
    if len(values) not in (1, 2):
        raise ArgumentError(f"ElasticTransform: {name} should be one or two numbers, got {value!r}")
    return [float(values[0]), float(values[-1])]


class ElasticTransform(Transform):
    """An image bent as if it were rubber.

    Args:
        alpha: strength of the displacements, one number or (across, down).
        sigma: their smoothness in pixels, one number or (across, down).
        interpolation, fill: as in ``functional.elastic``. The fill may be a dict by the image's type.

    Reference: Simard et al., "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis",
        https://doi.org/10.1109/ICDAR.2003.1227801
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Interpolation = "bilinear",
        fill: Any = 0,
    ) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        self.alpha = _pair("alpha", alpha)
        self.sigma = _pair("sigma", sigma)
        self.interpolation = interpolation
        self.fill = check_fill("ElasticTransform", fill)

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Any:
        """A random displacement (1, H, W, 2) of every pixel of an image of (height, width), for ``functional.elastic``."""
        height, width = size
        parts = []
        for strength, smoothness, length in zip(alpha, sigma, (width, height), strict=True):
            part: Any = rand(1, 1, height, width) * 2 - 1
            if smoothness > 0.0:
                reach = int(8 * smoothness + 1) | 1
                part = gaussian_blur(part, [reach, reach], sigma)
            parts.append(part * (strength / length))
        return cat(parts, 1).permute(0, 2, 3, 1)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The displacement of every pixel."""
        return {"displacement": self.get_params(self.alpha, self.sigma, query_size(flat_inputs, "ElasticTransform"))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The bent image."""
        fill = fill_for(self.fill, inpt)
        return self._call_kernel(elastic, inpt, params["displacement"], self.interpolation, fill)
