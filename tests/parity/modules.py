"""Run PyTorch's module database against `framework.nn`.

Each case builds torch's module and ours from the same arguments, gives ours
torch's state, and compares state, outputs, gradients and the state after the
forward pass.

    python -m tests.parity.modules --only Conv --dtype float32,float64 --grad
"""

from __future__ import annotations

import argparse
import copy
import re
import sys
from collections.abc import Iterator
from typing import Any

import torch

from tests.parity import bridge
from tests.parity.bridge import Bridge, MissingName, Unconvertible, short, tensors_in
from tests.parity.compare import (
    compare,
    compare_gradients,
    cotangents,
    differentiable,
    grad_of,
    same_tensors,
    tolerance,
)
from tests.parity.report import OutOfTime, Tally, arguments, describe, run_all, time_limit


def _text(given: Any) -> str:
    parts = (describe(given.args)[1:-1], describe(given.kwargs))
    return ", ".join(part for part in parts if part)


class ModuleChecker:
    """Runs the cases of one module, dtype and mode into a tally."""

    def __init__(self, info: Any, dtype: torch.dtype, training: bool, options: argparse.Namespace) -> None:
        """Prepare a run of `info` in training or evaluation mode."""
        self.info, self.dtype, self.training, self.options = info, dtype, training, options
        mode = "train" if training else "eval"
        self.tally = Tally(f"{info.name} {short(dtype)} {mode}")

    def run(self) -> Tally:
        """Check all inputs, or the erroneous ones where those are asked for."""
        leaf = self.info.module_cls.__name__
        try:
            kind = bridge.lookup(f"nn.{leaf}")
        except MissingName:
            self.tally.add("missing", f"nn.{leaf}")
            return self.tally
        make = self.info.module_inputs_func
        if self.options.errors:
            make = self.info.module_error_inputs_func
        if make is None:
            return self.tally
        settings = {"device": "cpu", "dtype": self.dtype, "training": self.training}
        torch.manual_seed(0)
        try:
            with time_limit(self.options.timeout):
                cases = list(make(self.info, requires_grad=self.options.grad, **settings))
                most = min(self.options.max_samples or len(cases), len(cases))
                for case in (cases[i * len(cases) // most] for i in range(most)):
                    if self.options.errors:
                        self._refusal(kind, case)
                    else:
                        self._case(kind, case)
        except OutOfTime:
            self.tally.add("error", f"out of time after {self.options.timeout:g} s")
        return self.tally

    def _case(self, kind: Any, case: Any) -> None:
        given, fed = case.constructor_input, case.forward_input
        text = f"({_text(given)}) on ({_text(fed)})"
        torch.manual_seed(0)
        try:
            theirs = self._build(self.info.module_cls, given.args, given.kwargs, self.dtype)
            call = bridge.duplicate((fed.args, fed.kwargs), False)
            if self.info.is_lazy:
                theirs(*call[0], **call[1])
            copy.deepcopy(theirs)(*call[0], **call[1])
        except Exception:  # torch rejects the case
            self.tally.add("skipped")
            return
        convert = Bridge()
        try:
            made = convert((given.args, given.kwargs))
            mine = self._build(kind, made[0], made[1], convert(self.dtype))
            if self.info.is_lazy:
                call = Bridge()((fed.args, fed.kwargs))
                mine(*call[0], **call[1])
            problem = self._state(theirs, mine) or self._forward(theirs, mine, given, fed)
        except Unconvertible:
            self.tally.add("skipped")
        except Exception as error:  # every failure of ours is a finding
            self.tally.failed(text, error)
        else:
            self.tally.add("mismatch" if problem else "ok", f"{text}: {problem}" * bool(problem))

    def _build(self, kind: Any, args: Any, kwargs: Any, dtype: Any) -> Any:
        return kind(*args, **kwargs).to(dtype).train(self.training)

    def _state(self, theirs: torch.nn.Module, mine: Any) -> str | None:
        """Compare fresh state by form, then hand torch's values to ours."""
        state = dict(theirs.state_dict())
        problem = compare(state, dict(mine.state_dict()), values=False, where="state_dict")
        if problem:
            return problem
        if list(state) != list(mine.state_dict()):
            return f"state_dict: order {list(mine.state_dict())} for {list(state)}"
        kept = Bridge()(state)
        mine.load_state_dict(kept)
        problem = compare(state, dict(mine.state_dict()), where="loaded state_dict")
        shown = repr(theirs).replace("NonDynamicallyQuantizableLinear", "Linear")  # a class of torch's own use
        if problem is None and self.options.repr and shown != repr(mine):
            return f"repr: {repr(mine)!r} for {shown!r}"
        named = (dict(theirs.named_parameters()), dict(mine.named_parameters()))
        return problem or compare(*named, grad_flag=True, where="named_parameters")

    def _forward(self, theirs: torch.nn.Module, mine: Any, given: Any, fed: Any) -> str | None:
        """Compare outputs, the state afterwards and gradients."""
        args, kwargs = bridge.duplicate((fed.args, fed.kwargs), self.options.grad)
        convert = Bridge()
        own_args, own_kwargs = convert((args, kwargs))
        leaves = list({id(t): t for t in tensors_in((args, kwargs)) if t.requires_grad}.values())
        own_leaves = convert(leaves)
        if getattr(theirs, "inplace", False):
            args, own_args = ([arg.clone() for arg in each] for each in (args, own_args))
        random = self._is_random(theirs, args, kwargs)
        expected = theirs(*args, **kwargs)
        got = mine(*own_args, **own_kwargs)
        problem = compare(expected, got, values=not random, grad_flag=True)
        if problem or random:
            return problem
        state = (dict(theirs.state_dict()), dict(mine.state_dict()))
        problem = compare(*state, where="state_dict after the call")
        if problem or not self.options.grad:
            return problem
        named = [(n, p) for n, p in theirs.named_parameters() if p.requires_grad]
        inputs = [*leaves, *(p for _, p in named)]
        names = [f"input {i}" for i in range(len(leaves))] + [name for name, _ in named]
        parameters = dict(mine.named_parameters())
        own_inputs = [*own_leaves, *(parameters[name] for name, _ in named)]
        outputs = differentiable(expected, torch.Tensor)
        if not (outputs and inputs):
            return None
        weights = cotangents(outputs)
        try:
            wanted = grad_of(torch, outputs, inputs, weights)
        except Exception:  # torch has no such gradient
            return None
        own_outputs = differentiable(got, bridge.ours.Tensor)
        actual = grad_of(bridge.ours, own_outputs, own_inputs, convert(weights))
        rtol, atol = (5 * limit for limit in tolerance(self.dtype))
        return compare_gradients(wanted, actual, names, (rtol, atol))

    @staticmethod
    def _is_random(theirs: torch.nn.Module, args: Any, kwargs: Any) -> bool:
        """Tell whether torch's output depends on the random state."""
        results: Iterator[Any] = (
            _seeded(copy.deepcopy(theirs), bridge.duplicate((args, kwargs), False), seed)
            for seed in range(15 if "Fractional" in type(theirs).__name__ else 2)
        )
        first = next(results)
        return not all(same_tensors(first, other) for other in results)

    def _refusal(self, kind: Any, wrong: Any) -> None:
        """Check that what torch refuses is refused by ours."""
        case = wrong.module_error_input
        given, fed = case.constructor_input, case.forward_input
        text = f"({_text(given)}) on ({_text(fed) if fed else ''})"

        def attempt(module: Any, dtype: Any, convert: Any) -> Exception | None:
            try:
                made = convert((given.args, given.kwargs))
                built = self._build(module, made[0], made[1], dtype)
                if fed is not None:
                    args, kwargs = convert((fed.args, fed.kwargs))
                    built(*args, **kwargs)
            except Exception as error:  # the wanted outcome
                return error
            return None

        refused = attempt(self.info.module_cls, self.dtype, lambda value: value)
        if refused is None:
            self.tally.add("skipped")
        elif attempt(kind, Bridge()(self.dtype), Bridge()) is None:
            self.tally.add("mismatch", f"{text}: did not raise {refused}")
        else:
            self.tally.add("ok")


def _seeded(module: torch.nn.Module, call: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    return module(*call[0], **call[1])


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return 0 where everything agrees."""
    from torch.testing._internal.common_modules import module_db

    parser = arguments(__doc__ or "")
    parser.add_argument("--repr", action="store_true", help="compare repr() too")
    options = parser.parse_args(argv)
    dtypes = [getattr(torch, name) for name in options.dtype.split(",")]
    checkers = (
        ModuleChecker(info, dtype, training, options)
        for info in module_db
        if re.search(options.only, info.name)
        for dtype in dtypes
        if dtype in info.dtypes
        for training in (True, False)
    )
    return run_all(checkers, options)


if __name__ == "__main__":
    sys.exit(main())
