"""oneDNN's scaled dot-product attention beside the blocked one of NumPy."""

import numpy as np
import pytest

import framework
from framework.kernels import explain, force
from framework.kernels.generic import attention as generic
from framework.nn.functional import scaled_dot_product_attention as attention
from framework.ops.splitting import _together

pytestmark = pytest.mark.skipif("onednn" not in framework.kernels.libraries(), reason="oneDNN is not installed")


@pytest.fixture
def kernel():
    from framework.kernels.onednn import attention

    return attention


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def heads(batch, length, count, width, seed=0):
    """A head's rows lie ``count * width`` apart, as a projection leaves them."""
    return draw(batch, length, count, width, seed=seed).transpose(0, 2, 1, 3)


def projected(batch, length, count, width):
    rows = draw(batch, length, 3 * count * width)
    return [x.reshape(batch, length, count, width).transpose(0, 2, 1, 3) for x in np.split(rows, 3, -1)]


INPUTS = {
    "one projection": lambda: projected(2, 19, 3, 8),
    "length first": lambda: [draw(19, 2, 3, 8, seed=s).transpose(1, 2, 0, 3) for s in range(3)],
    "dense, odd lengths": lambda: [draw(2, 3, 17, 5), draw(2, 3, 33, 5, seed=1), draw(2, 3, 33, 7, seed=2)],
    "more queries than keys": lambda: [draw(3, 40, 4), draw(3, 9, 4, seed=1), draw(3, 9, 4, seed=2)],
    "one query": lambda: [draw(2, 3, 1, 8), draw(2, 3, 21, 8, seed=1), draw(2, 3, 21, 8, seed=2)],
    "one key": lambda: [draw(2, 3, 6, 8), draw(2, 3, 1, 8, seed=1), draw(2, 3, 1, 8, seed=2)],
    "one feature": lambda: [draw(2, 3, 6, 1), draw(2, 3, 9, 1, seed=1), draw(2, 3, 9, 1, seed=2)],
    "keys of one head": lambda: [
        draw(2, 3, 6, 8), *(np.broadcast_to(draw(2, 1, 9, 8, seed=s), (2, 3, 9, 8)) for s in (1, 2))
    ],
    "groups": lambda: [
        draw(2, 2, 3, 6, 8), *(np.broadcast_to(draw(2, 2, 1, 9, 8, seed=s), (2, 2, 3, 9, 8)) for s in (1, 2))
    ],
    "every other feature": lambda: [draw(2, 3, 9, 16, seed=s)[..., ::2] for s in range(3)],
    "reversed": lambda: [draw(2, 3, 9, 8, seed=s)[::-1, :, ::-1] for s in range(3)],
}  # fmt: skip

BIASES = {
    "none": lambda shape: None,
    "numbers": lambda shape: draw(*shape[-2:], seed=4),
    "padding": lambda shape: np.arange(shape[-1]) < max(shape[-1] - 2, 1),
    "some see nothing": lambda shape: np.random.default_rng(5).random(shape[-2:]) * (np.arange(shape[-2]) % 3 > 0)[:, None] > 0.4,
    "of every head": lambda shape: np.where(np.random.default_rng(6).random(shape) > 0.3, draw(*shape), -np.inf).astype("float32"),
}  # fmt: skip


