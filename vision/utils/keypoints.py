"""Keypoints and the lines between them, drawn on an image."""

from __future__ import annotations

from typing import Any

from PIL import ImageDraw

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.errors import ArgumentError, ShapeError
from framework.tensor import Tensor
from vision.utils.drawing import Color, check_image, from_canvas, parse_color, to_canvas


@no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: Color | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Any:
    """Draw the keypoints of one or more instances on an image.

    Args:
        image: (3, H, W), uint8 of 0..255 or float of 0..1.
        keypoints: (N, K, 2), the (x, y) in pixels of K points of each of N instances.
        connectivity: pairs of point numbers to join by a line, drawn in white.
        colors: of the points, a name, "#rrggbb" or an RGB tuple of 0..255; white unless given.
        radius: of the points, in pixels.
        width: of the lines, in pixels.
        visibility: (N, K), or (N, K, 1); a point that is false here is left out with its lines.

    Returns:
        The image with the points, (3, H, W) in the dtype of ``image``.
    """
    name = "draw_keypoints"
    check_image(name, image, (3,))
    if keypoints.ndim != 3 or keypoints.shape[2] != 2:
        raise ShapeError(f"{name}: expected keypoints (instances, points, 2), got shape {tuple(keypoints.shape)}")
    points: Any = keypoints.to(dtypes.int64).tolist()  # type: ignore[attr-defined]
    seen = _seen(name, keypoints, visibility)
    for pair in connectivity or []:
        if not all(-keypoints.shape[1] <= number < keypoints.shape[1] for number in pair):
            raise ArgumentError(f"{name}: connectivity joins the points {pair}, but there are {keypoints.shape[1]}")
    color = None if colors is None else parse_color(name, colors)

    canvas = to_canvas(image)
    draw = ImageDraw.Draw(canvas)
    for instance, visible in zip(points, seen, strict=True):
        for (x, y), shown in zip(instance, visible, strict=True):
            if shown:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color, width=0)
        for first, second in connectivity or []:
            if visible[first] and visible[second]:
                draw.line((*instance[first], *instance[second]), width=width)
    return from_canvas(canvas, image.dtype)


def _seen(name: str, keypoints: Tensor, visibility: Any) -> list[list[bool]]:
    """Which points of which instances are to be drawn."""
    wanted = tuple(keypoints.shape[:2])
    if visibility is None:
        return [[True] * wanted[1]] * wanted[0]
    if visibility.ndim == 3:  # as a detector's last channel is split off
        visibility = visibility.squeeze(-1)
    if tuple(visibility.shape) != wanted:
        raise ShapeError(f"{name}: expected visibility of shape {wanted}, got {tuple(visibility.shape)}")
    flags: list[list[bool]] = visibility.to(dtypes.bool_).tolist()
    return flags
