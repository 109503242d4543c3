"""Adafactor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework import dtypes
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.optim.optimizer import Group, State, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor, wrap


class Adafactor(RuleOptimizer):
    """An Adam without momentum whose average square of a matrix is kept as the means of its rows and of its columns.

    A step's length is relative to the parameter's own, so the state is small and the rate needs little tuning.

    Args:
        params: the parameters, or groups of them.
        lr: the largest relative step; step ``t`` uses at most ``1 / sqrt(t)``.
        beta2_decay: step ``t`` enters the average with the weight ``t^beta2_decay``; at most 0.
        eps: the least average square's root (None for the dtype's epsilon), and the least length of a parameter.
        d: the root mean square above which an update is scaled down; at least 1.
        weight_decay: how much a parameter shrinks in each step, in units of ``lr``.
        foreach: accepted for compatibility.
        maximize: ascend instead.

    Reference: Shazeer and Stern, Adafactor, https://arxiv.org/abs/1804.04235.
    """

    rule = "adafactor"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-2, beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0, *,
        foreach: bool | None = None, maximize: bool = False,
    ) -> None:  # fmt: skip
        check_learning_rate(lr, "Learning rate should be >= 0 but is")
        if not beta2_decay <= 0.0:
            raise ArgumentError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None:
            check_not_negative("epsilon1 should be >= 0 but is", eps[0])
        check_not_negative("epsilon2 should be >= 0 but is", eps[1])
        if not d >= 1.0:
            raise ArgumentError(f"Clipping threshold d should be >= 1 but is: {d}")
        check_not_negative("weight_decay should be >= 0 but is", weight_decay)
        defaults = {
            "lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The means of the squares, and the options."""
        if p.is_complex():
            raise DtypeError("Adafactor does not support complex parameters")
        shape = p.array.shape
        if not state:
            state["step"] = scalar(0)
            if len(shape) > 1:
                xp = array_module(p.array)
                state["row_var"] = wrap(xp.zeros((*shape[:-1], 1), p.array.dtype))
                state["col_var"] = wrap(xp.zeros((*shape[:-2], 1, shape[-1]), p.array.dtype))
            else:
                state["variance"] = zeros(p)
        eps1, eps2 = group["eps"]
        return ("row_var", "col_var") if len(shape) > 1 else ("variance",), {
            "step": count(state), "eps1": dtypes.finfo(p.dtype).eps if eps1 is None else eps1, "eps2": eps2,
            **{key: group[key] for key in ("lr", "beta2_decay", "d", "weight_decay", "maximize")},
        }  # fmt: skip
