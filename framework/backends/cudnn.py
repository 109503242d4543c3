"""Flags of the cuDNN kernels, which serve convolutions, norms and attention on a GPU.

``enabled`` lets them serve at all; ``benchmark`` lets them time the algorithms of a new shape; ``deterministic``
keeps to those with the same bits in every run. ``allow_tf32`` is no setting of its own: it shows and sets what
``set_float32_matmul_precision`` does, since convolutions follow the precision of products. So it is False at first, where
PyTorch's is True.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from framework import settings
from framework.tensor import missing

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False


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
    global enabled, benchmark, benchmark_limit, deterministic
    before = (enabled, benchmark, benchmark_limit, deterministic, _allows_tf32())
    enabled = before[0] if _enabled is None else _enabled
    benchmark = before[1] if _benchmark is None else _benchmark
    benchmark_limit = before[2] if _benchmark_limit is None else _benchmark_limit
    deterministic = before[3] if _deterministic is None else _deterministic
    if _allow_tf32 is not None:
        _let_tf32(_allow_tf32)
    return before


@contextmanager
def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool | None = None,
) -> Iterator[None]:
    """A context with these flags, which are as before after it; ``allow_tf32`` is left alone unless given."""
    precision = settings.get_float32_matmul_precision()
    before = set_flags(enabled, benchmark, benchmark_limit, deterministic, allow_tf32)
    try:
        yield
    finally:
        set_flags(*before[:4])
        settings.set_float32_matmul_precision(precision)


def _allows_tf32() -> bool:
    return settings.get_float32_matmul_precision() != "highest"


def _let_tf32(value: bool) -> None:
    if value != _allows_tf32():
        settings.set_float32_matmul_precision("high" if value else "highest")


class _Flags(ModuleType):
    """This module, with a flag that is a view of a setting."""

    allow_tf32 = property(lambda _: _allows_tf32(), lambda _, value: _let_tf32(bool(value)))


sys.modules[__name__].__class__ = _Flags


def __getattr__(name: str) -> Any:
    missing("module 'framework.backends.cudnn'", name, globals())
