"""Between images, arrays and tensors, and from one range of values to another."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework import dtypes
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.values import tensor
from framework.tensor import Tensor, wrap
from vision import tv_tensors
from vision.transforms.dispatch import functional, kernel

_WIDE_GREY = "I;16" if sys.byteorder == "little" else "I;16B"
_MODES = {  # which Pillow modes hold an array of (channels, dtype); the first is taken unless one is asked for
    (1, "uint8"): ("L",),
    (1, "int16"): (_WIDE_GREY,),
    (1, "uint16"): (_WIDE_GREY,),
    (1, "int32"): ("I",),
    (1, "float32"): ("F",),
    (2, "uint8"): ("LA",),
    (3, "uint8"): ("RGB", "YCbCr", "HSV"),
    (4, "uint8"): ("RGBA", "CMYK", "RGBX"),
}


def _channels_first(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A copy of pixels (H, W) or (H, W, C) as (C, H, W), row by row."""
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return planes.copy(order="C")


def pil_to_tensor(pic: Image.Image) -> Tensor:
    """A Pillow image as a tensor (C, H, W) of its own values: uint8, but for the modes 1 (bool), I;16, I and F."""
    if not isinstance(pic, Image.Image):
        raise TypeError(f"pil_to_tensor: pic should be a Pillow image, got {type(pic).__name__}")
    return wrap(_channels_first(np.asarray(pic)))


def to_image(inpt: Any) -> tv_tensors.Image:
    """A Pillow image, an array (H, W) or (H, W, C) or a tensor as an ``Image`` (C, H, W) of its own values."""
    if isinstance(inpt, Tensor | Image.Image):
        return tv_tensors.Image(inpt)
    if isinstance(inpt, np.ndarray) and inpt.ndim in (2, 3):
        return tv_tensors.Image(wrap(_channels_first(inpt)))
    raise TypeError(f"to_image: expected a tensor, an array (H, W, C) or a Pillow image, got {type(inpt).__name__}")


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or an array (H, W) or (H, W, C) as a tensor (C, H, W); bytes become floats of 0..1.

    Images of the modes I, I;16 and F and arrays of other dtypes than uint8 keep their values and dtypes.
    """
    if isinstance(pic, Image.Image):
        pixels = np.asarray(pic)
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8) * np.uint8(255)
        elif pixels.dtype == np.uint16:
            pixels = pixels.astype(np.int16)  # as torchvision reads them: above 32767 they turn negative
    elif isinstance(pic, np.ndarray):
        pixels = pic
        if pic.ndim not in (2, 3):
            raise ShapeError(f"to_tensor: pic should be 2/3 dimensional, got {pic.ndim} dimensions")
    else:
        raise TypeError(f"to_tensor: pic should be a Pillow image or an array, got {type(pic).__name__}")
    planes = _channels_first(pixels)
    if planes.dtype != np.uint8:
        return wrap(planes)
    values = planes.astype(dtypes.get_default_dtype().numpy)
    values /= 255
    return wrap(values)


def to_pil_image(pic: Any, mode: str | None = None) -> Image.Image:
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a Pillow image.

    Args:
        pic: of 1 to 4 channels. Floats are values 0..1, unless ``mode`` is "F".
        mode: the image's Pillow mode; by the channels and the dtype unless given.
    """
    if isinstance(pic, Tensor):
        pixels = pic.detach().cpu().numpy()
        pixels = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    elif isinstance(pic, np.ndarray):
        pixels = pic
    else:
        raise TypeError(f"to_pil_image: pic should be a Tensor or an ndarray, got {type(pic).__name__}")
    if pixels.ndim not in (2, 3):
        raise ShapeError(f"to_pil_image: pic should be 2/3 dimensional, got {pixels.ndim} dimensions")
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    channels = pixels.shape[2]
    if not 1 <= channels <= 4:
        raise ShapeError(f"to_pil_image: pic should have 1 to 4 channels, got {channels}")
    if mode != "F" and dtypes.of(pixels).is_floating_point:
        pixels = (pixels * 255).astype(np.uint8)
    modes = _MODES.get((channels, pixels.dtype.name), ())
    if mode is None and not modes:
        raise TypeError(f"to_pil_image: input type {pixels.dtype} of {channels} channels is not supported; use uint8")
    if mode is not None and mode not in modes:
        known = f"use {', '.join(modes)}" if modes else "use uint8"
        raise ArgumentError(f"to_pil_image: incorrect mode ({mode}) for {channels} channels of {pixels.dtype}; {known}")
    mode = mode or modes[0]
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes(), "raw", mode)


