"""What pixels are worth: brightness, contrast, saturation, hue, grey. Of Pillow images and tensors (..., C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from framework import dtypes
from framework.errors import ArgumentError
from framework.ops.gather import gather
from framework.ops.joining import stack
from framework.ops.values import tensor
from vision.transforms.convert import largest_value, to_dtype
from vision.transforms.dispatch import functional
from vision.transforms.images import get_num_channels

_WEIGHTS = (0.2989, 0.587, 0.114)  # of red, green and blue in grey, as ITU-R 601-2 has them


def check_channels(name: str, inpt: Any, factor: float = 0.0) -> Any:
    """The tensor to work on, or an error."""
    if factor < 0:
        raise ArgumentError(f"{name}: the factor should be non-negative, got {factor}")
    if inpt.ndim < 3 or inpt.shape[-3] not in (1, 3):
        raise TypeError(f"{name}: expected a tensor image of 1 or 3 channels, got shape {tuple(inpt.shape)}")
    return inpt


def limited(image: Any, kind: Any) -> Any:
    """Values held within a dtype's range, and in that dtype."""
    return image.clamp(0, largest_value(kind)).to(kind)


def _blend(image: Any, other: Any, factor: float) -> Any:
    return limited(image * factor + other * (1.0 - factor), image.dtype)


def _grey_level(image: Any, whole: bool) -> Any:
    """The grey of a three-channel tensor, as floats; rounded down if ``whole``, as bytes are."""
    red, green, blue = image.unbind(-3)
    level = (red * _WEIGHTS[0] + green * _WEIGHTS[1] + blue * _WEIGHTS[2]).unsqueeze(-3)
    return level.floor() if whole else level


@functional
def adjust_brightness(inpt: Any, brightness_factor: float) -> Any:
    """An image with its values multiplied: 0 gives black, 1 the image itself."""
    if isinstance(inpt, Image.Image):
        return ImageEnhance.Brightness(inpt).enhance(brightness_factor)
    image = check_channels("adjust_brightness", inpt, brightness_factor)
    return limited(image * brightness_factor, image.dtype)


@functional
def adjust_contrast(inpt: Any, contrast_factor: float) -> Any:
    """An image with its distance from its mean grey multiplied: 0 gives even grey, 1 the image itself."""
    if isinstance(inpt, Image.Image):
        return ImageEnhance.Contrast(inpt).enhance(contrast_factor)
    image = check_channels("adjust_contrast", inpt, contrast_factor)
    whole = not image.is_floating_point()
    if image.shape[-3] == 3:
        level = _grey_level(image, whole)
    else:
        level = image.to(dtypes.float32) if whole else image
    return _blend(image, level.mean((-3, -2, -1), keepdim=True), contrast_factor)


@functional
def adjust_saturation(inpt: Any, saturation_factor: float) -> Any:
    """An image with its distance from its own grey multiplied: 0 gives a grey image, 1 the image itself."""
    if isinstance(inpt, Image.Image):
        return ImageEnhance.Color(inpt).enhance(saturation_factor)
    image = check_channels("adjust_saturation", inpt, saturation_factor)
    if image.shape[-3] == 1:
        return image
    return _blend(image, _grey_level(image, not image.is_floating_point()), saturation_factor)


@functional
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
    image = check_channels("adjust_hue", inpt)
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


@functional
def rgb_to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """An image in grey, in one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ArgumentError(f"rgb_to_grayscale: num_output_channels must be 1 or 3, got {num_output_channels}")
    if isinstance(inpt, Image.Image):
        grey = inpt.convert("L")
        return grey if num_output_channels == 1 else Image.merge("RGB", (grey, grey, grey))
    image = check_channels("rgb_to_grayscale", inpt)
    if image.shape[-3] == 3:
        image = _grey_level(image, False).to(image.dtype)
    shape = (*image.shape[:-3], num_output_channels, *image.shape[-2:])
    return image.expand(shape) if num_output_channels == 3 else image.clone()


to_grayscale = rgb_to_grayscale


@functional
def grayscale_to_rgb(inpt: Any) -> Any:
    """An image in three channels, if it has fewer."""
    if isinstance(inpt, Image.Image):
        return inpt.convert("RGB")
    return inpt if get_num_channels(inpt) >= 3 else rgb_to_grayscale(inpt, 3)


@functional
def permute_channels(inpt: Any, permutation: Sequence[int]) -> Any:
    """An image with its channels in another order.

    Args:
        permutation: the number of the input's channel that each of the output's is.
    """
    order = [int(n) for n in permutation]
    channels = get_num_channels(inpt)
    if sorted(order) != list(range(channels)):
        raise ArgumentError(f"permute_channels: permutation should order {channels} channels, got {order}")
    if isinstance(inpt, Image.Image):
        bands = inpt.split()
        return Image.merge(inpt.mode, [bands[n] for n in order])
    image: Any = inpt
    return image[..., order, :, :]
