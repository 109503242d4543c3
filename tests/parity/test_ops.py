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

KNOWN: dict[str, str] = {}
"""Entries that disagree, with the reason. One that comes to agree has to leave the table."""

ENTRIES = {full_name(op): op for op in selected("")}


def options(**changes: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"grad": False, "errors": False, "out": False, "thorough": False, "timeout": 30.0, **changes})


def disagreements(op: Any) -> list[str]:
    """What torch and the framework disagree on, over dtypes, `out=` and refusals."""
    runs = [
        (dtype, options(grad=dtype == "float32", max_samples=most))
        for dtype, most in SAMPLES.items()
        if getattr(torch, dtype) in op.dtypes
    ]
    if op.supports_out and torch.float32 in op.dtypes:
        runs.append(("float32", options(out=True, max_samples=1)))
    if op.error_inputs_func:
        runs.append(("float32", options(errors=True, max_samples=0)))
    found = []
    for dtype, settings in runs:
        seed = zlib.crc32(full_name(op).encode())
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        found += [f"{dtype}: {text}" for text in OpChecker(op, getattr(torch, dtype), settings).run().failures]
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENTRIES)
def test_agrees_with_pytorch(name: str) -> None:
    with np.errstate(all="ignore"):
        found = disagreements(ENTRIES[name])
    if name in KNOWN:
        assert found, f"{name} agrees now: take it out of KNOWN"
        pytest.xfail(KNOWN[name])
    assert not found, "\n".join(found)


def test_known_disagreements_name_entries() -> None:
    assert KNOWN.keys() <= ENTRIES.keys()
