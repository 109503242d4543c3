"""ModernBERT: an encoder with rotary positions, gated feed-forward parts, norms before each part, and local attention.

Reference: Warner et al., "Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder", https://arxiv.org/abs/2412.13663.
Config fields, state-dict keys and outputs are those of transformers. Inputs stand in BERT's order, with ``token_type_ids``
third, which are passed over. With ``sparse_prediction``, logits are given for all places here, for labelled ones there.
"""

from __future__ import annotations

import math
from typing import Any

from framework import nn
from framework.devices import array_module
from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from hub import FitRules
from text.models.activations import activation
from text.models.attention import attend, check_heads, merge_heads
from text.models.base import PreTrainedModel
from text.models.config import Config
from text.models.encoder import Encoder
from text.models.heads import MaskedLM, MultipleChoice, QuestionAnswerer, SequenceClassifier, TokenClassifier
from text.models.loading import register_family
from text.models.masks import padding_mask, window_mask
from text.models.outputs import BaseModelOutput
from text.models.rope import RotaryPositions, Rotation, rotate

FULL, LOCAL = "full_attention", "sliding_attention"
THETA = {FULL: ("global_rope_theta", 160000.0), LOCAL: ("local_rope_theta", 10000.0)}  # older field, default


class ModernBertConfig(Config):
    """The fields of ModernBERT's ``config.json``, in older files with ``global_attn_every_n_layers`` and two thetas."""

    model_type = "modernbert"
    defaults = {  # noqa: RUF012
        "vocab_size": 50368,
        "hidden_size": 768,
        "intermediate_size": 1152,
        "num_hidden_layers": 22,
        "num_attention_heads": 12,
        "hidden_activation": "gelu",
        "max_position_embeddings": 8192,
        "initializer_cutoff_factor": 2.0,
        "norm_eps": 1e-5,
        "norm_bias": False,
        "pad_token_id": 50283,
        "eos_token_id": 50282,
        "bos_token_id": 50281,
        "cls_token_id": 50281,
        "sep_token_id": 50282,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "layer_types": None,
        "rope_parameters": None,
        "local_attention": 128,
        "embedding_dropout": 0.0,
        "mlp_bias": False,
        "mlp_dropout": 0.0,
        "decoder_bias": True,
        "classifier_pooling": "cls",
        "classifier_dropout": 0.0,
        "classifier_bias": False,
        "classifier_activation": "gelu",
    }

    def attention_types(self) -> list[str]:
        """Which of full and local attention each layer has: every third full, unless the fields say otherwise."""
        if self.layer_types is not None:
            return list(self.layer_types)[: self.num_hidden_layers]
        every = self.get("global_attn_every_n_layers", 3)
        return [LOCAL if i % every else FULL for i in range(self.num_hidden_layers)]

    def rope(self, kind: str) -> dict[str, Any]:
        """The parameters of the rotary positions in layers of a type."""
        given = (self.rope_parameters or {}).get(kind) or {}
        older, theta = THETA[kind]
        return {
            "rope_type": "default",
            "rope_theta": self.get(older, theta),
            "original_max_position_embeddings": self.max_position_embeddings,
            **given,
        }


def _norm(config: ModernBertConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.hidden_size, eps=config.norm_eps, bias=config.norm_bias)


def _outer(inputs: int, outputs: int, bias: bool, config: ModernBertConfig) -> nn.Linear:
    """A dense layer whose output is added to states, or scored: it starts smaller the more layers there are."""
    layer = nn.Linear(inputs, outputs, bias)
    layer.initial_std = config.initializer_range / math.sqrt(2 * config.num_hidden_layers)
    return layer


def _classifier(config: ModernBertConfig, classes: int) -> nn.Linear:
    layer = nn.Linear(config.hidden_size, classes)
    layer.initial_std = config.hidden_size**-0.5
    return layer


class ModernBertEmbeddings(nn.Module):
    """The tokens' vectors, normed."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.norm = _norm(config)
        self.drop = nn.Dropout(config.embedding_dropout)

    def forward(self, input_ids: Tensor | None, inputs_embeds: Tensor | None) -> Tensor:
        """(B, S) ids as (B, S, hidden) vectors."""
        return self.drop(self.norm(self.tok_embeddings(input_ids) if inputs_embeds is None else inputs_embeds))


class ModernBertMLP(nn.Module):
    """A dense layer, half of which gates the activations of the other half, and a dense layer back."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.Wi = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=config.mlp_bias)
        self.activation = activation(config.hidden_activation)
        self.drop = nn.Dropout(config.mlp_dropout)
        self.Wo = _outer(config.intermediate_size, config.hidden_size, config.mlp_bias, config)

    def forward(self, hidden: Tensor) -> Tensor:
        """States of the same shape."""
        inner, gate = self.Wi(hidden).chunk(2, -1)
        return self.Wo(self.drop(self.activation(inner) * gate))


