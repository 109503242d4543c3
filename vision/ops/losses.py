"""Losses of detection: between pairs of boxes, and the focal loss of their classes."""

from __future__ import annotations

from typing import Any

import framework
from framework import nn
from framework.errors import ArgumentError, ShapeError
from framework.ops.loss import reduced, reduction_of
from vision.ops.formats import check_boxes
from vision.ops.overlap import aspect_penalty, distance_penalty, enclosing, shared_area

DISTANCE_EPS = 1e-7  # in complete_box_iou_loss, whose own eps is the aspect term's alone, as torchvision has it


def generalized_box_iou_loss(boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7) -> Any:
    """1 less the generalized IoU of each pair of boxes; from 0 to 2.

    Args:
        boxes1, boxes2: in "xyxy" format, with ``x1 < x2`` and ``y1 < y2``; computed in at least float32.
        reduction: "none", "mean" or "sum". The mean of no pairs is 0.
        eps: added to the denominators.

    Shape:
        (N, 4) or (4,), both alike -> (N,) or (), or () after a reduction.

    Reference: Rezatofighi et al., "Generalized Intersection over Union", https://arxiv.org/abs/1902.09630
    """
    first, second = _pair("generalized_box_iou_loss", boxes1, boxes2)
    iou, union = _iou_and_union(first, second, eps)
    width, height = enclosing(first, second)
    area = width * height
    loss = 1 - iou + (area - union) / (area + eps)
    return _reduced("generalized_box_iou_loss", loss, reduction)


def distance_box_iou_loss(boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7) -> Any:
    """1 less the IoU of each pair, and the squared distance of the centres over that of the enclosing box's corners.

    Args:
        boxes1, boxes2, reduction, eps: as for ``generalized_box_iou_loss``.

    Shape:
        (N, 4) or (4,), both alike -> (N,) or (), or () after a reduction.

    Reference: Zheng et al., "Distance-IoU Loss", https://arxiv.org/abs/1911.08287
    """
    first, second = _pair("distance_box_iou_loss", boxes1, boxes2)
    iou, _ = _iou_and_union(first, second, eps)
    return _reduced("distance_box_iou_loss", 1 - iou + distance_penalty(first, second, eps), reduction)


def complete_box_iou_loss(boxes1: Any, boxes2: Any, reduction: str = "none", eps: float = 1e-7) -> Any:
    """``distance_box_iou_loss`` and a penalty for different aspect ratios.

    Args:
        boxes1, boxes2, reduction: as for ``generalized_box_iou_loss``.
        eps: added to the denominator of the penalty's weight; the other terms have 1e-7, as in torchvision.

    Shape:
        (N, 4) or (4,), both alike -> (N,) or (), or () after a reduction.

    Reference: Zheng et al., "Distance-IoU Loss", https://arxiv.org/abs/1911.08287
    """
    first, second = _pair("complete_box_iou_loss", boxes1, boxes2)
    iou, _ = _iou_and_union(first, second, DISTANCE_EPS)
    loss = 1 - iou + distance_penalty(first, second, DISTANCE_EPS) + aspect_penalty(first, second, iou, eps)
    return _reduced("complete_box_iou_loss", loss, reduction)


def sigmoid_focal_loss(
    inputs: Any, targets: Any, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Any:
    """Binary cross-entropy weighted by ``(1 - p)**gamma``, p the probability given to the true class.

    Args:
        inputs: logits.
        targets: 0 or 1 for each logit, in a floating dtype.
        alpha: weight of the targets 1, in [0, 1], that of the targets 0 being ``1 - alpha``; -1 for no weights.
        gamma: how much less what is well classified counts.
        reduction: "none", "mean" or "sum".

    Shape:
        (...), both alike -> (...), or () after a reduction.

    Raises:
        ArgumentError: ``alpha`` or ``reduction`` is none of these.

    Reference: Lin et al., "Focal Loss for Dense Object Detection", https://arxiv.org/abs/1708.02002
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ArgumentError(f"sigmoid_focal_loss: alpha should be in [0, 1], or -1 for no weights, got {alpha}")
    reduction = reduction_of("sigmoid_focal_loss", None, None, reduction)
    entropy = nn.functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p = inputs.sigmoid()
    missed = p + targets - 2 * p * targets  # 1 less the probability of the true class
    loss = entropy * missed**gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return reduced(loss, reduction)


def _pair(name: str, boxes1: Any, boxes2: Any) -> tuple[Any, Any]:
    """The sides (left, top, right, bottom) of both, in at least float32."""
    check_boxes(name, boxes1, "xyxy")
    if tuple(boxes1.shape) != tuple(boxes2.shape):
        raise ShapeError(
            f"{name}: boxes1 and boxes2 should have one shape, got {tuple(boxes1.shape)} and {tuple(boxes2.shape)}"
        )
    wide = (b if b.dtype in (framework.float32, framework.float64) else b.float() for b in (boxes1, boxes2))
    first, second = (b.unbind(-1) for b in wide)
    return first, second


def _iou_and_union(first: Any, second: Any, eps: float) -> tuple[Any, Any]:
    shared = shared_area(first, second)
    areas = [(s[2] - s[0]) * (s[3] - s[1]) for s in (first, second)]
    union = areas[0] + areas[1] - shared
    return shared / (union + eps), union


def _reduced(name: str, loss: Any, reduction: str) -> Any:
    reduction = reduction_of(name, None, None, reduction)
    return 0.0 * loss.sum() if reduction == "mean" and not loss.numel() else reduced(loss, reduction)
