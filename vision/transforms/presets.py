"""The preprocessing that pretrained weights expect: from a Pillow image, or a tensor, to what the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from framework import dtypes, nn
from framework.tensor import Tensor
from vision.transforms.convert import convert_image_dtype, normalize, pil_to_tensor
from vision.transforms.geometry import center_crop, resize
from vision.transforms.images import Interpolation, InterpolationMode

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_TAKES = "Accepts Pillow images, image tensors (C, H, W) and batches of them (B, C, H, W)."


def as_float_tensor(img: Image.Image | Tensor) -> Tensor:
    """An image as a tensor of floats between 0 and 1."""
    tensor: Tensor = convert_image_dtype(img if isinstance(img, Tensor) else pil_to_tensor(img), dtypes.float32)
    return tensor


class ObjectDetection(nn.Module):
    """An image as a float tensor with values 0..1, in its own size."""

    def forward(self, img: Image.Image | Tensor) -> Tensor:
        """The tensor."""
        return as_float_tensor(img)

    def describe(self) -> str:
        """What it does, in words."""
        return f"{_TAKES} The values are rescaled to [0.0, 1.0]."


class _Normalized(nn.Module):
    """What presets share whose images are resized and normalised."""

    def __init__(
        self, resize_size: int | Sequence[int] | None, mean: Sequence[float], std: Sequence[float],
        interpolation: Interpolation, antialias: bool | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.resize_size = [resize_size] if isinstance(resize_size, int) else resize_size and list(resize_size)
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def _resized(self, img: Any) -> Any:
        if self.resize_size is None:
            return img
        return resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)

    def extra_repr(self) -> str:
        """The arguments, for ``repr``."""
        return ", ".join(
            f"{name}={value}" for name, value in vars(self).items() if name[0] != "_" and name != "training"
        )

    def describe(self) -> str:
        """What it does, in words."""
        steps = [_TAKES]
        if self.resize_size is not None:
            steps.append(f"Images are resized to resize_size={self.resize_size} by {self.interpolation}.")
        if hasattr(self, "crop_size"):
            steps.append(f"The middle crop_size={self.crop_size} is kept.")
        steps.append(f"Values are rescaled to [0.0, 1.0], then normalised by mean={self.mean} and std={self.std}.")
        return " ".join(steps)


class ImageClassification(_Normalized):
    """An image resized, cropped in the middle and normalised, for classifiers.

    Args:
        crop_size: height and width in pixels of what is kept.
        resize_size: length in pixels of the shorter side before that.
        mean, std: of each channel, of values 0..1.
        interpolation, antialias: of the resizing, as in ``functional.resize``.

    Shape:
        - output: ``(C, crop_size, crop_size)``; batches ``(B, C, H, W)`` stay batches.

    Example:
        >>> ImageClassification(crop_size=224)(Image.open("cat.jpg")).shape
        Size([3, 224, 224])
    """

    def __init__(
        self,
        *,
        crop_size: int | Sequence[int],
        resize_size: int | Sequence[int] = 256,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        interpolation: Interpolation = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__(resize_size, mean, std, interpolation, antialias)
        self.crop_size = [crop_size] if isinstance(crop_size, int) else list(crop_size)

    def forward(self, img: Image.Image | Tensor) -> Tensor:
        """The tensor that the model takes."""
        tensor: Tensor = normalize(
            as_float_tensor(center_crop(self._resized(img), self.crop_size)), self.mean, self.std
        )
        return tensor


class SemanticSegmentation(_Normalized):
    """An image resized and normalised, for segmentation models.

    Args:
        resize_size: length in pixels of the shorter side; None keeps the image's size.
        mean, std, interpolation, antialias: as in ``ImageClassification``.
    """

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        interpolation: Interpolation = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__(resize_size, mean, std, interpolation, antialias)

    def forward(self, img: Image.Image | Tensor) -> Tensor:
        """The tensor that the model takes."""
        tensor: Tensor = normalize(as_float_tensor(self._resized(img)), self.mean, self.std)
        return tensor
