"""Our CUDA kernels of sums, products and activations against the generic ones."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import framework as F
from framework.kernels.generic import activation as generic_activation
from framework.kernels.generic import elementwise as generic
from tests.gpu.forms import BFLOAT16, DOUBLE, FLOATS, FORMS, HALF, SINGLE, agree, gaps, last, rows, shifted, tolerance
from tests.gpu.host import run_cuda

pytestmark = pytest.mark.skipif(run_cuda.why_not() is not None, reason=str(run_cuda.why_not()))

OPERATIONS = ["add", "sub", "mul", "div"]
SHAPES = [
    ((17, 11), (17, 11)), ((6, 5, 16), (16,)), ((6, 5, 16), (5, 16)), ((6, 5, 16), (6, 5, 1)), ((16,), (7, 16)),
    ((4, 3, 5, 2), (3, 1, 1)), ((4, 3, 5, 2), (1, 3, 1, 2)), ((17, 1), (1, 11)), ((5, 7), ()), ((5, 7), (1, 1)),
    ((0, 3), (0, 3)), ((0, 3), (3,)), ((4, 3, 5, 2), (4, 3, 1, 1)), ((4, 3, 5, 2), (4, 1, 1, 1)),
    ((4, 3, 5, 2), (4, 1, 5, 1)), ((4, 3, 5, 2), (3, 5, 1)), ((2, 3, 2, 3, 2, 3), (2, 1, 2, 1, 2, 1)),
]  # fmt: skip
PARAMS = {
    "exp": [()], "sigmoid": [()], "tanh": [()], "relu": [()], "hardtanh": [(-0.5, 1.0)], "threshold": [(0.25, -3.0)],
    "leaky_relu": [(0.1,), (2.0,)], "gelu": [(False,), (True,)], "silu": [()], "mish": [()],
    "elu": [(1.0, 1.0, 1.0), (1.5, 1.1, 0.7)], "hardsigmoid": [()], "hardswish": [()], "softplus": [(1.0, 20.0), (2.0, 3.0)],
    "logsigmoid": [()], "hardshrink": [(0.5,)], "softshrink": [(0.5,)],
}  # fmt: skip
FROM_OUTPUT = {"relu", "hardtanh", "sigmoid", "tanh"}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -3.0, 3.0, 0.5, -0.5, 25.0, -25.0]


@pytest.fixture
def kernels(gpu):
    gpu.use("cuda")
    from framework.kernels.cuda import activation, elementwise

    return elementwise, activation


def values(shape, dtype, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) + 0.1).astype(dtype)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", [SINGLE, BFLOAT16], ids=str)
def test_operations(gpu, kernels, name, dtype):
    ours, theirs = getattr(kernels[0], name), getattr(generic, name)
    for first, second in SHAPES:
        a, b = values(first, dtype), values(second, dtype, 1)
        expected = np.asarray(theirs(a, b)).astype(dtype)
        agree(ours(rows(gpu.xp, a), rows(gpu.xp, b)), expected, tolerance(dtype))


@pytest.mark.parametrize("dtype", [DOUBLE, HALF], ids=str)
def test_other_floats(gpu, kernels, dtype):
    a, b = values((17, 11), dtype), values((17, 11), dtype, 1)
    agree(kernels[0].mul(rows(gpu.xp, a), rows(gpu.xp, b)), a * b, tolerance(dtype))


def test_operands_in_all_forms(gpu, kernels):
    a, b, row = values((4, 3, 6, 5), SINGLE), values((4, 3, 6, 5), SINGLE, 1), values((1, 3, 1, 1), SINGLE, 2)
    for form in FORMS:
        for other in FORMS:
            agree(kernels[0].sub(form(gpu.xp, a), other(gpu.xp, b)), a - b, 1e-6)
            agree(kernels[0].sub(form(gpu.xp, a), other(gpu.xp, row)), a - row, 1e-6)
            agree(kernels[0].div(other(gpu.xp, row), form(gpu.xp, a)), row / a, 1e-6)


@pytest.mark.parametrize("form", [rows, last, gaps, shifted])
def test_into_an_operand(gpu, kernels, form):
    a, b = values((4, 3, 6, 5), SINGLE), values((4, 3, 6, 5), SINGLE, 1)
    for place in range(2):
        there = [form(gpu.xp, a), rows(gpu.xp, b)]
        assert kernels[0].add(*there, there[place]) is there[place]
        agree(there[place], a + b, 1e-6)


def test_a_channel_s_bias_takes_one_launch(kernels):
    plan = kernels[0]._plan
    image = (4, 3, 6, 5)
    packed, channels_last = (360, 120, 20, 4), (360, 4, 60, 12)
    assert plan(image, packed, (1, 3, 1, 1), (12, 4, 4, 4), 4) == ((30, 3, 4), False)
    assert plan((3, 1, 1), (4, 4, 4), image, channels_last, 4) == ((1, 3, 120), True)
    assert plan(image, packed, (4, 3, 1, 1), (12, 4, 4, 4), 4) == ((30, 12, 1), False)
    assert plan(image, channels_last, (4, 3, 1, 1), (12, 4, 4, 4), 4) == ((1, 3, 30), False)
    assert plan(image, channels_last, (4, 1, 1, 1), (4, 4, 4, 4), 4) == ((90, 4, 1), False)
    assert plan(image, packed, image, packed, 4) == ((), False)
    assert plan(image, packed, image, channels_last, 4) is None
    assert plan(image, packed, (1, 3, 1, 5), (60, 20, 20, 4), 4) is None


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_number(gpu, kernels, name):
    for dtype in FLOATS:
        for number in (0.3, -7, True):
            for form in FORMS:
                x = values((4, 3, 6, 5), dtype)
                ours, theirs = getattr(kernels[0], name), getattr(generic, name)
                for found, expected in (
                    (ours(form(gpu.xp, x), number), theirs(x, number)),
                    (ours(number, form(gpu.xp, x)), theirs(number, x)),
                ):
                    assert found.dtype == dtype
                    agree(found, expected, tolerance(dtype))


@pytest.mark.parametrize("other", [(4, 3, 1, 1), (1, 3, 1, 5), (5,), None], ids=str)
def test_results_have_the_larger_operand_s_memory_order(gpu, kernels, other):
    x = last(gpu.xp, values((4, 3, 6, 5), SINGLE))
    b = 0.5 if other is None else rows(gpu.xp, values(other, SINGLE, 1))
    assert kernels[0].mul(x, b).strides == x.strides
    assert kernels[0].sub(b, x).strides == x.strides


def test_squeeze_and_excitation_stays_channels_last(gpu):
    gpu.use("cuda")
    x = F.randn(2, 8, 96, 64, device="cuda").to(memory_format=F.channels_last).requires_grad_()
    scale = F.rand(2, 8, 1, 1, device="cuda", requires_grad=True)
    y = scale * x * 0.5
    assert y.is_contiguous(memory_format=F.channels_last)
    g = F.randn(2, 8, 96, 64, device="cuda").to(memory_format=F.channels_last)
    y.backward(g)
    assert x.grad.is_contiguous(memory_format=F.channels_last)
    agree(scale.grad.array, (g * x * 0.5).sum((2, 3), keepdim=True).cpu().detach().numpy(), 1e-4)
    assert not F.kernels.fallbacks()


def test_mixed_operands_are_cupy_s(gpu, kernels):
    a = gpu.xp.arange(6, dtype=np.int64)
    assert (kernels[0].add(a, gpu.xp.ones(6, np.float32)).get() == np.arange(6) + 1).all()
    assert kernels[0].declines(a, np.ones(6)) is not None


def test_every_activation_is_there(kernels):
    names = {
        name
        for name, value in vars(generic_activation).items()
        if name[0] != "_" and f"{name}_backward" in vars(generic_activation)
    }
    assert names | {"exp"} == set(PARAMS)
    assert all(hasattr(kernels[1], name) for name in names)


@pytest.mark.parametrize("kind", PARAMS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_activations(gpu, kernels, kind, dtype):
    if dtype != SINGLE and kind not in ("gelu", "elu", "relu"):
        return  # the same text with another type
    x = np.concatenate([np.array(SPECIAL), np.random.default_rng(0).standard_normal(1000) * 3]).astype(dtype)
    g = np.random.default_rng(1).standard_normal(x.size).astype(dtype)
    rtol = {2: tolerance(dtype), 4: 2e-5, 8: 1e-9}[dtype.itemsize]
    for params in PARAMS[kind]:
        with np.errstate(all="ignore"):
            expected = getattr(generic_activation, kind)(x, *params)
        finite = np.isfinite(expected.astype("f8")) & (np.abs(expected.astype("f8")) < 1e4)
        found = getattr(kernels[1], kind)(gpu.xp.asarray(x), *params)
        same = np.isfinite(found.get().astype("f8")) & (np.abs(found.get().astype("f8")) < 1e4)
        assert np.array_equal(same, finite) and np.array_equal(np.isnan(found.get()), np.isnan(expected))
        np.testing.assert_allclose(
            found.get()[finite].astype("f8"), expected[finite].astype("f8"), rtol=rtol, atol=rtol
        )
        if kind == "exp":
            continue
        v = expected if kind in FROM_OUTPUT else x
        with np.errstate(all="ignore"):
            gradient = getattr(generic_activation, f"{kind}_backward")(g, v, *params)
        found = getattr(kernels[1], f"{kind}_backward")(gpu.xp.asarray(g), gpu.xp.asarray(v), *params)
        usual = np.isfinite(v.astype("f8"))  # at infinities 0 times infinity is another thing in another order
        np.testing.assert_allclose(found.get()[usual].astype("f8"), gradient[usual].astype("f8"), rtol=rtol, atol=rtol)


def test_parameters_are_named_as_the_generic_ones(gpu, kernels):
    x = gpu.xp.asarray(values((5,), SINGLE))
    for kind, every in PARAMS.items():
        names = [
            name for name in inspect.signature(getattr(generic_activation, kind)).parameters if name not in ("x", "out")
        ]
        a = getattr(kernels[1], kind)(x, **dict(zip(names, every[-1], strict=True)))
        assert (a == getattr(kernels[1], kind)(x, *every[-1])).all()


@pytest.mark.parametrize("form", FORMS)
def test_activations_in_all_forms(gpu, kernels, form):
    x, g = values((4, 3, 6, 5), SINGLE), values((4, 3, 6, 5), SINGLE, 1)
    array = form(gpu.xp, x)
    agree(kernels[1].silu(array), generic_activation.silu(x), 1e-6)
    for other in FORMS:
        found = kernels[1].silu_backward(other(gpu.xp, g), array)
        agree(found, generic_activation.silu_backward(g, x), 2e-6)
    assert kernels[1].relu(array, out=array) is array
    agree(array, np.maximum(x, 0), 0)
    assert kernels[1].activated(array, None) is array
    agree(kernels[1].activated(array, ("hardtanh", 0.0, 0.5)), np.clip(x, 0, 0.5), 0)


def test_ops_take_them(gpu, kernels):
    x = F.randn(300, 300, device="cuda", requires_grad=True)
    y = F.nn.functional.gelu(x) * x + x.relu()
    if gpu.waits is not None:
        gpu.waits.clear()
    y.backward(F.ones_like(y))
    if gpu.waits is not None:
        assert not gpu.waits
    assert not F.kernels.fallbacks()
