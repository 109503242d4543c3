"""Grad modes, anomaly detection, and the checker itself."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import framework as F
from framework.autograd import gradcheck, gradgradcheck


def leaf(*values: float) -> F.Tensor:
    return F.tensor(values, dtype=F.float64, requires_grad=True)


def test_no_grad_as_context_and_decorator():
    x = leaf(1.0)
    with F.no_grad():
        assert not (x * 2).requires_grad
        with F.enable_grad():
            assert (x * 2).requires_grad
    assert F.no_grad()(lambda: x * 2)().requires_grad is False
    assert (x * 2).requires_grad


def test_generators_switch_only_while_they_run():
    x = leaf(1.0)

    @F.no_grad()
    def steps():
        yield x * 2
        yield F.is_grad_enabled()

    found = []
    for value in steps():
        found.append(value)
        assert F.is_grad_enabled()
    assert not found[0].requires_grad and found[1] is False


def test_set_grad_enabled_both_ways():
    F.set_grad_enabled(False)
    try:
        assert not F.is_grad_enabled()
    finally:
        F.set_grad_enabled(True)
    with F.set_grad_enabled(False):
        assert not F.is_grad_enabled()
    assert F.is_grad_enabled()


def test_inference_mode():
    with F.inference_mode():
        assert not (leaf(1.0) * 2).requires_grad and F.is_inference_mode_enabled()
    assert not F.is_inference_mode_enabled()


def test_the_mode_belongs_to_the_thread():
    seen = []
    with F.no_grad():
        thread = threading.Thread(target=lambda: seen.append(F.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_an_exception_restores_the_mode():
    with pytest.raises(KeyError), F.no_grad():
        raise KeyError
    assert F.is_grad_enabled()


def test_anomaly_mode_shows_the_forward_line():
    with F.autograd.detect_anomaly():
        y = leaf(0.0).sqrt()  # the line to be shown
        with pytest.raises(RuntimeError, match="nan") as caught:
            (y * 0).sum().backward()
    assert "the line to be shown" in "".join(caught.value.__notes__)


def test_gradcheck_catches_a_wrong_rule():
    class Wrong(F.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    with pytest.raises(RuntimeError, match="central differences"):
        gradcheck(Wrong.apply, leaf(1.0, 2.0))
    assert not gradcheck(Wrong.apply, leaf(1.0, 2.0), raise_exception=False)
    assert not gradcheck(Wrong.apply, leaf(1.0, 2.0), raise_exception=False, fast_mode=True)
    assert gradcheck(lambda x: x * x, leaf(1.0, 2.0), fast_mode=True)


def test_gradcheck_catches_a_constant_in_the_second_derivative():
    class Frozen(F.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.x = x.detach()
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.x

    assert gradcheck(Frozen.apply, leaf(1.0, 2.0))
    assert not gradgradcheck(Frozen.apply, leaf(1.0, 2.0), raise_exception=False)


def test_gradcheck_of_complex_functions():
    z = F.from_numpy(np.array([1 + 2j, -0.5j])).requires_grad_()
    assert gradcheck(lambda t: t * t.conj() + t.exp(), z)
    assert gradgradcheck(lambda t: (t * t).exp(), z)
