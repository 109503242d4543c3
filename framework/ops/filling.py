"""Every element replaced by one value."""

from __future__ import annotations

from typing import Any

from framework.devices import array_module
from framework.errors import ShapeError
from framework.ops.creation import filled
from framework.ops.indexing import overwrite
from framework.ops.memory import clone
from framework.tensor import Tensor


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
