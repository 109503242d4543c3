"""What the drawing functions share: how an image and its colours are read, and the way to Pillow and back."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageColor

from framework import dtypes
from framework.errors import ArgumentError, ShapeError
from framework.tensor import Tensor
from vision.transforms.convert import pil_to_tensor, to_dtype, to_pil_image

Color = str | tuple[int, int, int]
Colors = Color | Sequence[Color]

_PALETTE_STEP = (
    2**25 - 1,
    2**15 - 1,
    2**21 - 1,
)  # far apart modulo 255, so that neighbours in number differ to the eye


def check_image(who: str, image: Any, channels: tuple[int, ...]) -> Tensor:
    """The image, or an error: it must be one tensor (C, H, W), uint8 or float, of a number of channels that is taken."""
    if not isinstance(image, Tensor):
        raise TypeError(f"{who}: image must be a tensor (C, H, W), got {type(image).__name__}; use pil_to_tensor")
    if image.dtype is not dtypes.uint8 and not image.dtype.is_floating_point:
        raise ArgumentError(f"{who}: the image's dtype must be uint8 or float, got {image.dtype}")
    if image.ndim != 3:
        raise ShapeError(f"{who}: expected one image (C, H, W), got shape {tuple(image.shape)}; pass images one by one")
    if image.shape[0] not in channels:
        counts = " or ".join(str(count) for count in channels)
        raise ShapeError(f"{who}: expected an image of {counts} channels, got {image.shape[0]}")
    return image


def to_canvas(image: Tensor) -> Image.Image:
    """A colour image as a Pillow image to draw on."""
    return to_pil_image(to_dtype(image, dtypes.uint8, scale=True))


def from_canvas(canvas: Image.Image, dtype: dtypes.dtype) -> Any:
    """What was drawn, as a tensor (3, H, W) in the dtype the image came in."""
    return to_dtype(pil_to_tensor(canvas), dtype, scale=True)


def parse_colors(who: str, colors: Colors | None, count: int) -> list[tuple[int, ...]]:
    """A colour of 0..255 a channel for each of ``count`` objects.

    Args:
        who: the function's name, for errors.
        colors: one colour for all, a list of at least ``count``, or None for a palette of the library's own.
        count: the number of objects.
    """
    if colors is None:
        return [tuple(step * number % 255 for step in _PALETTE_STEP) for number in range(count)]
    if not isinstance(colors, str | list | tuple):
        raise ArgumentError(f"{who}: colors must be a name, an RGB tuple, or a list of these, got {colors!r}")
    if not isinstance(colors, list):
        return [parse_color(who, colors)] * count
    if len(colors) < count:
        raise ArgumentError(f"{who}: expected at least as many colors as objects, got {len(colors)} for {count}")
    return [parse_color(who, color) for color in colors[:count]]


def parse_color(who: str, color: Any) -> tuple[int, ...]:
    """A colour of 0..255 a channel from its name, its hexadecimal form, or the numbers themselves."""
    if isinstance(color, str):
        try:
            return ImageColor.getrgb(color)
        except ValueError:
            raise ArgumentError(f"{who}: unknown color {color!r}; use a name like 'red', or '#ff0000'") from None
    if not isinstance(color, list | tuple) or len(color) != 3 or not all(_is_level(level) for level in color):
        raise ArgumentError(f"{who}: a color is a name or an RGB triplet of integers 0..255, got {color!r}")
    return tuple(int(level) for level in color)


def _is_level(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and 0 <= int(value) <= 255
