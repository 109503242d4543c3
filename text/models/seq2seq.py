"""What encoder-decoders share: the call, from source and target ids to states, and the head that scores target tokens.

``cache.py`` tells how they are called one token at a time.
"""

from __future__ import annotations

from typing import Any

from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from text.models.cache import Cache
from text.models.causal import IGNORED, Decoder, last_tokens
from text.models.heads import token_loss
from text.models.outputs import Seq2SeqLMOutput, Seq2SeqModelOutput


class EncoderDecoder(Decoder):
    """A model whose ``encoder`` and ``decoder`` are models of their own, held by the one without a head."""

    def get_encoder(self) -> Any:
        """The encoder, which is called as ``encoder(input_ids, attention_mask)``."""
        return self.base_model.encoder

    def get_decoder(self) -> Any:
        """The decoder."""
        return self.base_model.decoder

    def new_cache(self, batch: int = 0, max_length: int = 0) -> Cache:
        return Cache(len(self.get_decoder().get_layers()), batch, max_length, cross=True)

    def shift_right(self, labels: Tensor) -> Tensor:
        """What the decoder reads to give labels (B, L): a start token, then all but the last; -100 becomes padding.

        Raises:
            ArgumentError: the config names no ``decoder_start_token_id`` or ``pad_token_id``.
        """
        start, padding = self.config.get("decoder_start_token_id"), self.config.pad_token_id
        if start is None or padding is None:
            raise ArgumentError(
                f"{type(self).__name__}: to make decoder_input_ids of labels, the config must name "
                f"decoder_start_token_id and pad_token_id; it has {start} and {padding}"
            )
        ids = labels.array
        shifted = array_module(ids).full_like(ids, start)
        shifted[:, 1:] = ids[:, :-1]
        shifted[shifted == IGNORED] = padding
        return wrap(shifted)

    def default_target(self, input_ids: Tensor | None) -> Tensor | None:
        """What the decoder reads where no target is given; None for nothing."""
        return None

    def encode_and_decode(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        decoder_input_ids: Tensor | None,
        decoder_attention_mask: Tensor | None,
        encoder_outputs: Any,
        past_key_values: Cache | None,
        inputs_embeds: Tensor | None,
        decoder_inputs_embeds: Tensor | None,
        use_cache: bool | None,
        output_attentions: bool | None,
        output_hidden_states: bool | None,
    ) -> Seq2SeqModelOutput:
        """States of the target's tokens; see ``Seq2SeqModel`` for the arguments."""
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids = self.default_target(input_ids)
        cache = self.cache_for(past_key_values, use_cache)
        encoded = encoder_outputs
        if encoded is None and (cache is None or not cache.cross[0].length):
            encoded = self.get_encoder()(
                input_ids,
                attention_mask,
                inputs_embeds,
                output_attentions=output_attentions,
                output_hidden_states=output_hidden_states,
            )
        source = None if encoded is None else encoded[0]
        decoded = self.get_decoder()(
            decoder_input_ids,
            decoder_attention_mask,
            decoder_inputs_embeds,
            source,
            attention_mask,
            cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        return Seq2SeqModelOutput(
            decoded.last_hidden_state,
            cache,
            decoded.hidden_states,
            decoded.attentions,
            decoded.cross_attentions,
            source,
            getattr(encoded, "hidden_states", None),
            getattr(encoded, "attentions", None),
        )


class Seq2SeqModel(EncoderDecoder):
    """An encoder and a decoder without a head."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> Seq2SeqModelOutput:
        """States of the target's tokens, each of which sees those before it and the whole source.

        Args:
            input_ids: (B, S) ids of the source.
            attention_mask: (B, S), 0 at the source's padding; all ones unless given.
            decoder_input_ids: (B, L) ids of the target, those that the cache does not hold yet.
            decoder_attention_mask: (B, T), 0 at the target's padding, the tokens in the cache counted; all ones unless given.
            encoder_outputs: what the encoder gave, instead of ``input_ids``; not needed where the cache has seen it.
            past_key_values: a cache, which takes in the new tokens.
            inputs_embeds, decoder_inputs_embeds: vectors instead of ids.
            use_cache: make a cache where none is given.
            output_attentions: give every layer's attention weights, which is slower; the config's flag unless given.
            output_hidden_states: give the states before every layer and the last; the config's flag unless given.

        Raises:
            ArgumentError: neither or both of ids and vectors are given.
        """
        return self.encode_and_decode(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs,
            past_key_values,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
        )


class Seq2SeqLM(EncoderDecoder):
    """Which token of the target comes next. A family gives ``scores``."""

    def scores(self, hidden: Tensor) -> Tensor:
        """Logits (B, L, vocabulary) of the decoder's states (B, L, hidden)."""
        raise NotImplementedError(f"{type(self).__name__} gives no scores")

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: Any = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        logits_to_keep: int = 0,
    ) -> Seq2SeqLMOutput:
        """Logits, and the ``token_loss`` where labels are given; see ``Seq2SeqModel`` for the other inputs.

        Args:
            labels: (B, L) ids of the target; -100 takes no part. ``decoder_input_ids`` are made of them unless given.
            logits_to_keep: of how many last tokens logits are wanted; 0 means all.
        """
        if labels is not None and decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids = self.shift_right(labels)
        outputs = self.encode_and_decode(
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            encoder_outputs,
            past_key_values,
            inputs_embeds,
            decoder_inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
        )
        logits = self.scores(last_tokens(outputs.last_hidden_state, logits_to_keep))
        return Seq2SeqLMOutput(
            None if labels is None else token_loss(logits, labels),
            logits,
            outputs.past_key_values,
            outputs.decoder_hidden_states,
            outputs.decoder_attentions,
            outputs.cross_attentions,
            outputs.encoder_last_hidden_state,
            outputs.encoder_hidden_states,
            outputs.encoder_attentions,
        )


def both_attentions(weights: tuple[Any, ...] | None) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """All layers' pairs of weights as those of self-attention and those of attention to the encoder, if there is one."""
    if weights is None:
        return None, None
    crossed = tuple(cross for _, cross in weights if cross is not None)
    return tuple(own for own, _ in weights), crossed or None