def compare(kernel, q, k, v, bias=None, causal=False, drop=False, gradients=True):
    shape = (*q.shape[:-1], k.shape[-2])
    bias = BIASES[bias](shape) if isinstance(bias, str) else bias
    bias = None if bias is None else np.broadcast_to(bias, shape)
    dropout = 0.2 if drop else 0.0
    wanted = bias is not None and bias.dtype.kind == "f"
    g = draw(*q.shape[:-1], v.shape[-1], seed=9)

    def run(module, q, k, v, g, differentiable):
        generator = framework.Generator().manual_seed(7)
        out, kept = module.forward(q, k, v, bias, causal, 0.3, dropout, generator, differentiable)
        return out, *module.backward(g, q, k, v, out, kept, bias, causal, 0.3, dropout, wanted)

    expected = run(generic, *(x.astype("float64") for x in (q, k, v, g)), True)
    for differentiable in (True, False):  # probabilities kept where they are small, and computed again
        for found, right in zip(run(kernel, q, k, v, g, differentiable), expected, strict=True):
            assert (found is None) == (right is None)
            if found is not None:
                assert found.shape == right.shape
                assert found.dtype == np.float32
                np.testing.assert_allclose(found, right, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("drop", [False, True], ids=["", "dropout"])
@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("name", INPUTS)
def test_attention_and_its_gradients_are_the_generic_ones(kernel, name, bias, causal, drop):
    compare(kernel, *INPUTS[name](), bias, causal, drop)


@pytest.mark.parametrize("block, rows", [(1, 1), (100, 4), (700, 8), (2000, 7)])
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("name", ["one projection", "dense, odd lengths", "more queries than keys", "groups"])
def test_blocks_make_no_difference(kernel, monkeypatch, name, bias, block, rows):
    monkeypatch.setattr(kernel, "BLOCK", block)
    monkeypatch.setattr(kernel, "CAUSAL_ROWS", rows)
    for causal in (False, True):
        compare(kernel, *INPUTS[name](), bias, causal, drop=True)


def test_blocks_cover_every_score_once(kernel, monkeypatch):
    for block in (1, 30, 200, 100000):
        monkeypatch.setattr(kernel, "BLOCK", block)
        seen = np.zeros((2, 3, 5, 7), int)
        for index, rows, columns in kernel._blocks((2, 3), 5, 7, False):
            part = seen[(*index, rows, columns)]
            assert part.size <= max(block, 7)
            part += 1
        assert (seen == 1).all()


def test_heads_are_neither_taken_apart_nor_merged_by_copies(kernel):
    q, k, v = projected(2, 19, 3, 8)
    out, kept = kernel.forward(q, k, v, None, False, 0.3, 0.0, None, True)
    assert out.transpose(0, 2, 1, 3).flags.c_contiguous
    dq, dk, dv, _ = kernel.backward(out, q, k, v, out, kept, None, False, 0.3, 0.0, False)
    assert dq.base is not None
    assert dq.base is dk.base is dv.base
    assert dq.strides == q.strides
    merged = [x.transpose(0, 2, 1, 3).reshape(2, 19, 24) for x in (dq, dk, dv)]
    whole = _together(merged, 2)
    assert np.shares_memory(whole, dq)
    np.testing.assert_array_equal(whole, np.concatenate(merged, 2))
    for others in (merged[::-1], [merged[0], merged[2]], [x.copy() for x in merged], [merged[0], None, merged[2]]):
        assert _together(others, 2) is None
    assert kernel._side_by_side(q, v, k) is None
    assert kernel._side_by_side(q, k.copy(), v) is None
    rows = framework.from_numpy(draw(2, 200, 3 * 64)).requires_grad_()
    parts = [x.reshape(2, 200, 4, 16).transpose(1, 2) for x in rows.split(64, -1)]
    assert explain("attention", *parts).startswith("attention: onednn")
    loss = attention(*parts).square().sum()
    with force("generic"):
        leaf = framework.from_numpy(rows.array.copy()).requires_grad_()
        attention(*(x.reshape(2, 200, 4, 16).transpose(1, 2) for x in leaf.split(64, -1))).square().sum().backward()
    loss.backward(retain_graph=True)
    np.testing.assert_allclose(rows.grad.array, leaf.grad.array, rtol=2e-4, atol=2e-5)
    rows.grad = None
    loss.backward()  # the first pass left what was kept as it was
    np.testing.assert_allclose(rows.grad.array, leaf.grad.array, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", ["onednn", "generic"])
def test_gradients_of_expanded_keys_lie_row_by_row(kernel, name):
    module = kernel if name == "onednn" else generic
    q = draw(2, 3, 2, 40, 16)
    k, v = (np.broadcast_to(draw(2, 3, 1, 40, 16, seed=seed), q.shape) for seed in (1, 2))
    out, kept = module.forward(q, k, v, None, True, 0.25, 0.0, None, True)
    found = module.backward(q, q, k, v, out, kept, None, True, 0.25, 0.0, False)[:3]
    dense = [np.ascontiguousarray(x) for x in (q, k, v)]
    out, kept = generic.forward(*dense, None, True, 0.25, 0.0, None, True)
    expected = generic.backward(q, *dense, out, kept, None, True, 0.25, 0.0, False)[:3]
    for a, b in zip(found, expected, strict=True):
        assert a.flags.c_contiguous
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_probabilities_are_kept_while_they_are_small(kernel):
    q = draw(1, 2, 40, 8)
    assert kernel.forward(q, q, q, None, False, 1.0, 0.0, None, True)[1][0] is None
    assert kernel.forward(q, q, q, None, False, 1.0, 0.0, None, False)[1][0] is None
    wide = draw(1, 2, 40, 16)
    assert kernel.forward(wide, wide, wide, None, False, 1.0, 0.0, None, True)[1][0][0].shape == (1, 2, 40, 40)


def test_what_is_no_number_reaches_its_row_alone(kernel):
    q, k, v = projected(2, 19, 3, 8)
    q[1, 2, 5, 3] = np.nan
    out, _ = kernel.forward(q, k, v, None, False, 0.3, 0.0, None, False)
    wrong = np.isnan(out).any(-1)
    assert wrong[1, 2, 5]
    assert wrong.sum() == 1


def test_dropout_drops_the_share_it_should(rng):
    q = framework.from_numpy(draw(4, 8, 64, 32)).requires_grad_()
    ones = framework.ones(4, 8, 64, 32)
    framework.manual_seed(3)
    y = attention(q, q, ones, dropout_p=0.25)
    assert abs(y.array.mean() - 1) < 0.01
    framework.manual_seed(3)
    with force("generic"):
        other = attention(q, q, ones, dropout_p=0.25)
    np.testing.assert_allclose(y.array, other.array, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    "kind, shape, words",
    [
        ("float64", (2, 8, 128, 32), "float32"),
        ("float32", (2, 8, 4, 32), "too small"),
        ("float32", (2, 8, 0, 32), "too small"),
        ("float32", (0, 8, 128, 32), "too small"),
    ],
)
def test_explain_says_why_numpy_serves(kind, shape, words):
    x = np.zeros(shape, kind)
    text = explain("attention", x, x, x)
    assert text.startswith("attention: generic")
    assert words in text
