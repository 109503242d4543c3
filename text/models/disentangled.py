"""Attention that compares contents and relative positions apart, as DeBERTa's.

The scores add three products: of contents with contents, of contents with positions and of positions with contents. A
product with positions is made once for each distance that occurs and then laid out by place as a view.

Reference: He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", https://arxiv.org/abs/2006.03654.
"""

from __future__ import annotations

import math
from typing import Any

from framework import nn
from framework.ops.matmul import matmul
from framework.ops.selection import where
from framework.tensor import Tensor
from text.models.attention import attend, check_heads, merge_heads, split_heads
from text.models.config import Config


class Distances:
    """How relative positions are numbered: by buckets that grow with the distance, or each by itself.

    Attributes:
        span: numbers on each side; the table of positions has twice as many rows.
    """

    def __init__(self, config: Config) -> None:
        self.farthest = config.max_relative_positions
        if self.farthest < 1:
            self.farthest = config.max_position_embeddings
        self.buckets = config.position_buckets
        self.span = self.buckets if self.buckets > 0 else self.farthest

    def rows(self, length: int, xp: Any) -> Any:
        """The table's row for each distance of a query before its key, from ``length - 1`` down to ``1 - length``."""
        far = xp.arange(length - 1, -length, -1)
        if self.buckets > 0:
            half = self.buckets // 2
            near = xp.abs(far) < half
            size = xp.where(near, half - 1, xp.abs(far)).astype("float32")
            steps = xp.log(size / half) / xp.log(xp.float32((self.farthest - 1) / half)) * (half - 1)
            coarse = (xp.ceil(steps) + half) * xp.sign(far)
            far = xp.where(size <= half, far, coarse).astype("int64")
        return xp.clip(far + self.span, 0, 2 * self.span - 1)


class DisentangledSelfAttention(nn.Module):
    """Attention whose scores add contents with contents, contents with positions and positions with contents."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        check_heads(config)
        self.heads = config.num_attention_heads
        kinds = attention_kinds(config) if config.relative_attention else ()
        self.query_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.key_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.value_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.position_key: str | None = None  # the layers that project positions, by name: some files share them
        self.position_query: str | None = None
        if "c2p" in kinds:
            self.position_key = "key_proj" if config.share_att_key else "pos_key_proj"
        if "p2c" in kinds:
            self.position_query = "query_proj" if config.share_att_key else "pos_query_proj"
        for name in (self.position_key, self.position_query):
            if name is not None and not config.share_att_key:
                setattr(self, name, nn.Linear(config.hidden_size, config.hidden_size))
        parts = 1 + len({"c2p", "p2c"} & set(attention_kinds(config)))
        self.scale = 1 / math.sqrt(config.hidden_size // config.num_attention_heads * parts)
        self.position_dropout = nn.Dropout(config.hidden_dropout_prob)
        self.share = config.attention_probs_dropout_prob

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        positions: tuple[Tensor, Tensor] | None,
        seen: Tensor | None,
        output_attentions: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """(B, S, hidden) states, and the weights (B, heads, S, S) if asked for.

        Args:
            positions: the vectors of the relative positions that occur, and which of them belongs to each distance.
            seen: (B, S, 1), False at padding, which gets the mean of all values.
        """
        q, k, v = self.query_proj(hidden), self.key_proj(hidden), self.value_proj(hidden)
        mean = None if seen is None else v.mean(1, keepdim=True)
        q, k, v = (split_heads(t, self.heads) for t in (q, k, v))
        bias = None if positions is None else self._bias(q, k, *positions)
        share = self.share if self.training else 0.0
        y, weights = attend(
            q, k, v, mask, bias=bias, scale=self.scale, dropout=share, output_attentions=output_attentions
        )
        y = merge_heads(y)
        return (y if seen is None else where(seen, y, mean)), weights

    def _bias(self, q: Tensor, k: Tensor, vectors: Tensor, places: Tensor) -> Tensor | None:
        """What positions add to the scores, (B, heads, S, S)."""
        vectors = self.position_dropout(vectors).unsqueeze(0)
        bias = None
        if self.position_key is not None:
            keys = split_heads(getattr(self, self.position_key)(vectors)[:, places], self.heads)
            bias = _shifted(matmul(q * self.scale, keys.transpose(-2, -1)))
        if self.position_query is not None:
            queries = split_heads(getattr(self, self.position_query)(vectors)[:, places.flip(0)], self.heads)
            added = _shifted(matmul(k * self.scale, queries.transpose(-2, -1))).transpose(-2, -1)
            bias = added if bias is None else bias + added
        return bias


def attention_kinds(config: Config) -> tuple[str, ...]:
    """Which comparisons with positions the attention makes: "c2p" and "p2c"."""
    kinds = config.pos_att_type or ()
    return tuple(kind.strip() for kind in (kinds.lower().split("|") if isinstance(kinds, str) else kinds))


def _shifted(scores: Tensor) -> Tensor:
    """(B, heads, S, 2 S - 1) scores by distance, farthest before first, as (B, heads, S, S) scores by place."""
    length, columns = scores.shape[-2:]
    if length == 1:
        return scores
    flat = scores.flatten(-2)[..., length - 1 : length - 1 + length * (columns - 1)]
    return flat.reshape(*scores.shape[:-1], columns - 1)[..., :length]
