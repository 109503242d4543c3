"""Where pixels go: resizing, cropping, flipping, turning. On Pillow images, and on tensors (..., C, H, W) where it says so."""

from __future__ import annotations

import enum
import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from framework.errors import ArgumentError, ShapeError
from framework.ops.padding import pad as pad_tensor
from framework.tensor import Tensor, wrap
from vision.transforms.base import Transform, check_probability, random_numbers


class InterpolationMode(enum.Enum):
    """How a pixel is worked out from its neighbours."""

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


def image_size(inpt: Any) -> tuple[int, int]:
    """(height, width) of a Pillow image or a tensor (..., H, W)."""
    if isinstance(inpt, Image.Image):
        return inpt.height, inpt.width
    if isinstance(inpt, Tensor) and inpt.ndim >= 2:
        return inpt.shape[-2], inpt.shape[-1]
    raise TypeError(f"expected a Pillow image or a tensor of at least 2 dims, got {type(inpt).__name__}")


def pair(name: str, size: Any) -> tuple[int, int]:
    """(height, width) from a number or a sequence of one or two."""
    values = (size, size) if isinstance(size, numbers.Integral) else tuple(size)
    values = values * 2 if len(values) == 1 else values
    if len(values) != 2 or min(values) < 1:
        raise ArgumentError(f"{name}: size must be a positive number or (height, width), got {size!r}")
    return int(values[0]), int(values[1])


def pillow_only(name: str, inpt: Any) -> Image.Image:
    """The image, or an error that says where in a pipeline the transform belongs."""
    if not isinstance(inpt, Image.Image):
        raise TypeError(f"{name}: takes Pillow images, got {type(inpt).__name__}; put it before ToTensor")
    return inpt


def resized_shape(height: int, width: int, size: int | Sequence[int], max_size: int | None) -> tuple[int, int]:
    """What ``resize`` makes of a shape: one number is the shorter side's new length."""
    if not isinstance(size, numbers.Integral) and len(size) == 2:  # type: ignore[arg-type]
        if max_size is not None:
            raise ArgumentError("Resize: max_size goes with a single number as size")
        return int(size[0]), int(size[1])  # type: ignore[index]
    wanted = int(size if isinstance(size, numbers.Integral) else size[0])  # type: ignore[index,arg-type]
    if max_size is not None and max_size <= wanted:
        raise ArgumentError(f"Resize: max_size={max_size} must be greater than the size of the shorter side, {wanted}")
    short, long = min(height, width), max(height, width)
    new_long = int(wanted * long / short)
    if max_size is not None and new_long > max_size:
        wanted, new_long = int(max_size * wanted / new_long), max_size
    return (new_long, wanted) if height > width else (wanted, new_long)


def resize(
    inpt: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
) -> Any:
    """A Pillow image resized; one number is the shorter side's new length, the other side keeps the proportion."""
    image = pillow_only("Resize", inpt)
    height, width = resized_shape(image.height, image.width, size, max_size)
    return image if (height, width) == (image.height, image.width) else image.resize((width, height), interpolation.pillow)


