"""BART: an encoder and a decoder with learned positions.

Reference: Lewis et al., "BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation, Translation, and
Comprehension", https://arxiv.org/abs/1910.13461. Config fields, state-dict keys and outputs are those of transformers. Left
out of what is there: dropping whole layers in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from framework import nn
from framework.ops.creation import zeros
from framework.ops.joining import cat
from framework.tensor import Tensor
from hub import FitRules
from text.models.bart_layers import BartDecoderLayer, BartEncoderLayer, draw_initial
from text.models.base import check_one_input
from text.models.cache import Cache
from text.models.causal import Decoder, places_of
from text.models.config import Config
from text.models.loading import register_family
from text.models.masks import causal_mask, padding_mask
from text.models.outputs import BaseModelOutput, BaseModelOutputWithPastAndCrossAttentions
from text.models.seq2seq import Seq2SeqLM, Seq2SeqModel, both_attentions
from text.models.seq2seq_heads import (
    ClassificationHead,
    DecoderAlone,
    DecoderHolder,
    Seq2SeqQuestionAnswerer,
    Seq2SeqSequenceClassifier,
    as_decoder,
    from_shared,
)

OFFSET = 2  # rows of the tables of positions that are never looked up
BIAS = "final_logits_bias"


class BartConfig(Config):
    """The fields of BART's ``config.json``. There are 3 labels unless given."""

    model_type = "bart"
    attribute_map = {  # noqa: RUF012
        "num_attention_heads": "encoder_attention_heads",
        "hidden_size": "d_model",
        "num_hidden_layers": "encoder_layers",
    }
    defaults = {  # noqa: RUF012
        "vocab_size": 50265,
        "max_position_embeddings": 1024,
        "encoder_layers": 12,
        "encoder_ffn_dim": 4096,
        "encoder_attention_heads": 16,
        "decoder_layers": 12,
        "decoder_ffn_dim": 4096,
        "decoder_attention_heads": 16,
        "activation_function": "gelu",
        "d_model": 1024,
        "dropout": 0.1,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "classifier_dropout": 0.0,
        "init_std": 0.02,
        "scale_embedding": False,
        "is_encoder_decoder": True,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": 2,
    }

    def __init__(
        self, *, num_labels: int | None = None, id2label: Mapping[Any, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(
            num_labels=3 if num_labels is None and id2label is None else num_labels, id2label=id2label, **fields
        )


def with_bias(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with zeros for the bias of the tokens' scores, where a file lacks it."""
    if BIAS in model._buffers and BIAS not in state:
        return {**state, BIAS: model._buffers[BIAS]}
    return state


class BartPreTrained(Decoder):
    """What BART's classes share."""

    config_class = BartConfig
    base_model_prefix = "model"
    fit_rules = FitRules(
        head=("classification_head.out_proj",),
        base="model",
        optional=("encoder.version", "decoder.version"),
        adapt=with_bias,
    )

    def _init_weights(self, module: nn.Module) -> None:
        draw_initial(module, self.config)


class BartStack(BartPreTrained):
    """What the encoder and the decoder share: words, places, and a norm of their sum."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.scale = config.d_model**0.5 if config.scale_embedding else 1.0
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, padding_idx=config.pad_token_id)
        self.embed_positions = nn.Embedding(config.max_position_embeddings + OFFSET, config.d_model)
        self.layernorm_embedding = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

    def get_layers(self) -> nn.ModuleList:
        """The stack of layers."""
        return self.layers

    def embed(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, past: int) -> Tensor:
        """Ids, or vectors, as the states that enter the first layer; places count on from ``past``."""
        check_one_input(input_ids, inputs_embeds)
        words = inputs_embeds
        if words is None:
            words = self.embed_tokens(input_ids)
            words = words if self.scale == 1 else words * self.scale
        places = places_of(self.embed_positions.weight, past + OFFSET, past + OFFSET + words.shape[1])
        return self.dropout(self.layernorm_embedding(words + places))


class EncoderStack(Decoder):
    """An encoder of such layers. A family gives ``embed`` and ``layers``."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutput:
        """States of the source's tokens; see ``Seq2SeqModel`` for the arguments."""
        hidden, states, weights = self.run_layers(
            self.layers,
            self.embed(input_ids, inputs_embeds, 0),
            padding_mask(attention_mask),
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        return BaseModelOutput(hidden, states, weights)


class DecoderStack(Decoder):
    """A decoder of such layers. A family gives ``embed`` and ``layers``."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """States of the target's tokens; see ``Seq2SeqModel`` for the arguments."""
        past = 0 if past_key_values is None else past_key_values.length
        hidden = self.embed(input_ids, inputs_embeds, past)
        length = hidden.shape[1]
        mask, causal = causal_mask(length, past + length, attention_mask, like=hidden)
        hidden, states, weights = self.run_layers(
            self.layers,
            hidden,
            mask,
            causal,
            encoder_hidden_states,
            padding_mask(encoder_attention_mask),
            past_key_values,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        own, crossed = both_attentions(weights)
        return BaseModelOutputWithPastAndCrossAttentions(hidden, past_key_values, states, own, crossed)


class BartEncoder(EncoderStack, BartStack):
    """The encoder."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.layers = nn.ModuleList([BartEncoderLayer(config, layer) for layer in range(config.encoder_layers)])
        self.post_init()


class BartDecoder(DecoderStack, BartStack):
    """The decoder."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.layers = nn.ModuleList([BartDecoderLayer(config, layer) for layer in range(config.decoder_layers)])
        self.post_init()


@register_family("bart")
class BartModel(Seq2SeqModel, BartPreTrained):
    """BART without a head. Where no target is given, it is the source, shifted right.

    Args:
        config: a ``BartConfig``.

    Example:
        >>> model = BartModel(BartConfig(d_model=128, encoder_layers=2, decoder_layers=2))
        >>> model(framework.tensor([[0, 31414, 232, 2]])).last_hidden_state.shape
        framework.Size([1, 4, 128])
    """

    tied = (("encoder.embed_tokens.weight", "shared.weight"), ("decoder.embed_tokens.weight", "shared.weight"))

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model, padding_idx=config.pad_token_id)
        self.encoder = BartEncoder(config)
        self.decoder = BartDecoder(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.shared

    def default_target(self, input_ids: Tensor | None) -> Tensor | None:
        return None if input_ids is None else self.shift_right(input_ids)


class BiasedLM(Seq2SeqLM):
    """Scores of the target's tokens by ``lm_head``, plus a bias that is not trained."""

    final_logits_bias: Tensor

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def scores(self, hidden: Tensor) -> Tensor:
        return self.lm_head(hidden) + self.final_logits_bias

    def resize_token_embeddings(self, num_tokens: int) -> nn.Embedding:
        """As for all models; the bias of new tokens is 0."""
        embedding = super().resize_token_embeddings(num_tokens)
        bias = self.final_logits_bias[:, :num_tokens]
        self.final_logits_bias = cat([bias, bias.new_zeros(1, num_tokens - bias.shape[1])], 1)
        return embedding


@register_family("bart", "seq2seq-lm")
@register_family("bart", "masked-lm")
class BartForConditionalGeneration(BiasedLM, BartPreTrained):
    """BART with scores of the target's next token, by the vectors that it reads tokens with."""

    tied = (("lm_head.weight", "model.shared.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.model = BartModel(config)
        self.register_buffer(BIAS, zeros(1, config.vocab_size))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()

    def default_target(self, input_ids: Tensor | None) -> Tensor | None:
        return self.model.default_target(input_ids)


@register_family("bart", "sequence-classification")
class BartForSequenceClassification(Seq2SeqSequenceClassifier, BartPreTrained):
    """BART with a head on the decoder's state at the last end-of-sequence token."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.model = BartModel(config)
        self.classification_head = ClassificationHead(config)
        self.post_init()


@register_family("bart", "question-answering")
class BartForQuestionAnswering(Seq2SeqQuestionAnswerer, BartPreTrained):
    """BART with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.model = BartModel(config)
        self.qa_outputs = nn.Linear(config.d_model, 2)
        self.post_init()


@register_family("bart", "causal-lm")
class BartForCausalLM(DecoderAlone, BartPreTrained):
    """BART's decoder alone, with scores of the next token by the vectors that it reads tokens with."""

    fit_rules = FitRules(base="model", optional=("encoder.", "decoder.version"), adapt=from_shared)

    def __init__(self, config: Config) -> None:
        config = as_decoder(config)
        super().__init__(config)
        self.model = DecoderHolder(BartDecoder(config))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.post_init()
