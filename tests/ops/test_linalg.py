"""Factorisations, solvers, determinants and spectra: values, gradients of both orders, and errors."""

import numpy as np
import pytest

import framework
from framework import linalg
from framework.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)


def matrices(*shape, kind="float64", grad=False):
    values = rng.standard_normal(shape)
    if kind.startswith("complex"):
        values = values + 1j * rng.standard_normal(shape)
    return framework.tensor(values.astype(kind), requires_grad=grad)


def definite(*shape, kind="float64"):
    a = matrices(*shape, kind=kind).numpy()
    return framework.tensor((a @ a.conj().swapaxes(-1, -2) + np.eye(shape[-1]) * shape[-1]).astype(kind))


def regular(*shape, kind="float64"):
    """Far from singular, with distinct singular values."""
    a = matrices(*shape, kind=kind).numpy()
    return framework.tensor((a + np.eye(*shape[-2:]) * np.arange(3, 3 + shape[-1])).astype(kind))


def H(x):
    return x.conj().swapaxes(-1, -2)


KINDS = ["float32", "float64", "complex64", "complex128"]
CLOSE = {"float32": 2e-4, "complex64": 2e-4, "float64": 1e-10, "complex128": 1e-10}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (4, 3), (2, 3, 5), (1, 1)])
def test_svd_and_qr_rebuild_the_matrix(shape, kind):
    a = matrices(*shape, kind=kind)
    u, s, vh = linalg.svd(a, full_matrices=False)
    np.testing.assert_allclose((u.numpy() * s.numpy()[..., None, :]) @ vh.numpy(), a.numpy(), atol=CLOSE[kind])
    np.testing.assert_allclose(linalg.svdvals(a).numpy(), s.numpy(), atol=CLOSE[kind])
    assert (s.numpy()[..., :-1] >= s.numpy()[..., 1:]).all()
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(a, mode)
        np.testing.assert_allclose(q.numpy() @ r.numpy(), a.numpy(), atol=CLOSE[kind])
        assert np.allclose(np.tril(r.numpy(), -1), 0)
    q, r = linalg.qr(a, mode="r")
    assert tuple(q.shape) == (0,)
    u, s, v = framework.svd(a, some=False)
    assert u.shape[-1] == shape[-2] and v.shape[-1] == shape[-1]
    assert framework.svd(a, compute_uv=False).U.numpy().any() == np.False_


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [(), (2,), (0,)])
def test_factors_and_solutions(batch, kind):
    a, b = definite(*batch, 3, 3, kind=kind), matrices(*batch, 3, 2, kind=kind)
    n = a.numpy()
    near = {"atol": CLOSE[kind] * 10}
    low = linalg.cholesky(a)
    np.testing.assert_allclose(low.numpy() @ H(low.numpy()), n, **near)
    up = framework.cholesky(a, upper=True)
    np.testing.assert_allclose(H(up.numpy()) @ up.numpy(), n, **near)
    x = linalg.solve(a, b).numpy()
    np.testing.assert_allclose(n @ x, b.numpy(), **near)
    np.testing.assert_allclose(framework.cholesky_solve(b, low).numpy(), x, **near)
    np.testing.assert_allclose(framework.cholesky_inverse(low).numpy(), linalg.inv(a).numpy(), **near)
    np.testing.assert_allclose(linalg.solve(a, b.mT, left=False).numpy() @ n, b.mT.numpy(), **near)
    y = linalg.solve_triangular(low, b, upper=False)
    np.testing.assert_allclose(low.numpy() @ y.numpy(), b.numpy(), **near)
    y = linalg.solve_triangular(low, b.mT, upper=False, left=False)
    np.testing.assert_allclose(y.numpy() @ low.numpy(), b.mT.numpy(), **near)
    np.testing.assert_allclose(linalg.pinv(a).numpy(), np.linalg.pinv(n), **near)
    values, vectors = linalg.eigh(a)
    np.testing.assert_allclose((vectors.numpy() * values.numpy()[..., None, :]) @ H(vectors.numpy()), n, **near)
    values, vectors = linalg.eig(a)
    np.testing.assert_allclose(n @ vectors.numpy(), vectors.numpy() * values.numpy()[..., None, :], **near)
    assert values.dtype == (framework.complex64 if "64" in kind and kind != "float64" else values.dtype)
    sign, log = linalg.slogdet(a)
    np.testing.assert_allclose(sign.numpy() * np.exp(log.numpy()), np.linalg.det(n), rtol=1e-3)
    np.testing.assert_allclose(framework.det(a).numpy(), np.linalg.det(n), rtol=1e-3)


