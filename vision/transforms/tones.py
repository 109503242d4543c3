"""Changes of tone: inverting, posterizing, solarizing, equalizing, stretching, sharpening, gamma.

Of Pillow images and tensors (..., C, H, W); the values are Pillow's.
"""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageEnhance, ImageOps

from framework import dtypes
from framework.errors import ArgumentError
from framework.ops.gather import gather, scatter_add
from framework.ops.joining import cat
from framework.ops.selection import where
from vision.transforms.base import RandomTransform
from vision.transforms.color import check_channels, limited
from vision.transforms.convert import largest_value, to_dtype
from vision.transforms.dispatch import functional


@functional
def invert(inpt: Any) -> Any:
    """An image's negative."""
    if isinstance(inpt, Image.Image):
        return ImageOps.invert(inpt)
    image: Any = inpt
    return 1.0 - image if image.is_floating_point() else image ^ largest_value(image.dtype)


@functional
def posterize(inpt: Any, bits: int) -> Any:
    """An image with only so many of the highest bits of each value kept.

    Args:
        bits: between 0 and 8.
    """
    if isinstance(inpt, Image.Image):
        return ImageOps.posterize(inpt, bits)
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise TypeError(f"posterize: bits must be an integer in the range [0, 8], got {bits!r}")
    image: Any = inpt
    if image.is_floating_point():
        levels = 1 << bits
        return (image * levels).floor().clamp(0, levels - 1) * (1.0 / levels)
    whole = largest_value(image.dtype).bit_length()
    return image if bits >= whole else image & (((1 << bits) - 1) << (whole - bits))


@functional
def solarize(inpt: Any, threshold: float) -> Any:
    """An image with all values from a threshold on inverted.

    Args:
        threshold: in the units of the image's values: 0..255 or 0..1.
    """
    if isinstance(inpt, Image.Image):
        return ImageOps.solarize(inpt, threshold)  # type: ignore[arg-type]
    image: Any = inpt
    if threshold > largest_value(image.dtype):
        raise TypeError(f"solarize: threshold should be at most {largest_value(image.dtype)}, got {threshold}")
    return where(image >= threshold, invert(image), image)


@functional
def autocontrast(inpt: Any) -> Any:
    """An image with each channel stretched so that its darkest value is black and its lightest white."""
    if isinstance(inpt, Image.Image):
        return ImageOps.autocontrast(inpt)
    image = check_channels("autocontrast", inpt)
    if image.numel() == 0:
        return image
    bound = largest_value(image.dtype)
    work = image if image.is_floating_point() else image.to(dtypes.float32)
    low, high = work.amin((-2, -1), keepdim=True), work.amax((-2, -1), keepdim=True)
    even = high == low
    step = ((high - low) * (1.0 / bound)).masked_fill(even, 1.0)
    return limited((work - low.masked_fill(even, 0.0)) / step, image.dtype)


@functional
def equalize(inpt: Any) -> Any:
    """An image with each channel's values spread so that all are about as frequent.

    A tensor's values are counted as bytes; its dtype stays.
    """
    if isinstance(inpt, Image.Image):
        return ImageOps.equalize(inpt)
    if inpt.numel() == 0:
        return inpt
    image = to_dtype(inpt, dtypes.uint8, scale=True)
    flat = image.reshape(-1, image.shape[-2] * image.shape[-1]).to(dtypes.int64)
    zeros = flat.new_zeros((flat.shape[0], 256))
    counts = scatter_add(zeros, 1, flat, flat.new_ones(flat.shape))
    total = counts.cumsum(1)
    # Pillow's table: the brightest value's pixels do not count, steps are whole
    brightest = gather(counts, 1, total.argmax(1, keepdim=True))
    step = (flat.shape[1] - brightest) // 255
    table = ((total[:, :-1] + step // 2) // step.clamp(min=1)).clamp(0, 255)
    table = cat([zeros[:, :1], table], 1)
    spread = where(step > 0, gather(table, 1, flat), flat).to(dtypes.uint8).reshape(image.shape)
    return to_dtype(spread, inpt.dtype, scale=True)


@functional
def adjust_sharpness(inpt: Any, sharpness_factor: float) -> Any:
    """An image with its distance from a smoothed one multiplied: 0 gives the smoothed one, 1 the image itself."""
    if isinstance(inpt, Image.Image):
        return ImageEnhance.Sharpness(inpt).enhance(sharpness_factor)
    image = check_channels("adjust_sharpness", inpt, sharpness_factor)
    height, width = image.shape[-2:]
    if image.numel() == 0 or height <= 2 or width <= 2:
        return image
    whole = not image.is_floating_point()
    work = image.to(dtypes.float32) if whole else image
    inner = work[..., 1:-1, 1:-1]
    rows = work[..., :-2, :] + work[..., 1:-1, :] + work[..., 2:, :]
    smooth = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + inner * 4.0) / 13.0
    smooth = smooth.round() if whole else smooth
    out = work.clone()
    out[..., 1:-1, 1:-1] = inner + (smooth - inner) * (1.0 - sharpness_factor)
    return limited(out, image.dtype)


@functional
def adjust_gamma(inpt: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * image ** gamma``, of values 0..1: above 1 shadows darken, below 1 they lighten."""
    if gamma < 0:
        raise ArgumentError(f"adjust_gamma: gamma should be non-negative, got {gamma}")
    if isinstance(inpt, Image.Image):
        table = [int((256 - 1e-3) * gain * (value / 255.0) ** gamma) for value in range(256)] * 3
        return inpt.convert("RGB").point(table).convert(inpt.mode)
    image: Any = inpt
    work = image if image.is_floating_point() else to_dtype(image, dtypes.float32, scale=True)
    work = work**gamma
    work = work if gain == 1 else (work * gain).clamp(0.0, 1.0)
    return to_dtype(work, image.dtype, scale=True)


class RandomInvert(RandomTransform):
    """An image's negative, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The negative."""
        return self._call_kernel(invert, inpt)


class RandomPosterize(RandomTransform):
    """An image with only ``bits`` bits of each value, with probability ``p``."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The posterized image."""
        return self._call_kernel(posterize, inpt, self.bits)


class RandomSolarize(RandomTransform):
    """An image with all values from a threshold on inverted, with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The solarized image."""
        return self._call_kernel(solarize, inpt, self.threshold)


class RandomAutocontrast(RandomTransform):
    """An image with each channel stretched to the full range, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The stretched image."""
        return self._call_kernel(autocontrast, inpt)


class RandomEqualize(RandomTransform):
    """An image with its values made about equally frequent, with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The equalized image."""
        return self._call_kernel(equalize, inpt)


class RandomAdjustSharpness(RandomTransform):
    """An image sharpened (factor above 1) or smoothed (below 1), with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The sharpened image."""
        return self._call_kernel(adjust_sharpness, inpt, self.sharpness_factor)
