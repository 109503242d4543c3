"""Activations that are computed again."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.utils.checkpoint import checkpoint, checkpoint_sequential


def weights() -> tuple[F.Tensor, F.Tensor]:
    rng = np.random.default_rng(0)
    return tuple(F.from_numpy(rng.standard_normal((4, 4))).requires_grad_() for _ in range(2))


def block(x, w):
    return (x @ w).tanh() @ w


def test_gradients_are_those_of_the_plain_call():
    x, w = weights()
    block(x, w).sum().backward()
    expected = x.grad.clone(), w.grad.clone()
    x.grad = w.grad = None
    checkpoint(lambda t: block(t, w), x, use_reentrant=False).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected[0].numpy())
    np.testing.assert_array_equal(w.grad.numpy(), expected[1].numpy())


def test_activations_are_not_held():
    x, w = weights()
    y = checkpoint(lambda t: block(t, w), x)
    node, held = y.grad_fn, []
    stack = [node]
    while stack:
        node = stack.pop()
        held += [v for v in node.saved if isinstance(v, np.ndarray)]
        stack += [e[0] for e in node.edges if e and hasattr(e[0], "edges")]
    assert held == []


def test_randomness_repeats_in_the_second_run():
    x, w = weights()
    y = checkpoint(lambda t: t * F.rand(4, 4, dtype=F.float64) * t, x)
    y.sum().backward()
    np.testing.assert_allclose((x.grad * x / 2).detach().numpy(), y.detach().numpy())


def test_double_backward():
    x, w = weights()
    assert F.autograd.gradgradcheck(lambda t: checkpoint(lambda u: block(u, w), t), x)


def test_a_function_that_changes_its_mind_is_an_error():
    x, _ = weights()
    calls = []

    def moody(t):
        calls.append(1)
        return t * t * t if len(calls) > 1 else t * t

    with pytest.raises(RuntimeError, match="second run"):
        checkpoint(moody, x).sum().backward()


def test_sequential_in_segments():
    x, w = weights()
    parts = [lambda t: t @ w, lambda t: t.tanh(), lambda t: t * t, lambda t: t @ w, lambda t: t.exp()]
    y = x
    for part in parts:
        y = part(y)
    y.sum().backward()
    expected = x.grad.clone()
    x.grad = None
    checkpoint_sequential(parts, 2, x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected.numpy())
