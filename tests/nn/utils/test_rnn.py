"""Packed and padded sequences, against PyTorch."""

import copy

import numpy as np
import pytest

import framework
from framework.nn.utils import rnn

torch = pytest.importorskip("torch")
T = torch.nn.utils.rnn


def sequences(rng, lengths=(2, 4, 1)):
    return [rng.standard_normal((n, 3)) for n in lengths]


def same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_pad_sequence(batch_first, side, rng):
    parts = sequences(rng)
    ours = rnn.pad_sequence([framework.tensor(p) for p in parts], batch_first, -1.0, side)
    theirs = T.pad_sequence([torch.tensor(p) for p in parts], batch_first, -1.0, side)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    if side == "right":
        back = rnn.unpad_sequence(ours, framework.tensor([2, 4, 1]), batch_first)
        for a, b in zip(back, parts, strict=True):
            np.testing.assert_array_equal(a.numpy(), b)


@pytest.mark.parametrize("batch_first", [False, True])
def test_pack_and_unpack(batch_first, rng):
    x = rng.standard_normal((3, 4, 2) if batch_first else (4, 3, 2))
    lengths = [2, 4, 1]
    ours = rnn.pack_padded_sequence(framework.tensor(x, requires_grad=True), lengths, batch_first, enforce_sorted=False)
    theirs = T.pack_padded_sequence(torch.tensor(x), torch.tensor(lengths), batch_first, enforce_sorted=False)
    same(ours, theirs)
    for options in ({}, {"padding_value": -2.0}, {"total_length": 6}):
        same(
            rnn.pad_packed_sequence(ours, batch_first, **options), T.pad_packed_sequence(theirs, batch_first, **options)
        )


def test_gradients_reach_the_used_elements(rng):
    x = framework.tensor(rng.standard_normal((3, 2, 2)), requires_grad=True)
    packed = rnn.pack_padded_sequence(x, framework.tensor([3, 1]))
    padded, lengths = rnn.pad_packed_sequence(packed)
    (padded**2).sum().backward()
    mask = np.array([[1, 1], [1, 0], [1, 0]])[:, :, None]
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy() * mask)
    assert lengths.tolist() == [3, 1] and lengths.dtype == framework.int64


def test_sequences_round_trip(rng):
    parts = [framework.tensor(p) for p in sequences(rng)]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    for a, b in zip(rnn.unpack_sequence(packed), parts, strict=True):
        assert framework.equal(a, b)
    same(packed, T.pack_sequence([torch.tensor(p.numpy()) for p in parts], enforce_sorted=False))


def test_packed_sequences_convert_and_copy(rng):
    packed = rnn.pack_sequence([framework.tensor(p) for p in sequences(rng, (3, 2))])
    assert packed.sorted_indices is None and packed.batch_sizes.tolist() == [2, 2, 1]
    assert packed.float().data.dtype == framework.float32 and packed.to(framework.float64) is packed
    assert packed.cpu() is packed and not packed.is_cuda
    other = copy.deepcopy(packed)
    assert framework.equal(other.data, packed.data) and type(other) is rnn.PackedSequence


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: rnn.pack_padded_sequence(x, [1, 2]), RuntimeError, "decreasing order"),
        (lambda x: rnn.pack_padded_sequence(x, [1, 0]), RuntimeError, "greater than 0"),
        (lambda x: rnn.pack_padded_sequence(x, [1]), RuntimeError, "equal to batch_size"),
        (lambda x: rnn.pack_padded_sequence(x, [9, 1]), RuntimeError, "exceeds"),
        (lambda x: rnn.pack_padded_sequence(x[:0], [1, 1]), RuntimeError, "empty"),
        (
            lambda x: rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [2, 1]), total_length=1),
            ValueError,
            "at least",
        ),
        (lambda x: rnn.pad_sequence([]), RuntimeError, "empty list"),
        (lambda x: rnn.pad_sequence(3), RuntimeError, "iterable"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(framework.ones(3, 2, 1))
