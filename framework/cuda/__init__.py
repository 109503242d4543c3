"""The GPU under the names of ``torch.cuda``, by way of CuPy, which is imported when first needed.

Without CuPy or without a GPU: ``is_available()`` is False, ``device_count()`` is 0, counts of memory are 0, seeds are
accepted, and what would touch a device raises ``DeviceError`` with the reason.

Not yet run on a GPU, nor is any file of this package: checked on a stand-in for CuPy (tests/gpu).
"""

# isort: off
# fmt: off
import sys as _sys
from typing import Any as _Any

from framework.errors import OutOfMemoryError as _OutOfMemoryError
from framework.tensor import missing as _missing
from framework.cuda import amp as amp
from framework.cuda.gpus import (
    DeviceProperties, can_device_access_peer, current_device, device, device_count, device_of, get_device_capability,
    get_device_name, get_device_properties, init, is_available, is_bf16_supported, is_initialized, is_tf32_supported,
    set_device, synchronize,
)
from framework.cuda.memory import (
    empty_cache, ipc_collect, max_memory_allocated, max_memory_cached, max_memory_reserved, mem_get_info, memory_allocated,
    memory_cached, memory_reserved, memory_stats, memory_summary, reset_max_memory_allocated, reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from framework.cuda.random import (
    get_rng_state, get_rng_state_all, initial_seed, manual_seed, manual_seed_all, seed, seed_all, set_rng_state,
    set_rng_state_all,
)
from framework.cuda.streams import (
    CUDAGraph, Event, Stream, StreamContext, current_stream, default_stream, graph, graph_pool_handle,
    is_current_stream_capturing, set_stream, stream,
)


def __getattr__(name: str) -> _Any:
    if name == "OutOfMemoryError":  # the class that `except` has to name is CuPy's once CuPy allocates
        cupy = _sys.modules.get("cupy")
        return _OutOfMemoryError if cupy is None else cupy.cuda.memory.OutOfMemoryError
    _missing("module 'framework.cuda'", name, globals())
