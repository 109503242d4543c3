"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from framework.errors import ArgumentError
from framework.optim.optimizer import Group, State, check_betas, check_fused, check_learning_rate, check_not_negative
from framework.optim.rule import RuleOptimizer, count, scalar, zeros
from framework.tensor import Tensor


class Adam(RuleOptimizer):
    """Steps along the averaged gradient over the root of its averaged square: ``p -= lr m / (sqrt(v) + eps)``.

    ``m`` and ``v`` are running averages of ``g`` and ``g^2``, divided by ``1 - beta^t`` to undo their start at zero.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate: about the length of a step in each element.
        betas: how slowly the averages of the gradient and of its square move, each in [0, 1).
        eps: added to the root; at least 0.
        weight_decay: an L2 penalty's factor.
        amsgrad: divide by the largest ``v`` so far.
        foreach, capturable, fused: accepted for compatibility; every update is fused here.
        maximize: ascend instead.
        differentiable: let gradients flow through ``step``.
        decoupled_weight_decay: shrink the parameter by ``lr * weight_decay`` instead, as AdamW does.

    Reference: Kingma and Ba, Adam: A Method for Stochastic Optimization, https://arxiv.org/abs/1412.6980; AMSGrad:
    Reddi et al., https://openreview.net/forum?id=ryQu7f-RZ.
    """

    rule = "adam"

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ArgumentError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_learning_rate(lr)
        check_not_negative("Invalid epsilon value", eps)
        check_betas(betas)
        check_not_negative("Invalid weight_decay value", weight_decay)
        _check_kinds(betas, bool(foreach and not capturable))
        betas = tuple(beta.squeeze() if isinstance(beta, Tensor) else beta for beta in betas)  # type: ignore[assignment]
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)
        check_fused(self, fused, differentiable, foreach)

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """The averages, and the numbers of this step."""
        if not state:
            state["step"] = scalar(0)
            state["exp_avg"], state["exp_avg_sq"] = zeros(p), zeros(p)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros(p)
        step = count(state)
        beta1, beta2 = group["betas"]
        decay = group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        numbers = {
            "beta1": beta1, "beta2": beta2, "eps": group["eps"], "maximize": group["maximize"],
            "rate": group["lr"] / (1 - beta1**step), "correction": (1 - beta2**step) ** 0.5,
            "decay": 1 - group["lr"] * decay if decoupled else 1, "weight_decay": 0 if decoupled else decay,
        }  # fmt: skip
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")
        return names, numbers


def _check_kinds(betas: tuple[Any, Any], foreach: bool) -> None:
    tensors = [isinstance(beta, Tensor) for beta in betas]
    if not all(tensors) and not all(isinstance(beta, float) for beta in betas):
        raise ArgumentError("betas must be either both floats or both Tensors")
    for position, beta in enumerate(betas if all(tensors) else ()):
        if foreach:
            raise ArgumentError(f"betas[{position}] as a Tensor is not supported for capturable=False and foreach=True")
        if beta.numel() != 1:
            raise ArgumentError(f"Tensor betas[{position}] must be 1-element")


class AdamW(Adam):
    """Adam whose weight decay is apart from the gradient: ``p *= 1 - lr weight_decay`` before each step.

    Args:
        params: the parameters, or groups of them.
        lr: the learning rate: about the length of a step in each element.
        betas: how slowly the averages of the gradient and of its square move, each in [0, 1).
        eps: added to the root; at least 0.
        weight_decay: how much a parameter shrinks in each step, in units of ``lr``.
        amsgrad: divide by the largest ``v`` so far.
        maximize: ascend instead.
        foreach, capturable, fused: accepted for compatibility; every update is fused here.
        differentiable: let gradients flow through ``step``.

    Example:
        >>> optimizer = optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.05)

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization, https://arxiv.org/abs/1711.05101.
    """

    def __init__(
        self, params: Iterable[Any], lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
        amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None, capturable: bool = False,
        differentiable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over saved groups and state, also those of an Adam: the decay is decoupled from here on."""
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
