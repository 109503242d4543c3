"""What geometric transforms do to bounding boxes: they follow the image, and are cut at its border."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from framework import dtypes
from framework.errors import ArgumentError
from framework.ops.joining import cat, stack
from framework.ops.values import tensor
from vision import tv_tensors
from vision.transforms import geometry, points, warp
from vision.transforms.boxes import CORNERS, clamped, converted
from vision.transforms.dispatch import kernel
from vision.transforms.distortion import elastic, perspective
from vision.transforms.images import four_sides
from vision.transforms.rotated import rectangles
from vision.tv_tensors import BoundingBoxes, BoundingBoxFormat

_UPRIGHT = BoundingBoxFormat.XYXY
_PLACED_ONCE = (BoundingBoxFormat.XYWH, BoundingBoxFormat.CXCYWH, BoundingBoxFormat.XYWHR, BoundingBoxFormat.CXCYWHR)


def _settled(boxes: Any, data: Any, format: BoundingBoxFormat, canvas_size: Sequence[int]) -> Any:
    """New numbers in some format, cut at the border, as boxes like the old."""
    data = clamped(data, format, canvas_size, boxes.clamping_mode)
    data = converted(data, format, boxes.format).to(boxes.dtype)
    return tv_tensors.wrap(data, like=boxes, canvas_size=tuple(canvas_size))


def _moved(boxes: Any, move: Callable[[Any], Any], canvas_size: Sequence[int]) -> Any:
    """The boxes around where ``move`` takes the corners (N, 4, 2) of others."""
    if not boxes.numel():
        return tv_tensors.wrap(boxes, like=boxes, canvas_size=tuple(canvas_size))
    data = tv_tensors.plain(boxes)
    data = data if data.is_floating_point() else data.to(dtypes.float32)
    if boxes.format.rotated:
        corners = converted(data, boxes.format, CORNERS).reshape(-1, 4, 2)
        return _settled(boxes, rectangles(move(corners).flatten(1)), CORNERS, canvas_size)
    upright = converted(data, boxes.format, _UPRIGHT)
    corners = move(upright[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2))
    return _settled(boxes, cat([corners.amin(1), corners.amax(1)], 1), _UPRIGHT, canvas_size)


def _shifted(boxes: Any, across: int, down: int, canvas_size: Sequence[int]) -> Any:
    data = tv_tensors.plain(boxes)
    count = boxes.format.length
    steps = [across, down] + [0] * (count - 2) if boxes.format in _PLACED_ONCE else [across, down] * (count // 2)
    return _settled(boxes, data + tensor(steps, dtype=data.dtype, device=data.device), boxes.format, canvas_size)


@kernel(geometry.crop, BoundingBoxes)
def _crop(boxes: Any, top: int, left: int, height: int, width: int) -> Any:
    return _shifted(boxes, -left, -top, (height, width))


@kernel(geometry.pad, BoundingBoxes)
def _pad(boxes: Any, padding: int | Sequence[int], fill: Any = None, padding_mode: str = "constant") -> Any:
    if padding_mode != "constant":
        raise ArgumentError(f"pad: padding_mode {padding_mode!r} is not supported with bounding boxes; use 'constant'")
    left, top, right, bottom = four_sides("pad", padding)
    height, width = boxes.canvas_size
    return _shifted(boxes, left, top, (height + top + bottom, width + left + right))


@kernel(geometry.resize, BoundingBoxes)
def _resize(
    boxes: Any,
    size: int | Sequence[int] | None,
    interpolation: Any = None,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    height, width = boxes.canvas_size
    new = geometry.resized_shape(height, width, size, max_size)
    if new == (height, width):
        return boxes
    scale = tensor([new[1] / width, new[0] / height], device=boxes.device)
    if boxes.format.rotated:
        return _moved(boxes, lambda corners: corners * scale, new)
    data = (tv_tensors.plain(boxes) * cat([scale, scale])).to(boxes.dtype)
    return tv_tensors.wrap(data, like=boxes, canvas_size=new)


def _flipped(boxes: Any, axis: int) -> Any:
    """Boxes mirrored along x (axis 0) or y (axis 1)."""
    length = boxes.canvas_size[1 - axis]
    values = list(tv_tensors.plain(boxes).unbind(1))
    format = boxes.format
    if format is CORNERS:
        values[axis::2] = [length - value for value in values[axis::2]]
        values = [values[n] for n in (2, 3, 0, 1, 6, 7, 4, 5)]  # clockwise again
    elif format is _UPRIGHT:
        values[axis], values[axis + 2] = length - values[axis + 2], length - values[axis]
    else:
        if format is BoundingBoxFormat.XYWH:
            values[axis] = values[axis] + values[axis + 2]
        elif format is BoundingBoxFormat.XYWHR:  # the mirrored box's first corner is the second one
            turn = values[4] * (math.pi / 180)
            values[0], values[1] = values[0] + values[2] * turn.cos(), values[1] - values[2] * turn.sin()
        values[axis] = length - values[axis]
        if format.rotated:
            values[4] = -values[4] if axis == 0 else 180 - values[4]
    return tv_tensors.wrap(stack(values, 1), like=boxes)


kernel(geometry.horizontal_flip, BoundingBoxes)(lambda boxes: _flipped(boxes, 0))
kernel(geometry.vertical_flip, BoundingBoxes)(lambda boxes: _flipped(boxes, 1))


@kernel(warp.affine, BoundingBoxes)
def _affine(
    boxes: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = None,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    move = points.affine_map(boxes, angle, translate, scale, warp.check_affine(translate, scale, shear), center)
    return _moved(boxes, move, boxes.canvas_size)


@kernel(warp.rotate, BoundingBoxes)
def _rotate(
    boxes: Any,
    angle: float,
    interpolation: Any = None,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    move, canvas_size = points.turn_map(boxes, angle, expand, center)
    return _moved(boxes, move, canvas_size)


@kernel(perspective, BoundingBoxes)
def _perspective(
    boxes: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = None,
    fill: Any = None,
    coefficients: Sequence[float] | None = None,
) -> Any:
    return _moved(boxes, points.perspective_map(boxes, startpoints, endpoints, coefficients), boxes.canvas_size)


@kernel(elastic, BoundingBoxes)
def _elastic(boxes: Any, displacement: Any, interpolation: Any = None, fill: Any = None) -> Any:
    move = points.elastic_map(boxes, displacement)
    if not boxes.format.rotated:
        return _moved(boxes, lambda corners: move(corners.ceil()), boxes.canvas_size)
    data = converted(tv_tensors.plain(boxes), boxes.format, BoundingBoxFormat.CXCYWHR)
    data = cat([move(data[:, :2].ceil()), data[:, 2:]], 1)  # only its middle moves
    return _settled(boxes, data, BoundingBoxFormat.CXCYWHR, boxes.canvas_size)
