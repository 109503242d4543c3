"""Pruning: which entries go, how masks combine, removal, refusals."""

import importlib

import numpy as np
import pytest

import framework
from framework import nn
from framework.nn.utils import prune


def layer(values):
    m = nn.Linear(len(values[0]), len(values), bias=False)
    with framework.no_grad():
        m.weight.copy_(framework.tensor(values))
    return m


VALUES = [[1.0, -2.0, 3.0], [-0.5, 5.0, -6.0]]


def test_l1_unstructured_prunes_the_smallest():
    m = layer(VALUES)
    assert prune.l1_unstructured(m, "weight", amount=2) is m
    assert m.weight_mask.tolist() == [[0, 1, 1], [0, 1, 1]] and m.weight.tolist() == [[0, -2, 3], [0, 5, -6]]
    assert list(m.state_dict()) == ["weight_orig", "weight_mask"] and prune.is_pruned(nn.Sequential(m))
    m(framework.ones(1, 3)).sum().backward()
    assert m.weight_orig.grad.tolist() == [[0, 1, 1], [0, 1, 1]]
    prune.l1_unstructured(m, "weight", amount=0.5)  # half of the four that are left
    assert m.weight_mask.tolist() == [[0, 0, 0], [0, 1, 1]]
    original = m.weight_orig
    assert prune.remove(m, "weight") is m and m.weight is original and m.weight.tolist() == [[0, 0, 0], [0, 5, -6]]
    assert not prune.is_pruned(m) and list(m.state_dict()) == ["weight"] and not m._hooked
    with pytest.raises(ValueError, match="has to be pruned"):
        prune.remove(m, "weight")


def test_scores_decide_where_given():
    m = layer(VALUES)
    prune.l1_unstructured(m, "weight", 3, importance_scores=framework.arange(6.0).reshape(2, 3))
    assert m.weight_mask.tolist() == [[0, 0, 0], [1, 1, 1]]
    with pytest.raises(AssertionError, match="same shape"):
        prune.l1_unstructured(layer(VALUES), "weight", 3, importance_scores=framework.ones(3))


def test_structured():
    m = layer(VALUES)
    prune.ln_structured(m, "weight", amount=1, n=2, dim=1)
    assert m.weight_mask.tolist() == [[0, 1, 1], [0, 1, 1]]
    prune.ln_structured(m, "weight", amount=1, n=1, dim=0)
    assert m.weight_mask.tolist() == [[0, 0, 0], [0, 1, 1]]
    m = nn.Linear(10, 8)
    prune.random_structured(m, "weight", amount=0.5, dim=0)
    assert sorted(m.weight_mask.sum(1).tolist()) == [0.0] * 4 + [10.0] * 4


def test_random_identity_and_mask():
    m = nn.Linear(20, 10)
    prune.random_unstructured(m, "weight", amount=0.3)
    assert float(m.weight_mask.sum()) == 140
    before = m.weight.detach().clone()
    prune.identity(m, "weight")
    assert framework.equal(m.weight, before)
    m = layer(VALUES)
    prune.custom_from_mask(m, "weight", framework.tensor([[1, 0, 1], [1, 1, 0]]))
    assert m.weight.tolist() == [[1, 0, 3], [-0.5, 5, 0]]
    with pytest.raises(AssertionError, match="mask should have shape"):
        prune.custom_from_mask(m, "weight", framework.ones(2))


def test_global():
    a, b = layer(VALUES), layer([[0.1, 9.0]])
    prune.global_unstructured([(a, "weight"), (b, "weight")], pruning_method=prune.L1Unstructured, amount=3)
    assert a.weight_mask.tolist() == [[0, 1, 1], [0, 1, 1]] and b.weight_mask.tolist() == [[0, 1]]
    prune.global_unstructured([(a, "weight"), (b, "weight")], prune.L1Unstructured, amount=0.4)
    assert a.weight_mask.tolist() == [[0, 0, 0], [0, 1, 1]] and b.weight_mask.tolist() == [[0, 1]]
    with pytest.raises(TypeError, match="unstructured"):
        prune.global_unstructured([(a, "weight")], prune.RandomStructured, amount=1)
    with pytest.raises(TypeError, match="Iterable"):
        prune.global_unstructured(3, prune.L1Unstructured, amount=1)


def test_outside_a_module():
    t = framework.tensor([1.0, -3.0, 2.0])
    assert prune.L1Unstructured(amount=1).prune(t).tolist() == [0.0, -3.0, 2.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", 1.5), ValueError, r"range \[0, 1\]"),
        (lambda m: prune.l1_unstructured(m, "weight", -1), ValueError, r"range \[0, 1\]"),
        (lambda m: prune.l1_unstructured(m, "weight", 7), ValueError, "smaller than the number"),
        (lambda m: prune.l1_unstructured(m, "weight", "x"), TypeError, "int or float"),
        (lambda m: prune.random_structured(m, "weight", 1, 2), IndexError, "invalid index"),
        (lambda m: prune.random_structured(nn.Linear(2, 2), "bias", 1, 0), ValueError, "multidimensional"),
        (lambda m: prune.PruningContainer().add_pruning_method(3), TypeError, "not a BasePruningMethod"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(layer(VALUES))


def test_pytorchs_keys():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.Linear(3, 2), nn.Linear(3, 2)
    importlib.import_module("torch.nn.utils.prune").l1_unstructured(theirs, "weight", 2)
    prune.l1_unstructured(ours, "weight", 2)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: framework.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(
        ours(framework.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-6
    )
