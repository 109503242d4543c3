"""oneDNN's batch and layer norm beside the generic ones."""

import numpy as np
import pytest

import framework
from framework.kernels import choose, explain, force
from framework.kernels.generic import norm as generic
from framework.kernels.layout import is_last, transpositions

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")

# the last ones are large enough for channels to be joined to longer lines: 3, 21, 24 and 10 of them
SHAPES = [
    (4, 16, 5, 7), (3, 21, 5, 7), (2, 1, 5, 5), (4, 16, 1, 1), (1, 8, 3, 1), (2, 8, 3, 4, 5), (6, 24, 9), (33, 48), (5, 3),
    (4, 3, 64, 64), (2, 21, 32, 32), (2, 24, 32, 32), (4096, 10), (3, 24, 21, 23),
]  # fmt: skip
EVERY = [(True, True, True), (True, False, False), (False, True, False), (False, True, True)]


@pytest.fixture
def onednn():
    from framework.kernels.onednn import norm

    return norm


def values(shape, seed=0, mean=0.0, dtype="float32"):
    return (np.random.default_rng(seed).standard_normal(shape) + mean).astype(dtype)


def last(x):
    """The same values over channels-last memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def agree(found, expected, rtol=2e-5, atol=2e-5):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is None:
            continue
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.astype("float64"), b.astype("float64"), rtol=rtol, atol=atol * (1 + abs(b).max()))


@pytest.mark.parametrize("parameters", ["both", "weight", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_and_its_gradients(onednn, shape, parameters):
    x, g, channels = last(values(shape)), last(values(shape, 1)), shape[1]
    weight = None if parameters == "none" else values(channels, 2)
    bias = values(channels, 3) if parameters == "both" else None
    y, mean, variance = found = onednn.batch_norm(x, weight, bias, 1e-5)
    agree(found, generic.batch_norm(x, weight, bias, 1e-5))
    assert is_last(y)
    rstd = 1 / np.sqrt(variance + 1e-5)
    agree([onednn.affine(x, rstd, mean)], [generic.affine(x, rstd, mean)])
    for fixed in (False, True):
        for wanted in EVERY:
            found, expected = (
                kernel.batch_norm_gradient(g, x, mean, rstd, weight, fixed, wanted) for kernel in (onednn, generic)
            )
            agree(found, expected, 1e-4, 1e-4)
            assert found[0] is None or is_last(found[0])


@pytest.mark.parametrize("shape", [(16, 16, 24, 24), (4, 24, 48, 48), (16, 16, 5, 5)])
@pytest.mark.parametrize("mean", [3, 100, 1e4, 1e6])
def test_means_far_from_zero(onednn, shape, mean):
    x = last(values(shape, mean=mean))
    exact = generic.batch_norm(x.astype("float64"), None, None, 1e-5)
    bound = 3e-5 + 3e-7 * mean  # the mean itself is given in float32
    for found, expected in zip(onednn.batch_norm(x, None, None, 1e-5), exact, strict=True):
        assert abs(found - expected).max() < bound * max(1, abs(expected).max())
    assert abs(onednn.batch_norm(x, None, None, 1e-5)[0].mean((0, 2, 3))).max() < 0.2


def test_a_constant_channel_far_from_zero(onednn):
    x = last(np.full((8, 16, 32, 32), 1e6, np.float32))
    y, mean, variance = onednn.batch_norm(x, None, None, 1e-5)
    np.testing.assert_allclose(mean, 1e6, rtol=1e-6)
    assert abs(y).max() < 1e-2
    assert abs(variance).max() < 1e-2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_stays_in_its_channel(onednn, value):
    x = last(values((4, 16, 40, 40)))
    x[1, 3, 2, 2] = value
    found, expected = onednn.batch_norm(x, None, None, 1e-5)[0], generic.batch_norm(x, None, None, 1e-5)[0]
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.isnan(found[:, 3]).any() and not np.isnan(np.delete(found, 3, 1)).any()


def test_matrices_with_gaps_and_gradients_in_another_order(onednn):
    x = values((64, 48))[::2, ::3]
    agree(onednn.batch_norm(x, None, None, 1e-5), generic.batch_norm(x, None, None, 1e-5))
    x, g = last(values((2, 16, 5, 3))), values((2, 16, 5, 3), 1)
    _, mean, variance = generic.batch_norm(x, None, None, 1e-5)
    for fixed in (False, True):
        for wanted in EVERY:
            arguments = (g, x, mean, 1 / np.sqrt(variance + 1e-5), None, fixed, wanted)
            agree(onednn.batch_norm_gradient(*arguments), generic.batch_norm_gradient(*arguments), 1e-4, 1e-4)


@pytest.mark.parametrize("parameters", ["both", "weight", "none"])
@pytest.mark.parametrize("shape", [(5, 8), (33, 21), (100, 384), (1, 1), (7, 1), (2, 70000), (300, 64)])
def test_layer_norm_and_its_gradients(onednn, shape, parameters):
    x, g = values(shape), values(shape, 1)
    weight = None if parameters == "none" else values(shape[1], 2)
    bias = values(shape[1], 3) if parameters == "both" else None
    _, mean, rstd = found = onednn.layer_norm(x, weight, bias, 1e-5)
    agree(found, generic.layer_norm(x, weight, bias, 1e-5))
    for wanted in EVERY:
        arguments = (g, x, mean, rstd, weight, wanted)
        agree(onednn.layer_norm_gradient(*arguments), generic.layer_norm_gradient(*arguments), 1e-4, 1e-4)
    agree(
        onednn.layer_norm_gradient(g, x, None, rstd, weight, (True, True, False)),
        generic.layer_norm_gradient(g, x, None, rstd, weight, (True, True, False)),
    )


def test_layer_norm_of_rows_far_from_zero(onednn):
    x = values((50, 300), mean=1e4)
    exact = generic.layer_norm(x.astype("float64"), None, None, 1e-5)[0]
    assert abs(onednn.layer_norm(x, None, None, 1e-5)[0] - exact).max() < 3e-3


def test_sixteen_bit_values_are_rounded_once(onednn):
    from framework.kernels.onednn.plans import BFLOAT16, has_bfloat16

    if not has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    for shape in ((4, 16, 9, 9), (4, 24, 48, 48)):
        x, weight = last(values(shape).astype(BFLOAT16)), values(shape[1], 1).astype(BFLOAT16)
        agree(onednn.batch_norm(x, weight, weight, 1e-5), generic.batch_norm(x, weight, weight, 1e-5), 8e-3, 8e-3)
    x = values((30, 40)).astype(BFLOAT16)
    agree(onednn.layer_norm(x, None, None, 1e-5), generic.layer_norm(x, None, None, 1e-5), 8e-3, 8e-3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 16, 6, 6), (2, 24, 40, 40), (40, 16), (3, 8, 50)])
def test_layers_agree_in_values_gradients_and_running_statistics(shape, training):
    found = {}
    for name in ("onednn", "generic"):
        layer = framework.nn.SyncBatchNorm(shape[1]).train(training)
        x = framework.from_numpy(last(values(shape, mean=0.5))).requires_grad_()
        with force(name):
            assert name == choose("norm", x.array, kind="batch").NAME
            for _ in range(2):
                y = layer(x)
            (y * framework.from_numpy(last(values(shape, 1)))).sum().backward()
        found[name] = [
            v.detach().numpy() for v in (y, x.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var)
        ]  # fmt: skip
        assert int(layer.num_batches_tracked) == (2 if training else 0)
    agree(*found.values(), 1e-4, 1e-4)


def test_gradients_are_those_of_finite_differences():
    x, w, b = values((4, 16, 3, 3)), values(16, 1), values(16, 2)
    direction, seed = values(x.shape, 3), values(x.shape, 4)

    def loss(v):
        y = framework.nn.functional.batch_norm(v, None, None, *map(framework.from_numpy, (w, b)), training=True)
        return (y * framework.from_numpy(last(seed))).sum()

    with force("onednn"):
        t = framework.from_numpy(last(x)).requires_grad_()
        loss(t).backward()
        slope = (t.grad.numpy().astype("float64") * direction).sum()
        ahead, behind = (float(loss(framework.from_numpy(last(x + step * direction)))) for step in (1e-2, -1e-2))
    assert abs((ahead - behind) / 2e-2 - slope) < 2e-2 * (1 + abs(slope))


def test_layer_norm_agrees_through_the_layer():
    found = {}
    for name in ("onednn", "generic"):
        layer = framework.nn.LayerNorm((3, 8))
        x = framework.from_numpy(values((5, 4, 3, 8))).requires_grad_()
        with force(name):
            layer(x).pow(3).sum().backward()
        found[name] = [v.grad.numpy() for v in (x, layer.weight, layer.bias)]
    agree(*found.values(), 1e-4, 1e-4)


def test_nothing_is_transposed_on_the_way():
    layer = framework.nn.BatchNorm2d(16)
    x = framework.from_numpy(last(values((2, 16, 8, 8)))).requires_grad_()
    before = transpositions.value
    y = layer(x)
    y.backward(framework.from_numpy(last(values((2, 16, 8, 8), 1))))
    assert transpositions.value == before
    assert is_last(y.array) and is_last(x.grad.array)


@pytest.mark.parametrize(
    "x, kind, words",
    [
        (np.ones((4, 16, 5, 5)), "batch", "float32"),
        (values((4, 16, 5, 5)), "batch", "row-major"),
        (last(values((4, 16, 10, 10)))[:, :, ::2], "batch", "row-major"),
        (last(values((1, 21, 81, 83))), "batch", "no vector loops"),
        (values((0, 16, 5, 5)), "batch", "nothing to compute"),
        (values((4, 16)), "group", "batch and layer norm only"),
        (values((4, 16)), "rms", "batch and layer norm only"),
    ],
)
def test_explain_says_why_numpy_serves(x, kind, words):
    text = explain("norm", x, kind=kind)
    assert text.startswith("norm: generic")
    assert words in text
