"""Interpolation, grid sampling, folding: values and gradients against PyTorch, layouts and refusals."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ShapeError
from framework.nn import functional as F
from framework.ops.memory import is_channels_last
from tests.ops.parity import check

SIZES = [
    {"size": 3},
    {"size": 11},
    {"size": 1},
    {"scale_factor": 2},
    {"scale_factor": 1.7},
    {"scale_factor": 0.43},
    {"scale_factor": 1.7, "recompute_scale_factor": True},
]
SHAPES = {1: (2, 3, 7), 2: (2, 3, 5, 6), 3: (1, 2, 4, 3, 5)}
MODES = [
    (1, {"mode": "nearest"}),
    (2, {"mode": "nearest"}),
    (3, {"mode": "nearest-exact"}),
    (2, {"mode": "nearest-exact"}),
    (1, {"mode": "linear"}),
    (2, {"mode": "bilinear"}),
    (2, {"mode": "bilinear", "align_corners": True}),
    (2, {"mode": "bilinear", "antialias": True}),
    (2, {"mode": "bicubic"}),
    (2, {"mode": "bicubic", "align_corners": True}),
    (2, {"mode": "bicubic", "antialias": True}),
    (3, {"mode": "trilinear"}),
    (3, {"mode": "trilinear", "align_corners": True}),
    (2, {"mode": "area"}),
    (1, {"mode": "area"}),
]


def both(call):
    """One call of either library's functions, given as ``f``."""
    torch = pytest.importorskip("torch")
    return lambda *t: call(F, *t), lambda *t: call(torch.nn.functional, *t)


def last(values):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)


