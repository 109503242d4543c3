"""einsum against NumPy's, with gradients of both orders."""

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)

CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("bij,kj->kbi", (5, 2, 3), (4, 3)), ("ii", (3, 3)), ("ii->i", (3, 3)), ("iij->j", (2, 2, 3)), ("ij->ji", (2, 3)),
    ("ij->", (2, 3)), ("i,j->ij", (2,), (3,)), ("i,i->", (3,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)), ("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 2)), ("...i->...", (2, 3)),
    ("i...,i...->...", (3, 2), (3, 2)), ("...,...->...", (2, 3), (3,)), ("b...i,bi->b...", (2, 4, 3), (2, 3)),
    ("ab,bc,cd->ad", (2, 3), (3, 4), (4, 2)), ("bn,anm,bm->ba", (2, 3), (5, 3, 4), (2, 4)), 
    ("ij,ij,ij->j", (2, 3), (2, 3), (2, 3)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)), ("bqhd,bkhd->bhqk", (2, 4, 3, 5), (2, 6, 3, 5)),
    ("ij,jk->ik", (0, 3), (3, 4)), ("ij,jk->ik", (2, 0), (0, 4)), ("Ab,bC", (2, 3), (3, 4)), 
    (" i j , j -> i ", (2, 3), (3,)),
    ("", ()), (",i->i", (), (3,)), ("i,ij,jj->j", (2,), (2, 3), (3, 3)),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case, kind):
    equation, *shapes = case
    arrays = [rng.standard_normal(s) + (1j * rng.standard_normal(s) if kind == "complex128" else 0) for s in shapes]
    tensors = [framework.tensor(np.asarray(a), requires_grad=True) for a in arrays]
    y = framework.einsum(equation, *tensors)
    np.testing.assert_allclose(y.detach().numpy(), np.einsum(equation, *arrays), atol=1e-12)
    assert framework.einsum(equation, tensors).shape == y.shape
    if max(map(np.size, arrays)) < 50:
        assert gradcheck(lambda *t: framework.einsum(equation, *t), tensors)
        assert gradgradcheck(lambda *t: framework.einsum(equation, *t), tensors)


def test_lists_in_place_of_letters():
    a, b = framework.randn(5, 2, 3), framework.randn(5, 3, 4)
    expected = framework.einsum("bij,bjk->bik", a, b)
    assert framework.allclose(framework.einsum(a, [0, 1, 2], b, [0, 2, 3], [0, 1, 3]), expected)
    assert framework.allclose(framework.einsum(a, [..., 1, 2], b, [..., 2, 3]), expected)
    assert framework.einsum(a, [2, 1, 0]).shape == (3, 2, 5)


def test_lengths_of_one_broadcast():
    a, b = framework.randn(2, 1), framework.randn(3, 4)
    np.testing.assert_allclose(framework.einsum("ij,jk->ik", a, b).numpy(), a.numpy() * b.numpy().sum(0), rtol=1e-5)
    assert framework.einsum("ij,ij->ij", framework.ones(1, 3), framework.ones(2, 1)).shape == (2, 3)


def test_integers_and_halves():
    a = framework.tensor([[1, 2], [3, 4]])
    assert framework.einsum("ij,jk->ik", a, a).tolist() == [[7, 10], [15, 22]]
    assert framework.einsum("ij,j->i", a.half(), a[0].half()).dtype == framework.float16


x = framework.ones(2, 3)


@pytest.mark.parametrize("call, match", [
    (lambda: framework.einsum("ij"), "at least one operand"),
    (lambda: framework.einsum("ij,jk", x), "fewer operands"),
    (lambda: framework.einsum("ij", x, x), "more operands"),
    (lambda: framework.einsum("ijk", x), "more than the number of dimensions"),
    (lambda: framework.einsum("i", x), "does not match"),
    (lambda: framework.einsum("i1", x), "invalid subscript"),
    (lambda: framework.einsum("i.j", x), "ellipsis"),
    (lambda: framework.einsum("ij->ii", x), "more than once"),
    (lambda: framework.einsum("ij->k", x), "does not appear"),
    (lambda: framework.einsum("ii", x), "repeated"),
    (lambda: framework.einsum("ij,jk", x, x), "does not broadcast"),
    (lambda: framework.einsum(x, [0, 60]), "range"),
])  # fmt: skip
def test_errors(call, match):
    with pytest.raises((RuntimeError, ValueError), match=match):
        call()
