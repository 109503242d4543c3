"""A file server for tests of downloads, and an environment without proxies of its own."""

from __future__ import annotations

import pytest

from tests.hub.server import serving


@pytest.fixture
def waits(monkeypatch):
    """The pauses between tries, which are noted instead of slept."""
    import hub.transfer

    noted: list[float] = []
    monkeypatch.setattr(hub.transfer, "sleep", noted.append)
    return noted


@pytest.fixture
def server(waits, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "hub_offline"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as running:
        yield running
