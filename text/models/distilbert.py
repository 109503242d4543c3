"""DistilBERT: BERT of half the layers, without segments and pooled vector.

Reference: Sanh et al., "DistilBERT, a distilled version of BERT", https://arxiv.org/abs/1910.01108.
Config fields, state-dict keys and outputs are those of transformers. Inputs stand in BERT's order, with ``token_type_ids``
third, which are passed over.
"""

from __future__ import annotations

import numpy as np

from framework import nn
from framework.tensor import Tensor, wrap
from hub import FitRules
from text.models.activations import activation
from text.models.attention import attend, check_heads, merge_heads, split_heads
from text.models.base import PreTrainedModel
from text.models.bert_layers import OLD_NORM_KEYS, first_rows
from text.models.config import Config
from text.models.encoder import Encoder, first_queries
from text.models.heads import MaskedLM, MultipleChoice, QuestionAnswerer, SequenceClassifier, TokenClassifier
from text.models.loading import register_family
from text.models.outputs import BaseModelOutput

EPSILON = 1e-12  # of its norms, which the config does not name


class DistilBertConfig(Config):
    """The fields of DistilBERT's ``config.json``."""

    model_type = "distilbert"
    attribute_map = {  # noqa: RUF012
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    }
    defaults = {  # noqa: RUF012
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "sinusoidal_pos_embds": False,
        "n_layers": 6,
        "n_heads": 12,
        "dim": 768,
        "hidden_dim": 3072,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "activation": "gelu",
        "qa_dropout": 0.1,
        "seq_classif_dropout": 0.2,
        "pad_token_id": 0,
    }


class DistilBertEmbeddings(nn.Module):
    """The sum of a token's and its place's vector, normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, eps=EPSILON)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, input_ids: Tensor | None, position_ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        """(B, S) ids as (B, S, dim) vectors."""
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if position_ids is None:
            places = first_rows(self.position_embeddings, words.shape[1])
        else:
            places = self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(words + places))


class DistilBertSelfAttention(nn.Module):
    """Attention between projections, and a projection of what it gives."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        check_heads(config)
        self.heads = config.n_heads
        self.q_lin = nn.Linear(config.dim, config.dim)
        self.k_lin = nn.Linear(config.dim, config.dim)
        self.v_lin = nn.Linear(config.dim, config.dim)
        self.out_lin = nn.Linear(config.dim, config.dim)
        self.share = config.attention_dropout

    def forward(
        self, hidden: Tensor, queries: Tensor, mask: Tensor | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """(B, L, dim) states of the queries among all S, and the weights (B, heads, L, S) if asked for."""
        read = ((self.q_lin, queries), (self.k_lin, hidden), (self.v_lin, hidden))
        q, k, v = (split_heads(project(states), self.heads) for project, states in read)
        share = self.share if self.training else 0.0
        y, weights = attend(q, k, v, mask, dropout=share, output_attentions=output_attentions)
        return self.out_lin(merge_heads(y)), weights


class FeedForward(nn.Module):
    """Two dense layers with an activation between them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.lin1 = nn.Linear(config.dim, config.hidden_dim)
        self.lin2 = nn.Linear(config.hidden_dim, config.dim)
        self.activation = activation(config.activation)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """States of the same shape."""
        return self.dropout(self.lin2(self.activation(self.lin1(hidden))))


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward part, each added to its input and normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = DistilBertSelfAttention(config)
        self.sa_layer_norm = nn.LayerNorm(config.dim, eps=EPSILON)
        self.ffn = FeedForward(config)
        self.output_layer_norm = nn.LayerNorm(config.dim, eps=EPSILON)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, output_attentions: bool, first_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """States, of the first token alone if that is all that is read, and the attention's weights if asked for."""
        queries, mask = first_queries(hidden, mask) if first_only else (hidden, mask)
        y, weights = self.attention(hidden, queries, mask, output_attentions)
        hidden = self.sa_layer_norm(y + queries)
        return self.output_layer_norm(self.ffn(hidden) + hidden), weights


class Transformer(nn.Module):
    """The stack of blocks, which ``PreTrainedModel.run_layers`` runs."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList([TransformerBlock(config) for _ in range(config.n_layers)])


class DistilBertPreTrained(PreTrainedModel):
    """What DistilBERT's classes share."""

    config_class = DistilBertConfig
    base_model_prefix = "distilbert"
    fit_rules = FitRules(
        head=("classifier",), base="distilbert", optional=("embeddings.position_ids",), key_map=OLD_NORM_KEYS
    )

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, DistilBertModel) and self.config.sinusoidal_pos_embds:
            table = module.embeddings.position_embeddings.weight
            table.detach().copy_(_waves(*table.shape))
            table.requires_grad_(False)


