"""What pixels are worth: brightness, contrast, saturation, hue, grey. Of Pillow images and tensors (..., C, H, W)."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from framework import dtypes
from framework.errors import ArgumentError
from framework.ops.gather import gather
from framework.ops.joining import stack
from framework.ops.values import tensor
from framework.tensor import Tensor
from vision.transforms.base import RandomTransform, Transform, random_numbers, uniform
from vision.transforms.convert import largest_value, to_dtype
from vision.transforms.images import get_num_channels, sample_dimensions, unsupported

_WEIGHTS = (0.2989, 0.587, 0.114)  # of red, green and blue in grey, as ITU-R 601-2 has them


def _checked(name: str, inpt: Any, factor: float) -> Any:
    """The tensor to work on, or an error."""
    if not isinstance(inpt, Tensor):
        raise unsupported(name, inpt)
    if factor < 0:
        raise ArgumentError(f"{name}: the factor should be non-negative, got {factor}")
    if inpt.ndim < 3 or inpt.shape[-3] not in (1, 3):
        raise TypeError(f"{name}: expected a tensor image of 1 or 3 channels, got shape {tuple(inpt.shape)}")
    return inpt


def _limited(image: Any, kind: Any) -> Any:
    """Values held within a dtype's range, and in that dtype."""
    return image.clamp(0, largest_value(kind)).to(kind)


def _blend(image: Any, other: Any, factor: float) -> Any:
    return _limited(image * factor + other * (1.0 - factor), image.dtype)


def _grey_level(image: Any, whole: bool) -> Any:
    """The grey of a three-channel tensor, as floats; rounded down if ``whole``, as bytes are."""
    red, green, blue = image.unbind(-3)
    level = (red * _WEIGHTS[0] + green * _WEIGHTS[1] + blue * _WEIGHTS[2]).unsqueeze(-3)
    return level.floor() if whole else level


def adjust_brightness(inpt: Any, brightness_factor: float) -> Any:
    """An image with its values multiplied: 0 gives black, 1 the image itself."""
    if isinstance(inpt, Image.Image):
        return ImageEnhance.Brightness(inpt).enhance(brightness_factor)
    image = _checked("adjust_brightness", inpt, brightness_factor)
    return _limited(image * brightness_factor, image.dtype)


