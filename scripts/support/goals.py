"""What a model learns, classes or a number: its loss, and what is measured of it."""

from __future__ import annotations

from typing import Any, ClassVar

from framework import nn
from framework.nn import functional as F
from framework.tensor import Tensor
from text.metrics import PearsonCorrelation, SpearmanCorrelation


class Classes:
    """One of some classes; outputs are (N, classes), targets (N) class numbers."""

    headline: ClassVar[str] = "accuracy"
    unit: ClassVar[str] = " %"

    @staticmethod
    def criterion(args: Any) -> nn.Module:
        """The loss to train with."""
        return nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum of the samples' losses."""
        return F.cross_entropy(outputs, targets, reduction="sum")

    @staticmethod
    def scores(outputs: Tensor) -> Tensor:
        """The classes' probabilities (N, classes)."""
        return outputs.softmax(1)

    @staticmethod
    def figures(scores: Any, truth: Any) -> dict[str, float]:
        """How good scores are, as arrays, by name; the headline first."""
        return {"accuracy": float((scores.argmax(1) == truth).mean())}

    @staticmethod
    def shown(value: float) -> str:
        """The headline as a user reads it."""
        return f"{100 * value:.2f} %"


class Numbers:
    """A number; outputs are (N, 1), targets (N)."""

    headline: ClassVar[str] = "pearson"
    unit: ClassVar[str] = ""

    @staticmethod
    def criterion(args: Any) -> nn.Module:
        """The loss to train with: the squared error."""
        return _SquaredError()

    @staticmethod
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum of the samples' losses."""
        return F.mse_loss(outputs.squeeze(1), targets.to(outputs.dtype), reduction="sum")

    @staticmethod
    def scores(outputs: Tensor) -> Tensor:
        """The numbers (N)."""
        return outputs.squeeze(1)

    @staticmethod
    def figures(scores: Any, truth: Any) -> dict[str, float]:
        """Pearson's and Spearman's correlation of scores with the truth, as arrays; 0 where either is the same for all."""
        found = {}
        for name, metric in (("pearson", PearsonCorrelation()), ("spearman", SpearmanCorrelation())):
            metric.update(scores, truth)
            value = float(metric.compute())
            found[name] = value if value == value else 0.0
        return found

    @staticmethod
    def shown(value: float) -> str:
        """The headline as a user reads it."""
        return f"{value:.4f}"


class _SquaredError(nn.Module):
    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean of the samples' losses."""
        return F.mse_loss(outputs.squeeze(1), targets.to(outputs.dtype))


Goal = type[Classes] | type[Numbers]
