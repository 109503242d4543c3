"""Metrics of classes: accuracy, F1, and Matthews' correlation."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.errors import ArgumentError, ShapeError
from framework.utils.metric import Metric, as_array, count_classes, share

Array = np.ndarray[Any, Any]
_AVERAGES = ("binary", "macro", "micro", "weighted")


def _classes(who: str, output: Any, target: Any) -> tuple[Array, Array]:
    """Predicted and true class numbers; scores stand in the last dimension."""
    predicted, truth = as_array(output), as_array(target)
    if predicted.ndim == truth.ndim + 1:
        predicted = predicted.argmax(axis=-1)
    if predicted.shape != truth.shape:
        raise ShapeError(f"{who}: predictions of shape {predicted.shape} do not fit targets of shape {truth.shape}")
    return predicted, truth


class Accuracy(Metric):
    """The share of samples, or of tokens, of which the class is right.

    Args:
        ignore_index: a target that does not count.
    """

    _settings = ("ignore_index",)
    _state = ("correct", "total")

    def __init__(self, ignore_index: int | None = -100) -> None:
        self.ignore_index = ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.correct = np.zeros((), np.int64)
        self.total = np.zeros((), np.int64)

    def update(self, output: Any, target: Any) -> None:
        """Add classes, or scores with one dimension more, the last, and targets (N) or (N, L)."""
        predicted, truth = _classes("Accuracy", output, target)
        counted = np.ones(truth.shape, bool) if self.ignore_index is None else truth != self.ignore_index
        self.correct = self.correct + np.count_nonzero((predicted == truth) & counted)
        self.total = self.total + np.count_nonzero(counted)

    def compute(self) -> float:
        """The share, 0..1."""
        if not self.total:
            raise ArgumentError("Accuracy: no sample was counted; call update before compute")
        return float(self.correct / self.total)


class _Confusion(Metric):
    """Counts of how often each class was taken for each other."""

    num_classes: int
    ignore_index: int | None
    _state = ("counts",)

    def reset(self) -> None:
        """Forget all batches."""
        self.counts = np.zeros((self.num_classes, self.num_classes), np.int64)

    def update(self, output: Any, target: Any) -> None:
        """Add classes, or scores with one dimension more, the last, and targets (N) or (N, L)."""
        who = type(self).__name__
        predicted, truth = _classes(who, output, target)
        self.counts = self.counts + count_classes(who, predicted, truth, self.num_classes, self.ignore_index)


class F1Score(_Confusion):
    """The harmonic mean of precision and recall, 0..1.

    Args:
        num_classes: the number of classes.
        average: "binary", of the class ``positive`` alone; "macro", the mean over the classes that occur, predicted or
            true; "weighted", the same weighted by how often each is true; "micro", of all decisions together.
        positive: the class that "binary" is about.
        ignore_index: a target that does not count.

    Where a share has nothing to be a share of, it is 0, as in scikit-learn.
    """

    _settings = ("num_classes", "ignore_index")

    def __init__(
        self, num_classes: int = 2, average: str = "macro", positive: int = 1, ignore_index: int | None = -100
    ) -> None:
        if average not in _AVERAGES:
            raise ArgumentError(f"F1Score: average must be one of {', '.join(_AVERAGES)}, got {average!r}")
        if not 0 <= positive < num_classes:
            raise ArgumentError(f"F1Score: positive must be a class of 0..{num_classes - 1}, got {positive}")
        self.num_classes = num_classes
        self.average = average
        self.positive = positive
        self.ignore_index = ignore_index
        super().__init__()

    def compute(self) -> float:
        """The F1."""
        right, predicted, true = self._sums()
        return self._averaged(2 * right, predicted + true, true)

    def precision(self) -> float:
        """Of what was predicted as a class, the share that is, averaged in the same way."""
        right, predicted, true = self._sums()
        return self._averaged(right, predicted, true)

    def recall(self) -> float:
        """Of what is of a class, the share that was predicted so, averaged in the same way."""
        right, _, true = self._sums()
        return self._averaged(right, true, true)

    def _sums(self) -> tuple[Array, Array, Array]:
        """Of each class, how many were right, predicted and true."""
        if not self.counts.sum():
            raise ArgumentError("F1Score: no sample was counted; call update before compute")
        return np.diagonal(self.counts), self.counts.sum(axis=0), self.counts.sum(axis=1)

    def _averaged(self, part: Array, whole: Array, true: Array) -> float:
        if self.average == "micro":
            part, whole = part.sum(), whole.sum()
        shares = np.nan_to_num(share(part, whole))
        if self.average == "micro":
            return float(shares)
        if self.average == "binary":
            return float(shares[self.positive])
        if self.average == "weighted":
            return float(np.average(shares, weights=true))
        return float(shares[(true + self.counts.sum(axis=0)) > 0].mean())


class MatthewsCorrelation(_Confusion):
    """The correlation of predicted and true classes, -1..1: 0 for guessing, however unequal the classes are.

    It is 0 where all samples were predicted as, or are of, one class.

    Args:
        num_classes: the number of classes.
        ignore_index: a target that does not count.

    Reference: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004,
    https://doi.org/10.1016/j.compbiolchem.2004.09.006.
    """

    _settings = ("num_classes", "ignore_index")

    def __init__(self, num_classes: int = 2, ignore_index: int | None = -100) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        super().__init__()

    def compute(self) -> float:
        """The correlation."""
        counts = self.counts.astype(np.float64)
        total, right = counts.sum(), np.trace(counts)
        predicted, true = counts.sum(axis=0), counts.sum(axis=1)
        covariance = right * total - predicted @ true
        spread = np.sqrt((total**2 - predicted @ predicted) * (total**2 - true @ true))
        return float(covariance / spread) if spread else 0.0
