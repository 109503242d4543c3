"""Every entry of PyTorch's optimizer database, and every learning-rate schedule, stepped beside torch's.

`python -m tests.parity.optimizers` prints more.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the parity tests compare with PyTorch")
pytest.importorskip("expecttest", reason="PyTorch's own test tables import expecttest")

from torch.testing._internal.common_optimizers import optim_db  # noqa: E402

from tests.parity.optimizers import OUT_OF_SCOPE, SCHEDULERS, OptimizerChecker, SchedulerChecker  # noqa: E402

DTYPES = ("float32", "float64", "bfloat16", "complex64")

CONVERGED = "with a tensor lr it has converged by the last step, where its coefficients are rounding noise"

KNOWN: dict[tuple[str, str], str] = {("LBFGS", "float32"): CONVERGED, ("LBFGS", "complex64"): CONVERGED}
"""Optimizers and dtypes that disagree, with the reason. One that comes to agree has to leave the table."""

ENTRIES = {
    (info.optim_cls.__name__, dtype): info
    for info in optim_db
    for dtype in DTYPES
    if info.optim_cls.__name__ not in OUT_OF_SCOPE and (dtype != "complex64" or info.supports_complex)
}


def options(errors: bool) -> Any:
    return argparse.Namespace(grad=False, errors=errors, max_samples=0, timeout=30.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("entry", ENTRIES, ids="-".join)
def test_steps_as_pytorch_does(entry: tuple[str, str]) -> None:
    with np.errstate(all="ignore"):
        found = OptimizerChecker(ENTRIES[entry], getattr(torch, entry[1]), options(False)).run().failures
    if entry in KNOWN:
        assert found, f"{entry} agrees now: take it out of KNOWN"
        pytest.xfail(KNOWN[entry])
    assert not found, "\n".join(found)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted({name for name, _ in ENTRIES}))
def test_refuses_what_pytorch_refuses(name: str) -> None:
    failures = OptimizerChecker(ENTRIES[name, "float32"], torch.float32, options(True)).run().failures
    assert not failures, "\n".join(failures)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedules_as_pytorch_does(name: str) -> None:
    failures = SchedulerChecker(name, SCHEDULERS[name]).run().failures
    assert not failures, "\n".join(failures)


def test_known_disagreements_name_entries() -> None:
    assert KNOWN.keys() <= ENTRIES.keys()
