"""Every entry of PyTorch's module database: state, outputs, gradients, `repr` and refusals, in both modes.

`python -m tests.parity.modules` runs all cases of chosen modules and prints more.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the parity tests compare with PyTorch")
pytest.importorskip("expecttest", reason="PyTorch's own test tables import expecttest")

from torch.testing._internal.common_modules import module_db  # noqa: E402

from tests.parity.modules import ModuleChecker  # noqa: E402

MOST_CASES = 24
"""Cases of one module, dtype and mode, spread evenly over what the database offers."""

KNOWN: dict[str, str] = {}
"""Entries that disagree, with the reason. One that comes to agree has to leave the table."""

ENTRIES = {info.name: info for info in module_db}


def disagreements(info: Any) -> list[str]:
    """What torch and the framework disagree on, over dtypes, modes and refusals."""
    found = []
    for training in (True, False):
        for name, errors, most in (("float32", False, MOST_CASES), ("float64", False, 6), ("float32", True, 0)):
            dtype = getattr(torch, name)
            if dtype not in info.dtypes:
                continue
            random.seed(0)
            np.random.seed(0)
            options = argparse.Namespace(grad=not errors, errors=errors, repr=True, max_samples=most, timeout=30.0)
            found += ModuleChecker(info, dtype, training, options).run().failures
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
