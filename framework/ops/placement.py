"""Where a tensor's memory lies: copies to a device, page-locked memory, memory shared between processes."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from framework import devices
from framework.autograd.views import bump
from framework.errors import DeviceError
from framework.ops.casting import to
from framework.ops.storage import owner_of
from framework.tensor import Tensor, wrap


def cpu(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor in main memory: itself if it lies there."""
    return to(input, "cpu", memory_format=memory_format)


def cuda(input: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """The tensor on a GPU, the one in use unless ``device`` is given: itself if it lies there.

    Raises:
        DeviceError: CuPy or the GPU is missing.
    """
    where = devices.device("cuda" if device is None else device)
    if where.type != "cuda":
        raise DeviceError(f"cuda: expected a CUDA device, got {where}; use to({str(where)!r})")
    return to(input, where, non_blocking=non_blocking, memory_format=memory_format)


def pin_memory(input: Tensor, device: Any = None) -> Tensor:
    """A copy in page-locked memory, from which copies to a GPU are fast; the tensor itself if it lies there.

    Raises:
        DeviceError: CuPy or the GPU is missing, or the tensor lies on a GPU.
    """
    if input.is_cuda:
        raise DeviceError(f"pin_memory: only CPU tensors can be pinned, got one on {input.device}; use cpu() first")
    return input if devices.is_pinned(input.array) else wrap(devices.pinned(input.array))


def is_pinned(input: Tensor, device: Any = None) -> bool:
    """Whether the tensor lies in page-locked memory."""
    return input.is_cpu and devices.is_pinned(input.array)


def share_memory_(input: Tensor) -> Tensor:
    """Move the tensor to memory that processes forked from this one share. On a GPU it does nothing.

    Views taken before keep the old memory.
    """
    if input.is_cpu and not is_shared(input):
        old = input.array
        order = sorted(range(old.ndim), key=lambda axis: -abs(old.strides[axis]))
        dense = old.transpose(order)
        region = np.frombuffer(mmap.mmap(-1, max(old.nbytes, 1)), np.uint8)[: old.nbytes]
        shared = region.view(old.dtype).reshape(dense.shape)
        shared[...] = dense
        input.array = shared.transpose(np.argsort(order)) if old.ndim else shared
        bump(input, "share_memory_")
    return input


def is_shared(input: Tensor) -> bool:
    """Whether forked processes see writes to the tensor; always so on a GPU."""
    if input.is_cuda:
        return True
    base = owner_of(input.array).base
    return isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)


def record_stream(input: Tensor, s: Any) -> None:
    """Let the tensor's memory be used again only after what the stream has to do when the tensor is gone.

    Memory goes back to the stream on which it was allocated. Call this for a tensor that another stream uses too, such
    as one copied to the GPU on a stream of its own.

    Args:
        s: a ``framework.cuda.Stream``.

    Raises:
        DeviceError: the tensor lies on the CPU.
    """
    if input.is_cpu:
        raise DeviceError("record_stream: expected a tensor on a GPU, got one on the CPU")
    devices.keep_for(input.array, s._stream)
