"""Run PyTorch's operator database against `framework`.

Every entry of the database brings sample inputs and its variants (function,
method, in-place method, operator, aliases). A case is one sample given to
one variant; torch's answer on its own copy of the sample is the reference.

    python -m tests.parity.opinfo --only '^add$' --dtype float32,int64 --grad
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any

import torch

from tests.parity import bridge
from tests.parity.bridge import Bridge, Unconvertible, short, tensors_in
from tests.parity.compare import (
    Tolerance,
    compare,
    compare_gradients,
    cotangents,
    differentiable,
    grad_of,
    same_tensors,
    tolerance,
)
from tests.parity.report import OutOfTime, Tally, arguments, describe, run_all, time_limit
from tests.parity.variants import Variant, variants

OUT_OF_SCOPE: dict[str, str] = {
    r"sparse\.|to_sparse$": "sparse layouts are not offered",
    r"fft\.|stft$|istft$|signal\.windows\.": "spectral functions are not offered",
    r"masked\.": "masked-tensor reductions are a prototype of torch",
    r"jiterator": "compiles CUDA kernels",
    r"torch\.|slice$|.*_backward$": "raw kernels reached through torch.ops only",
    r"_(?!_)": "internal names",
    r"linalg\.householder_product$|geqrf$|ormqr$": "pieces of a QR factorisation",
    r"linalg\.ldl|linalg\.lu|lu$|lu_solve$|lu_unpack$": "factorisations of low priority",
    r"svd_lowrank$|pca_lowrank$": "randomised factorisations",
    r"special\.(.*bessel|airy_ai|.*polynomial)": "rare special functions",
}
"""Patterns of database names that are left alone, with the reason."""

NOT_UNIQUE = {"svd", "linalg.svd", "linalg.eigh", "linalg.eig"}
"""Decompositions free in sign or phase: compared after the sample's own processing."""

UNINITIALISED = {
    *("empty", "empty_like", "empty_strided", "empty_permuted"),
    *("new_empty", "new_empty_strided", "resize_", "resize_as_"),
}
"""Ops whose result holds whatever the memory held: dtype and shape only."""

TIES = {"sort": 0, "argsort": 0, "mode": 0, "median": 0, "nanmedian": 0, "topk": 1, "kthvalue": 1}
"""Ops free to pick any index among equal values, with the position of `dim`."""


def full_name(op: Any) -> str:
    """Return the database name with the entry's own variant in brackets."""
    return f"{op.name}[{op.variant_test_name}]" if op.variant_test_name else str(op.name)


def in_scope(op: Any) -> bool:
    """Tell whether the framework means to offer this entry."""
    return not any(re.match(pattern, op.name) for pattern in OUT_OF_SCOPE)


def limits_for(op: Any, dtype: torch.dtype) -> Tolerance:
    """Return the tolerance for a dtype, loosened as torch's own tests do."""
    rtol, atol = tolerance(dtype)
    for entry in op.decorators:
        for decorator in getattr(entry, "decorators", [entry]):
            given: Any = getattr(decorator, "d", None)
            if isinstance(given, dict) and dtype in given:
                value = given[dtype]
                both = isinstance(value, tuple)
                atol = max(atol, float(value.atol if both else value))
                rtol = max(rtol, float(value.rtol if both else 0.0))
    return rtol, atol


