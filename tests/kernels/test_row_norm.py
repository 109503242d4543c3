"""Layer norm of one row against the generic kernel, and where it is taken."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from framework.kernels.generic import norm as generic
from framework.kernels.generic import row_norm
from framework.nn import functional as F

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape, axes", [((256,), 1), ((1, 1, 256), 1), ((1, 3, 5), 2), ((1, 1), 1), ((4, 6), 2)])
@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("affine", [(True, True), (True, False), (False, True), (False, False)])
def test_agrees(shape, axes, kind, affine):
    x = (rng.standard_normal(shape) * 3 + 5).astype(kind)
    weight, bias = (rng.standard_normal(shape[-axes:]).astype(kind) if wanted else None for wanted in affine)
    assert row_norm.serves(x, axes)
    flat = [None if v is None else v.reshape(-1) for v in (weight, bias)]
    expected = generic.layer_norm(x.reshape(1, -1), *flat, 1e-5)[0].reshape(shape)
    found = row_norm.layer_norm(x, weight, bias, 1e-5)
    assert found.dtype == x.dtype and found.shape == shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    "x",
    [np.ones((2, 8), "float32"), np.ones((0, 8), "float32"), np.ones((1, 8), "float16"), np.ones((1, 1 << 14), "f")],
)
def test_leaves_others(x):
    assert not row_norm.serves(x, 1)


def test_strided_and_special_rows():
    x = rng.standard_normal((1, 64)).astype("f")[:, ::2]
    expected = generic.layer_norm(np.ascontiguousarray(x), None, None, 1e-5)[0]
    np.testing.assert_allclose(row_norm.layer_norm(x, None, None, 1e-5), expected, rtol=2e-5, atol=2e-6)
    for special in (np.nan, np.inf, -np.inf):
        y = x.copy()
        y[0, 3] = special
        assert np.isnan(row_norm.layer_norm(y, None, None, 1e-5)).all()


def test_leaves_its_input_and_is_the_recorded_value():
    x, w = framework.randn(1, 1, 32), framework.randn(32)
    before = x.clone()
    with framework.no_grad():
        plain = F.layer_norm(x, (32,), w, w)
    assert (x == before).all()
    recorded = F.layer_norm(x.clone().requires_grad_(), (32,), w, w)
    assert recorded.grad_fn is not None and plain.grad_fn is None
    np.testing.assert_allclose(plain.numpy(), recorded.detach().numpy(), rtol=2e-5, atol=2e-6)


def test_weight_of_another_dtype_does_not_widen():
    x, w = framework.randn(1, 16), framework.randn(16, dtype=framework.float64)
    assert F.layer_norm(x, (16,), w).dtype is framework.float32


@pytest.mark.parametrize("shape", [(256,), (1, 1, 256), (3, 5, 17), (1, 1)])
@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("affine", [True, False])
def test_rms_agrees(shape, kind, affine):
    x = (rng.standard_normal(shape) * 3 + 5).astype(kind)
    weight = rng.standard_normal(shape[-1:]).astype(kind) if affine else None
    assert row_norm.serves_rms(x, weight, 1)
    assert not row_norm.serves_rms(x, weight, 2) and not row_norm.serves_rms(x[:0], weight, 1)
    expected = generic.rms_norm(x.reshape(-1, shape[-1]), weight, 1e-6)[0].reshape(shape)
    before = x.copy()
    scale = None if weight is None else framework.tensor(weight)
    found = F.rms_norm(framework.tensor(x), shape[-1:], scale, 1e-6)
    assert found.dtype.name == kind and (x == before).all()
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-5, atol=2e-6)
