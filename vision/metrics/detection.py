"""Mean average precision of detections, by the rules of COCO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import wrap
from framework.utils.metric import Metric
from vision.metrics.overlaps import Array, Objects, entry, overlaps, read_batch, read_objects, scores_of

# in pixels, both ends included
AREA_RANGES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
_AREAS = np.array(list(AREA_RANGES.values()))  # (A, 2)
_RECALLS = np.linspace(0.0, 1.0, 101)
_RECORDS = ("scores", "labels", "ranks", "matched", "ignored", "true_labels", "true_ignored")


class MeanAveragePrecision(Metric):
    """Average precision and recall of detections of each class, as COCO's evaluation gives them.

    In each image and class the detections, best scored first, take the free target that they overlap most, if by at
    least the threshold. Precision is read at 101 recalls, and averaged over these, the classes, and the thresholds.

    Args:
        iou_type: "bbox" compares boxes, "segm" masks.
        iou_thresholds: overlaps from which a detection counts; .50, .55, ... .95 unless given.
        max_detections: how many of the best detections of a class in an image the recalls count, rising; the precisions
            count the last.

    Example:
        >>> metric = MeanAveragePrecision()
        >>> metric.update(
        ...     [{"boxes": framework.tensor([[10.0, 10, 50, 50]]), "scores": framework.tensor([0.9]),
        ...       "labels": framework.tensor([1])}],
        ...     [{"boxes": framework.tensor([[12.0, 10, 50, 52]]), "labels": framework.tensor([1])}],
        ... )
        >>> metric.compute()["map_50"]
        1.0

    Reference:
        Lin et al., "Microsoft COCO: Common Objects in Context", https://arxiv.org/abs/1405.0312, and
        https://cocodataset.org/#detection-eval. The results are those of pycocotools.
    """

    _settings = ("iou_type", "iou_thresholds", "max_detections")
    _state = _RECORDS

    def __init__(
        self,
        iou_type: str = "bbox",
        iou_thresholds: Sequence[float] | None = None,
        max_detections: Sequence[int] = (1, 10, 100),
    ) -> None:
        if iou_type not in ("bbox", "segm"):
            raise ArgumentError(f"MeanAveragePrecision: iou_type must be 'bbox' or 'segm', got {iou_type!r}")
        thresholds = (
            np.linspace(0.5, 0.95, 10).tolist() if iou_thresholds is None else [float(t) for t in iou_thresholds]
        )
        if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
            raise ArgumentError(f"MeanAveragePrecision: iou_thresholds must be in (0, 1], got {iou_thresholds}")
        if not max_detections or list(max_detections) != sorted(set(max_detections)) or max_detections[0] < 1:
            raise ArgumentError(f"MeanAveragePrecision: max_detections must be positive and rise, got {max_detections}")
        self.iou_type = iou_type
        self.iou_thresholds = thresholds
        self.max_detections = tuple(max_detections)
        super().__init__()

    def reset(self) -> None:
        """Forget all images."""
        outcomes = (0, len(_AREAS), len(self.iou_thresholds))
        self.scores = [np.empty(0)]  # of detections (D), as what follows
        self.labels = [np.empty(0, np.int64)]
        self.ranks = [np.empty(0, np.int64)]  # the place by score in the image and class
        self.matched = [np.empty(outcomes, bool)]  # (D, A, T)
        self.ignored = [np.empty(outcomes, bool)]
        self.true_labels = [np.empty(0, np.int64)]  # of targets (G)
        self.true_ignored = [np.empty(outcomes[:2], bool)]  # (G, A)

    def update(self, output: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]]) -> None:
        """Add the images of a batch.

        Args:
            output: for each image "boxes" (N, 4) as (x1, y1, x2, y2) in pixels, or "masks" (N, H, W), with "scores" (N)
                and "labels" (N), as torchvision's detectors give them.
            target: for each image "boxes" (M, 4) or "masks" (M, H, W) and "labels" (M), and where there are such
                "iscrowd" (M), true for a group that detections may cover without being counted, and "area" (M), the
                objects' sizes in pixels; those of the boxes or masks unless given.
        """
        who, masks = "MeanAveragePrecision", self.iou_type == "segm"
        records = []
        for found, true in read_batch(who, output, target):  # all are read before any is kept
            detections, targets = read_objects(who, found, masks), read_objects(who, true, masks)
            scores, count = scores_of(who, found, len(detections)), len(targets)
            crowd = entry(who, true, "iscrowd", count).astype(bool) if "iscrowd" in true else np.zeros(count, bool)
            areas = entry(who, true, "area", count).astype(np.float64) if "area" in true else targets.areas
            records.append(self._image(detections, scores, targets, areas, crowd))
        for record in records:
            for name, value in zip(_RECORDS, record, strict=True):
                getattr(self, name).append(value)

    def _image(self, found: Objects, scores: Array, true: Objects, areas: Array, crowd: Array) -> tuple[Array, ...]:
        """One image's records."""
        order = np.argsort(-scores, kind="stable")
        ranks = _places(found.labels[order])
        order = order[ranks < self.max_detections[-1]]
        ranks = ranks[ranks < self.max_detections[-1]]
        found = found[order]
        true_ignored = crowd[:, None] | _outside(areas)  # (G, A)
        shared = overlaps("MeanAveragePrecision", found, true, crowd)
        thresholds = np.minimum(self.iou_thresholds, 1 - 1e-10)  # so that an exact overlap passes 1.0
        matched, ignored = _match(shared, thresholds, true_ignored, crowd)
        ignored |= ~matched & _outside(found.areas)[:, :, None]
        return scores[order], found.labels, ranks, matched, ignored, true.labels, true_ignored

    def compute(self) -> dict[str, Any]:
        """The results over all images; -1 where no target is of a kind.

        Returns:
            "map" over all thresholds, "map_50" and "map_75" at these (where they are among the thresholds),
            "map_small", "map_medium" and "map_large" by the targets' areas; "mar_1", "mar_10", ... the recall by the
            number of detections, "mar_small", "mar_medium" and "mar_large" with the most; each 0..1. "classes" are the
            labels that occur, "map_per_class" and "mar_per_class" tensors of theirs.
        """
        precision, recall, classes = self._curves()  # (K, A, T), (K, A, M, T)
        result: dict[str, Any] = {"map": _mean(precision[:, 0])}
        for threshold in (0.5, 0.75):
            places = np.flatnonzero(np.isclose(self.iou_thresholds, threshold))
            if len(places):
                result[f"map_{round(100 * threshold)}"] = _mean(precision[:, 0, places])
        names = list(AREA_RANGES)
        result |= {f"map_{names[a]}": _mean(precision[:, a]) for a in range(1, len(names))}
        result |= {f"mar_{most}": _mean(recall[:, 0, m]) for m, most in enumerate(self.max_detections)}
        result |= {f"mar_{names[a]}": _mean(recall[:, a, -1]) for a in range(1, len(names))}
        result["classes"] = wrap(classes)
        result["map_per_class"] = wrap(np.array([_mean(part) for part in precision[:, 0]], np.float64))
        result["mar_per_class"] = wrap(np.array([_mean(part) for part in recall[:, 0, -1]], np.float64))
        return result

    def _curves(self) -> tuple[Array, Array, Array]:
        """Average precision (K, A, T), recall (K, A, M, T), -1 where a class has no target, and the K classes."""
        scores, labels, ranks, matched, ignored, true_labels, true_ignored = (self._joined(name) for name in _RECORDS)
        classes = np.union1d(labels, true_labels)
        order = np.lexsort((-scores, labels))  # by class, best first, equal scores as they came
        labels = labels[order]
        shape = (len(classes), len(_AREAS), len(self.iou_thresholds))
        precision, recall = np.full(shape, -1.0), np.full((*shape[:2], len(self.max_detections), shape[2]), -1.0)
        for k, label in enumerate(classes):
            own = order[np.searchsorted(labels, label) : np.searchsorted(labels, label, side="right")]
            targets = (~true_ignored[true_labels == label]).sum(axis=0)  # (A)
            some = targets > 0
            hits = (matched[own] & ~ignored[own])[:, some]  # (D, A', T)
            misses = ~(matched[own] | ignored[own])[:, some]
            for m, most in enumerate(self.max_detections):
                caught = hits[ranks[own] < most].sum(axis=0)
                recall[k, some, m] = caught / targets[some, None]
            precision[k, some] = _average_precision(hits, misses, targets[some])
        return precision, recall, classes


