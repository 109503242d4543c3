"""oneDNN, under the name that PyTorch kept for it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution


def is_available() -> bool:
    """Whether the wheel with oneDNN is installed."""
    try:
        distribution("onednn-cpu-gomp")
    except PackageNotFoundError:
        return False
    return True