@pytest.mark.parametrize("axes, mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_interpolate(axes, mode, size, rng):
    check(*both(lambda f, x: f.interpolate(x, **mode, **size)), rng.standard_normal(SHAPES[axes]))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_positions_in_float32(mode, rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((1, 2, 13, 37)).astype(np.float32)
    for size in ((29, 111), (7, 5), (13, 74)):
        want = torch.nn.functional.interpolate(torch.tensor(x), size, mode=mode)
        np.testing.assert_allclose(F.interpolate(framework.tensor(x), size, mode=mode).numpy(), want.numpy(), atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_bytes_are_rounded_to_bytes(mode, antialias, rng):
    torch = pytest.importorskip("torch")
    if mode == "nearest" and antialias:
        return
    x = rng.integers(0, 256, (1, 3, 9, 8)).astype(np.uint8)
    for size in ((20, 15), (4, 5)):
        got = F.interpolate(framework.tensor(x), size, mode=mode, antialias=antialias)
        want = torch.nn.functional.interpolate(torch.tensor(x), size, mode=mode, antialias=antialias)
        assert got.dtype is framework.uint8
        assert np.abs(got.numpy().astype(int) - want.numpy().astype(int)).max() <= 1
        assert (got.numpy() != want.numpy()).mean() < 0.02


def test_the_former_names(rng):
    x = rng.standard_normal((2, 3, 5, 6))
    torch = pytest.importorskip("torch")
    check(
        lambda t: F.upsample_bilinear(t, scale_factor=2), lambda t: torch.nn.functional.upsample_bilinear(t, None, 2), x
    )
    check(lambda t: F.upsample_nearest(t, 7), lambda t: torch.nn.functional.upsample_nearest(t, 7), x)
    check(
        lambda t: F.upsample(t, 7, None, "bilinear", True),
        lambda t: torch.nn.functional.interpolate(t, 7, None, "bilinear", True),
        x,
    )


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
def test_channels_last_in_and_out(mode, rng):
    x = last(rng.standard_normal((2, 3, 5, 6)))
    y = F.interpolate(framework.from_numpy(x), (7, 4), mode=mode)
    assert is_channels_last(y.array)
    plain = F.interpolate(framework.tensor(x.copy(order="C")), (7, 4), mode=mode)
    np.testing.assert_allclose(y.numpy(), plain.numpy(), atol=1e-12)


@pytest.mark.parametrize("axes, mode", MODES[4:12])
def test_gradients_of_gradients(axes, mode, rng):
    x = framework.tensor(rng.standard_normal(SHAPES[axes]), requires_grad=True)
    assert gradgradcheck(lambda t: F.interpolate(t * t, 4, **mode), (x,), fast_mode=True)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("corners", [False, True])
def test_grid_sample(mode, padding, corners, rng):
    grid = rng.standard_normal((2, 4, 3, 2)) * 1.3
    call = lambda f, x, g: f.grid_sample(x, g, mode, padding, corners)  # noqa: E731
    check(*both(call), rng.standard_normal((2, 3, 5, 6)), grid)
    if mode != "bicubic":
        check(*both(call), rng.standard_normal((2, 2, 3, 4, 5)), rng.standard_normal((2, 3, 2, 4, 3)))


def test_second_gradients_of_grid_sample(rng):
    x = framework.tensor(rng.standard_normal((1, 2, 4, 5)), requires_grad=True)
    grid = framework.tensor(rng.uniform(-0.9, 0.9, (1, 3, 2, 2)), requires_grad=True)
    for mode in ("bilinear", "bicubic"):
        call = lambda x, g, mode=mode: F.grid_sample(x, g, mode, align_corners=False)  # noqa: E731
        assert gradcheck(call, (x, grid), fast_mode=True)
        assert gradgradcheck(call, (x, grid), fast_mode=True)


def test_grids_far_outside_and_nan():
    x = framework.ones(1, 1, 3, 3)
    grid = framework.tensor([[[[1e30, 0.0], [float("nan"), 0.0], [float("inf"), 0.0]]]])
    assert F.grid_sample(x, grid, "nearest").flatten().tolist() == [0, 0, 0]
    assert F.grid_sample(x, grid, padding_mode="border").flatten().tolist() == [1, 1, 1]


@pytest.mark.parametrize("corners", [False, True])
def test_affine_grid(corners, rng):
    check(*both(lambda f, t: f.affine_grid(t, (2, 1, 3, 4), corners)), rng.standard_normal((2, 2, 3)))
    check(*both(lambda f, t: f.affine_grid(t, (2, 1, 3, 1, 2), corners)), rng.standard_normal((2, 3, 4)))


WINDOWS = [{"kernel_size": 2}, {"kernel_size": (2, 3), "dilation": 2, "padding": (1, 2), "stride": (2, 1)}]


@pytest.mark.parametrize("window", WINDOWS)
def test_unfold_and_fold(window, rng):
    x = rng.standard_normal((2, 3, 6, 7))
    check(*both(lambda f, t: f.unfold(t, **window)), x)
    check(*both(lambda f, t: f.unfold(t, **window)), x[0])
    columns = F.unfold(framework.from_numpy(x), **window)
    check(*both(lambda f, t: f.fold(t, (6, 7), **window)), rng.standard_normal(columns.shape))
    leaf = framework.tensor(x, requires_grad=True)
    assert gradgradcheck(lambda t: F.fold(F.unfold(t * t, **window), (6, 7), **window), (leaf,), fast_mode=True)


ONES = framework.ones
REFUSED = [
    (lambda: F.interpolate(ONES(1, 2, 3, 4)), ValueError, "either size or scale_factor"),
    (lambda: F.interpolate(ONES(1, 2, 3, 4), 3, 2), ValueError, "only one of size or scale_factor"),
    (lambda: F.interpolate(ONES(1, 2, 3, 4), (3,)), ValueError, "same number of spatial dimensions"),
    (lambda: F.interpolate(ONES(1, 2, 3, 4), 3, mode="linear"), NotImplementedError, "needs 3D input"),
    (lambda: F.interpolate(ONES(1, 2, 3, 4), 3, align_corners=True), ValueError, "align_corners option"),
    (lambda: F.interpolate(ONES(1, 2, 3, 4), 3, mode="foo"), NotImplementedError, "got foo"),
    (lambda: F.interpolate(ONES(1, 2, 3), 3, antialias=True), ValueError, "Anti-alias option"),
    (lambda: F.interpolate(ONES(1, 2, 3, 3), 0), ShapeError, "greater than 0"),
    (lambda: F.grid_sample(ONES(1, 2, 3, 3), ONES(2, 2, 3, 2)), ShapeError, "same batch size"),
    (lambda: F.grid_sample(ONES(1, 2, 3, 3), ONES(1, 2, 3, 3)), ShapeError, "size 2 in last dimension"),
    (lambda: F.grid_sample(ONES(1, 2, 3, 3), ONES(1, 2, 3, 2), mode="x"), ValueError, "expected mode"),
    (lambda: F.affine_grid(ONES(1, 2, 2), (1, 1, 2, 2)), ValueError, "shape Nx2x3"),
    (lambda: F.unfold(ONES(1, 3, 4, 4), 5), ShapeError, "at least one"),
    (lambda: F.fold(ONES(1, 12, 3), (4, 4), 2), ShapeError, "2 \\* 2|3 \\* 3"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", REFUSED)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
