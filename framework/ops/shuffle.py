"""Rearrangements of channels and pixels."""

from __future__ import annotations

from typing import Any

from framework.errors import ArgumentError, ShapeError


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Channels laid out as pixels: (..., C r², H, W) to (..., C, H r, W r).

    Reference: Shi et al., 2016, "Real-time single image and video super-resolution", https://arxiv.org/abs/1609.05158
    """
    *batch, channels, height, width = _image("pixel_shuffle", input)
    r = _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle: expected its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    out = channels // (r * r)
    n = len(batch)
    split = input.reshape((*batch, out, r, r, height, width))
    moved = split.permute((*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return moved.reshape((*batch, out, height * r, width * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """The inverse of ``pixel_shuffle``: (..., C, H r, W r) to (..., C r², H, W)."""
    *batch, channels, height, width = _image("pixel_unshuffle", input)
    r = _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    if height % r or width % r:
        raise ShapeError(
            f"pixel_unshuffle: expected height and width to be divisible by downscale_factor, but {height} x {width} "
            f"is not divisible by {r}"
        )
    n = len(batch)
    split = input.reshape((*batch, channels, height // r, r, width // r, r))
    moved = split.permute((*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return moved.reshape((*batch, channels * r * r, height // r, width // r))


def channel_shuffle(input: Any, groups: int) -> Any:
    """Channels dealt out anew: (N, g * k, ...) seen as g groups of k, read k by k.

    Reference: Zhang et al., 2017, "ShuffleNet", https://arxiv.org/abs/1707.01083
    """
    if input.ndim <= 2:
        raise ShapeError(f"channel_shuffle: expects input with > 2 dims, but got input with sizes {tuple(input.shape)}")
    shape = tuple(input.shape)
    if groups <= 0:
        raise ArgumentError(f"channel_shuffle: number of groups to divide channels in must be positive, got {groups}")
    if shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: number of channels must be divisible by groups, got {shape[1]} and {groups}"
        )
    split = input.reshape((shape[0], groups, shape[1] // groups, *shape[2:]))
    return split.transpose(1, 2).reshape(shape)


native_channel_shuffle = channel_shuffle


def _image(name: str, input: Any) -> tuple[int, ...]:
    if input.ndim < 3:
        raise ShapeError(
            f"{name}: expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    return tuple(input.shape)


def _factor(name: str, argument: str, factor: int) -> int:
    if factor <= 0:
        raise ArgumentError(f"{name}: expects a positive {argument}, but got {factor}")
    return factor
