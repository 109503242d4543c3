"""Variances, covariances, norms, distances and histograms: values against NumPy, gradients, refusals."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.norms import vector_norm

RNG = np.random.default_rng(4)
X = RNG.standard_normal((3, 4))
Y = RNG.standard_normal((5, 4))
C = RNG.standard_normal((3, 4)) + 1j * RNG.standard_normal((3, 4))
INF = float("inf")


def leaf(values):
    return framework.tensor(np.asarray(values)).requires_grad_()


def close(got, wanted):
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name, reference", [("var", np.var), ("std", np.std)])
@pytest.mark.parametrize("data", [X, C], ids=["real", "complex"])
@pytest.mark.parametrize("dim", [None, 0, (0, 1), -1])
def test_spread(name, reference, data, dim):
    x, ours = framework.tensor(data), getattr(framework, name)
    close(ours(x, dim), reference(data, axis=dim, ddof=1))
    close(ours(x, dim, False), reference(data, axis=dim))
    close(ours(x, dim, unbiased=False, keepdim=True), reference(data, axis=dim, keepdims=True))
    close(getattr(x, name)(dim, correction=2), reference(data, axis=dim, ddof=2))
    spread, mean = getattr(framework, f"{name}_mean")(x, dim, correction=0)
    close(spread, reference(data, axis=dim))
    close(mean, data.mean(axis=dim))


def test_spread_forms():
    x = framework.tensor(X)
    close(x.var(False), X.var())  # the one positional argument is unbiased
    close(x.std(0, False, True), X.std(0, keepdims=True))
    assert np.isnan(framework.tensor(1.0).var().item())
    with pytest.raises(TypeError, match="unbiased or correction"):
        x.var(unbiased=True, correction=1)


def test_std_of_equal_values_has_gradient_zero():
    x = leaf([2.0, 2.0, 2.0])
    x.std().backward()
    assert x.grad.tolist() == [0, 0, 0]


GRADIENTS = {
    "var": (lambda x: x.var(0), X),
    "std": (lambda x: x.std(1, keepdim=True), X),
    "var_complex": (lambda x: x.var(1, correction=0), C),
    "std_complex": (lambda x: x.std(), C),
    "var_mean": (lambda x: framework.var_mean(x, 1), X),
    "cov": (lambda x: framework.cov(x), X),
    "corrcoef": (lambda x: framework.corrcoef(x), X),
    "corrcoef_complex": (lambda x: framework.corrcoef(x), C),
    "renorm": (lambda x: framework.renorm(x, 2, 0, 0.5), X),
    "dist": (lambda x: framework.dist(x, 2 * x + 1, 3), X),
    "pdist": (lambda x: framework.pdist(x, 1.5), Y),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    function, data = GRADIENTS[name]
    assert gradcheck(function, (leaf(data),))
    assert gradgradcheck(function, (leaf(data),))


def test_cov():
    x = framework.tensor(X)
    close(x.cov(), np.cov(X))
    close(x.cov(correction=0), np.cov(X, ddof=0))
    f, a = np.array([1, 2, 0, 3]), np.array([0.5, 1.0, 2.0, 0.1])
    close(x.cov(fweights=framework.tensor(f)), np.cov(X, fweights=f))
    got = x.cov(fweights=framework.tensor(f), aweights=framework.tensor(a))
    close(got, np.cov(X, fweights=f, aweights=a))
    close(framework.cov(framework.tensor(X[0])), np.cov(X[0]))
    close(framework.corrcoef(x), np.corrcoef(X))
    close(framework.corrcoef(framework.tensor(C)), np.corrcoef(C))
    assert framework.corrcoef(x[0]).item() == 1
    with pytest.raises(ShapeError, match="two or fewer"):
        framework.cov(framework.ones(2, 2, 2))
    with pytest.raises(DtypeError, match="integral"):
        x.cov(fweights=framework.tensor(a))
    with pytest.raises(ArgumentError, match="negative"):
        x.cov(aweights=framework.tensor(-a))


ORDERS = [0, 0.5, 1, 1.5, 2, 3, INF, -INF]


@pytest.mark.parametrize("p", ORDERS)
@pytest.mark.parametrize("data", [X, C], ids=["real", "complex"])
def test_vector_norm(p, data):
    x = framework.tensor(data)
    close(vector_norm(x, p, 1), np.linalg.norm(data, p, axis=1))
    close(x.norm(p, 0, True), np.linalg.norm(data, p, axis=0, keepdims=True))
    close(x.norm(p), np.linalg.norm(data.ravel(), p))
    assert gradcheck(lambda t: vector_norm(t, p, 1), (leaf(data),))
    assert gradgradcheck(lambda t: vector_norm(t, p, 1), (leaf(data),))


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, INF])
def test_norm_of_zeros_has_gradient_zero(p):
    x = leaf(np.zeros(3))
    (g,) = framework.autograd.grad(x.norm(p), x, create_graph=True)
    assert g.tolist() == [0, 0, 0]
    if g.requires_grad:
        (second,) = framework.autograd.grad(g.sum(), x, allow_unused=True)
        assert second is None or np.isfinite(second.numpy()).all()


def test_norm_forms():
    x = framework.tensor(X)
    close(x.norm(), np.linalg.norm(X))
    close(framework.norm(x, "fro", (0, 1), True), np.linalg.norm(X, keepdims=True))
    close(framework.norm(x, "nuc"), np.linalg.norm(X, "nuc"))
    assert framework.norm(x.float(), dtype=framework.float64).dtype is framework.float64
    assert framework.norm(framework.tensor(C)).dtype is framework.float64
    for bad in (framework.ones(2).long(), framework.tensor([True])):
        with pytest.raises(DtypeError, match="floating point or complex"):
            framework.norm(bad)
    with pytest.raises(ArgumentError, match="having no identity"):
        framework.norm(framework.zeros(0), INF)
    with pytest.raises(ArgumentError, match="not supported"):
        framework.norm(x, "max")


def test_renorm():
    x = framework.tensor(X)
    got = x.renorm(2, 0, 1.0)
    lengths = np.linalg.norm(X, axis=1)
    np.testing.assert_allclose(np.linalg.norm(got.numpy(), axis=1), np.minimum(lengths, 1), rtol=1e-6)
    assert x.renorm_(1, 1, 0.5) is x and (np.abs(x.numpy()).sum(0) <= 0.5).all()
    assert framework.ones(2, 2).to(framework.bfloat16).renorm(2, 0, 1.0).dtype is framework.bfloat16
    with pytest.raises(ArgumentError, match="at least 2"):
        framework.renorm(framework.ones(2), 2, 0, 1.0)


@pytest.mark.parametrize("p", [0, 1, 1.5, 2, 4, INF])
@pytest.mark.parametrize("mode", ["use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"])
def test_cdist(p, mode):
    gaps = X[:, None] - Y[None]
    close(framework.cdist(framework.tensor(X), framework.tensor(Y), p, mode), np.linalg.norm(gaps, p, axis=-1))
    function = lambda a, b: framework.cdist(a, b, p, mode)  # noqa: E731
    batched = leaf(RNG.standard_normal((2, 2, 4)))
    assert gradcheck(function, (batched, leaf(Y)))
    assert gradgradcheck(function, (batched, leaf(Y)))


def test_cdist_of_equal_rows_has_finite_gradients():
    x = leaf(X)
    framework.cdist(x, x).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_distances():
    i, j = np.triu_indices(5, 1)
    close(framework.pdist(framework.tensor(Y)), np.linalg.norm(Y[i] - Y[j], axis=1))
    close(framework.dist(framework.tensor(X), framework.tensor(X[0]), 1), np.abs(X - X[0]).sum())
    assert framework.cdist(framework.ones(0, 3), framework.ones(2, 3)).shape == (0, 2)
    with pytest.raises(ShapeError, match="same number of columns"):
        framework.cdist(framework.ones(2, 3), framework.ones(2, 4))
    with pytest.raises(ShapeError, match="2D"):
        framework.pdist(framework.ones(2))
    with pytest.raises(DtypeError, match="floating-point"):
        framework.cdist(framework.ones(2, 2).long(), framework.ones(2, 2).long())
    with pytest.raises(ArgumentError, match="non-negative"):
        framework.cdist(framework.ones(2, 2), framework.ones(2, 2), -1)


def test_bincount():
    x = framework.tensor([3, 1, 1])
    assert x.bincount().tolist() == [0, 2, 0, 1]
    assert x.bincount(minlength=6).tolist() == [0, 2, 0, 1, 0, 0]
    sums = framework.bincount(x, framework.tensor([0.5, 1.0, 2.0]))
    assert sums.tolist() == [0, 3, 0, 0.5] and sums.dtype is framework.float32
    assert framework.bincount(x, framework.tensor([1, 2, 3])).dtype is framework.float64
    assert framework.bincount(framework.zeros(0).long(), minlength=2).tolist() == [0, 0]
    with pytest.raises(ArgumentError, match="negative"):
        framework.bincount(framework.tensor([-1]))
    with pytest.raises(DtypeError, match="bincount"):
        framework.bincount(framework.ones(2))
    with pytest.raises(ShapeError, match="same length"):
        framework.bincount(x, framework.ones(2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_histograms(dtype):
    data = RNG.standard_normal(200).astype(dtype)
    x = framework.tensor(data)
    hist, edges = x.histogram(7)
    wanted, wanted_edges = np.histogram(data, 7)
    assert hist.tolist() == wanted.tolist() and hist.dtype == x.dtype
    np.testing.assert_allclose(edges.numpy(), wanted_edges, rtol=1e-6)
    assert x.histc(7).tolist() == wanted.tolist()
    assert x.histc(4, -1, 1).tolist() == np.histogram(data, 4, (-1, 1))[0].tolist()
    cuts = np.array([-1, 0, 0.5, 2], dtype)
    weight = np.abs(data)
    got = framework.histogram(x, framework.tensor(cuts), weight=framework.tensor(weight), density=True)
    np.testing.assert_allclose(got.hist.numpy(), np.histogram(data, cuts, weights=weight, density=True)[0], rtol=1e-5)
    points = data.reshape(100, 2)
    got = framework.histogramdd(framework.tensor(points), [3, 4], range=[-2.0, 2.0, -1.0, 1.0])
    wanted = np.histogramdd(points, [3, 4], [(-2, 2), (-1, 1)])[0]
    assert got.hist.tolist() == wanted.tolist() and len(got.bin_edges) == 2


def test_histogram_refusals():
    x = framework.ones(3)
    assert x.histc(3).tolist() == [0, 3, 0]  # an empty range is widened by 1 each way
    with pytest.raises(ArgumentError, match="> 0"):
        x.histc(0)
    with pytest.raises(ArgumentError, match="larger than min"):
        x.histc(3, 2, 1)
    with pytest.raises(ArgumentError, match="finite"):
        framework.tensor([INF]).histc(3)
    with pytest.raises(DtypeError, match="histogram"):
        framework.histogram(x.long(), 3)
    with pytest.raises(ShapeError, match="at least 2"):
        framework.histogramdd(x, 3)
