"""GPT-2: a decoder with learned positions, normed before each part.

Reference: Radford et al., "Language Models are Unsupervised Multitask Learners",
https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf.
Config fields, state-dict keys and outputs are those of transformers. Left out of what is there: cross-attention, and the
head for language modelling and multiple choice at once.
"""

from __future__ import annotations

import math
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.ops.creation import empty
from framework.ops.matmul import linear_turned
from framework.tensor import Tensor
from hub import FitRules
from text.models.activations import activation
from text.models.attention import check_heads
from text.models.base import check_one_input
from text.models.cache import Cache
from text.models.causal import (
    CausalLM,
    Decoder,
    DecoderQuestionAnswerer,
    DecoderSequenceClassifier,
    DecoderTokenClassifier,
    normed_last,
    places_of,
)
from text.models.config import Config
from text.models.decoding import attend_cached, split_projected
from text.models.loading import register_family
from text.models.masks import causal_mask
from text.models.outputs import BaseModelOutputWithPast


class GPT2Config(Config):
    """The fields of GPT-2's ``config.json``."""

    model_type = "gpt2"
    attribute_map = {  # noqa: RUF012
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    }
    defaults = {  # noqa: RUF012
        "vocab_size": 50257,
        "n_positions": 1024,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "activation_function": "gelu_new",
        "resid_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "attn_pdrop": 0.1,
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "bos_token_id": 50256,
        "eos_token_id": 50256,
    }


