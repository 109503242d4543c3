"""What every test shares: fixed seeds, one default dtype, and the folder of real data where there is one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

REAL_DATA = Path(os.environ.get("EAGERKIT_REALDATA", Path(__file__).parents[2] / "shared" / "realdata"))


def pytest_configure() -> None:
    """Programs that tests start and interrupt must not inherit that interrupts are ignored, as in a job in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come first: a worker that began one at the end would be waited for."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def _fixed_state():
    import framework

    framework.manual_seed(0)
    yield
    framework.set_default_dtype(framework.float32)


@pytest.fixture
def rng() -> np.random.Generator:
    """A NumPy generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def realdata():
    """The folder of real weights and data; the test is skipped where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real data folder is not there; set EAGERKIT_REALDATA to it")
    return REAL_DATA
