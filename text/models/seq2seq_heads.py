"""Heads of encoder-decoders that read a text twice, and the decoder alone: what BART, Marian and T5 share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from framework import nn
from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from text.models.cache import Cache
from text.models.causal import Decoder, last_tokens
from text.models.config import Config
from text.models.heads import classification_loss, span_loss, token_loss
from text.models.outputs import CausalLMOutputWithCrossAttentions, ModelOutput
from text.models.seq2seq import EncoderDecoder


@dataclass(eq=False)
class Seq2SeqSequenceClassifierOutput(ModelOutput):
    """Logits (B, num_labels) of an encoder-decoder that classifies."""

    loss: Any = None
    logits: Any = None
    past_key_values: Any = None
    decoder_hidden_states: tuple[Any, ...] | None = None
    decoder_attentions: tuple[Any, ...] | None = None
    cross_attentions: tuple[Any, ...] | None = None
    encoder_last_hidden_state: Any = None
    encoder_hidden_states: tuple[Any, ...] | None = None
    encoder_attentions: tuple[Any, ...] | None = None


@dataclass(eq=False)
class Seq2SeqQuestionAnsweringModelOutput(ModelOutput):
    """Logits (B, S) of where an answer starts and ends, by an encoder-decoder."""

    loss: Any = None
    start_logits: Any = None
    end_logits: Any = None
    past_key_values: Any = None
    decoder_hidden_states: tuple[Any, ...] | None = None
    decoder_attentions: tuple[Any, ...] | None = None
    cross_attentions: tuple[Any, ...] | None = None
    encoder_last_hidden_state: Any = None
    encoder_hidden_states: tuple[Any, ...] | None = None
    encoder_attentions: tuple[Any, ...] | None = None


class ClassificationHead(nn.Module):
    """A dense layer, tanh, and the scores of classes, with dropout before each product."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.d_model, config.d_model)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.out_proj = nn.Linear(config.d_model, config.num_labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, hidden) as logits (B, num_labels)."""
        return self.out_proj(self.dropout(self.dense(self.dropout(hidden)).tanh()))


class Seq2SeqSequenceClassifier(EncoderDecoder):
    """Classes of whole texts: ``classification_head`` on the decoder's state at the last end-of-sequence token.

    The decoder reads the source, shifted right, unless it is given something else.
    """

    def default_target(self, input_ids: Tensor | None) -> Tensor | None:
        return None if input_ids is None else self.shift_right(input_ids)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqSequenceClassifierOutput:
        """Logits, and the ``classification_loss`` where labels are given; see ``Seq2SeqModel`` for the other inputs.

        Raises:
            ArgumentError: a text has no end-of-sequence token.
        """
        outputs = self.encode_and_decode(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs,
            None,
            None,
            None,
            use_cache,
            output_attentions,
            output_hidden_states,
        )
        ids = input_ids.array
        xp = array_module(ids)
        ends = ids == self.config.eos_token_id
        if not bool(ends.any(1).all()):
            raise ArgumentError(
                f"{type(self).__name__}: every text must hold the token {self.config.eos_token_id} at its end"
            )
        last = ids.shape[1] - 1 - ends[:, ::-1].argmax(1)
        logits = self.classification_head(outputs.last_hidden_state[wrap(xp.arange(len(ids))), wrap(last)])
        return Seq2SeqSequenceClassifierOutput(
            None if labels is None else classification_loss(logits, labels, self.config),
            logits,
            outputs.past_key_values,
            outputs.decoder_hidden_states,
            outputs.decoder_attentions,
            outputs.cross_attentions,
            outputs.encoder_last_hidden_state,
            outputs.encoder_hidden_states,
            outputs.encoder_attentions,
        )


class Seq2SeqQuestionAnswerer(EncoderDecoder):
    """Where answers start and end: ``qa_outputs`` on each of the decoder's states.

    The decoder reads the source, shifted right, unless it is given something else.
    """

    def default_target(self, input_ids: Tensor | None) -> Tensor | None:
        return None if input_ids is None else self.shift_right(input_ids)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqQuestionAnsweringModelOutput:
        """Logits, and the ``span_loss`` where both positions (B,) are given; see ``Seq2SeqModel`` for the other inputs."""
        outputs = self.encode_and_decode(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs,
            None,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
        )
        start, end = self.qa_outputs(outputs.last_hidden_state).unbind(-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start, end, start_positions, end_positions)
        return Seq2SeqQuestionAnsweringModelOutput(
            loss,
            start,
            end,
            outputs.past_key_values,
            outputs.decoder_hidden_states,
            outputs.decoder_attentions,
            outputs.cross_attentions,
            outputs.encoder_last_hidden_state,
            outputs.encoder_hidden_states,
            outputs.encoder_attentions,
        )


class DecoderHolder(nn.Module):
    """Holds a decoder where files have it."""

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.decoder = decoder


class DecoderAlone(Decoder):
    """The decoder of an encoder-decoder, held by ``model``, with scores of the next token by ``lm_head``."""

    tied = (("lm_head.weight", "model.decoder.embed_tokens.weight"),)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.model.decoder.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def new_cache(self, batch: int = 0, max_length: int = 0) -> Cache:
        return Cache(len(self.model.decoder.get_layers()), batch, max_length)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        logits_to_keep: int = 0,
        position_ids: Tensor | None = None,
    ) -> CausalLMOutputWithCrossAttentions:
        """Logits, and their cross-entropy where labels are given.

        Args:
            input_ids: (B, L) token ids, those that the cache does not hold yet.
            attention_mask: (B, S), 0 at padding, the tokens in the cache counted; all ones unless given.
            encoder_hidden_states: (B, T, hidden) states of an encoder to look at; none unless given.
            encoder_attention_mask: (B, T), 0 at its padding.
            past_key_values: a cache, which takes in the new tokens.
            inputs_embeds: (B, L, hidden) vectors instead of ``input_ids``.
            labels: (B, L) the token that comes after each, so not shifted here, as in transformers; -100 takes no part.
            use_cache: make a cache where none is given.
            output_attentions: give every layer's attention weights, which is slower; the config's flag unless given.
            output_hidden_states: give the states before every layer and the last; the config's flag unless given.
            logits_to_keep: of how many last tokens logits are wanted; 0 means all.
            position_ids: not looked at: the decoder counts places, padding too.
        """
        cache = self.cache_for(past_key_values, use_cache)
        outputs = self.model.decoder(
            input_ids,
            attention_mask,
            inputs_embeds,
            encoder_hidden_states,
            encoder_attention_mask,
            cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.lm_head(last_tokens(outputs.last_hidden_state, logits_to_keep))
        return CausalLMOutputWithCrossAttentions(
            None if labels is None else token_loss(logits, labels),
            logits,
            cache,
            outputs.hidden_states,
            outputs.attentions,
            outputs.cross_attentions,
        )


def as_decoder(config: Config) -> Any:
    """A copy of an encoder-decoder's config that says that it is a decoder alone."""
    return type(config).from_dict(config.to_dict(), is_decoder=True, is_encoder_decoder=False)


def from_shared(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict whose decoder has the words that it shares with the encoder, where a file holds those once."""
    shared, own = "model.shared.weight", "model.decoder.embed_tokens.weight"
    if shared not in state:
        return state
    rest = {key: value for key, value in state.items() if key != shared}
    return {own: state[shared], **rest}
