"""Boxes from one format to another.

Angles are in degrees, counter-clockwise as a picture is seen, whose y axis points down; a rotated box turns around its
centre, and its "top left" corner is the one that is top left at angle 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from framework.errors import ArgumentError, ShapeError
from framework.ops.joining import cat, stack

LENGTHS = {"xyxy": 4, "xywh": 4, "cxcywh": 4, "xywhr": 5, "cxcywhr": 5, "xyxyxyxy": 8}


def _corner_and_size(boxes: Any) -> Any:
    first, last = boxes.split(2, -1)
    return cat([first, last - first], -1)


def _centre_and_size(boxes: Any) -> Any:
    first, last = boxes.split(2, -1)
    return cat([(first + last) / 2, last - first], -1)


def _from_corner_and_size(boxes: Any) -> Any:
    corner, size = boxes.split(2, -1)
    return cat([corner, corner + size], -1)


def _from_centre_and_size(boxes: Any) -> Any:
    centre, size = boxes.split(2, -1)
    half = size / 2
    return cat([centre - half, centre + half], -1)


def half_diagonal(width: Any, height: Any, turn: Any) -> tuple[Any, Any]:
    """The way from the first corner of a box that is turned, by radians, to its centre."""
    cos, sin = turn.cos(), turn.sin()
    return (width * cos + height * sin) / 2, (height * cos - width * sin) / 2


def _to_corner(boxes: Any) -> Any:
    x, y, width, height, angle = boxes.unbind(-1)
    across, down = half_diagonal(width, height, angle * (math.pi / 180))
    return stack([x - across, y - down, width, height, angle], -1)


def _to_centre(boxes: Any) -> Any:
    x, y, width, height, angle = boxes.unbind(-1)
    across, down = half_diagonal(width, height, angle * (math.pi / 180))
    return stack([x + across, y + down, width, height, angle], -1)


def _to_corners(boxes: Any) -> Any:
    x, y, width, height, angle = boxes.unbind(-1)
    turn = angle * (math.pi / 180)
    cos, sin = turn.cos(), turn.sin()
    x2, y2 = x + width * cos, y - width * sin
    across, down = height * sin, height * cos
    return stack([x, y, x2, y2, x2 + across, y2 + down, x + across, y + down], -1)


def _from_corners(boxes: Any) -> Any:
    x1, y1, x2, y2, x3, y3, _, _ = boxes.unbind(-1)
    angle = (y1 - y2).atan2(x2 - x1) * (180 / math.pi)
    return stack([x1, y1, (x2 - x1).hypot(y2 - y1), (x3 - x2).hypot(y3 - y2), angle], -1)


_STEPS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("xywh", "xyxy"): _from_corner_and_size,
    ("xyxy", "xywh"): _corner_and_size,
    ("cxcywh", "xyxy"): _from_centre_and_size,
    ("xyxy", "cxcywh"): _centre_and_size,
    ("cxcywhr", "xywhr"): _to_corner,
    ("xywhr", "cxcywhr"): _to_centre,
    ("xywhr", "xyxyxyxy"): _to_corners,
    ("xyxyxyxy", "xywhr"): _from_corners,
}


def steps(start: str, end: str) -> list[Callable[[Any], Any]]:
    """The functions that turn boxes of one format into another one after the other, in floats where need be."""
    if start == end:
        return []
    middle = "xywhr" if LENGTHS[start] > 4 else "xyxy"  # every other format has a step to this one and back
    way = [start, end] if middle in (start, end) else [start, middle, end]
    return [_STEPS[pair] for pair in pairwise(way)]


def check_boxes(name: str, boxes: Any, fmt: str) -> None:
    """Refuse boxes whose last dim has not the length of their format."""
    if boxes.ndim < 1 or boxes.shape[-1] != LENGTHS[fmt]:
        raise ShapeError(f"{name}: boxes in {fmt!r} should have shape (..., {LENGTHS[fmt]}), got {tuple(boxes.shape)}")


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """Boxes in another format.

    Args:
        boxes: in ``in_fmt``. Integers stay integers, rounded where boxes are turned; but "cxcywh" has halves, in floats.
        in_fmt, out_fmt: "xyxy" (left, top, right, bottom), "xywh" (left, top, width, height) or "cxcywh" (centre,
            width, height); or, for rotated boxes, "xywhr" (top left corner, width, height, degrees), "cxcywhr" (centre,
            width, height, degrees) or "xyxyxyxy" (the corners top left, top right, bottom right, bottom left).

    Shape:
        (..., K), K being 4, 5 or 8 as the format has it.

    Raises:
        ArgumentError: a format is unknown, or one is of rotated boxes and the other is not.
        ShapeError: the boxes have not as many numbers as ``in_fmt``.

    Example:
        >>> box_convert(framework.tensor([[10.0, 20.0, 30.0, 60.0]]), "xyxy", "xywh")
        tensor([[10., 20., 20., 40.]])
    """
    if in_fmt not in LENGTHS or out_fmt not in LENGTHS or (LENGTHS[in_fmt] > 4) is not (LENGTHS[out_fmt] > 4):
        raise ArgumentError(
            f"box_convert: no conversion from {in_fmt!r} to {out_fmt!r}; it knows 'xyxy', 'xywh' and 'cxcywh' among "
            "each other, and 'xywhr', 'cxcywhr' and 'xyxyxyxy'"
        )
    check_boxes("box_convert", boxes, in_fmt)
    if in_fmt == out_fmt:
        return boxes.clone()
    rounded = LENGTHS[in_fmt] > 4 and not boxes.is_floating_point()
    out = boxes
    for step in steps(in_fmt, out_fmt):
        out = step(out.double()).round() if rounded else step(out)
    return out.to(boxes.dtype) if rounded else out
