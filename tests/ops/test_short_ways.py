"""The short ways past checks: they give what the long ones give, with the same errors, histories and versions."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from framework import nn
from framework.errors import BoundsError
from framework.kernels import threads
from framework.nn import functional as F
from framework.ops.index_items import plain_index

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    "index", [0, -1, None, slice(1, 3), ..., (0, slice(None), None, 1), (..., 2), (slice(-2, None),)]
)
def test_plain_indices_are_views(index):
    x = framework.arange(24).reshape(2, 3, 4)
    assert plain_index(index) is not None
    y = x[index]
    assert np.array_equal(y.numpy(), x.numpy()[index]) and y._base is not None
    y.fill_(7)
    assert (x[index] == 7).all()


@pytest.mark.parametrize(
    "index", [True, np.int64(1), [0], slice(0, 4, 2), slice(np.int64(0), None), (..., ...), framework.tensor(1)]
)
def test_other_indices_go_the_long_way(index):
    assert plain_index(index) is None


@pytest.mark.parametrize("index", [5, (0, 9), (0, 0, 0, 0)])
def test_errors_are_the_long_ways(index):
    x = framework.zeros(2, 3, 4)
    with pytest.raises(BoundsError):
        x[index]
    with pytest.raises(BoundsError):
        x[index] = framework.zeros(1)


def test_a_value_that_does_not_fit():
    x = framework.zeros(2, 3)
    with pytest.raises(RuntimeError):
        x[0] = framework.zeros(4)
    with pytest.raises(RuntimeError):
        x.expand(2, 2, 3)[:, 0] = framework.zeros(3)
    assert (x == 0).all()


def test_storing_counts_a_version_and_casts():
    x = framework.zeros(2, 3)
    x[1] = framework.ones(1, 3)
    assert x._version == 1 and x.tolist() == [[0, 0, 0], [1, 1, 1]]
    x[0] = framework.tensor([1, 2, 3])
    assert x._version == 2 and x[0].tolist() == [1, 2, 3]
    w = framework.ones(3, requires_grad=True)
    y = w * w
    with framework.no_grad():
        w[0] = framework.tensor(5.0)
    with pytest.raises(RuntimeError, match="modified"):
        y.sum().backward()


def test_storing_where_a_gradient_is_recorded():
    x, value = framework.zeros(2, 3), framework.ones(3, requires_grad=True)
    x[1] = value
    (x * 2).sum().backward()
    assert x.requires_grad and value.grad.tolist() == [2, 2, 2]


def test_a_view_taken_without_a_gradient_gets_its_bases_history():
    x, w = framework.zeros(2, 3), framework.ones(3, requires_grad=True)
    views = x[0], x.view(3, 2), x.permute(1, 0), x.transpose(0, 1), x.unsqueeze(0)
    x[0] = w
    assert all(v.requires_grad for v in views)
    views[2].sum().backward()
    assert w.grad.tolist() == [1, 1, 1]


def test_dims_given_as_floats_stay_errors():
    x = framework.zeros(2, 3)
    x.transpose(0, 1), x.permute(1, 0)
    with pytest.raises(TypeError):
        x.transpose(0.0, 1.0)
    with pytest.raises(TypeError):
        x.permute(1.0, 0.0)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_with_and_without_a_gradient(causal):
    q, k, v = (framework.randn(1, 2, n, 8) for n in (1, 5, 5))
    with framework.no_grad():
        plain = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    recorded = F.scaled_dot_product_attention(q.clone().requires_grad_(), k, v, is_causal=causal)
    np.testing.assert_allclose(plain.numpy(), recorded.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_layers_whose_parameters_are_computed():
    linear, norm = nn.Linear(4, 4), nn.LayerNorm(4)
    for layer in (linear, norm):
        nn.utils.parametrize.register_parametrization(layer, "weight", nn.Identity())
    x = framework.randn(1, 4)
    assert framework.allclose(linear(x), F.linear(x, linear.weight, linear.bias))
    assert framework.allclose(norm(x), F.layer_norm(x, (4,), norm.weight, norm.bias))


@pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")
def test_small_work_keeps_to_one_thread():
    from framework.kernels.onednn import activation
    from framework.kernels.onednn.plans import SHARED

    activation.gelu(np.ones(SHARED - 1, "f"), False)
    assert threads._local.told == 1
    activation.gelu(np.ones(SHARED, "f"), False)
    assert threads._local.told == threads.current()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64"])
@pytest.mark.parametrize("name, sign", [("add_", 1), ("sub_", -1)])
def test_a_multiple_is_added_in_place(name, sign, dtype):
    alpha = 3 if dtype == "int64" else -0.75
    for shape in ((7,), (17, 11), (50, 1000)):  # the last one goes in blocks, with an end
        a, b = ((rng.normal(size=shape) * 9).astype(dtype) for _ in range(2))
        expected = (a + np.asarray(sign * alpha, dtype) * b).astype(dtype)
        for operand in (framework.tensor(b), framework.tensor(np.asfortranarray(b)), framework.tensor(b.tolist())):
            x = framework.tensor(a)
            if framework.can_cast(operand.dtype, x.dtype) and operand.dtype is x.dtype:
                assert getattr(x, name)(operand, alpha=alpha) is x and x._version == 1
                np.testing.assert_allclose(x.numpy(), expected, rtol=2e-3 if dtype == "float16" else 1e-5, atol=1e-3)


def test_a_multiple_of_what_overlaps_is_added_in_place():
    for size in (9, 100_000):
        values = rng.normal(size=size + 1)
        x = framework.tensor(values)
        x[1:].add_(x[:-1], alpha=0.5)
        np.testing.assert_allclose(x[1:].numpy(), values[1:] + 0.5 * values[:-1])
        x = framework.tensor(values)
        np.testing.assert_allclose(x.add_(x, alpha=2).numpy(), 3 * values)


def test_a_multiple_added_in_place_keeps_history():
    a, b = (framework.ones(3, requires_grad=True) for _ in range(2))
    y = a * 2
    y.add_(b, alpha=-5)
    y.sum().backward()
    assert a.grad.tolist() == [2, 2, 2] and b.grad.tolist() == [-5, -5, -5]
    with pytest.raises(RuntimeError, match="leaf"):
        a.add_(framework.ones(3), alpha=2)
    with pytest.raises(TypeError, match="alpha"):
        framework.ones(3).mul_(framework.ones(3), alpha=2)
