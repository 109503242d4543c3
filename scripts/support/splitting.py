"""Holding samples out for testing, where the data do not say which."""

from __future__ import annotations

from typing import Any

import numpy as np

SHARE_HELD_OUT = 0.2


def divided(targets: np.ndarray[Any, Any], seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the samples to train on and to hold out, the same share of each class."""
    rng = np.random.Generator(np.random.Philox(seed))
    first: list[int] = []
    second: list[int] = []
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label)).tolist()
        count = round(len(members) * SHARE_HELD_OUT) if len(members) > 1 else 0
        second += members[:count]
        first += members[count:]
    return sorted(first), sorted(second)
