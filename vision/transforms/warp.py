"""Turning, shearing, shifting and scaling of Pillow images and tensors (..., C, H, W)."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework import dtypes
from framework.errors import ArgumentError
from framework.nn.functional import grid_sample
from framework.ops.joining import cat
from framework.ops.values import tensor
from framework.tensor import Tensor, wrap
from vision.transforms.base import Transform, uniform
from vision.transforms.images import (
    Interpolation,
    InterpolationMode,
    check_fill,
    fill_for,
    get_size,
    interpolation_mode,
    pillow_fill,
    sample_dimensions,
    unsupported,
)

Matrix = tuple[float, float, float, float, float, float]


def inverse_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> Matrix:
    """Where each output pixel comes from: the inverse of shift . centre . turn . scale . shears . -centre."""
    turn, across, down = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(turn - down) / math.cos(down)
    b = -(a * math.tan(across) + math.sin(turn))
    c = math.sin(turn - down) / math.cos(down)
    d = math.cos(turn) - c * math.tan(across)
    p, q, r, s = d / scale, -b / scale, -c / scale, a / scale  # the determinant of turn and shear is 1
    (cx, cy), (dx, dy) = center, translate
    return p, q, cx - p * (cx + dx) - q * (cy + dy), r, s, cy - r * (cx + dx) - s * (cy + dy)


def affine(
    inpt: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Interpolation = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """An image sheared, scaled and turned about a point, then shifted.

    Args:
        angle: degrees, clockwise.
        translate: pixels to the right and down.
        scale: above 0.
        shear: degrees along x and y; a single number is along x.
        interpolation: nearest or bilinear; bicubic for Pillow images only.
        fill: the value of what comes from outside, or one a channel; 0 unless given.
        center: the point (x, y) in pixels from the upper left corner; the middle unless given.
    """
    mode = interpolation_mode(interpolation)
    if not isinstance(translate, list | tuple) or len(translate) != 2:
        raise ArgumentError(f"affine: translate should be a sequence of length 2, got {translate!r}")
    if scale <= 0.0:
        raise ArgumentError(f"affine: scale should be positive, got {scale}")
    both: Any = [shear, 0.0] if isinstance(shear, numbers.Number) else list(shear)  # type: ignore[arg-type]
    both = both * 2 if len(both) == 1 else both
    if len(both) != 2:
        raise ArgumentError(f"affine: shear should be one or two numbers, got {shear!r}")
    height, width = get_size(inpt)
    if isinstance(inpt, Image.Image):
        middle = (width * 0.5, height * 0.5) if center is None else (float(center[0]), float(center[1]))
        matrix = inverse_affine(middle, angle, translate, scale, both)
        return inpt.transform(inpt.size, Image.Transform.AFFINE, matrix, mode.pillow, fillcolor=pillow_fill(fill, inpt))
    matrix = inverse_affine(_from_middle(center, width, height), angle, translate, scale, both)
    return _sampled("affine", inpt, matrix, height, width, mode, fill)


def rotate(
    inpt: Any,
    angle: float,
    interpolation: Interpolation = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """An image turned.

    Args:
        angle: degrees, counter-clockwise.
        expand: make the image as large as its turned self is, rather than cut its corners off.
        interpolation, fill, center: as in ``affine``.
    """
    mode = interpolation_mode(interpolation)
    if isinstance(inpt, Image.Image):
        middle = None if center is None else (center[0], center[1])
        return inpt.rotate(angle, mode.pillow, expand, middle, fillcolor=pillow_fill(fill, inpt))  # type: ignore[arg-type]
    if not isinstance(inpt, Tensor):
        raise unsupported("rotate", inpt)
    height, width = get_size(inpt)
    angle = angle % 360
    turned: Any = inpt
    if center is None and (angle in (0, 180) or (angle in (90, 270) and (expand or height == width))):
        return turned.rot90(int(angle // 90), dims=(-2, -1))
    matrix = inverse_affine(_from_middle(center, width, height), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    new_height, new_width = _room(matrix, height, width) if expand else (height, width)
    return _sampled("rotate", inpt, matrix, new_height, new_width, mode, fill)


def _from_middle(center: Sequence[float] | None, width: int, height: int) -> tuple[float, float]:
    """A point in pixels from the middle of the image, as tensors are sampled."""
    return (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)


def _room(matrix: Matrix, height: int, width: int) -> tuple[int, int]:
    """The height and width that a turned image takes, as Pillow reckons them."""
    corners = np.array([[x * width, y * height, 1.0] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    at = corners @ np.reshape(matrix, (2, 3)).T + (0.5 * width, 0.5 * height)
    at = np.trunc(at * 1e4) / 1e4  # an integer and a rounding error counts as the integer
    across, down = np.ceil(at.max(0)) - np.floor(at.min(0))
    return int(down), int(across)


def _sampled(name: str, image: Any, matrix: Matrix, height: int, width: int, mode: InterpolationMode, fill: Any) -> Any:
    """A tensor's pixels at the places that a matrix gives, in pixels from the middle."""
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ArgumentError(f"{name}: tensors are sampled by nearest or bilinear, got {mode.value!r}")
    rows, columns = get_size(image)
    kind = image.dtype if image.is_floating_point() else dtypes.float32
    array = kind.numpy
    points = np.ones((height, width, 3), array)
    points[..., 0] = np.linspace((1 - width) * 0.5, (width - 1) * 0.5, width, dtype=array)
    points[..., 1] = np.linspace((1 - height) * 0.5, (height - 1) * 0.5, height, dtype=array)[:, None]
    theta = np.reshape(np.asarray(matrix, array), (2, 3)).T / np.asarray([0.5 * columns, 0.5 * rows], array)
    grid = wrap(points.reshape(-1, 3) @ theta).reshape(1, height, width, 2).to(image.device)
    batch = image.reshape(-1, *image.shape[-3:]).to(kind)
    grid = grid.expand(batch.shape[0], -1, -1, -1)
    if fill is None:
        out = grid_sample(batch, grid, mode=mode.value, padding_mode="zeros", align_corners=False)
    else:
        # one more channel tells how much of each pixel comes from inside
        inside = batch.new_ones((batch.shape[0], 1, rows, columns))
        both = grid_sample(cat([batch, inside], 1), grid, mode=mode.value, padding_mode="zeros", align_corners=False)
        out, share = both[:, :-1], both[:, -1:]
        values = list(fill) if isinstance(fill, list | tuple) else [fill]
        level = tensor(values, dtype=kind, device=image.device).reshape(1, -1, 1, 1)
        out = out.where(share >= 0.5, level) if mode is InterpolationMode.NEAREST else (out - level) * share + level
    if kind is not image.dtype:
        out = out.round().to(image.dtype)
    return out.reshape(*image.shape[:-2], height, width)


