"""Pooling: values, places and gradients against PyTorch, ties, NaN, layouts, dtypes and refusals."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels.generic import pool as kernel
from framework.nn import functional as F
from framework.ops.memory import is_channels_last
from tests.ops.parity import check

WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": (2,), "stride": 3},
]
SHAPES = {1: (2, 3, 9), 2: (2, 3, 9, 7), 3: (1, 2, 5, 7, 6)}


def both(name, *args, **kwargs):
    """The same function of both libraries, with these arguments after the tensors."""
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    return lambda *t, **k: ours(*t, *args, **kwargs, **k), lambda *t, **k: theirs(*t, *args, **kwargs, **k)


def last(values):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS)
def test_max_pool(axes, window, rng):
    check(*both(f"max_pool{axes}d", return_indices=True, **window), rng.standard_normal(SHAPES[axes]))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("counted", [True, False])
def test_avg_pool(axes, window, counted, rng):
    check(*both(f"avg_pool{axes}d", count_include_pad=counted, **window), rng.standard_normal(SHAPES[axes]))


def test_windows_of_other_kinds(rng):
    x = rng.standard_normal((2, 3, 9, 8))
    check(*both("max_pool2d", (2, 3), (1, 2), (1, 1), (2, 3), ceil_mode=True, return_indices=True), x)
    check(*both("avg_pool2d", (12, 1)[1:] * 2, divisor_override=3), x)
    check(*both("avg_pool2d", (9, 8)), x)
    check(*both("avg_pool3d", (2, 1, 3), 2, (1, 0, 1), divisor_override=5), rng.standard_normal((2, 3, 4, 5, 6)))


@pytest.mark.parametrize("size", [1, (3, 4), (None, 2), (9, 7), (11, 8), 5])
def test_adaptive_pools(size, rng):
    x = rng.standard_normal((2, 3, 9, 7))
    check(*both("adaptive_avg_pool2d", size), x)
    check(*both("adaptive_max_pool2d", size, return_indices=True), x)
    if not isinstance(size, tuple):
        check(*both("adaptive_avg_pool1d", size), x[0])
        check(*both("adaptive_max_pool1d", size), x[:, :, 0])
        check(*both("adaptive_avg_pool3d", size), x)
        check(*both("adaptive_max_pool3d", size), x[None])


@pytest.mark.parametrize("norm", [2, 3, float("inf")])
def test_lp_pools(norm, rng):
    x = np.abs(rng.standard_normal((2, 3, 9, 7))) + 0.1
    check(*both("lp_pool2d", norm, 2), x)
    check(*both("lp_pool1d", norm, 3, 2, True), x[0])
    check(*both("lp_pool3d", norm, 2), x)


def test_fractional_pools_with_given_samples(rng):
    for axes, size in ((2, (4, 3)), (3, (2, 4, 3))):
        x, samples = rng.standard_normal((2, 3, 6, 9, 7)[: axes + 2]), rng.random((2, 3, axes))
        name = f"fractional_max_pool{axes}d"
        ours, theirs = both(name, kernel_size=2, output_size=size, return_indices=True)
        mine, other = (lambda t, s, f=f: f(t, _random_samples=s) for f in (ours, theirs))
        check(mine, other, x, samples, fixed=(1,))
    y = F.fractional_max_pool2d(framework.from_numpy(x[0]), 2, output_ratio=0.5)
    assert y.shape == (3, 6, 4, 3)


def test_unpooling_puts_maxima_back(rng):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 3, 8, 6))
    _, where = torch.nn.functional.max_pool2d(torch.tensor(x), 2, return_indices=True)
    check(*both("max_unpool2d", 2), rng.standard_normal((2, 3, 4, 3)), where.numpy())
    check(*both("max_unpool2d", 2, output_size=(9, 7)), rng.standard_normal((2, 3, 4, 3)), where.numpy())
    y, places = F.max_pool1d(framework.from_numpy(x[0]), 2, return_indices=True)
    back = F.max_unpool1d(y, places, 2)
    np.testing.assert_array_equal(F.max_pool1d(back.abs(), 2).numpy(), y.abs().numpy())


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: F.adaptive_max_pool2d(x, (2, 3)),
        lambda x: F.lp_pool2d(x * x + 0.1, 2, 2),
    ],
)
def test_gradients_of_gradients(call, rng):
    x = framework.tensor(rng.standard_normal((2, 2, 5, 4)), requires_grad=True, dtype=framework.float64)
    assert gradcheck(call, (x,), fast_mode=True)
    assert gradgradcheck(call, (x,), fast_mode=True)


def test_channels_last_in_and_out(rng):
    x = last(rng.standard_normal((2, 5, 8, 6)))
    for call in (
        lambda t: F.max_pool2d(t, 3, 2, 1),
        lambda t: F.avg_pool2d(t, 3, 2, 1),
        lambda t: F.adaptive_avg_pool2d(t, 3),
    ):
        t = framework.from_numpy(x).requires_grad_()
        y = call(t)
        plain = framework.tensor(np.ascontiguousarray(x), requires_grad=True)
        z = call(plain)
        assert is_channels_last(y.array)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), atol=1e-12)
        (y * y).sum().backward()
        (z * z).sum().backward()
        np.testing.assert_allclose(t.grad.numpy(), plain.grad.numpy(), atol=1e-12)


def test_the_first_of_equal_values_wins():
    x = framework.tensor([[[[1.0, 2.0, 2.0], [2.0, 0.0, 1.0], [2.0, 2.0, 2.0]]]], requires_grad=True)
    y, where = F.max_pool2d(x, 3, return_indices=True)
    assert where.item() == 1
    y.sum().backward()
    assert x.grad.flatten().tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_windows_of_minus_infinity_and_nan():
    torch = pytest.importorskip("torch")
    x = np.full((1, 1, 4, 4), -np.inf)
    x[0, 0, 3, 2] = np.nan
    y, where = F.max_pool2d(framework.from_numpy(x), 3, 2, 1, return_indices=True)
    z, other = torch.nn.functional.max_pool2d(torch.tensor(x), 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(y.numpy(), z.numpy())
    np.testing.assert_array_equal(where.numpy(), other.numpy())


def test_an_infinite_gradient_stays_in_its_place():
    x = framework.tensor([[[1.0, 3.0, 2.0, 4.0]]], requires_grad=True)
    F.max_pool1d(x, 2).backward(framework.tensor([[[float("inf"), 1.0]]]))
    assert x.grad.flatten().tolist() == [0, float("inf"), 0, 1]


def test_large_windows_number_their_taps_in_more_bits(rng):
    check(*both("max_pool2d", 17, 1, return_indices=True), rng.standard_normal((1, 2, 18, 19)))


def test_small_blocks(rng, monkeypatch):
    x = rng.standard_normal((2, 3, 9, 7))
    monkeypatch.setattr(kernel, "CACHED", 100)
    check(*both("max_pool2d", 3, 2, 1, return_indices=True), x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types(dtype, rng):
    x = framework.tensor(rng.standard_normal((1, 3, 6, 6)), dtype=getattr(framework, dtype))
    calls = (F.max_pool2d, F.avg_pool2d, F.adaptive_max_pool2d, F.adaptive_avg_pool2d)
    for call in (lambda t, c=c, k=k: c(t, k) for c in calls for k in (2, 4)):
        assert call(x).dtype is x.dtype
        np.testing.assert_array_equal(call(x).float().numpy(), call(x.float()).to(x.dtype).float().numpy())


def test_a_sum_beyond_float16_has_a_mean():
    x = framework.full((1, 1, 100, 100), 100.0, dtype=framework.float16)
    assert F.adaptive_avg_pool2d(x, 1).item() == 100
    assert F.avg_pool2d(x, 100).item() == 100


def test_integers():
    x = framework.arange(-8, 8).reshape(1, 1, 4, 4)
    assert F.max_pool2d(x, 2).flatten().tolist() == [-3, -1, 5, 7]
    assert F.avg_pool2d(x, 2).flatten().tolist() == [-5, -3, 2, 4]  # rounded to zero
    assert F.max_pool2d(x.to(framework.uint8), 2).dtype is framework.uint8


def test_empty_batches_and_inputs_without_a_batch(rng):
    x = framework.zeros(0, 3, 4, 4, requires_grad=True)
    for call in (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        y = call(x, 2)
        assert y.shape == (0, 3, 2, 2)
        y.sum().backward()
        whole = call(x, 1 if "adaptive" in call.__name__ else 4)
        assert whole.shape == (0, 3, 1, 1)
        whole.sum().backward()
        single = framework.from_numpy(rng.standard_normal((3, 4, 4)))
        np.testing.assert_array_equal(call(single, 2).numpy(), call(single.unsqueeze(0), 2).numpy()[0])


ONES = framework.ones
REFUSED = [
    (lambda: F.max_pool2d(ONES(1, 2, 5, 5), 3, padding=2), ArgumentError, "at most half of effective kernel size"),
    (lambda: F.max_pool2d(ONES(1, 2, 1, 1), 3), ShapeError, "Output size is too small"),
    (lambda: F.max_pool2d(ONES(5, 5), 3), ShapeError, "Expected 3D or 4D"),
    (lambda: F.max_pool2d(ONES(2, 0, 5, 5), 3), ShapeError, "optional 0 dim batch size"),
    (lambda: F.max_pool2d(ONES(1, 2, 5, 5), 0), ArgumentError, "non-positive kernel_size"),
    (lambda: F.avg_pool2d(ONES(1, 2, 5, 5), 3, divisor_override=0), ArgumentError, "divisor must be not zero"),
    (lambda: F.avg_pool2d(ONES(1, 2, 5, 5).bool(), 3), DtypeError, "not implemented for"),
    (lambda: F.adaptive_avg_pool2d(ONES(1, 2, 5, 5), (1, 2, 3)), ArgumentError, "output_size must be 2"),
    (lambda: F.max_unpool2d(ONES(1, 1, 2, 2), ONES(1, 1, 2, 2), 2), DtypeError, "int64"),
    (lambda: F.max_unpool2d(ONES(1, 1, 2, 2), ONES(1, 1, 2, 2).long() * 99, 2), ArgumentError, "invalid max index: 99"),
    (lambda: F.fractional_max_pool2d(ONES(1, 1, 4, 4), 2), ValueError, "output_size or an output_ratio"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, words", REFUSED)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
