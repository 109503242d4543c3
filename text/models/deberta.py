"""DeBERTa v2 and v3: an encoder whose attention compares contents and relative positions apart.

References: He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", https://arxiv.org/abs/2006.03654;
He et al., "DeBERTaV3", https://arxiv.org/abs/2111.09543.
Config fields, state-dict keys and outputs are those of transformers, but for two losses of the classifier: there, negative
labels take no part, and labels that are shares of classes are compared by cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework import nn
from framework.devices import array_module
from framework.ops.creation import zeros
from framework.ops.matmul import linear
from framework.tensor import Tensor, wrap
from hub import FitRules
from text.models.activations import activation
from text.models.base import PreTrainedModel, resized
from text.models.bert_layers import OLD_NORM_KEYS, AddNorm, BertIntermediate, PredictionTransform, first_rows
from text.models.config import Config
from text.models.disentangled import DisentangledSelfAttention, Distances
from text.models.encoder import Encoder
from text.models.heads import MaskedLM, MultipleChoice, QuestionAnswerer, SequenceClassifier, TokenClassifier
from text.models.loading import register_family
from text.models.masks import padding_mask
from text.models.outputs import BaseModelOutput


class DebertaV2Config(Config):
    """The fields of DeBERTa's ``config.json``."""

    model_type = "deberta-v2"
    defaults = {  # noqa: RUF012
        "vocab_size": 128100,
        "hidden_size": 1536,
        "num_hidden_layers": 24,
        "num_attention_heads": 24,
        "intermediate_size": 6144,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 0,
        "layer_norm_eps": 1e-7,
        "relative_attention": False,
        "max_relative_positions": -1,
        "position_buckets": -1,
        "norm_rel_ebd": "none",
        "share_att_key": False,
        "pos_att_type": None,
        "position_biased_input": True,
        "conv_kernel_size": 0,
        "conv_groups": 1,
        "conv_act": "tanh",
        "pooler_dropout": 0.0,
        "pooler_hidden_act": "gelu",
        "cls_dropout": None,
        "legacy": True,
        "pad_token_id": 0,
    }


class DebertaV2Attention(nn.Module):
    """Self-attention, added to its input and normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self = DisentangledSelfAttention(config)
        self.output = AddNorm(config.hidden_size, config)

    def forward(self, hidden: Tensor, *context: Any) -> tuple[Tensor, Tensor | None]:
        """States, and the weights if asked for; ``context`` is what ``DisentangledSelfAttention`` takes."""
        y, weights = self.self(hidden, *context)
        return self.output(y, hidden), weights


class DebertaV2Layer(nn.Module):
    """Self-attention and a feed-forward part."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = DebertaV2Attention(config)
        self.intermediate = BertIntermediate(config)
        self.output = AddNorm(config.intermediate_size, config)

    def forward(self, hidden: Tensor, *context: Any) -> tuple[Tensor, Tensor | None]:
        """States, and the attention's weights if asked for; ``context`` is what ``DisentangledSelfAttention`` takes."""
        hidden, weights = self.attention(hidden, *context)
        return self.output(self.intermediate(hidden), hidden), weights


class ConvLayer(nn.Module):
    """A convolution over the embeddings, added to what the first layer makes of them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size = config.conv_kernel_size
        self.conv = nn.Conv1d(
            config.hidden_size, config.hidden_size, size, padding=(size - 1) // 2, groups=config.conv_groups
        )
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.activation = activation(config.conv_act)

    def forward(self, embedded: Tensor, hidden: Tensor, seen: Tensor | None) -> Tensor:
        """(B, S, hidden) states, 0 where ``seen`` (B, S, 1) is False."""
        out = self.conv(embedded.permute(0, 2, 1)).permute(0, 2, 1)
        out = self.activation(self.dropout(out if seen is None else out * seen))
        hidden = self.LayerNorm(hidden + out)
        return hidden if seen is None else hidden * seen


class DebertaV2Embeddings(nn.Module):
    """The sum of a token's and, if the config says so, its place's and segment's vector, normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.get("embedding_size", config.hidden_size)
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = (
            nn.Embedding(config.max_position_embeddings, width) if config.position_biased_input else None
        )
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width) if config.type_vocab_size else None
        self.embed_proj = nn.Linear(width, config.hidden_size, bias=False) if width != config.hidden_size else None
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """(B, S) ids as (B, S, hidden) vectors."""
        hidden = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if self.position_embeddings is not None:
            table = self.position_embeddings
            hidden = hidden + (first_rows(table, hidden.shape[1]) if position_ids is None else table(position_ids))
        if self.token_type_embeddings is not None:
            table = self.token_type_embeddings
            hidden = hidden + (table.weight[0] if token_type_ids is None else table(token_type_ids))
        return self.dropout(self.LayerNorm(hidden if self.embed_proj is None else self.embed_proj(hidden)))


