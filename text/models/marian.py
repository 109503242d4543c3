"""Marian: translation models of BART's layers, with positions that are sines and cosines.

Reference: Junczys-Dowmunt et al., "Marian: Fast Neural Machine Translation in C++", https://arxiv.org/abs/1804.00344; the
models are those of Tiedemann and Thottingal, "OPUS-MT", https://aclanthology.org/2020.eamt-1.61. Config fields, state-dict
keys and outputs are those of transformers; the tables of positions are computed and never saved. Left out of what is there:
dropping whole layers in training.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from framework import nn
from framework.ops.creation import zeros
from framework.tensor import Tensor, wrap
from hub import FitRules
from text.models.bart import BIAS, BartConfig, BiasedLM, DecoderStack, EncoderStack, with_bias
from text.models.bart_layers import BartDecoderLayer, BartEncoderLayer, draw_initial
from text.models.base import check_one_input
from text.models.causal import Decoder, places_of
from text.models.config import Config
from text.models.loading import register_family
from text.models.seq2seq import Seq2SeqModel
from text.models.seq2seq_heads import DecoderAlone, DecoderHolder, as_decoder, from_shared


class MarianConfig(Config):
    """The fields of Marian's ``config.json``."""

    model_type = "marian"
    attribute_map = BartConfig.attribute_map
    defaults = {  # noqa: RUF012
        **BartConfig.defaults,
        "vocab_size": 58101,
        "decoder_vocab_size": None,
        "share_encoder_decoder_embeddings": True,
        "pad_token_id": 58100,
        "bos_token_id": None,
        "eos_token_id": 0,
        "decoder_start_token_id": 58100,
        "forced_eos_token_id": 0,
    }

    @property
    def target_vocab_size(self) -> int:
        """How many tokens the decoder knows."""
        if self.share_encoder_decoder_embeddings:
            return self.vocab_size  # type: ignore[no-any-return]
        return self.decoder_vocab_size or self.vocab_size  # type: ignore[no-any-return]


class SinusoidalPositions(nn.Module):
    """A table of the sines and cosines of places, (places, width): first all sines, then all cosines."""

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        angles = np.arange(places)[:, None] / 10000 ** (2 * (np.arange(width) // 2) / width)
        table = np.concatenate([np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])], 1)
        self.register_buffer("weight", wrap(table.astype(np.float32)), persistent=False)


def without_positions(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict without the tables of positions that old files hold."""
    state = {key: value for key, value in state.items() if not key.endswith("embed_positions.weight")}
    return with_bias(model, state)


def decoder_of(model: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """``without_positions``, and ``from_shared``."""
    return from_shared(model, without_positions(model, state))


class MarianPreTrained(Decoder):
    """What Marian's classes share."""

    config_class = MarianConfig
    base_model_prefix = "model"
    fit_rules = FitRules(base="model", adapt=without_positions)

    def _init_weights(self, module: nn.Module) -> None:
        draw_initial(module, self.config)


class MarianStack(MarianPreTrained):
    """What the encoder and the decoder share: words and places."""

    scales_vectors: ClassVar[bool]

    def __init__(self, config: Any, words: int) -> None:
        super().__init__(config)
        self.scale = config.d_model**0.5 if config.scale_embedding else 1.0
        self.embed_tokens = nn.Embedding(words, config.d_model, padding_idx=config.pad_token_id)
        self.embed_positions = SinusoidalPositions(config.max_position_embeddings, config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

    def get_layers(self) -> nn.ModuleList:
        """The stack of layers."""
        return self.layers

    def embed(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, past: int) -> Tensor:
        """Ids, or vectors, as the states that enter the first layer; places count on from ``past``."""
        check_one_input(input_ids, inputs_embeds)
        words = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        if self.scale != 1 and (inputs_embeds is None or self.scales_vectors):
            words = words * self.scale
        return self.dropout(words + places_of(self.embed_positions.weight, past, past + words.shape[1]))


class MarianEncoder(EncoderStack, MarianStack):
    """The encoder, which takes vectors of words as they are."""

    scales_vectors = False

    def __init__(self, config: Any) -> None:
        super().__init__(config, config.vocab_size)
        self.layers = nn.ModuleList([BartEncoderLayer(config, layer) for layer in range(config.encoder_layers)])
        self.post_init()


class MarianDecoder(DecoderStack, MarianStack):
    """The decoder, which scales vectors of words as it does those of ids."""

    scales_vectors = True

    def __init__(self, config: Any) -> None:
        super().__init__(config, config.target_vocab_size)
        self.layers = nn.ModuleList([BartDecoderLayer(config, layer) for layer in range(config.decoder_layers)])
        self.post_init()


@register_family("marian")
class MarianModel(Seq2SeqModel, MarianPreTrained):
    """Marian without a head.

    Args:
        config: a ``MarianConfig``.

    Example:
        >>> model = MarianModel(MarianConfig(d_model=128, encoder_layers=2, decoder_layers=2))
        >>> source, target = framework.tensor([[117, 51, 0]]), framework.tensor([[58100, 205]])
        >>> model(source, decoder_input_ids=target).last_hidden_state.shape
        framework.Size([1, 2, 128])
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        if config.share_encoder_decoder_embeddings:
            self.shared = nn.Embedding(config.vocab_size, config.d_model, padding_idx=config.pad_token_id)
        self.encoder = MarianEncoder(config)
        self.decoder = MarianDecoder(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.encoder.embed_tokens

    def tie_weights(self) -> None:
        """The encoder and the decoder read with one table where ``config.share_encoder_decoder_embeddings``."""
        if self.config.share_encoder_decoder_embeddings:
            self.encoder.embed_tokens.weight = self.decoder.embed_tokens.weight = self.shared.weight


@register_family("marian", "seq2seq-lm")
class MarianMTModel(BiasedLM, MarianPreTrained):
    """Marian with scores of the target's next token, by the vectors that the decoder reads tokens with."""

    tied = (("lm_head.weight", "model.decoder.embed_tokens.weight"),)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = MarianModel(config)
        self.register_buffer(BIAS, zeros(1, config.target_vocab_size))
        self.lm_head = nn.Linear(config.d_model, config.target_vocab_size, bias=False)
        self.post_init()

    def resize_token_embeddings(self, num_tokens: int) -> nn.Embedding:
        """As for all models; tables of their own for source and target get the same number of tokens."""
        embedding = super().resize_token_embeddings(num_tokens)
        self.config.decoder_vocab_size = num_tokens
        return embedding


@register_family("marian", "causal-lm")
class MarianForCausalLM(DecoderAlone, MarianPreTrained):
    """Marian's decoder alone, with scores of the next token by the vectors that it reads tokens with."""

    fit_rules = FitRules(base="model", optional=("encoder.",), adapt=decoder_of)

    def __init__(self, config: Any) -> None:
        config = as_decoder(config)
        super().__init__(config)
        self.model = DecoderHolder(MarianDecoder(config))
        self.lm_head = nn.Linear(config.d_model, config.target_vocab_size, bias=False)
        self.post_init()
