"""GPUs: which there are, what they are, and which is in use.

Not yet run on a GPU: checked on a stand-in for CuPy (tests/gpu).
"""

from __future__ import annotations

import sys
from typing import Any

from framework import devices
from framework.errors import DeviceError
from framework.tensor import Tensor

_CUDA = devices.device("cuda")


def library() -> Any:
    """CuPy with a GPU, or an error that says what is missing."""
    return devices.module_of(_CUDA)


def present() -> Any:
    """CuPy with a GPU, or None."""
    try:
        return devices.module_of(_CUDA)
    except DeviceError:
        return None


def index_of(device: Any) -> int:
    """The number of a GPU given as a device, a string, a number or None for the current one."""
    if device is None:
        return current_device()
    if isinstance(device, int):
        return device
    where = devices.device(device)
    if where.type != "cuda":
        raise DeviceError(f"cuda: expected a CUDA device, got {where}")
    return current_device() if where.index is None else where.index


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    return present() is not None


def device_count() -> int:
    """The number of GPUs; 0 without CuPy."""
    cupy = present()
    return int(cupy.cuda.runtime.getDeviceCount()) if cupy is not None else 0


def is_initialized() -> bool:
    """Whether the GPU is in use in this process."""
    return "cupy" in sys.modules and is_available()


def init() -> None:
    """Start the GPU now rather than at its first use."""
    library().cuda.runtime.free(0)


def current_device() -> int:
    """The index of the GPU in use."""
    return int(library().cuda.runtime.getDevice())


def set_device(device: Any) -> None:
    """Choose the GPU to use; a negative index changes nothing."""
    if isinstance(device, int) and device < 0:
        return
    cupy, index = library(), index_of(device)
    if index != current_device():
        devices.use_several(cupy, index)
    cupy.cuda.Device(index).use()


def get_device_name(device: Any = None) -> str:
    """The GPU's name, such as "NVIDIA H200"."""
    return str(get_device_properties(device).name)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The major and minor compute capability."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


class DeviceProperties:
    """What a GPU is: ``name``, ``major``, ``minor``, ``total_memory`` (bytes), ``multi_processor_count``, ``warp_size``."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.name = values["name"].decode() if isinstance(values["name"], bytes) else values["name"]
        self.major, self.minor = int(values["major"]), int(values["minor"])
        self.total_memory = int(values["totalGlobalMem"])
        self.multi_processor_count = int(values["multiProcessorCount"])
        self.warp_size = int(values["warpSize"])
        self.max_threads_per_multi_processor = int(values["maxThreadsPerMultiProcessor"])
        self.L2_cache_size = int(values["l2CacheSize"])

    def __repr__(self) -> str:
        return (
            f"DeviceProperties(name={self.name!r}, major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // 2**20}MB, multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device: Any = None) -> DeviceProperties:
    """What a GPU is and has."""
    return DeviceProperties(library().cuda.runtime.getDeviceProperties(index_of(device)))


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """Whether one GPU can read another's memory."""
    return bool(library().cuda.runtime.deviceCanAccessPeer(index_of(device), index_of(peer_device)))


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the GPU computes in bfloat16 itself (capability 8 and up)."""
    return is_available() and get_device_capability()[0] >= 8


def is_tf32_supported() -> bool:
    """Whether the GPU has TF32 products (capability 8 and up)."""
    return is_available() and get_device_capability()[0] >= 8


def synchronize(device: Any = None) -> None:
    """Wait until a GPU has done all that was asked of it."""
    cupy = library()
    with cupy.cuda.Device(index_of(device)):
        cupy.cuda.runtime.deviceSynchronize()


class device:
    """A context in which another GPU is in use; a negative index or None leaves the current one.

    Example:
        >>> with framework.cuda.device(1):
        ...     x = framework.ones(3, device="cuda")
    """

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else index_of(device)
        self.prev_idx = -1

    def __enter__(self) -> device:
        if self.idx >= 0:
            self.prev_idx = current_device()
            set_device(self.idx)
        return self

    def __exit__(self, *_: object) -> None:
        set_device(self.prev_idx)


class device_of(device):
    """A context in which a tensor's GPU is in use; nothing for a CPU tensor."""

    def __init__(self, obj: Tensor) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else None)
