"""Where geometric transforms take points: maps of (..., 2) coordinates, and the kernels of ``KeyPoints``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework import dtypes
from framework.errors import ArgumentError
from framework.ops.joining import stack
from framework.ops.values import tensor
from vision import tv_tensors
from vision.transforms import geometry, warp
from vision.transforms.dispatch import kernel
from vision.transforms.distortion import check_displacement, elastic, inverse_homography, perspective, undisplaced
from vision.transforms.images import four_sides
from vision.tv_tensors import KeyPoints

Map = Callable[[Any], Any]


def _linear(matrix: warp.Matrix) -> Map:
    """The map of points by a 2 x 3 matrix."""
    a, b, across, c, d, down = matrix

    def move(points: Any) -> Any:
        turn = tensor([[a, c], [b, d]], dtype=points.dtype, device=points.device)
        return points @ turn + tensor([across, down], dtype=points.dtype, device=points.device)

    return move


def _middle(inpt: Any, center: Sequence[float] | None) -> tuple[float, float]:
    height, width = inpt.canvas_size
    return (width * 0.5, height * 0.5) if center is None else (float(center[0]), float(center[1]))


def affine_map(
    inpt: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    center: Sequence[float] | None,
) -> Map:
    """Where ``affine`` takes points of the image that ``inpt`` lies in."""
    return _linear(warp.forward_affine(_middle(inpt, center), angle, translate, scale, shear))


def turn_map(inpt: Any, angle: float, expand: bool, center: Sequence[float] | None) -> tuple[Map, tuple[int, int]]:
    """Where ``rotate`` takes points, and the (height, width) of the turned image."""
    height, width = inpt.canvas_size
    turn = (-angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    a, b, across, c, d, down = warp.forward_affine(_middle(inpt, center), *turn)
    if not expand:
        return _linear((a, b, across, c, d, down)), (height, width)
    corners = np.array([[x, y] for x in (0, width) for y in (0, height)])
    left, top = (corners @ np.array([[a, c], [b, d]])).min(0).tolist()
    size = warp.turned_size(warp.inverse_affine(warp.from_middle(center, width, height), *turn), height, width)
    return _linear((a, b, -left, c, d, -top)), size  # the turned image begins at (0, 0), wherever it was turned about


def perspective_map(inpt: Any, startpoints: Any, endpoints: Any, coefficients: Sequence[float] | None) -> Map:
    """Where ``perspective`` takes points."""
    matrix = inverse_homography(startpoints, endpoints, coefficients)

    def move(points: Any) -> Any:
        rows = tensor(matrix, dtype=points.dtype, device=points.device)
        out = points @ rows[:, :2].T + rows[:, 2]
        return out[..., :2] / out[..., 2:]

    return move


def elastic_map(inpt: Any, displacement: Any) -> Map:
    """Where ``elastic`` takes points, about: the way back from a pixel is taken for the way to it."""
    check_displacement(displacement, inpt.canvas_size)
    height, width = inpt.canvas_size

    def move(points: Any) -> Any:
        back = undisplaced(displacement, inpt.canvas_size).to(points.dtype)
        column, row = points.to(dtypes.int64).unbind(-1)
        places = back[row.clamp(0, height - 1), column.clamp(0, width - 1)]
        size = tensor([width, height], dtype=points.dtype, device=points.device)
        return (places + 1) * (size * 0.5) - 0.5

    return move


def _moved(points: Any, move: Map, canvas_size: Sequence[int] | None = None) -> Any:
    canvas_size = points.canvas_size if canvas_size is None else tuple(canvas_size)
    data = tv_tensors.plain(points)
    work = data if data.is_floating_point() else data.to(dtypes.float32)
    return tv_tensors.wrap(move(work).to(data.dtype) if data.numel() else data, like=points, canvas_size=canvas_size)


def _shifted(points: Any, across: int, down: int, canvas_size: Sequence[int]) -> Any:
    step = tensor([across, down], dtype=points.dtype, device=points.device)
    return tv_tensors.wrap(tv_tensors.plain(points) + step, like=points, canvas_size=tuple(canvas_size))


@kernel(geometry.crop, KeyPoints)
def _crop(points: Any, top: int, left: int, height: int, width: int) -> Any:
    return _shifted(points, -left, -top, (height, width))


@kernel(geometry.pad, KeyPoints)
def _pad(points: Any, padding: int | Sequence[int], fill: Any = None, padding_mode: str = "constant") -> Any:
    if padding_mode != "constant":
        raise ArgumentError(f"pad: padding_mode {padding_mode!r} is not supported with keypoints; use 'constant'")
    left, top, right, bottom = four_sides("pad", padding)
    height, width = points.canvas_size
    return _shifted(points, left, top, (height + top + bottom, width + left + right))


@kernel(geometry.resize, KeyPoints)
def _resize(
    points: Any,
    size: int | Sequence[int] | None,
    interpolation: Any = None,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    height, width = points.canvas_size
    new = geometry.resized_shape(height, width, size, max_size)
    scale = tensor([new[1] / width, new[0] / height], device=points.device)
    return points if new == (height, width) else _moved(points, lambda places: places * scale, new)


def _flipped(points: Any, axis: int) -> Any:
    """Points mirrored along x (axis 0) or y (axis 1). They are pixels: the first comes to be the last."""
    place = list(tv_tensors.plain(points).unbind(-1))
    place[axis] = points.canvas_size[1 - axis] - 1 - place[axis]
    return tv_tensors.wrap(stack(place, -1), like=points)


kernel(geometry.horizontal_flip, KeyPoints)(lambda points: _flipped(points, 0))
kernel(geometry.vertical_flip, KeyPoints)(lambda points: _flipped(points, 1))


@kernel(warp.affine, KeyPoints)
def _affine(
    points: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = None,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    both = warp.check_affine(translate, scale, shear)
    return _moved(points, affine_map(points, angle, translate, scale, both, center))


@kernel(warp.rotate, KeyPoints)
def _rotate(
    points: Any,
    angle: float,
    interpolation: Any = None,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    return _moved(points, *turn_map(points, angle, expand, center))


@kernel(perspective, KeyPoints)
def _perspective(
    points: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = None,
    fill: Any = None,
    coefficients: Sequence[float] | None = None,
) -> Any:
    return _moved(points, perspective_map(points, startpoints, endpoints, coefficients))


@kernel(elastic, KeyPoints)
def _elastic(points: Any, displacement: Any, interpolation: Any = None, fill: Any = None) -> Any:
    return _moved(points, elastic_map(points, displacement))
