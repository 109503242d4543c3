"""Sampling at a grid: memory orders, grids that samples share, pixels that are no numbers, blocks and threads."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.kernels.generic import grid as generic
from framework.kernels.layout import is_last
from framework.ops.grid import _composed

SHAPES = [((2, 3, 7, 6), (5, 4)), ((2, 11, 7, 6), (5, 4)), ((1, 2, 4, 5, 6), (2, 3, 4)), ((3, 1, 7, 6), (1, 1))]


def some(shape, outputs, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.standard_normal((shape[0], *outputs, len(outputs))) * 1.2


def last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


@pytest.mark.parametrize(("shape", "outputs"), SHAPES)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("block", [3, 1 << 15])
def test_against_the_composition_in_both_orders(shape, outputs, mode, block, monkeypatch):
    monkeypatch.setattr(generic, "BLOCK", block)
    x, grid = some(shape, outputs)
    how = {"mode": mode, "padding": "reflection", "corners": False}
    a, b = F.tensor(x, requires_grad=True), F.tensor(grid, requires_grad=True)
    expected = _composed(a, b, **how)
    g = np.random.default_rng(1).standard_normal(expected.shape)
    expected.backward(F.tensor(g))
    for form in (np.ascontiguousarray, last):
        y = generic.grid_sample(form(x), grid, **how)
        np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-12)
        assert is_last(y) if form is last and shape[1] > 1 else y.flags.c_contiguous
        for above in (np.ascontiguousarray(g), last(g)):
            gx, gg = generic.grid_sample_gradient(above, form(x), grid, **how, needs=(True, True))
            np.testing.assert_allclose(gx, a.grad.numpy(), atol=1e-12)
            np.testing.assert_allclose(gg, b.grad.numpy(), atol=1e-12)


def test_a_grid_for_all_samples():
    x, grid = some((4, 3, 7, 6), (5, 4))
    same = np.broadcast_to(grid[:1], grid.shape)
    for form in (np.ascontiguousarray, last):
        shared = generic.grid_sample(form(x), same, "bilinear", "zeros", False)
        np.testing.assert_array_equal(shared, generic.grid_sample(form(x), same.copy(), "bilinear", "zeros", False))


def test_pixels_that_are_no_numbers_stay_where_they_are():
    x = np.ones((1, 2, 4, 4))
    x[0, :, 0, 0], x[0, 1, 3, 3] = np.nan, np.inf
    grid = np.array([[[[-3.0, -3], [3, 3], [0, 0], [-1, -1]]]])
    y = generic.grid_sample(x, grid, "bilinear", "zeros", False)
    assert np.array_equal(np.isfinite(y[0, 0, 0]), [True, True, True, False])
    gx, gg = generic.grid_sample_gradient(np.ones_like(y), x, grid, "bilinear", "zeros", False, (True, True))
    assert np.isfinite(gx).all() and np.isfinite(gg[0, 0, :3]).all()


def test_only_what_is_needed():
    x, grid = some((1, 2, 4, 4), (3, 3))
    y = generic.grid_sample(x, grid, "bicubic", "border", True)
    assert generic.grid_sample_gradient(y, x, grid, "bicubic", "border", True, (True, False))[1] is None
    assert generic.grid_sample_gradient(y, x, grid, "bicubic", "border", True, (False, True))[0] is None


def test_empty_outputs_and_channels():
    for shape, outputs in [((2, 3, 4, 4), (0, 3)), ((0, 3, 4, 4), (2, 3)), ((2, 0, 4, 4), (2, 3))]:
        x, grid = some(shape, outputs)
        y = F.nn.functional.grid_sample(F.tensor(x, requires_grad=True), F.tensor(grid), align_corners=False)
        assert tuple(y.shape) == (*shape[:2], *outputs)
        y.sum().backward()
