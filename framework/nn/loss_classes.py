"""Losses of a choice among classes, and of label sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from framework.errors import ArgumentError, ShapeError
from framework.nn.linear import Linear
from framework.nn.loss import Loss, WeightedLoss
from framework.ops import loss_classes as ops
from framework.ops.ctc import ctc_loss


class NLLLoss(WeightedLoss):
    """The negative log-likelihood of class indices, from log-probabilities.

    Args:
        weight: (C,) weight of each class.
        ignore_index: a target value that counts for nothing.

    Shape:
        input (N, C, ...) or (C,), target (N, ...) or ().
    """

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean"
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of log-probabilities ``input`` against class indices ``target``."""
        return ops.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """``NLLLoss`` under the name it had for images."""


class CrossEntropyLoss(WeightedLoss):
    """The cross-entropy between scores and class indices or probabilities.

    Args:
        weight: (C,) weight of each class.
        ignore_index: a class index that counts for nothing.
        label_smoothing: in [0, 1], the share of the target that is spread evenly over all classes.

    Shape:
        input (N, C, ...) or (C,) scores; target (N, ...) or () class indices, or probabilities of the input's shape.

    Example:
        >>> loss = nn.CrossEntropyLoss(label_smoothing=0.1)(model(images), labels)
    """

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
        reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of scores ``input`` against ``target``."""
        return ops.cross_entropy(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """How PyTorch splits ``linear_cross_entropy`` into chunks. Accepted; the scores are computed whole here."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ArgumentError(
                f"LinearCrossEntropyOptions: invalid acc_policy {self.acc_policy!r}; use 'auto', 'accurate', "
                "'balanced' or 'compact'"
            )
        size = self.batch_chunk_size
        if size is not None and (not isinstance(size, int) or size <= 0):
            raise ArgumentError(
                f"LinearCrossEntropyOptions: batch_chunk_size must be a positive int or None, got {size!r}"
            )


class LinearCrossEntropyLoss(WeightedLoss):
    """A linear layer and the cross-entropy of its output in one.

    Args:
        in_features: length of the input's last dim.
        num_classes: number of classes C.
        out_features: (d1, ...) for a loss over (N, C, d1, ...).
        bias: whether the linear layer has a bias.
        weight: (C,) weight of each class.
        ignore_index: a class index that counts for nothing; None for -100.
        label_smoothing: in [0, 1].
        options: accepted for PyTorch's signature.
    """

    def __init__(
        self, in_features: int, num_classes: int, *, out_features: tuple[int, ...] = (), bias: bool = False,
        device: Any = None, dtype: Any = None, reduction: str = "mean", weight: Any = None,
        ignore_index: int | None = None, label_smoothing: float = 0.0, options: Any = None
    ) -> None:  # fmt: skip
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise ShapeError(
                f"LinearCrossEntropyLoss: expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(f"LinearCrossEntropyLoss: expected label_smoothing in [0, 1], got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.linear = Linear(in_features, math.prod(out_features, start=num_classes), bias, device, dtype)
        self.options = options

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of the scores that ``input`` gives against ``target``."""
        outer = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return ops.linear_cross_entropy(
            input, self.linear.weight.reshape(*outer, self.linear.in_features), target,
            linear_bias=None if bias is None else bias.reshape(outer), weight=self.weight, reduction=self.reduction,
            ignore_index=self.ignore_index, label_smoothing=self.label_smoothing, options=self.options
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The options, for ``repr``."""
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )


class CTCLoss(Loss):
    """Connectionist temporal classification: the loss of label sequences not aligned with their input.

    Args:
        blank: the class that stands for no label.
        reduction: "mean" divides each loss by its target's length, then averages over the batch.
        zero_infinity: count 0 for a target too long for its input.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any) -> Any:
        """The loss of (T, N, C) log-probabilities against ``targets``."""
        return ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
