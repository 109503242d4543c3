"""Elementwise ops: values against NumPy, gradients of both orders, dtypes, shapes and refusals."""

import math

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, GraphError, ShapeError

RNG = np.random.default_rng(0)


def leaf(values, dtype=framework.float64):
    return framework.tensor(np.asarray(values), dtype=dtype).requires_grad_()


# name, NumPy's function, an interval on which the op is smooth
UNARY = [
    ("abs", np.abs, (0.3, 2)),
    ("neg", np.negative, (-2, 2)),
    ("reciprocal", np.reciprocal, (0.5, 2)),
    ("square", np.square, (-2, 2)),
    ("exp", np.exp, (-1, 1)),
    ("exp2", np.exp2, (-1, 1)),
    ("expm1", np.expm1, (-1, 1)),
    ("log", np.log, (0.5, 2)),
    ("log2", np.log2, (0.5, 2)),
    ("log10", np.log10, (0.5, 2)),
    ("log1p", np.log1p, (-0.5, 2)),
    ("sqrt", np.sqrt, (0.5, 2)),
    ("rsqrt", lambda x: 1 / np.sqrt(x), (0.5, 2)),
    ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), (-2, 2)),
    ("logit", lambda x: np.log(x / (1 - x)), (0.2, 0.8)),
    ("sin", np.sin, (-2, 2)),
    ("cos", np.cos, (-2, 2)),
    ("tan", np.tan, (-1, 1)),
    ("asin", np.arcsin, (-0.8, 0.8)),
    ("acos", np.arccos, (-0.8, 0.8)),
    ("atan", np.arctan, (-2, 2)),
    ("sinh", np.sinh, (-2, 2)),
    ("cosh", np.cosh, (-2, 2)),
    ("tanh", np.tanh, (-2, 2)),
    ("asinh", np.arcsinh, (-2, 2)),
    ("acosh", np.arccosh, (1.3, 3)),
    ("atanh", np.arctanh, (-0.8, 0.8)),
    ("sinc", np.sinc, (0.2, 2)),
    ("deg2rad", np.deg2rad, (-90, 90)),
    ("rad2deg", np.rad2deg, (-2, 2)),
    ("floor", np.floor, (0.1, 0.9)),
    ("ceil", np.ceil, (0.1, 0.9)),
    ("trunc", np.trunc, (-0.9, -0.1)),
    ("frac", lambda x: x - np.trunc(x), (0.1, 0.9)),
    ("round", np.rint, (0.6, 1.4)),
    ("sign", np.sign, (0.3, 2)),
    ("sgn", np.sign, (0.3, 2)),
    ("positive", lambda x: x, (-2, 2)),
    ("angle", np.angle, (0.3, 2)),
    ("nan_to_num", np.nan_to_num, (-2, 2)),
]

NOT_FOR_INTEGERS = {"frac"}
KEEPS_INTEGERS = {"abs", "neg", "square", "floor", "ceil", "trunc", "round", "sign", "sgn", "positive", "nan_to_num"}


def samples(interval, shape=(3, 4)):
    return RNG.uniform(*interval, shape)


