"""Encoders as decoders: with ``config.is_decoder``, each token sees those before it alone, and a head scores the next."""

from __future__ import annotations

from framework.errors import ArgumentError
from framework.tensor import Tensor
from text.models.cache import Cache
from text.models.causal import Decoder, last_tokens, next_token_loss
from text.models.config import Config
from text.models.outputs import CausalLMOutputWithPast


class EncoderCausalLM(Decoder):
    """Which token comes next, by an ``Encoder`` that can decode. A family gives ``scores``.

    transformers runs such a model without ``is_decoder``, too, where tokens see what they are asked for; here that is refused.

    Raises:
        ArgumentError: ``config.is_decoder`` is not set.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if not config.is_decoder:
            raise ArgumentError(
                f"{type(self).__name__}: an encoder sees the tokens that it would predict; pass is_decoder=True"
            )

    @property
    def first_position(self) -> int:
        """The number of a text's first place."""
        return self.base_model.first_position  # type: ignore[no-any-return]

    def scores(self, hidden: Tensor) -> Tensor:
        """Logits (B, L, vocabulary) of states (B, L, hidden)."""
        raise NotImplementedError(f"{type(self).__name__} gives no scores")

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        logits_to_keep: int = 0,
    ) -> CausalLMOutputWithPast:
        """Logits, and the ``next_token_loss`` where labels are given.

        Args:
            labels: (B, L) the same ids as ``input_ids``, which are shifted here; -100 takes no part.
            use_cache: make a cache where none is given.
            logits_to_keep: of how many last tokens logits are wanted; 0 means all.

        See the base model for the other inputs.
        """
        cache = self.cache_for(past_key_values, use_cache)
        outputs = self.base_model(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            inputs_embeds,
            output_attentions,
            output_hidden_states,
            past_key_values=cache,
        )
        logits = self.scores(last_tokens(outputs.last_hidden_state, logits_to_keep))
        loss = None if labels is None else next_token_loss(logits, labels)
        return CausalLMOutputWithPast(loss, logits, cache, outputs.hidden_states, outputs.attentions)
