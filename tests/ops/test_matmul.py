"""Matrix products: shapes, dtypes, exact integers, gradients of both orders, and what they do not copy."""

import numpy as np
import pytest

import framework
from framework import linalg
from framework.autograd import gradcheck, gradgradcheck
from framework.nn import functional as F

rng = np.random.default_rng(0)


def leaf(*shape, kind="float64"):
    values = rng.standard_normal(shape)
    if kind == "complex128":
        values = values + 1j * rng.standard_normal(shape)
    return framework.tensor(values.astype(kind), requires_grad=True)


PAIRS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3,)), ((5, 2, 3), (3, 4)),
    ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((1, 2, 3), (5, 3, 1)),
    ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((0, 2, 3), (3, 4)),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize("left, right", PAIRS)
def test_matmul_and_its_gradients(left, right, kind):
    a, b = leaf(*left, kind=kind), leaf(*right, kind=kind)
    np.testing.assert_allclose(framework.matmul(a, b).detach().numpy(), a.detach().numpy() @ b.detach().numpy())
    assert gradcheck(framework.matmul, (a, b))
    assert gradgradcheck(framework.matmul, (a, b))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_halves_are_multiplied_in_float32(kind):
    dtype = getattr(framework, kind)
    a, b = (framework.randn(8, 300).to(dtype) for _ in range(2))
    y = a @ b.mT
    assert y.dtype == dtype
    expected = framework.tensor(a.float().numpy() @ b.float().numpy().T).to(dtype)
    assert (y == expected).all()
    wide = F.linear(a, b, framework.ones(8, dtype=dtype))
    assert (wide == framework.tensor(a.float().numpy() @ b.float().numpy().T + 1).to(dtype)).all()


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("size", [3, 60])
def test_integers_multiply_exactly(kind, size):
    high = np.iinfo(kind).max if kind != "int64" else 2**40
    a, b = (rng.integers(0, high, (size, size)).astype(kind) for _ in range(2))
    y = framework.tensor(a) @ framework.tensor(b)
    assert y.dtype == getattr(framework, kind)
    expected = np.array(a.astype(object) @ b.astype(object)) & (2 ** (8 * a.itemsize) - 1)
    assert (y.numpy().astype(object) & (2 ** (8 * a.itemsize) - 1) == expected).all()


@pytest.mark.parametrize("input, weight, bias", [
    ((3,), (4, 3), (4,)), ((2, 3), (4, 3), None), ((2, 5, 3), (4, 3), (4,)), ((2, 3), (3,), None),
    ((0, 3), (4, 3), (4,)),
])  # fmt: skip
def test_linear(input, weight, bias):
    inputs = (leaf(*input), leaf(*weight), *(() if bias is None else (leaf(*bias),)))
    x, w = (t.detach().numpy() for t in inputs[:2])
    expected = x @ w.T + (0 if bias is None else inputs[2].detach().numpy())
    np.testing.assert_allclose(F.linear(*inputs).detach().numpy(), expected)
    assert gradcheck(F.linear, inputs)
    assert gradgradcheck(F.linear, inputs)


def test_the_weight_gradient_of_linear_lies_in_the_weights_own_order():
    x, w = leaf(4, 6, 3), leaf(5, 3)
    F.linear(x, w).sum().backward()
    assert w.grad.is_contiguous() and x.grad.is_contiguous()
    assert w.grad.shape == (5, 3)


def test_a_batch_times_a_matrix_is_one_product(monkeypatch):
    shapes = []
    real = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b: shapes.append((a.shape, b.shape)) or real(a, b))
    x, w = leaf(4, 6, 3), leaf(3, 5)
    (x @ w).sum().backward()
    assert shapes == [((24, 3), (3, 5)), ((24, 5), (5, 3)), ((3, 24), (24, 5))]


def test_bilinear():
    inputs = (leaf(2, 5, 3), leaf(2, 5, 4), leaf(6, 3, 4), leaf(6))
    x, y, w, b = (t.detach().numpy() for t in inputs)
    np.testing.assert_allclose(F.bilinear(*inputs).detach().numpy(), np.einsum("abi,kij,abj->abk", x, w, y) + b)
    assert gradcheck(F.bilinear, inputs)
    assert gradgradcheck(F.bilinear, inputs)


SUMS = {
    "addmm": ((2, 4), (2, 3), (3, 4), lambda a, b: a @ b),
    "addmv": ((2,), (2, 3), (3,), lambda a, b: a @ b),
    "addr": ((2, 3), (2,), (3,), np.outer),
    "baddbmm": ((5, 2, 4), (5, 2, 3), (5, 3, 4), lambda a, b: a @ b),
    "addbmm": ((2, 4), (5, 2, 3), (5, 3, 4), lambda a, b: (a @ b).sum(0)),
}


@pytest.mark.parametrize("name", SUMS)
def test_scaled_sums(name):
    first, left, right, product = SUMS[name]
    op = getattr(framework, name)
    x, a, b = leaf(*first), leaf(*left), leaf(*right)
    expected = product(a.detach().numpy(), b.detach().numpy())
    y = op(x, a, b, beta=2, alpha=0.5)
    np.testing.assert_allclose(y.detach().numpy(), 2 * x.detach().numpy() + 0.5 * expected)
    assert gradcheck(lambda *t: op(*t, beta=2, alpha=0.5), (x, a, b))
    assert gradgradcheck(lambda *t: op(*t, beta=2, alpha=0.5), (x, a, b))
    # with beta=0 the input is not read
    np.testing.assert_allclose(op(x * float("nan"), a, b, beta=0).detach().numpy(), expected)
    np.testing.assert_allclose(op(framework.tensor(1.0, dtype=framework.float64), a, b).detach().numpy(), expected + 1)
    z = x.detach().clone()
    assert getattr(z, f"{name}_")(a.detach(), b.detach()) is z
    np.testing.assert_allclose(z.numpy(), x.detach().numpy() + expected)
    whole = [framework.ones(*shape).long() for shape in (first, left, right)]
    if name != "addr":
        assert op(*whole, beta=0.5).equal(op(*whole, beta=0))  # integers drop the fraction