class DebertaV2Encoder(nn.Module):
    """The stack of layers, the vectors of relative positions and, in v2, the convolution."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList([DebertaV2Layer(config) for _ in range(config.num_hidden_layers)])
        self.distances = Distances(config) if config.relative_attention else None
        if self.distances is not None:
            self.rel_embeddings = nn.Embedding(2 * self.distances.span, config.hidden_size)
        self.normed = "layer_norm" in [kind.strip() for kind in config.norm_rel_ebd.lower().split("|")]
        if self.normed:
            self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.conv: Any = ConvLayer(config) if config.conv_kernel_size else None

    def positions(self, length: int) -> tuple[Tensor, Tensor] | None:
        """The vectors of the relative positions that occur, and which of them belongs to each distance, farthest first."""
        if self.distances is None:
            return None
        table = self.rel_embeddings.weight
        rows = self.distances.rows(length, array_module(table.array))
        first, last = int(rows[-1]), int(rows[0])  # rows fall from one distance to the next
        vectors = table[first : last + 1]
        return (self.LayerNorm(vectors) if self.normed else vectors), wrap(rows - first)

    def first(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        positions: tuple[Tensor, Tensor] | None,
        seen: Tensor | None,
        output_attentions: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """The first layer, for which padding is 0, and the convolution beside it."""
        if seen is not None:
            hidden = hidden * seen
        y, weights = self.layer[0](hidden, mask, positions, seen, output_attentions)
        return (y if self.conv is None else self.conv(hidden, y, seen)), weights


class LegacyPredictionHead(nn.Module):
    """Scores of the tokens; ``bias`` is the decoder's under the name that files know it by."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.get("embedding_size", config.hidden_size)
        self.transform = PredictionTransform(config, width)
        self.decoder = nn.Linear(width, config.vocab_size)
        self.bias = self.decoder.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as logits (B, S, vocabulary)."""
        return self.decoder(self.transform(hidden))


class LegacyMLMHead(nn.Module):
    """Holds the scores of tokens where files have them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.predictions = LegacyPredictionHead(config)


class PredictionHead(nn.Module):
    """Scores of the tokens by the embeddings' own vectors, as the published files have it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = activation(config.hidden_act)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(zeros(config.vocab_size))

    def forward(self, hidden: Tensor, words: nn.Embedding) -> Tensor:
        """(B, S, hidden) as logits (B, S, vocabulary)."""
        return linear(self.LayerNorm(self.activation(self.dense(hidden))), words.weight, self.bias)


class MLMHead(nn.Module):
    """Holds the scores of tokens where files have them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.lm_head = PredictionHead(config)


class ContextPooler(nn.Module):
    """A dense layer and an activation on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.get("pooler_hidden_size", config.hidden_size)
        self.dense = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.pooler_dropout)
        self.activation = activation(config.pooler_hidden_act)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as (B, hidden)."""
        return self.activation(self.dense(self.dropout(hidden[:, 0])))


class DebertaV2PreTrained(PreTrainedModel):
    """What DeBERTa's classes share."""

    config_class = DebertaV2Config
    base_model_prefix = "deberta"
    fit_rules = FitRules(
        head=("classifier",),
        base="deberta",
        optional=("embeddings.position_ids", "embeddings.position_embeddings."),
        key_map=OLD_NORM_KEYS,
    )


@register_family("deberta-v2")
class DebertaV2Model(Encoder, DebertaV2PreTrained):
    """DeBERTa without a head."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embeddings = DebertaV2Embeddings(config)
        self.encoder = DebertaV2Encoder(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.word_embeddings

    def embed(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        return self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)

    def stack(self) -> list[Callable[..., Any]]:
        return [self.encoder.first, *self.encoder.layer[1:]]

    def context(self, hidden: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None) -> tuple[Any, ...]:
        mask = padding_mask(attention_mask)
        seen = mask[:, 0, 0, :, None] if mask is not None and mask.shape[2] == 1 else None
        return mask, self.encoder.positions(hidden.shape[1]), seen


@register_family("deberta-v2", "sequence-classification")
class DebertaV2ForSequenceClassification(SequenceClassifier, DebertaV2PreTrained):
    """DeBERTa with two dense layers on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deberta = DebertaV2Model(config)
        self.pooler = ContextPooler(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.dropout = nn.Dropout(config.hidden_dropout_prob if config.cls_dropout is None else config.cls_dropout)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(self.pooler(outputs.last_hidden_state)))


@register_family("deberta-v2", "token-classification")
class DebertaV2ForTokenClassification(TokenClassifier, DebertaV2PreTrained):
    """DeBERTa with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deberta = DebertaV2Model(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("deberta-v2", "question-answering")
class DebertaV2ForQuestionAnswering(QuestionAnswerer, DebertaV2PreTrained):
    """DeBERTa with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deberta = DebertaV2Model(config)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()


@register_family("deberta-v2", "multiple-choice")
class DebertaV2ForMultipleChoice(MultipleChoice, DebertaV2PreTrained):
    """DeBERTa with a dense layer on the first token's state, and a score."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deberta = DebertaV2Model(config)
        self.pooler = ContextPooler(config)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.dropout = nn.Dropout(config.hidden_dropout_prob if config.cls_dropout is None else config.cls_dropout)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(self.pooler(outputs.last_hidden_state)))


@register_family("deberta-v2", "masked-lm")
class DebertaV2ForMaskedLM(MaskedLM, DebertaV2PreTrained):
    """DeBERTa with scores of the tokens, by the vectors that it reads them with.

    With ``legacy=False`` in the config, its head has the keys of the published files.
    """

    tied = (("cls.predictions.decoder.weight", "deberta.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deberta = DebertaV2Model(config)
        if config.legacy:
            self.cls = LegacyMLMHead(config)
        else:
            self.lm_predictions = MLMHead(config)
        self.post_init()

    def tie_weights(self) -> None:
        if self.config.legacy:
            super().tie_weights()

    def get_output_embeddings(self) -> nn.Linear | None:
        return self.cls.predictions.decoder if self.config.legacy else None

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        if self.config.legacy:
            return self.cls.predictions(outputs.last_hidden_state)
        return self.lm_predictions.lm_head(outputs.last_hidden_state, self.get_input_embeddings())

    def resize_token_embeddings(self, num_tokens: int) -> nn.Embedding:
        if not self.config.legacy:
            head = self.lm_predictions.lm_head
            head.bias = resized(head.bias, num_tokens)
        return super().resize_token_embeddings(num_tokens)