def adjust_contrast(inpt: Any, contrast_factor: float) -> Any:
    """An image with its distance from its mean grey multiplied: 0 gives even grey, 1 the image itself."""
    if isinstance(inpt, Image.Image):
        return ImageEnhance.Contrast(inpt).enhance(contrast_factor)
    image = _checked("adjust_contrast", inpt, contrast_factor)
    whole = not image.is_floating_point()
    if image.shape[-3] == 3:
        level = _grey_level(image, whole)
    else:
        level = image.to(dtypes.float32) if whole else image
    return _blend(image, level.mean((-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(inpt: Any, saturation_factor: float) -> Any:
    """An image with its distance from its own grey multiplied: 0 gives a grey image, 1 the image itself."""
    if isinstance(inpt, Image.Image):
        return ImageEnhance.Color(inpt).enhance(saturation_factor)
    image = _checked("adjust_saturation", inpt, saturation_factor)
    if image.shape[-3] == 1:
        return image
    return _blend(image, _grey_level(image, not image.is_floating_point()), saturation_factor)


def adjust_hue(inpt: Any, hue_factor: float) -> Any:
    """An image with its hues turned by ``hue_factor``, between -0.5 and 0.5, of the colour circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ArgumentError(f"adjust_hue: hue_factor should be in [-0.5, 0.5], got {hue_factor}")
    if isinstance(inpt, Image.Image):
        if inpt.mode in ("L", "1", "I", "F"):
            return inpt
        hue, saturation, value = inpt.convert("HSV").split()
        turned = np.asarray(hue) + np.int32(hue_factor * 255).astype(np.uint8)  # hues wrap around, as bytes do
        return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert(inpt.mode)
    image = _checked("adjust_hue", inpt, 0.0)
    if image.shape[-3] == 1 or image.numel() == 0:
        return image
    hue, saturation, value = _to_hsv(to_dtype(image, dtypes.float32, scale=True))
    return to_dtype(_from_hsv((hue + hue_factor).remainder(1.0), saturation, value), image.dtype, scale=True)


def _to_hsv(image: Any) -> tuple[Any, Any, Any]:
    """Hue, saturation and value in 0..1 of a float tensor (..., 3, H, W).

    Reference: Smith, "Color gamut transform pairs", SIGGRAPH 1978.
    """
    largest, spread = image.amax(-3), image.amax(-3) - image.amin(-3)
    even = spread == 0
    saturation = spread / largest.masked_fill(even, 1.0)
    red, green, blue = ((largest.unsqueeze(-3) - image) / spread.masked_fill(even, 1.0).unsqueeze(-3)).unbind(-3)
    is_red, is_green = largest == image.select(-3, 0), largest == image.select(-3, 1)
    sector = (blue - green).where(is_red, (2.0 + red - blue).where(is_green, 4.0 + green - red))
    return (sector / 6.0 + 1.0).fmod(1.0), saturation, largest


def _from_hsv(hue: Any, saturation: Any, value: Any) -> Any:
    """The float tensor (..., 3, H, W) of these."""
    place = hue * 6
    sector = place.floor()
    part = place - sector
    low = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    falling = (value * (1.0 - saturation * part)).clamp(0.0, 1.0)
    rising = (value * (1.0 - saturation + saturation * part)).clamp(0.0, 1.0)
    choices = stack((value, low, falling, rising), -3)
    table: Any = tensor([[0, 2, 1, 1, 3, 0], [3, 0, 0, 2, 1, 1], [1, 1, 3, 0, 0, 2]], device=hue.device)
    wanted = table[:, sector.to(dtypes.int64).remainder(6)]
    return gather(choices, -3, wanted.movedim(0, -3))


def rgb_to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """An image in grey, in one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ArgumentError(f"rgb_to_grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
    if isinstance(inpt, Image.Image):
        grey = inpt.convert("L")
        return grey if num_output_channels == 1 else Image.merge("RGB", (grey, grey, grey))
    image = _checked("rgb_to_grayscale", inpt, 0.0)
    if image.shape[-3] == 3:
        image = _grey_level(image, False).to(image.dtype)
    shape = (*image.shape[:-3], num_output_channels, *image.shape[-2:])
    return image.expand(shape) if num_output_channels == 3 else image.clone()


to_grayscale = rgb_to_grayscale


def grayscale_to_rgb(inpt: Any) -> Any:
    """An image in three channels, if it has fewer."""
    if isinstance(inpt, Image.Image):
        return inpt.convert("RGB")
    return inpt if get_num_channels(inpt) >= 3 else rgb_to_grayscale(inpt, 3)


class ColorJitter(Transform):
    """Random changes of brightness, contrast, saturation and hue, in random order.

    Args:
        brightness, contrast, saturation: factors are drawn from [max(0, 1 - value), 1 + value], or from (low, high).
        hue: the turn is drawn from [-value, value], or from (low, high), within -0.5 and 0.5.
    """

    _functions = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)

    def __init__(
        self,
        brightness: float | Sequence[float] | None = None,
        contrast: float | Sequence[float] | None = None,
        saturation: float | Sequence[float] | None = None,
        hue: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.brightness = self._range("brightness", brightness)
        self.contrast = self._range("contrast", contrast)
        self.saturation = self._range("saturation", saturation)
        self.hue = self._range("hue", hue, 0.0, (-0.5, 0.5))

    @staticmethod
    def _range(
        name: str, value: Any, centre: float = 1.0, bounds: tuple[float, float] = (0.0, float("inf"))
    ) -> tuple[float, float] | None:
        if value is None:
            return None
        if isinstance(value, numbers.Real):
            if value < 0:
                raise ArgumentError(f"ColorJitter: a single number for {name} must be non negative, got {value}")
            low, high = centre - float(value), centre + float(value)
            low = max(low, 0.0) if centre else low
        elif isinstance(value, Sequence) and len(value) == 2:
            low, high = (float(v) for v in value)
        else:
            raise TypeError(f"ColorJitter: {name} should be a number or two, got {value!r}")
        if not bounds[0] <= low <= high <= bounds[1]:
            raise ArgumentError(f"ColorJitter: {name} values should be between {bounds}, increasing, got {(low, high)}")
        return None if low == high == centre else (low, high)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The order, and the four factors; None for what stays."""
        order = [int(n) for n in random_numbers().permutation(4)]
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        return {"order": order, "factors": [None if r is None else uniform(r) for r in ranges]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The changed image."""
        for number in params["order"]:
            factor = params["factors"][number]
            if factor is not None:
                inpt = self._functions[number](inpt, factor)
        return inpt


class Grayscale(Transform):
    """An image in grey, in one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey image."""
        return rgb_to_grayscale(inpt, self.num_output_channels)


class RandomGrayscale(RandomTransform):
    """An image in grey with probability ``p``, in as many channels as it has."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """How many channels it has."""
        return {"channels": sample_dimensions("RandomGrayscale", flat_inputs)[0]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey image."""
        return rgb_to_grayscale(inpt, params["channels"])


class RGB(Transform):
    """An image in three channels."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image in colour."""
        return grayscale_to_rgb(inpt)