def angles(name: str, value: Any, counts: tuple[int, ...] = (2,)) -> list[float]:
    """Ranges of angles: one number stands for (-number, number)."""
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ArgumentError(f"{name}: a single number must be positive, got {value}")
        value = (-value, value)  # type: ignore[operator]
    wanted = " or ".join(map(str, counts))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a number or a sequence of length {wanted}, got {type(value).__name__}")
    if len(value) not in counts:
        raise ArgumentError(f"{name} should be a sequence of length {wanted}, got {value!r}")
    return [float(v) for v in value]


def _check_pair(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length 2, got {type(value).__name__}")
    if len(value) != 2:
        raise ArgumentError(f"{name} should be a sequence of length 2, got {value!r}")


class RandomRotation(Transform):
    """An image turned by a random angle.

    Args:
        degrees: (lowest, highest), or one number for both directions; counter-clockwise.
        interpolation, expand, center, fill: as in ``functional.rotate``. The fill may be a dict by the image's type.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Interpolation = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        _check_pair("RandomRotation: center", center)
        self.degrees = angles("RandomRotation: degrees", degrees)
        self.interpolation = interpolation
        self.expand = expand
        self.fill = check_fill("RandomRotation", fill)
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The angle."""
        return {"angle": uniform(self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The turned image."""
        fill = fill_for(self.fill, inpt)
        return rotate(inpt, params["angle"], self.interpolation, self.expand, self.center, fill)


class RandomAffine(Transform):
    """An image turned, shifted, scaled and sheared at random about its centre.

    Args:
        degrees: range of the angle, clockwise, or one number for both directions.
        translate: largest shifts as shares of the width and the height; None for no shift.
        scale: range of the scale; None for 1.
        shear: range of the shear along x in degrees, or (x low, x high, y low, y high); None for none.
        interpolation, fill, center: as in ``functional.affine``. The fill may be a dict by the image's type.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Interpolation = "nearest",
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = angles("RandomAffine: degrees", degrees)
        for name, value in (("translate", translate), ("scale", scale), ("center", center)):
            _check_pair(f"RandomAffine: {name}", value)
        if translate is not None and not all(0.0 <= t <= 1.0 for t in translate):
            raise ArgumentError(f"RandomAffine: translation values should be between 0 and 1, got {translate}")
        if scale is not None and min(scale) <= 0:
            raise ArgumentError(f"RandomAffine: scale values should be positive, got {scale}")
        interpolation_mode(interpolation)
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else angles("RandomAffine: shear", shear, (2, 4))
        self.interpolation = interpolation
        self.fill = check_fill("RandomAffine", fill)
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The angle, shift, scale and shear."""
        _, height, width = sample_dimensions("RandomAffine", flat_inputs)
        angle = uniform(self.degrees)
        shift = (0, 0)
        if self.translate is not None:
            across, down = self.translate[0] * width, self.translate[1] * height
            shift = (round(uniform((-across, across))), round(uniform((-down, down))))
        scale = 1.0 if self.scale is None else uniform(self.scale)
        ranges = (*(self.shear or (0.0, 0.0)), 0.0, 0.0)
        shear = (uniform(ranges[:2]), uniform(ranges[2:4]))
        return {"angle": angle, "translate": shift, "scale": scale, "shear": shear}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The warped image."""
        fill = fill_for(self.fill, inpt)
        return affine(inpt, **params, interpolation=self.interpolation, fill=fill, center=self.center)
