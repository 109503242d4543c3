"""T5 and FLAN-T5: an encoder and a decoder whose attention knows distances between tokens, and no places.

References: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
https://arxiv.org/abs/1910.10683; Chung et al., "Scaling Instruction-Finetuned Language Models",
https://arxiv.org/abs/2210.11416. Config fields, state-dict keys and outputs are those of transformers. Left out of what is
there: the clamping of float16.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import nn
from framework.devices import array_module
from framework.ops.selection import where
from framework.tensor import Tensor, wrap
from hub import FitRules
from text.models.base import check_one_input
from text.models.cache import Cache
from text.models.causal import Decoder, normed_last
from text.models.config import Config
from text.models.heads import token_loss
from text.models.loading import register_family
from text.models.masks import causal_mask, padding_mask
from text.models.outputs import BaseModelOutput, BaseModelOutputWithPastAndCrossAttentions, TokenClassifierOutput
from text.models.seq2seq import Seq2SeqLM, Seq2SeqModel, both_attentions
from text.models.seq2seq_heads import ClassificationHead, Seq2SeqQuestionAnswerer, Seq2SeqSequenceClassifier
from text.models.t5_layers import T5Block, buckets, draw_initial

OLD_CROSS_BIAS = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias."  # in old files, and never read


class T5Config(Config):
    """The fields of T5's ``config.json``."""

    model_type = "t5"
    attribute_map = {  # noqa: RUF012
        "hidden_size": "d_model",
        "num_attention_heads": "num_heads",
        "num_hidden_layers": "num_layers",
        "head_dim": "d_kv",
    }
    defaults = {  # noqa: RUF012
        "vocab_size": 32128,
        "d_model": 512,
        "d_kv": 64,
        "d_ff": 2048,
        "num_layers": 6,
        "num_decoder_layers": None,
        "num_heads": 8,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "dropout_rate": 0.1,
        "layer_norm_epsilon": 1e-6,
        "initializer_factor": 1.0,
        "feed_forward_proj": "relu",
        "is_encoder_decoder": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": None,
        "scale_decoder_outputs": None,
        "classifier_dropout": 0.0,
    }

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part is gated."""
        return self.feed_forward_proj.startswith("gated-")  # type: ignore[no-any-return]

    @property
    def activation_name(self) -> str:
        """The activation of the feed-forward part."""
        name = self.feed_forward_proj.removeprefix("gated-")
        return "gelu_new" if self.gated and name == "gelu" else name

    @property
    def scales_outputs(self) -> bool:
        """Whether states are scaled before they are compared with the tokens' vectors: only T5 1.0 does so."""
        told = self.scale_decoder_outputs
        return bool(self.tie_word_embeddings if told is None else told)


def _spread(layer: Any, std: float) -> Any:
    """The layer, which remembers the spread of its initial weights."""
    layer.initial_std = std
    return layer


def _words(config: Config) -> nn.Embedding:
    return _spread(nn.Embedding(config.vocab_size, config.d_model), config.initializer_factor)  # type: ignore[no-any-return]


def with_own_head(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the model a head of its own where a file has one that differs from the tokens' vectors, whatever the config says."""
    head, shared = state.get("lm_head.weight"), state.get("shared.weight")
    own = dict(model.named_modules()).get("lm_head")
    if own is None or own.weight is not model.shared.weight or head is None or shared is None:
        return state
    if head.shape != shared.shape or not bool((head.array == shared.array).all()):
        model.config.scale_decoder_outputs = model.config.scales_outputs
        model.config.tie_word_embeddings = False
        own.weight = nn.Parameter(own.weight.detach().clone())
    return state


class T5PreTrained(Decoder):
    """What T5's classes share."""

    config_class = T5Config
    base_model_prefix = "transformer"  # of the models with ``classification_head`` or ``classifier`` alone
    fit_rules = FitRules(
        head=("classification_head.out_proj", "classifier"),
        base="transformer",
        optional=("lm_head.", "qa_outputs.", OLD_CROSS_BIAS),
        fresh=("lm_head.", "qa_outputs."),
        adapt=with_own_head,
    )

    def get_input_embeddings(self) -> nn.Embedding:
        return self.base_model.shared

    def _init_weights(self, module: nn.Module) -> None:
        draw_initial(module, self.config)
        std = getattr(module, "initial_std", None)  # of tables and heads
        if std is not None:
            nn.init.normal_(module.weight, std=std)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)

    def tie_weights(self) -> None:
        """The encoder and the decoder read with one table; the head shares it where ``config.tie_word_embeddings``."""
        for stack in ("encoder", "decoder"):
            if stack in self._modules:
                self._modules[stack].embed_tokens.weight = self.shared.weight
        if "lm_head" in self._modules and self.config.tie_word_embeddings:
            self.lm_head.weight = self.shared.weight


