"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.optimizer import Group, State, check_learning_rate, check_not_negative, number
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class ASGD(RuleOptimizer):
    """Gradient descent with a decaying rate; the state's ``ax`` is the average of the parameter from step ``t0`` on.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate at the start: ``eta = lr / (1 + lambd lr t)^alpha``.
        lambd: how much the parameter shrinks in each step, in units of ``eta``.
        alpha: the power of the rate's decay.
        t0: the step at which averaging starts.
        weight_decay: an L2 penalty's factor.
        foreach, capturable: accepted for compatibility.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging (1992).
    """

    rule = "asgd"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, lambd: float = 1e-4, alpha: float = 0.75,
        t0: float = 1e6, weight_decay: float = 0, foreach: bool | None = None, maximize: bool = False,
        differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The average, and this step's rate; the state holds the next one's."""
        lr = number(group["lr"])
        if not state:
            state["step"], state["eta"], state["mu"] = scalar(0), scalar(lr), scalar(1)
            state["ax"] = zeros(p)
        step = count(state)
        eta, mu = state["eta"].array, state["mu"].array
        numbers = {
            "eta": float(eta), "mu": float(mu), "lambd": group["lambd"], "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
        }  # fmt: skip
        eta[...] = lr / (1 + group["lambd"] * lr * step) ** group["alpha"]
        mu[...] = 1 / max(1, step - group["t0"])
        return ("ax",), numbers
