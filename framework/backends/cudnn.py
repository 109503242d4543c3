"""Flags of the cuDNN kernels, which serve convolutions, norms and attention on a GPU.

``enabled`` lets them serve at all; ``benchmark`` lets them time the algorithms of a new shape; ``deterministic``
keeps to those with the same bits in every run; ``allow_tf32`` lets float32 convolutions round to 10 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from framework.tensor import missing

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether there is a GPU, and cuDNN's Python frontend is installed."""
    from framework import cuda

    return cuda.is_available() and find_spec("cudnn") is not None


def version() -> int | None:
    """cuDNN's version as one number; None where it is not available."""
    if not is_available():
        return None
    from importlib import import_module

    return int(import_module("cudnn").backend_version())


def set_flags(
    _enabled: bool | None = None,
    _benchmark: bool | None = None,
    _benchmark_limit: int | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
) -> tuple[bool, bool, int, bool, bool]:
    """Set the flags that are given, and return what all were."""
    global enabled, benchmark, benchmark_limit, deterministic, allow_tf32
    before = (enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    enabled = before[0] if _enabled is None else _enabled
    benchmark = before[1] if _benchmark is None else _benchmark
    benchmark_limit = before[2] if _benchmark_limit is None else _benchmark_limit
    deterministic = before[3] if _deterministic is None else _deterministic
    allow_tf32 = before[4] if _allow_tf32 is None else _allow_tf32
    return before


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
) -> Iterator[None]:
    """A context with these flags, which are as before after it."""
    before = set_flags(enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    try:
        yield
    finally:
        set_flags(*before)


def __getattr__(name: str) -> Any:
    missing("module 'framework.backends.cudnn'", name, globals())
