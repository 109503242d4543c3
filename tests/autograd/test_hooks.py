"""Hooks on gradients."""

from __future__ import annotations

import pytest

import framework as F


def leaf(*values: float) -> F.Tensor:
    return F.tensor(values, dtype=F.float64, requires_grad=True)


def test_a_leaf_hook_sees_and_replaces_the_whole_gradient_once():
    x = leaf(1.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()) or g * 10)
    (x * 2 + x * 3).sum().backward()
    assert seen == [5.0] and x.grad.tolist() == [50.0]


def test_a_hook_in_the_middle_changes_what_flows_on():
    x = leaf(1.0)
    y = x * 2
    handle = y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    handle.remove()
    handle.remove()
    y.sum().backward()
    assert x.grad.tolist() == [22.0]


def test_retain_grad_keeps_what_the_hooks_made_of_it():
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10.0] and y.retains_grad


def test_post_accumulate_hooks_run_after_grad_is_set():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [2.0, 4.0]


def test_hooks_take_part_in_create_graph():
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = F.autograd.grad(y.sum(), x, create_graph=True)  # 2 x^2
    (gg,) = F.autograd.grad(g.sum(), x)
    assert g.item() == 18.0 and gg.item() == 12.0


def test_a_hook_needs_a_gradient_to_hook():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        F.ones(1).register_hook(print)
    with pytest.raises(RuntimeError, match="leaf"):
        (leaf(1.0) * 2).register_post_accumulate_grad_hook(print)


def test_saved_tensors_hooks_pack_and_unpack():
    from framework.autograd.graph import saved_tensors_hooks

    log = []
    x = leaf(1.0, 2.0)
    with saved_tensors_hooks(
        lambda t: log.append("pack") or t.tolist(), lambda v: log.append("unpack") or F.tensor(v, dtype=F.float64)
    ):
        y = x.exp()
    y.sum().backward()
    assert log == ["pack", "unpack"]
    assert x.grad.tolist() == pytest.approx(y.tolist())
