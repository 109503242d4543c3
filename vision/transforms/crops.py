"""Transforms that resize, crop, pad and flip."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from framework.errors import ArgumentError, ShapeError
from vision.transforms.base import Crops, RandomTransform, Transform, has_any, random_numbers, uniform
from vision.transforms.geometry import (
    PADDING_MODES,
    center_crop,
    crop,
    five_crop,
    horizontal_flip,
    pad,
    resize,
    resized_crop,
    ten_crop,
    vertical_flip,
)
from vision.transforms.images import (
    Interpolation,
    check_fill,
    fill_for,
    four_sides,
    interpolation_mode,
    query_size,
    two_sizes,
)
from vision.tv_tensors import BoundingBoxes, KeyPoints, Mask


class Resize(Transform):
    """An image with another height and width.

    Args:
        size: (height, width); or one number, the shorter side's new length; or None, with ``max_size``.
        interpolation, max_size, antialias: as in ``functional.resize``.
    """

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: Interpolation = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        if size is None and not isinstance(max_size, int):
            raise ArgumentError(f"Resize: max_size must be an integer when size is None, got {max_size}")
        if size is not None:
            two_sizes("Resize", size)
        self.size = [size] if isinstance(size, int) else None if size is None else list(size)
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The resized image."""
        return self._call_kernel(resize, inpt, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of an image, padded with zeros where it is smaller.

    Args:
        size: (height, width), or one number for both.
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = two_sizes("CenterCrop", size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The cropped image."""
        return self._call_kernel(center_crop, inpt, self.size)


class _Cropping(Transform):
    """Several crops of one image. There is one set of boxes and masks, so samples with these are refused."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse samples with boxes, masks or points."""
        if has_any(flat_inputs, BoundingBoxes, Mask, KeyPoints):
            raise TypeError(f"{type(self).__name__}: bounding boxes, masks and keypoints are not supported")

    def _made(self, functional: Any, inpt: Any, *args: Any) -> Any:
        made = self._call_kernel(functional, inpt, *args)
        return Crops(made) if isinstance(made, tuple) else made


class FiveCrop(_Cropping):
    """The four corners and the middle of an image, as a tuple."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = two_sizes("FiveCrop", size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The five images."""
        return self._made(five_crop, inpt, self.size)


class TenCrop(_Cropping):
    """The four corners and the middle of an image and of its mirror image, as a tuple."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = two_sizes("TenCrop", size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The ten images."""
        return self._made(ten_crop, inpt, self.size, self.vertical_flip)


def _check_padding(who: str, padding: Any, padding_mode: str) -> None:
    four_sides(who, padding)
    if padding_mode not in PADDING_MODES:
        raise ArgumentError(f"{who}: padding_mode should be {', '.join(PADDING_MODES)}, got {padding_mode!r}")


class Pad(Transform):
    """A border around an image.

    Args:
        padding, fill, padding_mode: as in ``functional.pad``. The fill may be a dict by the image's type.
    """

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        _check_padding("Pad", padding, padding_mode)
        self.padding = padding
        self.fill = check_fill("Pad", fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The padded image."""
        return self._call_kernel(pad, inpt, self.padding, fill_for(self.fill, inpt), self.padding_mode)


class RandomCrop(Transform):
    """A rectangle of fixed size at a random place, after padding.

    Args:
        size: (height, width), or one number for both.
        padding: border to add first, as in ``Pad``.
        pad_if_needed: where the image is smaller than ``size``, add what is missing on both sides.
        fill, padding_mode: as in ``Pad``.

    Raises:
        ShapeError: an image is smaller than ``size``.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = two_sizes("RandomCrop", size)
        _check_padding("RandomCrop", 0 if padding is None else padding, padding_mode)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = check_fill("RandomCrop", fill)
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: int | Sequence[int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random rectangle in an image, for ``functional.crop``."""
        found = RandomCrop(output_size).make_params([img])
        return found["top"], found["left"], found["height"], found["width"]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The border, and the rectangle."""
        rows, columns = query_size(flat_inputs, "RandomCrop")
        height, width = self.size
        left, top, right, bottom = four_sides("RandomCrop", 0 if self.padding is None else self.padding)
        down, across = height - (rows + top + bottom), width - (columns + left + right)
        if self.pad_if_needed and down > 0:
            top, bottom = top + down, bottom + down
        if self.pad_if_needed and across > 0:
            left, right = left + across, right + across
        rows, columns = rows + top + bottom, columns + left + right
        if rows < height or columns < width:
            raise ShapeError(
                f"RandomCrop: required crop size {self.size} is larger than input image size {(rows, columns)}; resize "
                "first, or set pad_if_needed"
            )
        stream = random_numbers()
        return {
            "padding": [left, top, right, bottom],
            "top": int(stream.integers(rows - height + 1)),
            "left": int(stream.integers(columns - width + 1)),
            "height": height,
            "width": width,
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The cropped image."""
        if any(params["padding"]):
            inpt = self._call_kernel(pad, inpt, params["padding"], fill_for(self.fill, inpt), self.padding_mode)
        return self._call_kernel(crop, inpt, params["top"], params["left"], params["height"], params["width"])


def check_ranges(who: str, scale: Any, ratio: Any) -> None:
    """Raise or warn where the (smallest, largest) share of the area or ratio of the sides make no range."""
    for name, pair in (("scale", scale), ("ratio", ratio)):
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError(f"{who}: {name} should be a sequence of two floats, got {pair!r}")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn(f"{who}: scale {scale} and ratio {ratio} should be of kind (min, max)", stacklevel=3)


class RandomResizedCrop(Transform):
    """A random rectangle of the image, resized: how ImageNet classifiers see training pictures.

    Args:
        size: (height, width), or one number for both.
        scale: the rectangle's smallest and largest share of the image's area.
        ratio: its smallest and largest width / height.
        interpolation, antialias: of the resizing.

    Reference: Szegedy et al., "Going Deeper with Convolutions", https://arxiv.org/abs/1409.4842
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Interpolation = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = two_sizes("RandomResizedCrop", size)
        check_ranges("RandomResizedCrop", scale, ratio)
        interpolation_mode(interpolation)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random rectangle in an image, for ``functional.resized_crop``."""
        found = RandomResizedCrop(1, scale, ratio).make_params([img])
        return found["top"], found["left"], found["height"], found["width"]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The rectangle."""
        rows, columns = query_size(flat_inputs, "RandomResizedCrop")
        stream = random_numbers()
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(10):
            area = rows * columns * uniform(self.scale)
            aspect = math.exp(uniform((low, high)))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= columns and 0 < height <= rows:
                top, left = int(stream.integers(rows - height + 1)), int(stream.integers(columns - width + 1))
                return {"top": top, "left": left, "height": height, "width": width}
        # ten tries without luck: the largest middle part of an allowed shape
        width, height = columns, rows
        if columns / rows < min(self.ratio):
            height = round(columns / min(self.ratio))
        elif columns / rows > max(self.ratio):
            width = round(rows * max(self.ratio))
        return {"top": (rows - height) // 2, "left": (columns - width) // 2, "height": height, "width": width}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The cropped and resized image."""
        return self._call_kernel(
            resized_crop, inpt, **params, size=self.size, interpolation=self.interpolation, antialias=self.antialias
        )


class RandomHorizontalFlip(RandomTransform):
    """An image mirrored left to right with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mirrored image."""
        return self._call_kernel(horizontal_flip, inpt)


class RandomVerticalFlip(RandomTransform):
    """An image mirrored top to bottom with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mirrored image."""
        return self._call_kernel(vertical_flip, inpt)
