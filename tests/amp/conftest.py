"""Autocast's words on speed, which depend on the processor, are left out of the tests that are not about them."""

from __future__ import annotations

import pytest

from framework.autograd import autocast


@pytest.fixture(autouse=True)
def _told_already(monkeypatch):
    monkeypatch.setattr(autocast, "_warned", {"bfloat16", "float16"})
