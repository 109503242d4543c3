"""What models with a head share: the call, the loss, and the shape of the answer. Families say what their heads are made of.

Labels of -100 take no part in the losses of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.nn import functional as F
from framework.tensor import Tensor
from text.models.base import PreTrainedModel, check_one_input
from text.models.config import Config
from text.models.outputs import (
    MaskedLMOutput,
    MultipleChoiceModelOutput,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

REGRESSION, SINGLE_LABEL, MULTI_LABEL = "regression", "single_label_classification", "multi_label_classification"


def classifier_dropout(config: Config) -> float:
    """The share that classifiers drop of their input: ``classifier_dropout``, else ``hidden_dropout_prob``."""
    share = config.get("classifier_dropout")
    return config.hidden_dropout_prob if share is None else share


def classification_loss(logits: Tensor, labels: Tensor, config: Config) -> Tensor:
    """The loss of logits (B, num_labels).

    Squared error for ``config.problem_type`` "regression", cross-entropy for "single_label_classification" and
    binary cross-entropy for "multi_label_classification". Where the config has none, it is regression with one label,
    single-label with integer labels, and multi-label with others.

    Args:
        labels: (B,) numbers or class indices, or (B, num_labels).

    Raises:
        ArgumentError: ``problem_type`` is none of these.
    """
    kind = config.problem_type
    if kind is None:
        kind = REGRESSION if config.num_labels == 1 else MULTI_LABEL if labels.is_floating_point() else SINGLE_LABEL
    if kind == REGRESSION:
        return F.mse_loss(*((logits.reshape(-1), labels.reshape(-1)) if config.num_labels == 1 else (logits, labels)))
    if kind == SINGLE_LABEL:
        return F.cross_entropy(logits.reshape(-1, config.num_labels), labels.reshape(-1))
    if kind == MULTI_LABEL:
        return F.binary_cross_entropy_with_logits(logits, labels)
    raise ArgumentError(f"problem_type: expected {REGRESSION}, {SINGLE_LABEL} or {MULTI_LABEL}, got {kind!r}")


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B, S, classes) over the labels (B, S) that are not -100."""
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))


def span_loss(start_logits: Tensor, end_logits: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """The mean cross-entropy of where spans start and end, (B, S) and (B,); positions past the text take no part."""
    length = start_logits.shape[1]
    starts, ends = (t.reshape(-1).clamp(0, length) for t in (starts, ends))
    return (
        F.cross_entropy(start_logits, starts, ignore_index=length)
        + F.cross_entropy(end_logits, ends, ignore_index=length)
    ) / 2


def texts_of(choices: Tensor | None) -> Tensor | None:
    """(B, choices, ...) as (B * choices, ...); None stays."""
    return None if choices is None else choices.reshape(-1, *choices.shape[2:])


class ClassificationHead(nn.Module):
    """A dense layer and scores of the classes on the first token's state, with dropout before each."""

    def __init__(self, config: Config, share: float, act: Callable[[Tensor], Tensor] = F.tanh) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(share)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)
        self.activation = act

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, S, hidden) as logits (B, num_labels)."""
        return self.out_proj(self.dropout(self.activation(self.dense(self.dropout(hidden[:, 0])))))


class SequenceClassifier(PreTrainedModel):
    """Classes of whole texts. Unless ``scores`` is overridden: ``dropout`` and ``classifier`` on the pooled vector.

    The base model is an ``Encoder``, of whose states ``scores`` reads the first token's alone where it can end early.
    """

    def scores(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        """Logits (B, num_labels) from what the base model returned."""
        return self.classifier(self.dropout(outputs.pooler_output))

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
    ) -> SequenceClassifierOutput:
        """Logits, and the ``classification_loss`` where labels are given; see the base model for the other inputs."""
        outputs = self.base_model(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
            first_only=True,
        )
        logits = self.scores(outputs, attention_mask)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return SequenceClassifierOutput(loss, logits, outputs.hidden_states, outputs.attentions)


class TokenClassifier(PreTrainedModel):
    """Classes of tokens. Unless ``scores`` is overridden: ``dropout`` and ``classifier`` on each state."""

    def scores(self, outputs: Any) -> Tensor:
        """Logits (B, S, num_labels) from what the base model returned."""
        return self.classifier(self.dropout(outputs.last_hidden_state))

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
    ) -> TokenClassifierOutput:
        """Logits, and the ``token_loss`` where labels are given; see the base model for the other inputs."""
        outputs = self.base_model(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
        )
        logits = self.scores(outputs)
        loss = None if labels is None else token_loss(logits, labels)
        return TokenClassifierOutput(loss, logits, outputs.hidden_states, outputs.attentions)


class QuestionAnswerer(PreTrainedModel):
    """Where answers start and end. Unless ``scores`` is overridden: ``qa_outputs`` on each state."""

    def scores(self, outputs: Any) -> Tensor:
        """Logits (B, S, 2) of start and end from what the base model returned."""
        return self.qa_outputs(outputs.last_hidden_state)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> QuestionAnsweringModelOutput:
        """Logits, and the ``span_loss`` where both positions (B,) are given; see the base model for the other inputs."""
        outputs = self.base_model(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
        )
        start, end = self.scores(outputs).unbind(-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start, end, start_positions, end_positions)
        return QuestionAnsweringModelOutput(loss, start, end, outputs.hidden_states, outputs.attentions)


class MultipleChoice(PreTrainedModel):
    """Which of several texts is right, by a score for each. Unless ``scores`` is overridden: as ``SequenceClassifier``."""

    def scores(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        """Scores (texts, 1) from what the base model returned."""
        return self.classifier(self.dropout(outputs.pooler_output))

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
    ) -> MultipleChoiceModelOutput:
        """Logits (B, choices), and the cross-entropy where the numbers (B,) of the right choices are given.

        The inputs are those of the base model with one more dim, (B, choices, S) instead of (B, S); states and attention
        weights are those of B * choices texts.
        """
        check_one_input(input_ids, inputs_embeds)
        choices = (inputs_embeds if input_ids is None else input_ids).shape[1]  # type: ignore[union-attr]
        mask = texts_of(attention_mask)
        outputs = self.base_model(
            texts_of(input_ids),
            mask,
            texts_of(token_type_ids),
            texts_of(position_ids),
            texts_of(inputs_embeds),
            output_attentions,
            output_hidden_states,
            first_only=True,
        )
        logits = self.scores(outputs, mask).reshape(-1, choices)
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return MultipleChoiceModelOutput(loss, logits, outputs.hidden_states, outputs.attentions)


class MaskedLM(PreTrainedModel):
    """Which tokens stand at the masked places. A family gives ``scores``."""

    def scores(self, outputs: Any) -> Tensor:
        """Logits (B, S, vocabulary) from what the base model returned."""
        raise NotImplementedError(f"{type(self).__name__} gives no scores")

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
    ) -> MaskedLMOutput:
        """Logits, and the ``token_loss`` where labels are given; see the base model for the other inputs."""
        outputs = self.base_model(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
        )
        logits = self.scores(outputs)
        loss = None if labels is None else token_loss(logits, labels)
        return MaskedLMOutput(loss, logits, outputs.hidden_states, outputs.attentions)
