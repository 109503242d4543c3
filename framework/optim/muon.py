"""Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from framework.errors import ArgumentError, DtypeError
from framework.optim.optimizer import Group, State, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, zeros
from framework.tensor import Tensor


class Muon(RuleOptimizer):
    """Momentum for weight matrices, with the direction made orthogonal: all its singular values become about 1.

    It is for hidden matrices; embeddings, heads, biases and norms belong to AdamW.

    Args:
        params: the parameters, or groups of them; 2-d only.
        lr: the learning rate.
        weight_decay: how much a parameter shrinks in each step, in units of ``lr``.
        momentum: how slowly the averaged gradient moves.
        nesterov: look ahead along the momentum.
        ns_coefficients: the three coefficients of the quintic iteration.
        eps: the least norm that a direction is divided by.
        ns_steps: iterations, under 100.
        adjust_lr_fn: how the rate depends on an (A, B) matrix: "original" (and None) by ``sqrt(max(1, A / B))``,
            "match_rms_adamw" by ``0.2 sqrt(max(A, B))``, with which AdamW's rate and decay serve.

    Reference: Jordan et al., https://kellerjordan.github.io/posts/muon/; the rates: Liu et al., Muon is Scalable for
    LLM Training, https://arxiv.org/abs/2502.16982.
    """

    rule = "muon"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95,
        nesterov: bool = True, ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7, ns_steps: int = 5, adjust_lr_fn: str | None = None,
    ) -> None:  # fmt: skip
        check_learning_rate(lr, "Learning rate should be >= 0 but is")
        check_not_negative("momentum should be >= 0 but is", momentum)
        check_not_negative("weight decay should be >= 0 but is", weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ArgumentError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ArgumentError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The momentum, and the options."""
        if p.is_complex():
            raise DtypeError("Muon does not support complex parameters")
        if group["ns_steps"] >= 100:
            raise ArgumentError("Number of steps must be less than 100 for computational efficiency")
        if len(group["ns_coefficients"]) != 3:
            raise ArgumentError("Coefficients must be a tuple of exactly 3 values")
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = zeros(p)
        rows, columns = p.array.shape
        adjust = group["adjust_lr_fn"]
        ratio = (
            0.2 * math.sqrt(max(rows, columns)) if adjust == "match_rms_adamw" else math.sqrt(max(1, rows / columns))
        )
        return ("momentum_buffer",), {
            "rate": group["lr"] * ratio, "decay": 1 - group["lr"] * group["weight_decay"],
            **{key: group[key] for key in ("momentum", "nesterov", "ns_coefficients", "ns_steps", "eps")},
        }  # fmt: skip
