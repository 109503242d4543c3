"""Multi-head attention: projections, heads, masks and ``scaled_dot_product_attention`` between them."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.op import apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.attention import scaled_dot_product_attention
from framework.ops.dropout import dropout as drop
from framework.ops.joining import Cat, cat
from framework.ops.matmul import linear, matmul
from framework.ops.selection import where
from framework.ops.softmax import softmax
from framework.tensor import wrap


def multi_head_attention_forward(
    query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int, in_proj_weight: Any, in_proj_bias: Any,
    bias_k: Any, bias_v: Any, add_zero_attn: bool, dropout_p: float, out_proj_weight: Any, out_proj_bias: Any,
    training: bool = True, key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None,
    v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None, average_attn_weights: bool = True,
    is_causal: bool = False
) -> tuple[Any, Any]:  # fmt: skip
    """Multi-head attention from its weights; ``nn.MultiheadAttention`` is the layer.

    Args:
        query: (L, N, E) or (L, E); key and value (S, N, E) or (S, E).
        embed_dim_to_check: E.
        num_heads: heads, each E / num_heads wide.
        in_proj_weight: (3 * E, E) projections of query, key and value; in_proj_bias (3 * E,).
        bias_k, bias_v: (1, 1, E), one more key and value for every sequence.
        add_zero_attn: add a key and a value of zeros.
        key_padding_mask: (N, S) or (S,): True at keys to pass over, or numbers added to the scores.
        need_weights: give the attention weights too, which is slower.
        attn_mask: (L, S) or (N * heads, L, S): True where not to look, or numbers added to the scores.
        use_separate_proj_weight: take q_proj_weight (E, E), k_proj_weight (E, kdim), v_proj_weight (E, vdim) instead.
        static_k, static_v: (N * heads, S, E / heads) projected keys and values to use instead.
        average_attn_weights: average the weights over the heads.
        is_causal: ``attn_mask`` is the causal one.

    Returns:
        The output, of the query's shape, and the weights (N, L, S) or (N, heads, L, S), None unless asked for.
    """
    return attend(
        query, key, value, embed_dim_to_check, num_heads, (in_proj_weight, in_proj_bias), (q_proj_weight,
        k_proj_weight, v_proj_weight) if use_separate_proj_weight else None, (bias_k, bias_v), add_zero_attn,
        dropout_p if training else 0.0, (out_proj_weight, out_proj_bias), key_padding_mask, need_weights, attn_mask,
        (static_k, static_v), average_attn_weights, is_causal, batch_first=False
    )  # fmt: skip


def attend(
    query: Any, key: Any, value: Any, embed_dim: int, num_heads: int, in_proj: tuple[Any, Any], separate: tuple[Any,
    Any, Any] | None, extra: tuple[Any, Any], add_zero_attn: bool, dropout: float, out_proj: tuple[Any, Any],
    key_padding_mask: Any, need_weights: bool, attn_mask: Any, static: tuple[Any, Any], average: bool,
    is_causal: bool, batch_first: bool
) -> tuple[Any, Any]:  # fmt: skip
    """``multi_head_attention_forward`` for either order of the first two dims; weights and biases come in pairs."""
    single = _check(query, key, value, key_padding_mask, attn_mask, embed_dim, num_heads, separate is not None)
    if is_causal and attn_mask is None:
        raise ArgumentError(
            "multi_head_attention_forward: is_causal is a hint on attn_mask and needs it; "
            "Transformer.generate_square_subsequent_mask makes one"
        )
    if single:
        same = query is key and key is value
        query = query.unsqueeze(0 if batch_first else 1)
        key, value = (query, query) if same else (t.unsqueeze(0 if batch_first else 1) for t in (key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    seq, bat = (1, 0) if batch_first else (0, 1)
    rows, batch = query.shape[seq], query.shape[bat]
    width = embed_dim // num_heads
    q, k, v = _project(query, key, value, in_proj, separate)
    if extra[0] is not None:
        shape = (batch, 1, embed_dim) if batch_first else (1, batch, embed_dim)
        k, v = (cat([t, b.expand(*shape)], seq) for t, b in zip((k, v), extra, strict=True))

    def heads(t: Any) -> Any:  # (N, heads, length, width)
        t = t.reshape(*t.shape[:2], num_heads, width)
        return t.permute(0, 2, 1, 3) if batch_first else t.permute(1, 2, 0, 3)

    q = heads(q)
    k, v = (
        heads(t) if s is None else s.reshape(batch, num_heads, *s.shape[1:])
        for t, s in zip((k, v), static, strict=True)
    )
    if add_zero_attn:
        zeros = wrap(array_module(k.array).zeros((batch, num_heads, 1, width), k.array.dtype))
        k, v = cat([k, zeros], 2), cat([v, zeros], 2)
    causal = is_causal and key_padding_mask is None and not need_weights
    columns = k.shape[2]
    mask = None if causal else _merge(attn_mask, key_padding_mask, batch, num_heads, rows, columns, q.dtype)
    weights = None
    if need_weights:
        scores = matmul(q * math.sqrt(1.0 / width), k.transpose(-2, -1))
        if mask is not None:
            scores = where(mask, float("-inf"), scores) if mask.array.dtype.kind == "b" else scores + mask
        weights = softmax(scores, -1)
        if dropout:
            weights = drop(weights, dropout, True)
        y = matmul(weights, v)
    else:
        if mask is not None and mask.array.dtype.kind == "b":
            mask = ~mask
        y = scaled_dot_product_attention(q, k, v, mask, dropout, causal)
    y = y.permute(0, 2, 1, 3) if batch_first else y.permute(2, 0, 1, 3)
    y = linear(y.reshape(*query.shape[:2], embed_dim), *out_proj)
    if weights is not None and average:
        weights = weights.mean(1)
    if single:
        y = y.squeeze(bat)
        weights = None if weights is None else weights.squeeze(0)
    return y, weights


def _project(query: Any, key: Any, value: Any, in_proj: tuple[Any, Any], separate: tuple[Any, Any, Any] | None) -> Any:
    weight, bias = in_proj
    if separate is not None:
        biases = (None, None, None) if bias is None else bias.split(bias.shape[0] // 3)
        return [linear(t, w, b) for t, w, b in zip((query, key, value), separate, biases, strict=True)]
    size = weight.shape[0] // 3
    if key is value:
        if query is key:
            return linear(query, weight, bias).split(size, -1)
        w_q, w_kv = weight.split([size, 2 * size])
        b_q, b_kv = (None, None) if bias is None else bias.split([size, 2 * size])
        return [linear(query, w_q, b_q), *linear(key, w_kv, b_kv).split(size, -1)]
    biases = (None, None, None) if bias is None else bias.split(size)
    return [linear(t, w, b) for t, w, b in zip((query, key, value), weight.split(size), biases, strict=True)]


def _merge(attn_mask: Any, padding: Any, batch: int, heads: int, rows: int, columns: int, dtype: Any) -> Any:
    """Both masks in one that broadcasts to (N, heads, L, S): bool where both are, else numbers to add."""
    if attn_mask is not None:
        attn_mask = _widened(attn_mask, columns)
        attn_mask = attn_mask.reshape(batch, heads, rows, columns) if attn_mask.ndim == 3 else attn_mask
    if padding is not None:
        padding = _widened(padding, columns).reshape(batch, 1, 1, columns)
    masks = [m for m in (attn_mask, padding) if m is not None]
    if len(masks) < 2:
        return masks[0] if masks else None
    if all(m.array.dtype.kind == "b" for m in masks):
        return masks[0] | masks[1]
    return additive(masks[0], dtype) + additive(masks[1], dtype)


def _widened(mask: Any, columns: int) -> Any:
    """A mask with columns of "look" for the keys that were added behind the others."""
    missing = columns - mask.shape[-1]
    if not missing:
        return mask
    xp = array_module(mask.array)
    return apply(Cat, mask, wrap(xp.zeros((*mask.shape[:-1], missing), mask.array.dtype)), axis=mask.ndim - 1)


def additive(mask: Any, dtype: Any) -> Any:
    """A bool mask as numbers to add: -inf where it is True. Numbers stay."""
    if mask.array.dtype.kind != "b":
        return mask
    xp = array_module(mask.array)
    return wrap(xp.where(mask.array, -xp.inf, 0.0).astype(dtype.numpy))


def _check(
    query: Any, key: Any, value: Any, padding: Any, mask: Any, embed_dim: int, num_heads: int, separate: bool
) -> bool:
    """Refuse shapes and dtypes that do not fit; tell whether the input is unbatched."""
    name = "multi_head_attention_forward"
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
        raise ShapeError(
            f"{name}: expected query, key and value to be all 3-D (batched) or all 2-D (unbatched), got {shapes}"
        )
    single = query.ndim == 2
    if padding is not None and padding.ndim != query.ndim - 1:
        raise ShapeError(
            f"{name}: expected key_padding_mask to be {'1-D (S,)' if single else '2-D (N, S)'} for "
            f"{query.ndim}-D query, got {tuple(padding.shape)}"
        )
    if query.shape[-1] != embed_dim:
        raise ShapeError(f"{name}: was expecting embedding dimension of {embed_dim}, but got {shapes}")
    if embed_dim % num_heads:
        raise ArgumentError(f"{name}: embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if (key.shape[:-1] if separate else key.shape) != (value.shape[:-1] if separate else value.shape):
        raise ShapeError(f"{name}: key shape does not match value shape: {shapes}")
    for what, m in (("attn_mask", mask), ("key_padding_mask", padding)):
        if m is not None and m.array.dtype.kind != "b" and not m.dtype.is_floating_point:
            raise DtypeError(f"{name}: only bool and floating types of {what} are supported, got {m.dtype}")
    if mask is not None and mask.ndim not in (2, 3):
        raise ShapeError(f"{name}: attn_mask must be (L, S) or (N * num_heads, L, S), got {tuple(mask.shape)}")
    return single
