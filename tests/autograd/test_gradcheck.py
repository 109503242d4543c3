"""``gradcheck`` and ``gradgradcheck``: they pass what is right and name what is wrong."""

import numpy as np
import pytest

import framework
from framework.autograd import Function, gradcheck, gradgradcheck
from framework.autograd.gradcheck import GradcheckError


class Wrong(Function):
    """A square whose gradient lacks the factor 2."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x


def doubles(*shape):
    return framework.tensor(np.random.default_rng(0).standard_normal(shape), requires_grad=True)


def complexes(*shape):
    rng = np.random.default_rng(0)
    return framework.tensor(rng.standard_normal(shape) + 1j * rng.standard_normal(shape), requires_grad=True)


@pytest.mark.parametrize("fast", [False, True])
def test_right_gradients_pass(fast):
    assert gradcheck(lambda a, b: (a * b, framework.sin(a)), (doubles(2, 3), doubles(3)), fast_mode=fast)
    assert gradgradcheck(lambda a: a.exp() / (1 + a * a), doubles(4), fast_mode=fast)
    assert gradcheck(lambda z: z * z.conj() + z.exp(), complexes(3), fast_mode=fast)
    assert gradcheck(framework.sum, doubles(0, 3), fast_mode=fast)


@pytest.mark.parametrize("fast", [False, True])
def test_a_wrong_gradient_is_found(fast):
    with pytest.raises(GradcheckError, match=r"by backward|backward gives"):
        gradcheck(Wrong.apply, doubles(3), fast_mode=fast)
    assert gradcheck(Wrong.apply, doubles(3), fast_mode=fast, raise_exception=False) is False


@pytest.mark.parametrize("fast", [False, True])
def test_outputs_without_a_gradient_are_left_out(fast):
    x = doubles(5)
    assert gradcheck(lambda a: framework.sort(a), x, fast_mode=fast)
    assert gradcheck(lambda a: (a.detach() * 3, a * 2), x, fast_mode=fast)


def test_a_gradient_that_is_missing_is_found():
    with pytest.raises(GradcheckError, match="no output requires grad, but"):
        gradcheck(lambda a: a.detach() * 2, doubles(3))
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(framework.sin, framework.ones(2, dtype=framework.float64))


def test_an_input_is_left_as_it_was():
    x = doubles(3)
    before = x.tolist()
    gradcheck(lambda a: a * a, x)
    gradcheck(lambda a: a * a, x, fast_mode=True)
    assert x.tolist() == before and x.grad is None


def test_an_expanded_input_is_refused():
    x = doubles(1, 3).detach().expand(2, 3).requires_grad_(True)
    with pytest.raises(GradcheckError, match="share memory"):
        gradcheck(lambda a: a * 2, x)
