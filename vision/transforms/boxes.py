"""Bounding boxes and points as such: formats, clamping to the image, removal of what is no use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework import dtypes
from framework.errors import ArgumentError
from framework.ops.values import tensor
from framework.tensor import Tensor
from vision import tv_tensors
from vision.ops.formats import steps
from vision.transforms.base import is_pure_tensor
from vision.transforms.rotated import clamp_rotated, precise
from vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints
from vision.tv_tensors.boxes import CLAMPING_MODES, box_format

_UPRIGHT = BoundingBoxFormat.XYXY
CORNERS = BoundingBoxFormat.XYXYXYXY


def converted(boxes: Any, old: BoundingBoxFormat, new: BoundingBoxFormat) -> Any:
    """The numbers of boxes (..., K) in another format. Integers stay integers: centres rounded down, all else cut off."""
    if old.rotated is not new.rotated:
        raise ArgumentError(
            f"cannot convert between rotated and unrotated bounding boxes, from {old.name} to {new.name}"
        )
    out, whole = boxes, not boxes.is_floating_point()
    for step in steps(old.name.lower(), new.name.lower()):
        out = step(out.double() if whole else precise(out) if old.rotated else out)
        out = (out.floor() if whole and new is BoundingBoxFormat.CXCYWH else out).to(boxes.dtype)
    return out


def convert_bounding_box_format(
    inpt: Any,
    old_format: BoundingBoxFormat | str | None = None,
    new_format: BoundingBoxFormat | str | None = None,
    inplace: bool = False,
) -> Any:
    """Boxes in another format.

    Args:
        inpt: ``BoundingBoxes``, or a plain tensor (..., K).
        old_format: the format of a plain tensor; ``BoundingBoxes`` know theirs.
        new_format: the format wanted.
        inplace: write into the tensor given, where boxes take as many numbers in both formats.

    Raises:
        ArgumentError: one format has boxes that may be turned, the other has not.
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format: missing 1 required argument: 'new_format'")
    source, _ = _described("convert_bounding_box_format", inpt, BoundingBoxes, format=old_format)
    new = box_format(new_format)
    out = converted(inpt, source["format"], new)
    if inplace and out is not inpt and out.shape == inpt.shape:
        out = inpt.copy_(out)
    return tv_tensors.wrap(out, like=inpt, format=new) if isinstance(inpt, BoundingBoxes) else out


def _described(who: str, inpt: Any, kind: type, **given: Any) -> tuple[dict[str, Any], bool]:
    """What is known about boxes or points: by their kind, or by the arguments that go with a plain tensor."""
    if isinstance(inpt, kind):
        if any(value is not None for value in given.values()):
            raise ArgumentError(f"{who}: {kind.__name__} have {', '.join(given)}; pass these with plain tensors only")
        return {name: getattr(inpt, name) for name in given}, True
    if not is_pure_tensor(inpt):
        raise TypeError(f"{who}: expected a plain tensor or {kind.__name__}, got {type(inpt).__name__}")
    if any(value is None for value in given.values()):
        raise ArgumentError(f"{who}: a plain tensor needs {', '.join(given)}")
    if "format" in given:
        given["format"] = box_format(given["format"])
    return given, False


def clamped(boxes: Any, format: BoundingBoxFormat, canvas_size: Sequence[int], mode: str | None) -> Any:
    """The numbers of boxes (..., K) cut at the border of an image."""
    if mode is None:
        return boxes.clone()
    if format.rotated:
        corners = converted(boxes, format, CORNERS).reshape(-1, 8)
        return converted(clamp_rotated(corners, canvas_size, mode == "hard"), CORNERS, format).reshape(boxes.shape)
    work = boxes if boxes.is_floating_point() else boxes.to(dtypes.float32)
    height, width = canvas_size
    border = tensor([width, height] * 2, dtype=work.dtype, device=work.device)
    upright = converted(work, format, _UPRIGHT).clamp(min=0).minimum(border)
    return converted(upright, _UPRIGHT, format).to(boxes.dtype)


