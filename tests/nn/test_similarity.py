"""Normalized vectors, similarities, distances and shuffles, against PyTorch."""

import numpy as np
import pytest

import framework
import framework.nn.functional as F
from framework import nn
from framework.autograd.gradcheck import gradcheck, gradgradcheck

torch = pytest.importorskip("torch")
T = torch.nn.functional

CASES = [
    ("normalize", lambda F: F.normalize, [(3, 4)], {}),
    ("normalize-p1", lambda F: F.normalize, [(3, 4, 2)], {"p": 1.0, "dim": 2}),
    ("cosine", lambda F: F.cosine_similarity, [(3, 4), (3, 4)], {}),
    ("cosine-broadcast", lambda F: F.cosine_similarity, [(1, 4, 2), (3, 1, 2)], {"dim": -1}),
    ("pairwise", lambda F: F.pairwise_distance, [(3, 4), (3, 4)], {}),
    ("pairwise-p1", lambda F: F.pairwise_distance, [(3, 4), (4,)], {"p": 1.0, "keepdim": True}),
    ("shuffle", lambda F: F.pixel_shuffle, [(2, 8, 2, 3)], {"upscale_factor": 2}),
    ("unshuffle", lambda F: F.pixel_unshuffle, [(2, 2, 4, 6)], {"downscale_factor": 2}),
    ("channels", lambda F: F.channel_shuffle, [(2, 6, 2, 2)], {"groups": 3}),
]


@pytest.mark.parametrize(("name", "get", "shapes", "kwargs"), CASES, ids=[c[0] for c in CASES])
def test_values_and_derivatives(name, get, shapes, kwargs, rng):
    arrays = [rng.standard_normal(s) for s in shapes]
    ours = [framework.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, expected = get(F)(*ours, **kwargs), get(T)(*theirs, **kwargs)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-12)

    def f(*xs):
        return get(F)(*xs, **kwargs)

    assert gradcheck(f, tuple(ours)) and gradgradcheck(f, tuple(ours))


def test_zero_vectors():
    zero = framework.zeros(2, 3, requires_grad=True)
    y = F.cosine_similarity(zero, framework.ones(2, 3))
    assert y.tolist() == [0.0, 0.0]
    theirs = torch.zeros(2, 3, requires_grad=True)
    T.cosine_similarity(theirs, torch.ones(2, 3)).sum().backward()
    y.sum().backward()
    np.testing.assert_allclose(zero.grad.numpy(), theirs.grad.numpy())
    assert F.normalize(framework.zeros(2, 3)).tolist() == [[0.0] * 3] * 2


def test_dtypes():
    assert F.pairwise_distance(framework.tensor([[1, 2]]), framework.tensor([[1, 4]])).dtype == framework.float32
    with pytest.raises(RuntimeError, match="floating point"):
        F.cosine_similarity(framework.tensor([[1]]), framework.tensor([[1]]))
    x = framework.ones(2, 3).half()
    assert F.normalize(x).dtype == framework.float16 and F.cosine_similarity(x, x).dtype == framework.float16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.pixel_shuffle(x, 2), "divisible by the square"),
        (lambda x: F.pixel_shuffle(x, 0), "positive upscale_factor"),
        (lambda x: F.pixel_shuffle(x[0, 0], 2), "at least 3 dimensions"),
        (lambda x: F.pixel_unshuffle(x, 4), "divisible by downscale_factor"),
        (lambda x: F.channel_shuffle(x, 2), "divisible by groups"),
        (lambda x: F.channel_shuffle(x, 0), "positive"),
        (lambda x: F.channel_shuffle(x[0, 0], 1), "> 2 dims"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(framework.ones(1, 3, 2, 2))


def test_layers():
    x = framework.randn(2, 8, 4, 4)
    assert nn.PixelUnshuffle(2)(nn.PixelShuffle(2)(x)).tolist() == x.tolist()
    assert repr(nn.PixelShuffle(2)) == "PixelShuffle(upscale_factor=2)"
    assert repr(nn.ChannelShuffle(2)) == "ChannelShuffle(groups=2)" and nn.ChannelShuffle(2)(x).shape == x.shape
    assert repr(nn.CosineSimilarity()) == "CosineSimilarity()" and nn.CosineSimilarity()(x, x).shape == (2, 4, 4)
    assert nn.PairwiseDistance(keepdim=True)(x, x).shape == (2, 8, 4, 1)
