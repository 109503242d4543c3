"""Losses between values of one shape, and the base of all loss layers.

Each layer holds the options of the function of ``framework.nn.functional`` that it calls; the function's docstring has
the formula. ``reduction`` is "mean", "sum" or "none"; ``size_average`` and ``reduce`` are its older spelling.
"""

from __future__ import annotations

from typing import Any

from framework.nn.module import Module
from framework.ops import loss as ops
from framework.ops.loss import reduction_of


class Loss(Module):
    """What all losses share: the reduction."""

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = reduction_of(type(self).__name__, size_average, reduce, reduction)
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with a weight tensor, kept as a buffer."""

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.weight: Any


class L1Loss(Loss):
    """The absolute error ``|input - target|``."""

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of ``input`` against ``target``, both of one shape."""
        return ops.l1_loss(input, target, reduction=self.reduction)


class MSELoss(Loss):
    """The squared error ``(input - target)**2``."""

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of ``input`` against ``target``, both of one shape."""
        return ops.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """Squared below an error of ``beta``, linear above."""

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of ``input`` against ``target``, both of one shape."""
        return ops.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """Squared up to an error of ``delta``, linear with slope ``delta`` above."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, float | int):
            raise TypeError(f"HuberLoss: delta must be a float or int, got {type(delta).__name__}")
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of ``input`` against ``target``, both of one shape."""
        return ops.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of log-probabilities from a target distribution.

    Args:
        reduction: also "batchmean", which divides by the batch size only: the divergence by its definition.
        log_target: the target holds log-probabilities too.
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of the log-probabilities ``input`` against ``target``, both of one shape."""
        return ops.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of counts under a Poisson distribution.

    Args:
        log_input: the input is the logarithm of the expected count.
        full: add the approximation of the term that does not depend on the input.
        eps: keeps the logarithm finite without ``log_input``.
    """

    def __init__(
        self, log_input: bool = True, full: bool = False, size_average: bool | None = None, eps: float = 1e-8,
        reduce: bool | None = None, reduction: str = "mean"
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: Any, target: Any) -> Any:
        """The loss of the expected counts (or their logarithms) against the counts ``target``."""
        return ops.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Loss):
    """The negative log-likelihood of values under Gaussians of given means and variances.

    Args:
        full: add the constant term.
        eps: variances below are raised to it.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        """The loss of the means ``input`` with variances ``var`` against ``target``."""
        return ops.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class BCELoss(WeightedLoss):
    """The binary cross-entropy of probabilities.

    Args:
        weight: weights that broadcast to the input's shape.
    """

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of probabilities ``input`` against ``target``, both of one shape."""
        return ops.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Loss):
    """The binary cross-entropy of scores: sigmoid and ``BCELoss`` in one, without overflow.

    Args:
        weight: weights that broadcast to the input's shape.
        pos_weight: weights of the positive part, usually one a class: above 1 raises recall, below 1 precision.
    """

    def __init__(
        self, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean", pos_weight: Any = None
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """The loss of scores ``input`` against ``target``, both of one shape."""
        return ops.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )
