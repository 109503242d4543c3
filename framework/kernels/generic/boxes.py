"""Boxes on pictures: which of those that overlap stay, and the features within them pooled.

Non-maximum suppression decides blocks of boxes at once, by an iteration that agrees with the sequential rule. Pooling is a
product with a sparse matrix of bilinear weights: a bin's pixels are those of some lines by those of some columns, so each
axis is worked out by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices
from framework.devices import array_module, scipy_for
from framework.kernels import threads

NAME = "generic"

BLOCK = 256  # boxes compared with each other at a time
PART = 2048  # rows of a product that one thread computes at a time

Ints = tuple[int, ...]


def declines(*arrays: Any, **params: Any) -> None:
    """It serves every call."""


def nms(boxes: Any, scores: Any, iou_threshold: float, categories: Any = None) -> Any:
    """The boxes (N, 4) that overlap none of a better score, and of their category if given, by more than a threshold.

    Returns:
        int64, in descending order of score, equal scores in the order given, nan first.
    """
    order = descending(scores)
    if categories is None:
        return order[_kept(boxes[order], iou_threshold)]
    xp = array_module(boxes)
    grouped = xp.argsort(categories[order], kind="stable")  # within a category still by score
    sorted_categories = categories[order][grouped]
    bounds = xp.flatnonzero(sorted_categories[1:] != sorted_categories[:-1]) + 1
    kept = xp.zeros(len(scores), bool)
    for group in xp.split(grouped, bounds.tolist()):
        kept[group] = _kept(boxes[order[group]], iou_threshold)
    return order[kept]


def descending(values: Any) -> Any:
    """The stable order from the highest to the lowest, nan first."""
    backwards = array_module(values).argsort(values[::-1], kind="stable")
    return len(values) - 1 - backwards[::-1]


def _kept(corners: Any, threshold: float) -> Any:
    """Which of the boxes (N, 4), best first, stay."""
    xp = array_module(corners)
    kept = xp.zeros(len(corners), bool)
    left = xp.arange(len(corners))
    sides = xp.ascontiguousarray(corners.T)  # (4, N)
    limit = at_most(threshold, corners.dtype)
    while len(left):
        block, left = left[:BLOCK], left[BLOCK:]
        over = _overlaps(sides[:, block], sides[:, block], limit)
        block = block[_settled(xp.triu(over, 1))]
        kept[block] = True
        if len(left):
            left = left[~_overlaps(sides[:, block], sides[:, left], limit).any(0)]
    return kept


def _settled(over: Any) -> Any:
    """Which of a block's boxes stay, ``over[i, j]`` saying whether box i, being better, suppresses box j."""
    xp = array_module(over)
    stay = ~over.any(0)
    while True:
        # each round decides at least one more box for good, from the best one on
        again = ~over[stay].any(0)
        if bool(xp.array_equal(again, stay)):
            return stay
        stay = again


def _overlaps(a: Any, b: Any, limit: Any) -> Any:
    """Whether the boxes (4, N) and (4, M) overlap by more than a limit, (N, M)."""
    xp = array_module(a)
    with np.errstate(all="ignore"):  # empty boxes have 0 / 0, which is no overlap
        area_a, area_b = ((s[2] - s[0]) * (s[3] - s[1]) for s in (a, b))
        shared = _common(a[0], a[2], b[0], b[2])
        shared *= _common(a[1], a[3], b[1], b[3])
        union = area_a[:, None] + area_b
        union -= shared
        return xp.divide(shared, union, out=union) > limit


def _common(low_a: Any, high_a: Any, low_b: Any, high_b: Any) -> Any:
    """The length of the intervals' intersections, (N, M)."""
    xp = array_module(low_a)
    length = xp.minimum(high_a[:, None], high_b)
    length -= xp.maximum(low_a[:, None], low_b)
    return xp.maximum(length, 0, out=length)


def at_most(value: float, dtype: Any) -> Any:
    """The highest number of a dtype that is not above ``value``: comparing with it is comparing with ``value``."""
    near = dtype.type(value)
    return np.nextafter(near, dtype.type(-np.inf)) if float(near) > value else near


