"""Layers in turn: batch norm and the ReLU behind it in one pass give what they give apart, wherever it may be told."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from framework import nn
from framework.autograd.gradcheck import gradcheck, gradgradcheck
from framework.kernels import force
from framework.nn.in_turn import in_turn
from framework.nn.module import register_module_forward_hook
from framework.ops.batch_norm import batch_norm_relu

SHAPES = {
    nn.BatchNorm2d: [(4, 16, 9, 7), (3, 5, 4, 4), (2, 8, 1, 1), (2, 3, 64, 64)],
    nn.BatchNorm1d: [(33, 16), (6, 8, 9)],
    nn.BatchNorm3d: [(2, 16, 3, 4, 5)],
}
CASES = [(kind, shape) for kind, shapes in SHAPES.items() for shape in shapes]


def apart(x, *layers):
    for layer in layers:
        x = layer(x)
    return x


def step(call, layers, x, g):
    x = x.clone().requires_grad_()
    y = call(x, *layers)
    y.backward(g)
    norm = layers[0]
    found = [y, x.grad, *(p.grad for p in norm.parameters()), *norm.buffers()]
    return y.grad_fn, [t.detach().numpy().copy() for t in found]


@pytest.mark.parametrize("kernels", ["onednn", "generic"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("kind", "shape"), CASES, ids=str)
def test_one_pass_gives_what_two_give(kind, shape, affine, kernels):
    framework.manual_seed(0)
    norm = kind(shape[1], affine=affine)
    if affine:
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x, g = framework.randn(shape) * 2 + 0.3, framework.randn(shape)
    if len(shape) == 4:
        x = x.to(memory_format=framework.channels_last)
    again = kind(shape[1], affine=affine)
    again.load_state_dict(norm.state_dict())
    with force(kernels):
        node, found = step(in_turn, (norm, nn.ReLU()), x, g)
        _, expected = step(apart, (again, nn.ReLU()), x, g)
    assert repr(node) == "<BatchNormReluBackward0>"
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * (1 + abs(b).max()))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_types(dtype):
    framework.manual_seed(0)
    x, g = (framework.randn(4, 8, 5, 5).to(getattr(framework, dtype)) for _ in range(2))
    results = []
    for call in (in_turn, apart):
        norm = nn.BatchNorm2d(8)
        results.append(step(call, (norm.double() if dtype == "float64" else norm, nn.ReLU()), x, g)[1])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.astype("f8"), b.astype("f8"), rtol=1e-6, atol=1e-3 if a.itemsize == 2 else 1e-9)


def test_gradients():
    framework.manual_seed(0)
    x = framework.randn(3, 4, 3, 2, dtype=framework.float64, requires_grad=True)
    w, b = (framework.randn(4, dtype=framework.float64, requires_grad=True) for _ in range(2))

    def call(x, w, b):
        return batch_norm_relu(x, None, None, w, b, 0.1, 1e-5)

    assert gradcheck(call, (x, w, b)) and gradgradcheck(call, (x, w, b))


@pytest.mark.parametrize("where", ["input", "weight", "bias", "infinity", "gradient"])
def test_nothing_hides_what_is_not_finite(where):
    """oneDNN's ReLU makes 0 of a nan; a net whose training has gone wrong must show it."""
    results = []
    for call in (in_turn, apart):
        framework.manual_seed(0)
        norm, x, g = nn.BatchNorm2d(16), framework.randn(2, 16, 32, 32), framework.randn(2, 16, 32, 32)
        if where in ("weight", "bias"):
            with framework.no_grad():
                getattr(norm, where)[3] = float("nan")
        elif where == "gradient":
            g[0, 3] = float("inf")
        else:
            x[1, 3, 4, 5] = float("nan") if where == "input" else float("inf")
        results.append(step(call, (norm, nn.ReLU()), x.to(memory_format=framework.channels_last), g)[1])
    assert np.isnan(results[1][0 if where != "gradient" else 1]).any()
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_far_mean_costs_no_precision():
    x = (np.random.default_rng(0).standard_normal((16, 8, 32, 32)) + 500).astype("f4")
    exact = x.astype("f8")
    exact = (exact - exact.mean((0, 2, 3), keepdims=True)) / exact.std((0, 2, 3), keepdims=True)
    y = in_turn(framework.from_numpy(x).to(memory_format=framework.channels_last), nn.BatchNorm2d(8), nn.ReLU())
    np.testing.assert_allclose(y.detach().numpy(), np.maximum(exact, 0), atol=1e-3)


class MyReLU(nn.ReLU):
    """Somebody's own."""


class MyNorm(nn.BatchNorm2d):
    """Somebody's own."""


def names(y):
    return repr(y.grad_fn)[1:-1]


def test_who_looks_between_sees_both():
    x = framework.randn(2, 4, 5, 5, requires_grad=True)
    assert names(nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())(x)) == "BatchNormReluBackward0"
    assert names(nn.Sequential(nn.BatchNorm2d(4), MyReLU())(x)) == "ReluBackward0"
    assert names(nn.Sequential(MyNorm(4), nn.ReLU())(x)) == "ReluBackward0"
    assert names(nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()).eval()(x)) == "ReluBackward0"
    assert names(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4))(x)) == "BatchNormBackward0"
    seen = []
    for place in range(2):
        model = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())
        model[place].register_forward_hook(lambda module, args, out: seen.append(type(module).__name__))
        assert names(model(x)) == "ReluBackward0"
    assert seen == ["BatchNorm2d", "ReLU"]
    handle = register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    try:
        nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())(x)
    finally:
        handle.remove()
    assert seen[2:] == ["BatchNorm2d", "ReLU", "Sequential"]


def test_errors_name_the_layer():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(5), nn.ReLU()))
    with pytest.raises(framework.errors.ShapeError, match=r"in 1\.0 \(BatchNorm2d\): .*should contain 4 elements"):
        model(framework.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())(framework.zeros(1, 4, 1, 1))


def test_running_statistics_and_options():
    for options in ({"momentum": None}, {"track_running_stats": False}, {"momentum": 0.3}):
        results = []
        for call in (in_turn, apart):
            framework.manual_seed(0)
            norm = nn.BatchNorm2d(4, **options)
            for _ in range(2):
                y = call(framework.randn(2, 4, 5, 5), norm, nn.ReLU(inplace=True))
            results.append([y.detach().numpy(), *(b.numpy() for b in norm.buffers())])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_no_layers_and_one():
    x = framework.randn(2, 4, 3, 3)
    assert in_turn(x) is x and nn.Sequential()(x) is x
    assert in_turn(x, nn.BatchNorm2d(4)).shape == x.shape