def largest_value(kind: dtypes.dtype) -> int:
    """What full brightness is in a dtype: 1 for floats and bools, else the dtype's largest number."""
    return 1 if kind.is_floating_point or kind is dtypes.bool_ else int(dtypes.iinfo(kind).max)


@functional
def to_dtype(inpt: Any, dtype: dtypes.dtype = dtypes.float32, scale: bool = False) -> Any:
    """A tensor in another dtype; with ``scale``, full brightness in the one becomes full brightness in the other.

    Raises:
        DtypeError: the float type cannot hold all values of the integer type.
    """
    if isinstance(inpt, Image.Image):
        raise TypeError("to_dtype: expected a tensor, got a Pillow image; put ToImage or PILToTensor before it")
    image: Any = inpt
    source = image.dtype
    if source is dtype:
        return image
    if not scale or (source.is_floating_point and dtype.is_floating_point):
        return image.to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype).mul_(1.0 / largest_value(source))
    if source.is_floating_point:
        if (source is dtypes.float32 and dtype in (dtypes.int32, dtypes.int64)) or (
            source is dtypes.float64 and dtype is dtypes.int64
        ):
            raise DtypeError(
                f"to_dtype: the conversion from {source} to {dtype} cannot be performed safely; choose a smaller type"
            )
        return (image * (largest_value(dtype) + 1.0 - 1e-3)).to(dtype)  # only 1.0 itself would reach the largest
    if dtypes.bool_ in (source, dtype):
        raise DtypeError(f"to_dtype: scaling is between integers or floats, not from {source} to {dtype}")
    before, after = (largest_value(kind).bit_length() for kind in (source, dtype))
    return (image >> (before - after)).to(dtype) if before > after else image.to(dtype) << (after - before)


@kernel(to_dtype, tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)
def _to_plain_dtype(inpt: Any, dtype: dtypes.dtype = dtypes.float32, scale: bool = False) -> Any:
    return inpt.to(dtype)  # these hold no brightness that could be scaled


def convert_image_dtype(image: Any, dtype: dtypes.dtype = dtypes.float32) -> Any:
    """``to_dtype`` with ``scale``."""
    return to_dtype(image, dtype, scale=True)


@functools.lru_cache(64)  # a loader asks for the same ones for every picture
def _levels(mean: tuple[float, ...], std: tuple[float, ...], channels: int, dtype: Any, device: Any) -> Any:
    """Mean and deviation (C, 1, 1) as tensors, checked."""
    middle, spread = (tensor(values, dtype=dtype, device=device) for values in (mean, std))
    if not spread.all():
        raise ArgumentError(f"normalize: std evaluated to zero, leading to division by zero: {std}")
    for name, values in (("mean", middle), ("std", spread)):
        if values.ndim > 1 or values.numel() not in (1, channels):
            raise ShapeError(f"normalize: {name} has {values.numel()} values for {channels} channels")
    return middle.reshape(-1, 1, 1), spread.reshape(-1, 1, 1)


@functional
def normalize(inpt: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """``(inpt - mean) / std`` by channel, of a float tensor (..., C, H, W).

    Raises:
        TypeError: it is no float tensor.
        ArgumentError: ``std`` holds a zero.
    """
    if isinstance(inpt, Image.Image):
        raise TypeError("normalize: expected a float tensor, got a Pillow image; put ToTensor before it")
    image: Any = inpt
    if not image.is_floating_point():
        raise DtypeError(f"normalize: expected a float tensor, got {image.dtype}; put ToTensor or ToDtype before it")
    if image.ndim < 3:
        raise ShapeError(f"normalize: expected a tensor image of size (..., C, H, W), got {tuple(image.shape)}")
    middle, spread = _levels(tuple(mean), tuple(std), image.shape[-3], image.dtype, image.device)
    if inplace or image.requires_grad:
        return (image.sub_(middle) if inplace else image.sub(middle)).div_(spread)
    values = image.array - middle.array  # the usual case: fresh memory is what costs here, so take it once
    values /= spread.array
    return wrap(values)
