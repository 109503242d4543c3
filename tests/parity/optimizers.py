"""Run PyTorch's optimizer database against `framework.optim`.

Each case steps torch's optimizer and ours from the same parameters with the
same gradients, compares the parameters after every step and the state at the
end, then lets ours go on from torch's state. Learning-rate schedules, those
of the database and those listed here, run the same way.

    python -m tests.parity.optimizers --only Adam --dtype float32,float64
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.parity import bridge
from tests.parity.bridge import Bridge, MissingName, Unconvertible, short
from tests.parity.compare import Tolerance, compare, tolerance
from tests.parity.report import Checker, OutOfTime, Tally, arguments, describe, run_all, time_limit

STEPS = 5

OUT_OF_SCOPE = {"SparseAdam": "takes sparse gradients only"}
"""Optimizers that are left alone, with the reason."""

SCHEDULERS: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 5], "gamma": 0.5},
    "ConstantLR": {"factor": 0.4, "total_iters": 4},
    "LinearLR": {"start_factor": 0.4, "end_factor": 0.9, "total_iters": 4},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"power": 0.9, "total_iters": 6},
    "CosineAnnealingLR": {"T_max": 6, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 3, "T_mult": 2},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "triangular2"},
    "OneCycleLR": {"max_lr": 0.2, "total_steps": 14},
    "ReduceLROnPlateau": {"patience": 1, "factor": 0.3},
    "LambdaLR": {"lr_lambda": lambda epoch: 0.9**epoch},
    "MultiplicativeLR": {"lr_lambda": lambda epoch: 0.95},
}
"""Schedules run on SGD with momentum, with the arguments of each."""


class Twins:
    """Equal parameters in torch and in ours, with an optimizer over each."""

    def __init__(self, info: Any, kind: Any, kwargs: dict[str, Any], dtype: torch.dtype, grouped: bool) -> None:
        """Build both optimizers; `grouped` gives the first parameter its own rate."""
        shapes = [(4, 3), (3, 5)] if info.optim_cls.__name__ == "Muon" else [(3, 4), (4,), (2, 1, 3)]
        self.generator = torch.Generator().manual_seed(3)
        self.dtype, self.closure = dtype, info.step_requires_closure
        self.kind, self.kwargs, self.grouped = kind, kwargs, grouped
        self.targets = [self._draw(shape) for shape in shapes]
        self.theirs = [torch.nn.Parameter(self._draw(shape)) for shape in shapes]
        own_kwargs = bridge.duplicate(kwargs, True)
        self.optimizer = info.optim_cls(self._groups(self.theirs), **own_kwargs)

    def _draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, dtype=self.dtype, generator=self.generator)

    def _groups(self, parameters: list[Any]) -> list[Any]:
        if not self.grouped:
            return parameters
        return [{"params": parameters[:1], "lr": 0.02}, {"params": parameters[1:]}]

    def make_mine(self) -> None:
        """Build our parameters and optimizer from torch's present values."""
        kind = bridge.lookup("nn.Parameter")
        self.mine = [kind(Bridge()(p.detach())) for p in self.theirs]
        self.own = self.kind(self._groups(self.mine), **Bridge()(self.kwargs))

    def load(self) -> None:
        """Build ours anew and let it take over torch's state."""
        self.make_mine()
        self.own.load_state_dict(Bridge()(self.optimizer.state_dict()))

    def step_theirs(self) -> None:
        """Step torch's optimizer; keep the gradients for ours."""
        self.grads = [self._draw(tuple(target.shape)) for target in self.targets]
        if self.closure:
            self.optimizer.step(self._descent(self.theirs, torch))
            return
        for parameter, grad in zip(self.theirs, self.grads, strict=True):
            parameter.grad = grad.clone()
        self.optimizer.step()

    def step_mine(self) -> None:
        """Step our optimizer with the gradients torch's had."""
        if self.closure:
            self.own.step(self._descent(self.mine, bridge.ours))
            return
        for parameter, grad in zip(self.mine, self.grads, strict=True):
            parameter.grad = Bridge()(grad)
        self.own.step()

    def _descent(self, parameters: list[Any], module: Any) -> Callable[[], Any]:
        """Return a closure over a quadratic loss that sets the gradients itself."""
        targets = [target.numpy() for target in self.targets]

        def closure() -> Any:
            loss = 0.0
            for parameter, target in zip(parameters, targets, strict=True):
                away = np.array(parameter.detach().numpy()) - target
                parameter.grad = module.from_numpy(2 * away)
                loss += float((away * away).sum())
            return module.tensor(loss)

        return closure

    def differ(self, limits: Tolerance, where: str) -> str | None:
        """Compare the parameters."""
        theirs = [parameter.detach() for parameter in self.theirs]
        return compare(theirs, self.mine, limits, where=where)


