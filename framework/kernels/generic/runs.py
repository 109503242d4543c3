"""Runs of equal values in sorted arrays, where NumPy's way (``repeat`` by an array, ``reduceat``) is NumPy's alone.

Not yet run on a GPU: checked on a stand-in for CuPy (tests/gpu).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module


def owners(counts: Any, total: int) -> Any:
    """The number of each entry as often as its count, int64: what ``repeat(arange(len(counts)), counts)`` gives.

    Args:
        counts: (N,) integers.
        total: their sum.
    """
    xp = array_module(counts)
    if xp is np:
        return np.repeat(np.arange(len(counts)), counts)
    return xp.searchsorted(xp.cumsum(counts), xp.arange(total), side="right")


def running(combine: Any, groups: Any, values: Any) -> Any:
    """``f(v[i], f(v[i - 1], ...))`` over each run of equal ``groups``, up to every place.

    Args:
        combine: an associative ufunc ``f``.

    Shape:
        groups (N,), sorted; values (N, ...).
    """
    xp = array_module(values)
    groups = groups.reshape(-1, *(1,) * (values.ndim - 1))
    step = 1
    while step < len(values):  # each place has taken in the ``step`` values up to itself
        same = groups[step:] == groups[:-step]
        taken = xp.where(same, combine(values[step:], values[:-step]), values[step:])
        values = xp.concatenate((values[:step], taken))
        step *= 2
    return values


def last_of(combine: Any, groups: Any, starts: Any, values: Any) -> Any:
    """The values of each run combined, (R, ...); ``starts`` are the runs' first places."""
    xp = array_module(values)
    if xp is np:
        return combine.reduceat(values, starts, axis=0)
    ends = xp.concatenate((starts[1:], xp.asarray([len(groups)]))) - 1
    return running(combine, groups, values)[ends]
