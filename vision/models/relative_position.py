"""Biases by relative position, for attention within windows of pixels.

A window of h x w pixels has (2h - 1)(2w - 1) offsets between two of its pixels. A table holds one bias an offset and
head; an index says which row of the table each pair of pixels takes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import framework
from framework.nn import functional as F


def relative_position_index(height: int, width: int) -> Any:
    """For each pair of a window's pixels, the row of the table that holds the biases of their offset.

    Shape:
        (height * width, height * width), int64.
    """
    rows, columns = np.divmod(np.arange(height * width), width)
    down = rows[:, None] - rows + height - 1
    right = columns[:, None] - columns + width - 1
    return framework.from_numpy(down * (2 * width - 1) + right)


def relative_position_bias(table: Any, index: Any) -> Any:
    """The biases of all pairs of pixels: table (offsets, heads), index of N * N numbers -> (1, heads, N, N)."""
    pixels = math.isqrt(index.numel())
    return table[index.reshape(-1)].reshape(pixels, pixels, -1).permute(2, 0, 1).contiguous().unsqueeze(0)


def relative_coords_table(window_size: tuple[int, int], trained_size: tuple[int, int] | None = None) -> Any:
    """The offsets within a window on a logarithmic scale, on which Swin Transformer V2 computes its biases.

    Args:
        window_size: height and width in pixels.
        trained_size: of the windows that the scale is taken from, whose largest offset is 8 before the logarithm.

    Shape:
        (1, 2 * height - 1, 2 * width - 1, 2), float32: sign(x) * log2(1 + abs(x)) / 3 for down and right.
    """
    steps = [
        np.arange(1 - size, size) * (8 / max(trained - 1, 1))
        for size, trained in zip(window_size, trained_size or window_size, strict=True)
    ]
    offsets = np.stack(np.meshgrid(*steps, indexing="ij"), -1)[None]
    return framework.from_numpy((np.sign(offsets) * np.log2(np.abs(offsets) + 1) / 3).astype(np.float32))


def fit_windows(model: Any, state_dict: dict[str, Any]) -> dict[str, Any]:
    """The state dict of a model with other windows, made to fit: the ``adapt`` of ``FitRules``.

    Tables of biases are resized bicubically; where biases are computed (Swin Transformer V2) the offsets keep the
    scale of the windows that the weights were trained with. Windows that are not square are left as they are.
    """
    own, fitted = model.state_dict(), dict(state_dict)
    for key, value in state_dict.items():
        if key not in own or value.shape == own[key].shape:
            continue
        kind = key.rsplit(".", 1)[-1]
        if kind == "relative_position_index":
            fitted[key] = own[key]
        elif kind == "relative_coords_table":
            before, now = (tuple((n + 1) // 2 for n in t.shape[1:3]) for t in (value, own[key]))
            fitted[key] = relative_coords_table(now, before)
        elif kind == "relative_position_bias_table":
            fitted[key] = _resized(value, own[key].shape[0])
    return fitted


def _resized(table: Any, rows: int) -> Any:
    before, now = math.isqrt(table.shape[0]), math.isqrt(rows)
    if before**2 != table.shape[0] or now**2 != rows:
        return table
    picture = table.transpose(0, 1).reshape(1, -1, before, before)
    resized = F.interpolate(picture, size=(now, now), mode="bicubic", align_corners=False)
    return resized.reshape(-1, rows).transpose(0, 1)