def mean_average_precision(
    output: Sequence[Mapping[str, Any]], target: Sequence[Mapping[str, Any]], **settings: Any
) -> dict[str, Any]:
    """The mean average precision of the detections in some images; see ``MeanAveragePrecision``."""
    metric = MeanAveragePrecision(**settings)
    metric.update(output, target)
    return metric.compute()


def _match(shared: Array, thresholds: Array, true_ignored: Array, crowd: Array) -> tuple[Array, Array]:
    """Which detections are matched (D, A, T), and which of these to an ignored target.

    Detections choose in turn. Targets that count come before ignored ones, and of equal overlaps the last; a crowd is
    never used up.
    """
    areas, count = true_ignored.shape[1], len(thresholds)
    matched = np.zeros((len(shared), areas, count), bool)
    to_ignored = np.zeros_like(matched)
    free = np.ones((areas, count, shared.shape[1]), bool)
    close = shared >= thresholds.min()
    for number in np.flatnonzero(close.any(axis=1)):
        near = np.flatnonzero(close[number])[::-1]  # from the last, as the first of equals is found
        overlap = shared[number, near]
        usable = (free[:, :, near] | crowd[near]) & (overlap >= thresholds[:, None])  # (A, T, G')
        rank = np.where(usable, overlap + 2.0 * ~true_ignored.T[:, None, near], -1.0)
        best = rank.argmax(axis=2)
        some = usable.any(axis=2)
        matched[number] = some
        chosen = near[best]
        to_ignored[number] = some & true_ignored[chosen, np.arange(areas)[:, None]]
        a, t = np.nonzero(some)
        free[a, t, chosen[a, t]] = False
    return matched, to_ignored


