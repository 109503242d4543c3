"""Our CUDA kernels of sampling at a grid against the generic ones."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.kernels.generic import grid as generic
from framework.kernels.layout import is_last
from framework.nn import functional
from tests.gpu.forms import DOUBLE, SINGLE, agree, gaps, last, numbers, rows
from tests.gpu.host import run_cuda

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))

MODES = ["bilinear", "nearest", "bicubic"]
SHAPES = [((2, 8, 17, 11), (5, 7)), ((1, 9, 5, 6), (3, 4)), ((1, 2, 4, 5, 6), (2, 3, 4))]


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import grid

    return grid


def places(shape, outputs, dtype=SINGLE):
    grid = np.random.default_rng(1).standard_normal((shape[0], *outputs, len(outputs))) * 1.2
    return grid.astype(dtype)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("corners", [False, True])
def test_values_and_gradients(gpu, kernel, mode, padding, corners):
    for shape, outputs in SHAPES[: 2 if mode == "bicubic" else 3]:
        x, grid = numbers(np.random.default_rng(0), shape, SINGLE), places(shape, outputs)
        expected = generic.grid_sample(x, grid, mode, padding, corners)
        g = numbers(np.random.default_rng(2), expected.shape, SINGLE)
        gx, gg = generic.grid_sample_gradient(g, x, grid, mode, padding, corners, (True, True))
        there = gpu.xp.asarray(grid)
        for form in (rows, last, gaps):
            array = form(gpu.xp, x)
            y = kernel.grid_sample(array, there, mode, padding, corners)
            assert is_last(y) if form is last else y.flags.c_contiguous
            agree(y, expected, 2e-5)
            found = kernel.grid_sample_gradient(form(gpu.xp, g), array, there, mode, padding, corners, (True, True))
            agree(found[0], gx, 2e-5)
            agree(found[1], gg, 2e-4)


def test_doubles_and_what_is_not_needed(gpu, kernel):
    shape, outputs = SHAPES[0]
    x, grid = numbers(np.random.default_rng(0), shape, DOUBLE), places(shape, outputs, DOUBLE)
    expected = generic.grid_sample(x, grid, "bilinear", "zeros", False)
    array, there = last(gpu.xp, x), gpu.xp.asarray(grid)
    agree(kernel.grid_sample(array, there, "bilinear", "zeros", False), expected, 1e-12)
    how = ("bilinear", "zeros", False)
    above = last(gpu.xp, expected)
    assert kernel.grid_sample_gradient(above, array, there, *how, (False, True))[0] is None
    assert kernel.grid_sample_gradient(above, array, there, *how, (True, False))[1] is None


def test_nan_pixels_and_places(gpu, kernel):
    x = np.ones((1, 2, 3, 3), SINGLE)
    x[0, 0, 0, 0] = np.nan
    grid = np.array([[[[5, 5], [np.nan, 0], [1e30, 0], [np.inf, 0], [0.9, 0.9]]]], SINGLE)
    for mode in MODES:
        for padding in ("zeros", "border"):
            expected = generic.grid_sample(x, grid, mode, padding, False)
            assert np.isfinite(expected[0, :, 0, 0]).all()
            found = kernel.grid_sample(gpu.xp.asarray(x), gpu.xp.asarray(grid), mode, padding, False)
            agree(found, expected, 1e-6)


@pytest.mark.parametrize("grids", [2, 1])
def test_ops_and_their_gradients(gpu, grids):
    gpu.use("cuda")
    rng = np.random.default_rng(3)
    values, theta = rng.standard_normal((2, 3, 9, 8)).astype(np.float32), rng.standard_normal((grids, 2, 3))
    results = []
    for device in ("cpu", "cuda"):
        x = F.tensor(values, device=device, requires_grad=True)
        t = F.tensor(theta.astype(np.float32), device=device, requires_grad=True)
        grid = functional.affine_grid(t, (grids, 3, 7, 6), align_corners=False).expand(2, -1, -1, -1)
        y = functional.grid_sample(x, grid, align_corners=False)
        (y * y).sum().backward()
        results.append([a.detach().cpu().numpy() for a in (y, x.grad, t.grad)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)
    assert "grid" not in [family for family, _ in F.kernels.fallbacks()]
