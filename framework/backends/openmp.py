"""OpenMP, which oneDNN's wheel brings along."""

from __future__ import annotations

from framework.backends import mkldnn


def is_available() -> bool:
    """Whether kernels run on OpenMP's threads: where oneDNN is installed."""
    return mkldnn.is_available()