class T5Stack(T5PreTrained):
    """The encoder, or the decoder."""

    def __init__(self, config: Any, decodes: bool) -> None:
        super().__init__(config)
        self.decodes = decodes
        depth = (config.num_decoder_layers or config.num_layers) if decodes else config.num_layers
        self.embed_tokens = _words(config)
        self.block = nn.ModuleList([T5Block(config, layer, decodes) for layer in range(depth)])
        self.final_layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.dropout = nn.Dropout(config.dropout_rate)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

    def get_layers(self) -> nn.ModuleList:
        """The stack of layers."""
        return self.block

    def _bias(self, start: int, length: int, keys: int, mask: Tensor | None, like: Tensor) -> Tensor:
        """Numbers to add to scores, (1 or B, heads, L, S): by distance, and -inf where a query may not look."""
        table = self.block[0].layer[0].SelfAttention.relative_attention_bias
        xp = array_module(like.array)
        config, last = self.config, start + length - 1
        found = buckets(
            np.arange(-last, keys - start),
            not self.decodes,
            config.relative_attention_num_buckets,
            config.relative_attention_max_distance,
        )
        rows = np.lib.stride_tricks.sliding_window_view(found, keys)[::-1]  # the first query's row begins last
        bias = table(wrap(xp.ascontiguousarray(xp.asarray(rows)))).permute(2, 0, 1).unsqueeze(0)
        if mask is None:
            return bias
        return where(mask, bias, float("-inf")) if mask.array.dtype.kind == "b" else bias + mask

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
    ) -> Any:
        """States of the tokens; see ``Seq2SeqModel`` for the arguments."""
        check_one_input(input_ids, inputs_embeds)
        hidden = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        length, past = hidden.shape[1], 0 if past_key_values is None else past_key_values.length
        if self.decodes:
            mask, causal = causal_mask(length, past + length, attention_mask, like=hidden)
            if causal:
                xp = array_module(hidden.array)
                mask = wrap(xp.tri(length, dtype=bool))
        else:
            mask = padding_mask(attention_mask)
        hidden, states, weights = self.run_layers(
            self.block,
            self.dropout(hidden),
            self._bias(past, length, past + length, mask, hidden),
            encoder_hidden_states,
            padding_mask(encoder_attention_mask),
            past_key_values,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        hidden = self.dropout(self.final_layer_norm(hidden))
        states = normed_last(states, hidden)
        if not self.decodes:
            return BaseModelOutput(hidden, states, weights)
        own, crossed = both_attentions(weights)
        return BaseModelOutputWithPastAndCrossAttentions(hidden, past_key_values, states, own, crossed)


@register_family("t5")
class T5Model(Seq2SeqModel, T5PreTrained):
    """T5 without a head.

    Args:
        config: a ``T5Config``.

    Example:
        >>> model = T5Model(T5Config(d_model=128, d_ff=256, num_layers=2, num_heads=2))
        >>> source, target = framework.tensor([[13959, 1566, 1]]), framework.tensor([[0, 644]])
        >>> model(source, decoder_input_ids=target).last_hidden_state.shape
        framework.Size([1, 2, 128])
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.shared = _words(config)
        self.encoder = T5Stack(config, decodes=False)
        self.decoder = T5Stack(config, decodes=True)
        self.post_init()


@register_family("t5", "seq2seq-lm")
class T5ForConditionalGeneration(Seq2SeqLM, T5PreTrained):
    """T5 with scores of the target's next token."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.shared = _words(config)
        self.encoder = T5Stack(config, decodes=False)
        self.decoder = T5Stack(config, decodes=True)
        self.lm_head = _spread(nn.Linear(config.d_model, config.vocab_size, bias=False), config.initializer_factor)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def scores(self, hidden: Tensor) -> Tensor:
        return self.lm_head(hidden * self.config.d_model**-0.5 if self.config.scales_outputs else hidden)


ENCODER_RULES = FitRules(head=("classifier",), base="transformer", optional=("lm_head.", "qa_outputs.", "decoder."))


class T5EncoderModel(T5PreTrained):
    """T5's encoder alone, for vectors of texts: ``T5EncoderModel.from_pretrained(folder)``."""

    fit_rules = ENCODER_RULES

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.shared = _words(config)
        self.encoder = T5Stack(config, decodes=False)
        self.post_init()

    def get_encoder(self) -> T5Stack:
        """The encoder."""
        return self.encoder

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutput:
        """States of the tokens.

        Args:
            input_ids: (B, S) token ids.
            attention_mask: (B, S), 0 at padding; all ones unless given.
            inputs_embeds: (B, S, hidden) vectors instead of ``input_ids``.
            output_attentions: give every layer's attention weights, which is slower; the config's flag unless given.
            output_hidden_states: give the states before every layer and the last; the config's flag unless given.

        Raises:
            ArgumentError: neither or both of ``input_ids`` and ``inputs_embeds`` are given.
        """
        return self.encoder(
            input_ids,
            attention_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )


@register_family("t5", "sequence-classification")
class T5ForSequenceClassification(Seq2SeqSequenceClassifier, T5PreTrained):
    """T5 with a head on the decoder's state at the last end-of-sequence token."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.transformer = T5Model(config)
        self.classification_head = ClassificationHead(config)
        for layer in (self.classification_head.dense, self.classification_head.out_proj):
            _spread(layer, config.initializer_factor * config.d_model**-0.5)
        self.post_init()


@register_family("t5", "token-classification")
class T5ForTokenClassification(T5PreTrained):
    """T5's encoder with a linear layer on each token's state."""

    fit_rules = ENCODER_RULES

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.transformer = T5EncoderModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = _spread(nn.Linear(config.d_model, config.num_labels), config.initializer_factor)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> TokenClassifierOutput:
        """Logits, and the ``token_loss`` where labels are given; see ``T5EncoderModel`` for the other inputs."""
        outputs = self.transformer(input_ids, attention_mask, inputs_embeds, output_attentions, output_hidden_states)
        logits = self.classifier(self.dropout(outputs.last_hidden_state))
        loss = None if labels is None else token_loss(logits, labels)
        return TokenClassifierOutput(loss, logits, outputs.hidden_states, outputs.attentions)


@register_family("t5", "question-answering")
class T5ForQuestionAnswering(Seq2SeqQuestionAnswerer, T5PreTrained):
    """T5 with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.shared = _words(config)
        self.encoder = T5Stack(config, decodes=False)
        self.decoder = T5Stack(config, decodes=True)
        self.qa_outputs = _spread(nn.Linear(config.d_model, 2), config.initializer_factor * config.d_model**-0.5)
        self.post_init()
