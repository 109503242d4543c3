"""The same numbers in several forms of memory, and comparisons across devices."""

from __future__ import annotations

import numpy as np

import framework as F

BFLOAT16, HALF, SINGLE, DOUBLE = F.bfloat16.numpy, np.dtype("f2"), np.dtype("f4"), np.dtype("f8")
FLOATS = [SINGLE, DOUBLE, HALF, BFLOAT16]


def rows(xp, x):
    """In row-major order."""
    return xp.asarray(np.ascontiguousarray(x))


def last(xp, x):
    """With the channels (axis 1) together."""
    return xp.asarray(np.ascontiguousarray(np.moveaxis(x, 1, -1))).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def gaps(xp, x):
    """With every other element of memory unused."""
    return xp.asarray(np.repeat(x, 2, -1))[..., ::2]


def shifted(xp, x):
    """Beginning one element behind a round address."""
    return xp.asarray(np.concatenate([x.reshape(-1)[:1], x.reshape(-1)]))[1:].reshape(x.shape)


FORMS = [rows, last, gaps, shifted]


def numbers(rng, shape, dtype, spread=1.0):
    """Normal numbers of a dtype, with some that are equal."""
    x = (rng.standard_normal(shape) * spread).astype(np.float32)
    return (np.round(x * 4) / 4 if x.size > 40 else x).astype(dtype)


def agree(found, expected, rtol):
    """That a GPU's array holds what NumPy's does."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    scale = float(np.abs(np.nan_to_num(expected.astype("f8"), posinf=0, neginf=0)).max(initial=0))
    np.testing.assert_allclose(found.get().astype("f8"), expected.astype("f8"), rtol=rtol, atol=rtol * max(scale, 1e-3))


def tolerance(dtype):
    """What rounding to a dtype and sums in another order make of a result."""
    return {2: 2e-2 if dtype == BFLOAT16 else 2e-3, 4: 2e-6, 8: 1e-13}[dtype.itemsize]
