"""Regions of feature maps: their boxes checked, cut into bins, and the pixels of every bin.

A bin's pixels are those of some lines by those of some columns, so each axis is worked out by itself, as a sparse matrix
of a bin's weights on the pixels along it, and the two are multiplied in the end. Coordinates are the boxes' numbers, and
weights the features', only; nothing here has a gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.devices import array_module
from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError
from framework.kernels.generic.boxes import crossed as crossed
from framework.kernels.generic.boxes import spans, sparse
from framework.ops.conv import per_axis
from framework.tensor import Tensor
from vision.ops.blend import Pattern

FAR = 1e9  # pixels; where a box ends that is not finite


def checked(
    name: str, input: Any, boxes: Any, output_size: Any, beside: bool = False
) -> tuple[Any, Any, tuple[int, ...]]:
    """The feature maps in at least float32, the boxes (K, 5) as an array of that dtype, and the bins (PH, PW).

    Args:
        beside: leave the boxes on the device of the features; else they come to main memory.

    Raises:
        ShapeError: the features are not (N, C, H, W), the boxes neither (K, 5) nor a list of (L, 4).
        DtypeError: either is not floating.
        BoundsError: a box is of a feature map that is not there; a GPU's boxes are not looked at.
    """
    if input.ndim != 4 or 0 in tuple(input.shape)[1:]:
        raise ShapeError(f"{name}: expected feature maps (N, C, H, W) with pixels, got shape {tuple(input.shape)}")
    if not input.is_floating_point():
        raise DtypeError(f"{name}: not implemented for {input.dtype} feature maps; convert with .float()")
    bins = per_axis(name, "output_size", output_size, 2, 1)
    half = input.array.dtype in dtypes.HALF
    where = devices.of(input.array) if beside else devices.CPU
    rois = _numbered(name, boxes, where).astype("float32" if half else input.array.dtype)
    if where.type == "cpu" and len(rois):
        owner = rois[:, 0]
        if not (owner.min() >= 0 and owner.max() < input.shape[0]):
            raise BoundsError(
                f"{name}: boxes should belong to feature maps 0 to {input.shape[0] - 1}, got {owner.min()} to "
                f"{owner.max()}"
            )
    return input.float() if half else input, rois, bins


def _numbered(name: str, boxes: Any, where: devices.device) -> Any:
    """The boxes as one array (K, 5) on a device, the number of their feature map first."""
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ShapeError(f"{name}: boxes in one tensor should have shape (K, 5), got {tuple(boxes.shape)}")
        return _placed(name, boxes, where)
    if not isinstance(boxes, list | tuple):
        raise ArgumentError(f"{name}: boxes should be a tensor (K, 5) or a list of (L, 4), got {type(boxes).__name__}")
    xp = devices.module_of(where)
    parts = [xp.zeros((0, 5), "float32")]
    for number, own in enumerate(boxes):
        if own.ndim != 2 or own.shape[1] != 4:
            raise ShapeError(f"{name}: each tensor in a list of boxes should be (L, 4), got {tuple(own.shape)}")
        corners = _placed(name, own, where)
        parts.append(xp.concatenate((xp.full((len(corners), 1), number, corners.dtype), corners), 1))
    return xp.concatenate(parts)


def _placed(name: str, boxes: Any, where: devices.device) -> Any:
    if not boxes.is_floating_point():
        raise DtypeError(f"{name}: boxes should be of a floating dtype, got {boxes.dtype}")
    array = devices.move(boxes.array, where)
    return array.astype("float32") if array.dtype in dtypes.HALF else array


def whole(start: Any, length: Any, bins: int, last: int, pixels: int) -> Any:
    """Weights of bins that take the mean of all pixels they touch.

    Args:
        start, length: (K,), whole numbers of pixels; a length below 1 counts as 1.
        last: the pixel that no bin reaches.

    Returns:
        A sparse matrix (K * bins, pixels), with no entry for an empty bin.
    """
    length = np.maximum(length, 1)
    step = (length / length.dtype.type(bins))[:, None]
    number = np.arange(bins + 1, dtype=length.dtype)
    low = np.clip(np.floor(number[:-1] * step) + start[:, None], 0, last).astype("int64").reshape(-1)
    high = np.clip(np.ceil(number[1:] * step) + start[:, None], 0, last).astype("int64").reshape(-1)
    count = np.maximum(high - low, 0)
    weights = np.repeat(1 / np.maximum(count, 1), count).astype(length.dtype)
    return sparse(weights, spans(low, count), np.concatenate([[0], np.cumsum(count)]), pixels)


def rounded(coordinates: Any) -> Any:
    """Coordinates as whole numbers, halves away from zero."""
    held = np.nan_to_num(coordinates.astype("float64"), nan=0.0, posinf=FAR, neginf=-FAR).clip(-FAR, FAR)
    return np.trunc(held + np.copysign(0.5, held)).astype(coordinates.dtype)


def pattern_for(input: Any, starts: Any, columns: Any, weights: Any, width: int) -> tuple[Pattern, Any]:
    """A pattern and its weights on the device of the features."""
    xp = array_module(input.array)
    return Pattern(xp.asarray(starts), xp.asarray(columns), width), xp.asarray(weights)


def bin_planes(name: str, input: Any, bins: tuple[int, ...]) -> Any:
    """Position-sensitive features (N, C * PH * PW, H, W) as rows of C values, one a pixel and bin.

    Raises:
        ShapeError: the channels are not a multiple of the bins.
    """
    n, channels, height, width = input.shape
    count = bins[0] * bins[1]
    if channels % count:
        raise ShapeError(f"{name}: the channels should be a multiple of {bins[0]} * {bins[1]} bins, got {channels}")
    planes = input.reshape(n, channels // count, count, height, width).permute(0, 3, 4, 2, 1)
    return planes.reshape(n * height * width * count, channels // count)


def own_plane(starts: Any, pixels: Any, bins: tuple[int, ...]) -> Any:
    """The rows of ``bin_planes`` that each bin's pixels are, from their numbers."""
    count = bins[0] * bins[1]
    return pixels * count + np.repeat(np.arange(len(starts) - 1) % count, np.diff(starts))


def as_maps(rows: Any, boxes: int, bins: tuple[int, ...], dtype: Any) -> Any:
    """Rows (K * PH * PW, C) as pooled features (K, C, PH, PW) of a dtype."""
    return rows.reshape(boxes, *bins, rows.shape[1]).permute(0, 3, 1, 2).to(dtype)
