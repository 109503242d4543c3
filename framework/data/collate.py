"""Joining samples into a batch."""

from __future__ import annotations

import collections.abc
from typing import Any

import numpy as np

from framework.ops.joining import stack
from framework.ops.values import tensor
from framework.tensor import Tensor, wrap


def default_convert(data: Any) -> Any:
    """Arrays and NumPy numbers inside nested containers as tensors; everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SUO" else wrap(np.asarray(data))
    return _rebuild(data, default_convert)


def pinned(batch: Any) -> Any:
    """A batch with its tensors in page-locked memory, from which ``.to("cuda", non_blocking=True)`` does not wait.

    Objects of other kinds are asked for their own ``pin_memory()`` if they have one.
    """
    if isinstance(batch, Tensor):
        return batch.pin_memory() if batch.is_cpu else batch
    if hasattr(batch, "pin_memory"):
        return batch.pin_memory()
    return _rebuild(batch, pinned)


def _rebuild(data: Any, function: Any) -> Any:
    if isinstance(data, collections.abc.Mapping):
        values = {key: function(value) for key, value in data.items()}
        return values if type(data) is dict else _same_kind(data, values)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(function(d) for d in data))
    if isinstance(data, tuple):
        return [function(d) for d in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, str | bytes):
        return [function(d) for d in data]
    return data


def _same_kind(like: Any, values: Any) -> Any:
    try:
        return type(like)(values)
    except TypeError:
        return values


def default_collate(batch: list[Any]) -> Any:
    """A list of samples as one batch: tensors and arrays stacked, numbers as a tensor, containers element by element.

    Raises:
        TypeError: a sample holds something that has no batch form.
        ValueError: samples differ in shape, or containers in length.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        if any(t.shape != first.shape for t in batch):
            raise ValueError(
                f"default_collate: samples differ in shape: {sorted({tuple(t.shape) for t in batch})[:4]}; resize or pad "
                "them, or give DataLoader a collate_fn"
            )
        if not any(t.requires_grad for t in batch) and isinstance(first.array, np.ndarray):
            return wrap(np.stack([t.array for t in batch]))
        return stack(batch)
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SUO":
            raise TypeError(
                f"default_collate: batch must contain tensors, numbers, dicts or lists; found {first.dtype}"
            )
        return default_collate([wrap(np.asarray(b)) for b in batch])
    if isinstance(first, np.generic):
        return wrap(np.array(batch))
    if isinstance(first, float):
        return wrap(np.array(batch, np.float64))
    if isinstance(first, bool | int | complex):
        return tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, collections.abc.Mapping):
        values = {key: default_collate([b[key] for b in batch]) for key in first}
        return values if type(first) is dict else _same_kind(first, values)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(list(column)) for column in zip(*batch, strict=True)))
    if isinstance(first, collections.abc.Sequence):
        if any(len(b) != len(first) for b in batch):
            raise ValueError("default_collate: each element in list of batch should be of equal size")
        columns = [default_collate(list(column)) for column in zip(*batch, strict=True)]
        return columns if isinstance(first, tuple) else _same_kind(first, columns)
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first).__name__}; "
        "give DataLoader a collate_fn for it"
    )
