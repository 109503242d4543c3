"""RoBERTa, and XLM-RoBERTa and CamemBERT, which are RoBERTas of other languages: BERT with places counted after padding.

References: Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach", https://arxiv.org/abs/1907.11692;
Conneau et al., "Unsupervised Cross-lingual Representation Learning at Scale" (XLM-R), https://arxiv.org/abs/1911.02116;
Martin et al., "CamemBERT: a Tasty French Language Model", https://arxiv.org/abs/1911.03894.
Config fields, state-dict keys and outputs are those of transformers, which has a class for each of the three; here the
XLM-RoBERTa names are other names of the same classes.
"""

from __future__ import annotations

from framework import nn
from framework.nn import functional as F
from framework.tensor import Tensor
from hub import FitRules
from text.models.base import PreTrainedModel
from text.models.bert_layers import OLD_NORM_KEYS, BertEncoder, BertPooler, refuse_variants
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


class RobertaConfig(Config):
    """The fields of RoBERTa's ``config.json``."""

    model_type = "roberta"
    defaults = {  # noqa: RUF012
        "vocab_size": 50265,
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
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "classifier_dropout": None,
    }


class RobertaEmbeddings(nn.Module):
    """The sum of a token's, its place's and its segment's vector, normed."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        padding = config.pad_token_id
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=padding)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size, padding_idx=padding)

    def forward(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """(B, S) ids as (B, S, hidden) vectors."""
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if token_type_ids is None:
            segments = self.token_type_embeddings.weight[0]
        else:
            segments = self.token_type_embeddings(token_type_ids)
        places = places_after_padding(self.position_embeddings, input_ids, position_ids, words.shape[1])
        return self.dropout(self.LayerNorm(words + segments + places))


class RobertaLMHead(nn.Module):
    """Scores of the tokens; ``bias`` is the decoder's under the name that files know it by."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
        self.bias = self.decoder.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as logits (B, S, vocabulary)."""
        return self.decoder(self.layer_norm(F.gelu(self.dense(hidden))))


class RobertaPreTrained(PreTrainedModel):
    """What RoBERTa's classes share."""

    config_class = RobertaConfig
    base_model_prefix = "roberta"
    fit_rules = FitRules(
        head=("classifier", "classifier.out_proj"),
        base="roberta",
        optional=("embeddings.position_ids", "pooler."),
        fresh=("pooler.",),
        key_map=OLD_NORM_KEYS,
    )


@register_family("roberta")
@register_family("xlm-roberta", name="XLMRobertaModel")
@register_family("camembert", name="CamembertModel")
class RobertaModel(Encoder, RobertaPreTrained):
    """RoBERTa without a head; see ``BertModel`` for the arguments."""

    can_end_early = True
    can_decode = True

    def __init__(self, config: Config, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        refuse_variants(config, decodes=True)
        self.embeddings = RobertaEmbeddings(config)
        self.encoder = BertEncoder(config)
        if add_pooling_layer:
            self.pooler = BertPooler(config)
        self.post_init()

    @property
    def max_length(self) -> int:
        return self.embeddings.position_embeddings.num_embeddings - self.first_position

    @property
    def first_position(self) -> int:
        return (self.embeddings.position_embeddings.padding_idx or 0) + 1

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


@register_family("roberta", "sequence-classification")
@register_family("xlm-roberta", "sequence-classification", name="XLMRobertaForSequenceClassification")
@register_family("camembert", "sequence-classification", name="CamembertForSequenceClassification")
class RobertaForSequenceClassification(SequenceClassifier, RobertaPreTrained):
    """RoBERTa with two dense layers on the first token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.roberta = RobertaModel(config, add_pooling_layer=False)
        self.classifier = ClassificationHead(config, classifier_dropout(config))
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(outputs.last_hidden_state)


@register_family("roberta", "token-classification")
@register_family("xlm-roberta", "token-classification", name="XLMRobertaForTokenClassification")
@register_family("camembert", "token-classification", name="CamembertForTokenClassification")
class RobertaForTokenClassification(TokenClassifier, RobertaPreTrained):
    """RoBERTa with a linear layer on each token's state."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.roberta = RobertaModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


@register_family("roberta", "question-answering")
@register_family("xlm-roberta", "question-answering", name="XLMRobertaForQuestionAnswering")
@register_family("camembert", "question-answering", name="CamembertForQuestionAnswering")
class RobertaForQuestionAnswering(QuestionAnswerer, RobertaPreTrained):
    """RoBERTa with scores of where an answer starts and ends."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.roberta = RobertaModel(config, add_pooling_layer=False)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.post_init()


@register_family("roberta", "multiple-choice")
@register_family("xlm-roberta", "multiple-choice", name="XLMRobertaForMultipleChoice")
@register_family("camembert", "multiple-choice", name="CamembertForMultipleChoice")
class RobertaForMultipleChoice(MultipleChoice, RobertaPreTrained):
    """RoBERTa with a score of the pooled vector."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.roberta = RobertaModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.post_init()


@register_family("roberta", "masked-lm")
@register_family("xlm-roberta", "masked-lm", name="XLMRobertaForMaskedLM")
@register_family("camembert", "masked-lm", name="CamembertForMaskedLM")
class RobertaForMaskedLM(MaskedLM, RobertaPreTrained):
    """RoBERTa with scores of the tokens, by the vectors that it reads them with."""

    tied = (("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.roberta = RobertaModel(config, add_pooling_layer=False)
        self.lm_head = RobertaLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head.decoder

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.lm_head(outputs.last_hidden_state)


@register_family("roberta", "causal-lm")
@register_family("xlm-roberta", "causal-lm", name="XLMRobertaForCausalLM")
@register_family("camembert", "causal-lm", name="CamembertForCausalLM")
class RobertaForCausalLM(EncoderCausalLM, RobertaPreTrained):
    """RoBERTa as a decoder, with scores of the next token by the vectors that it reads tokens with."""

    tied = RobertaForMaskedLM.tied

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.roberta = RobertaModel(config, add_pooling_layer=False)
        self.lm_head = RobertaLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head.decoder

    def scores(self, hidden: Tensor) -> Tensor:
        return self.lm_head(hidden)


def places_after_padding(
    table: nn.Embedding, input_ids: Tensor | None, position_ids: Tensor | None, length: int
) -> Tensor:
    """The vectors of places that count from the padding's number on, which padding itself keeps.

    Without ids, all count as tokens.
    """
    padding = table.padding_idx or 0
    if position_ids is not None:
        return table(position_ids)
    if input_ids is None:
        return table.weight[padding + 1 : padding + 1 + length]
    tokens = input_ids.ne(padding).long()
    return table(tokens.cumsum(1) * tokens + padding)


XLMRobertaConfig = RobertaConfig
XLMRobertaModel = RobertaModel
XLMRobertaForCausalLM = RobertaForCausalLM
XLMRobertaForMaskedLM = RobertaForMaskedLM
XLMRobertaForMultipleChoice = RobertaForMultipleChoice
XLMRobertaForQuestionAnswering = RobertaForQuestionAnswering
XLMRobertaForSequenceClassification = RobertaForSequenceClassification
XLMRobertaForTokenClassification = RobertaForTokenClassification
