"""Interpolation: images, sequences and volumes of another size.

Every mode is a weighted sum along each spatial axis in turn, given by tables of indices and weights; the gradient is
the same sum by the transposed tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.errors import DtypeError, ShapeError
from framework.kernels import choose
from framework.kernels.generic.resize import Table
from framework.ops.dims import shape_of
from framework.tensor import Tensor

_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "lanczos": 2, "trilinear": 3}
_WITHOUT_CORNERS = ("nearest", "area", "nearest-exact")


class Resample(Op):
    """Each spatial axis replaced by weighted sums of its entries."""

    name = "Upsample"

    def forward(self, x: Any, tables: tuple[Table | None, ...]) -> Any:
        self.tables = tables
        return choose("resize", x, tables=tables).resample(x, tables)

    def backward(self, g: Any) -> Any:
        return apply(ResampleGradient, g, tables=self.tables)


class ResampleGradient(Op):
    """Each output's gradient, weighted, added to the inputs that it took."""

    def forward(self, g: Any, tables: tuple[Table | None, ...]) -> Any:
        self.tables = tables
        return choose("resize", g, tables=tables, gradient=True).resample_gradient(g, tables)

    def backward(self, gx: Any) -> Any:
        return apply(Resample, gx, tables=self.tables)


def _scale(length: int, size: int, corners: bool, factor: float | None, kind: Any) -> Any:
    """Input steps an output step."""
    if corners:
        return kind(length - 1) / kind(size - 1) if size > 1 else kind(0)
    return kind(1.0 / factor) if factor is not None and factor > 0 else kind(length) / kind(size)


@lru_cache(256)
def _table(
    mode: str, length: int, size: int, corners: bool, factor: float | None, antialias: bool, wide: bool
) -> Table:
    """The table of an axis, its positions computed in float64 (``wide``) or float32, as PyTorch does."""
    kind: Any = np.float64 if wide and mode not in ("nearest", "nearest-exact") else np.float32
    scale = _scale(length, size, corners, factor, kind)
    places = np.arange(size).astype(kind)
    half = kind(0.5)
    if mode == "nearest" or mode == "nearest-exact":
        at = places * scale if mode == "nearest" else (places + half) * scale
        return Table(np.minimum(np.floor(at).astype(np.int64), length - 1)[:, None], None, length)
    if antialias:
        return _antialiased(mode, length, size, float(scale), corners)
    at = places * scale if corners else (places + half) * scale - half
    if mode == "bicubic":
        start = np.floor(at)
        t = (at - start).astype(np.float64)
        a = -0.75
        weights = np.stack([_cubic(t + 1, a), _cubic(t, a), _cubic(1 - t, a), _cubic(2 - t, a)], 1)
        return Table(np.clip(start.astype(np.int64)[:, None] + np.arange(-1, 3), 0, length - 1), weights, length)
    at = np.maximum(at, kind(0))
    start = np.minimum(np.floor(at).astype(np.int64), length - 1)
    t = np.clip(at - start.astype(kind), 0, 1)
    indices = np.stack([start, np.minimum(start + 1, length - 1)], 1)
    return Table(indices, np.stack([1 - t, t], 1).astype(np.float64), length)


def _cubic(x: Any, a: float) -> Any:
    """The cubic convolution kernel.

    Reference:
        Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981.
    """
    x = np.abs(x)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0.0))


def _triangle(x: Any) -> Any:
    return np.maximum(0.0, 1 - np.abs(x))


def _lanczos(x: Any) -> Any:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_FILTERS: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "bilinear": (1.0, _triangle),
    "bicubic": (2.0, lambda x: _cubic(x, -0.5)),
    "lanczos": (3.0, _lanczos),
}


def _antialiased(mode: str, length: int, size: int, scale: float, corners: bool) -> Table:
    """A filter as wide as the input pixels that an output pixel stands for."""
    reach, kernel = _FILTERS[mode]
    support = reach * max(scale, 1.0)
    centers = scale * (np.arange(size) + 0.5)
    low = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centers + support + 0.5).astype(np.int64), length)
    taps = np.arange(max(1, int((high - low).max(initial=1))))
    indices = low[:, None] + taps
    inside = indices < high[:, None]
    weights = np.where(inside, kernel((indices - centers[:, None] + 0.5) / max(scale, 1.0)), 0.0)
    total = weights.sum(1, keepdims=True)
    return Table(np.minimum(indices, length - 1), weights / np.where(total == 0, 1, total), length)


