"""Sampling an image at places given by a grid, and the grids of affine maps.

Sampling and its gradient are kernels; gradients of gradients come of a composition of gathers and arithmetic.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.composition import gradients_of
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.casting import cast
from framework.ops.gather import Gather
from framework.ops.masking import masked_fill
from framework.ops.matmul import matmul
from framework.ops.selection import where
from framework.tensor import Tensor, wrap

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def _array(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


def _scaled(grid: Any, length: int, corners: bool) -> Any:
    """A coordinate in [-1, 1] in pixels: 0 is the middle of the first pixel."""
    return (grid + 1) * ((length - 1) / 2) if corners else ((grid + 1) * length - 1) * 0.5


def _reflected(at: Any, low: float, high: float) -> Any:
    """A coordinate folded back into [low, high] at its ends: ``sign * at + shift``, both constant between folds."""
    span = high - low
    if span <= 0:
        return at * 0
    value = _array(at)
    xp = array_module(value)
    offset = value.astype("float64") - low
    side = xp.where(offset < 0, -1.0, 1.0)
    turns = xp.floor(xp.abs(offset) / span)
    forward = turns % 2 == 0
    sign = xp.where(forward, side, -side)
    shift = low - sign * low + xp.where(forward, -turns, turns + 1) * span
    sign, shift = (v.astype(value.dtype) for v in (sign, shift))
    return at * _like(sign, at) + _like(shift, at)


def _clipped(at: Any, length: int) -> Any:
    """A coordinate held within the pixels; outside, its gradient is zero. NaN becomes 0."""
    value = _array(at)
    outside = ~((value > 0) & (value < length - 1))
    held = array_module(value).clip(array_module(value).nan_to_num(value, nan=0.0), 0, length - 1).astype(value.dtype)
    if not isinstance(at, Tensor):
        return held
    return where(wrap(outside), wrap(held), at)


def _in_bounds(at: Any, length: int, padding: str, corners: bool) -> Any:
    if padding == "border":
        return _clipped(at, length)
    if padding == "reflection":
        at = _reflected(at, 0, length - 1) if corners else _reflected(at, -0.5, length - 0.5)
        return _clipped(at, length)
    return at


def _whole(at: Any, rounded: bool) -> Any:
    """The pixel a coordinate is in (rounded down), or nearest to (ties to even), as int64."""
    value = _array(at)
    xp = array_module(value)
    value = xp.nan_to_num(value.astype("float64"), nan=-1e9, posinf=1e9, neginf=-1e9)
    value = xp.clip(value, -1e9, 1e9)
    return (xp.round(value) if rounded else xp.floor(value)).astype("int64")


def _like(values: Any, of: Any) -> Any:
    return wrap(values) if isinstance(of, Tensor) else values


def _taken(planes: Any, places: list[Any], lengths: tuple[int, ...]) -> Any:
    """The pixels at integer places, (N, C, M); zero outside of the image."""
    xp = array_module(_array(planes))
    flat: Any = 0
    inside: Any = True
    for at, length in zip(places, lengths, strict=True):
        inside = inside & (at >= 0) & (at < length)
        flat = flat * length + xp.clip(at, 0, length - 1)
    shape = (*planes.shape[:2], flat.shape[-1])
    index = xp.broadcast_to(flat[:, None], shape)
    values = apply(Gather, planes, index=index, axis=2)
    if bool(inside.all()):
        return values
    outside = ~inside[:, None]
    return masked_fill(values, _like(outside, values), 0)


def _linear(planes: Any, at: list[Any], lengths: tuple[int, ...]) -> Any:
    """The sum over the cell's corners, each weighted by the share of the opposite part."""
    starts = [_whole(a, False) for a in at]
    parts = [a - _like(s.astype(_array(a).dtype), a) for a, s in zip(at, starts, strict=True)]
    total = None
    for corner in itertools.product((0, 1), repeat=len(at)):
        weight: Any = None
        for c, t in zip(corner, parts, strict=True):
            share = t if c else 1 - t
            weight = share if weight is None else weight * share
        value = _taken(planes, [s + c for s, c in zip(starts, corner, strict=True)], lengths)
        term = value * weight.reshape((weight.shape[0], 1, weight.shape[1]))
        total = term if total is None else total + term
    return total


