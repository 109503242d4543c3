"""Between images, arrays and tensors, and from one range of values to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework import dtypes
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.tensor import Tensor, wrap
from vision.io import to_array, to_pil
from vision.transforms.base import Transform


def pil_to_tensor(pic: Image.Image) -> Tensor:
    """A Pillow image as a uint8 tensor (C, H, W) of its own values."""
    if not isinstance(pic, Image.Image):
        raise TypeError(f"pil_to_tensor: pic should be a Pillow image, got {type(pic).__name__}")
    return wrap(to_array(pic).copy())


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or a uint8 array (H, W, C) as a float32 tensor (C, H, W) of values 0..1.

    Arrays of other dtypes keep their dtype and values; images of modes I and F keep their values.
    """
    if isinstance(pic, Image.Image):
        pixels = to_array(pic)
    elif isinstance(pic, np.ndarray) and pic.ndim in (2, 3):
        pixels = np.ascontiguousarray((pic[:, :, None] if pic.ndim == 2 else pic).transpose(2, 0, 1))
    else:
        raise TypeError(f"ToTensor: pic should be a Pillow image or an array of 2 or 3 dims, got {type(pic).__name__}")
    if pixels.dtype != np.uint8:
        return wrap(pixels)
    return wrap(pixels.astype(dtypes.get_default_dtype().numpy) / np.array(255, dtypes.get_default_dtype().numpy))


def to_pil_image(pic: Any, mode: str | None = None) -> Image.Image:
    """A tensor (C, H, W) or an array (H, W, C) as a Pillow image; floats are taken as values 0..1."""
    if isinstance(pic, Tensor):
        if pic.ndim not in (2, 3):
            raise ShapeError(f"to_pil_image: expected 2 or 3 dims, got shape {tuple(pic.shape)}")
        pixels = pic.detach().cpu().numpy()
        pixels = pixels[None] if pixels.ndim == 2 else pixels
    elif isinstance(pic, np.ndarray):
        pixels = (pic[:, :, None] if pic.ndim == 2 else pic).transpose(2, 0, 1)
    else:
        raise TypeError(f"to_pil_image: pic should be a tensor or an array, got {type(pic).__name__}")
    if pixels.dtype.kind == "f" and isinstance(pic, Tensor):
        pixels = (pixels * 255).astype(np.uint8)
    image = to_pil(wrap(np.ascontiguousarray(pixels)))
    return image.convert(mode) if mode else image


def to_dtype(inpt: Tensor, dtype: dtypes.dtype, scale: bool = False) -> Tensor:
    """A tensor in another dtype; with ``scale``, its full range mapped to the new dtype's (1.0 is an integer's largest)."""
    if not scale or inpt.dtype is dtype or dtype is dtypes.bool_:
        return inpt.to(dtype)
    source = inpt.dtype
    if source.is_floating_point and dtype.is_floating_point:
        return inpt.to(dtype)
    if source.is_floating_point:
        if (source is dtypes.float32 and dtype in (dtypes.int32, dtypes.int64)) or dtype is dtypes.int64:
            raise DtypeError(f"ToDtype: {source} can't hold all values of {dtype}; choose a smaller integer type")
        return (inpt * (dtypes.iinfo(dtype).max + 1 - 1e-3)).to(dtype)
    if dtype.is_floating_point:
        largest = 1 if source is dtypes.bool_ else dtypes.iinfo(source).max
        return inpt.to(dtype) / largest
    bits = [1 if d is dtypes.bool_ else int(dtypes.iinfo(d).max).bit_length() for d in (source, dtype)]
    if bits[0] > bits[1]:
        return (inpt >> (bits[0] - bits[1])).to(dtype)
    return inpt.to(dtype) << (bits[1] - bits[0])


def normalize(inpt: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(inpt - mean) / std`` by channel, of a float tensor (..., C, H, W)."""
    if not isinstance(inpt, Tensor):
        raise TypeError(f"Normalize: img should be a Tensor image, got {type(inpt).__name__}; put ToTensor before it")
    if not inpt.is_floating_point():
        raise DtypeError(f"Normalize: expected a float tensor, got {inpt.dtype}; put ToTensor or ToDtype before it")
    if inpt.ndim < 3:
        raise ShapeError(f"Normalize: expected a tensor image of size (..., C, H, W), got {tuple(inpt.shape)}")
    kind = inpt.array.dtype
    middle, spread = np.asarray(mean, kind), np.asarray(std, kind)
    if (spread == 0).any():
        raise ArgumentError(f"Normalize: std holds a zero, which would divide by zero: {list(std)}")
    for values in (middle, spread):
        if values.size not in (1, inpt.shape[-3]):
            raise ShapeError(f"Normalize: {values.size} values for {inpt.shape[-3]} channels")
    middle, spread = middle.reshape(-1, 1, 1), spread.reshape(-1, 1, 1)
    if inplace:
        inpt.array[...] = (inpt.array - middle) / spread
        return inpt
    return (inpt - wrap(middle)) / wrap(spread)


class ToTensor(Transform):
    """A Pillow image or uint8 array (H, W, C) as a float32 tensor (C, H, W) of values 0..1."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return to_tensor(inpt)


class PILToTensor(Transform):
    """A Pillow image as a uint8 tensor (C, H, W) of its own values."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return pil_to_tensor(inpt) if isinstance(inpt, Image.Image) else inpt


class ToImage(Transform):
    """A Pillow image or array (H, W, C) as a tensor (C, H, W) of its own values."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, np.ndarray):
            return wrap(np.ascontiguousarray((inpt[:, :, None] if inpt.ndim == 2 else inpt).transpose(2, 0, 1)))
        return pil_to_tensor(inpt) if isinstance(inpt, Image.Image) else inpt


class ToPILImage(Transform):
    """A tensor (C, H, W) or array (H, W, C) as a Pillow image."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Image.Image:
        return to_pil_image(inpt, self.mode)


class ToDtype(Transform):
    """A tensor in another dtype, its range mapped too if ``scale``."""

    def __init__(self, dtype: dtypes.dtype, scale: bool = False) -> None:
        self.dtype = dtypes.as_dtype(dtype)
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return to_dtype(inpt, self.dtype, self.scale) if isinstance(inpt, Tensor) else inpt


class Normalize(Transform):
    """``(image - mean) / std`` by channel.

    Args:
        mean, std: one value a channel, in the units of the image's values (0..1 after ``ToTensor``).
        inplace: write into the image.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return normalize(inpt, self.mean, self.std, self.inplace)
