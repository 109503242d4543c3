"""Special functions: values against SciPy, gradients of both orders, half precision and refusals."""

import math

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError

scipy = pytest.importorskip("scipy.special")

RNG = np.random.default_rng(0)

# name, SciPy's function, an interval on which it is smooth
UNARY = [
    ("erf", scipy.erf, (-2, 2)),
    ("erfc", scipy.erfc, (-2, 2)),
    ("erfcx", scipy.erfcx, (-1, 2)),
    ("erfinv", scipy.erfinv, (-0.8, 0.8)),
    ("ndtr", scipy.ndtr, (-2, 2)),
    ("ndtri", scipy.ndtri, (0.2, 0.8)),
    ("log_ndtr", scipy.log_ndtr, (-3, 2)),
    ("gammaln", scipy.gammaln, (0.5, 4)),
    ("digamma", scipy.psi, (0.5, 4)),
    ("entr", scipy.entr, (0.2, 2)),
    ("i0", scipy.i0, (-2, 2)),
    ("i0e", scipy.i0e, (0.2, 2)),
    ("i1", scipy.i1, (-2, 2)),
    ("i1e", scipy.i1e, (0.2, 2)),
    ("expit", scipy.expit, (-2, 2)),
    ("logit", scipy.logit, (0.2, 0.8)),
    ("log1p", np.log1p, (-0.5, 2)),
    ("expm1", np.expm1, (-1, 1)),
    ("exp2", np.exp2, (-1, 1)),
    ("sinc", np.sinc, (0.2, 2)),
]
NO_HALF = {"erfcx", "ndtri", "log_ndtr"}


@pytest.mark.parametrize(("name", "expected", "interval"), UNARY, ids=[row[0] for row in UNARY])
class TestUnary:
    def test_values(self, name, expected, interval):
        x = RNG.uniform(*interval, (3, 4))
        op = getattr(framework.special, name)
        for array in (x, x.T, x[0, 0], x[:0]):
            np.testing.assert_allclose(op(framework.tensor(array)).numpy(), expected(array), rtol=1e-12)
        single = op(framework.tensor(x, dtype=framework.float32))
        assert single.dtype is framework.float32
        np.testing.assert_allclose(single.numpy(), expected(x), rtol=1e-4)

    def test_half_precision(self, name, expected, interval):
        x = framework.tensor(RNG.uniform(*interval, 8), dtype=framework.bfloat16)
        if name in NO_HALF:
            with pytest.raises(DtypeError, match=name):
                getattr(framework.special, name)(x)
            return
        y = getattr(framework.special, name)(x)
        assert y.dtype is framework.bfloat16
        np.testing.assert_allclose(y.double().numpy(), expected(x.double().numpy()), rtol=1e-2, atol=1e-2)

    def test_gradients_of_both_orders(self, name, expected, interval):
        op = getattr(framework.special, name)
        x = framework.tensor(RNG.uniform(*interval, (2, 3))).requires_grad_()
        assert gradcheck(op, (x,))
        assert gradgradcheck(op, (x,))

    def test_integers_and_complex(self, name, expected, interval):
        op = getattr(framework.special, name)
        assert op(framework.tensor([1, 1])).dtype is framework.float32
        assert op(framework.tensor([True])).dtype is framework.float32
        if name not in ("expit", "log1p", "expm1", "exp2", "sinc"):
            with pytest.raises(DtypeError, match="complex64"):
                op(framework.tensor([1j]))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_polygamma(n):
    x = framework.tensor(RNG.uniform(0.6, 4, (2, 3))).requires_grad_()
    np.testing.assert_allclose(x.polygamma(n).detach().numpy(), scipy.polygamma(n, x.detach().numpy()), rtol=1e-10)
    assert gradcheck(lambda x: framework.polygamma(n, x), (x,))
    assert gradgradcheck(lambda x: framework.polygamma(n, x), (x,))