def _cubic_weights(t: Any) -> list[Any]:
    """The weights of the four pixels around a place ``t`` behind the second, by Keys' kernel with a = -0.75."""
    a = -0.75

    def inner(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def outer(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [outer(t + 1), inner(t), inner(1 - t), outer(2 - t)]


def _cubic(planes: Any, at: list[Any], lengths: tuple[int, ...], padding: str, corners: bool) -> Any:
    starts = [_whole(a, False) for a in at]
    weights = [_cubic_weights(a - _like(s.astype(_array(a).dtype), a)) for a, s in zip(at, starts, strict=True)]
    total = None
    for i in range(4):
        row = None
        for j in range(4):
            places = []
            for start, k, length in zip(starts, (i, j), lengths, strict=True):
                place = (start + (k - 1)).astype(_array(at[0]).dtype)
                places.append(_whole(_in_bounds(place, length, padding, corners), False))
            w = weights[1][j]
            term = _taken(planes, places, lengths) * w.reshape((w.shape[0], 1, w.shape[1]))
            row = term if row is None else row + term
        w = weights[0][i]
        row = row * w.reshape((w.shape[0], 1, w.shape[1]))
        total = row if total is None else total + row
    return total


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """The input's values at the places of a grid.

    Args:
        grid: coordinates from -1 to 1, x (width) first; values beyond lie outside of the image.
        mode: "bilinear" (trilinear for volumes), "nearest" or "bicubic" (images only).
        padding_mode: what lies outside: "zeros", the nearest "border" pixel, or the image's "reflection".
        align_corners: whether -1 and 1 are the middles of the outer pixels, and not their outer edges. False unless
            given.

    Shape:
        input (N, C, H, W), grid (N, H', W', 2) -> (N, C, H', W'); input (N, C, D, H, W), grid (N, D', H', W', 3) ->
        (N, C, D', H', W').

    Example:
        >>> grid = affine_grid(framework.eye(2, 3).unsqueeze(0), (1, 1, 4, 4))
        >>> grid_sample(framework.ones(1, 1, 8, 8), grid).shape
        framework.Size([1, 1, 4, 4])
    """
    if region() is not None:
        return recast(grid_sample, locals())
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: {mode!r}"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"{padding_mode!r}"
        )
    corners, axes = bool(align_corners), input.ndim - 2
    _check_grid(input, grid, mode, axes)
    kind = _array(input).dtype
    if kind in dtypes.HALF and isinstance(input, Tensor):
        found = grid_sample(cast(input, dtypes.float32), cast(grid, dtypes.float32), mode, padding_mode, align_corners)
        return cast(found, input.dtype)
    return apply(GridSample, input, grid, mode=mode, padding=padding_mode, corners=corners)


class GridSample(Op):
    """Values at the places of a grid."""

    name = "GridSampler"

    def forward(self, x: Any, grid: Any, **how: Any) -> Any:
        self.how = how
        self.kernel = choose("grid", x, grid, **how)
        self.save(x, grid)
        return self.kernel.grid_sample(x, grid, **how)

    def backward(self, g: Any) -> Any:
        x, grid = self.saved
        if isinstance(g, Tensor):
            return gradients_of(lambda x, grid: _composed(x, grid, **self.how), (x, grid), g)
        needs = (bool(self.needs[0]), bool(self.needs[1]))
        return self.kernel.grid_sample_gradient(g, x, grid, **self.how, needs=needs)


def _composed(input: Any, grid: Any, mode: str, padding: str, corners: bool) -> Any:
    """The same in plain ops."""
    lengths, axes = tuple(int(n) for n in input.shape[2:]), input.ndim - 2
    batch, outputs = input.shape[0], tuple(int(n) for n in grid.shape[1:-1])
    count = int(np.prod(outputs))
    # one coordinate for each spatial axis, in the input's order: the grid has them reversed
    at = [_scaled(grid[..., axes - 1 - i].reshape((batch, count)), length, corners) for i, length in enumerate(lengths)]
    planes = input.reshape((*input.shape[:2], int(np.prod(lengths))))
    if mode == "bicubic":
        y = _cubic(planes, at, lengths, padding, corners)
    else:
        at = [_in_bounds(a, length, padding, corners) for a, length in zip(at, lengths, strict=True)]
        if mode == "bilinear":
            y = _linear(planes, at, lengths)
        else:
            y = _taken(planes, [_whole(a, True) for a in at], lengths)
            y = y + sum((a * 0).reshape((batch, 1, count)) for a in at)  # the grid takes part, with gradient zero
    return y.reshape((batch, input.shape[1], *outputs))


def _check_grid(input: Any, grid: Any, mode: str, axes: int) -> None:
    kinds = (_array(input).dtype, _array(grid).dtype)
    if kinds[0] != kinds[1]:
        raise DtypeError(
            f"grid_sampler(): expected input and grid to have same dtype, but input has {kinds[0]} and grid has "
            f"{kinds[1]}"
        )
    if isinstance(input, Tensor) and not input.dtype.is_floating_point:
        raise DtypeError(f"grid_sampler(): not implemented for {input.dtype} tensors; convert with .float()")
    if axes not in (2, 3) or grid.ndim != input.ndim:
        if axes in (2, 3) and grid.shape[-1] != axes:
            raise ShapeError(
                f"grid_sampler(): expected grid to have size {axes} in last dimension, but got grid with sizes "
                f"{list(grid.shape)}"
            )
        raise ShapeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0]:
        raise ShapeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != axes:
        raise ShapeError(
            f"grid_sampler(): expected grid to have size {axes} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}"
        )
    if 0 in tuple(input.shape[2:]):
        raise ShapeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
            f"{list(input.shape)}"
        )
    if mode == "bicubic" and axes != 2:
        raise ShapeError("grid_sampler(): bicubic interpolation only supports 4D input")


