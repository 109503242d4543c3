"""``RuleOptimizer``: the optimizers whose update is one rule of the kernels, applied to each parameter by itself.

A parameter of 16 bits is too coarse to take small updates in, and so is state: bfloat16 loses an update under 1/256 of the
parameter. So the parameter has a float32 copy in the state, "master", which takes the updates and gives the parameter its
values; or, to save that memory, updates are rounded at random (``RuleOptimizer.stochastic_rounding``). Other state is
float32 either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Self

import numpy as np

from framework import devices, dtypes, kernels
from framework.autograd.mode import set_grad_enabled
from framework.autograd.views import bump
from framework.devices import array_module
from framework.errors import DtypeError
from framework.kernels.generic.update_rules import RULES
from framework.optim.optimizer import Group, Optimizer, State, loss_of, number
from framework.random import generator_of
from framework.tensor import Tensor, wrap


def _by_device(groups: list[Group]) -> Iterator[Group]:
    """The groups in parts that lie on one device each, which is in use meanwhile if it is a GPU."""
    for group in groups:
        parts: dict[devices.device, list[Tensor]] = {}
        for p in group["params"]:
            parts.setdefault(p.device, []).append(p)
        for params in parts.values():
            devices.turn_to(params)
            yield {**group, "params": params}


class RuleOptimizer(Optimizer):
    """A subclass names its ``rule`` and writes ``prepare``: the state of a parameter, and the numbers of this step."""

    rule: ClassVar[str]
    _versions: dict[Tensor, int]  # of 16-bit parameters after the last step, to notice who else writes to them

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        self._versions = {}

    def stochastic_rounding(self, mode: bool = True) -> Self:
        """Update bfloat16 parameters without float32 masters: results are rounded up or down at random.

        The chances are such that the expected value is exact, so small updates count on average. The numbers come from
        the default generator of the parameters' device: seeded, and continued on resumption if its state is saved. A
        group may have the option ``stochastic_rounding`` of its own.

        Args:
            mode: False goes back to masters, which are made anew from the parameters.

        Example:
            >>> optimizer = optim.AdamW(model.bfloat16().parameters()).stochastic_rounding()

        Reference: Zamirai et al., Revisiting BFloat16 Training, https://arxiv.org/abs/2010.06192.
        """
        self.defaults["stochastic_rounding"] = mode
        for group in self.param_groups:
            group["stochastic_rounding"] = mode
        return self

    def prepare(self, p: Tensor, state: State, group: Group) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Start a parameter's state at its first step, and give what the rule takes in this one.

        Args:
            p: the parameter; in place of a 16-bit one a float32 tensor like it.
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
        with devices.returning():
            for group in _by_device(self.param_groups) if devices.several else self.param_groups:
                if group.get("differentiable"):
                    self._step_tensors(group)
                else:
                    self._step_arrays(group)
        return loss

    def _step_arrays(self, group: Group) -> None:
        options = _plain(group)
        keeps_state = self.keeps_state(group)
        jobs: dict[Any, list[Any]] = {}
        halves: dict[Any, list[Any]] = {}
        updated = []
        for p in group["params"]:
            grad = p._grad
            if grad is None:
                continue
            array = p.array
            updated.append(p)
            if array.itemsize == 2:
                halves.setdefault((type(array), array.dtype, grad.array.dtype), []).append(p)
                continue
            state = self.state[p] if keeps_state else {}
            names, numbers = self.prepare(p, state, options)
            arrays = (array, grad.array, *[state[name].array for name in names])
            jobs.setdefault((type(array), array.dtype), []).append((arrays, numbers))
        for batch in jobs.values():
            kernels.choose("optimizer", *batch[0][0], rule=self.rule).step(self.rule, batch)
        for params in halves.values():
            self._step_halves(params, options)
        name = f"{type(self).__name__}.step"
        for p in updated:
            bump(p, name)
        for params in halves.values():
            for p in params:
                self._versions[p] = p._version

    def _step_halves(self, params: list[Tensor], options: Group) -> None:
        """Update parameters of one 16-bit type."""
        at_random = options.get("stochastic_rounding", False)
        jobs = []
        for p in params:
            state = self.state[p]
            if at_random:
                if p.dtype is dtypes.float16:
                    raise DtypeError(
                        f"{type(self).__name__}: stochastic_rounding is for bfloat16 parameters, got {p.dtype}; leave it "
                        "off for float32 masters"
                    )
                state.pop("master", None)
                wide = wrap(array_module(p.array).empty_like(p.array, np.float32))  # shows its form to ``prepare``
            else:
                wide = self._master(p, state)
            names, numbers = self.prepare(wide, state, options)
            if not at_random:
                state["master"] = wide  # after ``prepare``, which takes an empty state for the first step
            array = p.array if at_random else wide.array
            jobs.append(((array, p._grad.array, *[state[name].array for name in names]), numbers))  # type: ignore[union-attr]
        kernel = kernels.choose("optimizer", *jobs[0][0], rule=self.rule)
        if at_random:
            kernel.step(self.rule, jobs, generator=generator_of(params[0].device))
        else:
            kernel.step(self.rule, jobs, copies=[p.array for p in params])

    def _master(self, p: Tensor, state: State) -> Tensor:
        """The float32 copy of a parameter. Where somebody else wrote to the parameter, it takes over what was written."""
        master: Tensor | None = state.get("master")
        array = p.array
        if master is None:
            return wrap(array.astype(np.float32, order="K"))
        if self._versions.get(p) != p._version or p._shared_counter()[2]:
            xp = array_module(array)
            same = master.array.astype(array.dtype) == array
            master.array[...] = xp.where(same, master.array, array.astype(np.float32))
        return master

    def _state_dtype(self, p: Tensor) -> dtypes.dtype:
        return dtypes.float32 if p.array.dtype in dtypes.HALF else p.dtype

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
        self._versions = {}
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
    """Zeros of a parameter's shape, device and memory order, of its dtype or in float32 for 16 bits."""
    return full(p, 0)


def full(p: Tensor, value: float) -> Tensor:
    """A constant like a parameter, as ``zeros`` is; both parts of a complex one have the value."""
    kind = p.array.dtype
    if kind.kind == "c":
        value = complex(value, value)  # type: ignore[assignment]
    return wrap(array_module(p.array).full_like(p.array, value, np.float32 if kind in dtypes.HALF else None))


def count(state: State) -> float:
    """Count a step in the state, and return how many there were."""
    array = state["step"].array
    array += 1
    return float(array)
