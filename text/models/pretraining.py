"""The heads that BERT, ALBERT and ELECTRA were pre-trained with.

References: Devlin et al., "BERT", https://arxiv.org/abs/1810.04805; Lan et al., "ALBERT", https://arxiv.org/abs/1909.11942;
Clark et al., "ELECTRA", https://arxiv.org/abs/2003.10555. State-dict keys and outputs are those of transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import nn
from framework.nn import functional as F
from framework.tensor import Tensor
from text.models.activations import activation
from text.models.albert import AlbertMLMHead, AlbertModel, AlbertPreTrained
from text.models.base import PreTrainedModel
from text.models.bert import BertForMaskedLM, BertModel, BertPreTrained
from text.models.bert_layers import PredictionHead
from text.models.config import Config
from text.models.electra import ElectraModel, ElectraPreTrained
from text.models.heads import token_loss
from text.models.loading import register_family
from text.models.outputs import ModelOutput


@dataclass(eq=False)
class NextSentencePredictorOutput(ModelOutput):
    """Logits (B, 2): 0 for a second sentence that follows the first, 1 for another."""

    loss: Any = None
    logits: Any = None
    hidden_states: tuple[Any, ...] | None = None
    attentions: tuple[Any, ...] | None = None


@dataclass(eq=False)
class BertForPreTrainingOutput(ModelOutput):
    """Logits (B, S, vocabulary) of the masked tokens, and (B, 2) of whether the second sentence follows the first."""

    loss: Any = None
    prediction_logits: Any = None
    seq_relationship_logits: Any = None
    hidden_states: tuple[Any, ...] | None = None
    attentions: tuple[Any, ...] | None = None


@dataclass(eq=False)
class AlbertForPreTrainingOutput(ModelOutput):
    """Logits (B, S, vocabulary) of the masked tokens, and (B, num_labels) of whether the sentences are in order."""

    loss: Any = None
    prediction_logits: Any = None
    sop_logits: Any = None
    hidden_states: tuple[Any, ...] | None = None
    attentions: tuple[Any, ...] | None = None


@dataclass(eq=False)
class ElectraForPreTrainingOutput(ModelOutput):
    """Logits (B, S) of whether each token was replaced."""

    loss: Any = None
    logits: Any = None
    hidden_states: tuple[Any, ...] | None = None
    attentions: tuple[Any, ...] | None = None


class BertPreTrainingHeads(nn.Module):
    """Holds both heads, or that for sentences alone, where files have them."""

    def __init__(self, config: Config, words: bool = True) -> None:
        super().__init__()
        if words:
            self.predictions = PredictionHead(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)


@register_family("bert", "next-sentence-prediction")
class BertForNextSentencePrediction(BertPreTrained):
    """BERT with scores of whether a second sentence follows the first."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.cls = BertPreTrainingHeads(config, words=False)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> NextSentencePredictorOutput:
        """Logits, and their cross-entropy where labels (B,) are given; see the base model for the other inputs."""
        outputs = self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
            first_only=True,
        )
        logits = self.cls.seq_relationship(outputs.pooler_output)
        loss = None if labels is None else token_loss(logits, labels)
        return NextSentencePredictorOutput(loss, logits, outputs.hidden_states, outputs.attentions)


class TwoHeads(PreTrainedModel):
    """Masked tokens and pairs of sentences, as BERT and ALBERT learn them. A family gives ``scores`` and ``answer``."""

    def scores(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """Logits of tokens and of pairs from what the base model returned."""
        raise NotImplementedError(f"{type(self).__name__} gives no scores")

    def answer(self, *fields: Any) -> Any:
        """The output object of the loss, both logits, states and weights."""
        raise NotImplementedError(f"{type(self).__name__} gives no answer")

    def run(self, given: tuple[Any, ...], labels: Tensor | None, pairs: Tensor | None) -> Any:
        """The output for the base model's arguments; both losses are added where labels of both kinds are given."""
        outputs = self.base_model(*given)
        words, sentences = self.scores(outputs)
        loss = None
        if labels is not None and pairs is not None:
            loss = token_loss(words, labels) + token_loss(sentences, pairs)
        return self.answer(loss, words, sentences, outputs.hidden_states, outputs.attentions)


@register_family("bert", "pretraining")
class BertForPreTraining(TwoHeads, BertPreTrained):
    """BERT with scores of the tokens and of whether a second sentence follows the first."""

    tied = BertForMaskedLM.tied

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.cls = BertPreTrainingHeads(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.predictions.decoder

    def scores(self, outputs: Any) -> tuple[Tensor, Tensor]:
        return (
            self.cls.predictions(outputs.last_hidden_state),
            self.cls.seq_relationship(outputs.pooler_output),
        )

    def answer(self, *fields: Any) -> BertForPreTrainingOutput:
        return BertForPreTrainingOutput(*fields)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BertForPreTrainingOutput:
        """Both logits, and the sum of their losses where ``labels`` (B, S) and ``next_sentence_label`` (B,) are given.

        Labels of -100 take no part; see the base model for the other inputs.
        """
        given = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        return self.run((*given, output_attentions, output_hidden_states), labels, next_sentence_label)


class AlbertSOPHead(nn.Module):
    """Scores of whether sentences are in order."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.classifier_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, hidden) as logits (B, num_labels)."""
        return self.classifier(self.dropout(pooled))


@register_family("albert", "pretraining")
class AlbertForPreTraining(TwoHeads, AlbertPreTrained):
    """ALBERT with scores of the tokens and of whether two sentences are in order."""

    tied = (("predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"),)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.albert = AlbertModel(config)
        self.predictions = AlbertMLMHead(config)
        self.sop_classifier = AlbertSOPHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.predictions.decoder

    def scores(self, outputs: Any) -> tuple[Tensor, Tensor]:
        return self.predictions(outputs.last_hidden_state), self.sop_classifier(outputs.pooler_output)

    def answer(self, *fields: Any) -> AlbertForPreTrainingOutput:
        return AlbertForPreTrainingOutput(*fields)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        sentence_order_label: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> AlbertForPreTrainingOutput:
        """Both logits, and the sum of their losses where ``labels`` (B, S) and ``sentence_order_label`` (B,) are given.

        Labels of -100 take no part; see the base model for the other inputs.
        """
        given = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        return self.run((*given, output_attentions, output_hidden_states), labels, sentence_order_label)


class ElectraDiscriminatorPredictions(nn.Module):
    """A score of each token."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.dense_prediction = nn.Linear(config.hidden_size, 1)
        self.activation = activation(config.hidden_act)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as logits (B, S)."""
        return self.dense_prediction(self.activation(self.dense(hidden))).squeeze(-1)


@register_family("electra", "pretraining")
class ElectraForPreTraining(ElectraPreTrained):
    """ELECTRA's discriminator: which tokens were replaced."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.electra = ElectraModel(config)
        self.discriminator_predictions = ElectraDiscriminatorPredictions(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> ElectraForPreTrainingOutput:
        """Logits, and their binary cross-entropy where labels (B, S), 1 for a replaced token, are given.

        Padding takes no part; see the base model for the other inputs.
        """
        outputs = self.electra(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
        )
        logits = self.discriminator_predictions(outputs.last_hidden_state)
        loss = None
        if labels is not None:
            targets = labels.to(logits.dtype)
            if attention_mask is None:
                loss = F.binary_cross_entropy_with_logits(logits, targets)
            else:
                seen = attention_mask == 1
                loss = F.binary_cross_entropy_with_logits(logits[seen], targets[seen])
        return ElectraForPreTrainingOutput(loss, logits, outputs.hidden_states, outputs.attentions)
