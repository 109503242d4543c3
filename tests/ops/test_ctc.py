"""The CTC loss against PyTorch, against a sum over all alignments, and its derivatives."""

import itertools

import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.nn import functional as F
from tests.ops.parity import check


def log_probs(rng, *shape):
    x = rng.standard_normal(shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def collapse(path):
    return [c for c, _ in itertools.groupby(path) if c]


def test_sums_over_alignments(rng):
    lp, target = log_probs(rng, 5, 3), [1, 1]
    paths = [p for p in itertools.product(range(3), repeat=5) if collapse(p) == target]
    expected = -np.log(sum(np.exp(sum(lp[t, c] for t, c in enumerate(p))) for p in paths))
    loss = F.ctc_loss(framework.from_numpy(lp), framework.tensor(target), 5, 2, reduction="sum")
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-10)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("inputs", "targets", "zero"),
    [
        ([6, 5, 4], [3, 2, 1], False),
        ([6, 2, 6], [3, 3, 0], True),
        ([6, 6, 2], [0, 2, 2], True),
        ([6, 4, 5], [1, 1, 1], True),
    ],
)
def test_agrees_with_pytorch(rng, inputs, targets, zero, reduction):
    torch = pytest.importorskip("torch")
    options = {"reduction": reduction, "zero_infinity": zero}
    check(
        lambda x, t: F.ctc_loss(x, t, framework.tensor(inputs), framework.tensor(targets), **options),
        lambda x, t: torch.nn.functional.ctc_loss(x, t, torch.tensor(inputs), torch.tensor(targets), **options),
        log_probs(rng, 6, 3, 5), rng.integers(1, 5, (3, 3)),
    )  # fmt: skip


def test_other_layouts(rng):
    theirs = pytest.importorskip("torch").nn.functional.ctc_loss
    lp = log_probs(rng, 6, 3, 5)
    joined = np.array([1, 2, 3, 4, 4, 1])
    check(
        lambda x, t: F.ctc_loss(x, t, (6, 5, 4), (3, 2, 1)), lambda x, t: theirs(x, t, (6, 5, 4), (3, 2, 1)), lp, joined
    )
    padded = np.array([[0, 1, 2], [3, 0, 0], [1, 1, 0]])
    check(
        lambda x, t: F.ctc_loss(x, t, (6, 5, 4), (3, 2, 1), blank=4),
        lambda x, t: theirs(x, t, (6, 5, 4), (3, 2, 1), blank=4), lp, padded,
    )  # fmt: skip


def test_derivatives(rng):
    def loss(x):
        targets = framework.tensor([[1, 1], [2, 1], [1, 1]])
        return F.ctc_loss(F.log_softmax(x, 2), targets, (5, 4, 2), (2, 1, 2), zero_infinity=True, reduction="none")

    x = framework.from_numpy(rng.standard_normal((5, 3, 3))).requires_grad_()
    assert gradcheck(loss, (x,))
    assert gradgradcheck(loss, (x,))


def test_refuses():
    lp, t = framework.zeros(4, 1, 3), framework.tensor([[1, 2]])
    cases = (
        (ArgumentError, "blank must be in label range", (lp, t, [4], [2], 3)),
        (ArgumentError, "at most 4", (lp, t, [5], [2])),
        (ShapeError, "input_lengths must be of size", (lp, t, [4, 4], [2])),
        (DtypeError, "targets must be integral", (lp, t.float(), [4], [2])),
        (ArgumentError, r"\[0, 2\], got", (lp, t * 2, [4], [2])),
        (ShapeError, "target_lengths sum to", (lp, t[0], [4], [1])),
    )
    for error, match, args in cases:
        with pytest.raises(error, match=match):
            F.ctc_loss(*args)
