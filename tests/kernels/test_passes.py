"""The passes that kernels and reductions share, against plain NumPy in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from framework.kernels.generic import passes, windows

SHAPES = [
    (70, 90),
    (9000, 3),
    (2, 5000, 3),
    (5, 7, 300),
    (3, 5001, 2),
    (1, 9001),
    (4, 16, 14, 14),
    (4, 1, 28, 64),
    (9000,),
]
ORDERS = ["C", "F", "last"]


def laid(values, order, dtype):
    """Values in a new array of a memory order; "last" keeps axis 1 innermost."""
    if order == "last" and values.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1), dtype), -1, 1)
    return values.astype(dtype, order="C" if order == "last" else order)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("dtype", "eps"), [("float32", 1e-6), ("float64", 1e-14)])
def test_total(shape, order, dtype, eps, rng):
    x = laid(rng.standard_normal(shape), order, dtype)
    for count in range(1, x.ndim + 1):
        for axes in itertools.combinations(range(x.ndim), count):
            for keepdim in (False, True):
                expected = x.sum(axes, np.float64, keepdims=keepdim)
                found = passes.total(x, axes, keepdim)
                assert found.dtype == dtype and np.shape(found) == np.shape(expected)
                np.testing.assert_allclose(found, expected, atol=eps * np.sqrt(x.size / max(np.size(expected), 1)) * 3)


def test_totals_of_what_is_not_finite():
    x = np.ones((100, 100), np.float32)
    x[3, 4], x[5, 6], x[7, 8], x[7, 9] = np.inf, np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        for axis in (0, 1):
            np.testing.assert_array_equal(passes.total(x, (axis,), False), x.sum(axis))


@pytest.mark.parametrize("shape", [(300, 70), (70, 300), (9000,), (3, 7, 257), (5000, 3)])
def test_product(shape, rng):
    x = (1 + rng.standard_normal(shape) / 100).astype(np.float32)
    for axis in range(x.ndim):
        for keepdim in (False, True):
            expected = np.prod(x, axis, np.float64, keepdims=keepdim)
            found = passes.product(x, axis, keepdim)
            assert np.shape(found) == np.shape(expected)
            np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(300, 30), (30, 300), (3, 20, 300), (9000, 3), (9000,)])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sum(shape, reverse, rng):
    x = rng.standard_normal(shape).astype(np.float32)
    for axis in range(x.ndim):
        for y in (x, np.asfortranarray(x)):
            expected = np.cumsum(np.flip(x, axis) if reverse else x, axis, np.float64)
            expected = np.flip(expected, axis) if reverse else expected
            found = passes.running_sum(y, axis, np.dtype("float64"), reverse)
            assert found.dtype == "float32"
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_masks_of_bits():
    x = np.array([1, np.inf, np.nan, -2], np.float32)
    np.testing.assert_array_equal(passes.zeroed(x, np.array([True, True, True, False])), [0, 0, 0, -2])
    np.testing.assert_array_equal(passes.zeroed(x.astype(np.float16), np.isnan(x)), [1, np.inf, 0, -2])
    np.testing.assert_array_equal(passes.selected(x > 0, 3, -0.25, np.dtype("float32")), [3, 3, -0.25, -0.25])


@pytest.mark.parametrize("order", ORDERS)
def test_at_least_keeps_memory_order(order, rng):
    x = laid(rng.standard_normal((3, 5, 20, 40)), order, "float32")
    x[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    y = passes.at_least(x, 0.5)
    assert y.strides == x.strides
    np.testing.assert_array_equal(y, np.maximum(x, np.float32(0.5)))
    np.testing.assert_array_equal(passes.at_least(x[:, ::2], 0.5), np.maximum(x[:, ::2], np.float32(0.5)))


@pytest.mark.parametrize("order", ORDERS)
def test_blockwise_takes_any_memory_order(order, rng, monkeypatch):
    monkeypatch.setattr(passes, "LINE", 100)
    a = laid(rng.standard_normal((3, 5, 6, 7)), order, "float64")
    b = rng.standard_normal((3, 5, 6, 7))
    for x, z in ((a, b), (a[:, 1::2], b[:, 1::2]), (a, np.broadcast_to(b[:1, :, :1], b.shape))):
        y = passes.blockwise(lambda p, q, out, scale: np.multiply(p, q * scale, out=out), x, z, scale=2)
        np.testing.assert_allclose(y, 2 * x * z, rtol=1e-15)


def test_ufunc_buffers_are_put_back():
    before = np.getbufsize()
    with pytest.raises(ZeroDivisionError), passes.unbuffered(1000):
        assert np.getbufsize() < before
        raise ZeroDivisionError
    assert np.getbufsize() == before


@pytest.mark.parametrize("channels", [1, 3, 16, 500])
def test_pixels_are_copied(channels, rng):
    x = rng.standard_normal((2, 7, 9, channels)).astype(np.float32)
    out = np.zeros((2, 4, 5, channels), np.float32)
    windows.copy_pixels(x[:, ::2, ::2], out)
    np.testing.assert_array_equal(out, x[:, ::2, ::2])
