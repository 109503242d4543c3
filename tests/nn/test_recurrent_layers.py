"""Recurrent layers against PyTorch with the same weights: shapes, packing, initial states, names."""

import copy

import numpy as np
import pytest

import framework
from framework import nn
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.nn.utils.rnn import pack_padded_sequence
from tests.ops.parity import check

MODES = ("LSTM", "GRU", "RNN")


def pair(name, *args, **options):
    """Our layer and PyTorch's with the same float64 weights."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*args, **options).double()
    theirs = getattr(torch.nn, name)(*args, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()})
    return ours, theirs


def compare(ours, theirs, x, *states):
    check(
        lambda x, *s: ours(x, (s if len(s) > 1 else s[0]) if s else None),
        lambda x, *s: theirs(x, (s if len(s) > 1 else s[0]) if s else None), x, *states,
    )  # fmt: skip
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False, "bidirectional": True}],
    ids=["plain", "two layers", "batch first"],
)
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("batched", [False, True])
def test_agrees_with_pytorch(rng, mode, options, given, batched):
    x = rng.standard_normal((3, 4, 5) if batched else (4, 5))
    batch = (3 if options.get("batch_first") else 4,) if batched else ()
    layers = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    states = [rng.standard_normal((layers, *batch, 6)) for _ in range(2 if mode == "LSTM" else 1)] if given else []
    compare(*pair(mode, 5, 6, **options), x, *states)


def test_relu_and_projection(rng):
    x = rng.standard_normal((4, 3, 5))
    compare(*pair("RNN", 5, 6, nonlinearity="relu", num_layers=2), x)
    options = {"proj_size": 2, "num_layers": 2, "bidirectional": True}
    compare(*pair("LSTM", 5, 6, **options), x, rng.standard_normal((4, 3, 2)), rng.standard_normal((4, 3, 6)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("lengths", "in_order"), [([4, 2, 1], True), ([1, 4, 2], False)])
def test_packed_sequences(rng, mode, lengths, in_order):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(mode, 5, 6, num_layers=2, bidirectional=True)

    def run(layer, pack, tensor):
        def call(x, *states):
            packed, last = layer(
                pack(x, tensor(lengths), enforce_sorted=in_order), states if mode == "LSTM" else states[0]
            )
            return packed.data, last

        return call

    states = [rng.standard_normal((4, 3, 6)) for _ in range(2 if mode == "LSTM" else 1)]
    check(
        run(ours, pack_padded_sequence, framework.tensor),
        run(theirs, torch.nn.utils.rnn.pack_padded_sequence, torch.tensor),
        rng.standard_normal((4, 3, 5)), *states,
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch", [(3,), ()])
@pytest.mark.parametrize("given", [False, True])
def test_cells(rng, mode, batch, given):
    states = [rng.standard_normal((*batch, 6)) for _ in range(2 if mode == "LSTM" else 1)] if given else []
    compare(*pair(f"{mode}Cell", 5, 6), rng.standard_normal((*batch, 5)), *states)


def test_dropout_lies_between_layers():
    layer = nn.LSTM(4, 8, num_layers=2, dropout=0.9)
    x = framework.ones(3, 2, 4)
    assert not bool((layer(x)[0] == layer(x)[0]).all())
    layer.eval()
    assert bool((layer(x)[0] == layer(x)[0]).all())
    with pytest.warns(UserWarning, match="one layer"):
        nn.GRU(4, 8, dropout=0.5)


def test_housekeeping():
    layer = nn.GRU(4, 16, num_layers=2, bidirectional=True)
    layer.flatten_parameters()
    assert all(float(w.abs().max()) <= 0.25 for w in layer.parameters())
    assert [len(w) for w in layer.all_weights] == [4] * 4
    assert repr(layer) == "GRU(4, 16, num_layers=2, bidirectional=True)"
    assert repr(nn.RNNCell(2, 3, bias=False, nonlinearity="relu")) == "RNNCell(2, 3, bias=False, nonlinearity=relu)"
    twin = copy.deepcopy(layer)
    x = framework.ones(2, 1, 4)
    assert twin(x)[0].tolist() == layer(x)[0].tolist()


def test_refuses():
    lstm, gru, x = nn.LSTM(4, 8), nn.GRU(4, 8), framework.ones(2, 3, 4)
    cases = (
        (ShapeError, "equal to input_size. Expected 4, got 5", lambda: gru(framework.ones(2, 3, 5))),
        (ShapeError, "2D .unbatched. or 3D", lambda: gru(framework.ones(4))),
        (ShapeError, r"expected hidden size \(1, 3, 8\)", lambda: gru(x, framework.ones(1, 2, 8))),
        (ShapeError, "hx should also be 3-D", lambda: gru(x, framework.ones(3, 8))),
        (ArgumentError, "pair", lambda: lstm(x, framework.ones(1, 3, 8))),
        (DtypeError, "does not match weight dtype", lambda: gru(x.double())),
        (ArgumentError, "proj_size", lambda: nn.LSTM(4, 8, proj_size=8)),
        (ArgumentError, "num_layers", lambda: nn.GRU(4, 8, num_layers=0)),
        (TypeError, "hidden_size should be of type int", lambda: nn.GRU(4, 8.0)),
        (ArgumentError, "unknown nonlinearity", lambda: nn.RNN(4, 8, nonlinearity="gelu")),
    )
    for error, match, call in cases:
        with pytest.raises(error, match=match):
            call()
