"""Scaled dot-product attention: the blocked kernel against PyTorch and against the composition in plain ops."""

import ml_dtypes
import numpy as np
import pytest

import framework
from framework.autograd import gradcheck, gradgradcheck
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels.generic import attention as kernel
from framework.nn.functional import scaled_dot_product_attention as attention
from tests.ops.parity import check

MASK = np.random.default_rng(5).random((5, 7)) > 0.4
MASK[1] = False  # a query that may look nowhere


def draw(rng, *shapes):
    return [rng.standard_normal(s) for s in shapes]


def theirs(*args, **kwargs):
    torch = pytest.importorskip("torch")
    return torch.nn.functional.scaled_dot_product_attention(*args, **kwargs)


CASES = {
    "plain": ([(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)], {}),
    "causal": ([(2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)], {"is_causal": True, "scale": 0.3}),
    "causal, more queries": ([(2, 7, 4), (2, 5, 4), (2, 5, 4)], {"is_causal": True}),
    "one matrix": ([(5, 4), (7, 4), (7, 6)], {}),
    "broadcast": ([(2, 3, 5, 4), (1, 3, 7, 4), (2, 1, 7, 4)], {}),
    "five dims": ([(2, 2, 1, 5, 4), (2, 2, 1, 7, 4), (2, 2, 1, 7, 4)], {}),
    "grouped": ([(2, 6, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)], {"enable_gqa": True}),
}


@pytest.mark.parametrize("block", [kernel.BLOCK, 40, 12])
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_pytorch(rng, monkeypatch, case, block):
    monkeypatch.setattr(kernel, "BLOCK", block)
    shapes, options = CASES[case]
    check(lambda *t: attention(*t, **options), lambda *t: theirs(*t, **options), *draw(rng, *shapes))


@pytest.mark.parametrize("block", [kernel.BLOCK, 12])
@pytest.mark.parametrize(
    "mask",
    [
        MASK,
        MASK[None, None],
        np.random.default_rng(1).random((2, 1, 1, 7)) > 0.5,
        np.random.default_rng(2).random((2, 1, 5, 7)),
    ],
    ids=["bool", "bool 4-d", "padding", "numbers"],
)
def test_masks(rng, monkeypatch, mask, block):
    monkeypatch.setattr(kernel, "BLOCK", block)
    check(attention, theirs, *draw(rng, (2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6)), mask)


def test_permuted_memory(rng):
    def run(function):
        return lambda *t: function(*[x.permute(0, 2, 1, 3) for x in t], is_causal=True)

    check(run(attention), run(theirs), *draw(rng, (2, 5, 3, 4), (2, 7, 3, 4), (2, 7, 3, 4)))
    x = framework.from_numpy(rng.standard_normal((2, 5, 3, 4))).permute(0, 2, 1, 3)
    assert attention(x, x, x).permute(0, 2, 1, 3).is_contiguous()  # the heads rejoin without a copy


@pytest.mark.parametrize("kind", ["float64", "float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("queries, causal", [(1, False), (1, True), (5, False), (5, True)])
def test_the_short_way_without_gradients_is_the_long_one(rng, kind, queries, causal):
    q, k, v = (rng.standard_normal((2, n, 3, 4)).astype(kind).transpose(0, 2, 1, 3) for n in (queries, 7, 7))
    long, _ = kernel.forward(q, k, v, None, causal, 0.5, 0.0, None, True)
    short, kept = kernel.forward(q, k, v, None, causal, 0.5, 0.0, None, False)
    assert kept is None
    assert short.dtype == long.dtype
    assert short.strides == long.strides or queries == 1
    tolerance = 1e-12 if kind == "float64" else 1e-2
    np.testing.assert_allclose(short.astype("float64"), long.astype("float64"), rtol=tolerance, atol=tolerance)


def test_gradients(rng):
    leaves = [framework.from_numpy(a).requires_grad_() for a in draw(rng, (1, 3, 2), (2, 4, 2), (2, 4, 3), (3, 4))]
    mask = framework.from_numpy(MASK[:3, :4].copy())
    for function, inputs in (
        (attention, leaves),
        (lambda q, k, v: attention(q, k, v, mask), leaves[:3]),
        (lambda q, k, v: attention(q, k, v, is_causal=True), leaves[:3]),
    ):
        assert gradcheck(function, inputs)
        assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_half_types(rng, kind):
    arrays = [a.astype(kind) for a in draw(rng, (2, 5, 8), (2, 6, 8), (2, 6, 8))]
    exact = [framework.from_numpy(a.astype(np.float64)).requires_grad_() for a in arrays]
    rounded = [framework.from_numpy(a).requires_grad_() for a in arrays]
    for inputs in (exact, rounded):
        attention(*inputs).sum().backward()
    assert attention(*rounded).array.dtype == kind
    for a, b in zip(rounded, exact, strict=True):
        np.testing.assert_allclose(a.grad.numpy().astype(float), b.grad.numpy(), rtol=0.02, atol=0.01)


def test_dropout_scales_what_it_leaves():
    ones = framework.ones(1, 200, 4)
    values = framework.ones(1, 100, 4).requires_grad_()
    y = attention(ones, framework.ones(1, 100, 4), values, dropout_p=0.25)
    assert abs(float(y.mean()) - 1) < 0.02
    assert float(y.detach().numpy().std()) > 0.01
    y.sum().backward()
    np.testing.assert_allclose(float(values.grad.sum()), float(y.sum()), rtol=1e-4)
    assert float(attention(ones, ones, ones, dropout_p=1.0).abs().sum()) == 0


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4)])
def test_empty(shape):
    x = framework.from_numpy(np.zeros(shape)).requires_grad_()
    attention(x, x, x).sum().backward()
    assert x.grad.shape == shape
    q = framework.ones(2, 3, 4)
    assert attention(q, framework.ones(2, 0, 4), framework.ones(2, 0, 4)).tolist() == framework.zeros(2, 3, 4).tolist()


def test_refuses():
    x, ones = framework.ones(2, 3, 4), framework.ones(3, 3)
    cases = (
        (ArgumentError, "attn_mask and is_causal", (x, x, x, ones), {"is_causal": True}),
        (ShapeError, "lengths of key and value", (x, x, framework.ones(2, 2, 4)), {}),
        (ShapeError, "last dims of query", (x, framework.ones(2, 3, 5), x), {}),
        (ShapeError, "at least 2 dimensional", (x[0, 0], x, x), {}),
        (ShapeError, "attn_mask to", (x, x, x, framework.ones(3, 4)), {}),
        (
            ShapeError,
            "enable_gqa",
            (framework.ones(1, 3, 2, 2), *[framework.ones(1, 2, 2, 2)] * 2),
            {"enable_gqa": True},
        ),
        (DtypeError, "one dtype", (x, x.double(), x), {}),
        (DtypeError, "attn_mask to be bool or floating", (x, x, x, ones.long()), {}),
        (DtypeError, "not implemented for framework.int64", (x.long(), x.long(), x.long()), {}),
        (ArgumentError, "dropout_p", (x, x, x), {"dropout_p": 1.5}),
    )
    for error, match, args, options in cases:
        with pytest.raises(error, match=match):
            attention(*args, **options)
