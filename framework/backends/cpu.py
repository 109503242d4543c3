"""The processor."""

from __future__ import annotations


def get_cpu_capability() -> str:
    """The widest vector instructions that NumPy found: "AVX512", "AVX2" or "DEFAULT"."""
    from importlib import import_module

    features = import_module("numpy._core._multiarray_umath").__cpu_features__
    if features.get("AVX512F") or features.get("X86_V4"):
        return "AVX512"
    return "AVX2" if features.get("AVX2") or features.get("X86_V3") else "DEFAULT"
