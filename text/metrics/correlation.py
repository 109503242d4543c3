"""How far predicted numbers go along with the true ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.errors import ArgumentError, ShapeError
from framework.utils.metric import Metric, as_array

Array = np.ndarray[Any, Any]


class PearsonCorrelation(Metric):
    """The linear correlation of predicted and true numbers, -1..1; NaN where either are all the same."""

    _state = ("predicted", "true")

    def reset(self) -> None:
        """Forget all batches."""
        self.predicted = [np.empty(0)]
        self.true = [np.empty(0)]

    def update(self, output: Any, target: Any) -> None:
        """Add numbers (N) or (N, 1), and those they should have been."""
        values = [as_array(numbers).astype(np.float64).reshape(-1) for numbers in (output, target)]
        if len(values[0]) != len(values[1]):
            raise ShapeError(f"{type(self).__name__}: {len(values[0])} predictions do not fit {len(values[1])} targets")
        self.predicted = [*self.predicted, values[0]]
        self.true = [*self.true, values[1]]

    def compute(self) -> float:
        """The correlation."""
        return _correlation(*self._all())

    def _all(self) -> tuple[Array, Array]:
        predicted, true = np.concatenate(self.predicted), np.concatenate(self.true)
        if len(true) < 2:
            raise ArgumentError(f"{type(self).__name__}: expected at least two samples, got {len(true)}")
        return predicted, true


class SpearmanCorrelation(PearsonCorrelation):
    """The correlation of the ranks of predicted and true numbers, -1..1; equal numbers share the mean of their ranks."""

    def compute(self) -> float:
        """The correlation."""
        predicted, true = self._all()
        return _correlation(_ranks(predicted), _ranks(true))


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(np.clip((a @ b) / spread, -1, 1)) if spread else float("nan")


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[places]