def grid_sampler(input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool) -> Any:
    """``grid_sample`` with numbers for the modes: 0 bilinear, 1 nearest, 2 bicubic; 0 zeros, 1 border, 2 reflection."""
    if region() is not None:
        return recast(grid_sampler, locals())
    return grid_sample(input, grid, _MODES[interpolation_mode], _PADDINGS[padding_mode], align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid on which ``grid_sample`` shows the input under an affine map.

    Args:
        theta: (N, 2, 3) for images, (N, 3, 4) for volumes: the matrix that output coordinates (x, y[, z], 1) are
            multiplied by to give input coordinates.
        size: the output's shape, (N, C, H, W) or (N, C, D, H, W).
        align_corners: as in ``grid_sample``.

    Shape:
        theta, size -> (N, H, W, 2) or (N, D, H, W, 3).
    """
    size = tuple(int(n) for n in size)
    if isinstance(theta, Tensor) and not theta.dtype.is_floating_point:
        raise ValueError(f"affine_grid: Expected theta to have floating point type, but got {theta.dtype}")
    axes = len(size) - 2
    if axes not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{size}."
        )
    if tuple(theta.shape[1:]) != (axes, axes + 1) or theta.ndim != 3:
        raise ValueError(
            f"affine_grid: Expected a batch of {axes}D affine matrices of shape Nx{axes}x{axes + 1} for size {size}. "
            f"Got {list(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid: Expected non-zero, positive output size. Got {size}")
    array = _array(theta)
    xp = array_module(array)
    lengths = size[2:]
    steps = []
    for n in lengths:
        line = xp.linspace(-1, 1, n) if n > 1 else xp.zeros(1)
        steps.append(line if align_corners else line * ((n - 1) / n))
    base = xp.ones((*lengths, axes + 1))
    for i, line in enumerate(steps):
        base[..., axes - 1 - i] = line.reshape((-1,) + (1,) * (axes - 1 - i))
    base = _like(base.reshape(-1, axes + 1).astype(array.dtype), theta)
    return matmul(base, theta.swapaxes(1, 2)).reshape((theta.shape[0], *lengths, axes))


def affine_grid_generator(theta: Any, size: Any, align_corners: bool) -> Any:
    """``affine_grid`` under the name that PyTorch gives it at the top level."""
    return affine_grid(theta, size, align_corners)
