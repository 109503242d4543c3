"""Running results, differences and integrals: values against NumPy, gradients of both orders, refusals."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.cumulative import scan

RNG = np.random.default_rng(2)
X = RNG.standard_normal((3, 4))
ZEROS = np.array([[1.0, 0.0, 2.0, 0.5], [0.0, 3.0, 0.0, 1.0], [2.0, 1.5, -1.0, 0.3]])


def leaf(values):
    return framework.tensor(np.asarray(values)).requires_grad_()


RUNNING = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "logcumsumexp": lambda x, axis: np.log(np.cumsum(np.exp(x), axis=axis)),
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
}


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name", RUNNING)
def test_values(name, dim):
    for x in (framework.tensor(X), framework.tensor(X.T.copy()).t()):
        got = getattr(x, name)(dim)
        got = got.values if name in ("cummax", "cummin") else got
        np.testing.assert_allclose(got.numpy(), RUNNING[name](X, axis=dim), rtol=1e-12)


@pytest.mark.parametrize("name", RUNNING)
def test_single_and_empty(name):
    for shape in ((), (0,), (2, 0)):
        got = getattr(framework.ones(*shape) if shape else framework.tensor(1.0), name)(0)
        got = got.values if name in ("cummax", "cummin") else got
        assert got.shape == shape
        assert got.numpy().tolist() == np.ones(shape).tolist()


def test_cummax_gives_the_latest_index_and_keeps_nan():
    x = framework.tensor([1.0, 3.0, 3.0, 2.0, float("nan"), 9.0])
    assert x.cummax(0).indices.tolist() == [0, 1, 2, 2, 4, 4]
    assert x.cummin(0).indices.tolist()[:5] == [0, 0, 0, 0, 4]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8])
def test_scan_by_doubling_equals_accumulate(n, monkeypatch):
    x = RNG.standard_normal((2, n, 3))
    wanted = np.maximum.accumulate(x, axis=1)
    # as on CuPy, whose ufuncs do not accumulate
    monkeypatch.setattr("framework.ops.cumulative.array_module", lambda array: None)
    np.testing.assert_array_equal(scan(np.maximum, x, 1), wanted)


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("name, data", [
    ("cumsum", X), ("cumprod", X), ("cumprod", ZEROS), ("logcumsumexp", X),
    ("cumprod", X + 1j * X[::-1]), ("logcumsumexp", X + 0.5j * X[::-1]), ("cumsum", X + 1j * X[::-1]),
], ids=["cumsum", "cumprod", "cumprod_zeros", "logcumsumexp", "cumprod_c", "logcumsumexp_c", "cumsum_c"])  # fmt: skip
def test_gradients(name, data, dim):
    x = leaf(data)
    assert gradcheck(lambda t: getattr(t, name)(dim), (x,))
    assert gradgradcheck(lambda t: getattr(t, name)(dim), (x,))


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_extreme_gradients(name):
    x = leaf(RNG.permutation(12).reshape(3, 4) / 5.0)
    assert gradcheck(lambda t: getattr(t, name)(0).values, (x,))
    assert gradgradcheck(lambda t: getattr(t, name)(0).values, (x,))
    y = leaf([2.0, 2.0, 1.0])
    y.cummax(0).values.sum().backward()
    assert y.grad.tolist() == [1, 2, 0]


def test_logcumsumexp_does_not_overflow():
    x = leaf([-np.inf, 1000.0, 1000.0, -np.inf])
    y = x.logcumsumexp(0)
    np.testing.assert_allclose(y.detach().numpy(), [-np.inf, 1000, 1000 + np.log(2), 1000 + np.log(2)])
    y[2].backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0.5, 0.5, 0])


def test_dtypes():
    x = framework.tensor([True, True])
    assert x.cumsum(0).tolist() == [1, 2] and x.cumsum(0).dtype is framework.int64
    small = framework.tensor([100, 100, 100]).to(framework.int8)
    assert small.cumsum(0).tolist() == [100, 200, 300]
    assert framework.cumprod(small, 0, dtype=framework.float64).tolist() == [1e2, 1e4, 1e6]
    ones = framework.ones(4096).to(framework.bfloat16)
    assert ones.cumsum(0)[-1].item() == 4096  # bfloat16 alone would stop at 256
    with pytest.raises(DtypeError, match="logcumsumexp"):
        small.logcumsumexp(0)


def test_in_place():
    x = framework.tensor(X)
    assert x.cumsum_(0) is x
    np.testing.assert_allclose(x.numpy(), X.cumsum(0))
    small = framework.tensor([100, 27]).to(framework.int32)
    assert small.cumprod_(0).dtype is framework.int32 and small.tolist() == [100, 2700]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_diff(n):
    x = framework.tensor(X)
    np.testing.assert_allclose(x.diff(n, 0).numpy(), np.diff(X, n, 0))
    if n == 1:
        got = framework.diff(x, n, 1, prepend=x[:, :1], append=x[:, :2])
        np.testing.assert_allclose(got.numpy(), np.diff(X, n, 1, prepend=X[:, :1], append=X[:, :2]))
    assert gradcheck(lambda t: t.diff(n), (leaf(X),))


def test_diff_of_bools_and_refusals():
    assert framework.diff(framework.tensor([True, False, False])).tolist() == [True, False]
    with pytest.raises(ShapeError, match="one-dimensional"):
        framework.diff(framework.tensor(1.0))
    with pytest.raises(ShapeError, match="lengths of input"):
        framework.diff(framework.ones(2, 2), append=framework.ones(3, 1))
    with pytest.raises(ArgumentError, match="non-negative"):
        framework.diff(framework.ones(2), -1)


COORDINATES = (np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.5, 2.0, 2.5]))


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("spacing", [1, 2.5, [2.0, 0.5], COORDINATES], ids=["one", "number", "numbers", "coordinates"])
def test_gradient(spacing, edge_order):
    arguments = spacing if isinstance(spacing, list | tuple) else [spacing]
    wanted = np.gradient(X, *arguments, edge_order=edge_order)
    ours = tuple(framework.tensor(c) for c in spacing) if spacing is COORDINATES else spacing
    got = framework.gradient(framework.tensor(X), spacing=ours, edge_order=edge_order)
    assert isinstance(got, tuple)
    for mine, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-10)
    assert gradcheck(lambda t: framework.gradient(t, spacing=ours, edge_order=edge_order), (leaf(X),))


def test_gradient_refusals():
    with pytest.raises(ArgumentError, match="edge_order"):
        framework.gradient(framework.ones(2), edge_order=2)
    with pytest.raises(ArgumentError, match="spacing"):
        framework.gradient(framework.ones(3, 3), spacing=[1.0])


def test_trapezoids():
    x = framework.tensor(X)
    points = np.array([0.0, 1.0, 4.0, 4.5])
    np.testing.assert_allclose(framework.trapezoid(x).numpy(), np.trapezoid(X))
    np.testing.assert_allclose(framework.trapz(x, dx=0.5, dim=0).numpy(), np.trapezoid(X, dx=0.5, axis=0))
    np.testing.assert_allclose(framework.trapezoid(x, framework.tensor(points)).numpy(), np.trapezoid(X, points))
    steps = np.cumsum((X[:, 1:] + X[:, :-1]) / 2 * np.diff(points), 1)
    np.testing.assert_allclose(framework.cumulative_trapezoid(x, framework.tensor(points)).numpy(), steps)
    assert gradcheck(lambda t, p: framework.trapezoid(t, p), (leaf(X), leaf(points)))
    assert gradgradcheck(lambda t, p: framework.cumulative_trapezoid(t, p), (leaf(X), leaf(points)))
    with pytest.raises(ShapeError, match="each sample point"):
        framework.trapezoid(x, framework.ones(3))
