"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.optimizer import Group, State, check_betas, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class Adamax(RuleOptimizer):
    """Adam that divides by the largest recent gradient rather than by the root of the averaged square.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: how slowly the averaged gradient moves and the largest one fades, each in [0, 1).
        eps: added to each gradient's magnitude; at least 0.
        weight_decay: an L2 penalty's factor.
        foreach, capturable: accepted for compatibility.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Kingma and Ba, Adam, section 7.1, https://arxiv.org/abs/1412.6980.
    """

    rule = "adamax"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False,
        differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The average and the largest gradient, and the corrected rate."""
        if not state:
            state["step"] = scalar(0)
            state["exp_avg"], state["exp_inf"] = zeros(p), zeros(p)
        beta1, beta2 = group["betas"]
        return ("exp_avg", "exp_inf"), {
            "beta1": beta1, "beta2": beta2, "rate": group["lr"] / (1 - beta1 ** count(state)), "eps": group["eps"],
            "weight_decay": group["weight_decay"], "maximize": group["maximize"],
        }  # fmt: skip
