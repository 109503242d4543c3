"""Masks as COCO writes them: polygons, and runs of pixels in columns, plain or packed into a text.

Reference: Lin et al., "Microsoft COCO: Common Objects in Context", 2014, https://arxiv.org/abs/1405.0312, and the mask
format of https://github.com/cocodataset/cocoapi
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.errors import ArgumentError

_SCALE = 5  # polygons are drawn on a grid so many times finer, then thinned
_LONGEST = 50_000_000  # steps on that grid around one polygon


def decode_mask(segmentation: Any, height: int, width: int) -> np.ndarray[Any, Any]:
    """A COCO segmentation as a uint8 array (height, width) of 0 and 1.

    Args:
        segmentation: a list of polygons, each a list of x and y in pixels; or a dict of "size" (height and width) and
            "counts", the lengths of runs of 0 and 1 in turn, column by column, as a list or packed into a text.
        height, width: the image's size in pixels.

    Raises:
        ArgumentError: it is none of these, or does not fit the image.

    Example:
        >>> decode_mask({"size": [2, 2], "counts": [1, 2, 1]}, 2, 2)
        array([[0, 1],
               [1, 0]], dtype=uint8)
    """
    if isinstance(segmentation, list):
        mask = np.zeros((height, width), np.uint8, order="F")
        for polygon in segmentation:
            mask |= polygon_to_mask(polygon, height, width)
        return mask
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise ArgumentError(
            f"decode_mask: expected a list of polygons or a dict of size and counts, got {type(segmentation).__name__}"
        )
    if list(segmentation["size"]) != [height, width]:
        raise ArgumentError(f"decode_mask: the mask's size is {segmentation['size']}, the image's {[height, width]}")
    counts = segmentation["counts"]
    runs = unpack_counts(counts) if isinstance(counts, str | bytes) else np.asarray(counts, np.int64)
    if runs.ndim != 1 or (runs < 0).any() or runs.sum() != height * width:
        raise ArgumentError(f"decode_mask: the runs do not make up the {height * width} pixels of the image")
    return _from_runs(runs, height, width)


def _from_runs(runs: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    values = (np.arange(len(runs)) & 1).astype(np.uint8)
    return np.repeat(values, runs).reshape(width, height).T


def unpack_counts(packed: str | bytes) -> np.ndarray[Any, Any]:
    """The runs' lengths of a packed text.

    A character holds five bits, lowest first, and a sixth that says that more follow; the last one's fifth bit is the
    sign. From the fourth number on the difference to the one two places before is stored.

    Raises:
        ArgumentError: the text is not of this form.
    """
    data = packed.encode("latin-1", "replace") if isinstance(packed, str) else packed
    bits = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    if not len(bits):
        return np.zeros(0, np.int64)
    last = (bits & 32) == 0
    ends = np.flatnonzero(last)
    if bits.min() < 0 or bits.max() > 63 or not last[-1]:
        raise ArgumentError("unpack_counts: not a packed mask")
    starts = np.concatenate([[0], ends[:-1] + 1])
    places = np.arange(len(bits)) - np.repeat(starts, ends - starts + 1)
    if places.max() > 10:
        raise ArgumentError("unpack_counts: not a packed mask; a number is too long")
    numbers = np.add.reduceat((bits & 31) << (5 * places), starts)
    negative = (bits[ends] & 16) != 0
    numbers -= np.where(negative, np.int64(1) << (5 * (places[ends] + 1)), 0)
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers


def polygon_to_mask(polygon: Any, height: int, width: int) -> np.ndarray[Any, Any]:
    """The inside of a polygon as a uint8 array (height, width) of 0 and 1, to the pixel as COCO's own tools draw it.

    Args:
        polygon: x and y in turn, in pixels.
        height, width: the image's size in pixels.

    Raises:
        ArgumentError: there are fewer than three points, or half a point.
    """
    points = np.asarray(polygon, np.float64)
    if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
        raise ArgumentError(f"polygon_to_mask: expected x and y of three points or more, got {len(points)} numbers")
    fine = np.trunc(_SCALE * points.reshape(-1, 2) + 0.5)
    if np.abs(fine - np.roll(fine, 1, 0)).max(1).sum() > _LONGEST:
        raise ArgumentError("polygon_to_mask: the outline is absurdly long; coordinates are in pixels")
    x, y = _outline(fine.astype(np.int64))
    # pixels of the fine grid where the outline moves to another column
    moved = np.flatnonzero(x[1:] != x[:-1])
    left = np.minimum(x[moved], x[moved + 1])
    column = (left + 0.5) / _SCALE - 0.5
    kept = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = (np.minimum(y[moved], y[moved + 1]) + 0.5) / _SCALE - 0.5
    row = np.ceil(np.clip(row[kept], 0, height)).astype(np.int64)
    # going down the columns, every crossing of the outline turns inside to outside and back
    crossings = np.sort(column[kept].astype(np.int64) * height + row)
    return _from_runs(np.diff(crossings, prepend=0, append=height * width), height, width)


def _outline(points: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Every grid point on the way around a polygon."""
    start, end = points, np.roll(points, -1, 0)
    reach = np.abs(end - start)
    steps = reach.max(1)
    wide = reach[:, 0] >= reach[:, 1]
    # lines are drawn from the end with the smaller coordinate, and then listed in the polygon's direction
    main = np.where(wide, 0, 1)
    edge = np.arange(len(points))
    flipped = start[edge, main] > end[edge, main]
    low = np.where(flipped[:, None], end, start)
    high = np.where(flipped[:, None], start, end)
    slope = (high - low)[edge, 1 - main] / np.maximum(steps, 1)
    which = np.repeat(edge, steps + 1)
    step = np.arange(len(which)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
    step = np.where(flipped[which], steps[which] - step, step)
    along = low[edge, main][which] + step
    across = np.trunc(low[edge, 1 - main][which] + slope[which] * step + 0.5).astype(np.int64)
    return np.where(wide[which], along, across), np.where(wide[which], across, along)
