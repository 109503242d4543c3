"""Where pixels go: resizing, cropping, padding, flipping, of Pillow images and tensors (..., C, H, W).

What becomes of masks, boxes and points stands in ``mask_kernels``, ``box_kernels`` and ``point_kernels``.
"""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from framework import dtypes
from framework.errors import ArgumentError, ShapeError
from framework.nn.functional import interpolate
from framework.ops.padding import pad as pad_tensor
from framework.ops.values import tensor
from framework.tensor import wrap
from vision.transforms.dispatch import functional
from vision.transforms.images import (
    Interpolation,
    InterpolationMode,
    four_sides,
    get_size,
    interpolation_mode,
    pillow_fill,
    two_sizes,
)

_SMOOTH = (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC, InterpolationMode.LANCZOS)
_PILLOW_DTYPES = (dtypes.uint8, dtypes.float32)
PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def resized_shape(height: int, width: int, size: int | Sequence[int] | None, max_size: int | None) -> tuple[int, int]:
    """What ``resize`` makes of a shape."""
    sizes = [size] if isinstance(size, numbers.Integral) else size
    short, long = min(height, width), max(height, width)
    if sizes is None:
        if not isinstance(max_size, int):
            raise ArgumentError(f"resize: max_size must be an integer when size is None, got {max_size}")
        new_short, new_long = int(max_size * short / long), max_size
    elif not isinstance(sizes, Sequence) or len(sizes) not in (1, 2):
        raise ArgumentError(f"resize: size should be an integer, one or two of them, or None, got {size!r}")
    elif len(sizes) == 2:
        if max_size is not None:
            raise ArgumentError("resize: max_size goes with size None or a single number, the shorter side's length")
        return int(sizes[0]), int(sizes[1])
    else:
        new_short, new_long = int(sizes[0]), int(int(sizes[0]) * long / short)
        if max_size is not None and max_size <= new_short:
            raise ArgumentError(
                f"resize: max_size = {max_size} must be strictly greater than the size of the shorter side, {new_short}"
            )
        if max_size is not None and new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if height > width else (new_short, new_long)


