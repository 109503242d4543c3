"""No test of the profiler leaves a function replaced."""

from __future__ import annotations

import pytest

from framework.profiler import recording as rec
from tests.profiler.recorded import originals


@pytest.fixture(autouse=True)
def nothing_is_left():
    """After each test here every function is the one that stood there before it."""
    before = originals()
    yield
    after = originals()
    changed = [key for key in before if after.get(key, before[key]) is not before[key]]
    assert not changed
    assert rec.current == [None]
