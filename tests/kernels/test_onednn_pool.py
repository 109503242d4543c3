"""oneDNN's pools beside the generic ones."""

import math

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck
from framework.kernels import choose, explain, force
from framework.kernels.generic import pool as generic
from framework.kernels.layout import transpositions
from framework.nn import functional as F
from framework.ops.pool import _counts, geometry

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


def kernel():
    from framework.kernels.onednn import pool

    return pool


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


LAYOUTS = {
    "row-major": lambda x: x,
    "channels-last": last,
    "every other column": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "every other channel": lambda x: last(np.repeat(x, 2, axis=1))[:, ::2],
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
}
# input shape, window, stride, padding, ceil_mode
CASES = [
    ((2, 3, 9), 2, 2, 0, False), ((2, 17, 9), 3, 2, 1, True), ((64, 16, 40), 3, 1, 1, False),
    ((2, 1, 8, 8), 2, 2, 0, False), ((2, 16, 9, 7), 3, 2, 1, False), ((3, 20, 10, 11), 3, 3, 1, True),
    ((2, 33, 6, 5), 2, 1, 1, False), ((1, 8, 7, 7), 7, 7, 0, False), ((1, 8, 11, 9), (2, 4), (3, 1), (0, 2), True),
    ((4, 5, 12, 12), 2, 4, 0, False), ((2, 16, 7, 7), 1, 1, 0, False), ((1, 4, 20, 20), 16, 2, 8, False),
    ((2, 6, 5, 7, 6), 2, 2, 0, True), ((1, 16, 6, 5, 4), (3, 2, 3), (2, 1, 2), (1, 0, 1), False),
]  # fmt: skip


def placed(shape, window, stride, padding, ceil):
    x = values(*shape)
    window, stride, padding, dilation, outputs = geometry("", x, len(shape) - 2, window, stride, padding, 1, ceil)
    return x, (window, stride, padding, dilation), outputs


def same(found, expected):
    assert found.strides == expected.strides
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def close(found, expected):
    assert found.strides == expected.strides
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES)
def test_maxima_their_places_and_gradients_are_the_generic_ones(case, layout):
    x, where, outputs = placed(*case)
    x = LAYOUTS[layout](np.round(x, 1))  # with ties
    y, taps = generic.max_pool(x, *where, outputs, True)
    found, won = kernel().max_pool(x, *where, outputs, True)
    same(found, y)
    np.testing.assert_array_equal(won, taps)
    found, won_not = kernel().max_pool(x, *where, outputs, False)
    same(found, y)
    assert won_not is None
    g = LAYOUTS[layout](values(*y.shape, seed=1))
    for tap in (won, taps):
        close(
            kernel().max_pool_gradient(g, tap, x.shape[2:], *where),
            generic.max_pool_gradient(g, taps, x.shape[2:], *where),
        )
    same(kernel().max_pool_gather(x, won, *where), y)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("counted", [True, False, 5])
@pytest.mark.parametrize("case", CASES)
def test_means_and_gradients_are_the_generic_ones(case, counted, layout):
    x, (window, stride, padding, _), outputs = placed(*case)
    x = LAYOUTS[layout](x)
    divisor = 5 if counted == 5 else _counts(x.shape[2:], window, stride, padding, outputs, counted)
    y = generic.avg_pool(x, window, stride, padding, outputs, divisor)
    close(kernel().avg_pool(x, window, stride, padding, outputs, divisor), y)
    g = LAYOUTS[layout](values(*y.shape, seed=1))
    close(
        kernel().avg_pool_gradient(g, x.shape[2:], window, stride, padding, divisor),
        generic.avg_pool_gradient(g, x.shape[2:], window, stride, padding, divisor),
    )


