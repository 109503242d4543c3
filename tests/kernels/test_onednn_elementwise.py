"""oneDNN's sums, differences, products and quotients beside NumPy's, and gradients that are added in place."""

import numpy as np
import pytest

import framework
from framework.kernels import explain, force
from framework.kernels.generic import elementwise as generic
from framework.kernels.layout import empty_last
from framework.kernels.registry import LARGE

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def channels_last(x):
    y = empty_last(x.shape, x.dtype)
    y[...] = x
    return y


@pytest.mark.parametrize("order", [lambda x: x, np.asfortranarray, channels_last])
@pytest.mark.parametrize("shape", [(3, 5, 7, 11), (1, 64, 1, 1), (2, 1, 50, 50), (0, 3, 4, 4)])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_every_operation_and_memory_order(name, shape, order):
    from framework.kernels.onednn import elementwise

    a, b = order(drawn(*shape)), order(drawn(*shape, seed=1))
    expected = getattr(generic, name)(a, b)
    found = getattr(elementwise, name)(a, b)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.flags.forc == a.flags.forc
    for out in (a.copy(order="K"), b.copy(order="K")):
        getattr(elementwise, name)(a, b, out=out)
        np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_special_values_are_numpys():
    from framework.kernels.onednn import elementwise

    values = np.array([0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, 1e-40, 3e38], "float32")
    a, b = (v.ravel().copy() for v in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        for name in ("add", "sub", "mul", "div"):
            np.testing.assert_array_equal(getattr(elementwise, name)(a, b), getattr(generic, name)(a, b))


@pytest.mark.parametrize(
    "a, b, words",
    [
        (drawn(10), drawn(10), "too small"),
        (np.ones(LARGE), np.ones(LARGE), "float32"),
        (drawn(LARGE, 2), drawn(2), "differ"),
        (drawn(LARGE, 2), np.asfortranarray(drawn(LARGE, 2)), "differ"),
        (drawn(LARGE, 4)[:, ::2], drawn(LARGE, 4)[:, ::2], "gaps"),
    ],
)
def test_explain_says_why_numpy_serves(a, b, words):
    text = explain("elementwise", a, b)
    assert text.startswith("elementwise: generic")
    assert words in text


@pytest.mark.parametrize("length", [5, LARGE])
def test_gradients_that_meet_are_added_without_touching_what_others_hold(length):
    found = {}
    for name in ("onednn", "generic"):
        with force(name):
            x = framework.linspace(0.5, 2, length, requires_grad=True)
            seen = []
            y = x * x
            y.register_hook(lambda g, seen=seen: seen.append((g, g.clone())))
            a, b = y * y, y / x
            a.retain_grad()
            b.retain_grad()
            (a + b + y - x * y).sum().backward()
            assert all(framework.equal(held, copy) for held, copy in seen)
            found[name] = [t.detach().numpy() for t in (x.grad, a.grad, b.grad)]
    x = np.linspace(0.5, 2, length, dtype="float32")
    np.testing.assert_allclose(found["onednn"][0], 4 * x**3 + 1 + 2 * x - 3 * x**2, rtol=1e-4)
    for a, b in zip(*found.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    assert (found["onednn"][1] == 1).all()
    assert (found["onednn"][2] == 1).all()
