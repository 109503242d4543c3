"""MPNet: BERT's layers with biases of relative positions, without segments, with places counted after padding.

Reference: Song et al., "MPNet: Masked and Permuted Pre-training for Language Understanding",
https://arxiv.org/abs/2004.09297.
Config fields, state-dict keys and outputs are those of transformers. Inputs stand in BERT's order, with ``token_type_ids``
third, which are passed over.
"""

from __future__ import annotations

import math
from typing import Any

from framework import nn
from framework.devices import array_module
from framework.tensor import Tensor, wrap
from hub import FitRules
from text.models.attention import attend, check_heads, merge_heads, split_heads, with_bias
from text.models.base import PreTrainedModel
from text.models.bert_layers import OLD_NORM_KEYS, AddNorm, BertIntermediate, BertPooler
from text.models.config import Config
from text.models.encoder import Encoder, first_queries
from text.models.heads import (
    ClassificationHead,
    MaskedLM,
    MultipleChoice,
    QuestionAnswerer,
    SequenceClassifier,
    TokenClassifier,
)
from text.models.loading import register_family
from text.models.masks import padding_mask
from text.models.outputs import BaseModelOutput
from text.models.roberta import RobertaLMHead, places_after_padding

FARTHEST = 128  # from this distance on, all share a bucket
PADDING = 1  # which the places count from, whatever the config says


class MPNetConfig(Config):
    """The fields of MPNet's ``config.json``."""

    model_type = "mpnet"
    defaults = {  # noqa: RUF012
        "vocab_size": 30527,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12,
        "relative_attention_num_buckets": 32,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }


