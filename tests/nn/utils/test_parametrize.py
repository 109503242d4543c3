"""Parametrizations and the older hooks: values against PyTorch, state, assignment, removal, caching, refusals."""

import copy

import numpy as np
import pytest

import framework
from framework import nn
from framework.nn import utils
from framework.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, a):
        return a.triu()


class Double(nn.Module):
    calls = 0

    def forward(self, x):
        Double.calls += 1
        return x * 2


def test_register_read_assign_remove():
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert framework.equal(layer.weight, layer.weight.mT) and "weight" not in dict(layer.named_parameters())
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, nn.Linear)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    layer(framework.ones(2, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    value = framework.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    layer.weight = value
    assert framework.equal(layer.weight, value)
    other = copy.deepcopy(layer)
    assert framework.equal(other.weight, value)
    other.weight = value * 2
    assert framework.equal(layer.weight, value)
    original = layer.parametrizations.weight.original
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and layer.weight is original and framework.equal(layer.weight, value)
    assert not hasattr(layer, "parametrizations")


def test_leaving_the_original():
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Double())
    assert framework.equal(layer.weight, before * 2)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert framework.equal(layer.weight, before)


def test_several_in_a_row_and_caching():
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    for _ in range(2):
        parametrize.register_parametrization(layer, "weight", Double())
    assert framework.equal(layer.weight, before * 4)
    Double.calls = 0
    with parametrize.cached():
        assert layer.weight is layer.weight and Double.calls == 2
    assert layer.weight is not layer.weight
    with pytest.raises(RuntimeError, match="does not implement right_inverse"):
        layer.weight = before


def test_buffers_and_transfer():
    m = nn.Module()
    m.register_buffer("state", framework.ones(2, 2))
    parametrize.register_parametrization(m, "state", Symmetric())
    assert "parametrizations.state.original" in dict(m.named_buffers())
    a, b = nn.Linear(3, 3), nn.Linear(3, 3)
    parametrize.register_parametrization(a, "weight", Symmetric())
    parametrize.transfer_parametrizations_and_params(a, b)
    assert b.parametrizations.weight.original is a.parametrizations.weight.original


class Bad(nn.Module):
    def __init__(self, result):
        super().__init__()
        self.result = result

    def forward(self, x):
        return self.result(x)


@pytest.mark.parametrize(
    ("result", "message"),
    [(lambda x: x[0], "shape"), (lambda x: x.double(), "dtype"), (lambda x: [x], "must return a tensor")],
)
def test_results_are_checked(result, message):
    with pytest.raises(ValueError, match=message):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Bad(result))
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Double())
    with pytest.raises(ValueError, match=message):
        parametrize.register_parametrization(layer, "weight", Bad(result))


def test_refusals():
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(nn.Linear(2, 2), "nope", Double())
    with pytest.raises(ValueError, match="does not have a parametrization"):
        parametrize.remove_parametrizations(nn.Linear(2, 2), "weight")
    shorter = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Bad(lambda x: x[0]), unsafe=True)
    assert shorter.weight.shape == (2,)