class Conv1D(nn.Module):
    """A linear layer whose weight lies the other way round: ``y = x @ weight + bias``.

    Args:
        nf: length of the last dim of the output.
        nx: length of the last dim of the input.
        gain: factor of the spread of initial values.

    Shape:
        input (..., nx) -> (..., nf); weight (nx, nf), bias (nf).
    """

    def __init__(self, nf: int, nx: int, gain: float = 1.0) -> None:
        super().__init__()
        self.nf = nf
        self.nx = nx
        self.gain = gain
        self.weight = nn.Parameter(empty(nx, nf))
        self.bias = nn.Parameter(empty(nf))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        nn.init.normal_(self.weight, std=0.02 * self.gain)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The product, plus the bias."""
        return linear_turned(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"nf={self.nf}, nx={self.nx}"


class GPT2Attention(nn.Module):
    """Self-attention of one layer, which keeps keys and values in the cache if there is one."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.n_head
        self.scale = (config.n_embd // config.n_head) ** -0.5 if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            self.scale /= layer + 1
        self.c_attn = Conv1D(3 * config.n_embd, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd, residual_gain(config))
        self.share = config.attn_pdrop
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, causal: bool, cache: Cache | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """(B, L, hidden) states, and the weights (B, heads, L, S) if asked for."""
        q, k, v = split_projected(self.c_attn(hidden), 3, self.heads)
        y, weights = attend_cached(
            q,
            k,
            v,
            None if cache is None else cache.layers[self.layer],
            mask,
            causal=causal,
            dropout=self.share if self.training else 0.0,
            scale=self.scale,
            output_attentions=output_attentions,
        )
        return self.resid_dropout(self.c_proj(y)), weights


class GPT2MLP(nn.Module):
    """The feed-forward part."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        inner = config.n_inner or 4 * config.n_embd
        self.c_fc = Conv1D(inner, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, inner, residual_gain(config))
        self.act = activation(config.activation_function)
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, hidden: Tensor) -> Tensor:
        """States of the same shape."""
        return self.dropout(self.c_proj(self.act(self.c_fc(hidden))))


class GPT2Block(nn.Module):
    """Self-attention and a feed-forward part, each of the normed states and added to them."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = GPT2Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = GPT2MLP(config)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, causal: bool, cache: Cache | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """States, and the attention's weights if asked for."""
        y, weights = self.attn(self.ln_1(hidden), mask, causal, cache, output_attentions)
        hidden = hidden + y
        return hidden + self.mlp(self.ln_2(hidden)), weights


def without_masks(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the causal masks that old files hold."""
    return {key: value for key, value in state.items() if not key.endswith((".attn.bias", ".attn.masked_bias"))}


class GPT2PreTrained(Decoder):
    """What GPT-2's classes share."""

    config_class = GPT2Config
    base_model_prefix = "transformer"
    fit_rules = FitRules(head=("score", "classifier"), base="transformer", adapt=without_masks)

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Conv1D):
            nn.init.normal_(module.weight, std=self.config.initializer_range * module.gain)
            nn.init.zeros_(module.bias)


@register_family("gpt2")
class GPT2Model(GPT2PreTrained):
    """GPT-2 without a head.

    Args:
        config: a ``GPT2Config``.

    Raises:
        ArgumentError: the config asks for cross-attention.

    Example:
        >>> model = GPT2Model(GPT2Config(n_embd=128, n_layer=2, n_head=2))
        >>> model(framework.tensor([[15496, 995]])).last_hidden_state.shape
        framework.Size([1, 2, 128])
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        check_heads(config)
        if config.get("add_cross_attention"):
            raise ArgumentError("GPT2Model: cross-attention is not made; add_cross_attention must be False")
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList([GPT2Block(config, layer) for layer in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.wte

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
            token_type_ids: (B, L) tokens whose vectors are added.
            output_attentions: give every layer's attention weights, which is slower; the config's flag unless given.
            output_hidden_states: give the states before every layer and the last; the config's flag unless given.

        Raises:
            ArgumentError: neither or both of ``input_ids`` and ``inputs_embeds`` are given; there are more tokens than
                the model has places for.
        """
        check_one_input(input_ids, inputs_embeds)
        cache = self.cache_for(past_key_values, use_cache)
        past = 0 if cache is None else cache.length
        words = self.wte(input_ids) if inputs_embeds is None else inputs_embeds
        length = words.shape[1]
        places = places_of(self.wpe.weight, past, past + length) if position_ids is None else self.wpe(position_ids)
        hidden = words + places
        if token_type_ids is not None:
            hidden = hidden + self.wte(token_type_ids)
        mask, causal = causal_mask(length, past + length, attention_mask, like=words)
        hidden, states, attentions = self.run_layers(
            self.h,
            self.drop(hidden),
            mask,
            causal,
            cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        hidden = self.ln_f(hidden)
        return BaseModelOutputWithPast(hidden, cache, normed_last(states, hidden), attentions)


@register_family("gpt2", "causal-lm")
class GPT2LMHeadModel(CausalLM, GPT2PreTrained):
    """GPT-2 with scores of the next token, by the vectors that it reads tokens with."""

    tied = (("lm_head.weight", "transformer.wte.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head


@register_family("gpt2", "sequence-classification")
class GPT2ForSequenceClassification(DecoderSequenceClassifier, GPT2PreTrained):
    """GPT-2 with a linear layer on the last token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        self.score = nn.Linear(config.n_embd, config.num_labels, bias=False)
        self.post_init()


@register_family("gpt2", "token-classification")
class GPT2ForTokenClassification(DecoderTokenClassifier, GPT2PreTrained):
    """GPT-2 with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        share = config.get("classifier_dropout")
        self.dropout = nn.Dropout(0.1 if share is None else share)
        self.classifier = nn.Linear(config.n_embd, config.num_labels)
        self.post_init()

    def scores(self, hidden: Tensor) -> Tensor:
        return self.classifier(self.dropout(hidden))


@register_family("gpt2", "question-answering")
class GPT2ForQuestionAnswering(DecoderQuestionAnswerer, GPT2PreTrained):
    """GPT-2 with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        self.qa_outputs = nn.Linear(config.n_embd, 2)
        self.post_init()


def residual_gain(config: Config) -> float:
    """What the spread of the layers that add to the states is smaller by, so that their sum does not grow with depth."""
    return 1 / math.sqrt(2 * config.n_layer)
