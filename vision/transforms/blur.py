"""Gaussian blur, of Pillow images and tensors (..., C, H, W)."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework import dtypes
from framework.errors import ArgumentError, ShapeError
from framework.ops.padding import pad as pad_tensor
from vision.transforms.base import Transform, uniform
from vision.transforms.convert import pil_to_tensor, to_pil_image
from vision.transforms.dispatch import functional
from vision.transforms.images import two_sizes


def _check_kernel_size(name: str, kernel_size: Any) -> tuple[int, int]:
    sizes = two_sizes(f"{name}: kernel_size", kernel_size)
    if any(n <= 0 or n % 2 == 0 for n in sizes):
        raise ArgumentError(f"{name}: kernel_size should be odd and positive, got {kernel_size}")
    return sizes


def _weights(size: int, sigma: float) -> list[float]:
    """A Gaussian's values around its middle, with a sum of 1."""
    # the exponent is distance^2 / (2 sigma^2)
    values = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
    return [float(w) for w in values / values.sum()]


@functional
def gaussian_blur(inpt: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """An image blurred by a Gaussian; at its edges it is continued by reflection.

    Args:
        kernel_size: pixels that the Gaussian is cut off to, odd: one number, or (across, down).
        sigma: its width in pixels: one number, or (across, down); 0.15 * kernel_size + 0.35 unless given.
    """
    across, down = _check_kernel_size("gaussian_blur", kernel_size)
    if sigma is None:
        widths = [0.15 * n + 0.35 for n in (across, down)]
    else:
        widths = [float(sigma)] if isinstance(sigma, numbers.Real) else [float(s) for s in sigma]  # type: ignore[union-attr]
        widths = widths * 2 if len(widths) == 1 else widths
    if len(widths) != 2 or min(widths) <= 0:
        raise ArgumentError(f"gaussian_blur: sigma should be one or two positive numbers, got {sigma!r}")
    if isinstance(inpt, Image.Image):
        return to_pil_image(gaussian_blur(pil_to_tensor(inpt), (across, down), widths), inpt.mode)
    image: Any = inpt
    if image.numel() == 0:
        return image
    if across // 2 >= image.shape[-1] or down // 2 >= image.shape[-2]:
        raise ShapeError(
            f"gaussian_blur: kernel_size {(across, down)} is too large for an image of {tuple(image.shape[-2:])} pixels"
        )
    work = image if image.is_floating_point() else image.to(dtypes.float32)
    border = (across // 2, across // 2, down // 2, down // 2)
    work = pad_tensor(work.reshape(-1, *image.shape[-3:]), border, mode="reflect")
    work = _convolved(_convolved(work, _weights(across, widths[0]), -1), _weights(down, widths[1]), -2)
    work = work.reshape(image.shape)
    return work if image.is_floating_point() else work.round().to(image.dtype)


def _convolved(image: Any, weights: list[float], dim: int) -> Any:
    """An image's lines along one dim, averaged with these weights."""
    length = image.shape[dim] - len(weights) + 1
    total = image.narrow(dim, 0, length) * weights[0]
    for start, weight in enumerate(weights[1:], 1):
        total = total.add(image.narrow(dim, start, length), alpha=weight)
    return total


class GaussianBlur(Transform):
    """An image blurred by a Gaussian of random width.

    Args:
        kernel_size: as in ``functional.gaussian_blur``.
        sigma: (smallest, largest) width in pixels, or one number.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = _check_kernel_size("GaussianBlur", kernel_size)
        if not isinstance(sigma, numbers.Real | Sequence):
            raise TypeError(f"GaussianBlur: sigma should be a number or a sequence of two, got {type(sigma).__name__}")
        widths = [float(sigma)] if isinstance(sigma, numbers.Real) else [float(s) for s in sigma]  # type: ignore[union-attr]
        widths = widths * 2 if len(widths) == 1 else widths
        if len(widths) != 2 or not 0.0 < widths[0] <= widths[1]:
            raise ArgumentError(f"GaussianBlur: sigma should be positive and of the form (min, max), got {sigma!r}")
        self.sigma = widths

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A random width."""
        return uniform((sigma_min, sigma_max))

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The width, the same across and down."""
        width = self.get_params(*self.sigma)
        return {"sigma": [width, width]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The blurred image."""
        return self._call_kernel(gaussian_blur, inpt, self.kernel_size, params["sigma"])
