"""BERT: a bidirectional encoder with learned positions, normed after each addition. MiniLM models are BERTs, too.

Reference: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", https://arxiv.org/abs/1810.04805.
Config fields, state-dict keys and outputs are those of transformers. Left out of what is there: use as a decoder, and the
heads for next sentences and multiple choice.
"""

from __future__ import annotations

from framework import nn
from framework.errors import ArgumentError
from framework.tensor import Tensor
from hub import FitRules
from text.models.activations import activation
from text.models.attention import attend, merge_heads, split_heads
from text.models.base import PreTrainedModel
from text.models.config import Config
from text.models.encoder import Encoder, first_queries
from text.models.heads import MaskedLM, QuestionAnswerer, SequenceClassifier, TokenClassifier, classifier_dropout
from text.models.loading import register_family
from text.models.outputs import BaseModelOutput

# what the first releases called the parameters of layer norms
OLD_NORM_KEYS = ((r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias"))


class BertConfig(Config):
    """The fields of BERT's ``config.json``."""

    model_type = "bert"
    defaults = {  # noqa: RUF012
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "classifier_dropout": None,
    }


class BertEmbeddings(nn.Module):
    """The sum of a token's, its place's and its segment's vector, normed; ``width`` wide instead of hidden_size."""

    def __init__(self, config: Config, width: int | None = None) -> None:
        super().__init__()
        width = width or config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """(B, S) ids as (B, S, hidden) vectors; places count from 0 and segments are 0 unless given."""
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if position_ids is None:
            places = first_rows(self.position_embeddings, words.shape[1])
        else:
            places = self.position_embeddings(position_ids)
        if token_type_ids is None:
            segments = self.token_type_embeddings.weight[0]
        else:
            segments = self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(words + segments + places))


class BertSelfAttention(nn.Module):
    """Projections to queries, keys and values, and attention between them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        check_heads(config)
        self.heads = config.num_attention_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.share = config.attention_probs_dropout_prob

    def forward(
        self, hidden: Tensor, queries: Tensor, mask: Tensor | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """(B, L, hidden) states of the queries among all S, and the weights (B, heads, L, S) if asked for."""
        read = ((self.query, queries), (self.key, hidden), (self.value, hidden))
        q, k, v = (split_heads(project(states), self.heads) for project, states in read)
        share = self.share if self.training else 0.0
        y, weights = attend(q, k, v, mask, dropout=share, output_attentions=output_attentions)
        return merge_heads(y), weights


class AddNorm(nn.Module):
    """``LayerNorm(residual + dropout(dense(hidden)))``."""

    def __init__(self, width: int, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor, residual: Tensor) -> Tensor:
        """States of the residual's shape."""
        return self.LayerNorm(self.dropout(self.dense(hidden)) + residual)


class BertAttention(nn.Module):
    """Self-attention, added to its input and normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = AddNorm(config.hidden_size, config)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, output_attentions: bool, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """States, and the weights if asked for."""
        queries, mask = first_queries(hidden, mask) if first_only else (hidden, mask)
        y, weights = self.self(hidden, queries, mask, output_attentions)
        return self.output(y, queries), weights


class BertIntermediate(nn.Module):
    """The wide half of the feed-forward part."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = activation(config.hidden_act)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, intermediate) activations."""
        return self.activation(self.dense(hidden))


class BertLayer(nn.Module):
    """Self-attention and a feed-forward part."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = BertIntermediate(config)
        self.output = AddNorm(config.intermediate_size, config)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, output_attentions: bool, first_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """States, of the first token alone if that is all that is read, and the attention's weights if asked for."""
        hidden, weights = self.attention(hidden, mask, output_attentions, first_only)
        return self.output(self.intermediate(hidden), hidden), weights


class BertEncoder(nn.Module):
    """The stack of layers, which ``PreTrainedModel.run_layers`` runs."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList([BertLayer(config) for _ in range(config.num_hidden_layers)])


class BertPooler(nn.Module):
    """A dense layer and tanh on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as (B, hidden)."""
        return self.dense(hidden[:, 0]).tanh()


class PredictionTransform(nn.Module):
    """What states go through before they are compared with the tokens' vectors, ``width`` wide instead of hidden_size."""

    def __init__(self, config: Config, width: int | None = None) -> None:
        super().__init__()
        width = width or config.hidden_size
        self.dense = nn.Linear(config.hidden_size, width)
        self.activation = activation(config.hidden_act)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as (B, S, width)."""
        return self.LayerNorm(self.activation(self.dense(hidden)))


class PredictionHead(nn.Module):
    """Scores of the tokens; ``bias`` is the decoder's under the name that files know it by."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.transform = PredictionTransform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
        self.bias = self.decoder.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as logits (B, S, vocabulary)."""
        return self.decoder(self.transform(hidden))


class BertOnlyMLMHead(nn.Module):
    """Holds the scores of tokens where files have them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.predictions = PredictionHead(config)


class BertPreTrained(PreTrainedModel):
    """What BERT's classes share."""

    config_class = BertConfig
    base_model_prefix = "bert"
    fit_rules = FitRules(
        head=("classifier",),
        base="bert",
        optional=("embeddings.position_ids", "pooler."),
        fresh=("pooler.",),
        key_map=OLD_NORM_KEYS,
    )


@register_family("bert")
class BertModel(Encoder, BertPreTrained):
    """BERT without a head.

    Args:
        config: a ``BertConfig``.
        add_pooling_layer: whether to give ``pooler_output``.

    Raises:
        ArgumentError: the config asks for a decoder, or for positions other than absolute.

    Example:
        >>> model = BertModel(BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2))
        >>> model(framework.tensor([[101, 7592, 102]])).last_hidden_state.shape
        framework.Size([1, 3, 128])
    """

    can_end_early = True

    def __init__(self, config: Config, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        refuse_variants(config)
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        if add_pooling_layer:
            self.pooler = BertPooler(config)
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


@register_family("bert", "sequence-classification")
class BertForSequenceClassification(SequenceClassifier, BertPreTrained):
    """BERT with a linear layer on the pooled vector."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("bert", "token-classification")
class BertForTokenClassification(TokenClassifier, BertPreTrained):
    """BERT with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("bert", "question-answering")
class BertForQuestionAnswering(QuestionAnswerer, BertPreTrained):
    """BERT with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()


@register_family("bert", "masked-lm")
class BertForMaskedLM(MaskedLM, BertPreTrained):
    """BERT with scores of the tokens, by the vectors that it reads them with."""

    tied = (("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.cls = BertOnlyMLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.predictions.decoder

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.cls.predictions(outputs.last_hidden_state)


def first_rows(table: nn.Embedding, length: int) -> Tensor:
    """The vectors of the first ``length`` places, (length, hidden).

    Raises:
        ArgumentError: the table has fewer.
    """
    if length > table.num_embeddings:
        raise ArgumentError(
            f"forward: {length} tokens are more than the {table.num_embeddings} places of the model; cut the text shorter"
        )
    return table.weight[:length]


def check_heads(config: Config) -> None:
    """Refuse a width that heads do not share evenly.

    Raises:
        ArgumentError: so it is.
    """
    if config.hidden_size % config.num_attention_heads:
        raise ArgumentError(
            f"{type(config).__name__}: hidden_size {config.hidden_size} is no multiple of "
            f"num_attention_heads {config.num_attention_heads}"
        )


def refuse_variants(config: Config) -> None:
    """Refuse what the encoder is not made for: use as a decoder, and relative positions.

    Raises:
        ArgumentError: the config asks for such.
    """
    if config.is_decoder or config.get("add_cross_attention"):
        raise ArgumentError(f"{type(config).__name__}: the family is an encoder only; is_decoder must be False")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise ArgumentError(
            f"{type(config).__name__}: only absolute positions are known, got {config.position_embedding_type!r}"
        )
