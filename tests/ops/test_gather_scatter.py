"""gather, scatter and their kin, masks, and the kernel that adds at repeated places."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.kernels.generic import scatter as kernel

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)

pytestmark = pytest.mark.filterwarnings("ignore:index_reduce:UserWarning")  # PyTorch's own


def leaf(*shape):
    return framework.tensor(rng.standard_normal(shape), requires_grad=True)


ROWS = [(7, 3, 50), (7, 40, 9), (99, 40, 5), (30, 64, 500), (5, 40, 0), (4, 1, 9)]


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16", "int64", "complex64"])
@pytest.mark.parametrize("rows, width, count", ROWS)
def test_rows_add_up(rows, width, count, kind):
    dtype = getattr(framework, kind)
    index = rng.integers(0, rows, count)
    values = framework.tensor(rng.integers(-3, 4, (count, width))).to(dtype)  # whole numbers: sums are exact
    out = kernel.embedding_gradient(values.array, index, rows)
    expected = np.zeros((rows, width))
    np.add.at(expected, index, values.to(framework.float64).numpy() if kind != "complex64" else values.numpy().real)
    assert out.dtype == dtype.numpy
    np.testing.assert_array_equal(np.asarray(out, np.complex128), expected)


def test_sums_of_halves_do_not_stall():
    out = kernel.embedding_gradient(np.ones((5000, 40), np.float16), np.zeros(5000, np.int64), 2)
    assert (out[0] == 5000).all()  # one by one in float16 they stop at 2048


INDEX = [[0, 1, 1], [1, 0, 0]]
CASES = {
    "gather": (lambda F, x, s: F.gather(x, 0, F.tensor(INDEX)), (3, 3)),
    "gather dim -1": (lambda F, x, s: x.gather(-1, F.tensor([[0, 0, 2, 1]])), (2, 3)),
    "gather axis": (lambda F, x, s: F.gather(x, axis=1, index=F.tensor([[0], [2]])), (2, 3)),
    "take_along_dim": (lambda F, x, s: F.take_along_dim(x, F.tensor([[0, 2, -1 + 3]]), 1), (4, 3)),
    "take_along_dim flat": (lambda F, x, s: x.take_along_dim(F.tensor([5, 0, 5])), (2, 3)),
    "index_select": (lambda F, x, s: F.index_select(x, 1, F.tensor([2, 0, 2])), (2, 3)),
    "scatter": (lambda F, x, s: F.scatter(x, 0, F.tensor([[0, 2, 1]]), s[:1]), (3, 3)),
    "scatter number": (lambda F, x, s: x.scatter(1, F.tensor([[0], [2]]), 2.5), (2, 3)),
    "scatter value": (lambda F, x, s: x.scatter(1, F.tensor([[0], [2]]), value=2.5), (2, 3)),
    "scatter_add": (lambda F, x, s: F.scatter_add(x, 0, F.tensor(INDEX), s[:2]), (3, 3)),
    "index_add": (lambda F, x, s: F.index_add(x, 1, F.tensor([0, 2, 0]), s[:, :3], alpha=2), (3, 3)),
    "index_copy": (lambda F, x, s: x.index_copy(1, F.tensor([2, 0]), s[:, :2]), (3, 3)),
    "index_fill": (lambda F, x, s: x.index_fill(0, F.tensor([1, 2, 1]), s[0, 0]), (3, 3)),
    "take": (lambda F, x, s: x.take(F.tensor([[0, -1], [0, 4]])), (2, 3)),
    "put": (lambda F, x, s: x.put(F.tensor([1, -1]), s[0, :2]), (2, 3)),
    "put add": (lambda F, x, s: x.put(F.tensor([1, 1, 2]), s[0, :3], accumulate=True), (2, 3)),
    "masked_fill": (lambda F, x, s: x.masked_fill(F.tensor([True, False, True]), s[0, 0]), (2, 3)),
    "masked_fill wider": (lambda F, x, s: F.masked_fill(x, F.tensor([[True], [False]]), -1), (3,)),
    "masked_select": (lambda F, x, s: x.masked_select(F.tensor([True, False, True])), (2, 3)),
    "masked_scatter": (lambda F, x, s: x.masked_scatter(F.tensor([True, False, True]), s), (2, 3)),
    "0-d": (lambda F, x, s: x.gather(0, F.tensor(0)).scatter(0, F.tensor(0), s[0, 0]), ()),
    **{
        f"scatter_reduce {how} {own}": (
            lambda F, x, s, how=how, own=own: x.scatter_reduce(0, F.tensor(INDEX), s[:2], how, include_self=own),
            (3, 3))
        for how in ("sum", "prod", "mean", "amax", "amin") for own in (True, False)
    },
    **{
        f"index_reduce {how}": (lambda F, x, s, how=how: x.index_reduce(1, F.tensor([0, 2, 0]), s, how), (3, 3))
        for how in ("prod", "mean", "amax", "amin")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_of_both_orders(name):
    f, shape = CASES[name]
    x, s = leaf(*shape), leaf(3, 3)
    tx, ts = (torch.tensor(t.detach().numpy(), requires_grad=True) for t in (x, s))
    got, expected = f(framework, x, s), f(torch, tx, ts)
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy())
    assert got.dtype == framework.float64
    (got * got).sum().backward()
    (expected * expected).sum().backward()
    for a, b in ((x, tx), (s, ts)):
        if b.grad is not None:
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-12)
    assert gradcheck(lambda x, s: f(framework, x, s) * (x.sum() * 0 + 1), (x, s))
    assert gradgradcheck(lambda x, s: f(framework, x, s), (x, s))


def test_gradients_of_products_with_zeros():
    x = framework.tensor([0.0, 2.0, 3.0], dtype=framework.float64, requires_grad=True)
    s = framework.tensor([4.0, 0.0, 0.0, 5.0], dtype=framework.float64, requires_grad=True)
    index = framework.tensor([0, 1, 2, 2])
    assert gradcheck(lambda x, s: x.scatter_reduce(0, index, s, "prod"), (x, s))


def test_in_place_forms():
    x = framework.zeros(2, 3)
    y = x.scatter_(1, framework.tensor([[0], [2]]), 5.0)
    assert y is x and x.tolist() == [[5, 0, 0], [0, 0, 5]]
    x.scatter_add_(1, framework.tensor([[0, 0], [1, 1]]), framework.ones(2, 2))
    x.masked_fill_(x == 5, -1.0).index_add_(0, framework.tensor([0, 0]), framework.ones(2, 3))
    assert x.tolist() == [[9, 2, 2], [0, 2, -1]]
    x.index_put_((framework.tensor([0, 0]), framework.tensor([1, 1])), framework.ones(2), accumulate=True)
    x.put_(framework.tensor([5]), framework.tensor([8.0])).index_fill_(1, framework.tensor([0]), 0)
    assert x.tolist() == [[0, 4, 2], [0, 2, 8]]
    added = x.scatter(0, framework.tensor([[1, 1, 1]]), framework.ones(1, 3), reduce="add")
    assert added.tolist() == [[0, 4, 2], [1, 3, 9]]
    assert x.scatter(0, framework.tensor([[0, 0, 0]]), 3, reduce="multiply").tolist() == [[0, 12, 6], [0, 2, 8]]


@pytest.mark.parametrize("kind", ["uint8", "int32", "bool", "float16", "bfloat16"])
def test_other_dtypes(kind):
    dtype, other = getattr(framework, kind), getattr(torch, kind)
    values, index = rng.integers(0, 3, (4, 3)), rng.integers(0, 4, (4, 3))
    x, t = framework.tensor(values).to(dtype), torch.tensor(values).to(other)
    for how in ("sum", "prod", "amax", "amin") + (("mean",) if kind != "bool" else ()):
        got = x.scatter_reduce(0, framework.tensor(index), x, how)
        assert got.dtype == dtype
        assert got.tolist() == t.scatter_reduce(0, torch.tensor(index), t, how).tolist()
    where = [1, 1, 0, 3]
    assert x.index_add(0, framework.tensor(where), x).tolist() == t.index_add(0, torch.tensor(where), t).tolist()


def test_layouts_and_empty_indices():
    x = framework.randn(2, 3, 4, 5).contiguous(memory_format=framework.channels_last)
    index = framework.tensor(rng.integers(0, 3, (2, 6, 4, 5)))
    np.testing.assert_array_equal(x.gather(1, index).numpy(), np.take_along_axis(x.numpy(), index.numpy(), 1))
    assert x.masked_fill(x > 0, 0.0).stride() == x.stride()
    none = framework.zeros(0, dtype=framework.int64)
    assert x.index_select(2, none).shape == (2, 3, 0, 5)
    assert framework.ones(3).gather(0, none).shape == (0,)
    assert framework.ones(3).scatter(0, none, 1.0).tolist() == [1, 1, 1]
    assert framework.zeros(0).masked_select(framework.zeros(0).bool()).shape == (0,)
    assert framework.ones(3).index_add(0, none, framework.zeros(0)).tolist() == [1, 1, 1]


one, two = framework.ones(2, 3), framework.tensor([[0, 1, 2]])
vector = framework.tensor([0, 5])


@pytest.mark.parametrize("call, error, match", [
    (lambda: one.gather(0, two), (IndexError, RuntimeError), "index 2 is out of bounds for dimension 0 with size 2"),
    (lambda: one.gather(0, -two), (IndexError, RuntimeError), "out of bounds"),
    (lambda: one.gather(0, two.float()), RuntimeError, "int32/int64"),
    (lambda: one.gather(0, two[0]), RuntimeError, "same number of dimensions"),
    (lambda: one.gather(1, framework.zeros(3, 1).long()), RuntimeError, "no larger"),
    (lambda: one.gather(2, two), IndexError, "Dimension out of range"),
    (lambda: one.scatter(1, two, framework.ones(1, 2)), RuntimeError, "no larger than src"),
    (lambda: one.scatter(1, two, one.double()), RuntimeError, "dtype"),
    (lambda: one.scatter(1, two, one, reduce="mean"), RuntimeError, "add or multiply"),
    (lambda: one.scatter_reduce(1, two, one, "add"), RuntimeError, "reduce argument"),
    (lambda: one.index_reduce(0, framework.tensor([0, 1]), one, "sum"), RuntimeError, "expected reduce"),
    (lambda: one.index_select(0, vector), IndexError, "index 5"),
    (lambda: one.index_select(0, two), IndexError, "vector"),
    (lambda: one.index_add(0, vector[:1], one), (IndexError, RuntimeError), "slice shapes"),
    (lambda: one.index_copy(0, vector[:1], one[0]), IndexError, "dimensionality must match"),
    (lambda: one.index_fill(0, vector[:1], framework.ones(1)), RuntimeError, "0-dimensional"),
    (lambda: one.take(vector + 2), IndexError, "tried to access index 7"),
    (lambda: one.put(vector, framework.ones(3)), IndexError, "same number of elements"),
    (lambda: one.masked_fill(two, 1.0), RuntimeError, "bool mask"),
    (lambda: one.masked_fill(one > 0, framework.ones(2)), RuntimeError, "0-dimensional"),
    (lambda: one.masked_fill(framework.ones(2) > 0, 1.0), RuntimeError, "must match"),
    (lambda: one.masked_fill(one > 0, 1j), RuntimeError, "complex"),
    (lambda: one.masked_scatter(one > 0, framework.ones(5)), RuntimeError, "number of elements"),
    (lambda: one.index_put((two[0],), one[:1]), IndexError, "out of bounds"),
    (lambda: one.index_put(two, one), TypeError, "tuple of Tensors"),
])  # fmt: skip
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
