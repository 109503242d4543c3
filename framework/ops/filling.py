"""Every element replaced by one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework.devices import array_module
from framework.errors import GraphError, ShapeError
from framework.ops.creation import filled
from framework.ops.indexing import overwrite
from framework.ops.memory import clone
from framework.ops.slices import as_strided
from framework.tensor import Tensor
from framework.tensor import wrap as tensor_of


def fill_(input: Tensor, value: Any) -> Tensor:
    """Store a number, or a 0-d tensor, in every element; gradients flow to the 0-d tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(
                f"fill_: only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions"
            )
    else:
        array = input.array
        value = filled(array_module(array), array_module(array).empty((), array.dtype), value)[()]
    return overwrite(input, value, "fill_")


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the input's shape and dtype with one value, a number or a 0-d tensor, in every element."""
    return fill_(clone(input), value)


def zero_(input: Tensor) -> Tensor:
    """Store 0 in every element."""
    return overwrite(input, 0, "zero_")


def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Store a number on the main diagonal, of a matrix or of a tensor whose dims all have one length.

    Args:
        wrap: in a matrix with more rows than columns, start anew one row below where the diagonal ends.
    """
    if input.ndim < 2:
        raise ShapeError(f"fill_diagonal_: dimensions must larger than 1, got shape {tuple(input.shape)}")
    if input.ndim > 2 and len(set(input.shape)) > 1:
        raise ShapeError(f"fill_diagonal_: all dimensions of input must be of equal length, got {tuple(input.shape)}")
    rows, columns = input.shape[:2]
    stride, offset = sum(input.stride()), input.storage_offset()
    fill_(as_strided(input, (min(rows, columns),), (stride,), offset), fill_value)
    if wrap and input.ndim == 2 and rows > columns + 1:
        step = columns + 1
        rest = -(-input.numel() // step) - min(rows, columns)
        fill_(as_strided(input, (rest,), (stride,), offset + input.stride(0) * step), fill_value)
    return input


def apply_(input: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by ``callable(element)``: slow, and for tensors without a gradient only."""
    return _mapped("apply_", input, callable)


def map_(input: Tensor, other: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element by ``callable(element, b)`` with that of the other tensor, which broadcasts."""
    return _mapped("map_", input, callable, other)


def map2_(input: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replace each element by ``callable(element, a, b)`` with those of ``x`` and ``y``, which broadcast."""
    return _mapped("map2_", input, callable, x, y)


def _mapped(name: str, input: Tensor, function: Callable[..., Any], *others: Tensor) -> Tensor:
    if input.requires_grad or not input.is_cpu:
        raise GraphError(f"{name}: only CPU tensors that don't require grad can be mapped; use vectorized ops")
    columns = [input.reshape(-1).tolist(), *(other.expand(input.shape).reshape(-1).tolist() for other in others)]
    fresh = array_module(input.array).empty(input.numel(), input.array.dtype)
    for place, values in enumerate(zip(*columns, strict=True)):
        fresh[place] = function(*values)
    return overwrite(input, tensor_of(fresh.reshape(input.shape)), name)
