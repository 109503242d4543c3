"""Average precision of detected boxes, by the rules of the Pascal VOC challenges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import wrap
from framework.utils.metric import Metric
from vision.metrics.overlaps import Array, entry, overlaps, read_batch, read_objects, scores_of

_RECORDS = ("scores", "labels", "hits", "misses", "true_labels", "counted")


class VOCAveragePrecision(Metric):
    """Average precision of boxes at one overlap, as the Pascal VOC challenges measured it.

    Unlike COCO's rules, a detection looks only at the target that it overlaps most: if an earlier one has it, it is
    wrong.

    Args:
        iou_threshold: the overlap from which a detection counts.
        style: "2010" takes the area under the curve of precision over recall, "2007" the mean of its height at the
            recalls 0, 0.1, ... 1.
        inclusive: the boxes' right and lower sides are pixels that belong to them, as in VOC's annotation files.

    Reference:
        Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge",
        https://doi.org/10.1007/s11263-009-0275-4, and the development kits of 2007 and 2010.
    """

    _settings = ("iou_threshold", "style", "inclusive")
    _state = _RECORDS

    def __init__(self, iou_threshold: float = 0.5, style: str = "2010", inclusive: bool = True) -> None:
        if not 0 < iou_threshold <= 1:
            raise ArgumentError(f"VOCAveragePrecision: iou_threshold must be in (0, 1], got {iou_threshold}")
        if style not in ("2007", "2010"):
            raise ArgumentError(f"VOCAveragePrecision: style must be '2007' or '2010', got {style!r}")
        self.iou_threshold = iou_threshold
        self.style = style
        self.inclusive = inclusive
        super().__init__()

    def reset(self) -> None:
        """Forget all images."""
        self.scores = [np.empty(0)]  # of detections (D), as what follows
        self.labels = [np.empty(0, np.int64)]
        self.hits = [np.empty(0, bool)]
        self.misses = [np.empty(0, bool)]  # neither of the two: what lies on a difficult target
        self.true_labels = [np.empty(0, np.int64)]  # of targets (G)
        self.counted = [np.empty(0, bool)]

    def update(self, output: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]]) -> None:
        """Add the images of a batch.

        Args:
            output: for each image "boxes" (N, 4) as (x1, y1, x2, y2) in pixels, "scores" (N) and "labels" (N).
            target: for each image "boxes" (M, 4) and "labels" (M), and where there are such "difficult" (M), true for
                objects that count neither when found nor when missed.
        """
        who = "VOCAveragePrecision"
        records = []
        for found, true in read_batch(who, output, target):  # all are read before any is kept
            detections, targets = self._objects(who, found), self._objects(who, true)
            scores, count = scores_of(who, found, len(detections)), len(targets)
            difficult = (
                entry(who, true, "difficult", count).astype(bool) if "difficult" in true else np.zeros(count, bool)
            )
            order = np.argsort(-scores, kind="stable")
            shared = overlaps(who, detections[order], targets, np.zeros(count, bool))
            hits, misses = self._outcomes(shared, difficult)
            records.append((scores[order], detections.labels[order], hits, misses, targets.labels, ~difficult))
        for record in records:
            for name, value in zip(_RECORDS, record, strict=True):
                getattr(self, name).append(value)

    def _objects(self, who: str, image: Mapping[str, Any]) -> Any:
        objects = read_objects(who, image, masks=False)
        if self.inclusive:
            objects.shapes[:, 2:] += 1
            objects.areas = np.prod(objects.shapes[:, 2:] - objects.shapes[:, :2], axis=1)
        return objects

    def _outcomes(self, shared: Array, difficult: Array) -> tuple[Array, Array]:
        """Which detections, best first, are right and which are wrong."""
        hits = np.zeros(len(shared), bool)
        if not shared.size:
            return hits, ~hits
        best = shared.argmax(axis=1)
        on = shared.max(axis=1) >= self.iou_threshold
        candidates = np.flatnonzero(on & ~difficult[best])
        hits[candidates[np.unique(best[candidates], return_index=True)[1]]] = True  # the first on each target
        return hits, ~hits & ~(on & difficult[best])

    def compute(self) -> dict[str, Any]:
        """The "map", the mean over the classes that have targets (-1 if none has), "classes", and "ap_per_class" of these."""
        scores, labels, hits, misses, true_labels, counted = (self._joined(name) for name in _RECORDS)
        classes = np.unique(true_labels[counted])
        results = []
        for label in classes:
            own = np.flatnonzero(labels == label)
            own = own[np.argsort(-scores[own], kind="stable")]
            right, wrong = np.cumsum(hits[own]), np.cumsum(misses[own])
            recall = right / np.count_nonzero(counted & (true_labels == label))
            precision = np.divide(right, right + wrong, out=np.zeros(len(own)), where=right + wrong > 0)
            results.append((_eleven_points if self.style == "2007" else _area)(recall, precision))
        return {
            "map": float(np.mean(results)) if results else -1.0,
            "classes": wrap(classes),
            "ap_per_class": wrap(np.array(results, np.float64)),
        }


def voc_average_precision(
    output: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]], **settings: Any
) -> dict[str, Any]:
    """The average precision of the boxes found in some images; see ``VOCAveragePrecision``."""
    metric = VOCAveragePrecision(**settings)
    metric.update(output, target)
    return metric.compute()


def _eleven_points(recall: Array, precision: Array) -> float:
    """The mean over eleven recalls of the best precision from there on."""
    reached = recall >= (np.arange(11) / 10)[:, None]
    return float(np.where(reached, precision, 0.0).max(axis=1, initial=0.0).mean())


def _area(recall: Array, precision: Array) -> float:
    """The area under the curve, made to fall from left to right."""
    heights = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * heights).sum())
