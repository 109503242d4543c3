"""What decoders share: their cache, and the heads that score the next token or the class of a text.

``cache.py`` tells how they are called one token at a time.
"""

from __future__ import annotations

from framework.devices import array_module
from framework.errors import ArgumentError
from framework.nn import functional as F
from framework.tensor import Tensor, wrap
from text.models.base import PreTrainedModel
from text.models.cache import Cache
from text.models.heads import classification_loss, span_loss, token_loss
from text.models.outputs import (
    CausalLMOutputWithPast,
    QuestionAnsweringModelOutput,
    SequenceClassifierOutputWithPast,
    TokenClassifierOutput,
)

IGNORED = -100  # a label that takes no part in losses


class Decoder(PreTrainedModel):
    """A model whose layers keep keys and values in a cache."""

    @property
    def first_position(self) -> int:
        """The number of a text's first place."""
        return 0

    def new_cache(self, batch: int = 0, max_length: int = 0) -> Cache:
        """An empty cache for the model.

        Args:
            batch: sequences to take memory for at the first call; more may come.
            max_length: tokens to take memory for at the first call; more may come.
        """
        return Cache(self.config.num_hidden_layers, batch, max_length)

    def cache_for(self, past_key_values: Cache | None, use_cache: bool | None) -> Cache | None:
        """The cache of one call: the one given, a new one if asked for, or None.

        Raises:
            ArgumentError: layers are to be computed again in the backward pass, which would fill it twice.
        """
        cache = past_key_values
        if cache is None and use_cache:
            cache = self.new_cache()
        if cache is not None and self.gradient_checkpointing and self.training:
            raise ArgumentError(
                f"{type(self).__name__}: a cache and gradient checkpointing exclude each other; leave out use_cache"
            )
        return cache


class CausalLM(Decoder):
    """Which token comes next. A family gives ``get_output_embeddings``, the layer of scores."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        token_type_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        logits_to_keep: int = 0,
    ) -> CausalLMOutputWithPast:
        """Logits, and the ``next_token_loss`` where labels are given.

        Args:
            labels: (B, L) the same ids as ``input_ids``, which are shifted here; -100 takes no part.
            logits_to_keep: of how many last tokens logits are wanted; 0 means all.

        See the base model for the other inputs.
        """
        outputs = self.base_model(
            input_ids,
            attention_mask,
            position_ids,
            past_key_values,
            inputs_embeds,
            use_cache,
            token_type_ids,
            output_attentions,
            output_hidden_states,
        )
        logits = self.get_output_embeddings()(last_tokens(outputs.last_hidden_state, logits_to_keep))
        loss = None if labels is None else next_token_loss(logits, labels)
        return CausalLMOutputWithPast(loss, logits, outputs.past_key_values, outputs.hidden_states, outputs.attentions)


class DecoderSequenceClassifier(Decoder):
    """Classes of whole texts, by ``score`` of the state of the last token that is no padding."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        token_type_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutputWithPast:
        """Logits, and the ``classification_loss`` where labels are given; see the base model for the other inputs.

        Padding is what equals ``config.pad_token_id``; with ``inputs_embeds`` there is none.

        Raises:
            ArgumentError: there are several texts, and the config has no ``pad_token_id``.
        """
        outputs = self.base_model(
            input_ids,
            attention_mask,
            position_ids,
            past_key_values,
            inputs_embeds,
            use_cache,
            token_type_ids,
            output_attentions,
            output_hidden_states,
        )
        logits = self.score(self._last_states(outputs.last_hidden_state, input_ids))
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return SequenceClassifierOutputWithPast(
            loss, logits, outputs.past_key_values, outputs.hidden_states, outputs.attentions
        )

    def _last_states(self, hidden: Tensor, input_ids: Tensor | None) -> Tensor:
        """(B, L, hidden) states as those of the last tokens that are no padding, (B, hidden)."""
        padding = self.config.pad_token_id
        if padding is None and hidden.shape[0] > 1:
            raise ArgumentError(
                f"{type(self).__name__}: several texts need config.pad_token_id, to tell where each of them ends"
            )
        if padding is None or input_ids is None:
            return hidden[:, -1]
        ids = input_ids.array
        xp = array_module(ids)
        last = ((ids != padding) * xp.arange(ids.shape[1])).argmax(-1)
        return hidden[wrap(xp.arange(ids.shape[0])), wrap(last)]


class DecoderTokenClassifier(Decoder):
    """Classes of tokens. A family gives ``scores``."""

    def scores(self, hidden: Tensor) -> Tensor:
        """Logits (B, L, num_labels) of states (B, L, hidden)."""
        raise NotImplementedError(f"{type(self).__name__} gives no scores")

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        token_type_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> TokenClassifierOutput:
        """Logits, and the ``token_loss`` where labels are given; see the base model for the other inputs."""
        outputs = self.base_model(
            input_ids,
            attention_mask,
            position_ids,
            past_key_values,
            inputs_embeds,
            use_cache,
            token_type_ids,
            output_attentions,
            output_hidden_states,
        )
        logits = self.scores(outputs.last_hidden_state)
        loss = None if labels is None else token_loss(logits, labels)
        return TokenClassifierOutput(loss, logits, outputs.hidden_states, outputs.attentions)


class DecoderQuestionAnswerer(Decoder):
    """Where answers start and end: ``qa_outputs`` on each state."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        use_cache: bool | None = None,
        token_type_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> QuestionAnsweringModelOutput:
        """Logits, and the ``span_loss`` where both positions (B,) are given; see the base model for the other inputs."""
        outputs = self.base_model(
            input_ids,
            attention_mask,
            position_ids,
            past_key_values,
            inputs_embeds,
            use_cache,
            token_type_ids,
            output_attentions,
            output_hidden_states,
        )
        start, end = self.qa_outputs(outputs.last_hidden_state).unbind(-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start, end, start_positions, end_positions)
        return QuestionAnsweringModelOutput(loss, start, end, outputs.hidden_states, outputs.attentions)


def last_tokens(hidden: Tensor, count: int) -> Tensor:
    """The last ``count`` of states (B, L, hidden), all if it is 0."""
    return hidden[:, -count:] if 0 < count < hidden.shape[1] else hidden


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B, L, vocabulary) and what comes next in labels (B, L); labels of -100 take no part."""
    ids = labels.array
    following = array_module(ids).full_like(ids, IGNORED)
    following[:, :-1] = ids[:, 1:]
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), wrap(following.reshape(-1)))


def normed_last(states: tuple[Tensor, ...] | None, hidden: Tensor) -> tuple[Tensor, ...] | None:
    """All layers' states, of which the last are the normed ones; None stays."""
    return None if states is None else (*states[:-1], hidden)


def places_of(table: Tensor, start: int, stop: int) -> Tensor:
    """The vectors of places, rows of a table: (stop - start, hidden).

    Raises:
        ArgumentError: the table has fewer.
    """
    if stop > table.shape[0]:
        raise ArgumentError(
            f"forward: {stop} tokens are more than the {table.shape[0]} places of the model; cut the text shorter"
        )
    return table[start:stop]
