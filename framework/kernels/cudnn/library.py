"""cuDNN and its Python frontend: found, loaded, and the flags and handles that every call of it goes by.

A thread has a handle for each device it works on, which is told of another stream only when that has changed.

Not yet run on a GPU: graphs were built for one by cuDNN itself, and run by a stand-in for it (tests/gpu).

Reference: https://docs.nvidia.com/deeplearning/cudnn/frontend/latest/
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from framework import dtypes
from framework.kernels.per_thread import Handles
from framework.settings import _Settings

NAME = "cudnn"
OLDEST = 91900  # cuDNN 9.19, the oldest that the graphs were built with

KINDS = {
    dtypes.float16.numpy: "HALF", dtypes.bfloat16.numpy: "BFLOAT16", dtypes.float32.numpy: "FLOAT",
}  # fmt: skip
"""The element types that its kernels are used for, by their names in the frontend; sums are of float32 in all."""


@cache
def why_not() -> str | None:
    """None if cuDNN and its frontend can be loaded here, else why not, in words."""
    if find_spec("cudnn") is None:
        return "nvidia-cudnn-frontend is not installed"
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        for name in ("cublasLt", "cudnn"):  # the copies that CuPy finds, before the frontend looks for others
            load_nvidia_dynamic_lib(name)
        version = int(cudnn().backend_version())
    except Exception as error:
        return f"cuDNN was not found: {error}"
    if not hasattr(cudnn().pygraph, "_execute_with_ptrs"):
        return f"nvidia-cudnn-frontend {cudnn().__version__} cannot be called with addresses; 1.22.1 can"
    return None if version >= OLDEST else f"cuDNN {version} is older than {OLDEST}, the oldest that is known to serve"


def cudnn() -> ModuleType:
    """The frontend's module."""
    return sys.modules.get("cudnn") or import_module("cudnn")


@cache
def flags() -> Any:
    """The module ``framework.backends.cudnn``, whose flags may change between calls."""
    return import_module("framework.backends.cudnn")


def off() -> str | None:
    """Words if the user has turned cuDNN off, else None."""
    return None if flags().enabled else "framework.backends.cudnn.enabled is False"


def deterministic() -> bool:
    """Whether results must have the same bits in every run."""
    return bool(_Settings.deterministic != "default" or flags().deterministic)


def kind_of(*arrays: Any) -> str | None:
    """The element type that arrays share, as the frontend calls it, if its kernels are used for it; else None."""
    dtype = arrays[0].dtype
    for other in arrays[1:]:
        if other.dtype != dtype:
            return None
    return KINDS.get(dtype)


class Handle:
    """The frontend's handle of one thread and device, and the stream that it works in."""

    def __init__(self, xp: ModuleType, number: int) -> None:
        self.pointer: int = cudnn().create_handle()
        self.stream: int | None = None

    def turn_to(self, stream: int) -> None:
        """Let what follows go into a stream."""
        cudnn().set_stream(handle=self.pointer, stream=stream)
        self.stream = stream


_handles = Handles(Handle)


def device() -> int:
    """The number of the GPU that takes work now."""
    return int(sys.modules["cupy"].cuda.runtime.getDevice())


def handle() -> int:
    """This thread's handle for the GPU and the stream that take work now."""
    return _handles.current().pointer
