"""Losses of margins: ranking, hinge, embedding, triplet and multi-class margins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework.errors import ArgumentError, ShapeError
from framework.nn.loss import Loss, WeightedLoss
from framework.ops import loss_margins as ops
from framework.ops.similarity import pairwise_distance


class _MarginLoss(Loss):
    """A loss with a margin."""

    def __init__(
        self, margin: float, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class MarginRankingLoss(_MarginLoss):
    """One input should rank above the other by a margin; the target 1 or -1 says which."""

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """The loss of two inputs and a target of one shape."""
        return ops.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class HingeEmbeddingLoss(_MarginLoss):
    """A distance should be small where the target is 1 and above a margin where it is -1."""

    def __init__(
        self, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of distances ``input`` against ``target``, both of one shape."""
        return ops.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """Two vectors should point the same way where the target is 1, apart by a margin where it is -1."""

    def __init__(
        self, margin: float = 0.0, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        """The loss of (N, D) inputs against an (N,) target."""
        return ops.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(Loss):
    """``log(1 + exp(-target * input))`` for targets 1 and -1."""

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of scores ``input`` against ``target``, both of one shape."""
        return ops.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(Loss):
    """The hinge loss of several labels a sample: each label's score should lead the other classes' by 1."""

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of (N, C) scores against (N, C) label indices, ended by -1."""
        return ops.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """The binary cross-entropy of scores, averaged over the classes.

    Args:
        weight: (C,) weight of each class.
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of (N, C) scores against (N, C) zeros and ones."""
        return ops.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MultiMarginLoss(WeightedLoss):
    """The multi-class hinge loss: the right class's score should lead the others' by a margin.

    Args:
        p: 1 or 2, the power of each gap.
        margin: the lead wanted.
        weight: (C,) weight of each class.
    """

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: bool | None = None,
        reduce: bool | None = None, reduction: str = "mean"
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ArgumentError(f"MultiMarginLoss: only p == 1 and p == 2 are supported, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ShapeError(f"MultiMarginLoss: weight must be None or have one dim, got {tuple(weight.shape)}")
        self.p = p
        self.margin = margin

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of (N, C) scores against (N,) class indices."""
        return ops.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class TripletMarginLoss(Loss):
    """An anchor should lie nearer to the positive than to the negative, by a margin.

    Args:
        margin: above 0.
        p: degree of the norm.
        eps: added to each difference.
        swap: take the positive in the anchor's place where it is nearer to the negative.
    """

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False,
        size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ArgumentError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """The loss of (N, D) anchors, positives and negatives."""
        return ops.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """``TripletMarginLoss`` with a distance of one's own.

    Args:
        distance_function: of two (N, D) tensors; the Euclidean distance unless given.
        margin: above 0.
        swap: take the positive in the anchor's place where it is nearer to the negative.
    """

    def __init__(
        self, *, distance_function: Callable[[Any, Any], Any] | None = None, margin: float = 1.0, swap: bool = False,
        reduction: str = "mean"
    ) -> None:  # fmt: skip
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ArgumentError(f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin}")
        self.distance_function = pairwise_distance if distance_function is None else distance_function
        self.margin, self.swap = margin, swap

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        """The loss of anchors, positives and negatives."""
        return ops.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction
        )  # fmt: skip