def test_gamma_functions_at_the_edges():
    x = framework.tensor([-1.5, 0.0, -0.0, -2.0])
    y = framework.digamma(x).tolist()
    assert y[0] == pytest.approx(float(scipy.psi(-1.5)), rel=1e-5)
    assert y[1:3] == [-math.inf, math.inf]
    assert math.isnan(y[3])
    assert framework.polygamma(1, framework.tensor([-1.5])).item() == pytest.approx(math.pi**2 / 2 + 40 / 9, rel=1e-5)
    with pytest.raises(ArgumentError, match="negative n"):
        framework.polygamma(-1, x)
    with pytest.raises(ArgumentError, match="greater than or equal to 1"):
        framework.mvlgamma(x, 0)


@pytest.mark.parametrize("p", [1, 2, 4])
def test_mvlgamma(p):
    x = framework.tensor(RNG.uniform(2.5, 5, (2, 3))).requires_grad_()
    wanted = np.vectorize(lambda v: scipy.multigammaln(v, p))(x.detach().numpy())
    np.testing.assert_allclose(framework.special.multigammaln(x, p).detach().numpy(), wanted, rtol=1e-12)
    assert gradcheck(lambda x: x.mvlgamma(p), (x,))


BINARY = [
    ("xlogy", scipy.xlogy, (0.3, 2), (0, 1)),
    ("xlog1py", scipy.xlog1py, (0.3, 2), (0, 1)),
    ("gammainc", scipy.gammainc, (0.5, 3), (1,)),
    ("gammaincc", scipy.gammaincc, (0.5, 3), (1,)),
    ("zeta", scipy.zeta, (1.5, 4), (1,)),
]


@pytest.mark.parametrize(("name", "expected", "interval", "differentiable"), BINARY, ids=[row[0] for row in BINARY])
def test_binary(name, expected, interval, differentiable):
    op = getattr(framework.special, name)
    a, b = (framework.tensor(RNG.uniform(*interval, shape)) for shape in ((3, 1), (2,)))
    np.testing.assert_allclose(op(a, b).numpy(), expected(a.numpy(), b.numpy()), rtol=1e-10)
    inputs = tuple(t.requires_grad_(i in differentiable) for i, t in enumerate((a, b)))
    assert gradcheck(op, inputs)
    assert gradgradcheck(op, inputs)
    if 0 not in differentiable:
        with pytest.raises(RuntimeError, match="not implemented"):
            op(a.clone().requires_grad_(), b).sum().backward()


def test_xlogy_at_zero():
    x = framework.tensor([0.0, 0.0, 0.0], requires_grad=True)
    y = framework.xlogy(x, framework.tensor([0.0, 2.0, math.nan]))
    assert y.tolist()[:2] == [0.0, 0.0]
    assert math.isnan(y.tolist()[2])
    framework.xlogy(x, framework.tensor([0.0, -1.0, 2.0])).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, math.log(2)], rtol=1e-6)
    assert framework.xlogy(2, framework.tensor([1.0])).tolist() == [0.0]


def test_logit_clamps():
    x = framework.tensor([0.0, 0.5, 1.0], dtype=framework.float64, requires_grad=True)
    y = framework.logit(x, eps=0.1)
    np.testing.assert_allclose(y.detach().numpy(), [math.log(1 / 9), 0, math.log(9)])
    y.sum().backward()
    assert x.grad.tolist() == [0, 4, 0]
    assert framework.logit(framework.tensor([2.0])).isnan().item()


def test_out_and_in_place():
    x = framework.tensor([0.1, 0.2])
    out = framework.tensor([0.0, 0.0], dtype=framework.float64)
    assert framework.erf(x, out=out) is out
    np.testing.assert_allclose(out.numpy(), scipy.erf(x.numpy()), rtol=1e-6)
    assert x.erf_() is x
    np.testing.assert_allclose(x.numpy(), out.numpy(), rtol=1e-6)
