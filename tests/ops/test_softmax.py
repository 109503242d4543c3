"""Softmax, log-softmax, softmin and the Gumbel softmax."""

import ml_dtypes
import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import DtypeError
from framework.nn import functional as F


def reference(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 1), (2, 33, 40)])
def test_values(rng, shape, dim):
    x = rng.standard_normal(shape) * 30
    t = framework.from_numpy(x)
    np.testing.assert_allclose(framework.softmax(t, dim).numpy(), reference(x, dim), rtol=1e-12)
    np.testing.assert_allclose(t.log_softmax(dim).exp().numpy(), reference(x, dim), rtol=1e-12)
    np.testing.assert_allclose(F.softmin(t, dim).numpy(), reference(-x, dim), rtol=1e-12)


def test_transposed_memory(rng):
    x = rng.standard_normal((4, 5))
    t = framework.from_numpy(x).transpose(0, 1)
    np.testing.assert_allclose(t.softmax(-1).numpy(), reference(x.T, -1), rtol=1e-12)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax, F.softmin])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_gradients(rng, function, dim):
    x = framework.from_numpy(rng.standard_normal((2, 3, 2))).requires_grad_()
    assert gradcheck(lambda x: function(x, dim), (x,))
    assert gradgradcheck(lambda x: function(x, dim), (x,))


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_half_types_are_summed_in_float32(kind):
    t = framework.from_numpy(np.zeros(4096, kind)).requires_grad_()
    y = t.softmax(0)
    assert y.array.dtype == kind
    np.testing.assert_allclose(y.detach().numpy().astype(float), 1 / 4096, rtol=1e-6)
    y.sum().backward()
    assert t.grad.array.dtype == kind


def test_odd_shapes():
    assert framework.softmax(framework.tensor(3.0), 0).item() == 1
    assert framework.log_softmax(framework.tensor(3.0), -1).item() == 0
    scalar = framework.tensor(3.0, requires_grad=True)
    scalar.softmax(0).backward()
    assert scalar.grad.item() == 0
    for shape, dim in (((0, 3), 1), ((3, 0), 1), ((3, 0), 0)):
        x = framework.from_numpy(np.zeros(shape)).requires_grad_()
        y = x.softmax(dim)
        y.sum().backward()
        assert y.shape == shape
        assert x.grad.shape == shape


def test_infinities():
    inf = float("inf")
    assert framework.tensor([0.0, -inf]).softmax(0).tolist() == [1, 0]
    assert bool(framework.tensor([-inf, -inf]).softmax(0).isnan().all())


def test_dtype_argument_in_every_place():
    x = framework.tensor([1, 2])
    for y in (
        F.softmax(x, 0, framework.float64),
        F.softmax(x, 0, 3, framework.float64),
        x.softmax(dim=0, dtype=framework.float64),
    ):
        assert y.dtype is framework.float64
        np.testing.assert_allclose(y.numpy(), reference(np.array([1.0, 2.0]), 0))
    out = framework.tensor([0.0, 0.0])
    assert framework.softmax(framework.tensor([1.0, 1.0]), 0, out=out) is out
    assert out.tolist() == [0.5, 0.5]


def test_refuses():
    with pytest.raises(DtypeError, match=r"softmax: not implemented for framework.int64.*dtype="):
        framework.tensor([1, 2]).softmax(0)
    with pytest.raises(IndexError, match="out of range"):
        framework.tensor([1.0]).softmax(1)
    with pytest.warns(UserWarning, match="implicit dimension"):
        y = F.softmax(framework.tensor([[1.0, 1.0]]))
    assert y.tolist() == [[0.5, 0.5]]


def test_gumbel_softmax():
    logits = framework.tensor([[0.0, 20.0, 0.0]] * 8, requires_grad=True)
    soft = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.sum(1).tolist(), 1, rtol=1e-5)
    hard = F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(hard.detach().numpy(), [[0, 1, 0]] * 8, atol=1e-6)
    (hard * hard).sum().backward()
    assert logits.grad.shape == (8, 3)
    frequencies = F.gumbel_softmax(framework.from_numpy(np.log([[0.2, 0.8]] * 4000)), hard=True).mean(0)
    np.testing.assert_allclose(frequencies.numpy(), [0.2, 0.8], atol=0.03)
