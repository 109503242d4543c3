"""The layers of BERT, RoBERTa and ELECTRA: sums of vectors, attention with biases, and norms after each addition.

Reference: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

from framework import nn
from framework.errors import ArgumentError
from framework.tensor import Tensor
from text.models.activations import activation
from text.models.attention import attend, check_heads, merge_heads, split_heads
from text.models.config import Config
from text.models.decoding import attend_cached, by_heads
from text.models.encoder import Past, first_queries

# what the first releases called the parameters of layer norms
OLD_NORM_KEYS = ((r"LayerNorm\.gamma$", "LayerNorm.weight"), (r"LayerNorm\.beta$", "LayerNorm.bias"))


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
    """Projections to queries, keys and values, and attention between them.

    Args:
        config: the model's.
        layer: the layer's place in the stack, which is that of its keys in a cache.
    """

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        check_heads(config)
        self.layer = layer
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

    def look_back(self, hidden: Tensor, past: Past, output_attentions: bool) -> tuple[Tensor, Tensor | None]:
        """``forward`` of a decoder: (B, L, hidden) states of the new tokens, and the weights if asked for."""
        q, k, v = (by_heads(project(hidden), self.heads) for project in (self.query, self.key, self.value))
        return attend_cached(
            q,
            k,
            v,
            None if past.cache is None else past.cache.layers[self.layer],
            past.mask,
            causal=past.causal,
            dropout=self.share if self.training else 0.0,
            scale=q.shape[-1] ** -0.5,
            output_attentions=output_attentions,
        )


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

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.self = BertSelfAttention(config, layer)
        self.output = AddNorm(config.hidden_size, config)

    def forward(
        self, hidden: Tensor, mask: Tensor | Past | None, output_attentions: bool, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """States, and the weights if asked for."""
        if isinstance(mask, Past):
            y, weights = self.self.look_back(hidden, mask, output_attentions)
            return self.output(y, hidden), weights
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

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.attention = BertAttention(config, layer)
        self.intermediate = BertIntermediate(config)
        self.output = AddNorm(config.intermediate_size, config)

    def forward(
        self, hidden: Tensor, mask: Tensor | Past | None, output_attentions: bool, first_only: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """States, of the first token alone if that is all that is read, and the attention's weights if asked for."""
        hidden, weights = self.attention(hidden, mask, output_attentions, first_only)
        return self.output(self.intermediate(hidden), hidden), weights


class BertEncoder(nn.Module):
    """The stack of layers, which ``PreTrainedModel.run_layers`` runs."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.ModuleList([BertLayer(config, layer) for layer in range(config.num_hidden_layers)])


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


def refuse_variants(config: Config, decodes: bool = False) -> None:
    """Refuse what an encoder is not made for: attention to another encoder, relative positions, and use as a decoder.

    Args:
        config: the model's.
        decodes: whether the family can be used as a decoder.

    Raises:
        ArgumentError: the config asks for such.
    """
    if config.is_decoder and not decodes:
        raise ArgumentError(f"{type(config).__name__}: the family is an encoder only; is_decoder must be False")
    if config.get("add_cross_attention"):
        raise ArgumentError(f"{type(config).__name__}: cross-attention is not made; add_cross_attention must be False")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise ArgumentError(
            f"{type(config).__name__}: only absolute positions are known, got {config.position_embedding_type!r}"
        )
