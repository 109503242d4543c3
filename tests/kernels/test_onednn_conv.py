"""oneDNN's convolutions beside the generic ones."""

import itertools

import numpy as np
import pytest

import framework
from framework.kernels import choose, explain, force
from framework.kernels.generic import conv as generic
from framework.kernels.layout import empty_last, is_last

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def channels_last(x):
    y = empty_last(x.shape, x.dtype)
    y[...] = x
    return y


def close(found, expected):
    assert found.shape == expected.shape
    assert found.ndim < 4 or is_last(found) == is_last(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-4)


MEMORY = {
    "row-major": lambda x: x,
    "channels-last": channels_last,
    "cut out": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
}


def geometries(axes):
    for (n, c, o, length), k, s, p, d in itertools.product(
        [(2, 3, 4, 9), (3, 16, 16, 6), (1, 6, 6, 8)], (1, 2, 3), (1, 2), (0, 1), (1, 2)
    ):
        for groups in {1, 2, c}:
            lengths = tuple(length + i for i in range(axes))
            if c % groups == 0 and o % groups == 0 and d * (k - 1) + 1 <= length + 2 * p:
                yield (n, c, *lengths), (o, c // groups, *(k,) * axes), ((s,) * axes, (p,) * axes, (d,) * axes, groups)


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_geometry_agrees_with_the_generic_kernel(axes, memory):
    from framework.kernels.onednn import conv

    for shape, filters, where in geometries(axes):
        x, w, b = MEMORY[memory](drawn(*shape)), drawn(*filters, seed=1), drawn(filters[0], seed=2)
        y = generic.forward(x, w, b, *where)
        close(conv.forward(x, w, b, *where), y)
        g = MEMORY[memory](drawn(*y.shape, seed=3))
        close(conv.input_gradient(g, w, None, shape[2:], *where), generic.input_gradient(g, w, None, shape[2:], *where))
        close(conv.weight_gradient(g, x, filters, *where), generic.weight_gradient(g, x, filters, *where))
        close(conv.bias_gradient(g), generic.bias_gradient(g))


@pytest.mark.parametrize("activation", [None, ("relu",), ("hardtanh", 0.0, 6.0), ("silu",), ("hardswish",)])
@pytest.mark.parametrize("groups", [1, 8])
def test_bias_residual_and_activation_in_one_pass(groups, activation):
    from framework.kernels.onednn import conv

    x, w, b, residual = drawn(2, 8, 7, 6), drawn(8, 8 // groups, 3, 3), drawn(8), drawn(2, 8, 7, 6, seed=1)
    where = (1, 1), (1, 1), (1, 1), groups
    close(
        conv.forward(x, w, b, *where, residual=residual, activation=activation),
        generic.forward(x, w, b, *where, residual=residual, activation=activation),
    )


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_transposed_convolutions_with_output_padding(extra):
    x, w, b = framework.randn(2, 16, 9, 9), framework.randn(16, 12, 3, 3), framework.randn(12)
    found = {}
    for name in ("onednn", "generic"):
        with force(name):
            found[name] = framework.nn.functional.conv_transpose2d(
                x, w, b, stride=2, padding=1, output_padding=extra, dilation=3
            ).numpy()
    close(found["onednn"], found["generic"])


def test_what_is_made_of_a_weight_is_kept_where_the_caller_says():
    from framework.kernels.onednn import conv

    x, w = drawn(2, 32, 9, 9), drawn(64, 32, 3, 3)
    where = (1, 1), (1, 1), (1, 1), 1
    kept = {}
    first = conv.forward(x, w, None, *where, kept=kept)
    assert len(kept) == 1
    w[...] = 0  # the caller's promise is broken on purpose: the kept weight is what counts
    np.testing.assert_array_equal(conv.forward(x, w, None, *where, kept=kept), first)
    assert not conv.forward(x, w, None, *where).any()


def test_a_channels_last_weight_is_read_in_place():
    from framework.kernels.onednn import conv

    w = channels_last(drawn(16, 8, 3, 3))
    assert is_last(conv._dense(w))
    x = drawn(2, 8, 9, 9)
    where = (1, 1), (0, 0), (1, 1), 1
    close(conv.forward(x, w, None, *where), generic.forward(x, w, None, *where))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 4])
def test_gradients_of_gradients(axes, groups):
    x = framework.randn(2, 4, *((900,) if axes == 1 else (16,) * axes), requires_grad=True)
    w = framework.randn(8, 4 // groups, *(3,) * axes, requires_grad=True)
    call = getattr(framework.nn.functional, f"conv{axes}d")
    found = {}
    for name in ("onednn", "generic"):
        with force(name):
            if name == "onednn":
                where = {"stride": (1,) * axes, "padding": (1,) * axes, "dilation": (1,) * axes, "groups": groups}
                assert name == choose("conv", x.array, w.array, **where).NAME
            y = call(x, w, padding=1, groups=groups).pow(3).sum()
            first = framework.autograd.grad(y, (x, w), create_graph=True)
            second = framework.autograd.grad(sum((g * g).sum() for g in first), (x, w))
            found[name] = [t.detach().numpy() for t in (*first, *second)]
    for a, b in zip(*found.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * abs(b).max())


@pytest.mark.parametrize(
    "x, w, words",
    [
        (np.ones((2, 3, 9, 9)), np.ones((4, 3, 3, 3)), "float32"),
        (drawn(0, 3, 9, 9), drawn(4, 3, 3, 3), "nothing to convolve"),
        (drawn(1, 1, 4, 4), drawn(1, 1, 3, 3), "too small"),
    ],
)
def test_explain_says_why_the_generic_kernel_serves(x, w, words):
    text = explain("conv", x, w, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1)
    assert text.startswith("conv: generic")
    assert words in text
