"""Non-maximum suppression: of boxes that overlap much, the one with the best score stays."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.errors import DtypeError, ShapeError
from framework.kernels import choose
from framework.tensor import wrap


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
    return wrap(choose("boxes", corners, values).nms(corners, values, iou_threshold))


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
    return wrap(choose("boxes", corners, values).nms(corners, values, iou_threshold, categories))


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
