"""oneDNN's interpolation beside the generic one."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck
from framework.kernels import choose, explain, force
from framework.kernels.generic import resize as generic
from framework.nn import functional as F
from framework.ops.resize import _table

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


def kernel():
    from framework.kernels.onednn import resize

    return resize


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def tables(mode, lengths, sizes, corners=False):
    return tuple(_table(mode, n, o, corners, None, False, False) for n, o in zip(lengths, sizes, strict=True))


# mode, input shape, output lengths; large enough to be served
CASES = [
    ("linear", (3, 40, 7, 9), (14, 18)), ("linear", (2, 65, 9, 8), (5, 4)), ("linear", (4, 33, 8, 6), (4, 12)),
    ("linear", (2, 40, 5, 7), (13, 10)), ("linear", (2, 128, 1, 6), (4, 6)), ("linear", (2, 64, 8, 8), (1, 1)),
    ("linear", (1, 17, 4, 5, 6), (8, 10, 12)), ("linear", (2, 3, 24, 24), (48, 48)), ("linear", (4, 16, 40), (80,)),
    ("nearest", (3, 40, 7, 9), (14, 27)), ("nearest", (2, 65, 9, 8), (9, 8)), ("nearest", (2, 17, 3, 4, 5), (6, 8, 10)),
    ("nearest-exact", (2, 16, 8, 8), (24, 32)), ("nearest", (1, 3, 24, 24), (48, 48)),
]  # fmt: skip


def close(found, expected):
    assert found.strides == expected.strides
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", ["row-major", "channels-last"])
@pytest.mark.parametrize("mode, shape, sizes", CASES)
def test_values_and_gradients_are_the_generic_ones(mode, shape, sizes, layout):
    order = last if layout == "channels-last" else np.ascontiguousarray
    x, given = order(values(*shape)), tables(mode, shape[2:], sizes)
    y, served = generic.resample(x, given), 0
    if kernel().declines(x, given) is None:
        served += 1
        close(kernel().resample(x, given), y)
    g = order(values(*y.shape, seed=1))
    if kernel().declines(g, given, gradient=True) is None:
        served += 1
        close(kernel().resample_gradient(g, given), generic.resample_gradient(g, given))
    assert served or layout == "row-major" or len(shape) == 3


def test_nan_and_infinity_go_where_the_weights_take_them():
    x, given = last(values(2, 32, 8, 8)), tables("nearest", (8, 8), (16, 16))
    x[0, 3, 2, 2], x[1, 5, 6, 1] = np.nan, np.inf
    np.testing.assert_array_equal(kernel().resample(x, given), generic.resample(x, given))


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_gradients_through_the_op_are_those_in_float64(mode):
    x, results = last(values(2, 16, 8, 7)), []
    for kind in ("float32", "float64"):
        leaf = framework.tensor(x.astype(kind)).requires_grad_()
        with force("onednn"):
            y = F.interpolate(leaf, scale_factor=2, mode=mode)
            g = framework.tensor(np.linspace(-1, 1, y.numel(), dtype=kind).reshape(y.shape))
            (first,) = framework.autograd.grad(y, leaf, g)
            twice = F.interpolate(leaf * leaf, scale_factor=2, mode=mode)
            (second,) = framework.autograd.grad((twice * g).sum(), leaf, create_graph=True)
            (third,) = framework.autograd.grad((second * second).sum(), leaf)
        results.append([v.detach().numpy() for v in (y, first, second, third)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_finite_differences():
    x = framework.tensor(last(values(1, 64, 4, 4))).requires_grad_()
    with force("onednn"):
        assert choose("resize", x.array, tables=tables("linear", (4, 4), (8, 8))).NAME == "onednn"
        assert gradcheck(lambda v: F.interpolate(v, scale_factor=2, mode="bilinear").sum(1), (x,), eps=1e-1, atol=5e-3)


def test_explain_says_why_it_declines():
    x, twice = last(values(2, 32, 8, 8)), tables("linear", (8, 8), (16, 16))
    assert choose("resize", x, tables=twice).NAME == "onednn"
    rounded = "weights or positions that are not oneDNN's"
    for array, given, gradient, words in [
        (x.astype("float64"), twice, False, "not a NumPy array of float32"),
        (x[:, :2], twice, False, "too small"),
        (x[:0], twice, False, "too small"),
        (x, tables("linear", (8, 8), (16, 16), True), False, rounded),
        (x, tables("nearest", (8, 8), (12, 16)), False, rounded),
        (x, tables("bicubic", (8, 8), (16, 16)), False, rounded),
        (x, (twice[0], None), False, rounded),
        (x[:, :, ::2], tables("linear", (4, 8), (8, 16)), False, "memory"),
        (np.ascontiguousarray(x), twice, True, "row-major memory"),
        (last(values(2, 3, 64, 64)), tables("linear", (32, 32), (64, 64)), True, "few channels"),
    ]:
        assert choose("resize", array, tables=given, gradient=gradient).NAME == "generic"
        assert words in explain("resize", array, tables=given, gradient=gradient)
