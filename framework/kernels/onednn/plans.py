"""Plans: primitives with their memory objects, made once for a kind of call and kept in bounded caches.

A plan belongs to the layouts it was made for; a call gives it the arrays, whose addresses it passes on. ``planned``
caches a function that makes plans by its arguments, to which the number of threads and the precision of products are
added, since both change what oneDNN makes.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.dtypes import bfloat16
from framework.kernels import threads
from framework.kernels.onednn import library as api
from framework.kernels.onednn.library import Argument, OneDNNError, library
from framework.settings import _Settings

KEPT = 512  # plans that each maker keeps, the least recently used going first
SHARED = 1 << 14  # elements from which on threads gain: less is done while one wakes, milliseconds if it is busy
_ARRAY_DATA = 16  # where a NumPy array object keeps the address of its data: behind the object's two-word header

SIZES = {"float32": 4, "bfloat16": 2, "uint8": 1}  # bytes of an element
FLOAT32, BFLOAT16 = np.dtype(np.float32), np.dtype(bfloat16.numpy)

library()  # loaded before the first plan, so that there are threads to ask for
_pointer_at = ctypes.c_void_p.from_address
_local = threading.local()


def address(array: Any) -> int | None:
    """The address of an array's first element; ``array.ctypes.data`` takes eight times as long."""
    return _pointer_at(id(array) + _ARRAY_DATA).value


def strides_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of a C-contiguous array."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


def int64s(values: Sequence[int]) -> Any:
    """Integers as a C array."""
    return (ctypes.c_int64 * len(values))(*values)


def kind_of(*arrays: Any) -> str | None:
    """The element type that NumPy arrays share, if oneDNN computes in it here; else None."""
    first = arrays[0]
    if type(first) is not np.ndarray:
        return None
    dtype = first.dtype
    for other in arrays[1:]:
        if type(other) is not np.ndarray or (other.dtype is not dtype and other.dtype != dtype):
            return None
    if dtype is FLOAT32 or dtype == FLOAT32:
        return "float32"
    return "bfloat16" if dtype.itemsize == 2 and dtype == BFLOAT16 and has_bfloat16() else None


@functools.lru_cache(1)
def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16: elsewhere oneDNN would do so slower than float32 is multiplied."""
    if not os.path.exists("/proc/cpuinfo"):
        return False
    with open("/proc/cpuinfo") as file:
        text = file.read()
    return "avx512_bf16" in text or "amx_bf16" in text


def planned(make: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a function makes, by its arguments and by what else a primitive depends on.

    The function that is made takes the elements to ``work`` on, too: few of them keep the next run of the plan to the
    calling thread.
    """

    @functools.lru_cache(KEPT)
    def made(count: int, precision: str, arguments: tuple[Any, ...]) -> Any:
        return make(*arguments)

    @functools.wraps(make)
    def get(*arguments: Any, work: int = SHARED) -> Any:
        return made(threads.openmp() if work >= SHARED else threads.openmp(1), _Settings.precision, arguments)

    return get


class Plan:
    """A primitive ready to run.

    Args:
        creator: the name of the function that describes it, such as "matmul".
        arguments: that function's arguments between the engine and the attributes.
        kinds: which arguments ``run`` takes arrays for, in order.
        post_ops: see ``Library.attributes``.
        hint: the forward plan that a backward one belongs to.
        forward: False for a creator that takes a hint, be it None.
    """

    def __init__(
        self, creator: str, arguments: Sequence[Any], kinds: Sequence[int], post_ops: tuple[Any, ...] = (),
        hint: Plan | None = None, forward: bool = True,
    ) -> None:  # fmt: skip
        lib = self._library = library()
        self.kinds = tuple(kinds)
        attributes = lib.attributes(post_ops, _Settings.precision)
        hints: tuple[Any, ...] = () if forward else (hint.description if hint else None,)
        if creator == "reorder":  # it has an engine for each of its two layouts
            ahead = (arguments[0], lib.engine, arguments[1], lib.engine)
        else:
            ahead = (lib.engine, *arguments, *hints)
        self.description: Any = lib.create(f"{creator}_primitive_desc_create", *ahead, attributes)
        lib.call("primitive_attr_destroy", attributes)
        self._primitive = lib.create("primitive_create", self.description)
        self._scratch = lib.size(lib.argument_layout(self.description, api.SCRATCHPAD))
        every = (*self.kinds, api.SCRATCHPAD) if self._scratch else self.kinds
        self._memories = []
        self._arguments = (Argument * len(every))()
        for place, kind in zip(self._arguments, every, strict=True):
            memory = lib.create("memory_create", lib.argument_layout(self.description, kind), lib.engine, None)
            self._memories.append(memory)
            place.kind, place.memory = kind, memory.value
        self._lock = threading.Lock()

    def layout(self, kind: int) -> Any:
        """The layout that an argument is wanted in."""
        return self._library.argument_layout(self.description, kind)

    def size(self, kind: int) -> int:
        """The bytes that an argument takes in the layout that it is wanted in."""
        return self._library.size(self.layout(kind))

    @property
    def implementation(self) -> str:
        """What oneDNN calls the implementation it chose."""
        return self._library.implementation(self.description)

    def run(self, *arrays: Any) -> None:
        """Execute on arrays, in the order of ``kinds``; the last ones are usually written to."""
        lib, set_pointer = self._library, self._library.set_pointer
        with self._lock:
            for memory, array in zip(self._memories, arrays):
                set_pointer(memory, _pointer_at(id(array) + _ARRAY_DATA))
            if self._scratch:
                set_pointer(self._memories[-1], _pointer_at(id(_scratch(self._scratch)) + _ARRAY_DATA))
            status = lib.execute(self._primitive, lib.stream, len(self._arguments), self._arguments)
        if status:
            raise OneDNNError("dnnl_primitive_execute", status)

    def __del__(self) -> None:
        free = self._library.free
        for memory in getattr(self, "_memories", ()):
            free.dnnl_memory_destroy(memory)
        if hasattr(self, "_primitive"):
            free.dnnl_primitive_destroy(self._primitive)
        if hasattr(self, "description"):
            free.dnnl_primitive_desc_destroy(self.description)


def _scratch(size: int) -> Any:
    """Memory of this thread for intermediate results; the next plan overwrites it."""
    buffer = getattr(_local, "scratch", None)
    if buffer is None or buffer.nbytes < size:
        buffer = _local.scratch = np.empty(size, np.uint8)
    return buffer
