"""BERT: a bidirectional encoder with learned positions, normed after each addition. MiniLM models are BERTs, too.

Reference: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", https://arxiv.org/abs/1810.04805.
Config fields, state-dict keys and outputs are those of transformers. Left out of what is there: cross-attention. The heads of
pre-training are in ``pretraining.py``.
"""

from __future__ import annotations

from framework import nn
from framework.tensor import Tensor
from hub import FitRules
from text.models.base import PreTrainedModel
from text.models.bert_layers import (
    OLD_NORM_KEYS,
    BertEmbeddings,
    BertEncoder,
    BertOnlyMLMHead,
    BertPooler,
    refuse_variants,
)
from text.models.config import Config
from text.models.encoder import Encoder
from text.models.encoder_lm import EncoderCausalLM
from text.models.heads import (
    MaskedLM,
    MultipleChoice,
    QuestionAnswerer,
    SequenceClassifier,
    TokenClassifier,
    classifier_dropout,
)
from text.models.loading import register_family
from text.models.outputs import BaseModelOutput


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
        ArgumentError: the config asks for cross-attention, or for positions other than absolute.

    Example:
        >>> model = BertModel(BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2))
        >>> model(framework.tensor([[101, 7592, 102]])).last_hidden_state.shape
        framework.Size([1, 3, 128])
    """

    can_end_early = True
    can_decode = True

    def __init__(self, config: Config, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        refuse_variants(config, decodes=True)
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


@register_family("bert", "multiple-choice")
class BertForMultipleChoice(MultipleChoice, BertPreTrained):
    """BERT with a score of the pooled vector."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, 1)
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


@register_family("bert", "causal-lm")
class BertLMHeadModel(EncoderCausalLM, BertPreTrained):
    """BERT as a decoder, with scores of the next token by the vectors that it reads tokens with."""

    tied = BertForMaskedLM.tied

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.cls = BertOnlyMLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.predictions.decoder

    def scores(self, hidden: Tensor) -> Tensor:
        return self.cls.predictions(hidden)
