"""Where the elements that are not zero lie, and coordinates of flat positions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.errors import ArgumentError
from framework.ops.casting import into
from framework.tensor import Tensor, wrap


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Any = None) -> Any:
    """The indices of the elements that are not zero: (count, ndim) int64, or with ``as_tuple`` one tensor a dim."""
    xp = array_module(input.array)
    found = xp.nonzero(xp.atleast_1d(input.array))
    if as_tuple:
        return tuple(wrap(i) for i in found)
    columns = found[: input.array.ndim]
    return into(out, wrap(xp.stack(columns, 1) if columns else xp.empty((len(found[0]), 0), np.int64)))


def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, a row each: (count, ndim) int64."""
    result: Tensor = nonzero(input)
    return result


def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first ``size`` indices of elements that are not zero, (size, ndim), filled up with ``fill_value``."""
    found = nonzero(input).array[:size]
    out = array_module(found).full((size, found.shape[1]), fill_value, np.int64)
    out[: len(found)] = found
    return wrap(out)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of ``shape``, of flat indices: one tensor a dim.

    Example:
        >>> framework.unravel_index(framework.tensor([5]), (2, 3))
        (tensor([1]), tensor([2]))
    """
    if not isinstance(indices, Tensor) or indices.array.dtype.kind not in "iu":
        raise TypeError(
            f"unravel_index(): expected 'indices' to be integer dtype, but got {getattr(indices, 'dtype', indices)}"
        )
    lengths = (shape,) if isinstance(shape, int) else tuple(operator.index(n) for n in shape)
    if any(n < 0 for n in lengths):
        raise ArgumentError(f"unravel_index(): 'shape' cannot have negative values, but got {lengths}")
    coordinates, rest = [], indices.array.astype(np.int64)
    xp = array_module(rest)
    for n in reversed(lengths):
        coordinates.append(wrap(xp.asarray(rest % n if n else rest * 0)))
        rest = rest // n if n else rest
    return tuple(reversed(coordinates))
