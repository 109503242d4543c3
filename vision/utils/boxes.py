"""Bounding boxes drawn on an image, upright and oriented ones, with labels."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import ImageDraw, ImageFont

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.errors import ArgumentError, ShapeError
from framework.tensor import Tensor
from vision.utils.drawing import Colors, check_image, from_canvas, parse_colors, to_canvas

_FILL_OPACITY = (100,)  # of 255
_DASH = 5  # pixels of a dash, and of the gap after it


@no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: Sequence[str | None] | None = None,
    colors: Colors | None = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | os.PathLike[str] | None = None,
    font_size: int | None = None,
    label_colors: Colors | None = None,
    label_background_colors: Colors | None = None,
    fill_labels: bool = False,
) -> Any:
    """Draw boxes on an image.

    Args:
        image: (1, H, W) or (3, H, W), uint8 of 0..255 or float of 0..1.
        boxes: (N, 4) as (xmin, ymin, xmax, ymax) in pixels, or (N, 8) as the corners (x1, y1, ..., x4, y4) of oriented
            boxes, whose first side is dashed.
        labels: a text for each box, or None where a box has none.
        colors: one colour for all boxes or a list, each a name, "#rrggbb" or an RGB tuple of 0..255; a palette of the
            library's own unless given.
        fill: tint the boxes' insides.
        width: of the lines, in pixels.
        font: a TrueType font's file or name; Pillow's own unless given.
        font_size: in points, where ``font`` is given; 10 unless given.
        label_colors: of the texts: the boxes' unless given, or black with ``fill_labels``.
        label_background_colors: of what ``fill_labels`` puts behind the texts; the boxes' unless given.
        fill_labels: put a filled rectangle behind each text.

    Returns:
        The image with the boxes, (3, H, W) in the dtype of ``image``.

    Raises:
        ArgumentError: a box has its right side left of its left one, or the labels' or colours' count does not fit.

    Example:
        >>> draw_bounding_boxes(picture, framework.tensor([[10, 10, 60, 40]]), labels=["cat"], colors="red", width=2)
    """
    name = "draw_bounding_boxes"
    check_image(name, image, (1, 3))
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 8):
        raise ShapeError(f"{name}: expected boxes (N, 4) or (N, 8), got shape {tuple(boxes.shape)}")
    corners = boxes.to(dtypes.int64).tolist()  # type: ignore[attr-defined]
    if boxes.shape[1] == 4 and bool((boxes[:, :2] > boxes[:, 2:]).any()):
        raise ArgumentError(f"{name}: boxes must be (xmin, ymin, xmax, ymax); vision.ops.box_convert brings them there")
    count = len(corners)
    if count == 0:
        warnings.warn(f"{name}: there is no box, so none was drawn", stacklevel=2)
        return image
    if labels is not None and len(labels) != count:
        raise ArgumentError(f"{name}: expected a label for each box, got {len(labels)} labels for {count} boxes")
    if font is None and font_size is not None:
        warnings.warn(f"{name}: font_size has no effect unless font is given", stacklevel=2)
    typeface = ImageFont.load_default() if font is None else ImageFont.truetype(os.fspath(font), font_size or 10)

    lines = parse_colors(name, colors, count)
    texts = parse_colors(name, label_colors or "black", count) if label_colors or fill_labels else lines
    backs = parse_colors(name, label_background_colors, count) if fill_labels and label_background_colors else lines
    canvas = to_canvas(image if image.shape[0] == 3 else image.expand(3, -1, -1))  # type: ignore[attr-defined]
    draw = ImageDraw.Draw(canvas, "RGBA" if fill else None)
    for box, label, line, text, back in zip(corners, labels or [None] * count, lines, texts, backs, strict=True):
        inside = line[:3] + _FILL_OPACITY if fill else None
        if len(box) == 4:
            draw.rectangle(box, fill=inside, outline=line, width=width)
        else:
            _oriented(draw, box, inside, line, width)
        if label is not None:
            place = (box[0] + width + 1, box[1] + width + 1)
            if fill_labels:
                left, top, right, bottom = draw.textbbox(place, label, font=typeface)
                draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=back)
            draw.text(place, label, fill=text, font=typeface)
    return from_canvas(canvas, image.dtype)


def _oriented(draw: ImageDraw.ImageDraw, box: list[int], fill: Any, line: tuple[int, ...], width: int) -> None:
    corners = list(zip(box[::2], box[1::2], strict=True))
    for dash in _dashes(corners[0], corners[1]):
        draw.line(dash, fill=line, width=width)
    for start, end in zip(corners[1:], corners[2:] + corners[:1], strict=True):
        draw.line((start, end), fill=line, width=width)
    if fill:
        draw.polygon(corners, fill=fill)


def _dashes(start: tuple[float, float], end: tuple[float, float]) -> Iterator[list[tuple[float, float]]]:
    """The two ends of each dash on the way from one point to another."""
    (x, y), left, drawn = start, math.sqrt((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2), True
    while left > 0:
        step = min(left, _DASH)
        angle = math.atan2(end[1] - y, end[0] - x)
        after = (x + math.cos(angle) * step, y + math.sin(angle) * step)
        if drawn:
            yield [(x, y), after]
        (x, y), left, drawn = after, left - step, not drawn
