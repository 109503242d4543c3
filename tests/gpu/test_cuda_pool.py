"""Our CUDA kernels of pooling against the generic ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
from framework.kernels.generic import pool as generic
from framework.kernels.layout import is_last
from framework.nn import functional
from framework.ops.pool import _counts
from tests.gpu.forms import BFLOAT16, DOUBLE, FORMS, HALF, SINGLE, agree, last, numbers, rows, tolerance
from tests.gpu.host import run_cuda

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))

# shape, window, stride, padding, dilation, outputs
CASES = [
    ((2, 8, 17, 11), (3, 3), (2, 2), (1, 1), (1, 1), (9, 6)),
    ((1, 3, 17, 11), (2, 4), (2, 3), (0, 2), (1, 1), (9, 4)),  # the last windows reach over the edge
    ((2, 5, 17, 11), (3, 2), (1, 2), (1, 0), (2, 3), (15, 4)),
    ((3, 6, 17), (4,), (3,), (2,), (1,), (6,)),
    ((1, 4, 5, 6, 7), (2, 3, 2), (1, 2, 2), (1, 1, 0), (1, 1, 2), (6, 3, 3)),
    ((2, 3, 20, 19), (17, 17), (3, 2), (0, 0), (1, 1), (2, 2)),  # more taps than a byte numbers
]


@pytest.fixture
def kernel(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import pool

    return pool


@pytest.mark.parametrize("case", CASES, ids=lambda case: "x".join(map(str, case[0])))
@pytest.mark.parametrize("dtype", [SINGLE, BFLOAT16], ids=str)
def test_maxima(gpu, kernel, case, dtype):
    shape, *where, outputs = case
    rng = np.random.default_rng(0)
    x = numbers(rng, shape, dtype)
    x[0, 0, 3:6] = -np.inf
    x.reshape(-1)[[7, 8, 60]] = np.nan
    expected, winners = generic.max_pool(x, *where, outputs, True)
    g = numbers(rng, (*shape[:2], *outputs), dtype)
    gradient = generic.max_pool_gradient(g, winners, shape[2:], *where)
    for form in FORMS:
        y, taps = kernel.max_pool(form(gpu.xp, x), *where, outputs, True)
        agree(y, expected, 0)
        assert taps.dtype == winners.dtype and np.array_equal(taps.get(), winners)
        assert y.flags.c_contiguous if x.ndim == 3 else is_last(y)
        agree(kernel.max_pool_gradient(form(gpu.xp, g), taps, shape[2:], *where), gradient, tolerance(dtype))
    assert kernel.max_pool(rows(gpu.xp, x), *where, outputs, False)[1] is None


@pytest.mark.parametrize(
    "case", [case for case in CASES if max(case[4]) == 1], ids=lambda case: "x".join(map(str, case[0]))
)
@pytest.mark.parametrize("dtype", [SINGLE, HALF], ids=str)
@pytest.mark.parametrize("padded", [True, False])
def test_means(gpu, kernel, case, dtype, padded):
    shape, window, stride, padding, _, outputs = case
    rng = np.random.default_rng(1)
    x, g = numbers(rng, shape, dtype), numbers(rng, (*shape[:2], *outputs), dtype)
    divisor = _counts(shape[2:], window, stride, padding, outputs, padded)
    expected = generic.avg_pool(x, window, stride, padding, outputs, divisor)
    gradient = generic.avg_pool_gradient(g, shape[2:], window, stride, padding, divisor)
    for form in FORMS:
        agree(kernel.avg_pool(form(gpu.xp, x), window, stride, padding, outputs, divisor), expected, tolerance(dtype))
        found = kernel.avg_pool_gradient(form(gpu.xp, g), shape[2:], window, stride, padding, divisor)
        agree(found, gradient, tolerance(dtype))


@pytest.mark.parametrize(
    ("shape", "window"),
    [((2, 40, 7, 11), (7, 11)), ((3, 5, 80), (80,)), ((1, 3, 4, 6, 5), (4, 6, 5)), ((2, 9, 16, 12), (8, 6))],
)
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
def test_means_over_whole_maps(gpu, kernel, shape, window, dtype):
    x = numbers(np.random.default_rng(2), shape, dtype)
    outputs = tuple(n // k for n, k in zip(shape[2:], window, strict=True))
    arguments = (window, window, (0,) * len(window), outputs, math.prod(window))
    for form in (rows, last):
        agree(kernel.avg_pool(form(gpu.xp, x), *arguments), generic.avg_pool(x, *arguments), tolerance(dtype))


def test_what_is_declined(gpu, kernel):
    xp = gpu.xp
    assert "int64" in kernel.declines(xp.zeros((1, 1, 2, 2), np.int64), "max", (2, 2), (2, 2), (0, 0))
    assert kernel.declines(xp.zeros((0, 1, 2, 2), np.float32), "max", (2, 2), (2, 2), (0, 0)) == "nothing to pool"


@pytest.mark.parametrize(
    "op",
    [
        lambda x: functional.max_pool2d(x, 3, 2, 1), lambda x: functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
        lambda x: functional.adaptive_avg_pool2d(x, 1), lambda x: functional.max_pool1d(x[0], 2),
        lambda x: functional.max_pool2d(x, 2, return_indices=True)[0],
    ],
)  # fmt: skip
def test_ops_and_their_gradients(gpu, op):
    gpu.use("cuda")
    values = np.random.default_rng(3).standard_normal((2, 3, 13, 10)).astype(np.float32)
    results = []
    for device in ("cpu", "cuda"):
        x = F.tensor(values, device=device, requires_grad=True)
        y = op(x)
        (y * y).sum().backward()
        results.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    assert "pool" not in [family for family, _ in F.kernels.fallbacks()]


def test_nothing_waits(gpu, kernel):
    x = F.randn(2, 4, 9, 9, device="cuda", requires_grad=True)
    functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)  # the table of counts is copied once
    if gpu.waits is None:
        return
    gpu.waits.clear()
    functional.max_pool2d(x, 3, 2, 1).sum().backward()
    functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False).sum().backward()
    assert not gpu.waits
