"""DropBlock: contiguous blocks of feature maps dropped at random in training."""

from __future__ import annotations

import math
from typing import Any

import framework
from framework import nn
from framework.errors import ArgumentError, ShapeError


def drop_block2d(
    input: Any, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Any:
    """In training, zero square blocks of each channel and scale the rest to make up for them.

    Args:
        input: feature maps.
        p: the share of elements to drop, in [0, 1].
        block_size: the blocks' side, an odd number; not more than the smaller side of the input counts.
        inplace: write into the input.
        eps: added to the number of elements kept.
        training: outside training the input is returned as it is.

    Shape:
        (N, C, H, W), unchanged.

    Raises:
        ArgumentError: ``p`` or ``block_size`` is not as said.
        ShapeError: another number of dims.

    Reference: Ghiasi et al., "DropBlock", https://arxiv.org/abs/1810.12890
    """
    return _drop_block("drop_block2d", input, 2, p, block_size, inplace, eps, training)


def drop_block3d(
    input: Any, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Any:
    """``drop_block2d`` with cubes, for feature maps (N, C, D, H, W)."""
    return _drop_block("drop_block3d", input, 3, p, block_size, inplace, eps, training)


def _drop_block(
    name: str, input: Any, axes: int, p: float, block_size: int, inplace: bool, eps: float, training: bool
) -> Any:
    if p < 0.0 or p > 1.0:
        raise ArgumentError(f"{name}: drop probability has to be between 0 and 1, but got {p}")
    if input.ndim != axes + 2:
        raise ShapeError(f"{name}: input should have {axes + 2} dims, got shape {tuple(input.shape)}")
    if not training or p == 0.0:
        return input
    lengths = tuple(input.shape[2:])
    side = min(block_size, *lengths)
    if side % 2 == 0:
        raise ArgumentError(f"{name}: block_size should be odd, got {side}, the input's sides being {lengths}")
    # blocks lie within the map: their middles are drawn in what is left inside of a margin of half a block
    inner = [length - side + 1 for length in lengths]
    rate = p * math.prod(lengths) / (side**axes * math.prod(inner))
    middles = framework.empty((*input.shape[:2], *inner), dtype=input.dtype, device=input.device).bernoulli_(rate)
    middles = nn.functional.pad(middles, [side // 2] * (2 * axes))
    pool = nn.functional.max_pool2d if axes == 2 else nn.functional.max_pool3d
    kept = 1 - pool(middles, side, stride=1, padding=side // 2)
    scale = kept.numel() / (eps + kept.sum())
    if inplace:
        return input.mul_(kept).mul_(scale)
    return input * kept * scale


class _DropBlock(nn.Module):
    """The settings of both layers."""

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06) -> None:
        super().__init__()
        self.p = p
        self.block_size = block_size
        self.inplace = inplace
        self.eps = eps

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}, block_size={self.block_size}, inplace={self.inplace}"


class DropBlock2d(_DropBlock):
    """``drop_block2d`` as a layer, with its arguments."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return drop_block2d(input, self.p, self.block_size, self.inplace, self.eps, self.training)


class DropBlock3d(_DropBlock):
    """``drop_block3d`` as a layer, with its arguments."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return drop_block3d(input, self.p, self.block_size, self.inplace, self.eps, self.training)