class ModernBertAttention(nn.Module):
    """Attention between turned queries and keys; one layer projects to all three."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        check_heads(config)
        self.heads = config.num_attention_heads
        self.Wqkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.attention_bias)
        self.Wo = _outer(config.hidden_size, config.hidden_size, config.attention_bias, config)
        self.out_drop = nn.Dropout(config.attention_dropout)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, rotation: Rotation, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """(B, S, hidden) states, and the weights (B, heads, S, S) if asked for."""
        batch, length, width = hidden.shape
        heads, wide = self.heads, width // self.heads
        projected = self.Wqkv(hidden).reshape(batch, length, 3 * heads, wide)
        turned = rotate(projected[:, :, : 2 * heads], rotation).permute(0, 2, 1, 3)
        v = projected[:, :, 2 * heads :].permute(0, 2, 1, 3)
        share = self.out_drop.p if self.training else 0.0
        y, weights = attend(
            turned[:, :heads], turned[:, heads:], v, mask, dropout=share, output_attentions=output_attentions
        )
        return self.out_drop(self.Wo(merge_heads(y))), weights


class ModernBertEncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each on normed states and added to them."""

    def __init__(self, config: ModernBertConfig, index: int) -> None:
        super().__init__()
        self.attention_type = config.attention_types()[index]
        self.attn_norm = _norm(config) if index else nn.Identity()  # the embeddings are normed already
        self.attn = ModernBertAttention(config)
        self.mlp_norm = _norm(config)
        self.mlp = ModernBertMLP(config)

    def forward(
        self, hidden: Tensor, masks: dict[str, Tensor | None], rotations: dict[str, Rotation], output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        """States, and the attention's weights if asked for."""
        kind = self.attention_type
        y, weights = self.attn(self.attn_norm(hidden), masks[kind], rotations[kind], output_attentions)
        hidden = hidden + y
        return hidden + self.mlp(self.mlp_norm(hidden)), weights


class ModernBertPredictionHead(nn.Module):
    """A dense layer, an activation and a norm, before scores of any kind."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__()
        self.dense = _outer(config.hidden_size, config.hidden_size, config.classifier_bias, config)
        self.activation = activation(config.classifier_activation)
        self.norm = _norm(config)

    def forward(self, hidden: Tensor) -> Tensor:
        """States of the same shape."""
        return self.norm(self.activation(self.dense(hidden)))


class ModernBertPreTrained(PreTrainedModel):
    """What ModernBERT's classes share."""

    config_class = ModernBertConfig
    base_model_prefix = "model"
    fit_rules = FitRules(head=("classifier",), base="model")

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding | nn.Linear):
            std = getattr(module, "initial_std", self.config.initializer_range)
            cut = std * self.config.initializer_cutoff_factor
            nn.init.trunc_normal_(module.weight, std=std, a=-cut, b=cut)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