@register_family("distilbert")
class DistilBertModel(Encoder, DistilBertPreTrained):
    """DistilBERT without a head."""

    can_end_early = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embeddings = DistilBertEmbeddings(config)
        self.transformer = Transformer(config)
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
        return self.embeddings(input_ids, position_ids, inputs_embeds)

    def stack(self) -> nn.ModuleList:
        return self.transformer.layer


@register_family("distilbert", "sequence-classification")
class DistilBertForSequenceClassification(SequenceClassifier, DistilBertPreTrained):
    """DistilBERT with two dense layers on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.distilbert = DistilBertModel(config)
        self.pre_classifier = nn.Linear(config.dim, config.dim)
        self.classifier = nn.Linear(config.dim, config.num_labels)
        self.dropout = nn.Dropout(config.seq_classif_dropout)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(self.pre_classifier(outputs.last_hidden_state[:, 0]).relu()))


@register_family("distilbert", "token-classification")
class DistilBertForTokenClassification(TokenClassifier, DistilBertPreTrained):
    """DistilBERT with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.distilbert = DistilBertModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.dim, config.num_labels)
        self.post_init()


@register_family("distilbert", "question-answering")
class DistilBertForQuestionAnswering(QuestionAnswerer, DistilBertPreTrained):
    """DistilBERT with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.distilbert = DistilBertModel(config)
        self.qa_outputs = nn.Linear(config.dim, 2)
        self.dropout = nn.Dropout(config.qa_dropout)
        self.post_init()

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.qa_outputs(self.dropout(outputs.last_hidden_state))


@register_family("distilbert", "multiple-choice")
class DistilBertForMultipleChoice(MultipleChoice, DistilBertPreTrained):
    """DistilBERT with two dense layers on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.distilbert = DistilBertModel(config)
        self.pre_classifier = nn.Linear(config.dim, config.dim)
        self.classifier = nn.Linear(config.dim, 1)
        self.dropout = nn.Dropout(config.seq_classif_dropout)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(self.pre_classifier(outputs.last_hidden_state[:, 0]).relu()))


@register_family("distilbert", "masked-lm")
class DistilBertForMaskedLM(MaskedLM, DistilBertPreTrained):
    """DistilBERT with scores of the tokens, by the vectors that it reads them with."""

    tied = (("vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.distilbert = DistilBertModel(config)
        self.vocab_transform = nn.Linear(config.dim, config.dim)
        self.activation = activation(config.activation)
        self.vocab_layer_norm = nn.LayerNorm(config.dim, eps=EPSILON)
        self.vocab_projector = nn.Linear(config.dim, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.vocab_projector

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        hidden = self.activation(self.vocab_transform(outputs.last_hidden_state))
        return self.vocab_projector(self.vocab_layer_norm(hidden))


def _waves(length: int, width: int) -> Tensor:
    """Sines in even and cosines in odd columns, of wavelengths from 2 pi to 20,000 pi places."""
    column = np.arange(width)
    angles = np.arange(length)[:, None] / 10000 ** (2 * (column // 2) / width)
    return wrap(np.where(column % 2, np.cos(angles), np.sin(angles)).astype(np.float32))
