"""User-written functions."""

from __future__ import annotations

import pytest

import framework as F
from framework.autograd import Function, gradcheck, gradgradcheck
from framework.autograd.function import once_differentiable


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return ctx.saved_tensors[0] * g


class NewStyle(Function):
    @staticmethod
    def forward(x, scale):
        return x * scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.scale = inputs[1]

    @staticmethod
    def backward(ctx, g):
        return g * ctx.scale, None


def leaf(*values: float) -> F.Tensor:
    return F.tensor(values, dtype=F.float64, requires_grad=True)


@pytest.mark.parametrize("function", [Cube.apply, Exp.apply, lambda x: NewStyle.apply(x, 3.0)])
def test_first_and_second_derivatives(function):
    assert gradcheck(function, leaf(0.5, -1.0))
    assert gradgradcheck(lambda x: function(x * x), leaf(0.5, -1.0))


def test_needs_input_grad_and_none():
    seen = []

    class Mul(Function):
        @staticmethod
        def forward(ctx, a, b):
            seen.append(ctx.needs_input_grad)
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g, None

    x = leaf(1.0)
    Mul.apply(x, F.ones(1, dtype=F.float64)).sum().backward()
    assert seen == [(True, False)] and x.grad.tolist() == [1.0]


def test_several_outputs_and_unused_ones():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            assert a.tolist() == [0.0] and b.tolist() == [1.0]
            return 2 * a + 3 * b

    x = leaf(1.0)
    Two.apply(x)[1].sum().backward()
    assert x.grad.tolist() == [3.0]


def test_none_for_unused_outputs_on_request():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            assert a is None
            return 3 * b

    x = leaf(1.0)
    Two.apply(x)[1].sum().backward()
    assert x.grad.tolist() == [3.0]


def test_mark_non_differentiable():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            rounded = x.round()
            ctx.mark_non_differentiable(rounded)
            return x * 1, rounded

        @staticmethod
        def backward(ctx, g, _):
            return g

    out, fixed = Both.apply(leaf(1.4))
    assert out.requires_grad and not fixed.requires_grad


def test_mark_dirty_gives_the_input_the_new_history():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    x = leaf(1.0)
    y = x * 1
    out = Double.apply(y)
    assert out is y
    y.sum().backward()
    assert x.grad.tolist() == [2.0]


def test_a_saved_input_that_is_overwritten_raises():
    x = leaf(1.0) * 1
    y = Cube.apply(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.sum().backward()


def test_a_wrong_number_of_gradients_raises():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g, g

    with pytest.raises(RuntimeError, match="returned 2 gradients, expected 1"):
        Wrong.apply(leaf(1.0)).sum().backward()


def test_once_differentiable_refuses_a_second_derivative():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(3.0)
    y = Once.apply(x * 1)
    (g,) = F.autograd.grad(y, x, F.ones(1, dtype=F.float64, requires_grad=True), create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        g.sum().backward()


def test_a_returned_gradient_stays_the_authors():
    held = F.ones(1, dtype=F.float64)

    class Held(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return held

    x = leaf(1.0)
    Held.apply(x).sum().backward()
    Held.apply(x).sum().backward()
    assert held.tolist() == [1.0] and x.grad.tolist() == [2.0]
