"""ALBERT: an encoder whose layers share their parameters, with narrower embeddings.

Reference: Lan et al., "ALBERT: A Lite BERT for Self-supervised Learning", https://arxiv.org/abs/1909.11942.
Config fields, state-dict keys and outputs are those of transformers. The head for the order of
sentences is in ``pretraining.py``.
"""

from __future__ import annotations

from framework import nn
from framework.tensor import Tensor
from hub import FitRules
from text.models.activations import activation
from text.models.attention import attend, check_heads, merge_heads, split_heads
from text.models.base import PreTrainedModel
from text.models.bert_layers import OLD_NORM_KEYS, BertEmbeddings, refuse_variants
from text.models.config import Config
from text.models.encoder import Encoder
from text.models.heads import MaskedLM, MultipleChoice, QuestionAnswerer, SequenceClassifier, TokenClassifier
from text.models.loading import register_family
from text.models.outputs import BaseModelOutput


class AlbertConfig(Config):
    """The fields of ALBERT's ``config.json``."""

    model_type = "albert"
    defaults = {  # noqa: RUF012
        "vocab_size": 30000,
        "embedding_size": 128,
        "hidden_size": 4096,
        "num_hidden_layers": 12,
        "num_hidden_groups": 1,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "inner_group_num": 1,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "classifier_dropout_prob": 0.1,
        "pad_token_id": 0,
        "bos_token_id": 2,
        "eos_token_id": 3,
    }


class AlbertAttention(nn.Module):
    """Self-attention, added to its input and normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        check_heads(config)
        self.heads = config.num_attention_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.share = config.attention_probs_dropout_prob

    def forward(self, hidden: Tensor, mask: Tensor | None, output_attentions: bool) -> tuple[Tensor, Tensor | None]:
        """(B, S, hidden) states, and the weights (B, heads, S, S) if asked for."""
        q, k, v = (split_heads(project(hidden), self.heads) for project in (self.query, self.key, self.value))
        share = self.share if self.training else 0.0
        y, weights = attend(q, k, v, mask, dropout=share, output_attentions=output_attentions)
        return self.LayerNorm(self.dropout(self.dense(merge_heads(y))) + hidden), weights


class AlbertLayer(nn.Module):
    """Self-attention and a feed-forward part."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.full_layer_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = AlbertAttention(config)
        self.ffn = nn.Linear(config.hidden_size, config.intermediate_size)
        self.ffn_output = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation = activation(config.hidden_act)

    def forward(self, hidden: Tensor, mask: Tensor | None, output_attentions: bool) -> tuple[Tensor, Tensor | None]:
        """States, and the attention's weights if asked for."""
        hidden, weights = self.attention(hidden, mask, output_attentions)
        return self.full_layer_layer_norm(self.ffn_output(self.activation(self.ffn(hidden))) + hidden), weights


class AlbertLayerGroup(nn.Module):
    """Layers that always follow one another."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.albert_layers = nn.ModuleList([AlbertLayer(config) for _ in range(config.inner_group_num)])


class AlbertTransformer(nn.Module):
    """The widening of the embeddings, and the groups of layers."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embedding_hidden_mapping_in = nn.Linear(config.embedding_size, config.hidden_size)
        self.albert_layer_groups = nn.ModuleList([AlbertLayerGroup(config) for _ in range(config.num_hidden_groups)])


class AlbertMLMHead(nn.Module):
    """Scores of the tokens; ``bias`` is the decoder's under the name that files know it by."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)
        self.dense = nn.Linear(config.hidden_size, config.embedding_size)
        self.decoder = nn.Linear(config.embedding_size, config.vocab_size)
        self.bias = self.decoder.bias
        self.activation = activation(config.hidden_act)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as logits (B, S, vocabulary)."""
        return self.decoder(self.LayerNorm(self.activation(self.dense(hidden))))


class AlbertPreTrained(PreTrainedModel):
    """What ALBERT's classes share."""

    config_class = AlbertConfig
    base_model_prefix = "albert"
    fit_rules = FitRules(
        head=("classifier",),
        base="albert",
        optional=("embeddings.position_ids", "pooler."),
        fresh=("pooler.",),
        key_map=OLD_NORM_KEYS,
    )


@register_family("albert")
class AlbertModel(Encoder, AlbertPreTrained):
    """ALBERT without a head; see ``BertModel`` for the arguments."""

    def __init__(self, config: Config, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        refuse_variants(config)
        self.embeddings = BertEmbeddings(config, config.embedding_size)
        self.encoder = AlbertTransformer(config)
        if add_pooling_layer:
            self.pooler = nn.Linear(config.hidden_size, config.hidden_size)
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
        narrow = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        return self.encoder.embedding_hidden_mapping_in(narrow)

    def pool(self, hidden: Tensor) -> Tensor:
        return self.pooler(hidden[:, 0]).tanh()

    def stack(self) -> list[nn.Module]:
        groups, count = self.encoder.albert_layer_groups, self.config.num_hidden_layers
        return [layer for i in range(count) for layer in groups[i * len(groups) // count].albert_layers]


@register_family("albert", "sequence-classification")
class AlbertForSequenceClassification(SequenceClassifier, AlbertPreTrained):
    """ALBERT with a linear layer on the pooled vector."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("albert", "token-classification")
class AlbertForTokenClassification(TokenClassifier, AlbertPreTrained):
    """ALBERT with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config, add_pooling_layer=False)
        share = config.classifier_dropout_prob
        self.dropout = nn.Dropout(config.hidden_dropout_prob if share is None else share)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("albert", "question-answering")
class AlbertForQuestionAnswering(QuestionAnswerer, AlbertPreTrained):
    """ALBERT with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()


@register_family("albert", "multiple-choice")
class AlbertForMultipleChoice(MultipleChoice, AlbertPreTrained):
    """ALBERT with a score of the pooled vector."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.post_init()


@register_family("albert", "masked-lm")
class AlbertForMaskedLM(MaskedLM, AlbertPreTrained):
    """ALBERT with scores of the tokens, by the vectors that it reads them with."""

    tied = (("predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config, add_pooling_layer=False)
        self.predictions = AlbertMLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.predictions.decoder

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.predictions(outputs.last_hidden_state)
