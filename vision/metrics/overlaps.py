"""How much objects cover each other, and how a batch of detections and targets is read, boxes and masks alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from framework.errors import ArgumentError, ShapeError
from framework.utils.metric import as_array

Array = np.ndarray[Any, Any]


@dataclass
class Objects:
    """The objects of one image, found or true."""

    shapes: Array  # boxes (N, 4), or masks (N, words) of 64 pixels a word
    areas: Array  # (N), in pixels
    labels: Array  # (N)
    size: tuple[int, ...] = ()  # (H, W) of masks

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: Array) -> Objects:
        return Objects(self.shapes[chosen], self.areas[chosen], self.labels[chosen], self.size)


def read_batch(who: str, preds: Any, target: Any) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Pairs of an image's detections and targets."""
    for name, side in (("predictions", preds), ("targets", target)):
        if not isinstance(side, Sequence) or not all(isinstance(image, Mapping) for image in side):
            raise TypeError(f"{who}: {name} must be a list of dicts, one an image, got {type(side).__name__}")
    if len(preds) != len(target):
        raise ShapeError(f"{who}: got predictions for {len(preds)} images and targets for {len(target)}")
    return list(zip(preds, target, strict=True))


def entry(who: str, image: Mapping[str, Any], name: str, count: int | None = None) -> Array:
    """One of an image's entries, of ``count`` rows where that is known."""
    if name not in image:
        raise ArgumentError(f"{who}: an image lacks {name!r}; it has {', '.join(map(repr, image)) or 'nothing'}")
    values = as_array(image[name])
    if count is not None and values.shape != (count,):
        raise ShapeError(f"{who}: expected {name!r} of shape ({count},), one for each label, got {values.shape}")
    return values


def scores_of(who: str, image: Mapping[str, Any], count: int) -> Array:
    """The scores of an image's detections, which must be numbers that can be ranked."""
    scores = entry(who, image, "scores", count).astype(np.float64)
    if np.isnan(scores).any():
        raise ArgumentError(f"{who}: a score is NaN, which has no rank")
    return scores


def read_objects(who: str, image: Mapping[str, Any], masks: bool) -> Objects:
    """An image's objects: their "boxes" (N, 4) as (x1, y1, x2, y2), or "masks" (N, H, W), and their "labels" (N)."""
    labels = entry(who, image, "labels")
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iu"):
        raise ShapeError(f"{who}: expected integer labels (N), got {labels.dtype} of shape {labels.shape}")
    labels = labels.astype(np.int64)
    count = len(labels)
    if masks:
        bitmaps = entry(who, image, "masks")
        words = _packed(who, bitmaps, count)
        return Objects(words, _bits(words), labels, bitmaps.shape[-2:])
    boxes = entry(who, image, "boxes").astype(np.float64)
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.shape != (count, 4):
        raise ShapeError(f"{who}: expected boxes ({count}, 4), one for each label, got shape {boxes.shape}")
    if (boxes[:, 2:] < boxes[:, :2]).any() or np.isnan(boxes).any():
        raise ArgumentError(f"{who}: boxes must be (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2")
    return Objects(boxes, np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), labels)


def _packed(who: str, masks: Array, count: int) -> Array:
    """Masks (N, H, W) or (N, 1, H, W) as bits, 64 a word."""
    if masks.size == 0 and count == 0:
        return np.zeros((0, 0), np.uint64)
    if masks.ndim == 4 and masks.shape[1] == 1:
        masks = masks[:, 0]
    if masks.ndim != 3 or len(masks) != count:
        raise ShapeError(f"{who}: expected masks ({count}, H, W), one for each label, got shape {masks.shape}")
    if masks.dtype.kind not in "biu":
        raise TypeError(f"{who}: masks must be bool or integers, got {masks.dtype}; compare scores with a threshold")
    bits = np.packbits(masks.reshape(count, -1), axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def overlaps(who: str, found: Objects, true: Objects, crowd: Array) -> Array:
    """The intersection over union of each detection with each target (D, G), -1 where their labels differ.

    Of a ``crowd`` target (G) a detection may cover any part, so there it is the intersection over the detection's area.
    """
    shared = np.full((len(found), len(true)), -1.0)
    if not shared.size:
        return shared
    if found.size != true.size:
        raise ShapeError(f"{who}: masks of {found.size} pixels were predicted where the targets' have {true.size}")
    of_words = found.shapes.dtype == np.uint64
    same = found.labels[:, None] == true.labels
    for number in np.flatnonzero(same.any(axis=1)):
        others = same[number]
        common = (_common_bits if of_words else _common_area)(found.shapes[number], true.shapes[others])
        union = found.areas[number] + np.where(crowd[others], 0.0, true.areas[others] - common)
        shared[number, others] = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shared


def _bits(words: Array) -> Array:
    """How many bits of each row are set, as floats."""
    return np.bitwise_count(words).sum(axis=1, dtype=np.float64)


def _common_bits(mask: Array, others: Array) -> Array:
    return _bits(mask & others)


def _common_area(box: Array, others: Array) -> Array:
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return np.prod(np.maximum(sides, 0.0), axis=1)
