"""Hooks on modules: before and after forward, on gradients, global ones, and their handles."""

import copy

import pytest

import framework
from framework import nn
from framework.nn import hooks


@pytest.fixture
def layer():
    return nn.Linear(2, 2, bias=False)


X = framework.tensor([[1.0, 2.0]])


def test_forward_hooks_see_and_replace(layer):
    seen = []
    layer.register_forward_pre_hook(lambda m, args: seen.append(("pre", args)))
    layer.register_forward_pre_hook(lambda m, args: args[0] * 2)
    layer.register_forward_hook(lambda m, args, out: seen.append(("post", args[0].tolist())))
    layer.register_forward_hook(lambda m, args, out: out + 1)
    y = layer(X)
    assert framework.allclose(y, X * 2 @ layer.weight.T + 1)
    assert seen[0] == ("pre", (X,)) and seen[1] == ("post", [[2.0, 4.0]])


def test_handles_remove_and_restore_the_fast_path(layer):
    calls = []
    handle = layer.register_forward_hook(lambda *a: calls.append(1))
    layer(X)
    handle.remove()
    handle.remove()
    layer(X)
    assert calls == [1] and not layer._hooked
    with layer.register_forward_pre_hook(lambda *a: calls.append(2)):
        layer(X)
    layer(X)
    assert calls == [1, 2]


def test_prepend_and_kwargs():
    class Add(nn.Module):
        def forward(self, x, *, y=0):
            return x + y

    m, order = Add(), []
    m.register_forward_hook(lambda *a: order.append("second"))
    m.register_forward_hook(lambda *a: order.append("first"), prepend=True)
    m.register_forward_pre_hook(lambda m, args, kwargs: ((args[0] + 1,), {"y": 10}), with_kwargs=True)
    m.register_forward_hook(lambda m, args, kwargs, out: out + kwargs["y"], with_kwargs=True)
    assert m(1, y=2) == 22 and order == ["first", "second"]
    m.register_forward_pre_hook(lambda m, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple \(args, kwargs\)"):
        m(1)


def test_always_call_runs_after_an_error():
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    m, seen = Fails(), []
    m.register_forward_hook(lambda *a: seen.append("plain"))
    m.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError, match="no"):
        m(1)
    assert seen == [None]


def test_full_backward_hook_sees_and_replaces_gradients(layer):
    seen = []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    x = X.clone().requires_grad_()
    layer(x).backward(framework.tensor([[1.0, 3.0]]))
    expected = framework.tensor([[1.0, 3.0]]) @ layer.weight
    ((gi, go),) = seen
    assert framework.allclose(gi[0], expected) and go[0].tolist() == [[1.0, 3.0]]
    assert framework.allclose(x.grad, expected * 10)
    assert framework.allclose(layer.weight.grad, framework.tensor([[1.0, 2.0], [3.0, 6.0]]))


def test_backward_pre_hook_changes_grad_output(layer):
    layer.register_full_backward_pre_hook(lambda m, go: go[0] * 2)
    x = X.clone().requires_grad_()
    layer(x).sum().backward()
    assert framework.allclose(x.grad, 2 * layer.weight.sum(0, keepdim=True))


def test_backward_hook_with_no_input_gradient_and_several_arguments():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(framework.ones(2))

        def forward(self, a, n, b):
            return a * self.w, b * n

    seen = []
    m = Two()
    m.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = framework.ones(2).requires_grad_(), framework.ones(2)
    m(a, 3, b)[0].sum().backward()
    gi, go = seen.pop()
    assert gi[1] is None and gi[2] is None and gi[0].tolist() == [1.0, 1.0]
    assert len(go) == 2 and go[1] is None
    m(b, 3, b)[0].sum().backward()
    assert seen.pop()[0] == (None, None, None)
    m.register_full_backward_hook(lambda m, gi, go: (b, b, b))
    with pytest.raises(RuntimeError, match="none of whose inputs requires grad"):
        m(b, 3, b)[0].sum().backward()


def test_backward_hook_under_create_graph(layer):
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,))
    x = X.clone().requires_grad_()
    (g,) = framework.autograd.grad((layer(x) ** 2).sum(), x, create_graph=True)
    (gg,) = framework.autograd.grad(g.sum(), x)
    w = layer.weight.detach()
    assert framework.allclose(g, 3 * 2 * (X @ w.T) @ w)
    assert gg.shape == x.shape and float(gg.abs().sum()) > 0


def test_wrong_number_of_gradients_is_refused(layer):
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="returned 2 grad_input, expected 1"):
        layer(X.clone().requires_grad_()).sum().backward()


def test_no_gates_without_gradients(layer):
    calls = []
    layer.register_full_backward_hook(lambda *a: calls.append(1))
    with framework.no_grad():
        assert layer(X).grad_fn is None
    assert calls == []


def test_global_hooks(layer):
    seen = []
    handles = [
        hooks.register_module_forward_pre_hook(lambda m, args: seen.append(("pre", type(m).__name__))),
        nn.modules.module.register_module_forward_hook(lambda m, args, out: seen.append(("post", type(m).__name__))),
        hooks.register_module_full_backward_hook(lambda m, gi, go: seen.append(("back", type(m).__name__))),
    ]
    try:
        nn.Sequential(layer)(X.clone().requires_grad_()).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [
        ("pre", "Sequential"), ("pre", "Linear"), ("post", "Linear"), ("post", "Sequential"),
        ("back", "Linear"), ("back", "Sequential"),
    ]  # fmt: skip
    nn.Sequential(layer)(X)
    assert len(seen) == 6 and not hooks.any_global


def test_registration_hooks():
    seen = []
    handles = [
        hooks.register_module_parameter_registration_hook(lambda m, name, p: seen.append(name)),
        hooks.register_module_buffer_registration_hook(lambda m, name, b: seen.append(name)),
        hooks.register_module_module_registration_hook(lambda m, name, c: nn.ReLU() if name == "x" else None),
    ]
    try:
        m = nn.Module()
        m.w = nn.Parameter(framework.ones(1))
        m.register_buffer("b", framework.ones(1))
        m.x = nn.Identity()
    finally:
        for handle in handles:
            handle.remove()
    assert seen == ["w", "b"] and isinstance(m.x, nn.ReLU)


def test_hooks_are_copied_with_the_module(layer):
    layer.register_forward_hook(lambda m, args, out: out * 0)
    assert float(copy.deepcopy(layer)(X).abs().sum()) == 0
