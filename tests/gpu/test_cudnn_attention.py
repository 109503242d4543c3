"""Attention by cuDNN's graphs gives what the generic kernel gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
from framework.errors import GraphError
from framework.kernels import force
from framework.kernels.generic import attention as generic
from framework.nn.functional import scaled_dot_product_attention as attention
from tests.gpu.cudnn_stand_in import BFLOAT16, cudnn, near  # noqa: F401

FLOAT16 = np.dtype("f2")
FACTOR = {BFLOAT16: 1.0, FLOAT16: 2.0}


@pytest.fixture
def kernel(cudnn):  # noqa: F811
    from framework.kernels.cudnn import attention

    return attention


def draw(*shape, seed=0, dtype=BFLOAT16):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def length_first(*shape, **options):
    """Heads as a projection leaves them: (B, L, H, E) in memory."""
    return draw(shape[0], shape[2], shape[1], shape[3], **options)


INPUTS = {  # q, k, v, as a function of the array on the device, and the shape of the queries' leading dims
    "heads of a projection": lambda put: [
        put(length_first(2, 3, n, e, seed=s)).transpose(0, 2, 1, 3) for s, (n, e) in enumerate(((5, 8), (7, 8), (7, 16)))
    ],
    "rows": lambda put: [put(draw(2, 3, n, 8, seed=s)) for s, n in enumerate((9, 4, 4))],
    "length, batch, head": lambda put: [put(draw(n, 2, 3, 8, seed=s)).transpose(1, 2, 0, 3) for s, n in enumerate((6, 5, 5))],
    "one projection": lambda put: (lambda x: [x[:, :, i].transpose(0, 2, 1, 3) for i in range(3)])(put(draw(2, 6, 3, 4, 8))),
    "every other feature": lambda put: [put(draw(2, 3, 6, 16, seed=s))[..., ::2] for s in range(3)],
    "rows of odd steps": lambda put: [put(draw(2, 3, 6, 9, seed=s))[..., :8] for s in range(3)],
    "begins within a vector": lambda put: [put(draw(2, 3, 6, 24, seed=s))[..., 1:9] for s in range(3)],
    "one leading dim": lambda put: [put(draw(5, 6, 8, seed=s)) for s in range(3)],
    "three leading dims": lambda put: [put(draw(2, 2, 3, 6, 8, seed=s)) for s in range(3)],
}  # fmt: skip
MASKS = {
    "none": None,
    "padding": lambda lead, rows, keys: np.arange(keys) < np.array([keys, 2, 1, keys, 3][: lead[0]]).reshape(-1, *(1,) * (len(lead) + 1)),
    "sees nothing": lambda lead, rows, keys: (np.arange(rows) % 3 > 0)[:, None] & (np.arange(keys) > 0),
    "an empty sample": lambda lead, rows, keys: np.broadcast_to(
        np.arange(lead[0]).reshape(-1, *(1,) * (len(lead) + 1)) > 0, (lead[0], *(1,) * len(lead), keys)
    ),
    "numbers": lambda lead, rows, keys: draw(rows, keys, seed=7),
    "numbers of each head": lambda lead, rows, keys: np.where(
        np.random.default_rng(8).random((*lead, rows, keys)) < 0.3, -np.inf, np.random.default_rng(9).random((*lead, rows, keys))
    ).astype(BFLOAT16),
    "wide numbers": lambda lead, rows, keys: np.where(np.arange(keys) == 1, -np.inf, 0.5).astype("f4"),
}  # fmt: skip


def compare(gpu, kernel, inputs, mask=None, causal=False, dtype=BFLOAT16):
    q, k, v = inputs
    host = [x.get().astype("f4") for x in inputs]
    shape = (*q.shape[:-1], k.shape[-2])
    small = None if mask is None else np.asarray(mask(q.shape[:-2], *shape[-2:]))
    wanted = small is not None and small.dtype == dtype
    full = None if small is None else np.broadcast_to(small, shape)
    bias = None if small is None else gpu.xp.broadcast_to(gpu.xp.asarray(small), shape)
    g = draw(*q.shape[:-1], v.shape[-1], seed=5, dtype=dtype)
    out, kept = generic.forward(*host, full, causal, 0.4, 0.0, None, True)
    expected = out, *generic.backward(g.astype("f4"), *host, out, kept, full, causal, 0.4, 0.0, wanted)
    out, kept = kernel.forward(q, k, v, bias, causal, 0.4, 0.0, None, True)
    alone, nothing = kernel.forward(q, k, v, bias, causal, 0.4, 0.0, None, False)
    assert nothing is None
    near(alone, out.get(), dtype)
    found = out, *kernel.backward(gpu.xp.asarray(g), q, k, v, out, kept, bias, causal, 0.4, 0.0, wanted)
    for place, (a, e) in enumerate(zip(found, expected, strict=True)):
        if place == 4 and wanted:  # of what was repeated the sum
            axes = tuple(axis for axis, (n, m) in enumerate(zip(a.shape, e.shape, strict=True)) if n != m)
            e = e.sum(axes, keepdims=True)
        elif e is not None and a.shape != e.shape:
            e = e.sum(
                tuple(axis for axis, (n, m) in enumerate(zip(a.shape, e.shape, strict=True)) if n != m), keepdims=True
            )
        near(a, e, dtype, 2)
    return found


@pytest.mark.parametrize(("mask", "causal"), [*((mask, False) for mask in MASKS), ("none", True), ("padding", True)])
@pytest.mark.parametrize("name", INPUTS)
def test_attention_and_its_gradients(gpu, kernel, cudnn, name, mask, causal):  # noqa: F811
    inputs = INPUTS[name](gpu.xp.asarray)
    out = compare(gpu, kernel, inputs, MASKS[mask], causal)[0]
    if name == "heads of a projection":
        assert out.transpose(0, 2, 1, 3).flags.c_contiguous  # the heads rejoin without a copy
    if cudnn is not None and "numbers" not in mask:  # what forward made sure of is what backward runs
        assert [graph.steps[0] for graph in cudnn.built].count("sdpa_backward") == 1 + (name in OTHER_ORDER)


OTHER_ORDER = ("heads of a projection", "length, batch, head", "one projection")  # than the gradient of their output


@pytest.mark.parametrize("mask", ["padding", "numbers"])
def test_float16(gpu, kernel, mask):
    make = (lambda *a: MASKS[mask](*a).astype(FLOAT16)) if mask == "numbers" else MASKS[mask]
    compare(
        gpu, kernel, [gpu.xp.asarray(draw(2, 3, 6, 8, seed=s, dtype=FLOAT16)) for s in range(3)], make, dtype=FLOAT16
    )


@pytest.mark.parametrize("mask", ["none", "padding", "numbers of each head"])
@pytest.mark.parametrize("lead", [(2, 2, 3), (2, 3)], ids=["groups", "one head of keys"])
def test_repeated_heads_are_given_once(gpu, kernel, cudnn, lead, mask):  # noqa: F811
    q = gpu.xp.asarray(draw(*lead, 5, 8))
    k, v = (gpu.xp.broadcast_to(gpu.xp.asarray(draw(*lead[:-1], 1, 7, 8, seed=s)), (*lead, 7, 8)) for s in (1, 2))
    found = compare(gpu, kernel, [q, k, v], MASKS[mask])
    assert found[2].shape == (*lead[:-1], 1, 7, 8)
    if cudnn is not None:
        heads = math.prod(lead[1:])
        assert [t.dims for t in cudnn.built[0].tensors[:2]] == [[2, heads, 5, 8], [2, heads // 3, 7, 8]]


def test_gradients_of_one_projection_lie_together(gpu, kernel):
    inputs = INPUTS["one projection"](gpu.xp.asarray)
    _, dq, dk, dv, _ = compare(gpu, kernel, inputs)
    assert dk.data.ptr - dq.data.ptr == dv.data.ptr - dk.data.ptr == inputs[1].data.ptr - inputs[0].data.ptr
    assert dq.strides == dk.strides == dv.strides == inputs[0].strides


def test_dropout_of_a_seed_is_the_same_forward_and_backward(gpu, cudnn):  # noqa: F811
    q, k, v = (F.from_numpy(draw(2, 3, 64, 8, seed=s, dtype="f4")).to(gpu.device, F.bfloat16) for s in range(3))
    v.requires_grad_()
    results = []
    for seed in (3, 3, 4):
        F.manual_seed(seed)
        v.grad = None
        y = attention(q, k, v, dropout_p=0.25)
        y.float().sum().backward()
        results.append((y.detach().float().cpu().numpy(), v.grad.float().cpu().numpy()))
    for a, b in zip(*results[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(results[0][0] - results[2][0]).max() > 0.1
    # the sum of all outputs is v weighted by what its gradient says, if both drew the same mask
    np.testing.assert_allclose(
        (results[0][1] * v.detach().float().cpu().numpy()).sum(), results[0][0].sum(), rtol=2e-2, atol=1
    )
    second = attention(q, k, v, dropout_p=0.25).detach().float().cpu().numpy()
    assert np.abs(second - results[2][0]).max() > 0.1  # the generator has moved on


def test_gradients_of_gradients_with_dropout_are_refused(gpu, cudnn):  # noqa: F811
    q = F.from_numpy(draw(1, 2, 6, 8, dtype="f4")).to(gpu.device, F.bfloat16).requires_grad_()
    for p in (0.0, 0.5):
        y = attention(q, q, q, dropout_p=p).float().square().sum()
        if p:
            with pytest.raises(GraphError, match="mask of dropout"):
                F.autograd.grad(y, q, create_graph=True)
        else:
            (g,) = F.autograd.grad(y, q, create_graph=True)
            g.float().square().sum().backward()


CALLS = {
    "plain": ({}, None), "causal": ({"is_causal": True}, None),
    "padding": ({}, lambda: np.arange(7) < np.array([7, 4]).reshape(2, 1, 1, 1)),
    "groups": ({"enable_gqa": True}, None), "numbers": ({}, lambda: draw(5, 7, seed=3, dtype="f4")),
    "repeated by the user": ({}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_op(gpu, cudnn, name):  # noqa: F811
    options, mask = CALLS[name]
    heads = 2 if name == "groups" else 4
    arrays = [draw(2, n, h, 8, seed=s, dtype="f4") for s, (n, h) in enumerate(((5, 4), (7, heads), (7, heads)))]
    results = []
    for device, kind in (("cpu", F.float32), (gpu.device, F.bfloat16)):
        leaves = [F.from_numpy(a).to(device, kind).requires_grad_() for a in arrays]
        q, k, v = (t.transpose(1, 2) for t in leaves)
        if name == "repeated by the user":
            k, v = (t[:, :1].expand(2, 4, 7, 8) for t in (k, v))
        m = None if mask is None else F.from_numpy(np.asarray(mask())).to(device)
        if m is not None and m.dtype.is_floating_point:
            m = m.to(kind).requires_grad_()
            leaves.append(m)
        F.kernels.reset_fallbacks()
        y = attention(q, k, v, m, **options)
        (y.float() ** 2).sum().backward()
        results.append([t.detach().float().cpu().numpy() for t in (y, *(leaf.grad for leaf in leaves))])
        assert not [found for found in F.kernels.fallbacks() if found[0] == "attention"], F.kernels.fallbacks()
    for b, a in zip(*results, strict=True):
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= 0.02 * np.linalg.norm(b)


def test_what_cudnn_has_no_algorithm_for_is_served_by_another(gpu, kernel, cudnn):  # noqa: F811
    if cudnn is None:
        pytest.skip("asks the stand-in")
    q, mask = F.from_numpy(draw(1, 2, 6, 8, dtype="f4")), F.from_numpy(draw(6, 6, seed=1, dtype="f4"))
    results = []
    for refused, late in ((set(), False), ({"sdpa"}, False), ({"sdpa_backward"}, False), ({"sdpa_backward"}, True)):
        kernel.forward_plan.cache_clear()
        kernel.backward_plan.cache_clear()
        cudnn.refused.clear()
        cudnn.refused.update(set() if late else refused)
        t, m = (leaf.to(gpu.device, F.bfloat16).requires_grad_() for leaf in (q, mask))
        y = attention(t, t, t, m)
        cudnn.refused.update(refused)  # that of the mask is found out about when it is wanted
        y.float().square().sum().backward()
        results.append([a.detach().float().cpu().numpy() for a in (y, t.grad, m.grad)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("shape", "dtype", "params", "words"),
    [
        ((1, 2, 6, 8), "f4", {}, "not float32"),
        ((1, 2, 6, 12), BFLOAT16, {}, "multiples of 8"),
        ((1, 2, 6, 264), BFLOAT16, {}, "multiples of 8 up to 256"),
        ((1, 2, 1, 8), BFLOAT16, {}, "one query"),
        ((1, 2, 0, 8), BFLOAT16, {}, "nothing to compute"),
        ((1, 2, 6, 8), BFLOAT16, {"dropout": 1.0}, "everything is dropped"),
    ],
)
def test_declines_in_words(gpu, cudnn, shape, dtype, params, words):  # noqa: F811
    x = gpu.xp.zeros(shape, dtype)
    text = F.kernels.explain("attention", x, x, x, **params)
    assert words in text and not text.startswith("attention: cudnn"), text


def test_another_can_be_forced(gpu, cudnn):  # noqa: F811
    x = gpu.xp.zeros((1, 2, 6, 8), BFLOAT16)
    assert F.kernels.explain("attention", x, x, x).startswith("attention: cudnn")
    with force("cuda"):
        assert F.kernels.explain("attention", x, x, x).startswith("attention: cuda")
