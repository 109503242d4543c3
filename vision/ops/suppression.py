"""Non-maximum suppression: of boxes that overlap much, the one with the best score stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.tensor import wrap

BLOCK = 256  # boxes compared with each other at a time


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Keep the boxes that overlap none of a better score by more than a threshold.

    Boxes are taken in descending order of score, equal scores in the order given. One stays unless its intersection
    over union with one that stayed before exceeds ``iou_threshold``; a box with a NaN has no overlap.

    Args:
        boxes: in "xyxy" format, with ``x1 < x2`` and ``y1 < y2``.
        scores: one a box, of the same dtype; NaN counts as the best score.
        iou_threshold: in [0, 1].

    Shape:
        (N, 4), (N,) -> (K,), int64 indices of the boxes kept, in descending order of score.

    Raises:
        ShapeError, DtypeError: the operands are not as said.

    Reference: blocks of boxes are decided at once, by the iteration of Zheng et al., "Cluster-NMS",
    https://arxiv.org/abs/2005.03572, run until nothing changes, where it agrees with the sequential rule.
    """
    corners, values = _checked("nms", boxes, scores)
    order = _descending(values)
    return wrap(order[_kept(corners[order], iou_threshold)])


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Any:
    """``nms`` within each category: boxes of two categories never suppress each other.

    Args:
        boxes, scores, iou_threshold: as for ``nms``.
        idxs: the category of each box.

    Shape:
        (N, 4), (N,), (N,) -> (K,), int64 indices of the boxes kept, in descending order of score.

    Raises:
        ShapeError, DtypeError: the operands are not as said.

    Where it differs: torchvision moves the categories of few boxes apart by an offset, which costs digits and fails for
    negative coordinates; here each is decided by itself whatever the number.
    """
    corners, values = _checked("batched_nms", boxes, scores)
    categories = idxs.array
    if categories.shape != values.shape:
        raise ShapeError(
            f"batched_nms: idxs should hold one category for each of {len(values)} boxes, got shape "
            f"{tuple(categories.shape)}"
        )
    xp = array_module(corners)
    order = _descending(values)
    grouped = xp.argsort(categories[order], kind="stable")  # within a category still by score
    sorted_categories = categories[order][grouped]
    bounds = xp.flatnonzero(sorted_categories[1:] != sorted_categories[:-1]) + 1
    kept = xp.zeros(len(values), bool)
    for group in xp.split(grouped, bounds.tolist()):
        kept[group] = _kept(corners[order[group]], iou_threshold)
    return wrap(order[kept])


def _checked(name: str, boxes: Any, scores: Any) -> tuple[Any, Any]:
    """The arrays of boxes and scores, in at least float32."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(f"{name}: boxes should have shape (N, 4), got {tuple(boxes.shape)}")
    if scores.ndim != 1 or scores.shape[0] != boxes.shape[0]:
        raise ShapeError(
            f"{name}: scores should hold one number for each of {boxes.shape[0]} boxes, got shape {tuple(scores.shape)}"
        )
    if boxes.dtype != scores.dtype or not boxes.is_floating_point():
        raise DtypeError(
            f"{name}: boxes and scores should have one floating dtype, got {boxes.dtype} and {scores.dtype}"
        )
    corners, values = boxes.array, scores.array
    return (corners.astype("float32"), values.astype("float32")) if corners.dtype in dtypes.HALF else (corners, values)


def _descending(values: Any) -> Any:
    """The stable order from the highest to the lowest, NaN first."""
    backwards = array_module(values).argsort(values[::-1], kind="stable")
    return len(values) - 1 - backwards[::-1]


def _kept(corners: Any, threshold: float) -> Any:
    """Which of the boxes (N, 4), best first, stay."""
    xp = array_module(corners)
    kept = xp.zeros(len(corners), bool)
    left = xp.arange(len(corners))
    sides = xp.ascontiguousarray(corners.T)  # (4, N)
    limit = _at_most(threshold, corners.dtype)
    while len(left):
        block, left = left[:BLOCK], left[BLOCK:]
        over = _overlaps(sides[:, block], sides[:, block], limit)
        block = block[_settled(xp.triu(over, 1))]
        kept[block] = True
        if len(left):
            left = left[~_overlaps(sides[:, block], sides[:, left], limit).any(0)]
    return kept


def _settled(over: Any) -> Any:
    """Which of a block's boxes stay, ``over[i, j]`` saying whether box i, being better, suppresses box j."""
    xp = array_module(over)
    stay = ~over.any(0)
    while True:
        # each round decides at least one more box for good, from the best one on
        again = ~over[stay].any(0)
        if bool(xp.array_equal(again, stay)):
            return stay
        stay = again


def _overlaps(a: Any, b: Any, limit: Any) -> Any:
    """Whether the boxes (4, N) and (4, M) overlap by more than a limit, (N, M)."""
    xp = array_module(a)
    with np.errstate(all="ignore"):  # empty boxes have 0 / 0, which is no overlap
        area_a, area_b = ((s[2] - s[0]) * (s[3] - s[1]) for s in (a, b))
        shared = _common(a[0], a[2], b[0], b[2])
        shared *= _common(a[1], a[3], b[1], b[3])
        union = area_a[:, None] + area_b
        union -= shared
        return xp.divide(shared, union, out=union) > limit


def _common(low_a: Any, high_a: Any, low_b: Any, high_b: Any) -> Any:
    """The length of the intervals' intersections, (N, M)."""
    xp = array_module(low_a)
    length = xp.minimum(high_a[:, None], high_b)
    length -= xp.maximum(low_a[:, None], low_b)
    return xp.maximum(length, 0, out=length)


def _at_most(value: float, dtype: Any) -> Any:
    """The highest number of a dtype that is not above ``value``: comparing with it is comparing with ``value``."""
    near = dtype.type(value)
    return np.nextafter(near, dtype.type(-np.inf)) if float(near) > value else near
