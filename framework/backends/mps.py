"""Apple's GPUs, which are not supported."""

from __future__ import annotations


def is_available() -> bool:
    """False: there is no kernel for Apple's GPUs."""
    return False


def is_built() -> bool:
    """False: there is no kernel for Apple's GPUs."""
    return False
