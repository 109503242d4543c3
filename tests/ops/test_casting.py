"""Conversions of dtype, PyTorch's promotion table, and out=."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck
from framework.errors import ArgumentError, DtypeError, GraphError

CONVERSIONS = {
    "float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "int": "int32", "long": "int64",
    "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool", "cfloat": "complex64", "cdouble": "complex128",
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("source", ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "complex64"])
def test_conversions(name, source):
    x = framework.tensor([0, 1, 3], dtype=getattr(framework, source))
    y = getattr(x, name)()
    wanted = getattr(framework, CONVERSIONS[name])
    assert y.dtype is wanted
    assert (y is x) is (x.dtype is wanted)
    values = [bool(v.real) if name == "bool" else v for v in x.tolist()]
    assert [complex(v) for v in y.tolist()] == [complex(v) for v in values]
    assert x.to(wanted).dtype is x.type(wanted).dtype is wanted


def test_forms_of_to():
    x = framework.tensor([1.5, 2.5])
    assert x.to(framework.float32) is x
    assert x.to("cpu") is x
    assert x.to(framework.float32, copy=True) is not x
    assert x.to("cpu", framework.int32).tolist() == [1, 2]
    assert x.to(dtype=framework.float64, device="cpu").dtype is framework.float64
    assert x.to(framework.tensor([1])).dtype is framework.int64
    assert x.type_as(framework.tensor([True])).tolist() == [True, True]
    with pytest.raises(TypeError, match="unexpected argument"):
        x.to(colour="red")


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("float32", "torch.FloatTensor"),
        ("bfloat16", "torch.BFloat16Tensor"),
        ("bool", "torch.BoolTensor"),
        ("complex128", "torch.ComplexDoubleTensor"),
    ],
)
def test_names_of_tensor_types(dtype, name):
    x = framework.tensor([1, 0], dtype=getattr(framework, dtype))
    assert x.type() == name
    assert framework.tensor([1, 0]).type(name).dtype is x.dtype
    with pytest.raises(ArgumentError, match="invalid type"):
        x.type("torch.Nothing")


def test_casts_have_gradients():
    x = framework.tensor([1.0, 2.0], dtype=framework.float64, requires_grad=True)
    x.float().half().sum().backward()
    assert x.grad.dtype is framework.float64
    assert x.grad.tolist() == [1.0, 1.0]
    assert gradcheck(lambda x: x.cdouble() * 2j, (x,))
    assert not x.long().requires_grad


NAMES = ["bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]


@pytest.mark.parametrize("first", NAMES)
def test_promotion_is_pytorchs(first):
    torch = pytest.importorskip("torch")

    def name(dtype):
        return str(dtype).rsplit(".", 1)[-1]

    for second in NAMES:
        ours = framework.promote_types(getattr(framework, first), getattr(framework, second))
        assert name(ours) == name(torch.promote_types(getattr(torch, first), getattr(torch, second)))
        able = framework.can_cast(getattr(framework, first), getattr(framework, second))
        assert able is torch.can_cast(getattr(torch, first), getattr(torch, second))
        if "complex" not in first + second or "16" not in first + second:
            for shapes in (((2,), (2,)), ((2,), ()), ((), (2,))):
                sides = [
                    [lib.ones(s, dtype=getattr(lib, k)) for s, k in zip(shapes, (first, second), strict=True)]
                    for lib in (framework, torch)
                ]
                assert name(framework.result_type(*sides[0])) == name(torch.result_type(*sides[1]))
    for number in (True, 2, 2.5):
        ours = framework.result_type(framework.ones(2, dtype=getattr(framework, first)), number)
        assert name(ours) == name(torch.result_type(torch.ones(2, dtype=getattr(torch, first)), number))


def test_out():
    x = framework.tensor([1, 2])
    out = framework.tensor([0.0, 0.0], dtype=framework.float64)
    assert framework.add(x, 1, out=out) is out
    assert out.tolist() == [2.0, 3.0]
    empty = framework.tensor([])
    framework.exp(framework.tensor([0.0, 0.0]), out=empty)
    assert empty.tolist() == [1.0, 1.0]
    with pytest.warns(UserWarning, match="resized"):
        framework.add(x, framework.ones(3, 2), out=framework.ones(2))
    with pytest.raises(DtypeError, match="can't be cast"):
        framework.add(x, 0.5, out=x)
    with pytest.raises(GraphError, match="don't support automatic differentiation"):
        framework.exp(framework.ones(2).requires_grad_(), out=framework.ones(2))
    with pytest.raises(TypeError, match="'out' must be Tensor"):
        framework.exp(framework.ones(2), out=np.ones(2))
    total = framework.tensor([0.0])
    before = total._version
    framework.mul(total, 2, out=total)
    assert total._version > before


@pytest.mark.parametrize(
    "call",
    [
        lambda x: framework.add(x[:-1], 1, out=x[1:]),
        lambda x: framework.exp(x[1:], out=x[:-1]),
        lambda x: framework.where(x[1:] > 0, x[1:], 0.0, out=x[:-1]),
        lambda x: framework.cumsum(x[1:], 0, out=x[:-1]),
        lambda x: framework.gather(x, 0, framework.tensor([0, 1, 2, 3]), out=x),
        lambda x: framework.take(x, framework.tensor([0, 1, 2, 3]), out=x),
        lambda x: framework.masked_select(x, x == x, out=x),
        lambda x: framework.cat([x[:2], x[2:]], out=x),
        lambda x: framework.kthvalue(x, 1, keepdim=True, out=(x[:1], framework.zeros(1, dtype=framework.int64))),
    ],
)
def test_out_that_overlaps_an_input_is_refused(call):
    with pytest.raises(RuntimeError, match="single memory location"):
        call(framework.tensor([1.0, 2.0, 3.0, 4.0]))


def test_out_may_be_the_input_of_an_elementwise_op_or_lie_between_its_elements():
    x = framework.tensor([1.0, 2.0, 3.0, 4.0])
    framework.add(x, 1, out=x)
    assert x.tolist() == [2.0, 3.0, 4.0, 5.0]
    framework.neg(x[::2], out=x[1::2])
    assert x.tolist() == [2.0, -2.0, 4.0, -4.0]


@pytest.mark.parametrize(
    ("op", "numbers", "wanted", "dtype"),
    [
        ("add", (2, 3), 5, "int64"),
        ("sub", (2, 0.5), 1.5, "float32"),
        ("mul", (True, True), True, "bool"),
        ("div", (5, 2), 2.5, "float32"),
        ("true_divide", (True, True), 1.0, "float32"),
        ("floor_divide", (5, 2), 2, "int64"),
    ],
)
def test_arithmetic_takes_two_python_numbers(op, numbers, wanted, dtype):
    result = getattr(framework, op)(*numbers)
    assert result.item() == wanted and result.shape == () and result.dtype is getattr(framework, dtype)
    with pytest.raises(TypeError, match="must be Tensor"):
        framework.pow(*numbers)
