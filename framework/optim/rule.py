"""``RuleOptimizer``: the optimizers whose update is one rule of the kernels, applied to each parameter by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from framework import dtypes, kernels
from framework.autograd.mode import set_grad_enabled
from framework.autograd.views import bump
from framework.devices import array_module
from framework.kernels.generic.update_rules import RULES
from framework.optim.optimizer import Group, Optimizer, State, loss_of, number
from framework.tensor import Tensor, wrap


class RuleOptimizer(Optimizer):
    """A subclass names its ``rule`` and writes ``prepare``: the state of a parameter, and the numbers of this step."""

    rule: ClassVar[str]

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Start a parameter's state at its first step, and give what the rule takes in this one.

        Args:
            group: the options, as plain numbers unless the optimizer is differentiable.

        Returns:
            The names of the state tensors in the rule's order, and the rule's numbers.
        """
        raise NotImplementedError(f"{type(self).__name__}: prepare is not written")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once from their gradients.

        Args:
            closure: recomputes the loss and the gradients first; its loss is returned.
        """
        loss = loss_of(closure)
        self.begin()
        for group in self.param_groups:
            if group.get("differentiable"):
                self._step_tensors(group)
            else:
                self._step_arrays(group)
        return loss

    def _step_arrays(self, group: Group) -> None:
        options = _plain(group)
        keeps_state = self.keeps_state(group)
        jobs: dict[Any, list[Any]] = {}
        updated = []
        for p in group["params"]:
            grad = p._grad
            if grad is None:
                continue
            state = self.state[p] if keeps_state else {}
            names, numbers = self.prepare(p, state, options)
            array = p.array
            arrays = (array, grad.array, *[state[name].array for name in names])
            jobs.setdefault((type(array), array.dtype), []).append((arrays, numbers))
            updated.append(p)
        for batch in jobs.values():
            kernels.choose("optimizer", *batch[0][0], rule=self.rule).step(self.rule, batch)
        name = f"{type(self).__name__}.step"
        for p in updated:
            bump(p, name)

    def _step_tensors(self, group: Group) -> None:
        """The same rule on tensors, so that gradients flow through the update."""
        import framework

        for p in group["params"]:
            if p.grad is None:
                continue
            state = self.state[p] if self.keeps_state(group) else {}
            with set_grad_enabled(True):
                names, numbers = self.prepare(p, state, group)
                for name in names:  # the graph of earlier steps keeps the old values
                    state[name] = state[name].clone()
                tensors = [p, p.grad, *[state[name] for name in names]]
                if p.is_complex():
                    tensors = [framework.view_as_real(t) for t in tensors]
                RULES[self.rule](framework, *tensors, **numbers)

    def begin(self) -> None:
        """What an optimizer does before the first parameter of a step."""

    def keeps_state(self, group: Group) -> bool:
        """Whether parameters of a group have state."""
        return True

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over saved groups and state; options and forms of older versions are completed."""
        super().__setstate__(state)
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)
            for p in group["params"]:
                entry = self.state.get(p)
                for name in ("step", "mu_product", "eta", "mu"):
                    if entry and name in entry and not isinstance(entry[name], Tensor):
                        entry[name] = scalar(entry[name])


def _plain(group: Group) -> Group:
    """A group's options, with numbers for those that are tensors of one."""
    betas = group.get("betas", ())
    for value in (*group.values(), *betas):
        if isinstance(value, Tensor):
            break
    else:
        return group
    options = {key: number(value) if isinstance(value, Tensor) else value for key, value in group.items()}
    if betas:
        options["betas"] = tuple([number(beta) for beta in betas])
    return options


def scalar(value: float) -> Tensor:
    """A 0-d tensor for a count or a running number: float32, or float64 where that is the default dtype."""
    wide = dtypes.get_default_dtype() is dtypes.float64
    return wrap(np.asarray(value, np.float64 if wide else np.float32))


def zeros(p: Tensor) -> Tensor:
    """Zeros of a parameter's shape, dtype, device and memory order."""
    return full(p, 0)


def full(p: Tensor, value: float) -> Tensor:
    """A constant of a parameter's shape, dtype, device and memory order; both parts of a complex one have the value."""
    if p.array.dtype.kind == "c":
        value = complex(value, value)  # type: ignore[assignment]
    return wrap(array_module(p.array).full_like(p.array, value))


def count(state: State) -> float:
    """Count a step in the state, and return how many there were."""
    array = state["step"].array
    array += 1
    return float(array)
