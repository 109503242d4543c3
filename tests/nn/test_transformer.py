"""Multi-head attention and the transformer stacks against PyTorch with the same weights."""

import warnings

import numpy as np
import pytest

import framework
from framework import nn
from framework.errors import ArgumentError, ShapeError
from framework.nn import functional as F
from tests.ops.parity import check, same


def pair(name, *args, **options):
    """Our layer and PyTorch's with the same float64 weights, biases made non-zero."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*args, **options).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's on its nested-tensor path
        theirs = getattr(torch.nn, name)(*args, **options).double()
    assert set(ours.state_dict()) == set(theirs.state_dict())
    state = {
        k: np.random.default_rng(i).standard_normal(tuple(v.shape)) * 0.4
        for i, (k, v) in enumerate(theirs.state_dict().items())
    }
    ours.load_state_dict({k: framework.from_numpy(v) for k, v in state.items()})
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    return ours, theirs


def grads_agree(ours, theirs):
    wanted = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        same(p.grad, wanted[name].grad, name)


ATTENTION = {
    "plain": {},
    "batch first": {"batch_first": True},
    "no bias": {"bias": False},
    "extra key": {"add_bias_kv": True, "add_zero_attn": True},
    "own widths": {"kdim": 5, "vdim": 3, "batch_first": True},
}
PADDING = np.array([[False, True, False, False, True], [False] * 5])
LOOK = np.triu(np.ones((4, 5), bool), 2)
MASKS = {
    "none": {},
    "padding": {"key_padding_mask": PADDING},
    "bool": {"attn_mask": LOOK},
    "numbers": {"attn_mask": np.random.default_rng(0).standard_normal((4, 4, 5))},
    "both": {"attn_mask": LOOK, "key_padding_mask": PADDING},
}


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("case", ATTENTION)
def test_attention(rng, case, masks, weights):
    torch = pytest.importorskip("torch")
    options = ATTENTION[case]
    ours, theirs = pair("MultiheadAttention", 6, 2, **options)
    shapes = [(4, 2, 6), (5, 2, options.get("kdim", 6)), (5, 2, options.get("vdim", 6))]
    arrays = [rng.standard_normal(s) for s in shapes]
    if options.get("batch_first"):
        arrays = [a.swapaxes(0, 1).copy() for a in arrays]

    def run(layer, tensor):
        given = {k: tensor(v) for k, v in MASKS[masks].items()}
        return lambda *t: layer(*t, need_weights=weights, average_attn_weights=case != "plain", **given)

    check(run(ours, framework.from_numpy), run(theirs, torch.from_numpy), *arrays)
    grads_agree(ours, theirs)


@pytest.mark.parametrize("batch_first", [False, True])
def test_self_attention_and_unbatched(rng, batch_first):
    ours, theirs = pair("MultiheadAttention", 6, 2, batch_first=batch_first)
    check(lambda x: ours(x, x, x), lambda x: theirs(x, x, x), rng.standard_normal((4, 2, 6)))
    grads_agree(ours, theirs)
    x, memory = rng.standard_normal((4, 6)), rng.standard_normal((3, 6))
    check(lambda x, m: ours(x, m, m), lambda x, m: theirs(x, m, m), x, memory)


def test_causal_hint(rng):
    layer = nn.MultiheadAttention(6, 2).double()
    x = framework.from_numpy(rng.standard_normal((4, 2, 6)))
    mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=framework.float64)
    hinted = layer(x, x, x, attn_mask=mask, is_causal=True, need_weights=False)[0]
    same(hinted, layer(x, x, x, attn_mask=mask)[0])
    with pytest.raises(ArgumentError, match="needs it"):
        layer(x, x, x, is_causal=True)


def test_attention_as_a_function(rng):
    torch = pytest.importorskip("torch")
    arrays = [rng.standard_normal(s) for s in ((4, 2, 6), (3, 2, 6), (18, 6), (18,), (6, 6), (6,))]

    def run(library):
        def call(q, k, w, b, w_out, b_out):
            function = library.nn.functional.multi_head_attention_forward
            return function(q, k, k, 6, 2, w, b, None, None, False, 0.0, w_out, b_out)

        return call

    check(run(framework), run(torch), *arrays)
    static = rng.standard_normal((4, 3, 3))
    q = framework.from_numpy(arrays[0])
    rest = [framework.from_numpy(a) for a in arrays[2:]]
    y, _ = F.multi_head_attention_forward(
        q, q, q, 6, 2, *rest[:2], None, None, False, 0.0, *rest[2:], static_k=framework.from_numpy(static)[:, :3],
        static_v=framework.from_numpy(static),
    )  # fmt: skip
    assert y.shape == (4, 2, 6)


@pytest.mark.parametrize(
    "options", [{}, {"norm_first": True, "batch_first": True, "activation": "gelu"}, {"bias": False}], ids=str
)
def test_layers(rng, options):
    torch = pytest.importorskip("torch")
    ours, theirs = pair("TransformerEncoderLayer", 6, 2, 8, 0.0, **options)
    x, memory = rng.standard_normal((4, 4, 6)), rng.standard_normal((4, 4, 6))
    padding = np.zeros((4, 4), bool)
    padding[1, 2:] = True

    def encode(layer, tensor):
        return lambda x: layer(x, src_key_padding_mask=tensor(padding))

    check(encode(ours, framework.from_numpy), encode(theirs, torch.from_numpy), x)
    grads_agree(ours, theirs)
    ours, theirs = pair("TransformerDecoderLayer", 6, 2, 8, 0.0, **options)
    mask = np.triu(np.full((4, 4), -np.inf), 1)

    def decode(layer, tensor):
        return lambda x, m: layer(x, m, tgt_mask=tensor(mask), memory_key_padding_mask=tensor(padding))

    check(decode(ours, framework.from_numpy), decode(theirs, torch.from_numpy), x, memory)
    grads_agree(ours, theirs)


@pytest.mark.parametrize("batch_first", [False, True])
def test_whole_transformer(rng, batch_first):
    ours, theirs = pair("Transformer", 6, 2, 2, 2, 8, 0.0, batch_first=batch_first)
    src, tgt = (rng.standard_normal((2, 5, 6) if batch_first else (5, 2, 6)) for _ in range(2))

    def run(layer):
        return lambda s, t: layer(s, t, tgt_mask=layer.generate_square_subsequent_mask(5).to(s.dtype))

    check(run(ours), run(theirs), src, tgt)
    grads_agree(ours, theirs)
    check(ours, theirs, src[0], tgt[0])


def test_stacks(rng):
    layer = nn.TransformerEncoderLayer(6, 2, 8)
    stack = nn.TransformerEncoder(layer, 2, nn.LayerNorm(6), enable_nested_tensor=False)
    assert not np.shares_memory(
        stack.layers[0].linear1.weight.numpy(force=True), layer.linear1.weight.numpy(force=True)
    )
    assert stack.layers[0].linear1.weight.tolist() == stack.layers[1].linear1.weight.tolist()
    x = framework.from_numpy(rng.standard_normal((3, 2, 6)).astype(np.float32))
    assert not bool((stack(x) == stack(x)).all())  # dropout
    stack.eval()
    causal = nn.Transformer.generate_square_subsequent_mask(3)
    np.testing.assert_allclose(
        stack(x, causal).detach().numpy(), stack(x, causal, is_causal=True).detach().numpy(), atol=1e-5
    )
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 8), 2).eval()
    assert decoder(x, x).shape == (3, 2, 6)


def test_refuses():
    x = framework.ones(4, 2, 6)
    layer = nn.MultiheadAttention(6, 2)
    cases = (
        (ArgumentError, "divisible by num_heads", lambda: nn.MultiheadAttention(6, 4)),
        (ShapeError, "embedding dimension of 6", lambda: layer(framework.ones(4, 2, 5), x, x)),
        (ShapeError, "key shape does not match", lambda: layer(x, x, x[:2])),
        (ShapeError, "all 3-D", lambda: layer(x, x, x[0])),
        (ShapeError, "key_padding_mask to be", lambda: layer(x, x, x, framework.ones(4).bool())),
        (ShapeError, "attn_mask must be", lambda: layer(x, x, x, attn_mask=framework.ones(4).bool())),
        (TypeError, "only bool and floating", lambda: layer(x, x, x, attn_mask=framework.ones(4, 4).long())),
        (ArgumentError, "activation should be", lambda: nn.TransformerEncoderLayer(6, 2, activation="swish")),
        (ShapeError, "batch number", lambda: nn.Transformer(6, 2, 1, 1, 8)(x, x[:, :1])),
        (ShapeError, "feature number", lambda: nn.Transformer(6, 2, 1, 1, 8)(x, framework.ones(4, 2, 5))),
    )
    for error, match, call in cases:
        with pytest.raises(error, match=match):
            call()
