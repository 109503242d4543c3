"""``cupy.cuda`` of the stand-in: two devices, streams and events on which work is always done, and counted memory."""

from __future__ import annotations

import ctypes
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.gpu.host import fake_streams
from tests.gpu.host.fake_streams import CUDARuntimeError, Event, Stream, _current, _streams, get_current_stream

ExternalStream, Graph, get_elapsed_time = fake_streams.ExternalStream, fake_streams.Graph, fake_streams.get_elapsed_time

DEVICES = 2
TOTAL = 80 * 2**30


class OutOfMemoryError(MemoryError):
    pass


class Device:
    def __init__(self, device: Any = None) -> None:
        self.id = _current[0] if device is None else int(device)
        if not 0 <= self.id < DEVICES:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self._outer: list[int] = []

    def __enter__(self) -> Device:
        self._outer.append(_current[0])
        _current[0] = self.id
        return self

    def __exit__(self, *_: object) -> None:
        _current[0] = self._outer.pop()

    def use(self) -> None:
        _current[0] = self.id

    def synchronize(self) -> None:
        runtime.deviceSynchronize()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id

    __int__ = lambda self: self.id  # noqa: E731
    compute_capability = "90"
    attributes: dict[str, int] = {"MultiProcessorCount": 132, "MaxThreadsPerMultiProcessor": 2048, "WarpSize": 32}  # noqa: RUF012
    mem_info = property(lambda self: runtime.memGetInfo())


def _synchronize() -> None:
    from tests.gpu.host.fake_array import synchronises

    synchronises("deviceSynchronize")


def _properties(device: int) -> dict[str, Any]:
    values = {"major": 9, "minor": 0, "totalGlobalMem": TOTAL, "multiProcessorCount": 132, "warpSize": 32}
    more = {"maxThreadsPerMultiProcessor": 2048, "l2CacheSize": 50 * 2**20, "sharedMemPerBlockOptin": 232448}
    return {"name": b"NumPy in a GPU's clothes", **values, **more, "regsPerMultiprocessor": 65536}


def _set_device(device: int) -> None:
    Device(device).use()


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=lambda: DEVICES,
    getDevice=lambda: _current[0],
    setDevice=_set_device,
    deviceSynchronize=_synchronize,
    getDeviceProperties=_properties,
    deviceCanAccessPeer=lambda a, b: int(a != b),
    memGetInfo=lambda: (TOTAL - _POOL.total_bytes(), TOTAL),
    free=lambda ptr: None,
    driverGetVersion=lambda: 13000,
    runtimeGetVersion=lambda: 13000,
    is_hip=False,
    memoryTypeHost=1,
    streamLegacy=1,
)


# Memory