SPECIAL = {
    "a NaN": [math.nan], "a negative NaN": [-math.nan], "minus infinity": [-math.inf], "infinity": [math.inf],
    "the least number": [float(np.finfo("float32").min)], "large numbers": [3e37, 1e30],
    "zeros of both signs": [0.0, -0.0], "NaN among infinities": [math.nan, -math.inf, math.inf],
}  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("shape", [(2, 16, 9, 11), (4, 64, 96, 96)], ids=["small", "in threads"])
def test_special_values(shape, special, share):
    x, where, outputs = placed(shape, 3, 2, 1, False)
    rng = np.random.default_rng(1)
    place = rng.random(shape) < share
    x[place] = rng.choice(np.float32(SPECIAL[special]), int(place.sum()))
    x = last(x)
    y, taps = generic.max_pool(x, *where, outputs, True)
    found, won = kernel().max_pool(x, *where, outputs, True)
    same(found, y)
    np.testing.assert_array_equal(won, taps)
    g = last(np.ones(y.shape, "float32"))
    close(
        kernel().max_pool_gradient(g, won, x.shape[2:], *where),
        generic.max_pool_gradient(g, taps, x.shape[2:], *where),
    )
    means = [m.avg_pool(x, *where[:3], outputs, 9) for m in (kernel(), generic)]
    np.testing.assert_allclose(*means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_pools_are_rounded_once(dtype):
    x = framework.tensor(values(2, 16, 9, 9)).to(getattr(framework, dtype))
    for pool in (lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, 3, 1, 1)):
        results = []
        for name in ("onednn", "generic"):
            leaf = x.clone().requires_grad_()
            with force(name):
                y = pool(leaf)
                y.sum().backward()
            results.append((y, leaf.grad))
        for found, expected in zip(*results, strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found.float().detach().numpy(), expected.float().detach().numpy(), rtol=8e-3)


POOLS = {
    "max": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max and indices": lambda x: F.max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)[0],
    "mean": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "divided": lambda x: F.avg_pool2d(x, 2, 1, divisor_override=3),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (3, 1)),
    "global": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, 3),
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("layout", ["row-major", "channels-last"])
def test_gradients_through_the_op_are_those_in_float64(pool, layout):
    x = LAYOUTS[layout](values(2, 8, 9, 6))
    results = []
    for kind in ("float32", "float64"):
        leaf = framework.tensor(x.astype(kind)).requires_grad_()
        with force("onednn"):
            y = POOLS[pool](leaf)
            g = framework.tensor(np.linspace(-1, 1, y.numel(), dtype=kind).reshape(y.shape))
            (first,) = framework.autograd.grad(y, leaf, g, create_graph=True)
            (second,) = framework.autograd.grad((POOLS[pool](leaf * leaf) * g).sum(), leaf)
        results.append([v.detach().numpy() for v in (y, first, second)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_finite_differences():
    x = framework.tensor(values(1, 8, 6, 6)).requires_grad_()
    with force("onednn"):
        assert gradcheck(lambda v: F.max_pool2d(v, 3, 2, 1), (x,), eps=1e-3, atol=2e-3)
        assert gradcheck(lambda v: F.avg_pool2d(v, 3, 2, 1), (x,), eps=1e-2, atol=2e-3)


def test_channels_last_goes_through_without_a_transposition():
    x = framework.tensor(values(2, 16, 12, 12)).to(memory_format=framework.channels_last).requires_grad_()
    with force("onednn"):
        before = transpositions.value
        y = F.adaptive_avg_pool2d(F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2), 1)
        y.backward(framework.ones_like(y))
        assert transpositions.value == before
    assert x.grad.is_contiguous(memory_format=framework.channels_last)


def test_explain_says_why_it_declines():
    where = {"kind": "max", "window": (3, 3), "stride": (2, 2), "padding": (1, 1)}
    flat = {**where, "dilation": (1, 1)}
    x = values(2, 8, 9, 9)
    assert choose("pool", x, **flat).NAME == "onednn"
    for array, given, words in [
        (x.astype("float64"), flat, "not a NumPy array of float32"),
        (x[:0], flat, "nothing to pool"),
        (x, {**where, "dilation": (2, 1)}, "dilated windows"),
    ]:
        assert choose("pool", array, **given).NAME == "generic"
        assert words in explain("pool", array, **given)


def test_an_empty_batch():
    x = framework.zeros(0, 8, 9, 9)
    with force("onednn"):
        assert F.max_pool2d(x, 3, 2, 1).shape == (0, 8, 5, 5)
        assert F.avg_pool2d(x, 3, 2, 1).shape == (0, 8, 5, 5)
