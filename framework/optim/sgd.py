"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.errors import ArgumentError
from framework.optim.optimizer import Group, State, check_fused, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, zeros
from framework.tensor import Tensor


class SGD(RuleOptimizer):
    """Gradient descent: ``b = momentum b + (1 - dampening) g; p -= lr b``, where ``b`` starts as the first gradient.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        momentum: how much of the last step's direction is kept, in [0, 1); 0 is plain descent.
        dampening: how much less of the gradient the momentum takes in.
        weight_decay: the factor of the parameter that is added to its gradient (an L2 penalty).
        nesterov: look ahead along the momentum, ``p -= lr (g + momentum b)``.
        maximize: ascend instead.
        foreach, fused: accepted for compatibility; every update is fused here.
        differentiable: let gradients flow through ``step``.

    Example:
        >>> optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> optimizer.zero_grad()
        >>> loss_fn(model(x), y).backward()
        >>> optimizer.step()

    Reference: Sutskever et al., On the importance of initialization and momentum in deep learning (ICML 2013).
    """

    rule = "sgd"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float | Tensor = 0, nesterov: bool = False, *, maximize: bool = False,
        foreach: bool | None = None, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid momentum value", momentum)
        check_not_negative("Invalid weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        check_fused(self, fused, differentiable, foreach)

    def keeps_state(self, group: Group) -> bool:
        """Only momentum needs state."""
        return bool(group["momentum"] != 0)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The momentum buffer, and the options."""
        numbers = {"lr": group["lr"], "weight_decay": group["weight_decay"], "maximize": group["maximize"]}
        if group["momentum"] == 0:
            return (), numbers
        first = state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = zeros(p)
        numbers |= {
            "momentum": group["momentum"], "nesterov": group["nesterov"],
            "dampening": 0 if first else group["dampening"],
        }  # fmt: skip
        return ("momentum_buffer",), numbers
