"""NAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.optimizer import Group, State, check_betas, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class NAdam(RuleOptimizer):
    """Adam with Nesterov's look ahead: it steps along the next average rather than the present one.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: how slowly the averages of the gradient and of its square move, each in [0, 1).
        eps: added to the root; at least 0.
        weight_decay: an L2 penalty's factor.
        momentum_decay: how fast the momentum ``mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)`` grows.
        decoupled_weight_decay: shrink the parameter by ``lr * weight_decay`` instead.
        foreach, capturable: accepted for compatibility.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Dozat, Incorporating Nesterov Momentum into Adam, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
    """

    rule = "nadam"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False,
        *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        check_not_negative("Invalid momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach,
            "capturable": capturable, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Both averages, and the numbers of this step."""
        if not state:
            state["step"], state["mu_product"] = scalar(0), scalar(1)
            state["exp_avg"], state["exp_avg_sq"] = zeros(p), zeros(p)
        step = count(state)
        beta1, beta2 = group["betas"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        products = state["mu_product"].array
        products *= mu
        product = float(products)
        decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
        return ("exp_avg", "exp_avg_sq"), {
            "beta1": beta1, "beta2": beta2, "eps": group["eps"], "maximize": group["maximize"],
            "rate_gradient": group["lr"] * (1 - mu) / (1 - product),
            "rate_mean": group["lr"] * mu_next / (1 - product * mu_next), "correction": (1 - beta2**step) ** 0.5,
            "decay": 1 - group["lr"] * decay if decoupled else 1, "weight_decay": 0 if decoupled else decay,
        }  # fmt: skip
