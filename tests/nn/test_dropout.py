"""Dropout: what is dropped and kept, reproducibility, gradients, in-place forms, refusals."""

import numpy as np
import pytest

import framework
import framework.nn.functional as F
from framework import nn

ALL = [F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout]


def sample(function):
    return framework.ones(*{F.dropout1d: (2, 3, 4), F.dropout3d: (2, 3, 4, 2, 2)}.get(function, (2, 3, 4, 4)))


def test_dropout_keeps_the_mean():
    y = F.dropout(framework.ones(200, 100), 0.3)
    kept = y[y != 0]
    assert abs(kept.numel() / 20000 - 0.7) < 0.02
    np.testing.assert_allclose(kept.numpy(), 1 / 0.7, rtol=1e-6)


@pytest.mark.parametrize("function", ALL)
def test_identity_outside_training_and_at_zero(function):
    x = sample(function)
    assert function(x, 0.5, training=False) is x or framework.equal(function(x, 0.5, training=False), x)
    assert framework.equal(function(x, 0.0, training=True), x)
    assert float(function(x, 1.0, training=True).abs().sum()) == 0


@pytest.mark.parametrize("function", [F.dropout1d, F.dropout2d, F.dropout3d, F.feature_alpha_dropout])
def test_channels_are_dropped_whole(function):
    x = framework.ones(50, *sample(function).shape[1:])
    y = function(x, 0.5, training=True).reshape((150, -1))
    assert bool((y == y[:, :1]).all())
    assert len(np.unique(y[:, 0].numpy())) == 2


def test_unbatched_channels():
    y = F.dropout1d(framework.ones(200, 4), 0.5)
    assert y.shape == (200, 4) and bool((y == y[:, :1]).all()) and 0 < float((y == 0).float().mean()) < 1
    y = F.dropout3d(framework.ones(200, 2, 2, 2), 0.5)
    assert y.shape == (200, 2, 2, 2) and bool((y.reshape((200, 8)) == y.reshape((200, 8))[:, :1]).all())


def test_alpha_dropout_keeps_mean_and_variance():
    x = framework.randn(100000)
    y = F.alpha_dropout(x, 0.2, training=True)
    assert abs(float(y.mean())) < 0.02 and abs(float(y.var()) - 1) < 0.03


def test_the_seed_decides():
    x = framework.ones(1000)
    framework.manual_seed(3)
    a = F.dropout(x)
    b = F.dropout(x)
    framework.manual_seed(3)
    assert framework.equal(F.dropout(x), a) and not framework.equal(a, b)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_gradient_is_the_mask(function, dtype):
    x = sample(function).to(getattr(framework, dtype)).requires_grad_()
    framework.manual_seed(1)
    y = function(x, 0.4, training=True)
    assert y.dtype == x.dtype
    (g,) = framework.autograd.grad(y.sum(), x, create_graph=False)
    framework.manual_seed(1)
    kept = function(framework.zeros_like(x), 0.4, training=True) == function(x.detach() * 0, 0.0, training=True)
    np.testing.assert_allclose(
        (g != 0).numpy(), (y != 0).numpy() if "alpha" not in function.__name__ else (g != 0).numpy()
    )
    assert kept.shape == x.shape and g.dtype == x.dtype
    assert len(np.unique(g.float().numpy())) <= 2


def test_second_derivatives_pass_through():
    x = framework.randn(50).double().requires_grad_()
    y = F.dropout(x, 0.5) ** 3
    (g,) = framework.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = framework.autograd.grad(g.sum(), x)
    scale = (y.detach() != 0).double() * 2
    assert framework.allclose(gg, 6 * x.detach() * scale**3)


@pytest.mark.parametrize("function", ALL[:5])
def test_inplace(function):
    x = sample(function)
    framework.manual_seed(5)
    expected = function(x, 0.5, training=True)
    framework.manual_seed(5)
    assert function(x, 0.5, training=True, inplace=True) is x and framework.equal(x, expected)


def test_masks_follow_the_memory_order():
    x = framework.ones(2, 3, 4, 5).contiguous(memory_format=framework.channels_last)
    assert F.dropout(x, 0.5).is_contiguous(memory_format=framework.channels_last)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_probabilities_are_checked(p):
    for function in ALL:
        with pytest.raises(ValueError, match="has to be between 0 and 1"):
            function(sample(function), p)
    with pytest.raises(ValueError, match="has to be between 0 and 1"):
        nn.Dropout(p)


def test_refusals_and_warnings():
    with pytest.raises(RuntimeError, match="2D"):
        F.dropout1d(framework.ones(3))
    with pytest.warns(UserWarning, match="expected"):
        F.dropout2d(framework.ones(3, 3), 0.5)
    with pytest.warns(UserWarning, match="read as"):
        F.dropout2d(framework.ones(3, 3, 3), 0.5)
    with pytest.raises(RuntimeError, match=r"not implemented for framework\.int64"):
        F.dropout(framework.ones(3).long(), 0.5)
    assert F.dropout(framework.ones(0), 0.5).shape == (0,)


@pytest.mark.parametrize(
    "kind", [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout]
)
def test_layers(kind):
    layer = kind(0.25)
    assert repr(layer) == f"{kind.__name__}(p=0.25, inplace=False)"
    x = framework.ones(*{"Dropout1d": (50, 4, 4), "Dropout3d": (50, 4, 2, 2, 2)}.get(kind.__name__, (50, 4, 2, 2)))
    assert not framework.equal(layer(x), x)
    assert framework.equal(layer.eval()(x), x)


def test_native_dropout_gives_the_mask():
    x = framework.ones(1000)
    y, mask = framework.native_dropout(x, 0.5, True)
    assert mask.dtype == framework.bool and framework.equal(y != 0, mask)
