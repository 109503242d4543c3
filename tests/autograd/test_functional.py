"""Jacobians and Hessians, and the function transforms."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework import func
from framework.autograd import functional


def vector(*values: float) -> F.Tensor:
    return F.tensor(values, dtype=F.float64)


X = vector(0.5, -1.0, 2.0)
A = F.from_numpy(np.arange(6.0).reshape(2, 3) / 3)


def f(x):
    return A @ (x * x)


def g(x):
    return (x**3).sum()


JACOBIAN = A.numpy() * 2 * X.numpy()
HESSIAN = np.diag(6 * X.numpy())


def test_jacobian():
    np.testing.assert_allclose(functional.jacobian(f, X).numpy(), JACOBIAN)
    np.testing.assert_allclose(func.jacrev(f)(X).numpy(), JACOBIAN)
    np.testing.assert_allclose(func.jacfwd(f)(X).numpy(), JACOBIAN)


def test_jacobian_of_two_inputs_is_a_tuple():
    a, b = functional.jacobian(lambda x, y: x * y, (X, X))
    np.testing.assert_allclose(a.numpy(), np.diag(X.numpy()))
    np.testing.assert_allclose(b.numpy(), np.diag(X.numpy()))


def test_hessian():
    np.testing.assert_allclose(functional.hessian(g, X).numpy(), HESSIAN)
    np.testing.assert_allclose(func.hessian(g)(X).numpy(), HESSIAN)


def test_products_with_vectors():
    v, u = vector(1.0, 2.0), vector(1.0, -1.0, 0.5)
    np.testing.assert_allclose(functional.vjp(f, X, v)[1].numpy(), v.numpy() @ JACOBIAN)
    np.testing.assert_allclose(functional.jvp(f, X, u)[1].numpy(), JACOBIAN @ u.numpy())
    np.testing.assert_allclose(functional.hvp(g, X, u)[1].numpy(), HESSIAN @ u.numpy())
    np.testing.assert_allclose(functional.vhp(g, X, u)[1].numpy(), HESSIAN @ u.numpy())
    output, pull = func.vjp(f, X)
    np.testing.assert_allclose(pull(v)[0].numpy(), v.numpy() @ JACOBIAN)
    np.testing.assert_allclose(func.jvp(f, (X,), (u,))[1].numpy(), JACOBIAN @ u.numpy())
    np.testing.assert_allclose(output.numpy(), f(X).numpy())


def test_strict_refuses_independence():
    assert functional.jacobian(lambda x: vector(1.0), X).tolist() == [[0.0, 0.0, 0.0]]
    with pytest.raises(RuntimeError, match="independent"):
        functional.jacobian(lambda x: vector(1.0), X, strict=True)


def test_grad_composes_with_itself():
    third = func.grad(func.grad(func.grad(lambda x: x**4)))
    assert third(F.tensor(2.0)).item() == 48.0


def test_grad_and_value_with_aux_and_argnums():
    (ga, gb), (value, aux) = func.grad_and_value(lambda a, b: ((a * b).sum(), "aux"), argnums=(0, 1), has_aux=True)(
        X, X
    )
    np.testing.assert_allclose(ga.numpy(), X.numpy())
    assert aux == "aux" and value.item() == pytest.approx(float((X * X).sum())) and gb.shape == X.shape


def test_grad_takes_dicts():
    gradient = func.grad(lambda p: (p["w"] * p["w"]).sum() + p["b"] * 3)({"w": X, "b": F.tensor(1.0)})
    np.testing.assert_allclose(gradient["w"].numpy(), 2 * X.numpy())
    assert gradient["b"].item() == 3.0


def test_vmap_maps_and_stacks():
    rows = F.from_numpy(np.arange(6.0).reshape(2, 3))
    np.testing.assert_allclose(
        func.vmap(lambda r, s: (r * s).sum(), in_dims=(0, None))(rows, X).numpy(), rows.numpy() @ X.numpy()
    )
    assert func.vmap(lambda c: c * 2, in_dims=1, out_dims=1)(rows).shape == (2, 3)
    per_sample = func.vmap(func.grad(lambda r: (r * r).sum()))(rows)
    np.testing.assert_allclose(per_sample.numpy(), 2 * rows.numpy())
    with pytest.raises(ValueError, match="lengths differ"):
        func.vmap(lambda a, b: a)(rows, X)
