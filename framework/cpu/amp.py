"""``amp`` for the CPU, by the older spelling that needs no device: ``framework.amp`` is the newer one."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.amp import GradScaler as AnyScaler
from framework.autograd.autocast import autocast as any_autocast
from framework.tensor import missing


def autocast(enabled: bool = True, dtype: Any = dtypes.bfloat16, cache_enabled: bool = True) -> any_autocast:
    """``framework.autocast("cpu", dtype, enabled, cache_enabled)``."""
    return any_autocast("cpu", dtype, enabled, cache_enabled)


def GradScaler(
    init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5, growth_interval: int = 2000,
    enabled: bool = True,
) -> AnyScaler:  # fmt: skip
    """``framework.amp.GradScaler("cpu", ...)``."""
    return AnyScaler("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def __getattr__(name: str) -> Any:
    missing("module 'framework.cpu.amp'", name, globals())
