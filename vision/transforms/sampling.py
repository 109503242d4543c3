"""Pixels of a tensor at places between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.errors import ArgumentError
from framework.nn.functional import grid_sample
from framework.ops.joining import cat
from framework.ops.values import tensor
from framework.tensor import wrap
from vision.transforms.images import InterpolationMode, get_size

_MODES = (InterpolationMode.NEAREST, InterpolationMode.BILINEAR)


def sampling_dtype(image: Any) -> dtypes.dtype:
    """What an image is sampled in: its own float type, or float32."""
    own: dtypes.dtype = image.dtype
    return own if own.is_floating_point else dtypes.float32


def sample_at(name: str, image: Any, places: np.ndarray[Any, Any], mode: InterpolationMode, fill: Any) -> Any:
    """A tensor's pixels at some places.

    Args:
        name: the transform, for errors.
        image: (..., C, H, W).
        places: (height, width, 2) of x and y for each pixel of the result, where -1 and 1 are the image's borders.
        mode: nearest or bilinear.
        fill: the value of what lies outside, or one a channel; 0 unless given.
    """
    if mode not in _MODES:
        raise ArgumentError(f"{name}: tensors are sampled by nearest or bilinear, got {mode.value!r}")
    values = list(fill) if isinstance(fill, list | tuple) else [0 if fill is None else fill]
    if len(values) not in (1, image.shape[-3]):
        raise ArgumentError(f"{name}: {len(values)} fill values for {image.shape[-3]} channels")
    kind = sampling_dtype(image)
    height, width = places.shape[:2]
    if image.numel() == 0:
        return image.new_zeros((*image.shape[:-2], height, width))
    batch = image.reshape(-1, *image.shape[-3:]).to(kind)
    grid = wrap(places[None]).to(image.device).to(kind).expand(batch.shape[0], -1, -1, -1)
    if fill is None:
        out = grid_sample(batch, grid, mode=mode.value, padding_mode="zeros", align_corners=False)
    else:
        # one more channel tells how much of each pixel comes from inside
        inside = batch.new_ones((batch.shape[0], 1, *get_size(image)))
        both = grid_sample(cat([batch, inside], 1), grid, mode=mode.value, padding_mode="zeros", align_corners=False)
        out, share = both[:, :-1], both[:, -1:]
        level = tensor(values, dtype=kind, device=image.device).reshape(1, -1, 1, 1)
        out = out.where(share >= 0.5, level) if mode is InterpolationMode.NEAREST else (out - level) * share + level
    if kind is not image.dtype:
        out = out.round().to(image.dtype)
    return out.reshape(*image.shape[:-2], height, width)
