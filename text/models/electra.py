"""ELECTRA: BERT's encoder without a pooled vector, with embeddings of their own width.

Reference: Clark et al., "ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators",
https://arxiv.org/abs/2003.10555.
Config fields, state-dict keys and outputs are those of transformers. The discriminator's head that it is pre-trained with
is in ``pretraining.py``; of summaries of a text there is that of the first token.
"""

from __future__ import annotations

from framework import nn
from framework.errors import ArgumentError
from framework.nn import functional as F
from framework.tensor import Tensor
from hub import FitRules
from text.models.activations import activation
from text.models.base import PreTrainedModel
from text.models.bert_layers import OLD_NORM_KEYS, BertEmbeddings, BertEncoder, refuse_variants
from text.models.config import Config
from text.models.encoder import Encoder
from text.models.encoder_lm import EncoderCausalLM
from text.models.heads import (
    ClassificationHead,
    MaskedLM,
    MultipleChoice,
    QuestionAnswerer,
    SequenceClassifier,
    TokenClassifier,
    classifier_dropout,
)
from text.models.loading import register_family
from text.models.outputs import BaseModelOutput


class ElectraConfig(Config):
    """The fields of ELECTRA's ``config.json``."""

    model_type = "electra"
    defaults = {  # noqa: RUF012
        "vocab_size": 30522,
        "embedding_size": 128,
        "hidden_size": 256,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "classifier_dropout": None,
        "summary_type": "first",
        "summary_use_proj": True,
        "summary_activation": "gelu",
        "summary_last_dropout": 0.1,
    }


class ElectraGeneratorPredictions(nn.Module):
    """What states go through before they are compared with the tokens' vectors."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.LayerNorm = nn.LayerNorm(config.embedding_size, eps=config.layer_norm_eps)
        self.dense = nn.Linear(config.hidden_size, config.embedding_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as (B, S, embedding_size)."""
        return self.LayerNorm(F.gelu(self.dense(hidden)))


class ElectraSequenceSummary(nn.Module):
    """One vector of a text: the first token's state, through a dense layer if ``config.summary_use_proj``.

    Raises:
        ArgumentError: ``config.summary_type`` asks for another token.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.summary_type != "first":
            raise ArgumentError(f"summary_type: only 'first' is known, got {config.summary_type!r}")
        width = config.hidden_size
        self.summary = nn.Linear(width, width) if config.summary_use_proj else nn.Identity()
        self.activation = activation(config.summary_activation) if config.summary_activation else nn.Identity()
        self.first_dropout = nn.Dropout(config.get("summary_first_dropout", 0.0))
        self.last_dropout = nn.Dropout(config.summary_last_dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as (B, hidden)."""
        return self.last_dropout(self.activation(self.summary(self.first_dropout(hidden[:, 0]))))


class ElectraPreTrained(PreTrainedModel):
    """What ELECTRA's classes share."""

    config_class = ElectraConfig
    base_model_prefix = "electra"
    fit_rules = FitRules(
        head=("classifier", "classifier.out_proj"),
        base="electra",
        optional=("embeddings.position_ids",),
        key_map=OLD_NORM_KEYS,
    )


@register_family("electra")
class ElectraModel(Encoder, ElectraPreTrained):
    """ELECTRA without a head."""

    can_end_early = True
    can_decode = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        refuse_variants(config, decodes=True)
        self.embeddings = BertEmbeddings(config, config.embedding_size)
        if config.embedding_size != config.hidden_size:
            self.embeddings_project = nn.Linear(config.embedding_size, config.hidden_size)
        self.encoder = BertEncoder(config)
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
        hidden = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        return self.embeddings_project(hidden) if self.config.embedding_size != self.config.hidden_size else hidden


@register_family("electra", "sequence-classification")
class ElectraForSequenceClassification(SequenceClassifier, ElectraPreTrained):
    """ELECTRA with two dense layers on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.electra = ElectraModel(config)
        self.classifier = ClassificationHead(config, classifier_dropout(config), F.gelu)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(outputs.last_hidden_state)


@register_family("electra", "token-classification")
class ElectraForTokenClassification(TokenClassifier, ElectraPreTrained):
    """ELECTRA with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.electra = ElectraModel(config)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("electra", "question-answering")
class ElectraForQuestionAnswering(QuestionAnswerer, ElectraPreTrained):
    """ELECTRA with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.electra = ElectraModel(config)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()


@register_family("electra", "multiple-choice")
class ElectraForMultipleChoice(MultipleChoice, ElectraPreTrained):
    """ELECTRA with a score of a vector of the text."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.electra = ElectraModel(config)
        self.sequence_summary = ElectraSequenceSummary(config)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.sequence_summary(outputs.last_hidden_state))


@register_family("electra", "masked-lm")
class ElectraForMaskedLM(MaskedLM, ElectraPreTrained):
    """ELECTRA's generator, with scores of the tokens by the vectors that it reads them with."""

    tied = (("generator_lm_head.weight", "electra.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.electra = ElectraModel(config)
        self.generator_predictions = ElectraGeneratorPredictions(config)
        self.generator_lm_head = nn.Linear(config.embedding_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.generator_lm_head

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.generator_lm_head(self.generator_predictions(outputs.last_hidden_state))


@register_family("electra", "causal-lm")
class ElectraForCausalLM(EncoderCausalLM, ElectraPreTrained):
    """ELECTRA's generator as a decoder, with scores of the next token by the vectors that it reads tokens with."""

    tied = ElectraForMaskedLM.tied

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.electra = ElectraModel(config)
        self.generator_predictions = ElectraGeneratorPredictions(config)
        self.generator_lm_head = nn.Linear(config.embedding_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.generator_lm_head

    def scores(self, hidden: Tensor) -> Tensor:
        return self.generator_lm_head(self.generator_predictions(hidden))
