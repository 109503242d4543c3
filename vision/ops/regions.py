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
from framework.ops.conv import per_axis
from framework.tensor import Tensor
from vision.ops.blend import Pattern

FAR = 1e9  # pixels; where a box ends that is not finite


def checked(name: str, input: Any, boxes: Any, output_size: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """The feature maps in at least float32, the boxes (K, 5) as a NumPy array of that dtype, and the bins (PH, PW).

    Raises:
        ShapeError: the features are not (N, C, H, W), the boxes neither (K, 5) nor a list of (L, 4).
        DtypeError: either is not floating.
        BoundsError: a box is of a feature map that is not there.
    """
    if input.ndim != 4 or 0 in tuple(input.shape)[1:]:
        raise ShapeError(f"{name}: expected feature maps (N, C, H, W) with pixels, got shape {tuple(input.shape)}")
    if not input.is_floating_point():
        raise DtypeError(f"{name}: not implemented for {input.dtype} feature maps; convert with .float()")
    bins = per_axis(name, "output_size", output_size, 2, 1)
    half = input.array.dtype in dtypes.HALF
    rois = _numbered(name, boxes).astype("float32" if half else input.array.dtype)
    owner = rois[:, 0]
    if len(owner) and not (owner.min() >= 0 and owner.max() < input.shape[0]):
        raise BoundsError(
            f"{name}: boxes should belong to feature maps 0 to {input.shape[0] - 1}, got {owner.min()} to {owner.max()}"
        )
    return input.float() if half else input, rois, bins


def _numbered(name: str, boxes: Any) -> Any:
    """The boxes as one array (K, 5), the number of their feature map first."""
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ShapeError(f"{name}: boxes in one tensor should have shape (K, 5), got {tuple(boxes.shape)}")
        return _on_host(name, boxes)
    if not isinstance(boxes, list | tuple):
        raise ArgumentError(f"{name}: boxes should be a tensor (K, 5) or a list of (L, 4), got {type(boxes).__name__}")
    parts = [np.zeros((0, 5), "float32")]
    for number, own in enumerate(boxes):
        if own.ndim != 2 or own.shape[1] != 4:
            raise ShapeError(f"{name}: each tensor in a list of boxes should be (L, 4), got {tuple(own.shape)}")
        corners = _on_host(name, own)
        parts.append(np.insert(corners, 0, number, axis=1))
    return np.concatenate(parts)


def _on_host(name: str, boxes: Any) -> Any:
    if not boxes.is_floating_point():
        raise DtypeError(f"{name}: boxes should be of a floating dtype, got {boxes.dtype}")
    array = devices.move(boxes.array, devices.CPU)
    return array.astype("float32") if array.dtype in dtypes.HALF else array


def sampled(start: Any, length: Any, bins: int, ratio: int, pixels: int) -> Any:
    """Weights of bins that take the mean of bilinear samples, evenly spaced.

    Args:
        start, length: (K,), in pixels, the middle of the first pixel being 0.
        ratio: samples a bin; not above 0 for one a pixel of its length, rounded up.

    Returns:
        A sparse matrix (K * bins, pixels). Samples more than a pixel outside count as zeros.
    """
    step = length / length.dtype.type(bins)
    count = np.full(len(step), ratio) if ratio > 0 else np.ceil(step)
    count = np.where(np.isfinite(step) & (count > 0), count, 0).astype("int64")
    each = np.repeat(count, bins)  # samples of each bin
    row = np.repeat(np.arange(len(each)), each)
    box, number = row // bins, spans(np.zeros_like(each), each)
    share = (number.astype(step.dtype) + step.dtype.type(0.5)) * step[box] / count[box].astype(step.dtype)
    at = start[box] + (row % bins).astype(step.dtype) * step[box] + share
    weight = ((at >= -1) & (at <= pixels)) / count[box].astype(step.dtype)
    at = np.clip(np.nan_to_num(at), 0, pixels - 1)
    low = at.astype("int32")
    part = at - low.astype(step.dtype)
    columns = np.stack([low, np.minimum(low + 1, pixels - 1)], 1).reshape(-1)
    weights = np.stack([weight * (1 - part), weight * part], 1).reshape(-1).astype(step.dtype)
    starts = np.concatenate([[0], np.cumsum(2 * each)])
    matrix = _sparse(weights, columns, starts, pixels)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


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
    return _sparse(weights, spans(low, count), np.concatenate([[0], np.cumsum(count)]), pixels)


def rounded(coordinates: Any) -> Any:
    """Coordinates as whole numbers, halves away from zero."""
    held = np.nan_to_num(coordinates.astype("float64"), nan=0.0, posinf=FAR, neginf=-FAR).clip(-FAR, FAR)
    return np.trunc(held + np.copysign(0.5, held)).astype(coordinates.dtype)


def _sparse(weights: Any, columns: Any, starts: Any, pixels: int) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((weights, columns, starts), shape=(len(starts) - 1, pixels))


def spans(starts: Any, counts: Any) -> Any:
    """The numbers ``start, ..., start + count - 1`` of every start and count, one run behind the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)


def crossed(lines: Any, columns: Any, owner: Any, bins: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """Every bin's pixels and their weights, from those along the two axes.

    Args:
        lines, columns: the sparse matrices (K * PH, H) and (K * PW, W).
        owner: (K,), the feature map of each box.
        bins: (PH, PW).

    Returns:
        Where each bin's entries begin, (K * PH * PW + 1,); for each entry, the pixel's number among all of (N, H, W), and
        its weight.
    """
    shape = (len(owner), *bins)
    down, across = (np.diff(m.indptr).astype("int64") for m in (lines, columns))
    down = np.broadcast_to(down.reshape(-1, bins[0], 1), shape).reshape(-1)
    across = np.broadcast_to(across.reshape(-1, 1, bins[1]), shape).reshape(-1)
    first = np.broadcast_to(lines.indptr[:-1].reshape(-1, bins[0], 1), shape).reshape(-1)
    second = np.broadcast_to(columns.indptr[:-1].reshape(-1, 1, bins[1]), shape).reshape(-1)
    of_bin = np.repeat(np.arange(len(down)), down)  # one for each line of each bin
    line = spans(first, down)
    place = owner[of_bin // (bins[0] * bins[1])] * lines.shape[1] + lines.indices[line]
    each = across[of_bin]
    entry = spans(second[of_bin], each)
    pixels = np.repeat(place * columns.shape[1], each) + columns.indices[entry]
    weights = np.repeat(lines.data[line], each) * columns.data[entry]
    return np.concatenate([[0], np.cumsum(down * across)]), pixels, weights


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
