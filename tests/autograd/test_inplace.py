"""In-place writes, views, and the version check."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F


def leaf(*values: float) -> F.Tensor:
    return F.tensor(values, dtype=F.float64, requires_grad=True)


def test_an_overwritten_saved_value_is_an_error_that_names_both_ops():
    y = (leaf(1.0, 2.0) * 2).exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"(?s)Exp.*modified by an inplace operation.*add_"):
        y.sum().backward()


def test_an_overwrite_that_no_gradient_reads_is_fine():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.add_(1)  # the product saved neither x nor y
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_an_input_overwritten_through_a_view_or_detach_is_seen():
    x = leaf(1.0, 2.0)
    for change in (lambda t: t[0:1], lambda t: t.detach(), lambda t: t.reshape(2, 1)):
        y = x * 1
        z = y * y
        change(y).mul_(3)
        with pytest.raises(RuntimeError, match="modified by an inplace"):
            z.sum().backward()


def test_data_is_not_seen():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = (y * y).sum()
    y.data.mul_(3)
    z.backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_a_leaf_that_requires_grad_refuses_and_no_grad_allows():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x[0:1].add_(1)
    with F.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 3.0] and x.requires_grad and x.is_leaf


def test_a_write_through_a_view_reaches_the_base_and_its_other_views():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    base = x * 1
    first, second = base[0:3], base[1:4]
    first.mul_(10)
    assert base.tolist() == [10.0, 20.0, 30.0, 4.0] and second.tolist() == [20.0, 30.0, 4.0]
    (second * F.tensor([1.0, 2.0, 3.0], dtype=F.float64)).sum().backward()
    assert x.grad.tolist() == [0.0, 10.0, 20.0, 3.0]


def test_a_write_into_the_base_reaches_the_view():
    x = leaf(1.0, 2.0)
    base = x * 1
    view = base.reshape(2, 1)
    base.mul_(5)
    view.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_a_view_of_data_becomes_part_of_the_graph_when_the_base_is_written_with_a_gradient():
    w = leaf(3.0)
    base = F.zeros(3, dtype=F.float64)
    view = base[1:]
    base.add_(w)
    assert view.requires_grad
    (view * view).sum().backward()
    assert w.grad.tolist() == [12.0]


def test_a_chain_of_views_and_writes_agrees_with_the_functional_form():
    x = F.from_numpy(np.arange(12.0).reshape(3, 4)).requires_grad_()

    def in_place(x: F.Tensor) -> F.Tensor:
        y = x * 1
        y.transpose(0, 1)[1:3].mul_(y[0].sum().detach())
        y[2] = y[1] * 2
        y[:, 0].zero_()
        return y

    y = in_place(x)
    y.sum().backward()
    scale = np.arange(4.0).sum()
    expected = np.ones((3, 4)) * 3
    expected[0] = 1
    expected[2] = 0
    expected[:2, 1:3] *= scale
    expected[:, 0] = 0
    np.testing.assert_allclose(x.grad.numpy(), expected)


def test_one_of_several_views_refuses():
    parts = (leaf(1.0, 2.0) * 1).split(1)
    with pytest.raises(RuntimeError, match="several"):
        parts[0].mul_(2)


def test_expanded_memory_refuses():
    with pytest.raises(RuntimeError, match="single memory location"):
        F.ones(1, 3).expand(4, 3).add_(1)


def test_an_in_place_result_must_fit():
    with pytest.raises(RuntimeError, match="broadcast shape"):
        F.ones(3).add_(F.ones(2, 3))
    with pytest.raises(RuntimeError, match="can't be cast"):
        F.ones(3, dtype=F.int64).add_(0.5)


@pytest.mark.parametrize(
    "index",
    [
        0,
        slice(1, None),
        (slice(None), 1),
        np.array([0, 2]),
        [2, 0],
        (np.array([0, 1]), np.array([1, 1])),
        Ellipsis,
        None,
    ],
    ids=str,
)
def test_assignment_has_gradients_to_both(index):
    base = F.from_numpy(np.arange(6.0).reshape(3, 2)).requires_grad_()
    shape = base.detach()[index].shape
    value = F.from_numpy(np.random.default_rng(0).standard_normal(tuple(shape))).requires_grad_()

    def function(base, value):
        y = base * 2
        y[index] = value * value
        return y * y

    assert F.autograd.gradcheck(function, (base, value))
    assert F.autograd.gradgradcheck(function, (base, value))


def test_assignment_through_a_mask():
    base = F.from_numpy(np.arange(6.0).reshape(3, 2)).requires_grad_()
    value = leaf(1.0, 2.0, 3.0)

    def function(base, value):
        y = base * 2
        y[y > 5] = value
        return y

    assert F.autograd.gradcheck(function, (base, value))


def test_the_saved_output_of_an_in_place_op_is_watched():
    y = leaf(0.5, 1.0) * 1
    y.exp_()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


def test_view_of_channels_last_memory_copies_and_refuses_writes():
    x = F.ones(2, 3, 4, 4).contiguous(memory_format=F.channels_last)
    y = x.view(2, -1)
    assert y.shape == (2, 48)
    with pytest.raises(RuntimeError, match="copy"):
        y.add_(1)
