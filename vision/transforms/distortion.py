"""Perspective and elastic distortion, of Pillow images and tensors (..., C, H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework.errors import ArgumentError, ShapeError
from framework.tensor import Tensor, wrap
from vision.transforms.convert import pil_to_tensor, to_pil_image
from vision.transforms.dispatch import functional
from vision.transforms.images import Interpolation, InterpolationMode, get_size, interpolation_mode, pillow_fill
from vision.transforms.sampling import sample_at, sampling_dtype


def perspective_coefficients(startpoints: Any, endpoints: Any) -> list[float]:
    """The a..h by which the point (x, y) of the result comes from ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / ...).

    Args:
        startpoints, endpoints: four corners (x, y) before and after.
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ArgumentError(
            f"perspective: expected exactly four corners, got {len(startpoints)} startpoints and {len(endpoints)} "
            "endpoints"
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solution = np.linalg.lstsq(np.array(rows, np.float64), np.array(startpoints, np.float64).ravel(), rcond=None)[0]
    return [float(value) for value in solution]


def _checked_coefficients(startpoints: Any, endpoints: Any, coefficients: Sequence[float] | None) -> list[float]:
    if coefficients is None:
        if startpoints is None or endpoints is None:
            raise ArgumentError("perspective: pass either startpoints and endpoints, or coefficients")
        return perspective_coefficients(startpoints, endpoints)
    if startpoints is not None and endpoints is not None:
        raise ArgumentError("perspective: startpoints and endpoints go without coefficients")
    if len(coefficients) != 8:
        raise ArgumentError(f"perspective: coefficients should be 8 numbers, got {len(coefficients)}")
    return [float(value) for value in coefficients]


def inverse_homography(startpoints: Any, endpoints: Any, coefficients: Sequence[float] | None) -> list[list[float]]:
    """The 3 x 3 matrix by which points (x, y, 1) of the image go to the result."""
    values = _checked_coefficients(startpoints, endpoints, coefficients)
    matrix = np.array([*values, 1.0]).reshape(3, 3)
    if values[0] * values[4] == values[1] * values[3]:
        raise ArgumentError(f"perspective: coefficients {values} cannot be inverted, as boxes and points need it")
    inverse: list[list[float]] = np.linalg.inv(matrix).tolist()
    return inverse


@functional
def perspective(
    inpt: Any,
    startpoints: Sequence[Sequence[int]] | None,
    endpoints: Sequence[Sequence[int]] | None,
    interpolation: Interpolation = InterpolationMode.BILINEAR,
    fill: Any = None,
    coefficients: Sequence[float] | None = None,
) -> Any:
    """An image seen from elsewhere.

    Args:
        startpoints: four points (x, y) of the image.
        endpoints: where they come to lie.
        interpolation: nearest or bilinear; bicubic for Pillow images only.
        fill: the value of what comes from outside, or one a channel; 0 unless given.
        coefficients: instead of the points, the 8 numbers that Pillow takes.
    """
    values = _checked_coefficients(startpoints, endpoints, coefficients)
    mode = interpolation_mode(interpolation)
    if isinstance(inpt, Image.Image):
        return inpt.transform(
            inpt.size, Image.Transform.PERSPECTIVE, values, mode.pillow, fillcolor=pillow_fill(fill, inpt)
        )
    height, width = get_size(inpt)
    array = sampling_dtype(inpt).numpy
    points = np.ones((height, width, 3), array)
    points[..., 0] = np.arange(width, dtype=array) + array.type(0.5)
    points[..., 1] = (np.arange(height, dtype=array) + array.type(0.5))[:, None]
    over = np.reshape(np.asarray(values[:6], array), (2, 3)).T / np.asarray([0.5 * width, 0.5 * height], array)
    under = np.asarray([*values[6:], 1.0], array)
    flat = points.reshape(-1, 3)
    with np.errstate(divide="ignore", invalid="ignore"):  # on the horizon
        places = (flat @ over) / (flat @ under)[:, None] - array.type(1)
    return sample_at("perspective", inpt, places.reshape(height, width, 2), mode, fill)


def _still(height: int, width: int, kind: Any) -> np.ndarray[Any, Any]:
    """Every pixel's own place, in the units of ``sample_at``."""
    places = np.empty((height, width, 2), kind)
    places[..., 0] = np.linspace((1 - width) / width, (width - 1) / width, width, dtype=kind)
    places[..., 1] = np.linspace((1 - height) / height, (height - 1) / height, height, dtype=kind)[:, None]
    return places


def check_displacement(displacement: Any, size: Sequence[int]) -> None:
    """Raise where a displacement does not fit an image of (height, width)."""
    if not isinstance(displacement, Tensor):
        raise TypeError(f"elastic: displacement should be a tensor, got {type(displacement).__name__}")
    wanted = (1, *size, 2)
    if tuple(displacement.shape) != wanted:
        raise ShapeError(f"elastic: displacement should have shape {wanted}, got {tuple(displacement.shape)}")


def undisplaced(displacement: Any, size: Sequence[int]) -> Any:
    """Where each pixel goes to, about: (height, width, 2), in the units of ``sample_at``."""
    height, width = size
    return wrap(_still(height, width, displacement.dtype.numpy)).to(displacement.device) - displacement[0]


@functional
def elastic(
    inpt: Any,
    displacement: Tensor,
    interpolation: Interpolation = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """An image with each pixel taken from a place of its own.

    Args:
        displacement: (1, H, W, 2): how far from a pixel's place its value is taken, along x and y, in units of half the
            image's width and height.
        interpolation: nearest or bilinear.
        fill: the value of what comes from outside, or one a channel; 0 unless given.
    """
    if isinstance(inpt, Image.Image):
        return to_pil_image(elastic(pil_to_tensor(inpt), displacement, interpolation, fill), inpt.mode)
    height, width = get_size(inpt)
    check_displacement(displacement, (height, width))
    array = sampling_dtype(inpt).numpy
    moved = displacement.detach().cpu().numpy()[0].astype(array, copy=False)
    places = _still(height, width, array) + moved
    return sample_at("elastic", inpt, places, interpolation_mode(interpolation), fill)


elastic_transform = elastic
