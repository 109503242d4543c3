"""Boxes from one format to another.

Angles are in degrees, counter-clockwise as a picture is seen, whose y axis points down; a rotated box turns around its
centre, and its "top left" corner is the one that is top left at angle 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import framework
from framework.errors import ArgumentError, ShapeError

LENGTHS = {"xyxy": 4, "xywh": 4, "cxcywh": 4, "xywhr": 5, "cxcywhr": 5, "xyxyxyxy": 8}


def _xywh_to_xyxy(boxes: Any) -> Any:
    x, y, w, h = boxes.unbind(-1)
    return framework.stack([x, y, x + w, y + h], -1)


def _xyxy_to_xywh(boxes: Any) -> Any:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return framework.stack([x1, y1, x2 - x1, y2 - y1], -1)


def _cxcywh_to_xyxy(boxes: Any) -> Any:
    x, y, w, h = boxes.unbind(-1)
    return framework.stack([x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h], -1)


def _xyxy_to_cxcywh(boxes: Any) -> Any:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return framework.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], -1)


def _turn(degrees: Any) -> tuple[Any, Any]:
    angle = degrees * math.pi / 180.0
    return framework.cos(angle), framework.sin(angle)


def _to_centre(w: Any, h: Any, degrees: Any) -> tuple[Any, Any]:
    """The way from the top left corner of a rotated box to its centre."""
    cos, sin = _turn(degrees)
    return w / 2 * cos + h / 2 * sin, h / 2 * cos - w / 2 * sin


def _cxcywhr_to_xywhr(boxes: Any) -> Any:
    x, y, w, h, r = boxes.unbind(-1)
    dx, dy = _to_centre(w, h, r)
    return framework.stack([x - dx, y - dy, w, h, r], -1)


def _xywhr_to_cxcywhr(boxes: Any) -> Any:
    x, y, w, h, r = boxes.unbind(-1)
    dx, dy = _to_centre(w, h, r)
    return framework.stack([x + dx, y + dy, w, h, r], -1)


def _xywhr_to_corners(boxes: Any) -> Any:
    x, y, w, h, r = boxes.unbind(-1)
    cos, sin = _turn(r)
    right = w * cos, -w * sin
    down = h * sin, h * cos
    x2, y2 = x + right[0], y + right[1]
    return framework.stack([x, y, x2, y2, x2 + down[0], y2 + down[1], x + down[0], y + down[1]], -1)


def _corners_to_xywhr(boxes: Any) -> Any:
    x1, y1, x2, y2, x3, y3, _, _ = boxes.unbind(-1)
    w = ((x2 - x1) ** 2 + (y1 - y2) ** 2).sqrt()
    h = ((x3 - x2) ** 2 + (y3 - y2) ** 2).sqrt()
    return framework.stack([x1, y1, w, h, framework.atan2(y1 - y2, x2 - x1) * 180 / math.pi], -1)


_STEPS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("xywh", "xyxy"): _xywh_to_xyxy,
    ("xyxy", "xywh"): _xyxy_to_xywh,
    ("cxcywh", "xyxy"): _cxcywh_to_xyxy,
    ("xyxy", "cxcywh"): _xyxy_to_cxcywh,
    ("cxcywhr", "xywhr"): _cxcywhr_to_xywhr,
    ("xywhr", "cxcywhr"): _xywhr_to_cxcywhr,
    ("xywhr", "xyxyxyxy"): _xywhr_to_corners,
    ("xyxyxyxy", "xywhr"): _corners_to_xywhr,
}


def _step(boxes: Any, start: str, end: str) -> Any:
    """One conversion. Integer rotated boxes stay integers, rounded."""
    out = _STEPS[start, end](boxes)
    if LENGTHS[start] > 4 and not boxes.is_floating_point():
        return out.round().to(boxes.dtype)
    return out


def check_boxes(name: str, boxes: Any, fmt: str) -> None:
    """Refuse boxes whose last dim has not the length of their format."""
    if boxes.ndim < 1 or boxes.shape[-1] != LENGTHS[fmt]:
        raise ShapeError(f"{name}: boxes in {fmt!r} should have shape (..., {LENGTHS[fmt]}), got {tuple(boxes.shape)}")


def box_convert(boxes: Any, in_fmt: str, out_fmt: str) -> Any:
    """Boxes in another format.

    Args:
        boxes: in ``in_fmt``. Integers stay integers; angles are rounded then.
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
    middle = "xywhr" if LENGTHS[in_fmt] > 4 else "xyxy"  # every other format has a step to this one and back
    way = [in_fmt, out_fmt] if middle in (in_fmt, out_fmt) else [in_fmt, middle, out_fmt]
    for start, end in pairwise(way):
        boxes = _step(boxes, start, end)
    return boxes
