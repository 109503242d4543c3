"""The layers of BART and Marian: attention with biases, normed after each addition.

Reference: Lewis et al., "BART", https://arxiv.org/abs/1910.13461.
"""

from __future__ import annotations

from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.tensor import Tensor
from text.models.activations import activation
from text.models.cache import Cache
from text.models.config import Config
from text.models.decoding import attend_cached, attend_encoder, by_heads

Attended = tuple[Tensor, Any]


class BartAttention(nn.Module):
    """Projections, and attention between them.

    Args:
        config: the model's.
        heads: how many.
        layer: the layer's place in the stack, which is that of its keys in the cache.
    """

    def __init__(self, config: Config, heads: int, layer: int) -> None:
        super().__init__()
        if config.d_model % heads:
            raise ArgumentError(
                f"{type(config).__name__}: d_model {config.d_model} is no multiple of the number of heads {heads}"
            )
        self.layer = layer
        self.heads = heads
        self.scale = (config.d_model // heads) ** -0.5
        self.k_proj = nn.Linear(config.d_model, config.d_model)
        self.v_proj = nn.Linear(config.d_model, config.d_model)
        self.q_proj = nn.Linear(config.d_model, config.d_model)
        self.out_proj = nn.Linear(config.d_model, config.d_model)
        self.share = config.attention_dropout

    def forward(
        self, hidden: Tensor, mask: Tensor | None, causal: bool, cache: Cache | None, output_attentions: bool
    ) -> Attended:
        """Self-attention: (B, L, hidden) states, and the weights if asked for."""
        y, weights = attend_cached(
            by_heads(self.q_proj(hidden), self.heads),
            by_heads(self.k_proj(hidden), self.heads),
            by_heads(self.v_proj(hidden), self.heads),
            None if cache is None else cache.layers[self.layer],
            mask,
            causal=causal,
            dropout=self.share if self.training else 0.0,
            scale=self.scale,
            output_attentions=output_attentions,
        )
        return self.out_proj(y), weights

    def cross(
        self, hidden: Tensor, source: Tensor | None, mask: Tensor | None, cache: Cache | None, output_attentions: bool
    ) -> Attended:
        """Attention to an encoder's states ``source``, which are not needed where the cache has their keys."""
        y, weights = attend_encoder(
            by_heads(self.q_proj(hidden), self.heads),
            lambda: (by_heads(self.k_proj(source), self.heads), by_heads(self.v_proj(source), self.heads)),
            cache.cross[self.layer] if cache is not None and cache.cross else None,
            mask,
            dropout=self.share if self.training else 0.0,
            scale=self.scale,
            output_attentions=output_attentions,
        )
        return self.out_proj(y), weights


class BartEncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each added to the states, which are normed then."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.self_attn = BartAttention(config, config.encoder_attention_heads, layer)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, config.encoder_ffn_dim)
        self.fc2 = nn.Linear(config.encoder_ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)
        self.activation = activation(config.activation_function)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None, output_attentions: bool) -> Attended:
        """States, and the weights if asked for."""
        y, weights = self.self_attn(hidden, mask, False, None, output_attentions)
        hidden = self.self_attn_layer_norm(hidden + self.dropout(y))
        y = self.fc2(self.activation_dropout(self.activation(self.fc1(hidden))))
        return self.final_layer_norm(hidden + self.dropout(y)), weights


class BartDecoderLayer(nn.Module):
    """As the encoder's, with attention to the encoder's states between its two parts."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.self_attn = BartAttention(config, config.decoder_attention_heads, layer)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.encoder_attn = BartAttention(config, config.decoder_attention_heads, layer)
        self.encoder_attn_layer_norm = nn.LayerNorm(config.d_model)
        self.fc1 = nn.Linear(config.d_model, config.decoder_ffn_dim)
        self.fc2 = nn.Linear(config.decoder_ffn_dim, config.d_model)
        self.final_layer_norm = nn.LayerNorm(config.d_model)
        self.activation = activation(config.activation_function)
        self.dropout = nn.Dropout(config.dropout)
        self.activation_dropout = nn.Dropout(config.activation_dropout)

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        causal: bool,
        source: Tensor | None,
        source_mask: Tensor | None,
        cache: Cache | None,
        output_attentions: bool,
    ) -> Attended:
        """States, and a pair of weights if asked for."""
        y, own = self.self_attn(hidden, mask, causal, cache, output_attentions)
        hidden = self.self_attn_layer_norm(hidden + self.dropout(y))
        crossed = None
        if source is not None or (cache is not None and cache.cross):  # a decoder alone may have no source
            y, crossed = self.encoder_attn.cross(hidden, source, source_mask, cache, output_attentions)
            hidden = self.encoder_attn_layer_norm(hidden + self.dropout(y))
        y = self.fc2(self.activation_dropout(self.activation(self.fc1(hidden))))
        return self.final_layer_norm(hidden + self.dropout(y)), (own, crossed)


def draw_initial(module: nn.Module, config: Config) -> None:
    """Draw a module's own initial values, all weights with the spread ``config.init_std``."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=config.init_std)
        if isinstance(module, nn.Embedding):
            module._fill_padding_idx_with_zero()
        elif module.bias is not None:
            nn.init.zeros_(module.bias)
