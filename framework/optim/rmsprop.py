"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.optimizer import Group, State, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class RMSprop(RuleOptimizer):
    """Divides each gradient by the root of its averaged square: ``p -= lr g / (sqrt(v) + eps)``.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        alpha: how slowly the average of the square moves, in [0, 1).
        eps: added to the root; at least 0.
        weight_decay: an L2 penalty's factor.
        momentum: how much of the last step is kept; 0 for none.
        centered: divide by the gradient's standard deviation instead: ``v - mean^2``.
        foreach, capturable: accepted for compatibility.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Hinton, Neural Networks for Machine Learning, lecture 6; centered: Graves, https://arxiv.org/abs/1308.0850.
    """

    rule = "rmsprop"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False, capturable: bool = False,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_not_negative("Invalid momentum value", momentum)
        check_not_negative("Invalid weight_decay value", weight_decay)
        check_not_negative("Invalid alpha value", alpha)
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The average of the square, and what the options add."""
        if not state:
            state["step"] = scalar(0)
            state["square_avg"] = zeros(p)
            if group["momentum"] > 0:
                state["momentum_buffer"] = zeros(p)
            if group["centered"]:
                state["grad_avg"] = zeros(p)
        count(state)
        names = ["square_avg"]
        if group["centered"]:
            names.append("grad_avg")
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        options = ("lr", "alpha", "eps", "centered", "momentum", "weight_decay", "maximize")
        return tuple(names), {key: group[key] for key in options}