class Memory:
    """The bytes behind one or more arrays."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        low, high = np.lib.array_utils.byte_bounds(array)
        self.ptr, self.size, self.buffer = low, high - low, array
        self.device_id = _current[0]

    device = property(lambda self: Device(self.device_id))


class MemoryPointer:
    def __init__(self, mem: Any, offset: int) -> None:
        self.mem, self.ptr = mem, mem.ptr + offset
        self.device_id = mem.device_id

    device = property(lambda self: Device(self.device_id))

    def __int__(self) -> int:
        return self.ptr

    def _bytes(self, size: int) -> np.ndarray[Any, Any]:
        return np.ctypeslib.as_array(ctypes.cast(self.ptr, ctypes.POINTER(ctypes.c_uint8)), (size,))

    def memset_async(self, value: int, size: int, stream: Any = None) -> None:
        self._bytes(size)[...] = value

    def copy_from_device_async(self, src: MemoryPointer, size: int, stream: Any = None) -> None:
        self._bytes(size)[...] = src._bytes(size)

    def copy_from_host_async(self, mem: Any, size: int, stream: Any = None) -> None:
        address = mem if isinstance(mem, int) else mem.value
        self._bytes(size)[...] = np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8)), (size,))

    def copy_to_host_async(self, mem: Any, size: int, stream: Any = None) -> None:
        address = mem if isinstance(mem, int) else mem.value
        np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8)), (size,))[...] = self._bytes(size)


class UnownedMemory:
    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1) -> None:
        self.ptr, self.size, self.owner = ptr, size, owner
        self.device_id = _current[0] if device_id < 0 else device_id

    device = property(lambda self: Device(self.device_id))


class MemoryPool:
    """Counts the bytes of living arrays, in CuPy's 512-byte steps; what was freed stays until the pool is emptied."""

    def __init__(self, allocator: Any = None) -> None:
        self._living: dict[int, int] = {}
        self._held: dict[int, int] = {}
        self._limit = 0

    def malloc(self, size: int) -> MemoryPointer:
        memory = Memory(np.empty(max(1, size), np.uint8))
        self._count(memory)
        return MemoryPointer(memory, 0)

    def _count(self, memory: Memory) -> None:
        size, where = -(-memory.size // 512) * 512, memory.device_id
        if self._limit and self._living.get(where, 0) + size > self._limit:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes")
        self._living[where] = self._living.get(where, 0) + size
        self._held[where] = max(self._held.get(where, 0), self._living[where])
        weakref.finalize(memory, self._freed, where, size)
        for hook in _hooks:
            hook.malloc_postprocess(device_id=where, size=size, mem_size=size, mem_ptr=memory.ptr, pmem_id=id(memory))

    def _freed(self, where: int, size: int) -> None:
        self._living[where] -= size
        for hook in _hooks:
            hook.free_postprocess(device_id=where, mem_size=size, mem_ptr=0, pmem_id=0)

    def used_bytes(self) -> int:
        return self._living.get(_current[0], 0)

    def total_bytes(self) -> int:
        return self._held.get(_current[0], 0)

    def free_bytes(self) -> int:
        return self.total_bytes() - self.used_bytes()

    def n_free_blocks(self) -> int:
        return int(self.free_bytes() > 0)

    def free_all_blocks(self, stream: Any = None) -> None:
        self._held = dict(self._living)

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._limit = size if size is not None else int((fraction or 0) * TOTAL)

    def get_limit(self) -> int:
        return self._limit


_POOL = MemoryPool()
_allocator: list[Any] = [_POOL.malloc]
_hooks: list[Any] = []


def adopt(array: np.ndarray[Any, Any]) -> Memory:
    """The memory of a fresh array, counted as the current allocator's."""
    memory = Memory(array)
    pool = getattr(_allocator[-1], "__self__", None)
    if isinstance(pool, MemoryPool):
        pool._count(memory)
    return memory


def alloc(size: int) -> MemoryPointer:
    found: MemoryPointer = _allocator[-1](size)
    return found


def get_allocator() -> Any:
    return _allocator[-1]


def set_allocator(allocator: Any = None) -> None:
    if len(_allocator) > 1:
        raise ValueError("Can't change the global allocator inside `using_allocator` context manager")
    _allocator[-1] = _POOL.malloc if allocator is None else allocator


class using_allocator:
    def __init__(self, allocator: Any = None) -> None:
        self.allocator = allocator

    def __enter__(self) -> None:
        _allocator.append(self.allocator)

    def __exit__(self, *_: object) -> None:
        _allocator.pop()


class MemoryHook:
    name = "MemoryHook"

    def malloc_postprocess(self, **info: Any) -> None:
        pass

    def free_postprocess(self, **info: Any) -> None:
        pass

    def __enter__(self) -> MemoryHook:
        _hooks.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _hooks.remove(self)


class PinnedMemoryPointer(bytearray):
    """A block of page-locked memory, which NumPy reads through the buffer protocol."""

    @property
    def ptr(self) -> int:
        return ctypes.addressof(ctypes.c_uint8.from_buffer(self))

    def size(self) -> int:
        return len(self)


class PinnedMemoryPool:
    def free_all_blocks(self) -> None:
        pass

    def n_free_blocks(self) -> int:
        return 0


_PINNED = PinnedMemoryPool()


def is_available() -> bool:
    return True


def get_device_id() -> int:
    return _current[0]


def alloc_pinned_memory(size: int) -> PinnedMemoryPointer:
    return PinnedMemoryPointer(max(1, size))


memory = SimpleNamespace(
    MemoryPointer=MemoryPointer, MemoryPool=MemoryPool, OutOfMemoryError=OutOfMemoryError, UnownedMemory=UnownedMemory
)
memory_hook = SimpleNamespace(MemoryHook=MemoryHook)
pinned_memory = SimpleNamespace(PinnedMemoryPointer=PinnedMemoryPointer, alloc_pinned_memory=alloc_pinned_memory)
stream = SimpleNamespace(
    Stream=Stream, Event=Event, ExternalStream=ExternalStream, get_current_stream=get_current_stream
)


def reset() -> None:
    """As at first: device 0, the null stream, CuPy's pool."""
    _current[0] = 0
    _streams.clear()
    _allocator[:] = [_POOL.malloc]
    _hooks.clear()
    _POOL._limit = 0
