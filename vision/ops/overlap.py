"""How much boxes overlap, every one of a first set with every one of a second.

Computed in at least float32, or for integer boxes at least int32, and differentiable.
"""

from __future__ import annotations

import math
from typing import Any

import framework
from framework.errors import ArgumentError
from vision.ops.formats import LENGTHS, box_convert, check_boxes
from vision.ops.rotated import rotated_iou

FORMATS = ("xyxy", "xywh", "cxcywh")
_WIDE = (framework.float32, framework.float64, framework.int32, framework.int64)


def widened(boxes: Any) -> Any:
    """Boxes in a dtype in which products of sides don't overflow."""
    if boxes.dtype in _WIDE:
        return boxes
    return boxes.float() if boxes.is_floating_point() else boxes.int()


def box_area(boxes: Any, fmt: str = "xyxy") -> Any:
    """The area of each box.

    Args:
        boxes: in the format ``fmt``.
        fmt: "xyxy", "xywh" or "cxcywh".

    Shape:
        (..., 4) -> (...).

    Raises:
        ArgumentError: another format.
    """
    _check_format("box_area", fmt)
    check_boxes("box_area", boxes, fmt)
    left, top, right, bottom = widened(boxes).unbind(-1)
    return (right - left) * (bottom - top) if fmt == "xyxy" else right * bottom


def box_iou(boxes1: Any, boxes2: Any, fmt: str = "xyxy") -> Any:
    """Intersection over union of each box of the first set with each of the second.

    Args:
        boxes1, boxes2: in the format ``fmt``.
        fmt: a format of ``box_convert``. Rotated boxes give no gradient.

    Shape:
        (..., N, K), (..., M, K) -> (..., N, M); rotated boxes without leading dims.

    Raises:
        ArgumentError: another format.
        ShapeError: boxes of another length.

    Example:
        >>> box_iou(framework.tensor([[0.0, 0, 2, 2]]), framework.tensor([[1.0, 0, 3, 2]]))
        tensor([[0.3333]])
    """
    if fmt not in LENGTHS:
        raise ArgumentError(f"box_iou: unknown format {fmt!r}; use one of {', '.join(map(repr, LENGTHS))}")
    if fmt in FORMATS:
        _, _, shared, union = _pairs("box_iou", boxes1, boxes2, fmt)
        return shared / union
    check_boxes("box_iou", boxes1, fmt)
    check_boxes("box_iou", boxes2, fmt)
    return rotated_iou(box_convert(boxes1, fmt, "cxcywhr"), box_convert(boxes2, fmt, "cxcywhr"))


def generalized_box_iou(boxes1: Any, boxes2: Any) -> Any:
    """IoU less the share of the smallest enclosing box that neither box covers; from -1 to 1.

    Args:
        boxes1, boxes2: in "xyxy" format.

    Shape:
        (..., N, 4), (..., M, 4) -> (..., N, M).

    Reference: Rezatofighi et al., "Generalized Intersection over Union", https://arxiv.org/abs/1902.09630
    """
    first, second, shared, union = _pairs("generalized_box_iou", boxes1, boxes2)
    width, height = enclosing(first, second)
    area = width.clamp(min=0) * height.clamp(min=0)
    return shared / union - (area - union) / area


def distance_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """IoU less the squared distance of the centres over the squared diagonal of the enclosing box.

    Args:
        boxes1, boxes2: in "xyxy" format.
        eps: added to the squared diagonal.

    Shape:
        (..., N, 4), (..., M, 4) -> (..., N, M).

    Reference: Zheng et al., "Distance-IoU Loss", https://arxiv.org/abs/1911.08287
    """
    first, second, shared, union = _pairs("distance_box_iou", boxes1, boxes2)
    return shared / union - distance_penalty(first, second, eps)


def complete_box_iou(boxes1: Any, boxes2: Any, eps: float = 1e-7) -> Any:
    """``distance_box_iou`` less a penalty for different aspect ratios.

    Args:
        boxes1, boxes2: in "xyxy" format.
        eps: added to the denominators.

    Shape:
        (..., N, 4), (..., M, 4) -> (..., N, M).

    Reference: Zheng et al., "Distance-IoU Loss", https://arxiv.org/abs/1911.08287; the penalty's weight is taken as
    constant, as there.
    """
    first, second, shared, union = _pairs("complete_box_iou", boxes1, boxes2)
    iou = shared / union
    return iou - distance_penalty(first, second, eps) - aspect_penalty(first, second, iou, eps)


def _check_format(name: str, fmt: str) -> None:
    if fmt not in FORMATS:
        raise ArgumentError(f"{name}: unknown format {fmt!r}; use one of {', '.join(map(repr, FORMATS))}")


def _pairs(name: str, boxes1: Any, boxes2: Any, fmt: str = "xyxy") -> tuple[Any, Any, Any, Any]:
    """The sides of the first boxes (..., N, 1) and the second (..., 1, M), and the pairs' intersections and unions."""
    check_boxes(name, boxes1, fmt)
    check_boxes(name, boxes2, fmt)
    boxes1, boxes2 = widened(boxes1), widened(boxes2)
    areas = box_area(boxes1, fmt)[..., :, None] + box_area(boxes2, fmt)[..., None, :]
    first = [side[..., :, None] for side in box_convert(boxes1, fmt, "xyxy").unbind(-1)]
    second = [side[..., None, :] for side in box_convert(boxes2, fmt, "xyxy").unbind(-1)]
    shared = shared_area(first, second)
    return first, second, shared, areas - shared


# What the losses need too. ``first`` and ``second`` are the sides left, top, right and bottom, which broadcast.


def shared_area(first: Any, second: Any) -> Any:
    """The area of the intersections."""
    width = framework.minimum(first[2], second[2]) - framework.maximum(first[0], second[0])
    height = framework.minimum(first[3], second[3]) - framework.maximum(first[1], second[1])
    return framework.where((width > 0) & (height > 0), width * height, 0)


def enclosing(first: Any, second: Any) -> tuple[Any, Any]:
    """Width and height of the smallest box around each pair."""
    width = framework.maximum(first[2], second[2]) - framework.minimum(first[0], second[0])
    height = framework.maximum(first[3], second[3]) - framework.minimum(first[1], second[1])
    return width, height


def distance_penalty(first: Any, second: Any, eps: float) -> Any:
    """The squared distance of the centres over the squared diagonal of the enclosing box."""
    width, height = enclosing(first, second)
    across = (first[0] + first[2]) / 2 - (second[0] + second[2]) / 2
    along = (first[1] + first[3]) / 2 - (second[1] + second[3]) / 2
    return (across**2 + along**2) / (width**2 + height**2 + eps)


def aspect_penalty(first: Any, second: Any, iou: Any, eps: float) -> Any:
    """What complete IoU takes off for boxes whose diagonals' angles differ."""
    angle1, angle2 = (framework.atan((s[2] - s[0]) / (s[3] - s[1])) for s in (first, second))
    v = (4 / math.pi**2) * (angle1 - angle2) ** 2
    with framework.no_grad():
        alpha = v / (1 - iou + v + eps)
    return alpha * v
