"""What cameras and files do to images: noise and JPEG compression."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from framework import dtypes
from framework.errors import ArgumentError, DtypeError
from framework.ops.joining import stack
from framework.ops.random import randn
from vision.transforms.base import Transform, random_numbers
from vision.transforms.convert import pil_to_tensor, to_pil_image
from vision.transforms.dispatch import functional


@functional
def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """A tensor image with normal noise added to each value.

    Args:
        mean, sigma: of the noise, where full brightness is 1, for bytes too.
        clip: hold the result within black and white. Bytes that are not clipped wrap around.
    """
    if sigma < 0:
        raise ArgumentError(f"gaussian_noise: sigma should not be negative, got {sigma}")
    if isinstance(inpt, Image.Image):
        raise ArgumentError("gaussian_noise: not implemented for Pillow images; put ToImage before it")
    image: Any = inpt
    if image.is_floating_point():
        out = image + (randn(*image.shape, dtype=image.dtype, device=image.device) * sigma + mean)
        return out.clamp(0, 1) if clip else out
    if image.dtype is not dtypes.uint8:
        raise DtypeError(f"gaussian_noise: expected a uint8 or float tensor, got {image.dtype}")
    noise = randn(*image.shape, device=image.device) * (sigma * 255) + mean * 255
    out = image.to(dtypes.int16) + noise.to(dtypes.int16)
    return (out.clamp(0, 255) if clip else out).to(dtypes.uint8)


class GaussianNoise(Transform):
    """A tensor image with normal noise added.

    Args:
        mean, sigma, clip: as in ``functional.gaussian_noise``.
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The noisy image."""
        return self._call_kernel(gaussian_noise, inpt, self.mean, self.sigma, self.clip)


@functional
def jpeg(image: Any, quality: int) -> Any:
    """An image after JPEG compression, as Pillow does it.

    Args:
        image: of mode L or RGB, or a uint8 tensor (..., 1 or 3, H, W).
        quality: from 1 to 100; lower compresses more.
    """
    if isinstance(image, Image.Image):
        stored = io.BytesIO()
        image.save(stored, format="JPEG", quality=quality)
        return Image.open(stored).copy()
    if image.dtype is not dtypes.uint8 or image.shape[-3] not in (1, 3):
        raise DtypeError(
            f"jpeg: expected a uint8 tensor of 1 or 3 channels, got {image.dtype} of shape {tuple(image.shape)}"
        )
    images = image.reshape(-1, *image.shape[-3:])
    if not images.shape[0]:
        return image.clone()
    return stack([pil_to_tensor(jpeg(to_pil_image(one), quality)) for one in images]).reshape(image.shape)


class JPEG(Transform):
    """An image after JPEG compression of random quality.

    Args:
        quality: from 1 to 100, or (lowest, highest).
    """

    def __init__(self, quality: int | Sequence[int]) -> None:
        super().__init__()
        if isinstance(quality, bool) or not isinstance(quality, int | Sequence):
            raise TypeError(f"JPEG: quality should be an integer or two, got {quality!r}")
        both = [quality, quality] if isinstance(quality, int) else list(quality)
        if len(both) != 2 or not all(isinstance(q, int) for q in both) or not 1 <= both[0] <= both[1] <= 100:
            raise ArgumentError(f"JPEG: quality must be one or two increasing integers from 1 to 100, got {quality!r}")
        self.quality = both

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The quality."""
        return {"quality": int(random_numbers().integers(self.quality[0], self.quality[1] + 1))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The compressed image."""
        return self._call_kernel(jpeg, inpt, params["quality"])
