"""Embedding tables and bags: against PyTorch, gradients, renormalization, refusals."""

import numpy as np
import pytest

import framework
import framework.nn.functional as F
from framework import nn
from framework.autograd.gradcheck import gradcheck, gradgradcheck

INDICES = np.array([[1, 2, 1], [0, 4, 4]])


def table(rng, rows=5, columns=3):
    return rng.standard_normal((rows, columns))


@pytest.mark.parametrize("options", [{}, {"padding_idx": 4}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
@pytest.mark.parametrize("kind", [np.int64, np.int32])
def test_embedding_is_pytorchs(options, kind, rng):
    torch = pytest.importorskip("torch")
    w = table(rng)
    ours, theirs = framework.tensor(w, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = F.embedding(framework.tensor(INDICES.astype(kind)), ours, **options)
    expected = torch.nn.functional.embedding(torch.tensor(INDICES.astype(kind)), theirs, **options)
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())
    g = rng.standard_normal(y.shape)
    y.backward(framework.tensor(g))
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_embedding_derivatives(rng):
    w = framework.tensor(table(rng), requires_grad=True)
    index = framework.tensor(INDICES)
    assert gradcheck(lambda w: F.embedding(index, w), (w,))
    x = framework.tensor(table(rng), requires_grad=True)
    y = (F.embedding(index, x, padding_idx=0) ** 3).sum()
    (g,) = framework.autograd.grad(y, x, create_graph=True)
    (gg,) = framework.autograd.grad(g.sum(), x)
    counts = np.bincount(INDICES.reshape(-1), minlength=5)[:, None] * (np.arange(5) != 0)[:, None]
    np.testing.assert_allclose(gg.numpy(), 6 * x.detach().numpy() * counts)


def test_max_norm_scales_the_used_rows(rng):
    w = framework.tensor(table(rng) * 10)
    before = w.clone()
    y = F.embedding(framework.tensor([0, 2]), w, max_norm=1.0, norm_type=1.0)
    np.testing.assert_allclose(y.abs().sum(1).numpy(), 1, rtol=1e-5)
    np.testing.assert_array_equal(w[[1, 3, 4]].numpy(), before[[1, 3, 4]].numpy())
    np.testing.assert_array_equal(w[[0, 2]].numpy(), y.numpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_half_tables(dtype):
    w = framework.ones(3, 4).to(getattr(framework, dtype)).requires_grad_()
    F.embedding(framework.tensor([1] * 300), w).sum().backward()
    assert w.grad.dtype == w.dtype and w.grad[1, 0].item() == 300
    bag = F.embedding_bag(framework.tensor([[0, 1, 2]]), w)
    assert bag.dtype == w.dtype and bag.tolist() == [[1.0] * 4]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda w: F.embedding(framework.tensor([5]), w), IndexError, "out of range"),
        (lambda w: F.embedding(framework.tensor([-1]), w), IndexError, "out of range"),
        (lambda w: F.embedding(framework.tensor([1.0]), w), RuntimeError, "int64 or int32"),
        (lambda w: F.embedding(framework.tensor([1]), w[0]), RuntimeError, "2-D"),
        (lambda w: F.embedding(framework.tensor([1]), w, padding_idx=5), RuntimeError, "within num_embeddings"),
        (lambda w: F.embedding_bag(framework.tensor([1]), w), ValueError, "offsets has to be a 1D Tensor"),
        (lambda w: bag(w, [[1, 2]], [0]), ValueError, "offsets has to be None"),
        (lambda w: bag(w, [1, 2], [1]), RuntimeError, r"offsets\[0\] has to be 0"),
        (lambda w: bag(w, [1, 2], [0, 5]), RuntimeError, "can not be greater"),
        (lambda w: bag(w, [[1, 2]], mode="avg"), ValueError, "mode has to be"),
        (lambda w: bag(w, [[1, 2]], mode="max", scale_grad_by_freq=True), ValueError, "does not support"),
        (
            lambda w: bag(w, [[1, 2]], per_sample_weights=framework.ones(1, 2)),
            NotImplementedError,
            "only supported for mode='sum'",
        ),
        (lambda w: bag(w, [[1, 2]], mode="sum", per_sample_weights=framework.ones(2)), ValueError, "same shape"),
        (lambda w: bag(w, [[[1, 2]]]), ValueError, "1D or 2D"),
    ],
)
def test_refusals(call, error, message, rng):
    with pytest.raises(error, match=message):
        call(framework.tensor(table(rng)))


