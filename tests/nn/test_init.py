"""Initial values: distributions and bounds, structure, generators, refusals; and the layers' own defaults."""

import math

import numpy as np
import pytest

import framework
from framework import nn
from framework.nn import init


def big():
    return framework.empty(200, 300)


def moments(t):
    return float(t.mean()), float(t.std()), float(t.min()), float(t.max())


@pytest.mark.parametrize(
    ("fill", "mean", "std", "low", "high"),
    [
        (lambda t: init.uniform_(t, -1, 3), 1.0, 4 / math.sqrt(12), -1, 3),
        (lambda t: init.normal_(t, 2.0, 0.5), 2.0, 0.5, -math.inf, math.inf),
        (lambda t: init.trunc_normal_(t, 0.0, 1.0, -1.0, 1.0), 0.0, 0.5396, -1, 1),
        (lambda t: init.trunc_normal_(t, std=0.02), 0.0, 0.02, -2, 2),
        (lambda t: init.xavier_uniform_(t), 0.0, math.sqrt(2 / 500), -math.sqrt(6 / 500), math.sqrt(6 / 500)),
        (lambda t: init.xavier_normal_(t, gain=2.0), 0.0, 2 * math.sqrt(2 / 500), -math.inf, math.inf),
        (lambda t: init.kaiming_uniform_(t, a=1), 0.0, math.sqrt(1 / 300), -math.sqrt(1 / 100), math.sqrt(1 / 100)),
        (
            lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
            0.0, math.sqrt(2 / 200), -math.inf, math.inf,
        ),
    ],
)  # fmt: skip
def test_distributions(fill, mean, std, low, high):
    t = big()
    assert fill(t) is t
    m, s, a, b = moments(t)
    assert m == pytest.approx(mean, abs=4 * std / math.sqrt(60000)) and s == pytest.approx(std, rel=0.02)
    assert low <= a and b <= high


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_every_floating_dtype(dtype):
    t = framework.empty(40, 50, dtype=getattr(framework, dtype))
    for name in ("uniform_", "normal_", "trunc_normal_", "xavier_normal_", "kaiming_uniform_", "orthogonal_", "eye_"):
        getattr(init, name)(t)
        assert t.dtype == getattr(framework, dtype) and bool(t.isfinite().all()), name


def test_constants():
    t = big()
    assert float(init.constant_(t, 0.5).std()) == 0 and t[0, 0].item() == 0.5
    assert float(init.ones_(t).mean()) == 1 and float(init.zeros_(t).abs().sum()) == 0
    np.testing.assert_array_equal(init.eye_(framework.empty(3, 5)).numpy(), np.eye(3, 5))


def test_dirac_passes_channels_on():
    for groups in (1, 2):
        conv = framework.empty(4, 3, 3, 3)
        init.dirac_(conv, groups)
        torch = pytest.importorskip("torch")
        expected = torch.nn.init.dirac_(torch.empty(4, 3, 3, 3), groups)
        np.testing.assert_array_equal(conv.numpy(), expected.numpy())


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal(shape):
    m = init.orthogonal_(framework.empty(*shape), gain=2.0).numpy().reshape(shape[0], -1)
    product = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(product, 4 * np.eye(min(m.shape)), atol=1e-5)


def test_sparse():
    t = init.sparse_(framework.empty(20, 7), 0.33)
    assert (t.numpy() == 0).sum(0).tolist() == [7] * 7


@pytest.mark.parametrize(
    "name", ["uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "kaiming_normal_", "orthogonal_"]
)
def test_generators_reproduce(name):
    fill = getattr(init, name)
    a = fill(framework.empty(5, 6), generator=framework.Generator().manual_seed(7))
    b = fill(framework.empty(5, 6), generator=framework.Generator().manual_seed(7))
    c = fill(framework.empty(5, 6))
    assert framework.equal(a, b) and not framework.equal(a, c)


def test_gains():
    for name, param, expected in [
        ("linear", None, 1), ("conv2d", None, 1), ("sigmoid", None, 1), ("tanh", None, 5 / 3), ("relu", None, 2**0.5),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)), ("leaky_relu", 0.2, math.sqrt(2 / 1.04)), ("selu", None, 0.75),
    ]:  # fmt: skip
        assert init.calculate_gain(name, param) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.calculate_gain("swish"), "unsupported nonlinearity"),
        (lambda: init.calculate_gain("leaky_relu", "x"), "not a valid number"),
        (lambda: init.xavier_uniform_(framework.empty(3)), "fewer than 2 dimensions"),
        (lambda: init.kaiming_uniform_(framework.empty(3, 3), mode="fan"), "not supported"),
        (lambda: init.eye_(framework.empty(3)), "2 dimensions"),
        (lambda: init.dirac_(framework.empty(3, 3)), "3, 4 or 5"),
        (lambda: init.dirac_(framework.empty(3, 3, 3), groups=2), "divisible"),
        (lambda: init.orthogonal_(framework.empty(3)), "2 or more"),
        (lambda: init.sparse_(framework.empty(3), 0.1), "2 dimensions"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_parameters_are_filled_outside_autograd():
    p = nn.Parameter(framework.empty(3, 3))
    init.trunc_normal_(init.normal_(init.constant_(p, 3)))
    assert p.is_leaf and p.grad_fn is None and p.requires_grad


def test_warnings():
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(framework.empty(0, 3))
    with pytest.warns(UserWarning, match="more than 2 std"):
        init.trunc_normal_(framework.empty(3), mean=10)


def test_layers_start_within_pytorchs_bounds():
    linear = nn.Linear(100, 200)
    for p in linear.parameters():
        assert float(p.detach().abs().max()) <= 0.1 and float(p.detach().abs().max()) > 0.09
    bilinear = nn.Bilinear(25, 10, 20)
    assert float(bilinear.weight.detach().abs().max()) <= 0.2
    assert nn.Linear(3, 2, bias=False).bias is None
    assert nn.Linear(3, 2, dtype=framework.float64).weight.dtype == framework.float64
    assert nn.Linear(3, 2, device="cpu").weight.is_cpu


def test_bilinear(rng):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Bilinear(3, 4, 5).double()
    ours = nn.Bilinear(3, 4, 5).double()
    ours.load_state_dict({k: framework.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    a, b = rng.standard_normal((2, 6, 3)), rng.standard_normal((2, 6, 4))
    y = ours(framework.tensor(a), framework.tensor(b))
    np.testing.assert_allclose(
        y.detach().numpy(), theirs(torch.tensor(a), torch.tensor(b)).detach().numpy(), rtol=1e-10
    )
    assert repr(ours) == "Bilinear(in1_features=3, in2_features=4, out_features=5, bias=True)"


def test_flatten_and_unflatten():
    x = framework.randn(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12) and nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(1, (3, 1))(x).shape == (2, 3, 1, 4)
    assert framework.equal(nn.Unflatten(1, (3, -1))(nn.Flatten()(x)), x)
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"
    assert nn.Identity(1, x=2)(x) is x
    with pytest.raises(TypeError, match="tuple of ints"):
        nn.Unflatten(1, ("a",))
