"""Boxes that are turned: rectangles about them, and cutting them at an image's border.

Corners go clockwise from the box's own upper left one: (..., 8) numbers x1, y1 ... x4, y4. Angles are degrees,
counter-clockwise as one looks at the image, whose y axis points down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from framework import dtypes
from framework.ops.gather import gather
from framework.ops.joining import stack
from framework.ops.ranges import arange
from framework.ops.selection import where
from vision.ops.formats import half_diagonal, steps

_PRECISE = (dtypes.float32, dtypes.float64)


def precise(boxes: Any) -> Any:
    """Numbers whose squares neither overflow nor lose much."""
    return boxes if boxes.dtype in _PRECISE else boxes.to(dtypes.float32)


def rectangles(parallelograms: Any) -> Any:
    """The corners (N, 8) of a rectangle about each parallelogram: it keeps the middle and the longer side's slope.

    torchvision 0.28 makes it too small where the angle between the sides wraps around; here it does not matter at which
    corner a box begins.
    """
    x1, y1, x2, y2, x3, y3, x4, y4 = precise(parallelograms).unbind(-1)
    top, side = (x2 - x1).hypot(y2 - y1), (x4 - x1).hypot(y4 - y1)
    along_top, along_side = (y1 - y2).atan2(x2 - x1), (y1 - y4).atan2(x4 - x1)
    between = along_top - along_side
    sin, cos = between.sin(), between.cos().abs()
    width = where(top < side, top * sin, top + side * cos)
    height = where(top > side, side * sin, side + top * cos)
    turn = where(side > top, along_side + math.pi / 2, along_top)
    across, down = half_diagonal(width, height, turn)
    boxes = stack([(x1 + x3) / 2 - across, (y1 + y3) / 2 - down, width, height, turn * (180 / math.pi)], -1)
    (to_corners,) = steps("xywhr", "xyxyxyxy")
    return to_corners(boxes).to(parallelograms.dtype)


def clamp_rotated(corners: Any, canvas_size: Sequence[int], hard: bool) -> Any:
    """Turned boxes (N, 8) cut at the image's four borders, their angles kept.

    Args:
        corners: the boxes.
        canvas_size: the image's (height, width).
        hard: cut until the whole box lies inside; else as long as it covers all that it covered of the image.
    """
    if not corners.numel():
        return corners.clone()
    height, width = canvas_size
    before = corners
    places = arange(8, device=corners.device)
    for _ in range(4):  # cut at the left border, then turn the image by a quarter
        shift = 2 * _leftmost(corners).unsqueeze(1)
        order, back = (places + shift) % 8, (places - shift) % 8
        cut = _cut_left(gather(corners, 1, order), gather(before, 1, order), (height, width), hard)
        corners, before = (_quarter_turn(boxes, width) for boxes in (gather(cut, 1, back), before))
        height, width = width, height
    return corners


def _quarter_turn(boxes: Any, width: int) -> Any:
    x, y = boxes[:, 0::2], boxes[:, 1::2]
    return stack([y, width - x], -1).flatten(1)


def _leftmost(boxes: Any) -> Any:
    """The number of each box's corner with the smallest x; of two the upper one."""
    x, y = boxes[:, 0::2], boxes[:, 1::2]
    weight = y / y.abs().amax(1, keepdim=True) + x / x.abs().amax(1, keepdim=True) * 100
    return weight.argmin(1)


def _lines(boxes: Any) -> tuple[Any, Any]:
    """Slope and height at x = 0 of the lines through the sides (N, 4)."""
    x, y = boxes[:, 0::2], boxes[:, 1::2]
    slope = (y.roll(-1, 1) - y) / (x.roll(-1, 1) - x)
    return slope, y - slope * x


def _crossings(slope: Any, start: Any) -> Any:
    """The corners (N, 8) where each line meets the one before it."""
    x = (start.roll(1, 1) - start) / (slope - slope.roll(1, 1))
    return stack([x, slope * x + start], -1).flatten(1)


def _cut_left(boxes: Any, before: Any, canvas_size: tuple[int, int], hard: bool) -> Any:
    """Boxes whose first corner is the leftmost, cut at x = 0."""
    slope, _ = _lines(boxes)
    moved = _crossings(slope, _moved_lines(boxes, before, canvas_size, hard))
    x, y = boxes[:, 0::2], boxes[:, 1::2]
    (x1, x2, _, _), (y1, y2, y3, y4) = x.unbind(1), y.unbind(1)
    level = y1.isclose(y2) | y3.isclose(y4)  # the box is not turned: two corners move along its sides
    pushed = boxes.clone()
    pushed[:, 0::6] = pushed[:, 0::6].clamp(min=0)
    gone = (x <= 0).all(1) | y1.isclose(y4) | y2.isclose(y3) | (level & x1.isclose(x2))
    turned = (x1 < 0) & ~moved.isnan().any(1)
    out = boxes
    for condition, choice in ((turned, moved), (level, pushed), (gone, boxes.new_zeros(boxes.shape))):
        out = where(condition.unsqueeze(1), choice, out)
    return out


def _moved_lines(boxes: Any, before: Any, canvas_size: tuple[int, int], hard: bool) -> Any:
    """Where the four sides' lines shall cross the left border, their slopes kept."""
    height, width = canvas_size
    (slope, start), (_, first) = _lines(boxes), _lines(before)
    a1, a2, a3, a4 = slope.unbind(1)
    b1, b2, b3, b4 = start.unbind(1)
    f1, f2, f3, f4 = first.unbind(1)
    b1, b4 = b2.clamp(b1, b3).clamp(0, height), b3.clamp(b2, b4).clamp(0, height)
    if hard:
        b1 = b4 = (b1 + b4) / 2
        upper = [b1 * a2 / a1, b3 * a2 / a3, (a1 - a2) * width + b1, (a3 - a2) * width + b3]
        b2 = stack(upper, 1).amax(1).minimum(b2)
        lower = [
            height * (1 - a3 / a4) + b4 * a3 / a4,
            height * (1 - a3 / a2) + b2 * a3 / a2,
            (a2 - a3) * width + b2,
            (a4 - a3) * width + b4,
        ]
        b3 = stack(lower, 1).amin(1).maximum(b3)
    return stack([b1.clamp(f1, f3), b2.clamp(f2, f4), b3.clamp(f1, f3), b4.clamp(f2, f4)], 1)
