"""The layers of a transformer: self-attention, attention to an encoder's output, and a feed-forward net."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework.errors import ArgumentError
from framework.nn.attention import MultiheadAttention
from framework.nn.dropout import Dropout
from framework.nn.linear import Linear
from framework.nn.module import Module
from framework.nn.normalization import LayerNorm
from framework.ops.activation import gelu, relu

Activation = str | Callable[[Any], Any]


def activation_of(activation: Activation) -> Callable[[Any], Any]:
    """The function that "relu" or "gelu" names, or the callable itself."""
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise ArgumentError(f"Transformer: activation should be 'relu', 'gelu' or a callable, not {activation!r}")
    return relu if activation == "relu" else gelu


class TransformerEncoderLayer(Module):
    """Self-attention and a feed-forward net, each with a residual connection and a layer norm.

    Args:
        d_model: features.
        nhead: attention heads.
        dim_feedforward: features inside the feed-forward net.
        dropout: share dropped after attention, inside and after the feed-forward net, and of the attention weights.
        activation: "relu", "gelu" or a callable.
        layer_norm_eps: the norms' eps.
        batch_first: inputs are (N, L, d_model) instead of (L, N, d_model).
        norm_first: normalize before each part instead of after its residual sum.
        bias: whether linear layers and norms have biases.

    Example:
        >>> layer = nn.TransformerEncoderLayer(d_model=64, nhead=4, batch_first=True)
        >>> layer(framework.randn(8, 16, 64)).shape
        framework.Size([8, 16, 64])

    Reference: https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: Activation = relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **place)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **place)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **place)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation_of(activation)

    def forward(self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False) -> Any:
        """The layer's output, of the input's shape.

        Args:
            src: (L, N, d_model), (N, L, d_model) with ``batch_first``, or (L, d_model).
            src_mask: (L, L) or (N * nhead, L, L): True where not to look, or numbers added to the scores.
            src_key_padding_mask: (N, L) or (L,): True at positions to pass over, or numbers added to the scores.
            is_causal: a hint that ``src_mask`` is the causal mask.
        """
        x = src
        if self.norm_first:
            x = x + self._attend(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + self._attend(x, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(x + self._feed(x))

    def _attend(self, x: Any, mask: Any, padding: Any, is_causal: bool) -> Any:
        y = self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)[0]
        return self.dropout1(y)

    def _feed(self, x: Any) -> Any:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to an encoder's output and a feed-forward net, each with residual connection and norm.

    The arguments are those of ``TransformerEncoderLayer``.

    Reference: https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: Activation = relu, layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **place)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **place)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **place)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **place)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, **place)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation_of(activation)

    def forward(
        self, tgt: Any, memory: Any, tgt_mask: Any = None, memory_mask: Any = None, tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None, tgt_is_causal: bool = False, memory_is_causal: bool = False
    ) -> Any:  # fmt: skip
        """The layer's output, of the target's shape.

        Args:
            tgt: (T, N, d_model), (N, T, d_model) with ``batch_first``, or (T, d_model).
            memory: the encoder's output, likewise with length S.
            tgt_mask, memory_mask: (T, T) and (T, S): True where not to look, or numbers added to the scores.
            tgt_key_padding_mask, memory_key_padding_mask: (N, T) and (N, S): True at what to pass over, or numbers.
            tgt_is_causal, memory_is_causal: hints that the mask is the causal one.
        """
        x = tgt
        own = tgt_mask, tgt_key_padding_mask, tgt_is_causal
        other = memory, memory_mask, memory_key_padding_mask, memory_is_causal
        if self.norm_first:
            x = x + self._attend(self.norm1(x), *own)
            x = x + self._look_up(self.norm2(x), *other)
            return x + self._feed(self.norm3(x))
        x = self.norm1(x + self._attend(x, *own))
        x = self.norm2(x + self._look_up(x, *other))
        return self.norm3(x + self._feed(x))

    def _attend(self, x: Any, mask: Any, padding: Any, is_causal: bool) -> Any:
        return self.dropout1(self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)[0])

    def _look_up(self, x: Any, memory: Any, mask: Any, padding: Any, is_causal: bool) -> Any:
        return self.dropout2(self.multihead_attn(x, memory, memory, padding, False, mask, is_causal=is_causal)[0])

    def _feed(self, x: Any) -> Any:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))
