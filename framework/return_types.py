"""The named results of ops that give several tensors, with PyTorch's field names.

Example:
    >>> framework.max(framework.tensor([3.0, 1.0]), dim=0).indices
    tensor(0)
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from framework.tensor import Tensor


def _values_and_indices(name: str) -> Any:
    """A result of values and of their int64 positions along the dim."""
    return NamedTuple(name, [("values", Tensor), ("indices", Tensor)])


max = _values_and_indices("max")
min = _values_and_indices("min")
median = _values_and_indices("median")
nanmedian = _values_and_indices("nanmedian")
mode = _values_and_indices("mode")
kthvalue = _values_and_indices("kthvalue")
sort = _values_and_indices("sort")
topk = _values_and_indices("topk")
cummax = _values_and_indices("cummax")
cummin = _values_and_indices("cummin")


class aminmax(NamedTuple):
    """The least and the greatest value."""

    min: Tensor
    max: Tensor


class histogram(NamedTuple):
    """Counts, and the edges of their bins."""

    hist: Tensor
    bin_edges: Tensor


class histogramdd(NamedTuple):
    """Counts, and the edges of their bins along each dim."""

    hist: Tensor
    bin_edges: tuple[Tensor, ...]


@cache
def structure(name: str, *fields: str) -> Any:
    """The result type called ``name`` with these fields, each a tensor."""
    found = globals().get(name)
    return found if found is not None else NamedTuple(name, [(field, Tensor) for field in fields])


class frexp(NamedTuple):
    """Mantissas, and int32 exponents of 2."""

    mantissa: Tensor
    exponent: Tensor
