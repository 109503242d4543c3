"""Stacks of transformer layers, and the whole encoder-decoder."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import ShapeError
from framework.nn import init
from framework.nn.containers import ModuleList
from framework.nn.module import Module
from framework.nn.normalization import LayerNorm
from framework.nn.transformer_layers import Activation, TransformerDecoderLayer, TransformerEncoderLayer
from framework.ops.activation import relu
from framework.ops.multihead import additive
from framework.tensor import Tensor, wrap


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _causal(size: int, device: Any, dtype: Any) -> Tensor:
    xp = devices.module_of(devices.device(device or "cpu"))
    kind = (dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)).numpy
    mask = xp.triu(xp.full((size, size), -np.inf, np.float32), 1).astype(kind)
    return wrap(mask if device is None else devices.move(mask, devices.device(device)))


def _is_causal(mask: Any, hint: bool | None, x: Any, batch_first: bool) -> bool:
    """The hint, or, where there is none, whether the mask is the causal one."""
    if hint is not None or mask is None:
        return hint is True
    length = x.shape[0] if x.ndim == 2 else x.shape[1 if batch_first else 0]
    if tuple(mask.shape) != (length, length):
        return False
    numbers = additive(mask, dtypes.float32).array
    return bool((numbers == _causal(length, mask.device, dtypes.float32).array).all())


class TransformerEncoder(Module):
    """Encoder layers one after the other.

    Args:
        encoder_layer: the layer to copy; the copies start with equal weights.
        num_layers: how many copies.
        norm: a layer for the last output, or None.
        enable_nested_tensor: accepted for PyTorch's signature. Positions under ``src_key_padding_mask`` are computed
            like the others, where PyTorch's fast inference path gives zeros for them.
        mask_check: accepted likewise.
    """

    def __init__(
        self, encoder_layer: Any, num_layers: int, norm: Module | None = None, enable_nested_tensor: bool = True,
        mask_check: bool = True
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """Pass a sequence through all layers; the arguments are those of ``TransformerEncoderLayer``.

        Args:
            is_causal: a hint that ``mask`` is the causal mask; None looks whether it is.
        """
        x = src
        causal = _is_causal(mask, is_causal, src, _is_batch_first(self.layers))
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=causal, src_key_padding_mask=src_key_padding_mask)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Decoder layers one after the other.

    Args:
        decoder_layer: the layer to copy; the copies start with equal weights.
        num_layers: how many copies.
        norm: a layer for the last output, or None.
    """

    def __init__(self, decoder_layer: Any, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False
    ) -> Any:  # fmt: skip
        """Pass a sequence through all layers; the arguments are those of ``TransformerDecoderLayer``.

        Args:
            tgt_is_causal: a hint that ``tgt_mask`` is the causal mask; None looks whether it is.
        """
        x = tgt
        causal = _is_causal(tgt_mask, tgt_is_causal, tgt, _is_batch_first(self.layers))
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=causal,
                memory_is_causal=memory_is_causal
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)


def _is_batch_first(layers: Any) -> bool:
    attention = getattr(layers[0], "self_attn", None) if len(layers) else None
    return bool(getattr(attention, "batch_first", False))


class Transformer(Module):
    """An encoder and a decoder that looks at its output.

    Args:
        d_model: features.
        nhead: attention heads.
        num_encoder_layers, num_decoder_layers: layers of each stack.
        dim_feedforward: features inside the feed-forward nets.
        dropout: share dropped within the layers.
        activation: "relu", "gelu" or a callable.
        custom_encoder, custom_decoder: modules to use in place of the stacks.
        layer_norm_eps: the norms' eps.
        batch_first: inputs are (N, L, d_model) instead of (L, N, d_model).
        norm_first: normalize before each part of a layer instead of after.
        bias: whether linear layers and norms have biases.

    Reference: https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
        dim_feedforward: int = 2048, dropout: float = 0.1, activation: Activation = relu, custom_encoder: Any = None,
        custom_decoder: Any = None, layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False,
        bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*options, **place), num_encoder_layers, norm)
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*options, **place), num_decoder_layers, norm)
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for weight in self.parameters():
            if weight.ndim > 1:
                init.xavier_uniform_(weight)

    def forward(
        self, src: Any, tgt: Any, src_mask: Any = None, tgt_mask: Any = None, memory_mask: Any = None,
        src_key_padding_mask: Any = None, tgt_key_padding_mask: Any = None, memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False
    ) -> Any:  # fmt: skip
        """Encode ``src`` and decode ``tgt`` against it.

        Args:
            src: (S, N, d_model), (N, S, d_model) with ``batch_first``, or (S, d_model); tgt likewise with length T.
            src_mask, tgt_mask, memory_mask: (S, S), (T, T) and (T, S): True where not to look, or numbers added.
            src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask: (N, S), (N, T) and (N, S): True at
                positions to pass over, or numbers added.
            src_is_causal, tgt_is_causal, memory_is_causal: hints that the mask is the causal one.
        """
        axis = 0 if self.batch_first else 1
        if src.ndim == 3 and tgt.ndim == 3 and src.shape[axis] != tgt.shape[axis]:
            raise ShapeError(
                f"Transformer: the batch number of src and tgt must be equal, "
                f"got {tuple(src.shape)} and {tuple(tgt.shape)}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                f"Transformer: the feature number of src and tgt must be equal to d_model {self.d_model}, got "
                f"{tuple(src.shape)} and {tuple(tgt.shape)}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The (sz, sz) causal mask: -inf above the diagonal, 0 elsewhere."""
        return _causal(sz, device, dtype)