def bag(w, indices, offsets=None, **options):
    return F.embedding_bag(
        framework.tensor(indices), w, None if offsets is None else framework.tensor(offsets), **options
    )


BAGS = [
    ([[1, 2, 1], [0, 4, 4]], None, {}),
    ([1, 2, 1, 0, 4, 4, 3], [0, 2, 2, 5], {}),
    ([1, 2, 1, 0, 4, 4, 3], [0, 2, 5, 7], {"include_last_offset": True}),
    ([1, 2, 1, 0, 4, 4, 3], [0, 2, 2, 5], {"padding_idx": 4}),
    ([[4, 4], [1, 4]], None, {"padding_idx": 4}),
    ([1, 1, 1], [0, 1], {"max_norm": 0.5}),
]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize(("indices", "offsets", "options"), BAGS)
def test_bags_are_pytorchs(indices, offsets, options, mode, rng):
    torch = pytest.importorskip("torch")
    w = table(rng)
    ours, theirs = framework.tensor(w, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = bag(ours, indices, offsets, mode=mode, **options)
    starts = None if offsets is None else torch.tensor(offsets)
    expected = torch.nn.functional.embedding_bag(torch.tensor(indices), theirs, starts, mode=mode, **options)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    g = rng.standard_normal(y.shape)
    y.backward(framework.tensor(g))
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_weighted_bags(rng):
    torch = pytest.importorskip("torch")
    w, s = table(rng), rng.standard_normal(4)
    index, starts = np.array([0, 1, 1, 3]), np.array([0, 3])
    ours = [framework.tensor(v, requires_grad=True) for v in (w, s)]
    theirs = [torch.tensor(v, requires_grad=True) for v in (w, s)]
    y = F.embedding_bag(
        framework.tensor(index), ours[0], framework.tensor(starts), mode="sum", per_sample_weights=ours[1]
    )
    expected = torch.nn.functional.embedding_bag(
        torch.tensor(index), theirs[0], torch.tensor(starts), mode="sum", per_sample_weights=theirs[1]
    )
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy())
    (y**2).sum().backward()
    (expected**2).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy())

    def f(w, s):
        return F.embedding_bag(framework.tensor(index), w, framework.tensor(starts), mode="sum", per_sample_weights=s)

    assert gradcheck(f, tuple(ours)) and gradgradcheck(f, tuple(ours))


def test_embedding_layer():
    layer = nn.Embedding(5, 3, padding_idx=-1, max_norm=2.0)
    assert layer.padding_idx == 4 and float(layer.weight[4].detach().abs().sum()) == 0
    assert repr(layer) == "Embedding(5, 3, padding_idx=4, max_norm=2.0)"
    assert layer(framework.tensor([[0, 1], [2, 4]])).shape == (2, 2, 3)
    given = framework.randn(4, 2)
    frozen = nn.Embedding.from_pretrained(given)
    assert not frozen.weight.requires_grad and frozen.weight.shape == (4, 2)
    assert framework.equal(frozen(framework.tensor([3])), given[3:])
    assert nn.Embedding.from_pretrained(given, freeze=False).weight.requires_grad
    assert abs(float(nn.Embedding(100, 100).weight.detach().std()) - 1) < 0.05
    with pytest.raises(AssertionError, match="within num_embeddings"):
        nn.Embedding(5, 3, padding_idx=5)
    with pytest.raises(AssertionError, match="does not match"):
        nn.Embedding(5, 3, _weight=given)
    with pytest.raises(ValueError, match="2-dimensional"):
        nn.Embedding.from_pretrained(given[0])


def test_embedding_bag_layer():
    layer = nn.EmbeddingBag(5, 3, mode="sum", padding_idx=0)
    assert repr(layer) == "EmbeddingBag(5, 3, mode='sum', padding_idx=0)"
    y = layer(framework.tensor([1, 2, 0, 3]), framework.tensor([0, 2]))
    np.testing.assert_allclose(y[1].detach().numpy(), layer.weight[3].detach().numpy())
    assert nn.EmbeddingBag.from_pretrained(framework.ones(2, 2), mode="max").mode == "max"
