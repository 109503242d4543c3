"""Boxes on the GPU: non-maximum suppression by bit masks, and regions pooled by bilinear samples.

A launch compares all boxes with those after them, 64 at a time, and notes in a word of bits which are suppressed; another,
of one block, goes through the boxes in order. So the host waits once, for how many stay.

A thread makes one channel of one bin of a region. The gradient adds to the map in the order in which threads arrive; where
deterministic algorithms are asked for, it is the generic kernel's product with a sparse matrix.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import settings
from framework.devices import array_module
from framework.kernels.cuda.modules import CTYPES, blocks, kernel
from framework.kernels.cuda.tensors import struct
from framework.kernels.generic import boxes as generic
from framework.kernels.layout import last

NAME = "cuda"
WORD = 64  # boxes in a word of a mask
MOST = 1 << 17  # boxes, whose mask takes 2 GB
THREADS, SWEEPERS = 256, 512
NULL = np.uint64(0)

Ints = tuple[int, ...]


def declines(*arrays: Any, **params: Any) -> str | None:
    """None if it can serve boxes and scores, or feature maps and regions, else why not."""
    x = arrays[0]
    if x.dtype not in (np.float32, np.float64) or arrays[1].dtype != x.dtype:
        return f"there is no kernel for {x.dtype} and {arrays[1].dtype}"
    if not x.size:
        return "nothing to compute"
    if x.ndim == 2 and len(x) > MOST:
        return "so many boxes that the mask of their overlaps would take more than 2 GB"
    return None


def nms(boxes: Any, scores: Any, iou_threshold: float, categories: Any = None) -> Any:
    """The boxes (N, 4) that overlap none of a better score, and of their category if given, by more than a threshold.

    Returns:
        int64, in descending order of score, equal scores in the order given, nan first.
    """
    xp, count = array_module(boxes), len(boxes)
    order = generic.descending(scores)
    kinds = NULL if categories is None else categories[order].astype(np.int64)
    words, name = blocks(count, WORD), CTYPES[boxes.dtype]
    mask, kept = xp.empty((count, words), np.uint64), xp.empty(count, bool)
    limit = boxes.dtype.type(generic.at_most(iou_threshold, boxes.dtype))
    kernel("boxes", "suppression", T=name)((words, words), (WORD,), (boxes[order], kinds, mask, limit, np.int32(count)))
    kernel("boxes", "sweep", T=name)(
        (1,), (SWEEPERS,), (mask, kept, np.int32(count), np.int32(words)), shared_mem=8 * words
    )
    return order[kept]


def roi_align(
    x: Any, rois: Any, bins: Ints, scale: float, ratio: int, aligned: bool, state: Any = None
) -> tuple[Any, Any]:
    """Regions of feature maps (N, C, H, W) cut into bins, each the mean of bilinear samples; and nothing.

    Returns:
        (K, C, PH, PW), over channels-last memory.
    """
    source, rois = last(x), array_module(x).ascontiguousarray(rois)
    y = array_module(x).empty((len(rois), *bins, x.shape[1]), x.dtype)
    _launch("roi_align", (source, rois, y), y, x.shape, bins, scale, ratio, aligned)
    return y.transpose(0, 3, 1, 2), None


def roi_align_gradient(
    g: Any, rois: Any, shape: Ints, bins: Ints, scale: float, ratio: int, aligned: bool, state: Any
) -> Any:
    """The gradient of x (N, C, H, W) from that of ``roi_align(x, ...)``."""
    xp = array_module(g)
    if settings.are_deterministic_algorithms_enabled():
        state = generic.roi_weights(xp, rois, shape, bins, scale, ratio, aligned)
        return generic.roi_align_gradient(g, rois, shape, bins, scale, ratio, aligned, state)
    gx, source = xp.zeros((shape[0], *shape[2:], shape[1]), g.dtype), last(g)
    _launch("roi_align_gradient", (source, xp.ascontiguousarray(rois), gx), source, shape, bins, scale, ratio, aligned)
    return gx.transpose(0, 3, 1, 2)


def _launch(
    name: str, arrays: tuple[Any, Any, Any], threads: Any, shape: Ints, bins: Ints, scale: float, ratio: int,
    aligned: bool,
) -> None:  # fmt: skip
    """Run a kernel of a thread for each element of an array, which may have none."""
    maps, channels, height, width = shape
    kind = threads.dtype
    roi = np.zeros((), [("sizes", "i4", 8), ("numbers", kind, 3)])
    roi["sizes"] = (maps, channels, height, width, *bins, ratio, 0)
    roi["numbers"] = (scale, 0.5 if aligned else 0, 0 if aligned else 1)
    if threads.size:
        kernel("boxes", name, T=CTYPES[kind])(
            (blocks(threads.size, THREADS),), (THREADS,), (*arrays, struct(roi.reshape(1)), np.int64(threads.size))
        )
