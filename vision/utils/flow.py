"""Optical flow shown as colour: the hue is the direction, the saturation the length."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.errors import ArgumentError, ShapeError
from framework.tensor import Tensor, wrap

# from one corner of the wheel to the next: how many steps, which channel moves, and whether it rises
_SIDES = ((15, 1, True), (6, 0, False), (4, 2, True), (11, 1, False), (13, 0, True), (6, 2, False))


def _color_wheel() -> np.ndarray[Any, Any]:
    """The wheel's 55 colours (3, 55), from red by yellow, green, cyan, blue and magenta back, as floats of 0..1."""
    color, parts = np.array([255.0, 0.0, 0.0], np.float32), []
    for steps, channel, rises in _SIDES:
        part = np.tile(color, (steps, 1))
        way = np.floor(255 * np.arange(steps, dtype=np.float32) / steps)
        part[:, channel] = way if rises else 255 - way
        parts.append(part)
        color[channel] = 255.0 if rises else 0.0
    return np.ascontiguousarray(np.concatenate(parts).T / np.float32(255))


_WHEEL = _color_wheel()


@no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """Show a flow in colours, white where nothing moves and full where it moves fastest.

    Args:
        flow: (2, H, W) or (N, 2, H, W), float32: how far each pixel moves to the right and down, in pixels. The longest
            flow of all sets the scale.

    Returns:
        A uint8 image (3, H, W) or (N, 3, H, W) of 0..255.

    Reference:
        Baker et al., "A Database and Evaluation Methodology for Optical Flow",
        http://vision.middlebury.edu/flow/flowEval-iccv07.pdf
    """
    if flow.dtype is not dtypes.float32:
        raise ArgumentError(f"flow_to_image: expected a float32 flow, got {flow.dtype}")
    if flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ShapeError(f"flow_to_image: expected a flow (2, H, W) or (N, 2, H, W), got shape {tuple(flow.shape)}")
    values = flow.detach().cpu().numpy()  # type: ignore[attr-defined]
    if not values.size:
        raise ShapeError(f"flow_to_image: the flow holds no pixel, its shape is {tuple(flow.shape)}")
    right, down = values[..., 0, :, :], values[..., 1, :, :]
    scale = np.sqrt(right * right + down * down).max() + np.finfo(np.float32).eps
    if not np.isfinite(scale):
        raise ArgumentError("flow_to_image: the flow holds NaN or infinite values, which have no colour")
    right, down = right / scale, down / scale
    length = np.sqrt(right * right + down * down)

    place = (np.arctan2(-down, -right) / np.float32(math.pi) + 1) / 2 * (_WHEEL.shape[1] - 1)
    before = np.floor(place).astype(np.intp)
    share = place - before.astype(np.float32)
    image = np.empty((*values.shape[:-3], 3, *values.shape[-2:]), np.uint8)
    for channel, (levels, following) in enumerate(zip(_WHEEL, np.roll(_WHEEL, -1, axis=1), strict=True)):
        color = (1 - share) * levels[before] + share * following[before]
        image[..., channel, :, :] = 255 * (1 - length * (1 - color))  # the cast cuts to whole levels
    result: Tensor = wrap(image).to(flow.device)  # type: ignore[attr-defined]
    return result