def roi_align(
    x: Any, rois: Any, bins: Ints, scale: float, ratio: int, aligned: bool, state: Any = None
) -> tuple[Any, Any]:
    """Regions of feature maps cut into bins, each the mean of bilinear samples; and a state for the other calls.

    Args:
        x: (N, C, H, W), float32 or float64.
        rois: (K, 5) of that dtype: the number of the map, left, top, right, bottom.
        bins: (PH, PW).
        scale: what the boxes are multiplied by to lie on the map.
        ratio: samples a bin along each axis; not above 0 for as many as its length, rounded up.
        aligned: whether boxes are shifted by half a pixel; else they are at least a pixel wide and high.
        state: what an earlier call with the same regions gave, if there was one.

    Returns:
        (K, C, PH, PW), over channels-last memory.
    """
    n, channels, height, width = x.shape
    if state is None:
        state = roi_weights(array_module(x), rois, x.shape, bins, scale, ratio, aligned)
    rows = x.transpose(0, 2, 3, 1).reshape(n * height * width, channels)
    return product(state, rows).reshape(len(rois), *bins, channels).transpose(0, 3, 1, 2), state


def roi_align_gradient(
    g: Any, rois: Any, shape: Ints, bins: Ints, scale: float, ratio: int, aligned: bool, state: Any
) -> Any:
    """The gradient of x (N, C, H, W) from that of ``roi_align(x, ...)``."""
    n, channels, height, width = shape
    rows = g.transpose(0, 2, 3, 1).reshape(-1, channels)
    return product(state.T.tocsr(), rows).reshape(n, height, width, channels).transpose(0, 3, 1, 2)


def roi_weights(xp: Any, rois: Any, shape: Ints, bins: Ints, scale: float, ratio: int, aligned: bool) -> Any:
    """The sparse matrix (K * PH * PW, N * H * W) of every bin's pixels in maps of a shape, in arrays of ``xp``."""
    n, _, height, width = shape
    starts, pixels, weights = samples(
        devices.move(rois, devices.CPU), bins, (height, width), scale, ratio, 0.5 if aligned else 0.0, not aligned
    )
    arrays = tuple(xp.asarray(array) for array in (weights, pixels, starts))
    return scipy_for(xp, "sparse").csr_matrix(arrays, shape=(len(starts) - 1, n * height * width))


def product(matrix: Any, x: Any) -> Any:
    """A sparse matrix (R, M) times a dense one (M, C), in as many threads as there are."""
    rows = matrix.shape[0]
    if array_module(x) is not np or rows <= PART or threads.current() == 1:
        return matrix @ x
    out = np.empty((rows, x.shape[1]), x.dtype)

    def part(start: int) -> None:
        out[start : start + PART] = matrix[start : start + PART] @ x

    threads.parallel(part, range(0, rows, PART))
    return out


def samples(
    rois: Any, bins: Ints, lengths: Ints, scale: float, ratio: int, shift: float, wide: bool
) -> tuple[Any, Any, Any]:
    """Every bin's pixels and weights.

    Args:
        rois: (K, 5), a NumPy array.
        lengths: (H, W) of the maps.
        shift: what the boxes are moved by, towards 0.
        wide: whether they are at least a pixel wide and high.

    Returns:
        As ``crossed``.
    """
    kind = rois.dtype.type
    corners = rois[:, 1:] * kind(scale) - kind(shift)
    axes = []
    for axis, count, pixels in ((1, bins[0], lengths[0]), (0, bins[1], lengths[1])):
        length = corners[:, axis + 2] - corners[:, axis]
        length = length.clip(min=1) if wide else length
        axes.append(_sampled(corners[:, axis], length, count, ratio, pixels))
    return crossed(axes[0], axes[1], rois[:, 0].astype("int64"), bins)


def _sampled(start: Any, length: Any, bins: int, ratio: int, pixels: int) -> Any:
    """Weights of bins that take the mean of bilinear samples, evenly spaced.

    Args:
        start, length: (K,), in pixels, the middle of the first pixel being 0.

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
    matrix = sparse(weights, columns, starts, pixels)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def sparse(weights: Any, columns: Any, starts: Any, width: int) -> Any:
    """A sparse matrix of NumPy arrays, its rows one behind the other."""
    from scipy.sparse import csr_matrix

    return csr_matrix((weights, columns, starts), shape=(len(starts) - 1, width))


def spans(starts: Any, counts: Any) -> Any:
    """The numbers ``start, ..., start + count - 1`` of every start and count, one run behind the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)


def crossed(lines: Any, columns: Any, owner: Any, bins: Ints) -> tuple[Any, Any, Any]:
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
