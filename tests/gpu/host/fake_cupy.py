"""A CuPy over NumPy, so that what is written for the GPU runs where there is none.

``installed()`` puts it in the place of the modules ``cupy`` and ``cupyx``. It has the names that CuPy 14.2 has
(``cupy_names``) and no others, chooses dtypes by CuPy's loops, refuses NumPy's arrays where CuPy does, and notes in
``waits`` what would make the host wait for the device. It does not know when work is done: streams are always idle.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from tests.gpu.host import fake_cuda, fake_functions, run_cuda
from tests.gpu.host import fake_operators as fake_operators  # gives the array its operators
from tests.gpu.host.fake_array import ndarray, waits
from tests.gpu.host.fake_functions import FUNCTION_SIGNATURES, SPECIAL_SIGNATURES, UFUNCS
from tests.gpu.host.fake_ufunc import ufunc

__all__ = ["MODULE", "installed", "waits"]

_SAME = """
bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp uintp intc uintc float16 float32 float64
complex64 complex128 number integer floating complexfloating inexact generic dtype finfo iinfo ndindex inf nan
pi e newaxis result_type promote_types can_cast broadcast_shapes issubdtype isscalar common_type
"""
SAME = _SAME.split()
"""What CuPy takes from NumPy."""


class RawModule:
    """Kernels of CUDA text, run on the host."""

    def __init__(
        self, code: str | None = None, *, path: Any = None, options: Any = (), backend: str = "nvrtc",
        translate_cucomplex: bool = False, enable_cooperative_groups: bool = False, name_expressions: Any = None,
        jitify: Any = None,
    ) -> None:  # fmt: skip
        self.code, self.options, self.name_expressions = code, options, name_expressions
        self.backend, self._compiled = backend, None

    def compile(self, log_stream: Any = None) -> None:
        self._module()

    def _module(self) -> Any:
        if self._compiled is None:
            folders = [option[2:] for option in self.options if option.startswith("-I")]
            self._compiled = run_cuda.HostModule(self.code or "", tuple(self.options), folders, self.name_expressions)
        return self._compiled

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self.code or "", name, self.options, _module=self)


class RawKernel:
    def __init__(
        self, code: str, name: str, options: Any = (), backend: str = "nvrtc", translate_cucomplex: bool = False, *,
        enable_cooperative_groups: bool = False, jitify: Any = None, _module: Any = None,
    ) -> None:  # fmt: skip
        self.code, self.name, self.options, self.backend = code, name, options, backend
        self._source = _module or RawModule(code, options=options)
        self.max_dynamic_shared_size_bytes = 48 * 1024
        self.max_threads_per_block, self.num_regs = 1024, 32

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0, stream: Any = None) -> None:
        self._source._module().get(self.name)(grid, block, args, shared_mem=shared_mem)


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


def _build() -> dict[str, ModuleType]:
    members: dict[str, Any] = {name: getattr(np, name) for name in SAME}
    members |= {name: found for name, found in UFUNCS.items() if "." not in name}
    parts: dict[str, dict[str, Any]] = {"": members}
    for name in FUNCTION_SIGNATURES:
        module, _, last = name.rpartition(".")
        parts.setdefault(module, {}).setdefault(last, fake_functions.module_function(name))
    cuda = _module("cupy.cuda", **{k: v for k, v in vars(fake_cuda).items() if k in CUDA})
    tricks = _module("cupy.lib.stride_tricks", **parts["lib.stride_tricks"])
    lib = _module("cupy.lib", stride_tricks=tricks)
    linalg = _module("cupy.linalg", **parts["linalg"], LinAlgError=np.linalg.LinAlgError)
    members |= {
        "ndarray": ndarray, "ufunc": ufunc, "RawModule": RawModule, "RawKernel": RawKernel, "cuda": cuda, "lib": lib,
        "linalg": linalg, "__version__": "14.2.0", "get_default_memory_pool": lambda: fake_cuda._POOL,
        "get_default_pinned_memory_pool": lambda: fake_cuda._PINNED, "is_available": lambda: True,
        "get_array_module": lambda *arrays: found if any(isinstance(a, ndarray) for a in arrays) else np,
    }  # fmt: skip
    found = _module("cupy", **members)
    special = _module(
        "cupyx.scipy.special",
        **{name.removeprefix("special."): u for name, u in UFUNCS.items() if name.startswith("special.")},
        **{name: _special(name) for name in SPECIAL_SIGNATURES},
    )
    scipy = _module("cupyx.scipy", special=special)
    cupyx = _module(
        "cupyx", scipy=scipy, empty_pinned=_empty_pinned, empty_like_pinned=_empty_like_pinned,
        scatter_add=ndarray.scatter_add, scatter_max=ndarray.scatter_max, scatter_min=ndarray.scatter_min,
    )  # fmt: skip
    return {module.__name__: module for module in (found, cuda, lib, tricks, linalg, cupyx, scipy, special)}


_CUDA = """
Device Event ExternalStream Graph MemoryHook MemoryPointer MemoryPool PinnedMemoryPointer PinnedMemoryPool
Stream UnownedMemory alloc alloc_pinned_memory get_allocator get_current_stream get_device_id get_elapsed_time
is_available memory memory_hook pinned_memory runtime set_allocator stream using_allocator
"""
CUDA = _CUDA.split()


def _special(name: str) -> Any:
    import scipy.special

    def function(*args: Any, **options: Any) -> Any:
        SPECIAL_SIGNATURES[name].bind(*args, **options)
        fake_functions.OVERRIDES.setdefault(
            f"special.{name}",
            lambda *a, **k: fake_functions.wrap(
                getattr(scipy.special, name)(*(fake_functions.host(x) for x in a), **k)
            ),
        )
        return fake_functions.call(f"special.{name}", *args, **options)

    return function


def _empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.ndarray(shape, dtype, fake_cuda.alloc_pinned_memory(count), order=order)


def _empty_like_pinned(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> Any:
    like = np.empty_like(
        np.broadcast_to(np.empty((), a.dtype), a.shape) if isinstance(a, ndarray) else a, dtype, order, False, shape
    )
    memory = fake_cuda.alloc_pinned_memory(like.nbytes)
    return np.ndarray(like.shape, like.dtype, memory, strides=like.strides)


MODULES = _build()
MODULE = MODULES["cupy"]


@contextmanager
def installed() -> Iterator[ModuleType]:
    """The stand-in as ``cupy`` and ``cupyx``; what was there before comes back."""
    names = [name for name in sys.modules if name.startswith("cupy")]
    before = {name: sys.modules.pop(name) for name in names}
    sys.modules.update(MODULES)
    waits.clear()
    fake_cuda.reset()
    try:
        yield MODULE
    finally:
        for name in [name for name in sys.modules if name.startswith("cupy")]:
            del sys.modules[name]
        sys.modules.update(before)
        fake_cuda.reset()
