"""``amp`` for the GPU, by the older spelling that needs no device: ``framework.amp`` is the newer one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework import amp, dtypes
from framework.amp import GradScaler as AnyScaler
from framework.autograd.autocast import autocast as any_autocast
from framework.tensor import missing


def autocast(enabled: bool = True, dtype: Any = dtypes.float16, cache_enabled: bool = True) -> any_autocast:
    """``framework.autocast("cuda", dtype, enabled, cache_enabled)``."""
    return any_autocast("cuda", dtype, enabled, cache_enabled)


def GradScaler(
    init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5, growth_interval: int = 2000,
    enabled: bool = True,
) -> AnyScaler:  # fmt: skip
    """``framework.amp.GradScaler("cuda", ...)``."""
    return AnyScaler("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd: Callable[..., Any] | None = None, *, cast_inputs: Any = None) -> Callable[..., Any]:
    """``framework.amp.custom_fwd`` for the GPU."""
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """``framework.amp.custom_bwd`` for the GPU."""
    return amp.custom_bwd(bwd, device_type="cuda")


def __getattr__(name: str) -> Any:
    missing("module 'framework.cuda.amp'", name, globals())
