"""Recurrent nets as functions: values and gradients against PyTorch, second derivatives, packed sequences, 16 bits."""

import ml_dtypes
import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import GraphError, ShapeError
from tests.ops.parity import check

MODES = {"lstm": (4, 2), "gru": (3, 1), "rnn_tanh": (1, 1), "rnn_relu": (1, 1)}  # gates, states


def weights(rng, gates, features, hidden, copies, out=None):
    shapes = [(gates * hidden, features), (gates * hidden, out or hidden), (gates * hidden,), (gates * hidden,)]
    shapes += [(out, hidden)] if out else []
    return [rng.standard_normal(s) * 0.5 for _ in range(copies) for s in shapes]


def caller(library, mode, states, **options):
    """The function on flat arguments: input, states, weights."""

    def run(x, *rest):
        given = rest[:states] if mode == "lstm" else rest[0]
        head = (x,) if "sizes" not in options else (x, library.tensor(options["sizes"]))
        tail = () if "sizes" in options else (options.get("batch_first", False),)
        directions = options.get("bidirectional", False)
        return getattr(library, mode)(
            *head, given, rest[states:], True, options.get("layers", 1), 0.0, False, directions, *tail
        )

    return run


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [{}, {"bidirectional": True}, {"batch_first": True}, {"sizes": [3, 2, 1], "bidirectional": True}],
    ids=str,
)
def test_agrees_with_pytorch(rng, mode, options):
    torch = pytest.importorskip("torch")
    gates, states = MODES[mode]
    copies = 2 if options.get("bidirectional") else 1
    shape = (6, 5) if "sizes" in options else (3, 4, 5) if options.get("batch_first") else (4, 3, 5)
    arrays = [
        rng.standard_normal(shape),
        *rng.standard_normal((states, copies, 3, 6)),
        *weights(rng, gates, 5, 6, copies),
    ]
    check(caller(framework, mode, states, **options), caller(torch, mode, states, **options), *arrays)


def test_projection(rng):
    torch = pytest.importorskip("torch")
    start = rng.standard_normal((1, 3, 2)), rng.standard_normal((1, 3, 6))
    arrays = [rng.standard_normal((4, 3, 5)), *start, *weights(rng, 4, 5, 6, 1, out=2)]
    check(caller(framework, "lstm", 2), caller(torch, "lstm", 2), *arrays)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"sizes": [2, 1], "bidirectional": True}], ids=["plain", "packed"])
def test_derivatives(rng, mode, options):
    gates, states = MODES[mode]
    copies = 2 if options else 1
    shape = (3, 2) if options else (2, 2, 2)
    arrays = [
        rng.standard_normal(shape),
        *rng.standard_normal((states, copies, 2, 2)),
        *weights(rng, gates, 2, 2, copies),
    ]
    inputs = [framework.from_numpy(np.ascontiguousarray(a)).requires_grad_() for a in arrays]
    function = caller(framework, mode, states, **options)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("cell", ["lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"])
def test_cells(rng, cell):
    torch = pytest.importorskip("torch")
    gates, states = MODES[cell.removesuffix("_cell")]

    def run(library):
        def call(x, *rest):
            return getattr(library, cell)(x, rest[:2] if states == 2 else rest[0], *rest[states:])

        return call

    arrays = [rng.standard_normal((3, 5)), *rng.standard_normal((states, 3, 6)), *weights(rng, gates, 5, 6, 1)]
    check(run(framework), run(torch), *arrays)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_half_types(rng, mode, kind):
    gates, states = MODES[mode]
    arrays = [rng.standard_normal((4, 3, 5)), *rng.standard_normal((states, 1, 3, 6)), *weights(rng, gates, 5, 6, 1)]
    arrays = [np.asarray(a).astype(kind) for a in arrays]
    function = caller(framework, mode, states)
    rounded = [framework.from_numpy(a).requires_grad_() for a in arrays]
    exact = [framework.from_numpy(a.astype(np.float64)) for a in arrays]
    y = function(*rounded)[0]
    assert y.array.dtype == kind
    np.testing.assert_allclose(y.detach().numpy().astype(float), function(*exact)[0].numpy(), atol=0.03, rtol=0.02)
    y.sum().backward()
    assert all(t.grad.array.dtype == kind for t in [rounded[0], *rounded[1 + states :]])


def test_writing_into_the_output_is_noticed(rng):
    arrays = [rng.standard_normal((4, 3, 5)), *rng.standard_normal((1, 1, 3, 6)), *weights(rng, 3, 5, 6, 1)]
    x, *rest = [framework.from_numpy(np.asarray(a)).requires_grad_() for a in arrays]
    y, _ = caller(framework, "gru", 1)(x, *rest)
    y.mul_(2)
    with pytest.raises(GraphError, match="modified by an inplace operation"):
        y.sum().backward()


def test_refuses(rng):
    with pytest.raises(ShapeError, match="sequence length to be larger than 0"):
        caller(framework, "gru", 1)(framework.ones(0, 3, 5), framework.ones(1, 3, 6), *[framework.ones(1)] * 4)
    with pytest.raises(ShapeError, match="inconsistent input_size: got 4, expected 5"):
        framework.gru_cell(framework.ones(3, 4), framework.ones(3, 6), framework.ones(18, 5), framework.ones(18, 6))
    with pytest.raises(ShapeError, match="hidden has shape"):
        framework.gru_cell(framework.ones(3, 5), framework.ones(2, 6), framework.ones(18, 5), framework.ones(18, 6))
