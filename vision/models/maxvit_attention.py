"""Attention within the windows of a feature map, or across a grid laid over it, for MaxViT.

Reference: Tu et al., "MaxViT: Multi-Axis Vision Transformer", https://arxiv.org/abs/2204.01697.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import framework
from framework import nn
from framework.errors import ArgumentError, ShapeError
from framework.nn import functional as F
from vision.models.relative_position import relative_position_bias, relative_position_index
from vision.ops import StochasticDepth

Layer = Callable[..., nn.Module]


class RelativePositionalMultiHeadAttention(nn.Module):
    """Self-attention within each group of pixels, with a learned bias for each offset between two of them.

    Args:
        feat_dim: features D.
        head_dim: features of each head.
        max_seq_len: pixels P of a group, a square number.

    Shape:
        (N, groups, P, D), unchanged.

    Raises:
        ArgumentError: ``head_dim`` does not divide ``feat_dim``.
    """

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim:
            raise ArgumentError(
                f"RelativePositionalMultiHeadAttention: feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}"
            )
        self.n_heads = feat_dim // head_dim
        self.head_dim = head_dim
        self.size = math.isqrt(max_seq_len)
        self.max_seq_len = max_seq_len
        self.to_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(feat_dim, feat_dim)
        self.relative_position_bias_table = nn.Parameter(framework.empty((2 * self.size - 1) ** 2, self.n_heads))
        self.register_buffer("relative_position_index", relative_position_index(self.size, self.size))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self) -> Any:
        """The biases (1, heads, P, P)."""
        return relative_position_bias(self.relative_position_bias_table, self.relative_position_index)

    def forward(self, x: Any) -> Any:
        """The groups after attention."""
        q, k, v = (
            t.unflatten(-1, (self.n_heads, self.head_dim)).transpose(2, 3)  # (N, groups, heads, P, D / heads)
            for t in self.to_qkv(x).chunk(3, dim=-1)
        )
        out = F.scaled_dot_product_attention(q, k, v, self.get_relative_positional_bias(), scale=self.scale_factor)
        return self.merge(out.transpose(2, 3).flatten(3))


class SwapAxes(nn.Module):
    """A view with two dimensions exchanged.

    Args:
        a, b: the dimensions.
    """

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a = a
        self.b = b

    def forward(self, x: Any) -> Any:
        """The view."""
        return x.transpose(self.a, self.b)


class WindowPartition(nn.Module):
    """Takes a map apart into windows of p x p pixels: (N, C, H, W) -> (N, H/p * W/p, p * p, C)."""

    def forward(self, x: Any, p: int) -> Any:
        """The windows."""
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels, height // p, p, width // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(batch, -1, p * p, channels)


class WindowDepartition(nn.Module):
    """Puts windows together again: (N, rows * columns, p * p, C) -> (N, C, rows * p, columns * p)."""

    def forward(self, x: Any, p: int, h_partitions: int, w_partitions: int) -> Any:
        """The map of ``h_partitions`` rows and ``w_partitions`` columns of windows."""
        batch, channels = x.shape[0], x.shape[-1]
        x = x.reshape(batch, h_partitions, w_partitions, p, p, channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(batch, channels, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention and an MLP on groups of pixels, each normalised before and added to its input: (N, C, H, W), unchanged.

    Args:
        in_channels: channels C.
        head_dim: features of each head.
        partition_size: side of a group in pixels.
        partition_type: "window" for groups of neighbours, "grid" for pixels evenly spread over the whole map.
        grid_size: height and width of the map, multiples of ``partition_size``; equal for "grid".
        mlp_ratio: features within the MLP for each of its input.
        activation_layer: builds the activation.
        norm_layer: builds the attention's normalisation from its features.
        attention_dropout, mlp_dropout: after the attention and after the MLP.
        p_stochastic_dropout: the probability of dropping a branch in training.

    Raises:
        ArgumentError: the partition's type is none of these, or the map does not divide into partitions.
    """

    def __init__(
        self,
        in_channels: int,
        head_dim: int,
        partition_size: int,
        partition_type: str,
        grid_size: tuple[int, int],
        mlp_ratio: int,
        activation_layer: Layer,
        norm_layer: Layer,
        attention_dropout: float,
        mlp_dropout: float,
        p_stochastic_dropout: float,
    ) -> None:
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ArgumentError(
                f"PartitionAttentionLayer: partition_type must be either 'grid' or 'window', got {partition_type!r}"
            )
        height, width = grid_size
        if height % partition_size or width % partition_size or (partition_type == "grid" and height != width):
            raise ArgumentError(
                f"PartitionAttentionLayer: expected a map whose sides {partition_size} divides, and of equal sides for a "
                f"grid; got grid_size={grid_size} with partition_type={partition_type!r}"
            )
        self.n_heads = in_channels // head_dim
        self.head_dim = head_dim
        self.n_partitions = height // partition_size
        self.partition_type = partition_type
        self.grid_size = grid_size
        grid = partition_type == "grid"
        self.p, self.g = (self.n_partitions, partition_size) if grid else (partition_size, self.n_partitions)
        self.partition_op = WindowPartition()
        self.departition_op = WindowDepartition()
        # in windows as large as a cell of the grid, pixels of the same place in each make a group
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, "row")

    def forward(self, x: Any) -> Any:
        """The map after both branches."""
        if tuple(x.shape[-2:]) != tuple(self.grid_size):
            raise ShapeError(
                f"PartitionAttentionLayer: expected a map of {self.grid_size} pixels, got {tuple(x.shape)}; give the "
                "model pictures of its input_size"
            )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(self.departition_swap(x), self.p, *(n // self.p for n in self.grid_size))
