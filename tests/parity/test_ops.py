"""Every in-scope entry of PyTorch's operator database, a few samples in each dtype, and what it refuses.

`python -m tests.parity.opinfo` runs all samples of chosen entries and prints more.
"""

from __future__ import annotations

import argparse
import random
import zlib
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the parity tests compare with PyTorch")
pytest.importorskip("expecttest", reason="PyTorch's own test tables import expecttest")

from tests.parity.opinfo import OpChecker, full_name, selected  # noqa: E402

SAMPLES = {"float32": 4, "float64": 2, "int64": 2, "bool": 2, "bfloat16": 2, "complex64": 2}
"""Samples taken of each entry, spread evenly over what the database offers."""

NOT_IN_NUMPY = "complex32 does not exist in NumPy"
ROUNDING = "bfloat16 is computed in float32 here and rounded once, where torch rounds after every step"
ON_A_NUMBER = "an unbound method called on a number: the operator is one function for both orders"

KNOWN: dict[str, str] = {
    "addbmm": "in place, torch grows a tensor of one element to the result's shape",
    "addr": ROUNDING,
    "as_strided_scatter": "torch's gradient of the input keeps what was overwritten and drops the rest",
    "chalf": NOT_IN_NUMPY,
    "grid_sampler_2d": ROUNDING,
    "logcumsumexp": "torch's float32 gradient is off by a thousandth; float64 agrees",
    "matrix_exp": "torch's approximation is off by a thousandth in float32 and gives NaN in bfloat16",
    "nn.functional.grid_sample": ROUNDING,
    "nn.functional.instance_norm": ROUNDING,
    "nn.functional.interpolate[trilinear]": ROUNDING,
}
"""Entries that disagree, with the reason. One that comes to agree has to leave the table."""

KNOWN_ACCEPTED: dict[str, str] = {
    "__radd__": ON_A_NUMBER,
    "__rdiv__": ON_A_NUMBER,
    "__rmul__": ON_A_NUMBER,
    "__rand__": ON_A_NUMBER,
    "__ror__": ON_A_NUMBER,
    "__rxor__": ON_A_NUMBER,
    "cat": "an out= of another shape gets memory of its own, so it never grows beyond a fixed storage",
    "gather": "an out= of another shape gets memory of its own, so it never grows into an input",
}
"""Entries that take what torch refuses, with the reason."""

ENTRIES = {full_name(op): op for op in selected("")}


def run(op: Any, dtype: str, **changes: Any) -> list[str]:
    """What torch and the framework disagree on in one dtype, on the same samples in every run."""
    plain = {"grad": False, "errors": False, "out": False, "thorough": False, "timeout": 30.0, "max_samples": 0}
    seed = zlib.crc32(full_name(op).encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    tally = OpChecker(op, getattr(torch, dtype), argparse.Namespace(**{**plain, **changes})).run()
    return [f"{dtype}: {text}" for text in tally.failures]


def judge(name: str, found: list[str], known: dict[str, str]) -> None:
    if name in known:
        assert found, f"{name} agrees now: take it out of the table"
        pytest.xfail(known[name])
    assert not found, "\n".join(found)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENTRIES)
def test_agrees_with_pytorch(name: str) -> None:
    op, found = ENTRIES[name], []
    with np.errstate(all="ignore"):
        for dtype, most in SAMPLES.items():
            if getattr(torch, dtype) in op.dtypes:
                found += run(op, dtype, grad=dtype == "float32", max_samples=most)
        if op.supports_out and torch.float32 in op.dtypes:
            found += run(op, "float32", out=True, max_samples=1)
    judge(name, found, KNOWN)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, op in ENTRIES.items() if op.error_inputs_func])
def test_refuses_what_pytorch_refuses(name: str) -> None:
    with np.errstate(all="ignore"):
        judge(name, run(ENTRIES[name], "float32", errors=True), KNOWN_ACCEPTED)


def test_known_disagreements_name_entries() -> None:
    assert KNOWN.keys() | KNOWN_ACCEPTED.keys() <= ENTRIES.keys()
