"""What pixels are worth: brightness, contrast, saturation, hue, grey, blur. On Pillow images."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from framework.errors import ArgumentError
from vision.transforms.base import Transform, check_probability, random_numbers
from vision.transforms.geometry import pillow_only


def adjust_brightness(inpt: Any, factor: float) -> Any:
    """A Pillow image with its brightness multiplied: 0 gives black, 1 the image itself."""
    return ImageEnhance.Brightness(pillow_only("adjust_brightness", inpt)).enhance(factor)


def adjust_contrast(inpt: Any, factor: float) -> Any:
    """A Pillow image with its contrast multiplied: 0 gives even grey, 1 the image itself."""
    return ImageEnhance.Contrast(pillow_only("adjust_contrast", inpt)).enhance(factor)


def adjust_saturation(inpt: Any, factor: float) -> Any:
    """A Pillow image with its colour multiplied: 0 gives a grey image, 1 the image itself."""
    return ImageEnhance.Color(pillow_only("adjust_saturation", inpt)).enhance(factor)


def adjust_hue(inpt: Any, factor: float) -> Any:
    """A Pillow image with its hue turned by ``factor``, between -0.5 and 0.5, of the colour circle."""
    image = pillow_only("adjust_hue", inpt)
    if not -0.5 <= factor <= 0.5:
        raise ArgumentError(f"adjust_hue: the factor must be between -0.5 and 0.5, got {factor}")
    if image.mode in ("L", "1", "I", "F"):
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int16) + int(factor * 255)) % 256
    return Image.merge("HSV", (Image.fromarray(turned.astype(np.uint8)), saturation, value)).convert(image.mode)


def rgb_to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """A Pillow image in grey, in one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ArgumentError(f"Grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
    grey = pillow_only("Grayscale", inpt).convert("L")
    return grey if num_output_channels == 1 else Image.merge("RGB", (grey, grey, grey))


class ColorJitter(Transform):
    """Random changes of brightness, contrast, saturation and hue, in random order.

    Args:
        brightness, contrast, saturation: factors are drawn from [max(0, 1 - value), 1 + value], or from (low, high).
        hue: the turn is drawn from [-value, value], or from (low, high), within -0.5 and 0.5.
    """

    _functions = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        self.brightness = self._range("brightness", brightness, 1.0, (0.0, float("inf")))
        self.contrast = self._range("contrast", contrast, 1.0, (0.0, float("inf")))
        self.saturation = self._range("saturation", saturation, 1.0, (0.0, float("inf")))
        self.hue = self._range("hue", hue, 0.0, (-0.5, 0.5))

    @staticmethod
    def _range(name: str, value: Any, centre: float, bounds: tuple[float, float]) -> tuple[float, float] | None:
        if isinstance(value, numbers.Real):
            if value < 0:
                raise ArgumentError(f"ColorJitter: a single number for {name} must be non-negative, got {value}")
            low, high = centre - float(value), centre + float(value)
            low = max(low, 0.0) if centre else low
        else:
            low, high = (float(v) for v in value)
        if not bounds[0] <= low <= high <= bounds[1]:
            raise ArgumentError(f"ColorJitter: {name} values should be between {bounds}, got {(low, high)}")
        return None if low == high == centre else (low, high)

    def make_params(self, inpt: Any) -> dict[str, Any]:
        stream = random_numbers()
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        factors = [None if r is None else stream.uniform(*r) for r in ranges]
        return {"order": stream.permutation(4), "factors": factors}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for number in params["order"]:
            factor = params["factors"][number]
            if factor is not None:
                inpt = self._functions[number](inpt, factor)
        return inpt


class Grayscale(Transform):
    """A Pillow image in grey, in one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return rgb_to_grayscale(inpt, self.num_output_channels)


class RandomGrayscale(Transform):
    """A Pillow image in grey with probability ``p``, in as many channels as it has."""

    def __init__(self, p: float = 0.1) -> None:
        self.p = check_probability("RandomGrayscale", p)

    def make_params(self, inpt: Any) -> dict[str, Any]:
        return {"grey": random_numbers().random() < self.p}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return rgb_to_grayscale(inpt, len(inpt.getbands())) if params["grey"] else inpt


class RGB(Transform):
    """A Pillow image in three channels."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return pillow_only("RGB", inpt).convert("RGB")


class GaussianBlur(Transform):
    """A Pillow image blurred by a Gaussian of random width.

    Args:
        kernel_size: accepted for torchvision's signature; Pillow's filter has no cut-off.
        sigma: (smallest, largest) width in pixels, or one number.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        self.kernel_size = kernel_size
        self.sigma = (float(sigma), float(sigma)) if isinstance(sigma, numbers.Real) else tuple(float(s) for s in sigma)  # type: ignore[union-attr]
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise ArgumentError(f"GaussianBlur: sigma should be positive and of the form (min, max), got {sigma}")

    def make_params(self, inpt: Any) -> dict[str, Any]:
        return {"sigma": random_numbers().uniform(*self.sigma)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return pillow_only("GaussianBlur", inpt).filter(ImageFilter.GaussianBlur(params["sigma"]))