def test_outer_inner_kron_and_contractions():
    a, b = leaf(2, 3), leaf(4, 3)
    x, y = a.detach().numpy(), b.detach().numpy()
    np.testing.assert_allclose(framework.inner(a, b).detach().numpy(), np.inner(x, y))
    np.testing.assert_allclose(framework.kron(a, b).detach().numpy(), np.kron(x, y))
    np.testing.assert_allclose(framework.outer(a[0], b[0]).detach().numpy(), np.outer(x[0], y[0]))
    np.testing.assert_allclose(framework.tensordot(a, b, ([1], [1])).detach().numpy(), x @ y.T)
    np.testing.assert_allclose(framework.tensordot(a, b, 0).detach().numpy(), np.tensordot(x, y, 0))
    np.testing.assert_allclose(framework.vdot(a[0] + 1j, b[0] + 0j).item(), np.vdot(x[0] + 1j, y[0]))
    for f in (framework.inner, framework.kron, lambda a, b: framework.tensordot(a, b, ([1], [1]))):
        assert gradcheck(f, (a, b)) and gradgradcheck(f, (a, b))
    assert framework.outer(framework.ones(2), framework.ones(3).long()).dtype == framework.float32


@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_cross_and_vecdot(kind):
    a, b = leaf(2, 3, kind=kind), leaf(1, 3, kind=kind)
    x, y = a.detach().numpy(), b.detach().numpy()
    np.testing.assert_allclose(linalg.cross(a, b).detach().numpy(), np.cross(x, y))
    np.testing.assert_allclose(framework.cross(a.mT, a.mT * 2 + b.mT).detach().numpy(), np.cross(x, 2 * x + y).T)
    np.testing.assert_allclose(linalg.vecdot(a, b).detach().numpy(), (x.conj() * y).sum(-1))
    np.testing.assert_allclose(linalg.vecdot(a, a, dim=0).detach().numpy(), (x.conj() * x).sum(0))
    c, d = leaf(2, 3, 4, kind=kind), leaf(2, 3, 4, kind=kind)
    np.testing.assert_allclose(
        linalg.vecdot(c, d, dim=1).detach().numpy(), (c.detach().numpy().conj() * d.detach().numpy()).sum(1)
    )
    for f in (linalg.cross, linalg.vecdot):
        assert gradcheck(f, (a, b)) and gradgradcheck(f, (a, b))


def test_the_cheapest_order():
    tensors = [leaf(4), leaf(4, 5), leaf(5, 2), leaf(2, 3)]
    arrays = [t.detach().numpy() for t in tensors]
    np.testing.assert_allclose(linalg.multi_dot(tensors).detach().numpy(), np.linalg.multi_dot(arrays))
    np.testing.assert_allclose(framework.chain_matmul(*tensors[1:]).detach().numpy(), np.linalg.multi_dot(arrays[1:]))
    assert gradcheck(lambda *t: linalg.multi_dot(t), tensors)


ones = framework.ones


@pytest.mark.parametrize("call, error, match", [
    (lambda: ones(2, 3) @ ones(2, 3), RuntimeError, "cannot be multiplied"),
    (lambda: ones(2, 3) @ ones(()), RuntimeError, "at least 1D"),
    (lambda: ones(2, 3) @ 2, TypeError, "expected tensors"),
    (lambda: ones(2, 3, 4) @ ones(3, 4, 5), RuntimeError, "broadcast"),
    (lambda: ones(2, 3) @ ones(3, 2).double(), RuntimeError, "same dtype"),
    (lambda: ones(2, 2).bool() @ ones(2, 2).bool(), RuntimeError, "Bool"),
    (lambda: framework.mm(ones(2), ones(2, 3)), RuntimeError, "2D"),
    (lambda: framework.bmm(ones(2, 3, 4), ones(3, 4, 5)), RuntimeError, "first two dimensions"),
    (lambda: framework.mv(ones(2, 3), ones(3, 1)), RuntimeError, "1D"),
    (lambda: framework.dot(ones(3), ones(4)), RuntimeError, "same"),
    (lambda: framework.addmm(ones(3), ones(2, 3), ones(3, 2)), RuntimeError, "(?s)size.*must match"),
    (lambda: framework.addr(ones(2, 2).long(), ones(2).long(), ones(2).long(), alpha=0.5), RuntimeError, "alpha"),
    (lambda: framework.outer(ones(2, 1), ones(3)), RuntimeError, "1-D"),
    (lambda: framework.inner(ones(2, 3), ones(4, 2)), RuntimeError, "last dimension"),
    (lambda: framework.tensordot(ones(2, 3), ones(2, 3), ([0], [1])), RuntimeError, "contracted"),
    (lambda: framework.cross(ones(2, 2), ones(2, 2)), (RuntimeError, IndexError), "size 3"),
    (lambda: linalg.cross(ones(3, 2), ones(3, 2)), RuntimeError, "length 3"),
    (lambda: linalg.multi_dot([ones(2, 3)]), RuntimeError, "at least 2"),
    (lambda: F.linear(ones(2, 3), ones(4, 2)), RuntimeError, "cannot be multiplied"),
    (lambda: F.bilinear(ones(2, 3), ones(2, 4), ones(5, 4, 3)), RuntimeError, "bilinear"),
])  # fmt: skip
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
