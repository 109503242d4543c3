"""Our CUDA kernels of interpolation against the generic ones."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.kernels.generic import resize as generic
from framework.nn import functional
from framework.ops.resize import _table
from tests.gpu.forms import BFLOAT16, DOUBLE, FORMS, HALF, SINGLE, agree, numbers, tolerance
from tests.gpu.host import run_cuda

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))

# shape, outputs (None leaves an axis), mode, corners, antialias
CASES = [
    ((2, 8, 9, 7), (17, 11), "linear", False, False),
    ((1, 3, 9, 7), (5, 14), "linear", True, False),
    ((1, 4, 9, 7), (17, 11), "bicubic", False, False),
    ((1, 4, 23, 31), (5, 6), "bicubic", False, True),
    ((1, 2, 23, 31), (5, 40), "lanczos", False, True),
    ((2, 3, 9), (17,), "linear", False, False),
    ((1, 4, 4, 5, 6), (7, 3, 9), "linear", False, False),
    ((2, 5, 9, 7), (17, None), "linear", False, False),
    ((2, 8, 9, 7), (17, 11), "nearest", False, False),
    ((2, 3, 4, 5, 6), (3, 11, 4), "nearest-exact", False, False),
]


def tables(case, dtype):
    shape, outputs, mode, corners, antialias = case
    wide = dtype in (DOUBLE, np.dtype("uint8"))
    return tuple(
        None if out is None else _table(mode, n, out, corners, None, antialias, wide)
        for n, out in zip(shape[2:], outputs, strict=True)
    )


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import resize

    return resize


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[2]}-{'x'.join(map(str, case[0]))}")
@pytest.mark.parametrize("dtype", [SINGLE, BFLOAT16], ids=str)
def test_values_and_gradients(gpu, kernel, case, dtype):
    rng = np.random.default_rng(0)
    x, found_by = numbers(rng, case[0], dtype), tables(case, dtype)
    expected = generic.resample(x, found_by)
    g = numbers(rng, expected.shape, dtype)
    gradient = generic.resample_gradient(g, found_by)
    for form in FORMS:
        array, above = form(gpu.xp, x), form(gpu.xp, g)
        assert kernel.declines(array, found_by) is None and kernel.declines(above, found_by, True) is None
        y = kernel.resample(array, found_by)
        agree(y, expected, tolerance(dtype))
        if form is FORMS[1] and x.ndim > 3:
            assert y.transpose(0, *range(2, y.ndim), 1).flags.c_contiguous  # memory keeps its order
        agree(kernel.resample_gradient(above, found_by), gradient, tolerance(dtype))


@pytest.mark.parametrize("dtype", [DOUBLE, HALF], ids=str)
def test_other_floats(gpu, kernel, dtype):
    for case in (CASES[0], CASES[3]):
        x, found_by = numbers(np.random.default_rng(1), case[0], dtype), tables(case, dtype)
        agree(kernel.resample(FORMS[1](gpu.xp, x), found_by), generic.resample(x, found_by), tolerance(dtype))


@pytest.mark.parametrize("case", [CASES[2], CASES[3], CASES[8]], ids=lambda case: case[2])
def test_bytes(gpu, kernel, case):
    dtype = np.dtype("uint8")
    x = np.random.default_rng(2).integers(0, 256, case[0], dtype)
    expected = generic.resample(x, tables(case, dtype))
    for form in FORMS[:2]:
        agree(kernel.resample(form(gpu.xp, x), tables(case, dtype)), expected, 0)


@pytest.mark.parametrize("dtype", ["bool", "int16", "int32", "int64", "uint8"])
def test_nearest_copies_anything(gpu, kernel, dtype):
    x = np.random.default_rng(3).integers(0, 2, (1, 3, 5, 4)).astype(dtype)
    found_by = tables(((1, 3, 5, 4), (7, 9), "nearest", False, False), SINGLE)
    agree(kernel.resample(gpu.xp.asarray(x), found_by), generic.resample(x, found_by), 0)
    assert (kernel.declines(gpu.xp.asarray(x), found_by, True) is None) == (dtype == "float32")


def test_a_nan_reaches_only_the_inputs_that_were_taken(gpu, kernel):
    found_by = tables(CASES[0], SINGLE)
    g = np.ones((2, 8, 17, 11), np.float32)
    g[0, 0, 0, 0] = np.nan
    lost = np.isnan(kernel.resample_gradient(gpu.xp.asarray(g), found_by).get())
    assert lost[0, 0, 0, 0] and lost.sum() <= 4


@pytest.mark.parametrize("options", [{"mode": "bilinear"}, {"mode": "bicubic", "antialias": True}, {"mode": "nearest"}])
def test_ops_and_their_gradients(gpu, options):
    gpu.use("cuda")
    values = np.random.default_rng(4).standard_normal((2, 3, 13, 10)).astype(np.float32)
    results = []
    for device in ("cpu", "cuda"):
        x = F.tensor(values, device=device, requires_grad=True)
        y = functional.interpolate(x, size=(7, 21), **options)
        (y * y).sum().backward()
        results.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    assert not F.kernels.fallbacks()
