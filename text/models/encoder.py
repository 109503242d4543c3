"""What encoders without a head share: the call, from ids to states."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

from framework.devices import array_module
from framework.tensor import Tensor, wrap
from text.models.base import PreTrainedModel, check_one_input
from text.models.cache import Cache
from text.models.config import Config
from text.models.masks import causal_mask, padding_mask
from text.models.outputs import BaseModelOutput, BaseModelOutputWithPooling


class Past(NamedTuple):
    """What layers are given in place of a mask where ``config.is_decoder``: each token sees those before it alone."""

    mask: Tensor | None
    causal: bool
    cache: Cache | None


class Encoder(PreTrainedModel):
    """A bidirectional encoder. A family gives ``embed``, and overrides what else differs from BERT.

    Attributes:
        pooler: what makes one vector of the states, for ``pooler_output``; None for no such output.
        can_end_early: whether layers take ``first_only``, see ``forward``.
        can_decode: whether layers take ``Past``, as ``config.is_decoder`` asks.
    """

    can_end_early: ClassVar[bool] = False
    can_decode: ClassVar[bool] = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.pooler: Any = None

    @property
    def first_position(self) -> int:
        """The number of a text's first place."""
        return 0

    @property
    def max_length(self) -> int:
        """How many tokens the model takes at most."""
        return self.config.max_position_embeddings

    def embed(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        """(B, S) ids as the (B, S, hidden) states that enter the first layer."""
        raise NotImplementedError(f"{type(self).__name__} gives no embed")

    def stack(self) -> Iterable[Callable[..., Any]]:
        """The layers in the order in which they are called."""
        return self.encoder.layer

    def context(self, hidden: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None) -> tuple[Any, ...]:
        """What every layer is given after the states: the mask, unless a family adds to it."""
        return (padding_mask(attention_mask),)

    def finish(self, hidden: Tensor) -> Tensor:
        """The last states from those of the last layer."""
        return hidden

    def pool(self, hidden: Tensor) -> Tensor:
        """One vector for each sequence, (B, hidden), where there is a ``pooler``."""
        return self.pooler(hidden)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        first_only: bool = False,
        past_key_values: Cache | None = None,
    ) -> BaseModelOutput | BaseModelOutputWithPooling:
        """States of the tokens.

        Args:
            input_ids: (B, S) token ids.
            attention_mask: (B, S), 0 at padding; all ones unless given.
            token_type_ids: (B, S) segments, 0 unless given; families without segments pass over them.
            position_ids: (B, S) or (1, S) places; counted unless given.
            inputs_embeds: (B, S, width) vectors instead of ``input_ids``.
            output_attentions: give every layer's attention weights, which is slower; the config's flag unless given.
            output_hidden_states: give the states before every layer and the last; the config's flag unless given.
            first_only: nothing but the first token's last state will be read: where the family can, and no other
                states or weights are asked for, the last layer computes no more, and ``last_hidden_state`` is (B, 1,
                hidden). Classifiers of whole texts ask for it: of six layers it saves a seventh of all products.
            past_key_values: of a decoder, a cache, which takes in the new tokens; ``attention_mask`` counts those in it.

        Raises:
            ArgumentError: neither or both of ``input_ids`` and ``inputs_embeds`` are given.
        """
        check_one_input(input_ids, inputs_embeds)
        past = 0 if past_key_values is None else past_key_values.length
        if past and position_ids is None:
            position_ids = self._places_after(past, input_ids if input_ids is not None else inputs_embeds)
        hidden = self.embed(input_ids, token_type_ids, position_ids, inputs_embeds)
        decodes = self.can_decode and self.config.is_decoder
        if decodes:
            length = hidden.shape[1]
            mask, causal = causal_mask(length, past + length, attention_mask, like=hidden)
            context: tuple[Any, ...] = (Past(mask, causal, past_key_values),)
        else:
            context = self.context(hidden, attention_mask, position_ids)
        hidden, states, attentions = self.run_layers(
            self.stack(),
            hidden,
            *context,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            first_only=first_only and self.can_end_early and not decodes,
        )
        hidden = self.finish(hidden)
        if states is not None:
            states = (*states[:-1], hidden)
        if self.pooler is None:
            return BaseModelOutput(hidden, states, attentions)
        return BaseModelOutputWithPooling(hidden, self.pool(hidden), states, attentions)

    def _places_after(self, past: int, tokens: Any) -> Tensor:
        """The places (1, L) of new tokens (B, L, ...) after as many."""
        first = self.first_position + past
        return wrap(array_module(tokens.array).arange(first, first + tokens.shape[1])[None])


def first_queries(hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The first token's states, (B, 1, hidden), and its row of a mask that tells queries apart."""
    return hidden[:, :1], mask if mask is None or mask.shape[-2] == 1 else mask[..., :1, :]
