"""The GPU's memory: what arrays hold, what CuPy's pool holds, what is free.

Not yet run on a GPU: checked on a stand-in for CuPy (tests/gpu).
"""

from __future__ import annotations

from typing import Any

from framework.cuda.gpus import index_of, is_available, library, present


def _pool(device: Any, method: str) -> int:
    cupy = present()
    if cupy is None:
        return 0
    with cupy.cuda.Device(index_of(device)):
        return int(getattr(cupy.get_default_memory_pool(), method)())


class _Peaks:
    """A hook on CuPy's allocations that counts, for each GPU, the bytes that arrays hold and the most they held."""

    def __init__(self, cupy: Any) -> None:
        held: dict[int, int] = {}
        peaks: dict[int, int] = {}

        class Hook(cupy.cuda.memory_hook.MemoryHook):  # type: ignore[misc, name-defined]  # a class of CuPy's
            name = "framework.cuda.peaks"

            def malloc_postprocess(self, device_id: int, mem_size: int, **_: Any) -> None:
                now = held[device_id] = held.get(device_id, 0) + mem_size
                if now > peaks.get(device_id, 0):
                    peaks[device_id] = now

            def free_postprocess(self, device_id: int, mem_size: int, **_: Any) -> None:
                held[device_id] = held.get(device_id, 0) - mem_size

        self.held, self.bytes = held, peaks
        self.hook = Hook()
        self.hook.__enter__()


_peaks: list[_Peaks] = []


def empty_cache() -> None:
    """Give the unused memory of CuPy's pools back to the driver."""
    cupy = present()
    if cupy is not None:
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays hold on a GPU."""
    return _pool(device, "used_bytes")


def memory_reserved(device: Any = None) -> int:
    """Bytes that the pool holds on a GPU, used or not."""
    return _pool(device, "total_bytes")


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that arrays held since ``reset_peak_memory_stats``.

    CuPy's pool keeps no peaks. They are counted from the first call of ``reset_peak_memory_stats`` on; before it the
    answer is what the pool holds, which the peak can't exceed unless the cache was emptied.
    """
    if not _peaks:
        return memory_reserved(device)
    return max(_peaks[0].bytes.get(index_of(device), 0), memory_allocated(device))


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that the pool held: what it holds, for it grows until ``empty_cache``."""
    return memory_reserved(device)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Count peaks from now on."""
    cupy = library()
    if not _peaks:
        _peaks.append(_Peaks(cupy))
    index = index_of(device)
    _peaks[0].held[index] = _peaks[0].bytes[index] = memory_allocated(device)


reset_max_memory_allocated = reset_peak_memory_stats
max_memory_cached, memory_cached = max_memory_reserved, memory_reserved


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of a GPU, as the driver sees them."""
    cupy = library()
    with cupy.cuda.Device(index_of(device)):
        free, total = cupy.cuda.runtime.memGetInfo()
    return int(free), int(total)


def memory_stats(device: Any = None) -> dict[str, int]:
    """The counts of memory by PyTorch's names; empty without a GPU."""
    if not is_available():
        return {}
    return {
        "allocated_bytes.all.current": memory_allocated(device),
        "allocated_bytes.all.peak": max_memory_allocated(device),
        "reserved_bytes.all.current": memory_reserved(device),
        "reserved_bytes.all.peak": max_memory_reserved(device),
    }


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Let the pool grow to a fraction of the GPU's memory at most."""
    cupy = library()
    with cupy.cuda.Device(index_of(device)):
        cupy.get_default_memory_pool().set_limit(fraction=fraction)


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The counts of ``memory_stats`` and what the driver has free, one a line."""
    counts = dict(memory_stats(device))
    if is_available():
        counts["free_bytes"], counts["total_bytes"] = mem_get_info(device)
    width = max(map(len, counts), default=0)
    return "\n".join(f"{name:<{width}}  {value / 2**20:12,.1f} MB" for name, value in counts.items())


def ipc_collect() -> None:
    """Nothing is left to collect: memory shared between processes is given up when its array is gone."""
