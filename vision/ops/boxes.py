"""Boxes: what is done to them one by one. The other operations on boxes are found here too."""

from __future__ import annotations

from typing import Any

import framework
from framework.devices import array_module
from framework.errors import ShapeError
from framework.tensor import wrap
from vision.ops.formats import box_convert as box_convert
from vision.ops.formats import check_boxes
from vision.ops.overlap import box_area as box_area
from vision.ops.overlap import box_iou as box_iou
from vision.ops.overlap import complete_box_iou as complete_box_iou
from vision.ops.overlap import distance_box_iou as distance_box_iou
from vision.ops.overlap import generalized_box_iou as generalized_box_iou
from vision.ops.suppression import batched_nms as batched_nms
from vision.ops.suppression import nms as nms


def remove_small_boxes(boxes: Any, min_size: float) -> Any:
    """The indices of the boxes of which neither side is shorter than ``min_size``.

    Args:
        boxes: in "xyxy" format.
        min_size: in the unit of the boxes.

    Shape:
        (N, 4) -> (K,), int64.
    """
    check_boxes("remove_small_boxes", boxes, "xyxy")
    left, top, right, bottom = boxes.unbind(-1)
    return framework.where((right - left >= min_size) & (bottom - top >= min_size))[0]


def clip_boxes_to_image(boxes: Any, size: tuple[int, int]) -> Any:
    """Boxes cut off at the edges of a picture.

    Args:
        boxes: in "xyxy" format.
        size: (height, width) of the picture.

    Shape:
        (..., 4), unchanged.
    """
    check_boxes("clip_boxes_to_image", boxes, "xyxy")
    height, width = size
    left, top, right, bottom = boxes.unbind(-1)
    sides = [left.clamp(0, width), top.clamp(0, height), right.clamp(0, width), bottom.clamp(0, height)]
    return framework.stack(sides, -1)


def masks_to_boxes(masks: Any) -> Any:
    """The smallest box around the nonzero pixels of each mask: their first and last column and row.

    Args:
        masks: of any dtype.

    Shape:
        (N, H, W) -> (N, 4), float32 in "xyxy" format. A mask without a pixel gives zeros; masks without an element
        give no box.

    Raises:
        ShapeError: another number of dims.
    """
    if masks.ndim != 3:
        raise ShapeError(f"masks_to_boxes: masks should have shape (N, H, W), got {tuple(masks.shape)}")
    array = masks.array
    xp = array_module(array)
    if not array.size:
        return wrap(xp.zeros((0, 4), "float32"))
    inside = array if array.dtype == bool else array != 0
    ends = []
    for axis in (1, 2):  # columns, then rows
        line = inside.any(axis)
        ends.append((line.argmax(1), line.shape[1] - 1 - line[:, ::-1].argmax(1)))
    boxes = xp.stack([ends[0][0], ends[1][0], ends[0][1], ends[1][1]], 1).astype("float32")
    boxes[~line.any(1)] = 0
    return wrap(boxes)
