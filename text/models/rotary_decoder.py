"""Decoders with rotary positions, RMS norms before each part, and gated feed-forward parts: what Llama's kin share.

A family is a config over ``RotaryConfig`` and five classes over those at the end of this file; see ``llama.py``. Groups of
query heads share keys and values: Ainslie et al., "GQA", https://arxiv.org/abs/2305.13245.
"""

from __future__ import annotations

from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.tensor import Tensor
from hub import FitRules
from text.models.activations import activation
from text.models.base import check_one_input
from text.models.cache import Cache
from text.models.causal import (
    CausalLM,
    Decoder,
    DecoderQuestionAnswerer,
    DecoderSequenceClassifier,
    DecoderTokenClassifier,
    normed_last,
)
from text.models.config import Config
from text.models.decoding import attend_cached, by_heads, step_mask
from text.models.masks import causal_mask
from text.models.outputs import BaseModelOutputWithPast
from text.models.rope import RotaryPositions, Rotation, rotate

Masks = dict[int | None, tuple[Tensor | None, bool]]  # by window: what ``causal_mask`` gives


class RotaryConfig(Config):
    """The fields that all families have in ``config.json``, and what the families read out of theirs.

    Attributes:
        qkv_bias: whether projections to queries, keys and values have biases.
        output_bias: whether the projection of what attention gives has a bias.
        qk_norm: whether the heads of queries and keys are normed.
    """

    defaults = {  # noqa: RUF012
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": None,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "rope_parameters": None,
    }

    @property
    def qkv_bias(self) -> bool:
        return bool(self.attention_bias)

    @property
    def output_bias(self) -> bool:
        return bool(self.attention_bias)

    qk_norm = False

    @property
    def key_value_heads(self) -> int:
        """How many heads keys and values have."""
        return self.num_key_value_heads or self.num_attention_heads  # type: ignore[no-any-return]

    @property
    def width_of_heads(self) -> int:
        """How many features a head has."""
        return self.get("head_dim") or self.hidden_size // self.num_attention_heads  # type: ignore[no-any-return]

    def windows(self) -> list[int | None]:
        """For each layer, how many tokens back a token sees, itself counted; None means all."""
        return [None] * self.num_hidden_layers


