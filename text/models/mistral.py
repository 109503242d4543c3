"""Mistral: Llama with a sliding window, which all layers have.

Reference: Jiang et al., "Mistral 7B", https://arxiv.org/abs/2310.06825.
Config fields, state-dict keys and outputs are those of transformers.
"""

from __future__ import annotations

from text.models.loading import register_family
from text.models.rotary_decoder import (
    RotaryCausalLM,
    RotaryConfig,
    RotaryModel,
    RotaryPreTrained,
    RotaryQuestionAnswerer,
    RotarySequenceClassifier,
    RotaryTokenClassifier,
)


class MistralConfig(RotaryConfig):
    """The fields of Mistral's ``config.json``."""

    model_type = "mistral"
    defaults = {  # noqa: RUF012
        **RotaryConfig.defaults,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "intermediate_size": 14336,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
    }

    def windows(self) -> list[int | None]:
        """The window is that of all layers."""
        return [self.sliding_window] * self.num_hidden_layers


class MistralPreTrained(RotaryPreTrained):
    """What Mistral's classes share."""

    config_class = MistralConfig

    def trunk(self) -> RotaryModel:
        return MistralModel(self.config)


@register_family("mistral")
class MistralModel(MistralPreTrained, RotaryModel):
    """Mistral without a head."""


@register_family("mistral", "causal-lm")
class MistralForCausalLM(RotaryCausalLM, MistralPreTrained):
    """Mistral with scores of the next token."""


@register_family("mistral", "sequence-classification")
class MistralForSequenceClassification(RotarySequenceClassifier, MistralPreTrained):
    """Mistral with a linear layer on the last token's state."""


@register_family("mistral", "token-classification")
class MistralForTokenClassification(RotaryTokenClassifier, MistralPreTrained):
    """Mistral with a linear layer on each token's state."""


@register_family("mistral", "question-answering")
class MistralForQuestionAnswering(RotaryQuestionAnswerer, MistralPreTrained):
    """Mistral with scores of where an answer starts and ends."""

    base_model_prefix = RotaryPreTrained.base_model_prefix
    fit_rules = RotaryPreTrained.fit_rules
