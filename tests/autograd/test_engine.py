"""The backward pass: values, accumulation, freeing, order, pruning."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import framework as F
from framework.autograd import grad


def leaf(*values: float) -> F.Tensor:
    return F.tensor(values, dtype=F.float64, requires_grad=True)


def test_a_diamond_sums_both_paths():
    x = leaf(2.0, 3.0)
    y = x * x
    (y * x + y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 3 * np.array([4.0, 9.0]) + 2 * np.array([2.0, 3.0]))


def test_gradients_accumulate_over_calls():
    x = leaf(1.0, 2.0)
    for _ in range(3):
        (x * 5).sum().backward()
    assert x.grad.tolist() == [15.0, 15.0]


def test_two_leaves_never_share_the_memory_of_their_gradients():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).sum().backward()
    a.grad.zero_()
    assert b.grad.tolist() == [1.0, 1.0]


def test_a_gradient_given_by_the_user_is_not_aliased():
    x = leaf(1.0, 2.0)
    seed = F.ones(2, dtype=F.float64)
    (x * 1.0).backward(seed)
    x.grad.zero_()
    assert seed.tolist() == [1.0, 1.0]


def test_ten_thousand_ops_need_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y * 1.0
    y.sum().backward()
    assert x.grad.tolist() == [1.0]
    del y


def test_a_graph_dies_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x * x).exp()
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y
        assert node() is None
        z = (x * x).exp()
        node = weakref.ref(z.grad_fn)
        del z  # never differentiated
        assert node() is None
    finally:
        gc.enable()


def test_what_was_saved_is_freed_by_the_pass_itself():
    x = leaf(1.0, 2.0)
    y = (x * x).exp()
    saved = weakref.ref(y.grad_fn.edges[0][0].saved[0])
    assert saved() is x.array
    y.sum().backward()
    assert y.grad_fn.freed and y.grad_fn.edges[0][0].freed
    x.data = F.zeros(2, dtype=F.float64)
    assert saved() is None


def test_a_second_pass_needs_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0, 8.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_only_scalars_have_an_implicit_gradient():
    with pytest.raises(RuntimeError, match=r"implicitly created only for scalar outputs, got shape \(2,\)"):
        (leaf(1.0, 2.0) * 2).backward()


def test_what_needs_no_gradient_refuses_backward():
    with pytest.raises(RuntimeError, match="does not require grad"):
        F.ones(1).sum().backward()


def test_grad_leaves_dot_grad_alone():
    x = leaf(3.0)
    (g,) = grad((x * x).sum(), x)
    assert g.tolist() == [6.0] and x.grad is None


def test_grad_of_an_unused_input():
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="not have been used"):
        grad((x * 2).sum(), [x, y])
    assert grad((x * 2).sum(), [x, y], allow_unused=True)[1] is None
    assert grad((x * 2).sum(), [x, y], materialize_grads=True)[1].tolist() == [0.0]


def test_grad_of_a_tensor_in_the_middle():
    x = leaf(2.0)
    y = x * 3
    z = (y * y).sum()
    assert grad(z, [y, x], retain_graph=True)[0].tolist() == [12.0]
    assert grad(z, x)[0].tolist() == [36.0]


def test_backward_into_chosen_inputs_only():
    x, y = leaf(2.0), leaf(5.0)
    (x * y).sum().backward(inputs=[y])
    assert x.grad is None and y.grad.tolist() == [2.0]


def test_third_derivative():
    x = leaf(2.0)
    y = x**4
    for _ in range(3):
        (y,) = grad(y.sum(), x, create_graph=True)
    assert y.tolist() == [48.0]


def test_a_gradient_penalty_reaches_the_weights():
    w, x = leaf(1.5), leaf(2.0)
    (g,) = grad((w * x * x).sum(), x, create_graph=True)
    (g * g).sum().backward()  # (2 w x)^2
    np.testing.assert_allclose(w.grad.numpy(), [8 * 1.5 * 4])


def test_mixed_dtypes_give_each_input_its_own():
    a = F.tensor([1.0, 2.0], dtype=F.float32, requires_grad=True)
    b = F.tensor([3.0, 4.0], dtype=F.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype is F.float32 and b.grad.dtype is F.float64


def test_a_real_input_of_a_complex_result_gets_a_real_gradient():
    x = leaf(1.0, 2.0)
    y = x * F.tensor([1 + 2j, 3 - 1j], dtype=F.complex128)
    (y * y.conj()).real.sum().backward()
    assert x.grad.dtype is F.float64
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.array([1.0, 2.0]) * np.array([5.0, 10.0]))


def test_broadcast_axes_are_summed_away():
    a, b = F.ones(3, 1, requires_grad=True), F.ones(4, requires_grad=True)
    (a * b + a).sum().backward()
    assert a.grad.shape == (3, 1) and b.grad.shape == (4,)
    assert a.grad.tolist() == [[8.0]] * 3 and b.grad.tolist() == [3.0] * 4


def test_several_roots_at_once():
    x = leaf(2.0)
    F.autograd.backward([(x * 2).sum(), (x * 3).sum()], [None, None])
    assert x.grad.tolist() == [5.0]


def test_a_wrong_seed_names_both_shapes():
    with pytest.raises(RuntimeError, match=r"shape \(3,\).*\(2,\)"):
        (leaf(1.0, 2.0) * 1.0).backward(F.ones(3, dtype=F.float64))


def test_batched_gradients_give_the_jacobian():
    x = leaf(1.0, 2.0)
    (rows,) = grad(x**2, x, F.eye(2, dtype=F.float64), is_grads_batched=True)
    assert rows.tolist() == [[2.0, 0.0], [0.0, 4.0]]