def _without_masters(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Our optimizer's state as torch has it, which keeps no float32 copies and wider state of 16-bit parameters."""
    for number, state in list(mine["state"].items()):
        if state.pop("master", None) is None:
            continue
        if not state:
            del mine["state"][number]
        for name, given in theirs["state"].get(number, {}).items():
            if isinstance(given, torch.Tensor) and given.dtype == torch.bfloat16:
                state[name] = state[name].bfloat16()
    return mine


class OptimizerChecker:
    """Runs the cases of one optimizer and dtype into a tally."""

    def __init__(self, info: Any, dtype: torch.dtype, options: argparse.Namespace) -> None:
        """Prepare a run of the database entry `info`."""
        self.info, self.dtype, self.options = info, dtype, options
        self.name = info.optim_cls.__name__
        self.tally = Tally(f"{self.name} {short(dtype)}")
        rtol, atol = tolerance(dtype)
        self.limits = (rtol * 3, atol * 3)

    def run(self) -> Tally:
        """Check all inputs, or the erroneous ones where those are asked for."""
        try:
            kind = bridge.lookup(f"optim.{self.name}")
        except MissingName:
            self.tally.add("missing", f"optim.{self.name}")
            return self.tally
        try:
            with time_limit(self.options.timeout):
                self._refusals(kind) if self.options.errors else self._inputs(kind)
        except OutOfTime:
            self.tally.add("error", f"out of time after {self.options.timeout:g} s")
        return self.tally

    def _inputs(self, kind: Any) -> None:
        cases = [(case.desc, case.kwargs) for case in self.info.optim_inputs_func(device="cpu")]
        cases = cases[: self.options.max_samples or None]
        for name in self.info.supported_impls:
            cases += [(f"{name}={flag}", {name: flag}) for flag in (True, False)]
        for label, kwargs in cases:
            self._case(kind, label, kwargs, [])
        if self.info.supports_param_groups:
            self._case(kind, "two groups", {}, [], grouped=True)
        for i, makers in enumerate(self.info.scheduler_inputs):
            kwargs = {} if self.name == "LBFGS" else {"lr": 0.05}
            self._case(kind, f"schedule {i} of the database", kwargs, makers)

    def _case(
        self,
        kind: Any,
        label: str,
        kwargs: dict[str, Any],
        makers: list[Any],
        grouped: bool = False,
    ) -> None:
        text = f"{label} ({describe(kwargs)})"
        try:
            twins = Twins(self.info, kind, kwargs, self.dtype, grouped)
            twins.step_theirs()
            twins = Twins(self.info, kind, kwargs, self.dtype, grouped)
        except Exception:  # torch rejects the case
            self.tally.add("skipped")
            return
        try:
            problem = self._steps(twins, makers) or self._resumed(twins)
        except Unconvertible:
            self.tally.add("skipped")
        except Exception as error:  # every failure of ours is a finding
            self.tally.failed(text, error)
        else:
            self.tally.add("mismatch" if problem else "ok", f"{text}: {problem}" * bool(problem))

    def _steps(self, twins: Twins, makers: list[Any]) -> str | None:
        twins.make_mine()
        schedules = [make(twins.optimizer) for make in makers]
        own_schedules = [Bridge()(make)(twins.own) for make in makers]
        for step in range(1, STEPS + 1):
            twins.step_theirs()
            twins.step_mine()
            problem = twins.differ(self.limits, f"parameters after step {step}")
            if problem:
                return problem
            for schedule in (*schedules, *own_schedules):
                plateau = type(schedule).__name__ == "ReduceLROnPlateau"
                schedule.step(1.0) if plateau else schedule.step()
        theirs, mine = twins.optimizer.state_dict(), twins.own.state_dict()
        return compare(theirs, _without_masters(mine, theirs), self.limits, where="state_dict")

    def _resumed(self, twins: Twins) -> str | None:
        """Let ours take over torch's parameters and state for one more step."""
        twins.load()
        twins.step_theirs()
        twins.step_mine()
        return twins.differ(self.limits, "parameters after loading torch's state")

    def _refusals(self, kind: Any) -> None:
        """Check that what torch refuses is refused by ours."""
        for wrong in self.info.optim_error_inputs_func(device="cpu", dtype=self.dtype):
            case = wrong.optimizer_error_input
            given = case.params
            if given is None:
                given = [torch.nn.Parameter(torch.ones(2, 2, dtype=self.dtype))]

            def attempt(cls: Any, params: Any, kwargs: Any) -> Exception | None:
                try:
                    built = cls(params, **kwargs)
                    for group in built.param_groups:
                        for parameter in group["params"]:
                            parameter.grad = parameter.detach().clone()
                    built.step()
                except Exception as error:  # the wanted outcome
                    return error
                return None

            refused = attempt(self.info.optim_cls, given, case.kwargs)
            convert = Bridge()
            if refused is None:
                self.tally.add("skipped")
            elif attempt(kind, convert(given), convert(case.kwargs)) is None:
                self.tally.add("mismatch", f"{case.desc}: did not raise {refused}")
            else:
                self.tally.add("ok")


class SchedulerChecker:
    """Compares the learning rates of one schedule, and its state's keys."""

    def __init__(self, name: str, kwargs: dict[str, Any]) -> None:
        """Prepare a run of the named schedule with those arguments."""
        self.name, self.kwargs = name, kwargs
        self.tally = Tally(f"lr_scheduler.{name}")

    def run(self) -> Tally:
        """Step both schedules along and compare."""
        try:
            problem = self._compare()
        except MissingName as error:
            self.tally.add("missing", str(error))
        except Exception as error:  # every failure of ours is a finding
            self.tally.failed(describe(self.kwargs), error)
        else:
            self.tally.add("mismatch" if problem else "ok", problem or "")
        return self.tally

    def _compare(self) -> str | None:
        kind = bridge.lookup(f"optim.lr_scheduler.{self.name}")
        own = bridge.lookup("optim.SGD")([Bridge()(torch.ones(2))], lr=0.1, momentum=0.9)
        optimizer = torch.optim.SGD([torch.ones(2)], lr=0.1, momentum=0.9)
        theirs = getattr(torch.optim.lr_scheduler, self.name)(optimizer, **self.kwargs)
        mine = kind(own, **self.kwargs)
        for step in range(12):
            rates = [[group["lr"] for group in o.param_groups] for o in (optimizer, own)]
            problem = compare(rates[0], rates[1], (1e-9, 1e-12), where=f"rates at step {step}")
            if problem:
                return problem
            for each in (optimizer, own):
                each.step()
            for each in (theirs, mine):
                each.step(1.0) if self.name == "ReduceLROnPlateau" else each.step()
        lacks = set(theirs.state_dict()) - set(mine.state_dict())
        return f"state_dict lacks {lacks}" if lacks else None


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return 0 where everything agrees."""
    from torch.testing._internal.common_optimizers import optim_db

    options = arguments(__doc__ or "").parse_args(argv)
    checkers: list[Checker] = [
        OptimizerChecker(info, dtype, options)
        for info, name in ((entry, vars(entry)["optim_cls"].__name__) for entry in optim_db)
        for dtype in (getattr(torch, text) for text in options.dtype.split(","))
        if name not in OUT_OF_SCOPE
        and re.search(options.only, name)
        and (info.supports_complex or not dtype.is_complex)
    ]
    if not options.errors:
        schedules = (SchedulerChecker(name, kwargs) for name, kwargs in SCHEDULERS.items())
        checkers += [each for each in schedules if re.search(options.only, each.tally.name)]
    return run_all(checkers, options)


if __name__ == "__main__":
    sys.exit(main())
