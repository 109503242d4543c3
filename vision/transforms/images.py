"""What the transforms know about samples: sizes, how pixels are interpolated, and how arguments are read.

An image is a Pillow image, or a tensor (..., C, H, W) of values 0..255 (uint8) or 0..1 (floats).
"""

from __future__ import annotations

import enum
import numbers
from collections.abc import Sequence
from typing import Any

from PIL import Image

from framework.errors import ArgumentError, ShapeError
from vision.transforms.base import check_type, is_pure_tensor
from vision.transforms.dispatch import functional, kernel
from vision.tv_tensors import BoundingBoxes, KeyPoints, Mask, Video
from vision.tv_tensors import Image as TVImage

_IMAGES = (is_pure_tensor, Image.Image, TVImage, Video)


class InterpolationMode(enum.Enum):
    """How a pixel is worked out from its neighbours. Box and Hamming are for Pillow images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"

    @property
    def pillow(self) -> Image.Resampling:
        """Pillow's name for it."""
        return Image.Resampling["NEAREST" if self is InterpolationMode.NEAREST_EXACT else self.name]


Interpolation = InterpolationMode | str | int


def interpolation_mode(interpolation: Interpolation) -> InterpolationMode:
    """The mode that is meant by a mode, its name, or Pillow's number for it."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int) and not isinstance(interpolation, bool):
        try:
            return InterpolationMode[Image.Resampling(interpolation).name]
        except ValueError:
            pass
    elif isinstance(interpolation, str) and interpolation in InterpolationMode._value2member_map_:
        return InterpolationMode(interpolation)
    names = ", ".join(mode.value for mode in InterpolationMode)
    raise ArgumentError(f"invalid interpolation mode: {interpolation!r}; use one of {names}, or Pillow's constant")


@functional
def get_dimensions(inpt: Any) -> list[int]:
    """[channels, height, width] of an image or video; a tensor (H, W) has one channel."""
    if isinstance(inpt, Image.Image):
        return [len(inpt.getbands()), inpt.height, inpt.width]
    if inpt.ndim < 2:
        raise TypeError(f"get_dimensions: input tensor should have at least two dimensions, got {inpt.ndim}")
    return [inpt.shape[-3] if inpt.ndim > 2 else 1, inpt.shape[-2], inpt.shape[-1]]


@functional
def get_size(inpt: Any) -> list[int]:
    """[height, width] of an image, video or mask, or of the image that boxes or points lie in."""
    if isinstance(inpt, Image.Image):
        return [inpt.height, inpt.width]
    if inpt.ndim < 2:
        raise TypeError(f"get_size: input tensor should have at least two dimensions, got {inpt.ndim}")
    return [inpt.shape[-2], inpt.shape[-1]]


kernel(get_size, Mask)(lambda mask: list(mask.shape[-2:]))
kernel(get_size, BoundingBoxes, KeyPoints)(lambda inpt: list(inpt.canvas_size))


def get_image_size(inpt: Any) -> list[int]:
    """[width, height] of what ``get_size`` takes."""
    return get_size(inpt)[::-1]


@functional
def get_num_channels(inpt: Any) -> int:
    """The number of an image's channels."""
    return int(get_dimensions(inpt)[0])


@functional
def get_num_frames(inpt: Any) -> int:
    """The number of frames of a video (..., T, C, H, W)."""
    if isinstance(inpt, Image.Image) or inpt.ndim < 4:
        raise TypeError("get_num_frames: expected a video, a tensor (..., T, C, H, W)")
    return int(inpt.shape[-4])


def query_chw(flat_inputs: list[Any], who: str = "query_chw") -> tuple[int, int, int]:
    """(channels, height, width), which all images of a sample must share."""
    found = {tuple(get_dimensions(leaf)) for leaf in flat_inputs if check_type(leaf, _IMAGES)}
    if not found:
        raise TypeError(f"{who}: no image or video was found in the sample; give a Pillow image or a tensor")
    if len(found) > 1:
        raise ShapeError(f"{who}: the sample's images differ in (channels, height, width): {sorted(found)}")
    channels, height, width = found.pop()
    return channels, height, width


def query_size(flat_inputs: list[Any], who: str = "query_size") -> tuple[int, int]:
    """(height, width), which all images, masks, boxes and points of a sample must share."""
    found = {
        tuple(get_size(leaf)) for leaf in flat_inputs if check_type(leaf, (*_IMAGES, Mask, BoundingBoxes, KeyPoints))
    }
    if not found:
        raise TypeError(f"{who}: no image, video, mask, boxes or points were found in the sample")
    if len(found) > 1:
        raise ShapeError(f"{who}: the sample's parts differ in (height, width): {sorted(found)}")
    height, width = found.pop()
    return height, width


def get_bounding_boxes(flat_inputs: list[Any]) -> BoundingBoxes:
    """The first boxes in a sample."""
    for leaf in flat_inputs:
        if isinstance(leaf, BoundingBoxes):
            return leaf
    raise ArgumentError("get_bounding_boxes: no bounding boxes were found in the sample")


def get_keypoints(flat_inputs: list[Any]) -> KeyPoints:
    """The first points in a sample."""
    for leaf in flat_inputs:
        if isinstance(leaf, KeyPoints):
            return leaf
    raise ArgumentError("get_keypoints: no keypoints were found in the sample")


def two_sizes(name: str, size: Any) -> tuple[int, int]:
    """(height, width) from a number or a sequence of one or two."""
    if isinstance(size, numbers.Number):
        size = (size,)
    if not isinstance(size, Sequence) or len(size) not in (1, 2):
        raise ArgumentError(f"{name}: please provide one number or two, (h, w), for size, got {size!r}")
    height, width = size if len(size) == 2 else (size[0], size[0])
    return int(height), int(width)


def four_sides(name: str, padding: Any) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) from one number, (left and right, top and bottom), or all four."""
    sides = [padding] if isinstance(padding, numbers.Integral) else padding
    if not isinstance(sides, list | tuple) or len(sides) not in (1, 2, 4):
        raise ArgumentError(f"{name}: padding must be an int or a 1, 2, or 4 element tuple or list, got {padding!r}")
    if not all(isinstance(side, numbers.Integral) for side in sides):
        raise ArgumentError(f"{name}: padding must be made of integers, got {padding!r}")
    left, top, right, bottom = list(sides) * (4 // len(sides))
    return int(left), int(top), int(right), int(bottom)


def pillow_fill(fill: Any, image: Image.Image) -> Any:
    """A fill as Pillow takes it: one number, or one for each of the image's channels."""
    channels = len(image.getbands())
    values = list(fill) if isinstance(fill, list | tuple) else [0 if fill is None else fill]
    values = values * channels if len(values) == 1 else values
    if len(values) != channels:
        raise ArgumentError(
            f"fill: the number of elements does not match the image's channels ({len(values)} != {channels})"
        )
    if image.mode != "F":
        values = [int(value) for value in values]
    return values[0] if channels == 1 else tuple(values)


def check_fill(who: str, fill: Any) -> Any:
    """A fill as transforms take it: None, a number, one a channel, or a dict of these by the image's type."""
    for value in fill.values() if isinstance(fill, dict) else (fill,):
        if value is not None and not isinstance(value, numbers.Number | tuple | list):
            raise TypeError(f"{who}: fill should be a number, a tuple or list of them, or a dict, got {fill!r}")
    return fill


def fill_for(fill: Any, inpt: Any) -> Any:
    """The fill that is meant for an image, where it may depend on the image's type."""
    return fill.get(type(inpt), fill.get("others")) if isinstance(fill, dict) else fill
