"""Lion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.optimizer import Group, State, check_betas, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, zeros
from framework.tensor import Tensor


class Lion(RuleOptimizer):
    """Steps by the sign of an averaged gradient: ``p -= lr (sign(beta1 m + (1 - beta1) g) + weight_decay p)``.

    Every element moves by ``lr``, so the rate is 3 to 10 times smaller than AdamW's, and the decay as much larger.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: the share of the average in the step, and how slowly the average moves, each in [0, 1).
        weight_decay: how much a parameter shrinks in each step, in units of ``lr``.
        maximize: ascend instead.
        foreach: accepted for compatibility.
        differentiable: let gradients flow through ``step``.

    Reference: Chen et al., Symbolic Discovery of Optimization Algorithms, https://arxiv.org/abs/2302.06675.
    """

    rule = "lion"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The average, and the options."""
        if not state:
            state["exp_avg"] = zeros(p)
        beta1, beta2 = group["betas"]
        return ("exp_avg",), {
            "lr": group["lr"], "beta1": beta1, "beta2": beta2, "decay": 1 - group["lr"] * group["weight_decay"],
            "maximize": group["maximize"],
        }  # fmt: skip
