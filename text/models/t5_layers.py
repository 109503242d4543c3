"""The layers of T5: attention without scaling, RMS norms before each part, no biases; and the buckets of distances.

Reference: Raffel et al., https://arxiv.org/abs/1910.10683.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import nn
from framework.tensor import Tensor
from text.models.activations import activation
from text.models.cache import Cache
from text.models.config import Config
from text.models.decoding import attend_cached, attend_encoder, by_heads

Attended = tuple[Tensor, Any]


class T5Attention(nn.Module):
    """Projections, and attention between them whose scores are not scaled."""

    def __init__(self, config: Config, layer: int, relative: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.relative = relative
        self.heads = config.num_heads
        inner = config.num_heads * config.d_kv
        self.q = nn.Linear(config.d_model, inner, bias=False)
        self.k = nn.Linear(config.d_model, inner, bias=False)
        self.v = nn.Linear(config.d_model, inner, bias=False)
        self.o = nn.Linear(inner, config.d_model, bias=False)
        if relative:
            self.relative_attention_bias = nn.Embedding(config.relative_attention_num_buckets, config.num_heads)
        self.share = config.dropout_rate

    def forward(
        self, hidden: Tensor, mask: Tensor | None, source: Tensor | None, cache: Cache | None, cross: bool, weigh: bool
    ) -> Attended:
        """(B, L, hidden) states, and the weights if asked for: of the states themselves, or of an encoder's."""
        q = by_heads(self.q(hidden), self.heads)
        share = self.share if self.training else 0.0
        if cross:
            y, weights = attend_encoder(
                q,
                lambda: (by_heads(self.k(source), self.heads), by_heads(self.v(source), self.heads)),
                None if cache is None else cache.cross[self.layer],
                mask,
                dropout=share,
                scale=1.0,
                output_attentions=weigh,
            )
        else:
            k, v = by_heads(self.k(hidden), self.heads), by_heads(self.v(hidden), self.heads)
            layer = None if cache is None else cache.layers[self.layer]
            y, weights = attend_cached(q, k, v, layer, mask, dropout=share, scale=1.0, output_attentions=weigh)
        return self.o(y), weights


class T5LayerSelfAttention(nn.Module):
    """Self-attention of the normed states, added to them."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.SelfAttention = T5Attention(config, layer, relative=layer == 0)
        self.layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, hidden: Tensor, mask: Tensor | None, cache: Cache | None, weigh: bool) -> Attended:
        """States, and the weights if asked for."""
        y, weights = self.SelfAttention(self.layer_norm(hidden), mask, None, cache, False, weigh)
        return hidden + self.dropout(y), weights


class T5LayerCrossAttention(nn.Module):
    """Attention of the normed states to an encoder's, added to them."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.EncDecAttention = T5Attention(config, layer)
        self.layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(
        self, hidden: Tensor, source: Tensor | None, mask: Tensor | None, cache: Cache | None, weigh: bool
    ) -> Attended:
        """States, and the weights if asked for."""
        y, weights = self.EncDecAttention(self.layer_norm(hidden), mask, source, cache, True, weigh)
        return hidden + self.dropout(y), weights


class T5Dense(nn.Module):
    """The feed-forward part, gated or not."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.gated = config.gated
        self.inputs = ("wi_0", "wi_1") if self.gated else ("wi",)
        for name in self.inputs:
            setattr(self, name, nn.Linear(config.d_model, config.d_ff, bias=False))
        self.wo = nn.Linear(config.d_ff, config.d_model, bias=False)
        self.dropout = nn.Dropout(config.dropout_rate)
        self.act = activation(config.activation_name)

    def forward(self, hidden: Tensor) -> Tensor:
        """States of the same shape."""
        inner = self.act(self.wi_0(hidden)) * self.wi_1(hidden) if self.gated else self.act(self.wi(hidden))
        return self.wo(self.dropout(inner))


class T5LayerFF(nn.Module):
    """The feed-forward part of the normed states, added to them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.DenseReluDense = T5Dense(config)
        self.layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, hidden: Tensor) -> Tensor:
        """States of the same shape."""
        return hidden + self.dropout(self.DenseReluDense(self.layer_norm(hidden)))


class T5Block(nn.Module):
    """A layer of the encoder, or, with attention to it, of the decoder."""

    def __init__(self, config: Config, layer: int, decodes: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = [T5LayerSelfAttention(config, layer)]
        if decodes:
            parts.append(T5LayerCrossAttention(config, layer))
        self.layer = nn.ModuleList([*parts, T5LayerFF(config)])
        self.decodes = decodes

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        source: Tensor | None,
        source_mask: Tensor | None,
        cache: Cache | None,
        weigh: bool,
    ) -> Attended:
        """States, and the weights if asked for: a pair of them in the decoder."""
        hidden, weights = self.layer[0](hidden, mask, cache, weigh)
        if self.decodes:
            hidden, crossed = self.layer[1](hidden, source, source_mask, cache, weigh)
            weights = weights, crossed
        return self.layer[-1](hidden), weights


def buckets(distances: Any, both_ways: bool, count: int, longest: int) -> Any:
    """The buckets of distances from queries to keys: one for each short distance, and ever wider ones up to the longest.

    Args:
        distances: an array of integers, negative for keys before the query.
        both_ways: whether keys after the query have buckets of their own; else they count as distance 0.
        count: number of buckets.
        longest: distance from which on all are in the last bucket.
    """
    found = np.zeros_like(distances)
    if both_ways:
        count //= 2
        found += (distances > 0) * count
        distances = np.abs(distances)
    else:
        distances = -np.minimum(distances, 0)
    exact = count // 2
    ratio = np.maximum(distances, exact).astype(np.float32) / np.float32(exact)
    wide = np.log(ratio) / np.float32(math.log(longest / exact)) * np.float32(count - exact)
    return found + np.where(distances < exact, distances, np.minimum(exact + wide.astype(np.int64), count - 1))


def draw_initial(module: nn.Module, config: Config) -> None:
    """Draw a module's own initial values: the spread of a product's weights falls with the number of its inputs."""
    factor, width = config.initializer_factor, config.d_model
    if isinstance(module, T5Attention):
        nn.init.normal_(module.q.weight, std=factor * (width * config.d_kv) ** -0.5)
        nn.init.normal_(module.k.weight, std=factor * width**-0.5)
        nn.init.normal_(module.v.weight, std=factor * width**-0.5)
        nn.init.normal_(module.o.weight, std=factor * (config.num_heads * config.d_kv) ** -0.5)
        if module.relative:
            nn.init.normal_(module.relative_attention_bias.weight, std=factor * width**-0.5)
    elif isinstance(module, T5Dense):
        for name in module.inputs:
            nn.init.normal_(getattr(module, name).weight, std=factor * width**-0.5)
        nn.init.normal_(module.wo.weight, std=factor * config.d_ff**-0.5)
