"""Turning, shearing, shifting and scaling of Pillow images and tensors (..., C, H, W)."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework.errors import ArgumentError
from vision.transforms.dispatch import functional
from vision.transforms.images import Interpolation, InterpolationMode, get_size, interpolation_mode, pillow_fill
from vision.transforms.sampling import sample_at, sampling_dtype

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


def forward_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> Matrix:
    """Where each input pixel goes to."""
    p, q, u, r, s, v = inverse_affine(center, angle, translate, scale, shear)
    size = p * s - q * r
    a, b, c, d = s / size, -q / size, -r / size, p / size
    return a, b, -(a * u + b * v), c, d, -(c * u + d * v)


def check_affine(translate: Any, scale: float, shear: Any) -> list[float]:
    """The shear along x and y in degrees, or an error about one of the arguments."""
    if not isinstance(translate, list | tuple) or len(translate) != 2:
        raise ArgumentError(f"affine: translate should be a sequence of length 2, got {translate!r}")
    if scale <= 0.0:
        raise ArgumentError(f"affine: scale should be positive, got {scale}")
    both: list[float] = [shear, 0.0] if isinstance(shear, numbers.Number) else list(shear)  # type: ignore[list-item]
    both = both * 2 if len(both) == 1 else both
    if len(both) != 2:
        raise ArgumentError(f"affine: shear should be one or two numbers, got {shear!r}")
    return both


@functional
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
    both = check_affine(translate, scale, shear)
    height, width = get_size(inpt)
    if isinstance(inpt, Image.Image):
        middle = (width * 0.5, height * 0.5) if center is None else (float(center[0]), float(center[1]))
        matrix = inverse_affine(middle, angle, translate, scale, both)
        return inpt.transform(inpt.size, Image.Transform.AFFINE, matrix, mode.pillow, fillcolor=pillow_fill(fill, inpt))
    matrix = inverse_affine(from_middle(center, width, height), angle, translate, scale, both)
    return _sampled("affine", inpt, matrix, height, width, mode, fill)


@functional
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
    height, width = get_size(inpt)
    angle = angle % 360
    turned: Any = inpt
    if center is None and (angle in (0, 180) or (angle in (90, 270) and (expand or height == width))):
        return turned.rot90(int(angle // 90), dims=(-2, -1))
    matrix = inverse_affine(from_middle(center, width, height), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    new_height, new_width = turned_size(matrix, height, width) if expand else (height, width)
    return _sampled("rotate", inpt, matrix, new_height, new_width, mode, fill)


def from_middle(center: Sequence[float] | None, width: int, height: int) -> tuple[float, float]:
    """A point in pixels from the middle of the image, as tensors are sampled."""
    return (0.0, 0.0) if center is None else (center[0] - width * 0.5, center[1] - height * 0.5)


def turned_size(matrix: Matrix, height: int, width: int) -> tuple[int, int]:
    """The height and width that a turned image takes, as Pillow reckons them."""
    corners = np.array([[x * width, y * height, 1.0] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    at = corners @ np.reshape(matrix, (2, 3)).T + (0.5 * width, 0.5 * height)
    at = np.trunc(at * 1e4) / 1e4  # an integer and a rounding error counts as the integer
    across, down = np.ceil(at.max(0)) - np.floor(at.min(0))
    return int(down), int(across)


def _sampled(name: str, image: Any, matrix: Matrix, height: int, width: int, mode: InterpolationMode, fill: Any) -> Any:
    """A tensor's pixels at the places that a matrix gives, in pixels from the middle."""
    rows, columns = get_size(image)
    array = sampling_dtype(image).numpy
    points = np.ones((height, width, 3), array)
    points[..., 0] = np.linspace((1 - width) * 0.5, (width - 1) * 0.5, width, dtype=array)
    points[..., 1] = np.linspace((1 - height) * 0.5, (height - 1) * 0.5, height, dtype=array)[:, None]
    theta = np.reshape(np.asarray(matrix, array), (2, 3)).T / np.asarray([0.5 * columns, 0.5 * rows], array)
    return sample_at(name, image, (points.reshape(-1, 3) @ theta).reshape(height, width, 2), mode, fill)
