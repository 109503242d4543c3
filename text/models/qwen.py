"""Qwen2, which is Llama with biases of queries, keys and values, and Qwen3, with norms of queries and keys instead.

References: Qwen2 Technical Report, https://arxiv.org/abs/2407.10671; Qwen3 Technical Report, https://arxiv.org/abs/2505.09388.
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

FULL, SLIDING = "full_attention", "sliding_attention"


class Qwen2Config(RotaryConfig):
    """The fields of Qwen2's ``config.json``."""

    model_type = "qwen2"
    defaults = {  # noqa: RUF012
        **RotaryConfig.defaults,
        "vocab_size": 151936,
        "intermediate_size": 22016,
        "num_key_value_heads": 32,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "sliding_window": 4096,
        "max_window_layers": 28,
        "layer_types": None,
    }

    @property
    def qkv_bias(self) -> bool:
        return True

    @property
    def output_bias(self) -> bool:
        return False

    def windows(self) -> list[int | None]:
        """``sliding_window`` where ``layer_types`` say so; without these, from layer ``max_window_layers`` on."""
        if not self.use_sliding_window:
            return [None] * self.num_hidden_layers
        types = self.layer_types or [
            SLIDING if layer >= self.max_window_layers else FULL for layer in range(self.num_hidden_layers)
        ]
        return [self.sliding_window if kind == SLIDING else None for kind in types]


class Qwen3Config(Qwen2Config):
    """The fields of Qwen3's ``config.json``."""

    model_type = "qwen3"
    defaults = {**Qwen2Config.defaults, "head_dim": 128}  # noqa: RUF012
    qk_norm = True

    @property
    def qkv_bias(self) -> bool:
        return bool(self.attention_bias)

    @property
    def output_bias(self) -> bool:
        return bool(self.attention_bias)


class Qwen2PreTrained(RotaryPreTrained):
    """What Qwen2's classes share."""

    config_class = Qwen2Config

    def trunk(self) -> RotaryModel:
        return Qwen2Model(self.config)


@register_family("qwen2")
class Qwen2Model(Qwen2PreTrained, RotaryModel):
    """Qwen2 without a head."""


@register_family("qwen2", "causal-lm")
class Qwen2ForCausalLM(RotaryCausalLM, Qwen2PreTrained):
    """Qwen2 with scores of the next token."""


@register_family("qwen2", "sequence-classification")
class Qwen2ForSequenceClassification(RotarySequenceClassifier, Qwen2PreTrained):
    """Qwen2 with a linear layer on the last token's state."""


@register_family("qwen2", "token-classification")
class Qwen2ForTokenClassification(RotaryTokenClassifier, Qwen2PreTrained):
    """Qwen2 with a linear layer on each token's state."""


@register_family("qwen2", "question-answering")
class Qwen2ForQuestionAnswering(RotaryQuestionAnswerer, Qwen2PreTrained):
    """Qwen2 with scores of where an answer starts and ends."""


class Qwen3PreTrained(RotaryPreTrained):
    """What Qwen3's classes share."""

    config_class = Qwen3Config

    def trunk(self) -> RotaryModel:
        return Qwen3Model(self.config)


@register_family("qwen3")
class Qwen3Model(Qwen3PreTrained, RotaryModel):
    """Qwen3 without a head."""


@register_family("qwen3", "causal-lm")
class Qwen3ForCausalLM(RotaryCausalLM, Qwen3PreTrained):
    """Qwen3 with scores of the next token."""


@register_family("qwen3", "sequence-classification")
class Qwen3ForSequenceClassification(RotarySequenceClassifier, Qwen3PreTrained):
    """Qwen3 with a linear layer on the last token's state."""


@register_family("qwen3", "token-classification")
class Qwen3ForTokenClassification(RotaryTokenClassifier, Qwen3PreTrained):
    """Qwen3 with a linear layer on each token's state."""


@register_family("qwen3", "question-answering")
class Qwen3ForQuestionAnswering(RotaryQuestionAnswerer, Qwen3PreTrained):
    """Qwen3 with scores of where an answer starts and ends."""
