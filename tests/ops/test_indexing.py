"""Indexing and assignment through an index, against PyTorch's rules: values, views, gradients, errors."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own, on lists and uint8 masks

INDICES = [
    "x[0]", "x[-1]", "x[0,1]", "x[1,2,3]", "x[0,...,1]", "x[...]", "x[()]", "x[None]", "x[:,None]", "x[(None,)*3]",
    "x[1:]", "x[:,::2]", "x[-10:10]", "x[2:1]", "x[0,:,None,1:3]", "x[...,...]", "x[np.int64(1)]", "x[np.array(1)]",
    "x[T.tensor(1)]", "x[T.tensor(0):T.tensor(2)]", "x[[0,1]]", "x[[1,1,1]]", "x[[]]", "x[[0,1],[1,2]]",
    "x[[[0,1],[1,0]]]", "x[[[0]]]", "x[...,[0,1]]", "x[:,[[0,1],[2,2]]]", "x[range(2)]", "x[[0,1],:,[0,1]]",
    "x[0,:,[0,1]]", "x[:,T.tensor(0),[0,1]]", "x[T.tensor(0),:,[0,1]]", "x[0:1,[0],[1,2,3]]", "x[:,None,[0,1],0]",
    "x[[0,1],[0,1],[[0],[1]]]", "x[slice(None),(0,1)]", "x[np.array([[0,1]])]", "x[np.array([1,0],dtype=np.int16)]",
    "x[T.tensor([1,0]).int()]", "x[[-1,-2],1,::2]", "x[:,[-1,0],None,[1,1]]", "x[1:,:,T.tensor([3,-4])]",
    "x[T.tensor([[0],[1]]),:,T.tensor([[1,2]])]", "x[[slice(0,1),0]]", "x[[0,None]]", "x[[T.tensor(0),T.tensor(1)]]",
    "x[True]", "x[False]", "x[True,0]", "x[0,True]", "x[:,True]", "x[:,True,[0,1]]", "x[T.tensor(True)]",
    "x[T.tensor(False)]", "x[x>3]", "x[x>100]", "x[x[:,:,0]>4]", "x[:,x[0]>4]", "x[T.tensor([True,False])]",
    "x[...,T.tensor([True]*4)]", "x[[True,False]]", "x[np.array([True,False])]", "x[T.tensor([1,0]).byte()]",
    "x[np.array([1,0],dtype=np.uint8)]", "x[T.tensor([True,False]),[0,1]]", "x[(x[:,:,0]>4),1:3]",
    "x[(x[:,:,0]>4),T.tensor([0,1,2,0])]", "x[:0,[0,1]]", "x[0,0,0][None]", "x[0,0,0][...]", "x[0,0,0][True]",
]  # fmt: skip

WRONG = [
    "x[5]", "x[-3]", "x[0,-4]", "x[0,0,0,0]", "x[1.5]", "x['a']", "x[{}]", "x[::-1]", "x[:,::0]", "x[[5]]",
    "x[T.tensor([5])]", "x[T.tensor([1.0])]", "x[T.tensor([])]", "x[[0,1],[0,1,2]]", "x[[[0,1],[1,2]],:]",
    "x[T.tensor([[True,False],[True,False]])]", "x[1.0:2]", "x[0,0,0][0]", "x[T.tensor([1]).short()]",
]  # fmt: skip


def base(T):
    return T.tensor(np.arange(24.0).reshape(2, 3, 4).tolist(), dtype=T.float64)


def run(T, expression, **names):
    x = base(T).requires_grad_()
    y = eval(expression, {"x": x, "T": T, "np": np, **names})
    weights = np.arange(1.0, y.numel() + 1).reshape(tuple(y.shape))
    (y * y * T.tensor(weights.tolist(), dtype=T.float64).reshape(y.shape)).sum().backward()
    return y.detach().numpy(), x.grad.numpy(), y._base is not None


@pytest.mark.parametrize("expression", INDICES)
def test_an_index_gives_what_pytorch_gives(expression):
    expected, got = run(torch, expression), run(framework, expression)
    assert got[0].shape == expected[0].shape
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    assert got[2] == expected[2], "a view in one and a copy in the other"


@pytest.mark.parametrize("expression", WRONG)
def test_a_wrong_index_raises_pytorchs_error(expression):
    with pytest.raises(Exception) as expected:
        run(torch, expression)
    with pytest.raises(expected.type):
        run(framework, expression)


ASSIGNMENTS = [
    ("x[0]", "5"), ("x[...]", "1"), ("x[()]", "1"), ("x[True]", "5"), ("x[False]", "5"), ("x[0,0,0]", "v(1)"),
    ("x[0,0,0]", "v(1,1)"), ("x[0]", "v(1,1,3,4)"), ("x[:,1]", "v(4)"), ("x[:,1,::2]", "v(2,1)"), ("x[-1]", "x[0]"),
    ("x[0,1:]", "T.tensor([[7]])"), ("x[[0,1]]", "v(1,2,3,4)"), ("x[[0]]", "True"), ("x[:,[0,1]]", "v(4)"),
    ("x[0,:,[1,2]]", "v(3,2)"), ("x[[0,1],:,[1,2]]", "v(2,3)"), ("x[1:,None,[0]]", "7"), ("x[[0,1]]", "x[[1,1]]"),
    ("x[x>3]", "v(20)"), ("x[x>3]", "v(1,20)"), ("x[x>3]", "v()"), ("x[x>3]", "T.tensor([2])"), ("x[x>100]", "1"),
    ("x[x[:,:,0]>4]", "v(4)"), ("x[:,T.tensor([True,False,True])]", "v(2,2,4)"), ("x[True]", "T.tensor([2])"),
    ("x[T.tensor(1)]", "v(3,1)"), ("x[[-1]]", "v(3,4)"),
]  # fmt: skip


def assign(T, target, value, grad):
    leaf = base(T).requires_grad_(grad)
    x = leaf * 1.0
    names = {"x": x, "T": T, "v": lambda *s: T.tensor(np.full(s, 2.0).tolist(), dtype=T.float64)}
    v = eval(value, names)
    if grad and isinstance(v, T.Tensor) and v.is_floating_point():
        v = v.detach().clone().requires_grad_()
    exec(f"{target} = v", {**names, "v": v})
    if not grad:
        return [x.numpy()]
    (x * x * T.tensor(np.arange(1.0, 25).reshape(2, 3, 4).tolist(), dtype=T.float64)).sum().backward()
    found = [x.detach().numpy(), leaf.grad.numpy()]
    return [*found, v.grad.numpy()] if isinstance(v, T.Tensor) and v.requires_grad else found


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("target, value", ASSIGNMENTS)
def test_an_assignment_does_what_pytorchs_does(target, value, grad):
    expected, got = (assign(T, target, value, grad) for T in (torch, framework))
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


WRONG_ASSIGNMENTS = [
    ("x[0]", "v(5)"), ("x[[0,1]]", "v(2,2,3,4)"), ("x[[0]]", "v(3)"), ("x[0,0,0]", "v(2)"), ("x[x>3]", "v(21)"),
    ("x[0]", "1+2j"), ("x[0]", "None"), ("x[0]", "'a'"), ("x[0]", "[1,2]"), ("x[5]", "1"), ("x[[5]]", "1"),
    ("x[::-1]", "1"), ("x[[0]]", "T.tensor(2)"), ("x[[0,1],[0,1,2]]", "1"),
]  # fmt: skip


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("target, value", WRONG_ASSIGNMENTS)
def test_a_wrong_assignment_raises_pytorchs_error(target, value, grad):
    with pytest.raises(Exception) as expected:
        assign(torch, target, value, grad)
    with pytest.raises(expected.type):
        assign(framework, target, value, grad)


def test_views_share_memory_and_copies_do_not():
    x = framework.zeros(3, 4)
    x[1].fill_(1)
    x[2, 3].fill_(2)
    x[:, ::2][0, 0] = 3
    x[[0]].fill_(9)
    x[x > 0].fill_(9)
    assert x.tolist() == [[3, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 2]]


def test_an_index_that_was_saved_is_not_overwritten():
    x = framework.ones(3, requires_grad=True)
    y = x * 2
    z = y[:2] * y[1:]
    y[0] = 5
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@pytest.mark.parametrize("index", [
    (slice(None), 1), ([0, 0, 1],), (slice(None), [2, 0, 2]), ([1, 0], slice(None), [3, 3]), ([0, 1], [[1], [2]]),
    (None, [1, 1]), (Ellipsis, [0, 0, -1]),
])  # fmt: skip
def test_gradients_of_both_orders(index):
    x = framework.randn(2, 3, 4, dtype=framework.float64, requires_grad=True)
    index = tuple(framework.tensor(i) if isinstance(i, list) else i for i in index)
    assert gradcheck(lambda x: x[index], (x,))
    assert gradgradcheck(lambda x: x[index], (x,))

    def stored(x, v):
        y = x.clone()
        y[index] = v
        return y

    v = framework.randn(1, dtype=framework.float64, requires_grad=True)
    if not any(isinstance(i, framework.Tensor) for i in index):
        assert gradgradcheck(stored, (x, v))
    assert gradcheck(lambda x, v: x.index_put((framework.tensor([1, 0, 1]),), v, accumulate=True), (x, v))
    assert gradgradcheck(lambda x, v: x.index_put((framework.tensor([1, 0]),), v), (x, v))


def test_repeated_indices_add_up_in_gradients():
    table = framework.zeros(5, 40, requires_grad=True)
    index = framework.tensor(np.arange(200) % 3)
    table[index].sum().backward()
    assert table.grad[:, 0].tolist() == [67, 67, 66, 0, 0]


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0, 3), (2, 0)])
@pytest.mark.parametrize("kind", ["float32", "int64", "bool", "bfloat16", "complex64"])
def test_nonzero(shape, kind):
    values = np.random.default_rng(0).integers(0, 2, shape)
    x, t = framework.tensor(values).to(getattr(framework, kind)), torch.tensor(values).to(getattr(torch, kind))
    for f in ("nonzero", "argwhere"):
        expected = getattr(torch, f)(t)
        assert getattr(framework, f)(x).tolist() == expected.tolist()
        assert getattr(x, f)().shape == tuple(expected.shape)
    for a, b in zip(x.nonzero(as_tuple=True), t.nonzero(as_tuple=True), strict=True):
        assert a.tolist() == b.tolist()
    assert framework.nonzero_static(x, size=3).tolist() == torch.nonzero_static(t, size=3).tolist()


def test_unravel_index():
    found = framework.unravel_index(framework.tensor([[5, 23], [0, 7]]), (2, 3, 4))
    expected = np.unravel_index([[5, 23], [0, 7]], (2, 3, 4))
    assert [f.tolist() for f in found] == [e.tolist() for e in expected]
    with pytest.raises(TypeError, match="integer dtype"):
        framework.unravel_index(framework.ones(2), (2, 3))
    with pytest.raises(RuntimeError, match="negative"):
        framework.unravel_index(framework.tensor([1]), (2, -3))
