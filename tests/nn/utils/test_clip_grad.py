"""Gradient clipping, and parameters as a vector."""

import numpy as np
import pytest

import framework
from framework import nn
from framework.nn import utils


def parameters(rng):
    out = []
    for shape in ((3, 2), (4,), ()):
        p = nn.Parameter(framework.zeros(shape))
        p.grad = framework.tensor(rng.standard_normal(shape).astype(np.float32))
        out.append(p)
    return [*out, nn.Parameter(framework.ones(2))]


def flat(ps):
    return np.concatenate([p.grad.numpy().reshape(-1) for p in ps if p.grad is not None])


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3, float("inf"), "inf"])
def test_clip_grad_norm(norm_type, rng):
    ps = parameters(rng)
    before = flat(ps)
    expected = np.linalg.norm(before, float(norm_type))
    total = utils.clip_grad_norm_(iter(ps), 0.5, norm_type, foreach=False)
    assert total.shape == () and float(total) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(flat(ps), before * 0.5 / (expected + 1e-6), rtol=1e-5)
    after = flat(ps)
    utils.clip_grad_norm_(ps, 100.0, norm_type)
    np.testing.assert_allclose(flat(ps), after)


def test_norms_by_parts(rng):
    ps = parameters(rng)
    total = utils.get_total_norm([p.grad for p in ps if p.grad is not None])
    assert float(total) == pytest.approx(np.linalg.norm(flat(ps)), rel=1e-6)
    before = flat(ps)
    utils.clip_grads_with_norm_(ps, 1.0, framework.tensor(10.0))
    np.testing.assert_allclose(flat(ps), before / 10, rtol=1e-6)
    assert utils.get_total_norm([]).item() == 0
    assert utils.clip_grad_norm_(ps[0], 1.0).shape == ()


def test_nonfinite_norms(rng):
    ps = parameters(rng)
    ps[0].grad[0, 0] = float("nan")
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    assert np.isnan(float(utils.clip_grad_norm_(ps, 1.0))) and np.isnan(flat(ps)).all()
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_((p for p in []), 1.0)


def test_clip_grad_value(rng):
    ps = parameters(rng)
    before = flat(ps)
    assert utils.clip_grad_value_(ps, 0.3) is None
    np.testing.assert_allclose(flat(ps), np.clip(before, -0.3, 0.3))


def test_vectors(rng):
    layer = nn.Linear(3, 2)
    v = utils.parameters_to_vector(layer.parameters())
    assert v.shape == (8,) and v.requires_grad
    utils.vector_to_parameters(framework.arange(8.0), layer.parameters())
    assert layer.weight.tolist() == [[0, 1, 2], [3, 4, 5]] and layer.bias.tolist() == [6, 7]
    assert layer.weight.requires_grad and layer.weight.is_leaf
    with pytest.raises(TypeError, match="expected a Tensor"):
        utils.vector_to_parameters([1.0], layer.parameters())
