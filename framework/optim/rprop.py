"""Resilient backpropagation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.errors import ArgumentError
from framework.optim.optimizer import Group, State, check_learning_rate, number
from framework.optim.rule import RuleOptimizer, count, full, scalar, zeros
from framework.tensor import Tensor


class Rprop(RuleOptimizer):
    """Steps by the gradient's sign with a step size for each element, for gradients of the whole data set.

    A size grows while the sign stays, and shrinks when it flips, where that element waits a step.

    Args:
        params: the parameters, or groups of them.
        lr: the step sizes at the start.
        etas: the factors by which a size shrinks and grows: ``0 < etas[0] < 1 < etas[1]``.
        step_sizes: the smallest and the largest size.
        foreach, capturable: accepted for compatibility.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.

    Reference: Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation Learning (ICNN 1993).
    """

    rule = "rprop"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ArgumentError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The last gradient and the step sizes, and the options."""
        if not state:
            state["step"] = scalar(0)
            state["prev"], state["step_size"] = zeros(p), full(p, number(group["lr"]))
        count(state)
        (shrink, grow), (smallest, largest) = group["etas"], group["step_sizes"]
        return ("prev", "step_size"), {
            "shrink": shrink, "grow": grow, "smallest": smallest, "largest": largest, "maximize": group["maximize"],
        }  # fmt: skip