@functional
def resize(
    inpt: Any,
    size: int | Sequence[int] | None,
    interpolation: Interpolation = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """An image with another height and width.

    Args:
        size: (height, width); or one number, the shorter side's new length, the other keeping the proportion; or None,
            which makes the longer side ``max_size``.
        interpolation: an ``InterpolationMode``, its name, or Pillow's constant.
        max_size: what the longer side may not exceed where ``size`` is one number.
        antialias: smooth what shrinks, for tensors; Pillow images always are.

    Raises:
        ArgumentError: the sizes contradict each other, or tensors have no such interpolation.
    """
    mode = interpolation_mode(interpolation)
    height, width = get_size(inpt)
    new = resized_shape(height, width, size, max_size)
    if isinstance(inpt, Image.Image) and antialias is False:
        warnings.warn("resize: Pillow images are always antialiased; antialias=False has no effect", stacklevel=2)
    if new == (height, width):
        return inpt
    if isinstance(inpt, Image.Image):
        return inpt.resize(new[::-1], mode.pillow)
    return _resize_tensor(inpt, new, mode, bool(antialias))


def _resize_tensor(image: Any, new: tuple[int, int], mode: InterpolationMode, antialias: bool) -> Any:
    if mode in (InterpolationMode.BOX, InterpolationMode.HAMMING):
        raise ArgumentError(f"resize: {mode.value} interpolation is for Pillow images only; put ToImage after it")
    if mode is InterpolationMode.LANCZOS and not antialias:
        raise ArgumentError("resize: lanczos interpolation requires antialias=True")
    if image.numel() == 0:
        return image.new_zeros((*image.shape[:-2], *new))
    smooth = mode in _SMOOTH
    if smooth and antialias and image.is_cpu and not image.requires_grad and image.dtype in _PILLOW_DTYPES:
        return _resize_planes(image, new, mode)
    batch = image.reshape(-1, *image.shape[-3:]) if image.ndim != 4 else image
    kind = image.dtype
    if kind not in (dtypes.float32, dtypes.float64, dtypes.uint8):
        batch = batch.to(dtypes.float32)
    out = interpolate(
        batch, new, mode=mode.value, align_corners=False if smooth and mode is not InterpolationMode.LANCZOS else None,
        antialias=antialias and smooth,
    )  # fmt: skip
    if out.dtype is not kind:
        out = (out if kind.is_floating_point else out.round()).to(kind)
    return out.reshape(*image.shape[:-2], *new)


def _resize_planes(image: Any, new: tuple[int, int], mode: InterpolationMode) -> Any:
    """A tensor resized by Pillow, channel by channel: its pixels to the last bit, and several times faster than ours."""
    planes = image.array.reshape(-1, *image.shape[-2:])
    out = np.empty((len(planes), *new), planes.dtype)
    for plane, target in zip(planes, out, strict=True):
        target[...] = Image.fromarray(plane).resize(new[::-1], mode.pillow)
    return wrap(out.reshape(*image.shape[:-2], *new))


@functional
def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle of an image, in pixels; what lies outside is zero."""
    if isinstance(inpt, Image.Image):
        return inpt.crop((left, top, left + width, top + height))
    image: Any = inpt
    rows, columns = get_size(image)
    bottom, right = top + height, left + width
    inside = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if top >= 0 and left >= 0 and bottom <= rows and right <= columns:
        return inside
    return pad_tensor(
        inside,
        (
            max(min(right, 0) - left, 0),
            max(right - max(columns, left), 0),
            max(min(bottom, 0) - top, 0),
            max(bottom - max(rows, top), 0),
        ),
    )


@functional
def center_crop(inpt: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of an image, padded with zeros where it is smaller."""
    height, width = two_sizes("center_crop", output_size)
    rows, columns = get_size(inpt)
    if rows < height or columns < width:
        across, down = max(width - columns, 0), max(height - rows, 0)
        inpt = pad(inpt, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2], fill=0)
        rows, columns = get_size(inpt)
    return crop(inpt, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


@functional
def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Interpolation = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A rectangle of an image, resized to ``size``."""
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


@functional
def five_crop(inpt: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle of an image."""
    height, width = two_sizes("five_crop", size)
    rows, columns = get_size(inpt)
    if height > rows or width > columns:
        raise ShapeError(f"five_crop: crop size {(height, width)} is bigger than input size {(rows, columns)}")
    corners = [crop(inpt, y, x, height, width) for y in (0, rows - height) for x in (0, columns - width)]
    return corners[0], corners[1], corners[2], corners[3], center_crop(inpt, [height, width])


@functional
def ten_crop(inpt: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """``five_crop`` of an image and of its mirror image, left to right unless ``vertical_flip``."""
    mirrored = _flip(inpt, vertical_flip)
    return (*five_crop(inpt, size), *five_crop(mirrored, size))


@functional
def pad(inpt: Any, padding: int | Sequence[int], fill: Any = None, padding_mode: str = "constant") -> Any:
    """An image with a border.

    Args:
        padding: its width in pixels: one number, (left and right, top and bottom), or (left, top, right, bottom).
            Negative widths cut off.
        fill: the border's value, or one a channel, for "constant"; 0 unless given.
        padding_mode: "constant", "edge" (the last pixel repeated), "reflect" (mirrored without it) or "symmetric"
            (mirrored with it).
    """
    left, top, right, bottom = four_sides("pad", padding)
    if padding_mode not in PADDING_MODES:
        raise ArgumentError(f"pad: padding_mode should be {', '.join(PADDING_MODES)}, got {padding_mode!r}")
    if isinstance(inpt, Image.Image):
        return _pad_pillow(inpt, (left, top, right, bottom), fill, padding_mode)
    values = list(fill) if isinstance(fill, list | tuple) else [0 if fill is None else fill]
    if padding_mode == "constant":
        return _pad_constant(inpt, (left, top, right, bottom), values)
    if len(values) > 1:
        raise ArgumentError(f"pad: padding_mode {padding_mode!r} takes no fill of several values, got {fill!r}")
    image: Any = inpt
    rows, columns = get_size(image)
    inside = image[..., _places(rows, top, bottom, padding_mode), :]
    return inside[..., _places(columns, left, right, padding_mode)]


def _places(length: int, before: int, after: int, mode: str) -> Any:
    """Which pixel stands at each place of a padded line."""
    inside = np.arange(length)[max(-before, 0) : length - max(-after, 0)]
    return np.pad(inside, (max(before, 0), max(after, 0)), mode=mode)  # type: ignore[call-overload]


def _pad_constant(image: Any, sides: tuple[int, int, int, int], values: list[float]) -> Any:
    left, top, right, bottom = sides
    widths = (left, right, top, bottom)
    if len(values) == 1:
        return pad_tensor(image, widths, value=values[0])
    if len(values) != image.shape[-3]:
        raise ArgumentError(f"pad: {len(values)} fill values for {image.shape[-3]} channels")
    level = tensor(values, device=image.device).to(image.dtype).reshape(-1, 1, 1)
    # the border's value is added where the zero border is, so that the image stays as it is bit for bit
    border = pad_tensor(image.new_zeros(image.shape[-2:]), widths, value=1)
    return pad_tensor(image, widths).where(border == 0, level)


def _pad_pillow(image: Image.Image, sides: tuple[int, int, int, int], fill: Any, padding_mode: str) -> Image.Image:
    palette = image.getpalette() if image.mode == "P" else None
    if padding_mode == "constant":
        result = ImageOps.expand(image, sides, pillow_fill(fill, image))
    else:
        left, top, right, bottom = sides
        pixels = np.asarray(image)
        rows = _places(image.height, top, bottom, padding_mode)
        columns = _places(image.width, left, right, padding_mode)
        result = Image.fromarray(pixels[rows][:, columns])
    if palette is not None:
        result.putpalette(palette)
    return result


def _flip(inpt: Any, upside_down: bool) -> Any:
    if isinstance(inpt, Image.Image):
        way = Image.Transpose.FLIP_TOP_BOTTOM if upside_down else Image.Transpose.FLIP_LEFT_RIGHT
        return inpt.transpose(way)
    flipped: Any = inpt
    return flipped.flip(-2 if upside_down else -1)


@functional
def horizontal_flip(inpt: Any) -> Any:
    """An image mirrored left to right."""
    return _flip(inpt, False)


@functional
def vertical_flip(inpt: Any) -> Any:
    """An image mirrored top to bottom."""
    return _flip(inpt, True)
