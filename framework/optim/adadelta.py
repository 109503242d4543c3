"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.errors import ArgumentError
from framework.optim.optimizer import Group, State, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class Adadelta(RuleOptimizer):
    """Scales each gradient by the root of the averaged squared steps over that of the averaged squared gradients.

    Args:
        params: the parameters, or groups of them.
        lr: multiplies the step.
        rho: how slowly both averages move, in [0, 1].
        eps: added under both roots; at least 0.
        weight_decay: an L2 penalty's factor.
        foreach, capturable: accepted for compatibility.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Zeiler, ADADELTA: An Adaptive Learning Rate Method, https://arxiv.org/abs/1212.5701.
    """

    rule = "adadelta"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1.0, rho: float = 0.9, eps: float = 1e-6,
        weight_decay: float = 0, foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ArgumentError(f"Invalid rho value: {rho}")
        check_not_negative("Invalid epsilon value", eps)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Both averages, and the options."""
        if not state:
            state["step"] = scalar(0)
            state["square_avg"], state["acc_delta"] = zeros(p), zeros(p)
        count(state)
        options = ("lr", "rho", "eps", "weight_decay", "maximize")
        return ("square_avg", "acc_delta"), {key: group[key] for key in options}