@pytest.mark.parametrize(("name", "expected", "interval"), UNARY, ids=[row[0] for row in UNARY])
class TestUnary:
    def test_values_on_every_layout(self, name, expected, interval):
        op = getattr(framework, name)
        x = samples(interval, (4, 6))
        for array in (x, x.T, x[::2, ::3], x[0, 0], x[:0], x[:, None, :]):
            y = op(framework.from_numpy(np.asarray(array)))
            assert y.dtype is framework.float64
            np.testing.assert_allclose(y.numpy(), expected(np.asarray(array)), rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
    def test_precision(self, name, expected, interval, dtype):
        x = framework.tensor(samples(interval), dtype=getattr(framework, dtype))
        y = getattr(framework, name)(x)
        assert y.dtype is x.dtype
        wanted = expected(x.double().numpy())
        tolerance = {"float16": 2e-3, "bfloat16": 1e-2, "float32": 2e-6}[dtype]
        np.testing.assert_allclose(y.double().numpy(), wanted, rtol=tolerance, atol=tolerance)

    def test_gradients_of_both_orders(self, name, expected, interval):
        op = getattr(framework, name)
        x = leaf(samples(interval))
        assert gradcheck(op, (x,))
        assert gradgradcheck(op, (x,))

    def test_integers(self, name, expected, interval):
        x = framework.tensor([1, 2, 3])
        if name in NOT_FOR_INTEGERS:
            with pytest.raises(DtypeError, match=name):
                getattr(framework, name)(x)
        else:
            wanted = framework.int64 if name in KEEPS_INTEGERS else framework.float32
            assert getattr(framework, name)(x).dtype is wanted

    def test_method_and_in_place(self, name, expected, interval):
        x = framework.tensor(samples(interval))
        wanted = getattr(framework, name)(x).numpy()
        np.testing.assert_array_equal(getattr(x, name)().numpy(), wanted)
        if hasattr(framework.Tensor, f"{name}_"):
            assert getattr(x, f"{name}_")() is x
            np.testing.assert_array_equal(x.numpy(), wanted)

    def test_refuses_what_is_no_tensor(self, name, expected, interval):
        if name not in ("neg", "nan_to_num", "logit", "positive", "square"):
            with pytest.raises(TypeError, match="must be Tensor, not str"):
                getattr(framework, name)("text")


BINARY = [
    ("add", np.add, (-2, 2)),
    ("sub", np.subtract, (-2, 2)),
    ("mul", np.multiply, (-2, 2)),
    ("div", np.divide, (0.5, 2)),
    ("pow", np.power, (0.5, 2)),
    ("float_power", np.power, (0.5, 2)),
    ("fmod", np.fmod, (1.1, 1.9)),
    ("remainder", np.remainder, (1.1, 1.9)),
    ("maximum", np.maximum, (-2, 2)),
    ("minimum", np.minimum, (-2, 2)),
    ("fmax", np.fmax, (-2, 2)),
    ("fmin", np.fmin, (-2, 2)),
    ("atan2", np.arctan2, (0.5, 2)),
    ("hypot", np.hypot, (0.5, 2)),
    ("copysign", np.copysign, (0.5, 2)),
    ("logaddexp", np.logaddexp, (-2, 2)),
    ("logaddexp2", np.logaddexp2, (-2, 2)),
    ("ldexp", lambda a, b: a * 2**b, (-2, 2)),
]


@pytest.mark.parametrize(("name", "expected", "interval"), BINARY, ids=[row[0] for row in BINARY])
class TestBinary:
    @pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 1), (4,)), ((), (2, 3)), ((0, 3), (1, 3)), ((), ())])
    def test_values_and_broadcasting(self, name, expected, interval, shapes):
        a, b = (samples(interval, shape) for shape in shapes)
        y = getattr(framework, name)(framework.tensor(a), framework.tensor(b))
        np.testing.assert_allclose(y.numpy(), expected(a, b), rtol=1e-12, atol=1e-14)

    def test_gradients_of_both_orders(self, name, expected, interval):
        op = getattr(framework, name)
        a, b = leaf(samples(interval, (3, 1))), leaf(samples(interval, (2,)))
        assert gradcheck(op, (a, b))
        assert gradgradcheck(op, (a, b))

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision(self, name, expected, interval, dtype):
        a, b = (framework.tensor(samples(interval), dtype=getattr(framework, dtype)) for _ in range(2))
        y = getattr(framework, name)(a, b)
        assert y.dtype is (framework.float64 if name == "float_power" else a.dtype)
        wanted = expected(a.double().numpy(), b.double().numpy())
        np.testing.assert_allclose(y.double().numpy(), wanted, rtol=2e-2, atol=2e-2)

    def test_shapes_that_do_not_fit(self, name, expected, interval):
        with pytest.raises(ShapeError, match=r"must match.*\(2,\).*\(3,\)"):
            getattr(framework, name)(framework.ones(2), framework.ones(3))

    def test_refuses_what_is_no_tensor(self, name, expected, interval):
        with pytest.raises(TypeError, match="must be Tensor"):
            getattr(framework, name)(framework.ones(2), "text")


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (lambda a, b: a + b, [8, -5, 9]),
        (lambda a, b: a - b, [6, -9, 3]),
        (lambda a, b: a * b, [7, -14, 18]),
        (lambda a, b: a // b, [7, -4, 2]),
        (lambda a, b: a % b, [0, 1, 0]),
        (lambda a, b: framework.fmod(a, b), [0, -1, 0]),
        (lambda a, b: framework.div(a, b, rounding_mode="trunc"), [7, -3, 2]),
        (lambda a, b: divmod(a, b)[1], [0, 1, 0]),
        (lambda a, b: a & b, [1, 0, 2]),
        (lambda a, b: a | b, [7, -5, 7]),
        (lambda a, b: a ^ b, [6, -5, 5]),
        (lambda a, b: a << b, [14, -28, 48]),
        (lambda a, b: a >> b, [3, -2, 0]),
        (lambda a, b: ~a, [-8, 6, -7]),
        (lambda a, b: -a, [-7, 7, -6]),
        (lambda a, b: +a, [7, -7, 6]),
        (lambda a, b: abs(a), [7, 7, 6]),
        (lambda a, b: a**b, [7, 49, 216]),
        (lambda a, b: framework.gcd(a, b), [1, 1, 3]),
        (lambda a, b: framework.lcm(a, b), [7, 14, 6]),
        (lambda a, b: 20 // b, [20, 10, 6]),
        (lambda a, b: 20 % b, [0, 0, 2]),
        (lambda a, b: 20 - b, [19, 18, 17]),
        (lambda a, b: 1 << b, [2, 4, 8]),
        (lambda a, b: 2**b, [2, 4, 8]),
        (lambda a, b: 5 & b, [1, 0, 1]),
    ],
)
def test_integer_operators(op, expected):
    y = op(framework.tensor([7, -7, 6]), framework.tensor([1, 2, 3]))
    assert y.dtype is framework.int64
    assert y.tolist() == expected


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_dividing_integers_by_zero_is_refused(dtype):
    x = framework.tensor([1, 2], dtype=getattr(framework, dtype))
    for op in (lambda: x // 0, lambda: x % 0, lambda: x.fmod(0), lambda: framework.div(x, 0, rounding_mode="trunc")):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            op()
    assert (x / 0).tolist() == [math.inf, math.inf]
    assert (x.float() // 0).tolist() == [math.inf, math.inf]


IN_PLACE_OPERATORS = [
    ("+=", "__iadd__", 5.5),
    ("-=", "__isub__", 1.5),
    ("*=", "__imul__", 7.0),
    ("/=", "__itruediv__", 1.75),
    ("//=", "__ifloordiv__", 1.0),
    ("%=", "__imod__", 1.5),
    ("**=", "__ipow__", 12.25),
]


@pytest.mark.parametrize(("symbol", "method", "expected"), IN_PLACE_OPERATORS)
def test_in_place_operators_write_the_same_memory(symbol, method, expected):
    x = framework.tensor([3.5, 3.5])
    memory, version = x.array, x._version
    assert getattr(x, method)(2) is x
    assert x.array is memory
    assert x._version == version + 1
    assert x.tolist() == [expected, expected]
    with pytest.raises(GraphError, match="leaf tensor that requires grad"):
        getattr(framework.ones(2).requires_grad_(), method)(2)
    i = framework.tensor([3, 3])
    if symbol == "/=":
        with pytest.raises(DtypeError, match="can't be cast"):
            getattr(i, method)(2)


def test_in_place_keeps_history_and_catches_damage():
    x = leaf([1.0, 2.0])
    y = x * 1
    y.mul_(x)
    y.add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    z = x * x
    w = z.exp()
    w.mul_(2)
    with pytest.raises(GraphError, match="modified by an inplace operation"):
        w.sum().backward()
    with framework.no_grad():
        x.add_(framework.tensor([1.0, 1.0], dtype=framework.float64))
    assert x.tolist() == [2.0, 3.0]
    assert x.requires_grad


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("int32", 2.5, "float32"),
        ("float16", 2.5, "float16"),
        ("bfloat16", 3, "bfloat16"),
        ("uint8", -1, "uint8"),
        ("bool", 1, "int64"),
        ("float32", 1j, "complex64"),
        ("float16", framework.ones(2, dtype=framework.bfloat16), "float32"),
        ("int64", framework.ones((), dtype=framework.float64), "float64"),
        ("float32", framework.ones((), dtype=framework.float64), "float32"),
        ("float32", np.float64(2), "float32"),
    ],
)
def test_promotion(a, b, expected):
    x = framework.ones(2, dtype=getattr(framework, a))
    for y in (x + b, b + x, x * b, framework.where(x == x, x, b)):
        assert y.dtype is getattr(framework, expected)


