"""RAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.optim.optimizer import Group, State, check_betas, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class RAdam(RuleOptimizer):
    """Adam that trusts its average square only once it rests on enough steps, and scales by how far it can be trusted.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate.
        betas: how slowly the averages of the gradient and of its square move, each in [0, 1).
        eps: added to the root; at least 0.
        weight_decay: an L2 penalty's factor.
        decoupled_weight_decay: shrink the parameter by ``lr * weight_decay`` instead.
        foreach, capturable: accepted for compatibility.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond, https://arxiv.org/abs/1908.03265.
    """

    rule = "radam"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, decoupled_weight_decay: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "foreach": foreach, "capturable": capturable, "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Both averages, and the numbers of this step."""
        if not state:
            state["step"] = scalar(0)
            state["exp_avg"], state["exp_avg_sq"] = zeros(p), zeros(p)
        step = count(state)
        beta1, beta2 = group["betas"]
        correction = 1 - beta2**step
        longest = 2 / (1 - beta2) - 1  # the length of a simple average as good as v in the long run, and now
        length = longest - 2 * step * beta2**step / correction
        rectified = None
        if length > 5:
            share = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            rectified = (share * correction) ** 0.5
        decay, decoupled = group["weight_decay"], group["decoupled_weight_decay"]
        return ("exp_avg", "exp_avg_sq"), {
            "beta1": beta1, "beta2": beta2, "eps": group["eps"], "maximize": group["maximize"],
            "rate": group["lr"] / (1 - beta1**step), "rectified": rectified,
            "decay": 1 - group["lr"] * decay if decoupled else 1, "weight_decay": 0 if decoupled else decay,
        }  # fmt: skip