def _sizes(
    input: Any, size: Any, scale_factor: Any, axes: int, recompute: bool | None, area: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The output's spatial lengths, and the factors that positions are computed with."""
    spatial = tuple(input.shape[2:])
    if size is not None and scale_factor is not None:
        raise ValueError("interpolate: only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("interpolate: either size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size.")
        if hasattr(size, "__len__") and len(size) != axes:
            raise ValueError(
                "interpolate: Input and output must have the same number of spatial dimensions, but got input with "
                f"spatial dimensions of {list(spatial)} and output size of {size}; give one int or {axes}"
            )
        try:
            lengths = shape_of((tuple(size),)) if hasattr(size, "__len__") else shape_of((size,)) * axes
        except TypeError:
            raise TypeError(
                f"interpolate: expected size to be one int or a tuple of {axes} ints, but got {size}"
            ) from None
        return lengths, (None,) * axes
    factors = tuple(scale_factor) if hasattr(scale_factor, "__len__") else (scale_factor,) * axes
    if len(factors) != axes:
        raise ValueError(
            "interpolate: Input and scale_factor must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(spatial)} and scale_factor of shape {scale_factor}; give one number or {axes}"
        )
    factors = tuple(float(f) for f in factors)
    lengths = tuple(math.floor(n * f) for n, f in zip(spatial, factors, strict=True))
    return lengths, (None,) * axes if recompute or area else factors


def interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """The input with its spatial dims resized.

    Args:
        size: the output's spatial lengths, an int or one for each dim; give it or ``scale_factor``.
        scale_factor: output length / input length, a number or one for each dim; lengths are rounded down.
        mode: "nearest" (the input at floor(i * scale)), "nearest-exact" (at floor((i + 0.5) * scale), as image
            libraries do), "linear" (3-d input), "bilinear", "bicubic", "lanczos" (4-d), "trilinear" (5-d) or "area"
            (means).
        align_corners: whether the first and last entries of input and output fall together; for the linear and cubic
        modes.
        recompute_scale_factor: compute positions from the rounded sizes and not from ``scale_factor``.
        antialias: when shrinking, let the filter cover all of the input pixels; for 4-d bilinear, bicubic and lanczos.

    Shape:
        input (N, C, L), (N, C, H, W) or (N, C, D, H, W) -> the same with other spatial lengths.

    Example:
        >>> interpolate(framework.ones(1, 3, 8, 8), scale_factor=2, mode="bilinear").shape
        framework.Size([1, 3, 16, 16])
    """
    if region() is not None and mode != "area":
        return recast(interpolate, locals())
    if mode in _WITHOUT_CORNERS and align_corners is not None:
        raise ValueError(
            "interpolate: align_corners option can only be set with the interpolating modes: linear | bilinear | "
            "bicubic | trilinear"
        )
    axes = input.ndim - 2
    lengths, factors = _sizes(input, size, scale_factor, axes, recompute_scale_factor, mode == "area")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and axes == 2):
        raise ValueError(
            "interpolate: Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D "
            f"tensor as input, got mode {mode!r} and {input.ndim}-D"
        )
    if axes not in (1, 2, 3) or mode not in (*_WITHOUT_CORNERS, *_AXES):
        raise NotImplementedError(
            f"interpolate: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest | "
            f"linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode})"
        )
    if mode in _AXES and _AXES[mode] != axes:
        raise NotImplementedError(
            f"interpolate: Got {input.ndim}D input, but {mode} mode needs {_AXES[mode] + 2}D input"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: Lanczos mode requires antialias=True and does not support align_corners=True")
    _check(input, lengths, mode)
    if mode == "area":
        from framework.ops.pool_adaptive import adaptive_average

        return adaptive_average("interpolate", axes, input, lengths)
    wide = (input.array if isinstance(input, Tensor) else input).dtype in ("float64", "uint8")
    spatial = tuple(int(n) for n in input.shape[2:])
    kind = "linear" if mode in ("linear", "trilinear") or (mode == "bilinear" and not antialias) else mode
    tables = tuple(
        _table(kind, n, out, bool(align_corners), f, antialias, wide)
        for n, out, f in zip(spatial, lengths, factors, strict=True)
    )
    return apply(Resample, input, tables=tables)


def _check(input: Any, lengths: tuple[int, ...], mode: str) -> None:
    if min((*input.shape[2:], *lengths)) <= 0:
        raise ShapeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input {list(input.shape[2:])} "
            f"and output {list(lengths)}"
        )
    if input.shape[1] == 0:
        raise ShapeError(
            f"interpolate: Non-empty {input.ndim}D data tensor expected but got a tensor with sizes {list(input.shape)}"
        )
    bytes_too = mode not in ("linear", "trilinear", "area")
    kind = input.dtype
    if isinstance(input, Tensor) and not (kind.is_floating_point or (bytes_too and kind.name == "uint8")):
        raise DtypeError(f"interpolate: {mode} is not implemented for {kind} tensors; convert with .float()")


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """``interpolate`` under its former name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """``interpolate`` with mode "nearest"."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """``interpolate`` with mode "bilinear" and the corners aligned."""
    return interpolate(input, size, scale_factor, "bilinear", True)
