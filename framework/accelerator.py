"""The GPU without its name, as ``torch.accelerator`` has it: ``framework.cuda`` where there is one."""

from __future__ import annotations

from typing import Any

from framework import cuda, devices
from framework.errors import DeviceError
from framework.tensor import missing


def is_available() -> bool:
    """Whether there is a GPU to compute on."""
    return cuda.is_available()


def device_count() -> int:
    """How many there are."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> devices.device | None:
    """``device("cuda")`` where a GPU is available, else None."""
    return devices.device("cuda") if cuda.is_available() else None


def _required() -> None:
    if not cuda.is_available():
        raise DeviceError("accelerator: Cannot access accelerator device when none is available; use the CPU")


def current_device_index() -> int:
    """The index of the GPU in use."""
    _required()
    return cuda.current_device()


def set_device_index(device: Any, /) -> None:
    """Choose the GPU to use."""
    _required()
    cuda.set_device(device)


def synchronize(device: Any = None, /) -> None:
    """Wait until the GPU has done all that was asked of it."""
    _required()
    cuda.synchronize(device)


def empty_cache() -> None:
    """Give the unused memory of the pool back to the driver."""
    _required()
    cuda.empty_cache()


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes that arrays hold."""
    return cuda.memory_allocated(device_index)


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes that arrays held, see ``framework.cuda.max_memory_allocated``."""
    return cuda.max_memory_allocated(device_index)


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes that the pool holds, used or not."""
    return cuda.memory_reserved(device_index)


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The most bytes that the pool held."""
    return cuda.max_memory_reserved(device_index)


def memory_stats(device_index: Any = None, /) -> dict[str, int]:
    """The counts of memory by PyTorch's names; empty without a GPU."""
    return cuda.memory_stats(device_index)


def current_stream(device: Any = None, /) -> cuda.Stream:
    """The stream that takes work now."""
    _required()
    return cuda.current_stream(device)


def set_stream(stream: cuda.Stream) -> None:
    """Let a stream take work from now on."""
    _required()
    cuda.set_stream(stream)


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Count peaks from now on."""
    _required()
    cuda.reset_peak_memory_stats(device_index)


current_device_idx, set_device_idx = current_device_index, set_device_index


def __getattr__(name: str) -> Any:
    missing("module 'framework.accelerator'", name, globals())
