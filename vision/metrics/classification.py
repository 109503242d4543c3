"""Metrics of classes: top-k accuracy, and the confusion matrix with what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError, BoundsError, ShapeError
from framework.tensor import Tensor, wrap
from framework.utils.metric import Metric, as_array, check_integers, count_classes, share

Array = np.ndarray[Any, Any]


def accuracy(output: Any, target: Any, topk: Sequence[int] = (1,)) -> list[float]:
    """The share of samples whose class is among the ``k`` best scored, for each ``k``.

    Of equal scores the class of the lower number stands first; a score that is NaN stands above all others and is
    never right.

    Args:
        output: scores (N, C).
        target: classes (N), or the probabilities of classes (N, C), of which the largest counts.
        topk: values of k, 1..C.

    Returns:
        A share of 0..1 for each k.

    Differs from torchvision's reference script: shares, not per cent, and floats, not tensors.

    Example:
        >>> accuracy(framework.tensor([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]]), framework.tensor([1, 2]), topk=(1, 2))
        [0.5, 1.0]
    """
    ranks, classes = _ranks(output, target)
    if not len(ranks):
        raise ShapeError("accuracy: there is no sample")
    return [float((ranks < _check_k(k, classes)).mean()) for k in topk]


class TopKAccuracy(Metric):
    """The share of samples whose class is among the ``k`` best scored; see ``accuracy``.

    Args:
        k: how many of the best scored classes are looked at, 1 or more.
    """

    _settings = ("k",)
    _state = ("correct", "total")

    def __init__(self, k: int = 1) -> None:
        if k < 1:
            raise ArgumentError(f"TopKAccuracy: k must be positive, got {k}")
        self.k = k
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.correct = np.zeros((), np.int64)
        self.total = np.zeros((), np.int64)

    def update(self, output: Any, target: Any) -> None:
        """Add scores (N, C) and classes (N)."""
        ranks, classes = _ranks(output, target)
        self.correct = self.correct + np.count_nonzero(ranks < _check_k(self.k, classes))
        self.total = self.total + len(ranks)

    def compute(self) -> float:
        """The share, 0..1."""
        if not self.total:
            raise ArgumentError("TopKAccuracy: no sample was counted; call update before compute")
        return float(self.correct / self.total)


def confusion_matrix(output: Any, target: Any, num_classes: int, ignore_index: int | None = None) -> Tensor:
    """How often each class (row) was taken for each other (column), as counts (num_classes, num_classes).

    Args:
        output: predicted classes of the target's shape (N, ...), or scores (N, num_classes, ...), of which the largest
            counts.
        target: classes (N, ...) of 0..num_classes-1.
        num_classes: the number of classes.
        ignore_index: a class number of samples to leave out.

    Raises:
        BoundsError: a class is outside 0..num_classes-1.
    """
    return wrap(count_pairs("confusion_matrix", output, target, num_classes, ignore_index))


class ConfusionMatrix(Metric):
    """How often each class was taken for each other, and what follows from it for each class.

    Where a share has nothing to be a share of, such as the precision of a class that was never predicted, it is NaN.

    Args:
        num_classes: the number of classes.
        normalize: "true" makes each row (true class) sum to 1, "pred" each column, "all" the whole; None keeps counts.
        ignore_index: a class number of samples to leave out.
    """

    _settings = ("num_classes", "ignore_index")
    _state = ("counts",)

    def __init__(self, num_classes: int, normalize: str | None = None, ignore_index: int | None = None) -> None:
        if num_classes < 1:
            raise ArgumentError(f"ConfusionMatrix: num_classes must be positive, got {num_classes}")
        if normalize not in (None, "true", "pred", "all"):
            raise ArgumentError(f"ConfusionMatrix: normalize must be 'true', 'pred', 'all' or None, got {normalize!r}")
        self.num_classes = num_classes
        self.normalize = normalize
        self.ignore_index = ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.counts = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, output: Any, target: Any) -> None:
        """Add predicted classes (N, ...), or scores (N, num_classes, ...), and classes (N, ...)."""
        self.counts = self.counts + count_pairs("ConfusionMatrix", output, target, self.num_classes, self.ignore_index)

    def compute(self) -> Tensor:
        """The matrix (true class, predicted class): int64 counts, or float64 shares with ``normalize``."""
        if self.normalize is None:
            return wrap(self.counts.copy())
        axis = {"true": 1, "pred": 0, "all": None}[self.normalize]
        return wrap(share(self.counts, self.counts.sum(axis=axis, keepdims=True)))

    def accuracy(self) -> float:
        """The share of all samples that were predicted right."""
        return float(share(np.trace(self.counts), self.counts.sum()))

    def precision(self) -> Tensor:
        """Of what was predicted as each class, the share that is: (num_classes)."""
        return wrap(share(self._right, self.counts.sum(axis=0)))

    def recall(self) -> Tensor:
        """Of what is each class, the share that was predicted as it: (num_classes)."""
        return wrap(share(self._right, self.counts.sum(axis=1)))

    def f1(self) -> Tensor:
        """The harmonic mean of precision and recall of each class: (num_classes)."""
        return wrap(share(2 * self._right, self.counts.sum(axis=0) + self.counts.sum(axis=1)))

    def iou(self) -> Tensor:
        """Of what is each class or was predicted as it, the share that is both: (num_classes)."""
        return wrap(share(self._right, self.counts.sum(axis=0) + self.counts.sum(axis=1) - self._right))

    def table(self, class_names: Sequence[str] | None = None) -> str:
        """Precision, recall, F1 and IoU of each class, in per cent, and their means, as text.

        Args:
            class_names: a name for each class; their numbers unless given.
        """
        names = [str(name) for name in (range(self.num_classes) if class_names is None else class_names)]
        if len(names) != self.num_classes:
            raise ArgumentError(f"table: expected {self.num_classes} class names, got {len(names)}")
        columns = np.stack(
            [as_array(part) for part in (self.precision(), self.recall(), self.f1(), self.iou())], axis=1
        )
        width = max(len(name) for name in [*names, "class", "mean"])
        lines = [f"{'class':<{width}}  precision  recall      F1     IoU   samples"]
        samples = self.counts.sum(axis=1)
        for name, row, count in zip([*names, "mean"], [*columns, mean_present(columns)], [*samples, samples.sum()]):
            cells = ["-" if np.isnan(share) else f"{100 * share:.2f}" for share in row]
            lines.append(f"{name:<{width}}  {cells[0]:>9}  {cells[1]:>6}  {cells[2]:>6}  {cells[3]:>6}  {count:>8}")
        return "\n".join([*lines, f"accuracy {100 * self.accuracy():.2f} %"])

    @property
    def _right(self) -> Array:
        return np.diagonal(self.counts)


def count_pairs(who: str, output: Any, target: Any, num_classes: int, ignore_index: int | None) -> Array:
    """Counts (true class, predicted class); the functions and metrics of classes and pixels all count here."""
    predicted, truth = as_array(output), as_array(target)
    if predicted.ndim == truth.ndim + 1:
        if predicted.shape[1] != num_classes:
            raise ShapeError(f"{who}: expected scores of {num_classes} classes, got shape {predicted.shape}")
        predicted = predicted.argmax(axis=1)
    return count_classes(who, predicted, truth, num_classes, ignore_index)


def mean_present(shares: Array) -> Array:
    """The mean over classes (the first axis) of what is not NaN; NaN where nothing is left."""
    present = ~np.isnan(shares)
    return share(np.where(present, shares, 0.0).sum(axis=0), present.sum(axis=0))


def _check_k(k: int, classes: int) -> int:
    if not 1 <= k <= classes:
        raise ArgumentError(f"accuracy: k must be 1..{classes}, the number of classes, got {k}")
    return k


def _ranks(output: Any, target: Any) -> tuple[Array, int]:
    """How many classes stand before each sample's own (N), and the number of classes."""
    scores, truth = as_array(output), as_array(target)
    if scores.ndim != 2:
        raise ShapeError(f"accuracy: expected scores (N, C), got shape {scores.shape}")
    if truth.ndim == 2 and truth.shape == scores.shape:
        truth = truth.argmax(axis=1)
    if truth.shape != scores.shape[:1]:
        raise ShapeError(f"accuracy: expected {len(scores)} classes, one for each score row, got shape {truth.shape}")
    check_integers("accuracy", truth)
    classes = scores.shape[1]
    if truth.size and (truth.min() < 0 or truth.max() >= classes):
        raise BoundsError(f"accuracy: the targets {truth.min()}..{truth.max()} are not all in 0..{classes - 1}")
    own = np.take_along_axis(scores, truth.astype(np.intp)[:, None], axis=1)
    ahead = ~(scores <= own)  # also what is NaN
    ahead |= (scores == own) & (np.arange(classes) < truth[:, None])
    return np.where(np.isnan(own[:, 0].astype(np.float64)), classes, ahead.sum(axis=1)), classes
