"""Attention between projected queries, keys and values, and the layout of heads."""

from __future__ import annotations

import math

import numpy as np

from framework.devices import array_module
from framework.errors import ArgumentError
from framework.nn import functional as F
from framework.ops.matmul import matmul
from framework.ops.selection import where
from framework.tensor import Tensor, wrap
from text.models.config import Config


def check_heads(config: Config) -> None:
    """Refuse a width that heads do not share evenly.

    Raises:
        ArgumentError: so it is.
    """
    if config.hidden_size % config.num_attention_heads:
        raise ArgumentError(
            f"{type(config).__name__}: hidden_size {config.hidden_size} is no multiple of "
            f"num_attention_heads {config.num_attention_heads}"
        )


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, S, heads * D) as (B, heads, S, D), a view."""
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).permute(0, 2, 1, 3)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, S, D) as (B, S, heads * D): a view of what ``attend`` gives."""
    batch, heads, length, width = x.shape
    return x.permute(0, 2, 1, 3).reshape(batch, length, heads * width)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    output_attentions: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Each query's average of the values: ``scaled_dot_product_attention``, and its weights if asked for.

    Args:
        query: (B, heads, L, D).
        key, value: (B, heads, S, D); fewer heads are shared by groups of query heads.
        mask: from ``text.models.masks``; None lets every query see all.
        causal: let query i look at the keys 0 to i; not together with ``mask``.
        bias: broadcasts to (B, heads, L, S): numbers added to the scores, such as those of relative positions.
        dropout: share of the weights to drop; pass 0 when evaluating.
        scale: factor of the scores, ``1 / sqrt(D)`` unless given.
        output_attentions: give the weights (B, heads, L, S) too, which is slower.

    Returns:
        (B, heads, L, D), laid out in memory so that ``merge_heads`` copies nothing, and the weights or None.
    """
    if bias is not None:
        mask, causal = with_bias(mask, bias, causal), False
    grouped = key.shape[1] != query.shape[1]
    if not output_attentions:
        return F.scaled_dot_product_attention(query, key, value, mask, dropout, causal, scale, grouped), None
    if grouped:
        key, value = (t.repeat_interleave(query.shape[1] // t.shape[1], 1) for t in (key, value))
    scores = matmul(query, key.transpose(-2, -1)) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if causal:
        mask = _lower_triangle(scores)
    if mask is not None:
        lowest = float(np.finfo(np.float16 if scores.dtype.itemsize == 2 else np.float32).min)
        scores = where(mask, scores, lowest) if mask.array.dtype.kind == "b" else scores + mask
    weights = F.softmax(scores, -1)
    return matmul(F.dropout(weights, dropout) if dropout else weights, value), weights


def with_bias(mask: Tensor | None, bias: Tensor, causal: bool = False) -> Tensor:
    """A mask of numbers to add to the scores: the bias, and -inf where a query may not look."""
    if causal:
        mask = _lower_triangle(bias)
    if mask is None:
        return bias
    return where(mask, bias, float("-inf")) if mask.array.dtype.kind == "b" else bias + mask


def _lower_triangle(scores: Tensor) -> Tensor:
    rows, columns = scores.shape[-2:]
    xp = array_module(scores.array)
    return wrap(xp.arange(columns) <= xp.arange(rows)[:, None])