def clamp_bounding_boxes(
    inpt: Any,
    format: BoundingBoxFormat | str | None = None,
    canvas_size: Sequence[int] | None = None,
    clamping_mode: str | None = "auto",
) -> Any:
    """Boxes cut at the border of their image.

    Args:
        inpt: ``BoundingBoxes``, or a plain tensor (..., K), which needs the other arguments.
        format, canvas_size: of a plain tensor.
        clamping_mode: "soft", "hard" or None, as ``BoundingBoxes`` has it; "auto" takes theirs.
    """
    if clamping_mode not in (*CLAMPING_MODES, "auto"):
        raise ArgumentError(
            f"clamp_bounding_boxes: clamping_mode must be soft, hard, auto or None, got {clamping_mode!r}"
        )
    about, own = _described("clamp_bounding_boxes", inpt, BoundingBoxes, format=format, canvas_size=canvas_size)
    if clamping_mode == "auto":
        if not own:
            raise ArgumentError("clamp_bounding_boxes: a plain tensor needs a clamping_mode, soft, hard or None")
        clamping_mode = inpt.clamping_mode
    return tv_tensors.wrap(clamped(inpt, about["format"], about["canvas_size"], clamping_mode), like=inpt)


def clamp_keypoints(inpt: Any, canvas_size: Sequence[int] | None = None) -> Any:
    """Points moved onto the nearest pixel of their image.

    Args:
        inpt: ``KeyPoints``, or a plain tensor (..., 2), which needs the image's (height, width) as ``canvas_size``.
    """
    about, _ = _described("clamp_keypoints", inpt, KeyPoints, canvas_size=canvas_size)
    height, width = about["canvas_size"]
    last = tensor([width - 1, height - 1], device=inpt.device)
    return tv_tensors.wrap(inpt.clamp(min=0).minimum(last).to(inpt.dtype), like=inpt)


def valid_boxes(
    boxes: Any, format: BoundingBoxFormat, canvas_size: Sequence[int], min_size: float, min_area: float
) -> Tensor:
    """Which boxes (N, K) lie in the image and are large enough."""
    height, width = canvas_size
    corners = converted(boxes, format, CORNERS if format.rotated else _UPRIGHT)
    across, down = corners[:, 0::2], corners[:, 1::2]
    if format.rotated:
        widths = (across[:, 0] - across[:, 1]).hypot(down[:, 0] - down[:, 1])
        heights = (across[:, 1] - across[:, 2]).hypot(down[:, 1] - down[:, 2])
    else:
        widths, heights = across[:, 1] - across[:, 0], down[:, 1] - down[:, 0]
    inside = (corners >= 0).all(-1) & (across <= width).all(-1) & (down <= height).all(-1)
    valid: Tensor = inside & (widths >= min_size) & (heights >= min_size) & (widths * heights >= min_area)
    return valid


def sanitize_bounding_boxes(
    bounding_boxes: Any,
    format: BoundingBoxFormat | str | None = None,
    canvas_size: Sequence[int] | None = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Any, Tensor]:
    """The boxes that lie in their image and are not too small, and which of all they are.

    Args:
        bounding_boxes: ``BoundingBoxes``, or a plain tensor (N, K), which needs ``format`` and ``canvas_size``.
        min_size: smallest width and height in pixels.
        min_area: smallest area in square pixels.

    Returns:
        The boxes kept, and a boolean tensor (N,) with which labels are chosen likewise.

    torchvision 0.28 takes the height of a turned box from mixed coordinates; here it is the length of its side.
    """
    about, _ = _described(
        "sanitize_bounding_boxes", bounding_boxes, BoundingBoxes, format=format, canvas_size=canvas_size
    )
    valid = valid_boxes(bounding_boxes, about["format"], about["canvas_size"], min_size, min_area)
    return tv_tensors.wrap(bounding_boxes[valid], like=bounding_boxes), valid


def valid_points(points: Any, canvas_size: Sequence[int]) -> Tensor:
    """Which points (N, 2), or groups of them (N, ..., 2), lie in the image wholly."""
    height, width = canvas_size
    across, down = points[..., 0], points[..., 1]
    valid = (across >= 0) & (across < width) & (down >= 0) & (down < height)
    wholly: Tensor = valid.flatten(1).all(1) if valid.ndim > 1 else valid
    return wholly


def sanitize_keypoints(key_points: Any, canvas_size: Sequence[int] | None = None) -> tuple[Any, Tensor]:
    """The points that lie in their image, and which of all they are.

    Args:
        key_points: ``KeyPoints``, or a plain tensor, which needs ``canvas_size``. Groups (N, ..., 2) stay or go whole.
    """
    about, _ = _described("sanitize_keypoints", key_points, KeyPoints, canvas_size=canvas_size)
    valid = valid_points(key_points, about["canvas_size"])
    return tv_tensors.wrap(key_points[valid], like=key_points), valid
