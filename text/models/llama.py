"""Llama: a decoder with rotary positions.

Reference: Touvron et al., "LLaMA: Open and Efficient Foundation Language Models", https://arxiv.org/abs/2302.13971.
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


class LlamaConfig(RotaryConfig):
    """The fields of Llama's ``config.json``."""

    model_type = "llama"
    defaults = {**RotaryConfig.defaults, "bos_token_id": 1, "eos_token_id": 2}  # noqa: RUF012


class LlamaPreTrained(RotaryPreTrained):
    """What Llama's classes share."""

    config_class = LlamaConfig

    def trunk(self) -> RotaryModel:
        return LlamaModel(self.config)


@register_family("llama")
class LlamaModel(LlamaPreTrained, RotaryModel):
    """Llama without a head."""


@register_family("llama", "causal-lm")
class LlamaForCausalLM(RotaryCausalLM, LlamaPreTrained):
    """Llama with scores of the next token."""


@register_family("llama", "sequence-classification")
class LlamaForSequenceClassification(RotarySequenceClassifier, LlamaPreTrained):
    """Llama with a linear layer on the last token's state."""


@register_family("llama", "token-classification")
class LlamaForTokenClassification(RotaryTokenClassifier, LlamaPreTrained):
    """Llama with a linear layer on each token's state."""


@register_family("llama", "question-answering")
class LlamaForQuestionAnswering(RotaryQuestionAnswerer, LlamaPreTrained):
    """Llama with scores of where an answer starts and ends."""