def test_numbers_beside_half_precision_are_not_rounded_first():
    x = framework.tensor([1e-4], dtype=framework.float16)
    assert float(x * 1e6) == pytest.approx(100, rel=1e-2)  # 1e6 alone is infinite in float16
    assert float(framework.tensor([3.0], dtype=framework.bfloat16) + 1e-3) == 3.0


def test_alpha_and_fused_forms():
    a, b, c = (leaf(samples((0.5, 2), (2, 3))) for _ in range(3))
    np.testing.assert_allclose(framework.add(a, b, alpha=2).detach(), a.detach() + 2 * b.detach().numpy())
    np.testing.assert_allclose(framework.rsub(a, b, alpha=3).detach(), (b - 3 * a).detach().numpy())
    for op in (
        lambda *t: framework.addcmul(*t, value=2.5),
        lambda *t: framework.addcdiv(*t, value=-0.5),
        framework.lerp,
        lambda *t: framework.lerp(t[0], t[1], 0.3) * t[2],
        lambda *t: framework.clamp(t[0], t[1] * 0.8, t[2] * 1.1),
    ):
        assert gradcheck(op, (a, b, c))
        assert gradgradcheck(op, (a, b, c))
    with pytest.raises(ArgumentError, match="alpha must not be a floating point number"):
        framework.add(framework.tensor([1]), framework.tensor([1]), alpha=1.5)
    with pytest.raises(ArgumentError, match="bool alpha"):
        framework.add(framework.ones(1), framework.ones(1), alpha=True)
    with pytest.raises(DtypeError, match="integer division with addcdiv"):
        framework.addcdiv(*[framework.tensor([1])] * 3)