@register_family("modernbert")
class ModernBertModel(Encoder, ModernBertPreTrained):
    """ModernBERT without a head.

    Raises:
        ArgumentError: the config names a type of layer that is neither full nor local attention.
    """

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config)
        strange = set(config.attention_types()) - set(THETA)
        if strange:
            raise ArgumentError(f"layer_types: expected {FULL} and {LOCAL}, got {', '.join(sorted(strange))}")
        self.embeddings = ModernBertEmbeddings(config)
        self.layers = nn.ModuleList([ModernBertEncoderLayer(config, i) for i in range(config.num_hidden_layers)])
        self.final_norm = _norm(config)
        self.rotary = {kind: RotaryPositions(config, config.rope(kind)) for kind in THETA}
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.tok_embeddings

    def embed(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor | None,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        return self.embeddings(input_ids, inputs_embeds)

    def stack(self) -> nn.ModuleList:
        return self.layers

    def context(self, hidden: Tensor, attention_mask: Tensor | None, position_ids: Tensor | None) -> tuple[Any, ...]:
        length = hidden.shape[1]
        masks = {
            FULL: padding_mask(attention_mask),
            LOCAL: window_mask(length, self.config.local_attention // 2, attention_mask, like=hidden),
        }
        return masks, {kind: turn(0, length, position_ids, like=hidden) for kind, turn in self.rotary.items()}

    def finish(self, hidden: Tensor) -> Tensor:
        return self.final_norm(hidden)


@register_family("modernbert", "sequence-classification")
class ModernBertForSequenceClassification(SequenceClassifier, ModernBertPreTrained):
    """ModernBERT with two dense layers on the first token's state, or on the mean of all, as ``classifier_pooling`` says."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config)
        self.model = ModernBertModel(config)
        self.head = ModernBertPredictionHead(config)
        self.drop = nn.Dropout(config.classifier_dropout)
        self.classifier = _classifier(config, config.num_labels)
        _check_pooling(config)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        hidden = outputs.last_hidden_state
        pooled = hidden[:, 0] if self.config.classifier_pooling == "cls" else _mean(hidden, attention_mask)
        return self.classifier(self.drop(self.head(pooled)))


@register_family("modernbert", "token-classification")
class ModernBertForTokenClassification(TokenClassifier, ModernBertPreTrained):
    """ModernBERT with two dense layers on each token's state."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config)
        self.model = ModernBertModel(config)
        self.head = ModernBertPredictionHead(config)
        self.drop = nn.Dropout(config.classifier_dropout)
        self.classifier = _classifier(config, config.num_labels)
        self.post_init()

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.classifier(self.drop(self.head(outputs.last_hidden_state)))


@register_family("modernbert", "question-answering")
class ModernBertForQuestionAnswering(QuestionAnswerer, ModernBertPreTrained):
    """ModernBERT with scores of where an answer starts and ends."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config)
        self.model = ModernBertModel(config)
        self.head = ModernBertPredictionHead(config)
        self.drop = nn.Dropout(config.classifier_dropout)
        self.classifier = _classifier(config, 2)
        self.post_init()

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.classifier(self.drop(self.head(outputs.last_hidden_state)))


@register_family("modernbert", "multiple-choice")
class ModernBertForMultipleChoice(MultipleChoice, ModernBertPreTrained):
    """ModernBERT with two dense layers on the state of the first token after padding, or on the mean of all."""

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config)
        self.model = ModernBertModel(config)
        self.head = ModernBertPredictionHead(config)
        self.drop = nn.Dropout(config.classifier_dropout)
        self.classifier = _classifier(config, 1)
        _check_pooling(config)
        self.post_init()

    def scores(self, outputs: BaseModelOutput, attention_mask: Tensor | None) -> Tensor:
        hidden = outputs.last_hidden_state
        if self.config.classifier_pooling == "mean":
            pooled = _mean(hidden, attention_mask)
        elif attention_mask is None:
            pooled = hidden[:, 0]
        else:
            seen = attention_mask.array
            xp = array_module(seen)
            pooled = hidden[wrap(xp.arange(len(seen))), wrap(seen.argmax(-1))]
        return self.classifier(self.drop(self.head(pooled)))


@register_family("modernbert", "masked-lm")
class ModernBertForMaskedLM(MaskedLM, ModernBertPreTrained):
    """ModernBERT with scores of the tokens, by the vectors that it reads them with."""

    tied = (("decoder.weight", "model.embeddings.tok_embeddings.weight"),)

    def __init__(self, config: ModernBertConfig) -> None:
        super().__init__(config)
        self.model = ModernBertModel(config)
        self.head = ModernBertPredictionHead(config)
        self.decoder = _outer(config.hidden_size, config.vocab_size, config.decoder_bias, config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Linear:
        return self.decoder

    def scores(self, outputs: BaseModelOutput) -> Tensor:
        return self.decoder(self.head(outputs.last_hidden_state))


def _check_pooling(config: ModernBertConfig) -> None:
    if config.classifier_pooling not in ("cls", "mean"):
        raise ArgumentError(f"classifier_pooling: expected 'cls' or 'mean', got {config.classifier_pooling!r}")


def _mean(hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
    """The mean state (B, hidden) of the tokens that are no padding."""
    if attention_mask is None:
        return hidden.mean(1)
    seen = attention_mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * seen).sum(1) / seen.sum(1)
