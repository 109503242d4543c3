"""Attention within windows that shift from block to block, for the Swin transformers.

References: Liu et al., "Swin Transformer", https://arxiv.org/abs/2103.14030, and "Swin Transformer V2",
https://arxiv.org/abs/2111.09883.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

import framework
from framework import nn
from framework.errors import ArgumentError
from framework.nn import functional as F
from vision.models.relative_position import relative_coords_table, relative_position_bias, relative_position_index

MASKED = -100.0  # added to scores between pixels that are neighbours only because the picture was rolled


def shifted_window_attention(
    input: Any,
    qkv_weight: Any,
    proj_weight: Any,
    relative_position_bias: Any,
    window_size: list[int],
    num_heads: int,
    shift_size: list[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: Any = None,
    proj_bias: Any = None,
    logit_scale: Any = None,
    training: bool = True,
) -> Any:
    """Self-attention in several heads within windows of a feature map, which is padded to whole windows.

    Args:
        input: (N, H, W, C).
        qkv_weight: (3 * C, C), the projections of query, key and value.
        proj_weight: (C, C), the projection of the output.
        relative_position_bias: (1, num_heads, P, P) for the P pixels of a window; added to the scores.
        window_size: height and width in pixels.
        num_heads: each sees C / num_heads features.
        shift_size: by how many pixels the windows are moved down and right, wrapping around; 0 where a window covers
            the map.
        attention_dropout: of the attention's weights, in training.
        dropout: of the output, in training.
        qkv_bias: (3 * C,).
        proj_bias: (C,).
        logit_scale: (num_heads, 1, 1), the logarithm of what scores that are cosines are multiplied by, at most 100; as
            in V2, where keys have no bias. Without it scores are products divided by sqrt(C / num_heads).
        training: whether to drop.

    Shape:
        (N, H, W, C), unchanged.
    """
    batch, height, width, channels = input.shape
    high, wide = window_size
    x = input
    if height % high or width % wide:
        x = F.pad(x, (0, 0, 0, -width % wide, 0, -height % high))
    padded = x.shape[1], x.shape[2]
    down, right = (0 if window >= n else s for s, window, n in zip(shift_size, window_size, padded, strict=True))
    if down or right:
        x = x.roll((-down, -right), (1, 2))
        relative_position_bias = relative_position_bias + framework.as_tensor(
            _shift_mask(padded, (high, wide), (down, right)), dtype=x.dtype, device=x.device
        )
    rows, columns = padded[0] // high, padded[1] // wide
    x = x.reshape(batch, rows, high, columns, wide, channels).transpose(2, 3)
    x = x.reshape(batch, rows * columns, high * wide, channels)  # (N, windows, pixels, C)

    if logit_scale is not None and qkv_bias is not None:
        query_bias, key_bias, value_bias = qkv_bias.split(channels)
        qkv_bias = framework.cat([query_bias, framework.zeros_like(key_bias), value_bias])
    q, k, v = (
        t.unflatten(-1, (num_heads, -1)).transpose(2, 3)  # (N, windows, heads, pixels, C / heads)
        for t in F.linear(x, qkv_weight, qkv_bias).split(channels, -1)
    )
    scale = None
    if logit_scale is not None:
        q = F.normalize(q, dim=-1) * logit_scale.clamp(max=math.log(100.0)).exp()
        k, scale = F.normalize(k, dim=-1), 1.0
    x = F.scaled_dot_product_attention(
        q, k, v, relative_position_bias, attention_dropout if training else 0.0, scale=scale
    )
    x = F.linear(x.transpose(2, 3).flatten(3), proj_weight, proj_bias)
    x = F.dropout(x, dropout, training)

    x = x.reshape(batch, rows, columns, high, wide, channels).transpose(2, 3).reshape(batch, *padded, channels)
    if down or right:
        x = x.roll((down, right), (1, 2))
    return x if padded == (height, width) else x[:, :height, :width]


@functools.lru_cache(maxsize=64)
def _shift_mask(size: tuple[int, int], window: tuple[int, int], shift: tuple[int, int]) -> np.ndarray:
    """What keeps pixels of a rolled map apart that were not near before: (windows, 1, P, P), 0 or ``MASKED``."""
    regions = []
    for length, window_length, step in zip(size, window, shift, strict=True):
        places = np.arange(length)
        edges = (length - window_length, length - step) if step else ()
        regions.append(sum((places >= edge for edge in edges), np.zeros(length, int)))
    region = 3 * regions[0][:, None] + regions[1]
    (high, wide), (height, width) = window, size
    region = region.reshape(height // high, high, width // wide, wide).swapaxes(1, 2).reshape(-1, 1, high * wide)
    return np.where(region[..., None] == region[..., None, :], 0.0, MASKED).astype(np.float32)


class ShiftedWindowAttention(nn.Module):
    """``shifted_window_attention`` with its projections and a learned table of biases.

    Args:
        dim: channels C of the input.
        window_size, shift_size: [height, width] in pixels.
        num_heads: heads of the attention, which divide ``dim``.
        qkv_bias, proj_bias: whether the projections have biases.
        attention_dropout, dropout: the probabilities of dropping an element.

    Shape:
        (N, H, W, dim), unchanged.

    Raises:
        ArgumentError: a size is not of two numbers.
    """

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ArgumentError(
                f"{type(self).__name__}: window_size and shift_size must be of length 2, got {window_size} and "
                f"{shift_size}"
            )
        if dim % num_heads:
            raise ArgumentError(f"{type(self).__name__}: num_heads should divide dim, got {num_heads} and {dim}")
        self.window_size = window_size
        self.shift_size = shift_size
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    def define_relative_position_bias_table(self) -> None:
        """Make what the biases are taken from."""
        high, wide = self.window_size
        self.relative_position_bias_table = nn.Parameter(
            framework.zeros((2 * high - 1) * (2 * wide - 1), self.num_heads)
        )
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self) -> None:
        """Make the index of each pair of pixels, as one row."""
        self.register_buffer("relative_position_index", relative_position_index(*self.window_size).flatten())

    def get_relative_position_bias(self) -> Any:
        """The biases (1, num_heads, P, P) of the P pixels of a window."""
        return relative_position_bias(self.relative_position_bias_table, self.relative_position_index)

    def forward(self, x: Any) -> Any:
        """The feature map after attention."""
        return self._attend(x)

    def _attend(self, x: Any, logit_scale: Any = None) -> Any:
        return shifted_window_attention(
            x,
            self.qkv.weight,
            self.proj.weight,
            self.get_relative_position_bias(),
            self.window_size,
            self.num_heads,
            self.shift_size,
            self.attention_dropout,
            self.dropout,
            self.qkv.bias,
            self.proj.bias,
            logit_scale,
            self.training,
        )


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """``ShiftedWindowAttention`` of scaled cosines, whose biases a small net computes from the logarithms of offsets.

    The arguments are those of ``ShiftedWindowAttention``.
    """

    def __init__(
        self,
        dim: int,
        window_size: list[int],
        shift_size: list[int],
        num_heads: int,
        qkv_bias: bool = True,
        proj_bias: bool = True,
        attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(dim, window_size, shift_size, num_heads, qkv_bias, proj_bias, attention_dropout, dropout)
        self.logit_scale = nn.Parameter(framework.full((num_heads, 1, 1), math.log(10.0)))
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, num_heads, bias=False))
        if self.qkv.bias is not None:
            with framework.no_grad():
                self.qkv.bias[dim : 2 * dim] = 0.0  # the key's, which takes no part

    def define_relative_position_bias_table(self) -> None:
        """Make what the biases are computed from."""
        high, wide = self.window_size
        self.register_buffer("relative_coords_table", relative_coords_table((high, wide)))

    def get_relative_position_bias(self) -> Any:
        """The biases (1, num_heads, P, P) of the P pixels of a window, between 0 and 16."""
        table = self.cpb_mlp(self.relative_coords_table).reshape(-1, self.num_heads)
        return 16 * relative_position_bias(table, self.relative_position_index).sigmoid()

    def forward(self, x: Any) -> Any:
        """The feature map after attention."""
        return self._attend(x, self.logit_scale)