def _average_precision(hits: Array, misses: Array, targets: Array) -> Array:
    """The mean of the precision at 101 recalls, of outcomes (D, A, T) from the best score down and targets (A)."""
    if not len(hits):
        return np.zeros(hits.shape[1:])
    right, wrong = np.cumsum(hits, axis=0), np.cumsum(misses, axis=0)
    recall = right / targets[:, None]
    seen = right + wrong  # none yet, where all so far are ignored
    precision = np.divide(right, seen, out=np.zeros(right.shape), where=seen > 0)
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]  # a later, better one counts for those before it
    result = np.zeros(hits.shape[1:])
    for place in np.ndindex(result.shape):
        reached = np.searchsorted(recall[:, *place], _RECALLS, side="left")
        result[place] = precision[:, *place][reached[reached < len(hits)]].sum() / len(_RECALLS)
    return result


def _outside(areas: Array) -> Array:
    """Whether areas (N) are outside each range (N, A)."""
    return (areas[:, None] < _AREAS[:, 0]) | (areas[:, None] > _AREAS[:, 1])


def _places(labels: Array) -> Array:
    """The place of each element among those of its label, from 0."""
    order = np.argsort(labels, kind="stable")
    grouped = labels[order]
    places = np.empty(len(labels), np.int64)
    places[order] = np.arange(len(labels)) - np.searchsorted(grouped, grouped)
    return places


def _mean(values: Array) -> float:
    """The mean of what is there, which -1 marks as not; -1 where nothing is."""
    present = values[values > -1]
    return float(present.mean()) if present.size else -1.0
