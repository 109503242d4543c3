"""Intersection over union of rotated boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.tensor import wrap

PAIRS = 1 << 15  # pairs of boxes looked at together
MARGIN = 1e-9  # of the unit that the coordinates are brought to: a corner so near an edge is on it


def rotated_iou(boxes1: Any, boxes2: Any) -> Any:
    """Intersection over union of each rotated box of the first set with each of the second, without a gradient.

    Args:
        boxes1, boxes2: centre, width, height and degrees, of one floating dtype.

    Shape:
        (N, 5), (M, 5) -> (N, M), float32, computed in float64.

    Raises:
        ShapeError, DtypeError: the operands are not as said.
    """
    for boxes in (boxes1, boxes2):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ShapeError(f"box_iou: rotated boxes should have shape (N, 5), got {tuple(boxes.shape)}")
    if boxes1.dtype != boxes2.dtype or not boxes1.is_floating_point():
        raise DtypeError(
            f"box_iou: rotated boxes should have one floating dtype, got {boxes1.dtype} and {boxes2.dtype}"
        )
    first, second = boxes1.array.astype("float64"), boxes2.array.astype("float64")
    xp = array_module(first)
    out = xp.zeros((len(first), len(second)), "float32")
    step = max(PAIRS // max(len(second), 1), 1)
    with np.errstate(all="ignore"):  # of boxes without an area, and of parallel sides
        for start in range(0, len(first) if len(second) else 0, step):
            out[start : start + step] = _iou(first[start : start + step, None], second[None])
    return wrap(out)


def _iou(a: Any, b: Any) -> Any:
    """The IoU of boxes (N, 1, 5) and (1, M, 5)."""
    xp = array_module(a)
    areas = a[..., 2] * a[..., 3], b[..., 2] * b[..., 3]
    # around a pair's middle and in units of its size, so that neither costs digits
    middle = (a[..., :2] + b[..., :2]) / 2
    unit = xp.maximum(a[..., 2:4].max(-1), b[..., 2:4].max(-1))[..., None, None]
    p, q = ((_corners(box) - middle[..., None, :]) / unit for box in (a, b))
    shared = _shared_area(p, q) * unit[..., 0, 0] ** 2
    iou = shared / (areas[0] + areas[1] - shared)
    return xp.where((areas[0] > 0) & (areas[1] > 0), iou, 0)


def _corners(box: Any) -> Any:
    """The corners (..., 4, 2) of boxes (..., 5), in order around the box."""
    xp = array_module(box)
    x, y, w, h, degrees = (box[..., i, None] for i in range(5))
    cos, sin = xp.cos(xp.deg2rad(degrees)), xp.sin(xp.deg2rad(degrees))
    right = w / 2 * xp.asarray([-1.0, 1.0, 1.0, -1.0])
    down = h / 2 * xp.asarray([-1.0, -1.0, 1.0, 1.0])
    return xp.stack([x + right * cos + down * sin, y - right * sin + down * cos], -1)


def _shared_area(p: Any, q: Any) -> Any:
    """The area of the intersections of rectangles given by corners (..., 4, 2).

    An intersection is the convex hull of the corners of each that lie in the other and of the points where sides cross:
    sorted by their angle around its middle, they go around it once.
    """
    xp = array_module(p)
    crossings, crossed = _crossings(p, q)
    p, q = xp.broadcast_arrays(p, q)
    points = xp.concatenate([crossings, p, q], -2)  # (N, M, 24, 2)
    found = xp.concatenate([crossed, _inside(p, q), _inside(q, p)], -1)
    points = xp.where(found[..., None], points, 0)
    count = found.sum(-1)
    points -= (points.sum(-2) / xp.maximum(count, 1)[..., None])[..., None, :]
    angle = xp.where(found, xp.arctan2(points[..., 1], points[..., 0]), xp.inf)
    order = xp.argsort(angle, -1)
    points = xp.take_along_axis(points, order[..., None], -2)
    here = xp.arange(points.shape[-2]) < count[..., None]
    points = xp.where(here[..., None], points, points[..., :1, :])  # the rest repeat the first and add no area
    following = xp.roll(points, -1, -2)
    return xp.abs(_cross(points, following).sum(-1)) / 2


def _cross(a: Any, b: Any) -> Any:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _crossings(p: Any, q: Any) -> tuple[Any, Any]:
    """Where each side of ``p`` meets each of ``q``, (..., 16, 2), and whether it does within both."""
    xp = array_module(p)
    along_p = (xp.roll(p, -1, -2) - p)[..., :, None, :]
    along_q = (xp.roll(q, -1, -2) - q)[..., None, :, :]
    between = q[..., None, :, :] - p[..., :, None, :]
    determinant = _cross(along_p, along_q)
    s, t = _cross(between, along_q) / determinant, _cross(between, along_p) / determinant
    crossed = (s >= 0) & (s <= 1) & (t >= 0) & (t <= 1) & (abs(determinant) > 1e-14)
    where = p[..., :, None, :] + xp.where(crossed, s, 0)[..., None] * along_p
    shape = crossed.shape[:-2]
    return where.reshape(*shape, 16, 2), crossed.reshape(*shape, 16)


def _inside(points: Any, corners: Any) -> Any:
    """Which of the points (..., 4, 2) lie in the rectangle with these corners, or on its edge."""
    found: Any = True
    start = corners[..., :1, :]
    for end in (corners[..., 1:2, :], corners[..., 3:4, :]):
        side = end - start
        share = ((points - start) * side).sum(-1)
        found = found & (share >= -MARGIN) & (share <= (side * side).sum(-1) + MARGIN)
    return found
