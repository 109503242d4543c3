"""Comparisons, tests of values, logic and bits."""

import math

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError, DtypeError, GraphError

DTYPES = ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]
COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
ORDERED = {"lt", "le", "gt", "ge"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name, dtype):
    a = framework.tensor([0, 1, 3, 1], dtype=getattr(framework, dtype))
    b = framework.tensor([[1], [1]], dtype=getattr(framework, dtype))
    op = getattr(framework, name)
    if dtype == "complex64" and name in ORDERED:
        with pytest.raises(DtypeError, match=name):
            op(a, b)
        return
    wide = np.complex64 if dtype == "complex64" else np.float64
    y = op(a, b)
    assert y.dtype is framework.bool
    np.testing.assert_array_equal(y.numpy(), COMPARISONS[name](a.array.astype(wide), b.array.astype(wide)))
    operator = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}[name]
    np.testing.assert_array_equal(eval(f"a {operator} b").numpy(), y.numpy())
    stored = a.clone() + b.clone() * 0
    assert getattr(stored, f"{name}_")(b) is stored
    assert stored.tolist() == y.to(stored.dtype).tolist()


def test_comparison_with_numbers_rounds_them_to_the_dtype():
    for dtype in (framework.float16, framework.bfloat16, framework.float32):
        assert (framework.tensor([0.1], dtype=dtype) == 0.1).tolist() == [True]
    assert (framework.tensor([44], dtype=framework.uint8) == 300).tolist() == [True]  # wrapped to 44
    assert (2 > framework.tensor([1, 3])).tolist() == [True, False]  # noqa: SIM300


def test_comparison_with_other_objects():
    x = framework.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != "text") is True
    with pytest.raises(TypeError):
        _ = x < None
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        framework.eq(2, x)


VALUES = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.5]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("isnan", [1, 0, 0, 0, 0, 0]),
        ("isinf", [0, 1, 1, 0, 0, 0]),
        ("isfinite", [0, 0, 0, 1, 1, 1]),
        ("isposinf", [0, 1, 0, 0, 0, 0]),
        ("isneginf", [0, 0, 1, 0, 0, 0]),
        ("isreal", [1, 1, 1, 1, 1, 1]),
        ("signbit", [0, 0, 1, 0, 1, 0]),
        ("logical_not", [0, 0, 0, 1, 1, 0]),
    ],
)
def test_tests_of_values(name, expected, dtype):
    x = framework.tensor(VALUES, dtype=getattr(framework, dtype))
    for y in (getattr(framework, name)(x), getattr(x, name)()):
        assert y.dtype is framework.bool
        assert y.tolist() == [bool(e) for e in expected]


@pytest.mark.parametrize("name", ["isnan", "isinf", "isposinf", "isneginf", "signbit"])
def test_integers_are_finite(name):
    for dtype in (framework.int32, framework.uint8, framework.bool):
        assert not getattr(framework, name)(framework.tensor([0, 1], dtype=dtype)).any()


def test_complex_values():
    x = framework.tensor([1 + 0j, complex(math.nan, 1), complex(1, math.inf)])
    assert framework.isreal(x).tolist() == [True, False, False]
    assert framework.isnan(x).tolist() == [False, True, False]
    assert framework.isinf(x).tolist() == [False, False, True]
    for name in ("isposinf", "isneginf", "signbit"):
        with pytest.raises(DtypeError, match=name):
            getattr(framework, name)(x)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("logical_and", [0, 0, 1, 1]), ("logical_or", [0, 1, 1, 1]), ("logical_xor", [0, 1, 0, 0])],
)
def test_logic_of_any_dtypes(name, expected):
    a = framework.tensor([0.0, 0.0, 0.5, math.nan])
    b = framework.tensor([0, 2, 1, 7])
    y = getattr(framework, name)(a, b)
    assert y.dtype is framework.bool
    assert y.int().tolist() == expected
    assert getattr(a, f"{name}_")(b).tolist() == [float(e) for e in expected]
    with pytest.raises(TypeError, match="must be Tensor, not int"):
        getattr(framework, name)(a, 1)


def test_bits():
    b = framework.tensor([True, False])
    assert (b & True).dtype is framework.bool
    assert (b ^ b).tolist() == [False, False]
    assert (~b).tolist() == [False, True]
    u = framework.tensor([1, 200], dtype=framework.uint8)
    assert (~u).tolist() == [254, 55]
    assert (u << 1).tolist() == [2, 144]
    assert (framework.tensor([-8, 8]) >> 70).tolist() == [-1, 0]
    assert (framework.tensor([-8, 8]) << 70).tolist() == [0, 0]
    i = framework.tensor([6, 3])
    i &= 2
    i |= 8
    i <<= 1
    assert i.tolist() == [20, 20]


def test_closeness():
    a = framework.tensor([1.0, math.inf, math.nan, 1.0])
    b = framework.tensor([1.0 + 5e-6, math.inf, math.nan, 1.1])
    assert framework.isclose(a, b).tolist() == [True, True, False, False]
    assert framework.isclose(a, b, equal_nan=True).tolist() == [True, True, True, False]
    assert framework.isclose(a, b, rtol=0, atol=0).tolist() == [False, True, False, False]
    assert not framework.allclose(a, b)
    assert framework.allclose(a[:2], b[:2])
    assert a[:1].allclose(b[:1], rtol=0, atol=1e-4)
    assert framework.isclose(framework.tensor([100000]), framework.tensor([100001])).tolist() == [True]
    with pytest.raises(DtypeError, match="did not match"):
        framework.isclose(a, b.double())
    with pytest.raises(ArgumentError, match="rtol"):
        framework.isclose(a, b, rtol=-1)


def test_equal_and_is_nonzero():
    a = framework.tensor([1.0, 2.0])
    assert framework.equal(a, framework.tensor([1, 2]))
    assert not a.equal(a[:1])
    assert not framework.equal(framework.tensor([math.nan]), framework.tensor([math.nan]))
    assert framework.is_nonzero(framework.tensor([[2]]))
    assert not framework.tensor(0.0).is_nonzero()
    with pytest.raises(GraphError, match="ambiguous"):
        a.is_nonzero()
    with pytest.raises(TypeError, match="must be Tensor"):
        framework.equal(a, 1)
