"""What autocast is set to in the running context (thread or task), and PyTorch's switches for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from framework import dtypes
from framework.autograd.autocast_lists import POLICIES
from framework.errors import ArgumentError, DeviceError


@dataclass(frozen=True)
class Region:
    """What autocast is set to: for each kind of device its type, and on which kinds it is on."""

    low: dict[str, dtypes.dtype] = field(default_factory=lambda: {"cpu": dtypes.bfloat16, "cuda": dtypes.float16})
    on: frozenset[str] = frozenset()
    caching: bool = True
    nesting: int = 0
    casts: dict[Any, Any] = field(default_factory=dict)  # of leaves, by identity; see ``_cached``


_state: ContextVar[Region | None] = ContextVar("framework.autocast", default=None)
_region: ContextVar[Region | None] = ContextVar("framework.autocast_region", default=None)
region = _region.get  # the state where autocast is on and not at work on an op, else None


def current() -> Region:
    """What autocast is set to in this context."""
    state = _state.get()
    if state is None:  # the first question in this context: its cache is its own
        state = Region()
        _state.set(state)
    return state


def set_current(state: Region) -> None:
    """Set what autocast is set to in this context."""
    _state.set(state)
    _region.set(state if state.on else None)


@contextmanager
def restored(state: Region) -> Iterator[None]:
    """Within it, autocast is set as it was, with casts of its own: for a second run of what ran then."""
    before = current()
    set_current(replace(state, nesting=state.nesting + 1, casts={}))
    try:
        yield
    finally:
        set_current(before)


def kind_of(device_type: Any) -> str:
    """The kind of device that autocast is asked about."""
    if not isinstance(device_type, str):
        raise ArgumentError(f"autocast: expected device_type as a string, got {type(device_type).__name__}")
    if device_type not in POLICIES:
        raise DeviceError(f"autocast: unsupported device_type {device_type!r}; it is for 'cpu' and 'cuda'")
    return device_type


def switched(state: Region, device: str, on: bool, low: dtypes.dtype) -> Region:
    """A state with another switch and type for one kind of device."""
    devices = state.on | {device} if on else state.on - {device}
    return replace(state, low={**state.low, device: low}, on=devices)


# The switches underneath, as PyTorch has them


def is_autocast_available(device_type: str) -> bool:
    """Whether there are lists for a kind of device: "cpu" and "cuda"."""
    return device_type in POLICIES


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for a kind of device."""
    return kind_of(device_type) in current().on


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switch autocast on or off for a kind of device, until it is switched again; ``autocast`` is the safer way."""
    if enabled is None:
        device_type, enabled = "cuda", bool(device_type)
    device, state = kind_of(device_type), current()
    set_current(switched(state, device, enabled, state.low[device]))


def get_autocast_dtype(device_type: str) -> dtypes.dtype:
    """The type that autocast casts to on a kind of device."""
    return current().low[kind_of(device_type)]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Set the type that autocast casts to on a kind of device."""
    device, state = kind_of(device_type), current()
    set_current(switched(state, device, device in state.on, dtypes.as_dtype(dtype)))


def is_autocast_cache_enabled() -> bool:
    """Whether the casts of parameters are kept within a region."""
    return current().caching


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep the casts of parameters within a region, or don't."""
    set_current(replace(current(), caching=bool(enabled)))


def clear_autocast_cache() -> None:
    """Drop the casts of parameters that are kept."""
    current().casts.clear()


def autocast_increment_nesting() -> int:
    """Count one more region around what follows, and return how many there are."""
    set_current(replace(current(), nesting=current().nesting + 1))
    return current().nesting


def autocast_decrement_nesting() -> int:
    """Count one region less, and return how many there are."""
    set_current(replace(current(), nesting=current().nesting - 1))
    return current().nesting


def is_autocast_cpu_enabled() -> bool:
    """``is_autocast_enabled("cpu")``, by its older name."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """``set_autocast_enabled("cpu", enabled)``, by its older name."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> dtypes.dtype:
    """``get_autocast_dtype("cpu")``, by its older name."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: Any) -> None:
    """``set_autocast_dtype("cpu", dtype)``, by its older name."""
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> dtypes.dtype:
    """``get_autocast_dtype("cuda")``, by its older name."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: Any) -> None:
    """``set_autocast_dtype("cuda", dtype)``, by its older name."""
    set_autocast_dtype("cuda", dtype)
