"""oneDNN's recurrent layers beside the generic ones."""

import numpy as np
import pytest

import framework
from framework import nn
from framework.kernels import explain, force
from framework.kernels.generic import recurrent as generic

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
SHAPES = [(1, 1, 1, 1), (5, 3, 7, 9), (9, 64, 8, 48), (70, 1, 5, 64), (8, 300, 3, 70)]  # steps, batch, features, width


def case(mode, steps, batch, features, width, biases=2, seed=0):
    """The arguments from x to w_hr."""
    rng = np.random.default_rng(seed)

    def draw(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype("float32")

    rows = GATES[mode] * width
    return (
        draw(steps * batch, features),
        draw(batch, width),
        draw(batch, width) if mode == "LSTM" else None,
        draw(rows, features, scale=0.5 * features**-0.5),
        draw(rows, width, scale=0.5 * width**-0.5),
        draw(rows) if biases else None,
        draw(rows) if biases == 2 else None,
        None,
    )


def agree(found, expected, bound):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=bound, atol=bound * max(1, abs(b).max()))


def both(mode, inputs, sizes, reverse, given="all", training=True):
    """Outputs and gradients of the two kernels; ``given`` says which outputs have gradients."""
    from framework.kernels.onednn import recurrent

    results = []
    for kernel in (recurrent, generic):
        outputs, state = kernel.forward(mode, *inputs, sizes, reverse, training)
        rng = np.random.default_rng(7)
        gradients = [rng.standard_normal(o.shape).astype("float32") for o in outputs]
        if given == "outputs":
            gradients[1:] = [None] * (len(outputs) - 1)
        elif given == "states":
            gradients[0] = None
        needs = [a is not None for a in inputs]
        back = kernel.backward(mode, state, needs, gradients, *inputs) if training else ()
        results.append((outputs, back))
    return results


@pytest.mark.parametrize("biases", [0, 1, 2])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", GATES)
def test_outputs_and_gradients_are_the_generic_kernels(mode, shape, reverse, biases):
    inputs, sizes = case(mode, *shape, biases), (shape[1],) * shape[0]
    (outputs, back), (expected, expected_back) = both(mode, inputs, sizes, reverse)
    agree(outputs, expected, 1e-5)
    agree(back, expected_back, 1e-4)
    (outputs, _), _ = both(mode, inputs, sizes, reverse, training=False)
    agree(outputs, expected, 1e-5)


@pytest.mark.parametrize("given", ["outputs", "states"])
@pytest.mark.parametrize("mode", GATES)
def test_absent_gradients_count_as_zero(mode, given):
    (_, back), (_, expected) = both(mode, case(mode, 70, 5, 6, 7), (5,) * 70, False, given)
    agree(back, expected, 1e-4)


@pytest.mark.parametrize("mode", GATES)
def test_only_needed_gradients_come(mode):
    from framework.kernels.onednn import recurrent

    inputs = case(mode, 4, 3, 5, 6)
    outputs, state = recurrent.forward(mode, *inputs, (3,) * 4, False)
    back = recurrent.backward(mode, state, [False] * 8, outputs, *inputs)
    assert back == (None,) * 8


@pytest.mark.parametrize("mode", GATES)
def test_inputs_of_any_strides(mode):
    inputs = case(mode, 6, 4, 8, 10)
    strided = [None if a is None else np.repeat(a, 2, axis=-1)[..., ::2] for a in inputs]
    (outputs, back), _ = both(mode, strided, (4,) * 6, False)
    _, (expected, expected_back) = both(mode, inputs, (4,) * 6, False)
    agree(outputs, expected, 1e-5)
    agree(back, expected_back, 1e-4)


@pytest.mark.parametrize("mode", GATES)
def test_a_second_backward_pass_gives_the_same(mode):
    from framework.kernels.onednn import recurrent

    inputs = case(mode, 70, 3, 5, 6)
    outputs, state = recurrent.forward(mode, *inputs, (3,) * 70, True)
    needs = [a is not None for a in inputs]
    first, second = (recurrent.backward(mode, state, needs, outputs, *inputs) for _ in range(2))
    agree(first, second, 0)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("mode", GATES)
def test_what_is_not_finite_stays_so(mode, value):
    inputs = case(mode, 5, 3, 4, 6)
    inputs[0][4, 1] = value
    (outputs, back), (expected, expected_back) = both(mode, inputs, (3,) * 5, False)
    for a, b in zip((*outputs, *back), (*expected, *expected_back), strict=True):
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"bidirectional": True, "num_layers": 2}], ids=str)
@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_gradients_through_the_layer_agree(layer, options):
    net = layer(40, 72, **options)
    x = framework.randn(12, 24, 40, requires_grad=True)
    found = {}
    for name in ("onednn", "generic"):
        with force(name):
            x.grad = None
            net.zero_grad()
            y, last = net(x)
            last = last if isinstance(last, tuple) else (last,)
            sum((t.pow(2).sum() for t in last), y.pow(2).sum()).backward()
            found[name] = [t.grad.numpy().copy() for t in (x, *net.parameters())]
    agree(found["onednn"], found["generic"], 1e-4)


def test_second_derivatives_go_through_plain_operations():
    net = nn.LSTM(8, 16)
    x = framework.randn(6, 4, 8, requires_grad=True)
    found = {}
    for name in ("onednn", "generic"):
        with force(name):
            (g,) = framework.autograd.grad(net(x)[0].pow(2).sum(), x, create_graph=True)
            found[name] = [framework.autograd.grad(g.pow(2).sum(), x)[0].numpy()]
    agree(found["onednn"], found["generic"], 1e-4)


def test_lengths_share_plans():
    from framework.kernels.onednn import recurrent

    cuts = {b - a for steps in range(1, 200) for a, b in recurrent._cut(steps, recurrent.MOST, False)}
    assert len(cuts) == recurrent.MOST
    assert recurrent._cut(10, 4, True) == [(8, 10), (4, 8), (0, 4)]


def with_(inputs, **changed):
    names = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr")
    return [changed.get(name, a) for name, a in zip(names, inputs, strict=True)]


@pytest.mark.parametrize(
    "mode, shape, changes, sizes, words",
    [
        ("LSTM", (4, 3, 5, 6), {"x": np.ones((12, 5))}, (3,) * 4, "float32"),
        ("LSTM", (4, 3, 5, 6), {"w_hr": np.ones((2, 6), "float32")}, (3,) * 4, "projected"),
        ("LSTM", (4, 0, 5, 6), {}, (0,) * 4, "empty"),
        ("LSTM", (4, 3, 5, 6), {}, (5, 4, 2, 1), "packed"),
        ("LSTM", (1, 1, 5, 6), {}, (1,), "too small"),
        ("GRU", (1, 64, 64, 64), {}, (64,), "too small"),
        ("RNN_TANH", (20, 8, 8, 8), {}, (8,) * 20, "too small"),
        ("LSTM", (2, 1, 8, 512), {}, (1, 1), "too few rows"),
    ],
)
def test_explain_says_why_the_generic_kernel_serves(mode, shape, changes, sizes, words):
    text = explain("recurrent", *with_(case(mode, *shape), **changes), mode=mode, sizes=sizes)
    assert text.startswith("recurrent: generic")
    assert words in text


def test_the_layer_is_served():
    inputs = case("LSTM", 10, 4, 16, 16)
    assert explain("recurrent", *inputs, mode="LSTM", sizes=(4,) * 10).startswith("recurrent: onednn")