def test_rounding_to_decimals():
    x = framework.tensor([1.25, -2.449, 1234.5])
    np.testing.assert_allclose(framework.round(x, decimals=2), [1.25, -2.45, 1234.5])
    assert framework.round(x, decimals=-2).tolist() == [0.0, -0.0, 1200.0]
    assert framework.round(framework.tensor([0.5, 1.5, 2.5])).tolist() == [0.0, 2.0, 2.0]
    with pytest.raises(DtypeError, match="decimals"):
        framework.round(framework.tensor([1]), decimals=1)


def test_powers():
    assert (framework.tensor([-1, 2, 3]) ** framework.tensor([-1, -1, 2])).tolist() == [-1, 0, 9]
    with pytest.raises(ArgumentError, match="negative integer powers"):
        framework.tensor([2]) ** -1
    x = leaf([0.0, 2.0])
    (x**0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]
    b = leaf([0.0, 2.0])
    (0.0**b).sum().backward()
    assert b.grad.tolist() == [0.0, 0.0]
    c = framework.tensor([1 + 1j, 2 - 1j], dtype=framework.complex128).requires_grad_()
    assert gradcheck(lambda z: z**2.5, (c,))
    with pytest.raises(DtypeError, match="requires dtype"):
        framework.ones(2).float_power_(2)


def test_frexp_and_ldexp():
    x = leaf([3.0, -0.375, 0.0])
    mantissa, exponent = framework.frexp(x)
    assert mantissa.tolist() == [0.75, -0.75, 0.0]
    assert exponent.dtype is framework.int32
    assert framework.ldexp(mantissa, exponent).tolist() == x.tolist()
    assert framework.frexp(x).exponent.tolist() == [2, -1, 0]
    mantissa.sum().backward()
    assert x.grad.tolist() == [0.25, 2.0, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda b: b - b,
        lambda b: framework.ones(2) - b,
        lambda b: -b,
        lambda b: +b,
        abs,
        framework.floor,
        lambda b: b << b,
        lambda b: framework.ones(2) & 1,
        lambda b: ~framework.ones(2),
        lambda b: framework.maximum(b, b * 1j),
        lambda b: framework.gcd(framework.ones(2), framework.ones(2)),
    ],
)
def test_dtypes_that_are_refused(call):
    with pytest.raises(NotImplementedError, match=r"not (supported|implemented|defined)"):
        call(framework.tensor([True, False]))