class OpChecker:
    """Runs the cases of one op in one dtype into a tally."""

    def __init__(self, op: Any, dtype: torch.dtype, options: argparse.Namespace) -> None:
        self.op, self.dtype, self.options = op, dtype, options
        self.tally = Tally(f"{full_name(op)} {short(dtype)}")
        self.leaf = op.name.rsplit(".", 1)[-1]
        self.limits = limits_for(op, dtype)
        backward = op.supported_backward_dtypes("cpu") if op.supports_autograd else ()
        self.grad = bool(options.grad) and dtype in backward

    def run(self) -> Tally:
        """Check the samples, or the erroneous inputs where those are asked for."""
        try:
            with time_limit(self.options.timeout):
                self._errors() if self.options.errors else self._samples()
        except Exception as error:  # report it, go on with the next op
            self.tally.failed("outside any case", error)
        except OutOfTime:
            self.tally.add("error", f"out of time after {self.options.timeout:g} s")
        return self.tally

    def _samples(self) -> None:
        make = self.op.reference_inputs if self.options.thorough else self.op.sample_inputs
        try:
            samples = list(make("cpu", self.dtype, requires_grad=self.grad))
        except Exception:  # torch cannot make them: nothing to check
            self.tally.add("skipped")
            return
        most = self.options.max_samples or len(samples)
        if len(samples) > most:
            samples = [samples[i * len(samples) // most] for i in range(most)]
        for variant in variants(self.op, self.options.out):
            if variant.ours is None:
                self.tally.add("missing", f"{variant.name} of {self.op.name}")
                continue
            for sample in samples[: variant.most]:
                if self._case(variant, sample) == "missing":
                    self.tally.add("missing", f"{variant.name} of {self.op.name}")
                    break

    def _case(self, variant: Variant, sample: Any) -> str | None:
        """Check one sample; return "missing" where ours turns out to lack the name."""
        on_tensor = variant.name.startswith(("method", "in-place", "Tensor."))
        if on_tensor and not isinstance(sample.input, torch.Tensor):
            return None
        grad = self.grad and (not variant.mutates or self.op.supports_inplace_autograd)
        call = (sample.input, sample.args, sample.kwargs)
        text = f"{variant.name}({describe(call[0])}; {describe(call[1])}; {describe(call[2])})"
        convert = Bridge(keep_storage=self.op.name.startswith("as_strided"))
        theirs = bridge.duplicate(call, grad)
        try:
            mine = convert(theirs)
        except Unconvertible:
            self.tally.add("skipped")
            return None
        except Exception as error:  # every failure of ours is a finding
            self.tally.failed(f"{text}: converting arguments", error)
            return None
        try:
            expected, random = self._expected(variant, theirs, call)
        except Exception:  # torch rejects the sample
            self._rejected(variant, sample, mine, text)
            return None
        try:
            got = self._call(variant.ours, mine, variant.mutates)
            problem = None
            if variant.mutates and expected[0] is expected[1] and got[0] is not got[1]:
                problem = "the in-place result is not the input itself"
            problem = problem or self._judge(sample, expected, got, random, grad, convert)
            tied = bool(problem) and self._tied(variant, theirs, expected, got)
            problem = None if tied else problem
            if not (problem or random):
                problem = self._side_effects(theirs, convert)
            if grad and not (problem or random or tied):
                problem = self._gradients(variant, sample, theirs, expected, got, convert)
        except Unconvertible:
            self.tally.add("skipped")
        except Exception as error:  # every failure of ours is a finding
            names = (self.leaf, getattr(variant.ours, "__name__", self.leaf))
            if any(bridge.is_missing(error, name) for name in names):
                return "missing"
            self.tally.failed(text, error)
        else:
            self.tally.add("mismatch" if problem else "ok", f"{text}: {problem}" * bool(problem))
        return None

    def _rejected(self, variant: Variant, sample: Any, mine: Any, text: str) -> None:
        """Where torch refuses to widen an in-place input, ours has to refuse too."""
        if not (variant.mutates and sample.broadcasts_input):
            self.tally.add("skipped")
            return
        try:
            self._call(variant.ours, mine, True)
        except Exception:  # any refusal will do
            self.tally.add("ok")
        else:
            self.tally.add("mismatch", f"{text}: did not raise")

    @staticmethod
    def _call(fn: Callable[..., Any] | None, call: Any, mutates: bool) -> Any:
        assert fn is not None
        first, args, kwargs = call
        if not mutates:
            return fn(first, *args, **kwargs)
        target = first.clone()
        return fn(target, *args, **kwargs), target

    def _expected(self, variant: Variant, call: Any, source: Any) -> tuple[Any, bool]:
        """Return torch's result and whether it depends on the random state."""
        torch.manual_seed(0)
        expected = self._call(variant.reference, call, variant.mutates)
        if not bridge.uses_random_wrapper(self.op.op):
            return expected, False
        for seed in range(1, 16):
            torch.manual_seed(seed)
            copy = bridge.duplicate(source, False)
            again = self._call(variant.reference, copy, variant.mutates)
            if not same_tensors(expected, again):
                return expected, True
        return expected, False

    def _judge(self, sample: Any, expected: Any, got: Any, random: bool, grad: bool, convert: Bridge) -> str | None:
        """Compare results, by the sample's own processing where they are not unique."""
        name = self.op.name
        free = random or name in UNINITIALISED or name in NOT_UNIQUE
        problem = compare(expected, got, self.limits, values=not free, grad_flag=grad)
        if problem is None and name in NOT_UNIQUE:
            process = sample.output_process_fn_grad
            wanted, actual = process(expected), convert(process)(got)
            problem = compare(wanted, actual, self.limits, where="processed result")
        return problem

    @staticmethod
    def _side_effects(theirs: Any, convert: Bridge) -> str | None:
        """Compare what became of the arguments: some functions write into them."""
        changed = (
            compare(tensor, convert(tensor), where=f"argument {i} after the call")
            for i, tensor in enumerate(tensors_in(theirs))
        )
        return next(filter(None, changed), None)

    def _tied(self, variant: Variant, theirs: Any, expected: Any, got: Any) -> bool:
        """Tell whether our indices differ from torch's only among equal values."""
        first, args, kwargs = theirs
        if self.op.name not in TIES or variant.mutates or not isinstance(first, torch.Tensor):
            return False
        place = TIES[self.op.name]
        dim = kwargs.get("dim", args[place] if len(args) > place else -1)
        if self.op.name == "argsort":
            expected, got = (None, expected), (None, got)
        whole = isinstance(expected, tuple) and isinstance(got, (tuple, list)) and len(got) == 2
        if not whole or compare(expected, got, values=False) or first.dim() == 0:
            return False
        if compare(expected[0], got[0], self.limits):
            return False
        wanted, actual = expected[1], torch.from_numpy(got[1].detach().numpy().copy())
        if wanted.shape != actual.shape or wanted.dtype != actual.dtype:
            return False
        if wanted.dim() < first.dim():
            wanted, actual = wanted.unsqueeze(dim), actual.unsqueeze(dim)
        picked = (first.detach().take_along_dim(index, dim) for index in (wanted, actual))
        return torch.equal(*picked)

    def _gradients(
        self, variant: Variant, sample: Any, theirs: Any, expected: Any, got: Any, convert: Bridge
    ) -> str | None:
        """Compare gradients of a weighted sum of the processed outputs."""
        process, wrapper = sample.output_process_fn_grad, self.op.gradcheck_wrapper
        leaves = list({id(t): t for t in tensors_in(theirs) if t.requires_grad}.values())
        if variant.mutates:
            expected, got = expected[0], got[0]
        try:
            if wrapper is not type(self.op).gradcheck_wrapper:
                expected = self._wrapped(wrapper, variant.reference, theirs, variant.mutates)
            outputs = differentiable(process(expected), torch.Tensor)
            weights = cotangents(outputs)
            wanted = grad_of(torch, outputs, leaves, weights) if outputs else []
        except Exception:  # torch has no such gradient
            return None
        if not outputs:
            return None
        if wrapper is not type(self.op).gradcheck_wrapper:
            got = self._wrapped(convert(wrapper), variant.ours, convert(theirs), variant.mutates)
        mine = differentiable(convert(process)(got), bridge.ours.Tensor)
        if len(mine) != len(outputs):
            return f"{len(mine)} differentiable outputs for {len(outputs)}"
        actual = grad_of(bridge.ours, mine, convert(leaves), convert(weights))
        names = [f"argument {i} ({describe(leaf)})" for i, leaf in enumerate(leaves)]
        limits = (self.limits[0] * 5, self.limits[1] * 5)
        return compare_gradients(wanted, actual, names, limits)

    @staticmethod
    def _wrapped(wrapper: Any, fn: Any, call: Any, mutates: bool) -> Any:
        def safe(first: Any, *args: Any, **kwargs: Any) -> Any:
            return fn(first.clone() if mutates else first, *args, **kwargs)

        first, args, kwargs = call
        return wrapper(safe, first, *args, **kwargs)

    def _errors(self) -> None:
        """Check that what torch refuses is refused by ours."""
        variant = variants(self.op)[0]
        if variant.ours is None:
            self.tally.add("missing", f"function of {self.op.name}")
            return
        for wrong in self.op.error_inputs("cpu"):
            sample = wrong.sample_input
            call = (sample.input, sample.args, sample.kwargs)
            text = f"function({describe(call[0])}; {describe(call[1])}; {describe(call[2])})"
            try:
                mine = Bridge(keep_storage=True)(call)
            except Exception:  # ours cannot even form the arguments
                self.tally.add("skipped")
                continue
            try:
                self._call(variant.reference, call, False)
            except Exception as error:  # the wanted outcome
                wanted = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
            else:
                self.tally.add("skipped")
                continue
            try:
                self._call(variant.ours, mine, False)
            except Exception:  # the wanted outcome
                self.tally.add("ok")
            else:
                self.tally.add("mismatch", f"{text}: did not raise {wanted}")


def selected(only: str) -> list[Any]:
    """Return the in-scope database entries whose full name matches."""
    from torch.testing._internal.common_methods_invocations import op_db

    return [op for op in op_db if in_scope(op) and re.search(only, full_name(op))]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return 0 where everything agrees."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--thorough", action="store_true", help="use the larger sample sets")
    parser.add_argument("--out", action="store_true", help="check only calls with out=")
    options = parser.parse_args(argv)
    ops = [op for op in selected(options.only) if op.supports_out or not options.out]
    dtypes = [getattr(torch, name) for name in options.dtype.split(",")]
    if options.errors:
        chosen = [(op, torch.float32) for op in ops if op.error_inputs_func]
    else:
        chosen = [(op, dtype) for op in ops for dtype in dtypes if dtype in op.dtypes]
    return run_all((OpChecker(op, dtype, options) for op, dtype in chosen), options)


if __name__ == "__main__":
    sys.exit(main())
