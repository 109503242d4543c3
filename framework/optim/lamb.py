"""LAMB."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from framework.errors import DtypeError
from framework.optim.optimizer import Group, State, check_betas, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class Lamb(RuleOptimizer):
    """Adam for large batches: each parameter's step is scaled to ``lr`` times the parameter's own length.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate: a step's length relative to the parameter's.
        betas: how slowly the averages of the gradient and of its square move, each in [0, 1).
        eps: added to the root; at least 0.
        weight_decay: the factor of the parameter that is added to the direction before the scaling.
        bias_correction: whether to undo the averages' start at zero.
        max_grad_norm: the length of all gradients together above which they are scaled down; None for no limit.
        trust_clip: never scale a step up.
        always_adapt: scale also parameters without weight decay (biases, norms); False leaves these at Adam's step.
        maximize: ascend instead.
        foreach: accepted for compatibility.

    Reference: You et al., Large Batch Optimization for Deep Learning, https://arxiv.org/abs/1904.00962. The options
    after ``weight_decay`` are timm's, whose defaults differ: ``weight_decay`` is 0.01 there, ``max_grad_norm`` 1 and
    ``always_adapt`` False.
    """

    rule = "lamb"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6, weight_decay: float = 0, *, bias_correction: bool = True, max_grad_norm: float | None = None,
        trust_clip: bool = False, always_adapt: bool = True, maximize: bool = False, foreach: bool | None = None,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "bias_correction": bias_correction,
            "max_grad_norm": max_grad_norm, "trust_clip": trust_clip, "always_adapt": always_adapt,
            "maximize": maximize, "foreach": foreach,
        }  # fmt: skip
        super().__init__(params, defaults)

    def begin(self) -> None:
        """Find how much the gradients of all groups together are to be scaled down."""
        self._scale = 1.0
        limit = self.defaults["max_grad_norm"]
        if limit is not None:
            gradients = [p.grad.array for group in self.param_groups for p in group["params"] if p.grad is not None]
            norm = math.sqrt(sum(float((g.astype(np.float32) ** 2).sum()) for g in gradients))
            self._scale = min(1.0, limit / norm) if norm else 1.0

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Both averages, and the numbers of this step."""
        if p.is_complex():
            raise DtypeError("Lamb does not support complex parameters")
        if not state:
            state["step"] = scalar(0)
            state["exp_avg"], state["exp_avg_sq"] = zeros(p), zeros(p)
        step = count(state)
        beta1, beta2 = group["betas"]
        corrected = group["bias_correction"]
        options = ("lr", "eps", "weight_decay", "trust_clip", "always_adapt", "maximize")
        return ("exp_avg", "exp_avg_sq"), {
            "beta1": beta1, "beta2": beta2, "correction1": 1 - beta1**step if corrected else 1.0,
            "correction2": (1 - beta2**step) ** 0.5 if corrected else 1.0, "gradient_scale": self._scale,
            **{key: group[key] for key in options},
        }  # fmt: skip