def pair(kind="Linear", *args):
    torch = pytest.importorskip("torch")
    theirs, ours = getattr(torch.nn, kind)(*args), getattr(nn, kind)(*args)
    ours.load_state_dict({k: framework.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    return torch, ours, theirs


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weight_norm(dim, legacy, rng):
    torch, ours, theirs = pair("Linear", 4, 3)
    if legacy:
        assert utils.weight_norm(ours, dim=dim) is ours
        torch.nn.utils.weight_norm(theirs, dim=dim)
    else:
        parametrizations.weight_norm(ours, dim=dim)
        torch.nn.utils.parametrizations.weight_norm(theirs, dim=dim)
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict().items()
    ]
    x = rng.standard_normal((2, 4)).astype(np.float32)
    y, expected = ours(framework.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    (y**2).sum().backward()
    (expected**2).sum().backward()
    for (_, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-5)
    weight = ours.weight.detach().clone()
    if legacy:
        utils.remove_weight_norm(ours)
        with pytest.raises(ValueError, match="not found"):
            utils.remove_weight_norm(ours)
    else:
        parametrize.remove_parametrizations(ours, "weight")
    assert framework.equal(ours.weight, weight) and isinstance(ours.weight, nn.Parameter)


def test_weight_norm_reads_the_older_keys():
    old = utils.weight_norm(nn.Linear(3, 2))
    new = parametrizations.weight_norm(nn.Linear(3, 2))
    new.load_state_dict(old.state_dict())
    x = framework.randn(2, 3)
    assert framework.allclose(new(x), old(x))


@pytest.mark.parametrize("legacy", [False, True])
def test_spectral_norm(legacy):
    torch, ours, theirs = pair("Linear", 5, 4)
    original = ours.weight.detach().clone()
    if legacy:
        utils.spectral_norm(ours, n_power_iterations=20)
        torch.nn.utils.spectral_norm(theirs, n_power_iterations=20)
    else:
        parametrizations.spectral_norm(ours, n_power_iterations=20)
        torch.nn.utils.parametrizations.spectral_norm(theirs, n_power_iterations=20)
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in theirs.state_dict().items()
    ]
    x = framework.randn(2, 5)
    for _ in range(10):
        y = ours(x)
    sigma = np.linalg.svd(original.numpy(), compute_uv=False)[0]
    np.testing.assert_allclose(ours.weight.detach().numpy(), original.numpy() / sigma, rtol=1e-4)
    y.sum().backward()
    ours.eval()
    before = {k: v.clone() for k, v in ours.state_dict().items()}
    ours(x)
    assert all(framework.equal(v, before[k]) for k, v in ours.state_dict().items())
    if legacy:
        assert ours.state_dict()._metadata[""]["spectral_norm"] == {"weight.version": 1}
        utils.remove_spectral_norm(ours)
        with pytest.raises(ValueError, match="not found"):
            utils.remove_spectral_norm(ours)
    else:
        parametrize.remove_parametrizations(ours, "weight")
    np.testing.assert_allclose(np.linalg.svd(ours.weight.detach().numpy(), compute_uv=False)[0], 1, rtol=1e-4)


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("trivialized", [True, False])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
def test_orthogonal(kind, trivialized, shape, rng):
    layer = nn.Linear(shape[1], shape[0], bias=False, dtype=framework.float64)
    parametrizations.orthogonal(layer, orthogonal_map=kind, use_trivialization=trivialized)

    def check():
        w = layer.weight.detach().numpy()
        product = w @ w.T if shape[0] <= shape[1] else w.T @ w
        np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-8)

    check()
    original = layer.parametrizations.weight.original
    (layer(framework.randn(2, shape[1], dtype=framework.float64)) ** 3).sum().backward()
    assert original.grad.shape == original.shape and float(original.grad.abs().sum()) > 0
    with framework.no_grad():
        original.sub_(0.1 * original.grad)
    check()
    if trivialized:
        new = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))[0]
        new = framework.tensor(new if shape[0] >= shape[1] else new.T)
        layer.weight = new
        check()
        if shape[0] == shape[1]:
            np.testing.assert_allclose(layer.weight.detach().numpy(), new.numpy(), atol=1e-8)


def test_orthogonal_matches_pytorch(rng):
    torch, ours, theirs = pair("Linear", 3, 5)
    for kind in ("householder", "matrix_exp", "cayley"):
        torch, ours, theirs = pair("Linear", 3, 5)
        parametrizations.orthogonal(ours, orthogonal_map=kind)
        torch.nn.utils.parametrizations.orthogonal(theirs, orthogonal_map=kind)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict({k: framework.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
        with framework.no_grad(), torch.no_grad():
            noise = rng.standard_normal((5, 3)).astype(np.float32)
            ours.parametrizations.weight.original.add_(framework.tensor(noise))
            theirs.parametrizations.weight.original.add_(torch.tensor(noise))
        np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), atol=1e-5)


def test_orthogonal_refusals():
    with pytest.raises(ValueError, match="orthogonal_map has to be"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    with pytest.raises(ValueError, match="expected a matrix"):
        parametrizations.orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="no parameter or buffer"):
        parametrizations.spectral_norm(nn.Linear(2, 2), "nope")
    with pytest.raises(RuntimeError, match="pickled"):
        import pickle

        pickle.dumps(parametrizations.weight_norm(nn.Linear(2, 2)))
