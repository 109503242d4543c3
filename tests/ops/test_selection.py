"""where, clamp and the greater and smaller of two; signs, and numbers in place of nan."""

import math

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError

nan, inf = math.nan, math.inf


def leaf(values):
    return framework.tensor(values, dtype=framework.float64).requires_grad_()


def test_where_broadcasts_and_has_gradients():
    condition = framework.tensor([[True], [False]])
    a, b = leaf([1.0, 2.0, 3.0]), leaf([[4.0], [5.0]])
    y = framework.where(condition, a, b)
    np.testing.assert_array_equal(y.detach().numpy(), [[1, 2, 3], [5, 5, 5]])
    assert gradcheck(lambda a, b: framework.where(condition, a, b), (a, b))
    assert gradgradcheck(lambda a, b: framework.where(condition, a * a, b * b), (a, b))
    assert a.where(condition, b).tolist() == y.tolist()
    assert framework.where(condition, a, 0.5)[1].tolist() == [0.5] * 3


@pytest.mark.parametrize(
    "function",
    [
        lambda x: framework.where(x > 0, x, 0),
        lambda x: framework.maximum(x, x * 0.5),
        lambda x: x.clamp(min=0),
        lambda x: x.max(),
        lambda x: x.norm(),
    ],
)
def test_the_gradient_of_a_number_in_double_precision_keeps_its_digits(function):
    """NumPy's float64 is a Python float too, but not one that takes the default dtype."""
    x = leaf(0.5)
    (function(x) * (1 / 3)).backward()
    assert x.grad.item() == 1 / 3


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(1, 2, "int64"), (1, 2.5, "float32"), (True, False, "bool"), (1.0, 1j, "complex64")],
)
def test_where_of_numbers(x, y, expected):
    out = framework.where(framework.tensor([True, False]), x, y)
    assert out.dtype is getattr(framework, expected)
    assert out.tolist() == [x, y]


def test_where_refuses():
    x = framework.ones(2)
    with pytest.raises(DtypeError, match="boolean"):
        framework.where(framework.tensor([1, 0]), x, x)
    with pytest.warns(UserWarning, match="uint8"):
        framework.where(framework.tensor([1, 0], dtype=framework.uint8), x, x)
    with pytest.raises(ShapeError, match="where"):
        framework.where(framework.tensor([True] * 3), x, x)
    with pytest.raises(TypeError, match="condition"):
        framework.where(True, x, x)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("bounds", [(1, 3), (None, 3), (1, None), (3, 1)])
def test_clamp(dtype, bounds):
    values = np.array([0, 1, 2, 3, 4])
    x = framework.tensor(values, dtype=getattr(framework, dtype))
    low, high = bounds
    wanted = values if low is None else np.maximum(values, low)
    wanted = wanted if high is None else np.minimum(wanted, high)
    for y in (framework.clamp(x, low, high), x.clip(min=low, max=high), x.clone().clamp_(low, high)):
        assert y.dtype is x.dtype
        assert y.tolist() == wanted.tolist()


def test_clamp_promotes_and_refuses():
    i = framework.tensor([1, 5])
    assert i.clamp(0.5, 2).dtype is framework.float32
    assert i.clamp(max=framework.tensor(2.5)).tolist() == [1.0, 2.5]
    assert framework.clamp_min(i, framework.tensor([3, 3])).tolist() == [3, 5]
    assert framework.clamp_max(i, 2).tolist() == [1, 2]
    assert framework.clamp(framework.tensor([nan, 1.0]), 0, nan).isnan().all()
    with pytest.raises(ArgumentError, match="must not be None"):
        i.clamp()
    with pytest.raises(DtypeError, match="can't be cast"):
        i.clamp_(0.5)
    with pytest.raises(DtypeError, match="complex"):
        framework.clamp(framework.tensor([1j]), 0)


def test_clamp_gradients_at_and_outside_the_bounds():
    x, low, high = leaf([0.0, 1.0, 2.0, 3.0, 4.0, 2.0]), leaf([1.0] * 5 + [5.0]), leaf([3.0] * 6)
    framework.clamp(x, low, high).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0, 0]
    assert low.grad.tolist() == [1, 0, 0, 0, 0, 0]
    assert high.grad.tolist() == [0, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_extremes_with_nan(dtype):
    a, b = (framework.tensor(v, dtype=getattr(framework, dtype)) for v in ([1.0, nan, 3.0], [2.0, 1.0, nan]))
    for name, expected in (
        ("maximum", [2.0, nan, nan]),
        ("minimum", [1.0, nan, nan]),
        ("fmax", [2.0, 1.0, 3.0]),
        ("fmin", [1.0, 1.0, 3.0]),
    ):
        np.testing.assert_array_equal(getattr(framework, name)(a, b).double().numpy(), expected)


def test_equal_elements_share_the_gradient():
    for op in (framework.maximum, framework.minimum):
        a, b = leaf([1.0, 2.0]), leaf([1.0, 1.0])
        op(a, b).sum().backward()
        assert a.grad.tolist()[0] == b.grad.tolist()[0] == 0.5
    a, b = leaf([1.0, nan]), leaf([1.0, 1.0])
    framework.fmax(a, b).sum().backward()
    assert a.grad.tolist() == [1.0, 0.0]
    assert b.grad.tolist() == [0.0, 1.0]
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        framework.maximum(framework.ones(2), 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nan_to_num(dtype):
    kind = getattr(framework, dtype)
    x = framework.tensor([nan, inf, -inf, 1.0], dtype=kind)
    limits = framework.finfo(kind)
    assert framework.nan_to_num(x).tolist() == [0.0, limits.max, limits.min, 1.0]
    assert x.nan_to_num(1.0, 2.0, -2.0).tolist() == [1.0, 2.0, -2.0, 1.0]
    leaf_ = x.clone().requires_grad_()
    leaf_.nan_to_num().sum().backward()
    assert leaf_.grad.tolist() == [0, 0, 0, 1]


def test_nan_to_num_of_other_dtypes():
    z = framework.nan_to_num(framework.tensor([complex(nan, inf)]))
    assert z.real.tolist() == [0.0]
    assert z.imag.tolist() == [framework.finfo(framework.float32).max]
    i = framework.tensor([1, 2])
    assert framework.nan_to_num(i).tolist() == [1, 2]
    assert framework.nan_to_num(i) is not i


def test_signs():
    x = framework.tensor([-2.0, -0.0, 0.0, 3.0, nan])
    assert framework.sign(x).tolist() == [-1, 0, 0, 1, 0]
    assert framework.copysign(framework.tensor([1, -2]), -0.0).tolist() == [-1.0, -2.0]
    half = framework.tensor([0.5] * 5)
    assert framework.heaviside(x, half)[:4].tolist() == [0, 0.5, 0.5, 1]
    assert framework.nextafter(framework.tensor([1.0]), framework.tensor([2.0])).item() == 1 + 2**-23
    a = leaf([2.0, 0.0])
    framework.copysign(a, leaf([-1.0, -1.0])).sum().backward()
    assert a.grad.tolist() == [-1.0, 0.0]
    with pytest.raises(DtypeError, match="one dtype"):
        framework.heaviside(x, x.double())
    with pytest.raises(RuntimeError, match="not implemented"):
        framework.heaviside(leaf([1.0]), leaf([1.0])).backward()