class MPNetEmbeddings(nn.Module):
    """The sum of a token's and its place's vector, normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=PADDING)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size, padding_idx=PADDING)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor | None, position_ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        """(B, S) ids as (B, S, hidden) vectors."""
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        places = places_after_padding(self.position_embeddings, input_ids, position_ids, words.shape[1])
        return self.dropout(self.LayerNorm(words + places))


class MPNetSelfAttention(nn.Module):
    """Attention between projections, and a projection of what it gives."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        check_heads(config)
        self.heads = config.num_attention_heads
        self.q = nn.Linear(config.hidden_size, config.hidden_size)
        self.k = nn.Linear(config.hidden_size, config.hidden_size)
        self.v = nn.Linear(config.hidden_size, config.hidden_size)
        self.o = nn.Linear(config.hidden_size, config.hidden_size)
        self.share = config.attention_probs_dropout_prob

    def forward(
        self, hidden: Tensor, queries: Tensor, mask: Tensor | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """(B, L, hidden) states of the queries among all S, and the weights (B, heads, L, S) if asked for."""
        read = ((self.q, queries), (self.k, hidden), (self.v, hidden))
        q, k, v = (split_heads(project(states), self.heads) for project, states in read)
        share = self.share if self.training else 0.0
        y, weights = attend(q, k, v, mask, dropout=share, output_attentions=output_attentions)
        return self.o(merge_heads(y)), weights


class MPNetAttention(nn.Module):
    """Self-attention, added to its input and normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attn = MPNetSelfAttention(config)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, output_attentions: bool, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """States, and the weights if asked for."""
        queries, mask = first_queries(hidden, mask) if first_only else (hidden, mask)
        y, weights = self.attn(hidden, queries, mask, output_attentions)
        return self.LayerNorm(self.dropout(y) + queries), weights


class MPNetLayer(nn.Module):
    """Self-attention and a feed-forward part."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = MPNetAttention(config)
        self.intermediate = BertIntermediate(config)
        self.output = AddNorm(config.intermediate_size, config)

    def forward(
        self, hidden: Tensor, mask: Tensor, output_attentions: bool, first_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """States, of the first token alone if that is all that is read, and the attention's weights if asked for."""
        hidden, weights = self.attention(hidden, mask, output_attentions, first_only)
        return self.output(self.intermediate(hidden), hidden), weights


class MPNetEncoder(nn.Module):
    """The stack of layers, and the biases by distance that all of them add to their scores."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList([MPNetLayer(config) for _ in range(config.num_hidden_layers)])
        self.relative_attention_bias = nn.Embedding(config.relative_attention_num_buckets, config.num_attention_heads)

    def bias(self, length: int) -> Tensor:
        """Numbers (1, heads, length, length) to add to the scores."""
        table = self.relative_attention_bias
        buckets = distance_buckets(length, table.num_embeddings, array_module(table.weight.array))
        return table(wrap(buckets)).permute(2, 0, 1).unsqueeze(0)


class MPNetPreTrained(PreTrainedModel):
    """What MPNet's classes share."""

    config_class = MPNetConfig
    base_model_prefix = "mpnet"
    fit_rules = FitRules(
        head=("classifier", "classifier.out_proj"),
        base="mpnet",
        optional=("embeddings.position_ids", "pooler."),
        fresh=("pooler.",),
        key_map=OLD_NORM_KEYS,
    )


@register_family("mpnet")
class MPNetModel(Encoder, MPNetPreTrained):
    """MPNet without a head; see ``BertModel`` for the arguments."""

    can_end_early = True

    def __init__(self, config: Config, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = MPNetEmbeddings(config)
        self.encoder = MPNetEncoder(config)
        if add_pooling_layer:
            self.pooler = BertPooler(config)
        self.post_init()

    @property
    def max_length(self) -> int:
        table = self.embeddings.position_embeddings
        return table.num_embeddings - (table.padding_idx or 0) - 1

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

    def context(self, hidden: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None) -> tuple[Any, ...]:
        return (with_bias(padding_mask(attention_mask), self.encoder.bias(hidden.shape[1])),)


@register_family("mpnet", "sequence-classification")
class MPNetForSequenceClassification(SequenceClassifier, MPNetPreTrained):
    """MPNet with two dense layers on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mpnet = MPNetModel(config, add_pooling_layer=False)
        self.classifier = ClassificationHead(config, config.hidden_dropout_prob)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(outputs.last_hidden_state)


@register_family("mpnet", "token-classification")
class MPNetForTokenClassification(TokenClassifier, MPNetPreTrained):
    """MPNet with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mpnet = MPNetModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("mpnet", "question-answering")
class MPNetForQuestionAnswering(QuestionAnswerer, MPNetPreTrained):
    """MPNet with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mpnet = MPNetModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()


@register_family("mpnet", "multiple-choice")
class MPNetForMultipleChoice(MultipleChoice, MPNetPreTrained):
    """MPNet with a score of the pooled vector."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mpnet = MPNetModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.post_init()


@register_family("mpnet", "masked-lm")
class MPNetForMaskedLM(MaskedLM, MPNetPreTrained):
    """MPNet with scores of the tokens, by the vectors that it reads them with."""

    tied = (("lm_head.decoder.weight", "mpnet.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.mpnet = MPNetModel(config, add_pooling_layer=False)
        self.lm_head = RobertaLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head.decoder

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.lm_head(outputs.last_hidden_state)


def distance_buckets(length: int, buckets: int, xp: Any) -> Any:
    """The bucket of each query's distance to each key, (length, length).

    Half of the buckets are for keys after the query. In each half, the first half are for one distance each, and the rest
    cover distances up to ``FARTHEST`` in steps that grow with them.
    """
    half = buckets // 2
    exact = half // 2
    places = xp.arange(length)
    ahead = places - places[:, None]
    far = xp.abs(ahead)
    steps = xp.log(xp.maximum(far, 1).astype("float32") / exact) / math.log(FARTHEST / exact) * (half - exact)
    coarse = xp.minimum(exact + steps.astype("int64"), half - 1)
    return xp.where(far < exact, far, coarse) + (ahead > 0) * half
