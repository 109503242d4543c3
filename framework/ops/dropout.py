"""Dropout in its forms: of elements, of whole channels, and the kind that keeps the statistics of SELU networks.

Outside training all are the identity. The masks come from the counter-based default generator.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from framework import devices
from framework.autograd.op import Op, apply
from framework.autograd.views import inplace
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.kernels import choose
from framework.kernels.generic.dropout import mask_like
from framework.ops.activation import REAL, SELU_ALPHA, SELU_SCALE, array_of
from framework.ops.dims import also_named
from framework.ops.pointwise import unsupported
from framework.ops.random import source
from framework.tensor import Tensor, wrap


class Masked(Op):
    """``x * scale`` where the mask holds, 0 elsewhere. Without a mask one is drawn that drops with probability ``p``."""

    name = "Dropout"

    def forward(self, x: Any, mask: Any, scale: float, kernel: Any, p: float = 0.0, generator: Any = None) -> Any:
        self.mask, self.scale, self.kernel = mask, scale, kernel
        if mask is not None:
            return kernel.apply_mask(x, mask, scale)
        y, self.mask = kernel.drop(x, p, scale, generator)
        return y

    def backward(self, g: Any) -> Any:
        return apply(Masked, g, mask=self.mask, scale=self.scale, kernel=self.kernel)


def _mask(x: Any, p: float, channels: bool) -> tuple[Any, Any]:
    """A mask that drops elements, or with ``channels`` whole (N, C) slices, and the kernel that made it."""
    kernel, generator = choose("dropout", x), source(None, devices.of(x))
    if channels:
        return kernel.keep_mask(x.shape[:2] + (1,) * (x.ndim - 2), p, generator), kernel
    return mask_like(x, p, generator, kernel.keep_mask), kernel


def uniform_like(x: Any, low: float, high: float, generator: Any = None) -> Any:
    """An array like ``x`` with numbers uniform in ``[low, high)``."""
    drawn = source(generator, devices.of(x)).uniform(x.shape, np.dtype(np.float32))
    return (low + (high - low) * drawn).astype(x.dtype)


def _check(name: str, input: Any, p: float) -> Any:
    if p < 0.0 or p > 1.0:
        raise ArgumentError(f"{name}: dropout probability has to be between 0 and 1, but got {p}")
    return array_of(input, name)


def _dropped(name: str, input: Any, p: float, training: bool, channels: bool = False, alpha: bool = False) -> Any:
    """The input with its elements or channels dropped; the input itself where nothing is to be dropped."""
    x = _check(name, input, p)
    if not training or p == 0 or not x.size:
        return input
    if p == 1:
        return input * 0.0 if x.dtype.kind in REAL else input * 0
    if x.dtype.kind not in REAL:
        raise unsupported(name, input)
    if channels and x.ndim < 2:
        raise ShapeError(f"{name}: feature dropout requires at least 2 dimensions in the input, got {tuple(x.shape)}")
    if not (alpha or channels):
        drawn = {"p": p, "generator": source(None, devices.of(x))}
        return apply(Masked, input, mask=None, scale=1 / (1 - p), kernel=choose("dropout", x), **drawn)
    mask, kernel = _mask(x, p, channels)
    if not alpha:
        return apply(Masked, input, mask=mask, scale=1 / (1 - p), kernel=kernel)
    # dropped elements take SELU's limit for -inf, then mean and variance are set right
    limit = SELU_ALPHA * SELU_SCALE
    scale = 1 / math.sqrt((limit * limit * p + 1) * (1 - p))
    shift = array_module(x).where(mask, limit * scale * p, limit * scale * (p - 1)).astype(x.dtype)
    kept = apply(Masked, input, mask=mask, scale=scale, kernel=kernel)
    return kept + (wrap(shift) if isinstance(kept, Tensor) else shift)


@also_named(train="training")
def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training, zero each element with probability ``p`` and divide the others by ``1 - p``.

    Reference: Hinton et al., 2012, https://arxiv.org/abs/1207.0580
    """
    return dropout_(input, p, training) if inplace else _dropped("dropout", input, p, training)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training, zero whole channels of (N, C, L) or (C, L) with probability ``p``."""
    _check("dropout1d", input, p)
    if input.ndim not in (2, 3):
        raise ShapeError(f"dropout1d: expected 2D (C, L) or 3D (N, C, L) input, got shape {tuple(input.shape)}")
    return _channels(input, p, training, inplace, batched=input.ndim == 3)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training, zero whole channels of (N, C, H, W) with probability ``p``. A 3-d input is read as (N, C, L)."""
    _check("dropout2d", input, p)
    if input.ndim not in (3, 4):
        warnings.warn(
            f"dropout2d: expected (N, C, H, W), got shape {tuple(input.shape)}; use dropout to drop single elements",
            stacklevel=2,
        )
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: a 3-d input is read as (N, C, L); use dropout1d for it, or add a batch dim to (C, H, W)",
            stacklevel=2,
        )
    return feature_dropout_(input, p, training) if inplace else feature_dropout(input, p, training)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """In training, zero whole channels of (N, C, D, H, W) or (C, D, H, W) with probability ``p``."""
    _check("dropout3d", input, p)
    if input.ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: expected (N, C, D, H, W), got shape {tuple(input.shape)}; use dropout to drop single elements",
            stacklevel=2,
        )
    return _channels(input, p, training, inplace, batched=input.ndim == 5)


def _channels(input: Any, p: float, training: bool, inplace: bool, batched: bool) -> Any:
    function = feature_dropout_ if inplace else feature_dropout
    if batched:
        return function(input, p, training)
    if inplace:
        function(input.unsqueeze(0), p, training)
        return input
    return function(input.unsqueeze(0), p, training).squeeze(0)


def feature_dropout(input: Any, p: float, train: bool) -> Any:
    """In training, zero whole (N, C) slices of the input with probability ``p``."""
    return _dropped("feature_dropout", input, p, train, channels=True)


@also_named(train="training")
def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Dropout that keeps mean 0 and variance 1 of a SELU network: dropped elements take SELU's limit.

    Reference: Klambauer et al., 2017, https://arxiv.org/abs/1706.02515
    """
    if inplace:
        return alpha_dropout_(input, p, training)
    return _dropped("alpha_dropout", input, p, training, alpha=True)


@also_named(train="training")
def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """``alpha_dropout`` of whole channels."""
    if inplace:
        return feature_alpha_dropout_(input, p, training)
    return _dropped("feature_alpha_dropout", input, p, training, channels=True, alpha=True)


def native_dropout(input: Any, p: float, train: bool | None) -> tuple[Any, Any]:
    """Dropout and its mask (True where an element was kept)."""
    x = _check("native_dropout", input, p)
    if train is False or p == 0 or not x.size:
        return input.clone(), wrap(array_module(x).ones(x.shape, bool))
    if p == 1:
        return input * 0.0, wrap(array_module(x).zeros(x.shape, bool))
    mask, kernel = _mask(x, p, False)
    return apply(Masked, input, mask=mask, scale=1 / (1 - p), kernel=kernel), wrap(mask)


dropout_ = inplace(dropout, "dropout_")
feature_dropout_ = inplace(feature_dropout, "feature_dropout_")
alpha_dropout_ = inplace(alpha_dropout, "alpha_dropout_")
feature_alpha_dropout_ = inplace(feature_alpha_dropout, "feature_alpha_dropout_")