def _hermitian(f):
    return lambda a: f(a + a.mH)


UNARY = {
    "inv": (linalg.inv, regular(2, 3, 3)),
    "inv complex": (linalg.inv, regular(2, 2, kind="complex128")),
    "det": (linalg.det, regular(2, 3, 3)),
    "det singular": (linalg.det, framework.tensor(np.array([[1.0, 2.0, 0.5], [2.0, 4.0, 1.0], [0.3, -1.0, 2.0]]))),
    "det complex": (linalg.det, regular(3, 3, kind="complex128")),
    "slogdet": (lambda a: linalg.slogdet(a).logabsdet, regular(2, 3, 3)),
    "slogdet complex": (lambda a: tuple(linalg.slogdet(a)), regular(3, 3, kind="complex128")),
    "logdet": (framework.logdet, definite(3, 3)),
    "cholesky": (lambda a: linalg.cholesky(a @ a.mT + framework.tensor(np.eye(3))), regular(3, 3)),
    "cholesky complex": (
        lambda a: linalg.cholesky(a @ a.mH + framework.tensor(np.eye(2)), upper=True),
        regular(2, 2, kind="complex128")),
    "cholesky_inverse": (lambda a: framework.cholesky_inverse(linalg.cholesky(a @ a.mT)), regular(3, 3)),
    "qr tall": (lambda a: tuple(linalg.qr(a)), regular(4, 3)),
    "qr wide": (lambda a: tuple(linalg.qr(a)), regular(2, 4)),
    "qr complex": (lambda a: tuple(linalg.qr(a)), regular(3, 2, kind="complex128")),
    "svd tall": (lambda a: abs(linalg.svd(a, full_matrices=False).U), regular(4, 2)),
    "svd wide": (lambda a: abs(linalg.svd(a).Vh[:2]), regular(2, 4)),
    "svd all": (lambda a: (lambda u, s, v: (u * s.exp()) @ v)(*linalg.svd(a, False)), regular(3, 3)),
    "svd complex": (
        lambda a: (lambda u, s, v: (u * s.exp()) @ v)(*linalg.svd(a, False)), regular(3, 2, kind="complex128")),
    "svdvals": (linalg.svdvals, regular(2, 3, 4)),
    "eigh": (_hermitian(lambda a: (lambda w, v: (v * w.exp()) @ v.mH)(*linalg.eigh(a))), regular(3, 3)),
    "eigh complex": (
        _hermitian(lambda a: (lambda w, v: (v * w.exp()) @ v.mH)(*linalg.eigh(a))), regular(2, 2, kind="complex128")),
    "eigvalsh": (_hermitian(linalg.eigvalsh), regular(3, 3)),
    "eig": (lambda a: (lambda w, v: (v * w.exp()) @ linalg.inv(v))(*linalg.eig(a)), regular(3, 3)),
    "eigvals": (lambda a: linalg.eigvals(a).exp().sum(), regular(3, 3, kind="complex128")),
    "pinv tall": (linalg.pinv, regular(4, 2)),
    "pinv wide": (linalg.pinv, regular(2, 3, kind="complex128")),
    "matrix_exp": (framework.matrix_exp, matrices(2, 2, 2)),
    "matrix_power": (lambda a: linalg.matrix_power(a, 5), matrices(2, 2)),
    "matrix_power -2": (lambda a: linalg.matrix_power(a, -2), regular(2, 2)),
    "matrix_norm nuc": (lambda a: linalg.matrix_norm(a, "nuc"), regular(3, 2)),
    "matrix_norm 2": (lambda a: linalg.norm(a, 2), regular(3, 2)),
    "matrix_norm 1": (lambda a: linalg.matrix_norm(a, 1, keepdim=True), regular(2, 3, 2)),
    "matrix_norm -inf": (lambda a: linalg.norm(a, -float("inf")), regular(2, 3)),
    "cond": (linalg.cond, regular(3, 3)),
    "cond fro": (lambda a: linalg.cond(a, "fro"), regular(3, 3)),
    "tensorinv": (lambda a: linalg.tensorinv(a.reshape(2, 2, 4), ind=2), regular(4, 4)),
    "vander": (lambda a: linalg.vander(a, N=4), matrices(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_gradients(name):
    f, x = UNARY[name]
    x = x.detach().clone().requires_grad_()
    assert gradcheck(f, (x,))
    # differences of gradients near a singular matrix are coarse: they divide by a determinant of 1e-6
    assert gradgradcheck(f, (x,), atol=1e-3 if name == "det singular" else 1e-5)


BINARY = {
    "solve": (linalg.solve, (3, 3), (3, 2)),
    "solve vector": (linalg.solve, (2, 3, 3), (2, 3)),
    "solve broadcast": (linalg.solve, (3, 3), (2, 3, 1)),
    "solve right": (lambda a, b: linalg.solve(a, b, left=False), (3, 3), (2, 3)),
    "triangular": (lambda a, b: linalg.solve_triangular(a, b, upper=True), (3, 3), (2, 3, 2)),
    "triangular unit": (
        lambda a, b: linalg.solve_triangular(a, b, upper=False, left=False, unitriangular=True), (3, 3), (2, 3)),
    "triangular_solve": (lambda a, b: framework.triangular_solve(b, a, transpose=True).solution, (3, 3), (3, 2)),
    "cholesky_solve": (lambda a, b: framework.cholesky_solve(b, linalg.cholesky(a @ a.mH)), (3, 3), (3, 2)),
    "lstsq": (lambda a, b: linalg.lstsq(a, b, driver="gelsd")[:2], (4, 2), (4, 3)),
    "lstsq wide": (lambda a, b: linalg.lstsq(a, b).solution, (2, 3), (2,)),
    "tensorsolve": (lambda a, b: linalg.tensorsolve(a.reshape(2, 3, 6), b), (6, 6), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize("name", BINARY)
def test_gradients_of_solvers(name, kind):
    f, left, right = BINARY[name]
    inputs = (regular(*left, kind=kind).requires_grad_(), matrices(*right, kind=kind, grad=True))
    assert gradcheck(f, inputs)
    assert gradgradcheck(f, inputs)


def test_singular_and_indefinite_matrices_raise():
    zero = framework.zeros(2, 2)
    with pytest.raises(linalg.LinAlgError, match="singular"):
        linalg.inv(zero)
    with pytest.raises(linalg.LinAlgError, match=r"Batch element 1"):
        linalg.inv(framework.stack([framework.eye(2), zero]))
    with pytest.raises(linalg.LinAlgError, match="singular"):
        linalg.solve(zero, framework.ones(2))
    with pytest.raises(linalg.LinAlgError, match="leading minor of order 2"):
        linalg.cholesky(framework.tensor([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(RuntimeError, match="non-finite"):
        linalg.svd(zero / 0)
    result, info = linalg.inv_ex(framework.stack([framework.eye(2) * 2, zero]))
    assert info.tolist() == [0, 1] and result[0].tolist() == [[0.5, 0.0], [0.0, 0.5]]
    assert info.dtype == framework.int32
    factor, info = linalg.cholesky_ex(framework.stack([framework.eye(2), -framework.eye(2)]))
    assert info.tolist() == [0, 1] and factor[0].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    x = linalg.solve_triangular(framework.tensor([[2.0, 0.0], [1.0, 0.0]]), framework.ones(2, 1), upper=False)
    assert x.tolist() == [[0.5], [float("inf")]]


@pytest.mark.parametrize("call, match", [
    (lambda: linalg.inv(framework.ones(2, 3)), "square"),
    (lambda: linalg.inv(framework.ones(3)), "at least 2 dimensions"),
    (lambda: linalg.inv(framework.ones(2, 2).long()), "floating point or complex"),
    (lambda: linalg.inv(framework.ones(2, 2).half()), "Low precision"),
    (lambda: linalg.solve(framework.eye(2), framework.ones(3)), "Incompatible shapes"),
    (lambda: linalg.solve(framework.eye(2), framework.ones(2).double()), "same dtype"),
    (lambda: linalg.qr(framework.ones(3, 2), "full"), "unrecognized mode"),
    (lambda: linalg.eigh(framework.eye(2), "X"), "UPLO"),
    (lambda: linalg.matrix_norm(framework.eye(2), 3), "not supported"),
    (lambda: linalg.matrix_norm(framework.eye(2), dim=(0, 0)), "must be different"),
    (lambda: linalg.norm(framework.ones(2, 2, 2), 2), "1D or 2D"),
    (lambda: linalg.cond(framework.ones(2, 3), 1), "square"),
    (lambda: linalg.lstsq(framework.ones(2, 2), framework.ones(2, 2), driver="x"), "driver"),
    (lambda: linalg.tensorinv(framework.ones(2, 3)), "prod"),
    (lambda: linalg.vander(framework.ones(3), N=1), "greater than 1"),
    (lambda: framework.matrix_exp(framework.ones(2, 3)), "square"),
])  # fmt: skip
def test_errors(call, match):
    with pytest.raises((RuntimeError, ValueError), match=match):
        call()


def test_derivatives_that_do_not_exist():
    x = matrices(3, 2, grad=True)
    with pytest.raises(RuntimeError, match="mode='r'"):
        linalg.qr(x, "r").R.sum().backward()
    with pytest.raises(RuntimeError, match="complete"):
        linalg.qr(x, "complete").R.sum().backward()


def test_ranks_norms_and_conditions():
    a = matrices(4, 3)
    flat = framework.cat([a, a[:, :1] * 2], 1)
    assert int(linalg.matrix_rank(flat)) == 3
    assert int(linalg.matrix_rank(flat, tol=100.0)) == 0
    assert linalg.matrix_rank(framework.eye(3).expand(2, 3, 3), hermitian=True).tolist() == [3, 3]
    n = a.numpy()
    for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        assert float(linalg.norm(a, order)) == pytest.approx(np.linalg.norm(n, order))
    assert float(linalg.norm(a)) == pytest.approx(np.linalg.norm(n))
    assert linalg.matrix_norm(framework.zeros(0, 3), 1).item() == 0
    square = regular(3, 3)
    for order in (None, "fro", 1, -2, np.inf):
        assert float(linalg.cond(square, order)) == pytest.approx(np.linalg.cond(square.numpy(), order))
    assert float(linalg.cond(framework.zeros(2, 2), 1)) == np.inf


def test_powers_exponentials_and_vandermonde():
    a = matrices(3, 3)
    np.testing.assert_allclose(linalg.matrix_power(a, 3).numpy(), np.linalg.matrix_power(a.numpy(), 3))
    assert linalg.matrix_power(a, 0).numpy().tolist() == np.eye(3).tolist()
    whole = framework.tensor([[1, 2], [3, 4]])
    assert linalg.matrix_power(whole, 3).tolist() == [[37, 54], [81, 118]]
    values, vectors = np.linalg.eig(a.numpy() * 20)
    expected = (vectors * np.exp(values)) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(framework.matrix_exp(a * 20).numpy(), expected.real, rtol=1e-7)
    assert framework.matrix_exp(framework.zeros(2, 0, 0)).shape == (2, 0, 0)
    x = framework.tensor([1, 2, 3])
    assert framework.vander(x).tolist() == np.vander([1, 2, 3]).tolist()
    assert framework.vander(x, 2, True).tolist() == np.vander([1, 2, 3], 2, True).tolist()


def test_least_squares():
    a, b = matrices(5, 4, 2), matrices(5, 4, 3)
    solution, residuals, rank, values = linalg.lstsq(a, b, driver="gelss")
    for i in range(5):
        x, r, _, s = np.linalg.lstsq(a[i].numpy(), b[i].numpy(), None)
        np.testing.assert_allclose(solution[i].numpy(), x, atol=1e-12)
        np.testing.assert_allclose(residuals[i].numpy(), r, atol=1e-12)
        np.testing.assert_allclose(values[i].numpy(), s, atol=1e-12)
    assert rank.tolist() == [2] * 5
    assert linalg.lstsq(a, b).residuals.shape == (0,)
