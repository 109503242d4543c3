"""Segmentation masks laid over an image."""

from __future__ import annotations

import warnings
from typing import Any

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.errors import ArgumentError, ShapeError
from framework.ops.selection import where
from framework.ops.values import tensor
from framework.tensor import Tensor
from vision.utils.drawing import Colors, check_image, parse_colors


@no_grad()
def draw_segmentation_masks(
    image: Tensor,
    masks: Tensor,
    alpha: float = 0.8,
    colors: Colors | None = None,
) -> Any:
    """Lay masks over an image, each in its colour; where two or more overlap, black.

    Args:
        image: (3, H, W), uint8 of 0..255 or float of 0..1.
        masks: (N, H, W) or (H, W), bool.
        alpha: how much of the colour shows, from 0 (none) to 1 (nothing else).
        colors: one colour for all masks or a list, each a name, "#rrggbb" or an RGB tuple of 0..255; a palette of the
            library's own unless given.

    Returns:
        The image with the masks, (3, H, W) in the dtype of ``image``.
    """
    name = "draw_segmentation_masks"
    picture: Any = check_image(name, image, (3,))
    covers: Any = masks.unsqueeze(0) if masks.ndim == 2 else masks  # type: ignore[attr-defined]
    if covers.ndim != 3 or covers.shape[1:] != image.shape[1:]:
        raise ShapeError(
            f"{name}: expected masks (N, H, W) of the image's height and width {tuple(image.shape[1:])}, "
            f"got shape {tuple(masks.shape)}"
        )
    if covers.dtype is not dtypes.bool_:
        raise ArgumentError(f"{name}: masks must be bool, got {masks.dtype}; compare scores with a threshold")
    count = len(covers)
    palette = parse_colors(name, colors, count)
    if count == 0:
        warnings.warn(f"{name}: there is no mask, so none was drawn", stacklevel=2)
        return image

    kind = image.dtype if image.dtype.is_floating_point else dtypes.float32
    wide = dtypes.float64 if kind is dtypes.float64 else dtypes.float32
    levels = [[color[channel] for color in palette] for channel in range(3)]
    weights = tensor([*levels, [1] * count], dtype=wide, device=image.device)  # the last row counts the masks
    summed = (weights @ covers.flatten(1).to(wide)).unflatten(1, covers.shape[1:])
    number = summed[3]
    paint = summed[:3] if image.dtype is dtypes.uint8 else summed[:3] / 255
    source = picture.to(kind)
    paint = where(number == 0, source, where(number == 1, paint.to(kind), 0.0))
    return (source * (1 - alpha) + paint * alpha).to(image.dtype)
