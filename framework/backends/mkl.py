"""Intel's MKL, which is not used: products are OpenBLAS's (in NumPy) and oneDNN's."""

from __future__ import annotations


def is_available() -> bool:
    """False: no MKL is used."""
    return False