def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """A rectangle of an image or tensor; what lies outside is zero."""
    if isinstance(inpt, Image.Image):
        return inpt.crop((left, top, left + width, top + height))
    rows, columns = image_size(inpt)
    bottom, right = top + height, left + width
    inside = inpt[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if top < 0 or left < 0 or bottom > rows or right > columns:
        inside = pad_tensor(
            inside, (max(-left, 0), max(right - columns, 0), max(-top, 0), max(bottom - rows, 0))
        )
    return inside


def center_crop(inpt: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of an image or tensor, padded with zeros where it is smaller."""
    height, width = pair("CenterCrop", output_size)
    rows, columns = image_size(inpt)
    if rows < height or columns < width:
        left, top = max(width - columns, 0) // 2, max(height - rows, 0) // 2
        right, bottom = (max(width - columns, 0) + 1) // 2, (max(height - rows, 0) + 1) // 2
        inpt = pad(inpt, [left, top, right, bottom])
        rows, columns = image_size(inpt)
    return crop(inpt, round((rows - height) / 2.0), round((columns - width) / 2.0), height, width)


def pad(inpt: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Any:
    """An image or tensor with a border: one number, (left/right, top/bottom) or (left, top, right, bottom).

    Args:
        fill: the border's value, one or one a channel, for "constant".
        padding_mode: "constant", "edge", "reflect" or "symmetric".
    """
    sides = [padding] * 4 if isinstance(padding, numbers.Integral) else list(padding)  # type: ignore[arg-type]
    sides = sides * 4 if len(sides) == 1 else sides * 2 if len(sides) == 2 else sides
    if len(sides) != 4:
        raise ArgumentError(f"Pad: padding must be 1, 2 or 4 numbers, got {padding!r}")
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ArgumentError(f"Pad: padding_mode must be constant, edge, reflect or symmetric, got {padding_mode!r}")
    left, top, right, bottom = (int(s) for s in sides)
    if isinstance(inpt, Image.Image):
        if padding_mode == "constant":
            return ImageOps.expand(inpt, (left, top, right, bottom), tuple(fill) if isinstance(fill, list) else fill)
        pixels = np.asarray(inpt)
        widths = [(top, bottom), (left, right)] + [(0, 0)] * (pixels.ndim - 2)
        return Image.fromarray(np.pad(pixels, widths, mode=padding_mode))  # type: ignore[call-overload]
    if padding_mode == "constant":
        return pad_tensor(inpt, (left, right, top, bottom), value=fill)
    widths = [(0, 0)] * (inpt.ndim - 2) + [(top, bottom), (left, right)]
    return wrap(np.pad(inpt.numpy(), widths, mode=padding_mode))  # type: ignore[call-overload]


def horizontal_flip(inpt: Any) -> Any:
    """An image or tensor mirrored left to right."""
    return inpt.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if isinstance(inpt, Image.Image) else inpt.flip(-1)


def vertical_flip(inpt: Any) -> Any:
    """An image or tensor mirrored top to bottom."""
    return inpt.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if isinstance(inpt, Image.Image) else inpt.flip(-2)


def affine(
    inpt: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: Any = 0,
    center: Sequence[float] | None = None,
) -> Any:
    """A Pillow image turned by ``angle`` degrees clockwise, sheared, scaled about its centre, and shifted by pixels."""
    image = pillow_only("affine", inpt)
    middle = (image.width * 0.5, image.height * 0.5) if center is None else tuple(center)
    matrix = _inverse_affine(middle, angle, translate, scale, shear)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, interpolation.pillow, fillcolor=fill_value(fill))


def fill_value(fill: Any) -> Any:
    """A fill as Pillow takes it."""
    return tuple(int(f) for f in fill) if isinstance(fill, list | tuple) else fill


def _inverse_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> tuple[float, ...]:
    """Where each output pixel comes from: the inverse of shift . centre . turn . shear . scale . -centre."""
    turn, across, down = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    cx, cy = center
    a = math.cos(turn - down) / math.cos(down)
    b = -math.cos(turn - down) * math.tan(across) / math.cos(down) - math.sin(turn)
    c = math.sin(turn - down) / math.cos(down)
    d = -math.sin(turn - down) * math.tan(across) / math.cos(down) + math.cos(turn)
    rows = [[d / scale, -b / scale], [-c / scale, a / scale]]  # the determinant of turn . shear is 1
    x, y = -cx - translate[0], -cy - translate[1]
    return tuple(
        value for (p, q), c0 in zip(rows, (cx, cy), strict=True) for value in (p, q, p * x + q * y + c0)
    )


class Resize(Transform):
    """A Pillow image resized; one number as ``size`` is the shorter side's new length."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool = True,
    ) -> None:
        if not isinstance(size, numbers.Integral):
            pair("Resize", size)
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return resize(inpt, self.size, self.interpolation, self.max_size)


class CenterCrop(Transform):
    """The middle of an image or tensor, padded with zeros where it is smaller."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair("CenterCrop", size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return center_crop(inpt, self.size)


class Pad(Transform):
    """A border around an image or tensor; see ``functional.pad``."""

    def __init__(self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> None:
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return pad(inpt, self.padding, self.fill, self.padding_mode)


class RandomCrop(Transform):
    """A rectangle of fixed size at a random place, after padding.

    Args:
        size: (height, width), or one number for both.
        padding: border to add first, as in ``Pad``.
        pad_if_needed: add what is missing where the image is smaller than ``size``.
        fill, padding_mode: as in ``Pad``.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        self.size = pair("RandomCrop", size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if self.padding is not None:
            inpt = pad(inpt, self.padding, self.fill, self.padding_mode)
        height, width = self.size
        rows, columns = image_size(inpt)
        if self.pad_if_needed and (rows < height or columns < width):
            inpt = pad(inpt, [max(width - columns, 0), max(height - rows, 0)], self.fill, self.padding_mode)
            rows, columns = image_size(inpt)
        if rows < height or columns < width:
            raise ShapeError(
                f"RandomCrop: required crop size {self.size} is larger than input image size {(rows, columns)}; resize "
                "first, or set pad_if_needed"
            )
        stream = random_numbers()
        top, left = int(stream.integers(rows - height + 1)), int(stream.integers(columns - width + 1))
        return crop(inpt, top, left, height, width)


class RandomResizedCrop(Transform):
    """A random rectangle of the image, resized to ``size``: how ImageNet classifiers see training pictures.

    Args:
        size: (height, width), or one number for both.
        scale: the rectangle's smallest and largest share of the image's area.
        ratio: its smallest and largest width / height.
        interpolation: of the resizing.

    Reference: Szegedy et al., "Going Deeper with Convolutions", https://arxiv.org/abs/1409.4842
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool = True,
    ) -> None:
        self.size = pair("RandomResizedCrop", size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            raise ArgumentError(f"RandomResizedCrop: scale {scale} and ratio {ratio} should be of kind (min, max)")

    def make_params(self, inpt: Any) -> dict[str, Any]:
        rows, columns = image_size(inpt)
        stream, area = random_numbers(), rows * columns
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(10):
            target = area * stream.uniform(*self.scale)
            aspect = math.exp(stream.uniform(low, high))
            width, height = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
            if 0 < width <= columns and 0 < height <= rows:
                top, left = int(stream.integers(rows - height + 1)), int(stream.integers(columns - width + 1))
                return {"top": top, "left": left, "height": height, "width": width}
        # ten tries without luck: the largest middle part of an allowed shape
        width, height = columns, rows
        if columns / rows < self.ratio[0]:
            height = round(columns / self.ratio[0])
        elif columns / rows > self.ratio[1]:
            width = round(rows * self.ratio[1])
        return {"top": (rows - height) // 2, "left": (columns - width) // 2, "height": height, "width": width}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return resize(crop(inpt, **params), self.size, self.interpolation)


class _RandomFlip(Transform):
    def __init__(self, p: float = 0.5) -> None:
        self.p = check_probability(type(self).__name__, p)

    def make_params(self, inpt: Any) -> dict[str, Any]:
        return {"flip": random_numbers().random() < self.p}


class RandomHorizontalFlip(_RandomFlip):
    """An image or tensor mirrored left to right with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return horizontal_flip(inpt) if params["flip"] else inpt


class RandomVerticalFlip(_RandomFlip):
    """An image or tensor mirrored top to bottom with probability ``p``."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return vertical_flip(inpt) if params["flip"] else inpt
