"""Complex tensors: parts as views, making them, and gradients of complex ops."""

import math

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import DtypeError, ShapeError

VALUES = np.array([[1 + 2j, -0.5 + 0.3j], [0.7 - 1.1j, -1.2 - 0.4j]])


def leaf(values=VALUES):
    return framework.tensor(values, dtype=framework.complex128).requires_grad_()


HOLOMORPHIC = [
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "square", "neg", "sin",
    "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid", "sinc",
]  # fmt: skip
OTHERS = ["abs", "angle", "sgn", "conj", "conj_physical", "real", "imag", "view_as_real"]


@pytest.mark.parametrize("name", HOLOMORPHIC + OTHERS)
def test_gradients(name):
    op = getattr(framework, name)
    assert gradcheck(op, (leaf(),))
    assert gradgradcheck(op, (leaf(),))


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "logaddexp"])
def test_gradients_of_two_arguments(name):
    other = leaf(np.array([[0.4 - 0.6j, 1.3 + 0.2j]]))
    assert gradcheck(getattr(framework, name), (leaf(), other))
    assert gradgradcheck(getattr(framework, name), (leaf(), other))


@pytest.mark.parametrize("name", HOLOMORPHIC)
def test_values(name):
    expected = {
        "rsqrt": lambda z: 1 / np.sqrt(z), "neg": np.negative, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
        "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    }.get(name) or getattr(np, name)  # fmt: skip
    y = getattr(framework, name)(framework.tensor(VALUES))
    assert y.dtype is framework.complex128
    np.testing.assert_allclose(y.numpy(), expected(VALUES), rtol=1e-12)


def test_parts_are_views():
    z = framework.tensor(VALUES.T)
    assert z.real.dtype is framework.float64
    z.real[0, 0] = 10
    z.imag = framework.tensor(np.zeros((2, 2)))
    assert z[0, 0].item() == 10
    assert not z.imag.any()
    framework.view_as_real(z)[1, 1, 1] = 3
    assert z[1, 1].imag.item() == 3
    x = framework.ones(2)
    assert x.real is x
    with pytest.raises(DtypeError, match="imag"):
        _ = x.imag


def test_a_write_through_a_part_has_gradients():
    z, r = leaf(), framework.tensor(np.ones((2, 2))).requires_grad_()
    w = z * 1
    w.real.mul_(r * 3)
    (w.real * 2 + w.imag * 5).sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), np.full((2, 2), 6 + 5j))
    np.testing.assert_allclose(r.grad.numpy(), 6 * VALUES.real)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_making(dtype):
    kind = getattr(framework, dtype)
    a, b = framework.tensor([3.0, 0.0, 1.0], dtype=kind), framework.tensor([4.0, math.inf, 0.0], dtype=kind)
    z = framework.complex(a, b)
    assert z.dtype is kind.to_complex()
    assert z.tolist() == [3 + 4j, complex(0, math.inf), 1]
    size, angle = z[:1].abs(), z[:1].angle()
    assert size.dtype is kind
    np.testing.assert_allclose(framework.polar(size, angle).numpy(), [3 + 4j], rtol=1e-6)
    pair = framework.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=kind)
    assert framework.view_as_complex(pair).tolist() == [1 + 2j, 3 + 4j]


def test_making_has_gradients():
    a, b = (framework.tensor(np.array(v)).requires_grad_() for v in ([0.5, 1.5], [[0.3], [-0.7]]))
    for op in (framework.complex, framework.polar):
        assert gradcheck(op, (a, b))
        assert gradgradcheck(op, (a, b))
    pairs = framework.tensor(np.ones((3, 2)) * 0.4).requires_grad_()
    assert gradcheck(lambda p: framework.view_as_complex(p) ** 2, (pairs,))


def test_conjugates_are_never_pending():
    z = framework.tensor(VALUES)
    c = z.conj()
    assert c.tolist() == np.conj(VALUES).tolist()
    assert not c.is_conj()
    assert not framework.is_conj(c)
    assert framework.resolve_conj(c) is c
    assert framework.resolve_neg(c) is c
    x = framework.ones(2)
    assert framework.conj(x) is x


def test_angle_of_real_numbers():
    x = framework.tensor([1.0, -1.0, math.nan, 0.0], dtype=framework.float16)
    y = framework.angle(x)
    assert y.dtype is framework.float16
    np.testing.assert_allclose(y.float().numpy(), [0, math.pi, math.nan, 0], rtol=1e-3)
    assert framework.angle(framework.tensor([-1])).dtype is framework.float32


def test_refusals():
    x = framework.ones(2)
    with pytest.raises(DtypeError, match="one dtype"):
        framework.complex(x, x.double())
    with pytest.raises(DtypeError, match="float or double"):
        framework.complex(x.long(), x.long())
    with pytest.raises(DtypeError, match="view_as_real"):
        framework.view_as_real(x)
    with pytest.raises(ShapeError, match="size 2"):
        framework.view_as_complex(framework.ones(3))
    with pytest.raises(ShapeError, match="stride 1"):
        framework.view_as_complex(framework.ones(2, 2).transpose(0, 1))
    for op in (framework.sign, framework.floor, framework.deg2rad, framework.erf):
        with pytest.raises(DtypeError, match="complex64"):
            op(framework.tensor([1j]))
