"""PyTorch's values as this library's."""

from __future__ import annotations

import torch

import framework as F

TYPES = {getattr(torch, name): getattr(F, name) for name in (
    "float16", "bfloat16", "float32", "float64", "int64", "int32", "uint8", "bool", "complex64", "complex128"
)}  # fmt: skip


def ours(value):
    """A tensor, a dtype, or a collection of them, in this library's types."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        if value.dtype is torch.bfloat16:
            return F.tensor(value.float().numpy()).to(F.bfloat16)
        return F.tensor(value.numpy())
    if isinstance(value, torch.dtype):
        return TYPES[value]
    if isinstance(value, list | tuple):
        return type(value)(map(ours, value))
    if isinstance(value, dict):
        return {key: ours(v) for key, v in value.items()}
    return value


def kinds(value):
    """The names of the dtypes in a result."""
    if isinstance(value, list | tuple):
        return tuple(map(kinds, value))
    return str(value.dtype).split(".")[-1] if hasattr(value, "dtype") else type(value).__name__