class RotaryAttention(nn.Module):
    """Self-attention of one layer, which keeps turned keys, and values, in the cache if there is one."""

    def __init__(self, config: Any, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.window = config.windows()[layer]
        self.heads, self.groups, self.width = config.num_attention_heads, config.key_value_heads, config.width_of_heads
        if self.heads % self.groups:
            raise ArgumentError(
                f"{type(config).__name__}: num_attention_heads {self.heads} is no multiple of "
                f"num_key_value_heads {self.groups}"
            )
        hidden, queries, keys = config.hidden_size, self.heads * self.width, self.groups * self.width
        self.q_proj = nn.Linear(hidden, queries, bias=config.qkv_bias)
        self.k_proj = nn.Linear(hidden, keys, bias=config.qkv_bias)
        self.v_proj = nn.Linear(hidden, keys, bias=config.qkv_bias)
        self.o_proj = nn.Linear(queries, hidden, bias=config.output_bias)
        if config.qk_norm:
            self.q_norm = nn.RMSNorm(self.width, eps=config.rms_norm_eps)
            self.k_norm = nn.RMSNorm(self.width, eps=config.rms_norm_eps)
        self.normed = config.qk_norm
        self.share = config.attention_dropout

    def forward(
        self, hidden: Tensor, rotation: Rotation, masks: Masks, cache: Cache | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """(B, L, hidden) states, and the weights (B, heads, L, S) if asked for."""
        q = by_heads(self.q_proj(hidden), self.heads)
        k = by_heads(self.k_proj(hidden), self.groups)
        v = by_heads(self.v_proj(hidden), self.groups)
        if self.normed:
            q, k = self.q_norm(q), self.k_norm(k)
        mask, causal = masks[self.window]
        y, weights = attend_cached(
            rotate(q, rotation),
            rotate(k, rotation),
            v,
            None if cache is None else cache.layers[self.layer],
            mask,
            causal=causal,
            dropout=self.share if self.training else 0.0,
            scale=self.width**-0.5,
            window=self.window,
            output_attentions=output_attentions,
        )
        return self.o_proj(y), weights


class GatedMLP(nn.Module):
    """``down(act(gate(x)) * up(x))``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        bias = config.mlp_bias
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=bias)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=bias)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=bias)
        self.act_fn = activation(config.hidden_act)

    def forward(self, hidden: Tensor) -> Tensor:
        """States of the same shape."""
        return self.down_proj(self.act_fn(self.gate_proj(hidden)) * self.up_proj(hidden))


class RotaryLayer(nn.Module):
    """Self-attention and a feed-forward part, each of the normed states and added to them."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(config, layer)
        self.mlp = GatedMLP(config)
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(
        self, hidden: Tensor, rotation: Rotation, masks: Masks, cache: Cache | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """States, and the attention's weights if asked for."""
        y, weights = self.self_attn(self.input_layernorm(hidden), rotation, masks, cache, output_attentions)
        hidden = hidden + y
        return hidden + self.mlp(self.post_attention_layernorm(hidden)), weights


def without_frequencies(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the frequencies of rotary positions that old files hold."""
    return {key: value for key, value in state.items() if not key.endswith("rotary_emb.inv_freq")}


class RotaryPreTrained(Decoder):
    """What a family's classes share; ``config_class`` and ``trunk`` are the family's."""

    base_model_prefix = "model"
    fit_rules = FitRules(
        head=("score",), base="model", key_map=((r"^transformer\.", "model."),), adapt=without_frequencies
    )

    def trunk(self) -> RotaryModel:
        """A model without a head."""
        raise NotImplementedError(f"{type(self).__name__} gives no trunk")


class RotaryModel(RotaryPreTrained):
    """A decoder without a head."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.layers = nn.ModuleList([RotaryLayer(config, layer) for layer in range(config.num_hidden_layers)])
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.positions = RotaryPositions(config)
        self.windows = frozenset(config.windows())
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        token_type_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPast:
        """States of the tokens, each of which sees those before it.

        Args:
            input_ids: (B, L) token ids, those that the cache does not hold yet.
            attention_mask: (B, S), 0 at padding, the tokens in the cache counted; all ones unless given.
            position_ids: (B, L) or (1, L) places; counted on from the cache's length unless given.
            past_key_values: a cache, which takes in the new tokens.
            inputs_embeds: (B, L, hidden) vectors instead of ``input_ids``.
            use_cache: make a cache where none is given.
            token_type_ids: not looked at: the model knows no segments.
            output_attentions: give every layer's attention weights, which is slower; the config's flag unless given.
            output_hidden_states: give the states before every layer and the last; the config's flag unless given.

        Raises:
            ArgumentError: neither or both of ``input_ids`` and ``inputs_embeds`` are given.
        """
        check_one_input(input_ids, inputs_embeds)
        cache = self.cache_for(past_key_values, use_cache)
        past = 0 if cache is None else cache.length
        hidden = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        length = hidden.shape[1]
        masks: Masks = {}
        for window in self.windows:
            if length == 1:
                masks[window] = step_mask(attention_mask, window), False
            else:
                masks[window] = causal_mask(length, past + length, attention_mask, window, like=hidden)
        hidden, states, attentions = self.run_layers(
            self.layers,
            hidden,
            self.positions(past, past + length, position_ids, like=hidden),
            masks,
            cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        hidden = self.norm(hidden)
        return BaseModelOutputWithPast(hidden, cache, normed_last(states, hidden), attentions)


class RotaryCausalLM(CausalLM, RotaryPreTrained):
    """A decoder with scores of the next token."""

    tied = (("lm_head.weight", "model.embed_tokens.weight"),)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = self.trunk()
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head


class RotarySequenceClassifier(DecoderSequenceClassifier, RotaryPreTrained):
    """A decoder with a linear layer on the last token's state."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = self.trunk()
        self.score = nn.Linear(config.hidden_size, config.num_labels, bias=False)
        self.post_init()


class RotaryTokenClassifier(DecoderTokenClassifier, RotaryPreTrained):
    """A decoder with a linear layer on each token's state."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = self.trunk()
        share = config.get("classifier_dropout", config.get("hidden_dropout"))
        self.dropout = nn.Dropout(0.1 if share is None else share)
        self.score = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def scores(self, hidden: Tensor) -> Tensor:
        return self.score(self.dropout(hidden))


class RotaryQuestionAnswerer(DecoderQuestionAnswerer, RotaryPreTrained):
    """A decoder with scores of where an answer starts and ends. Most families know its trunk by another name."""

    base_model_prefix = "transformer"
    fit_rules = FitRules(base="transformer", key_map=((r"^model\.", "transformer."),), adapt=without_frequencies)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.trunk())
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()
