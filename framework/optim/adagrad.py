"""Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.optimizer import Group, State, check_fused, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, full, scalar
from framework.tensor import Tensor


class Adagrad(RuleOptimizer):
    """Divides each gradient by the root of the sum of all its squares: ``p -= lr g / (sqrt(sum) + eps)``.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        lr_decay: the rate is divided by ``1 + (t - 1) lr_decay``.
        weight_decay: an L2 penalty's factor.
        initial_accumulator_value: where the sum starts.
        eps: added to the root; at least 0.
        foreach, fused: accepted for compatibility; every update is fused here.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Duchi et al., Adaptive Subgradient Methods, https://jmlr.org/papers/v12/duchi11a.html.
    """

    rule = "adagrad"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid lr_decay value", lr_decay)
        check_not_negative("Invalid weight_decay value", weight_decay)
        check_not_negative("Invalid initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("Invalid epsilon value", eps)
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        check_fused(self, fused, differentiable, foreach)
        for group in self.param_groups:
            for p in group["params"]:
                self._start(p, self.state[p])

    def _start(self, p: Tensor, state: State) -> None:
        state["step"] = scalar(0)
        state["sum"] = full(p, self.defaults["initial_accumulator_value"])

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The sum of squares, and the decayed rate."""
        if not state:  # a group added later
            self._start(p, state)
        rate = group["lr"] / (1 + (count(state) - 1) * group["lr_decay"])
        return ("sum",), {
            "rate": rate, "eps": group["eps"], "weight_decay": group["weight_decay"], "maximize": group["maximize"],
        }  # fmt: skip
