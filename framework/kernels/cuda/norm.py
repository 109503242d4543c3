"""Norms on the GPU: batch, group and instance norm here, and layer and RMS norm in ``row_norm.py``.

What a statistic is of are the rows and channels of a sample, or of all of them; channels-last and row-major memory are
both read as they lie, 16 bytes at a time where they allow it. Statistics take one launch that reads the array and a small
one that joins what the blocks found, the output another that reads it; the gradient likewise. They are accumulated in at
least float32 and joined in float64, always in the same order.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from framework.kernels.cuda.columns import column_sums
from framework.kernels.cuda.modules import BYTES, CTYPES, FLOATS, aligned, blocks, in_order_of, kernel, real, width
from framework.kernels.cuda.row_norm import layer_norm as layer_norm
from framework.kernels.cuda.row_norm import layer_norm_gradient as layer_norm_gradient
from framework.kernels.cuda.row_norm import rms_norm as rms_norm
from framework.kernels.layout import is_last

NAME = "cuda"
THREADS, ACROSS, DOWN = 256, 32, 8
WANTED = 528  # blocks that keep a GPU busy
LEAST = 64  # values that a thread reads at least before its block's are joined
NULL = np.uint64(0)
MANY = 65535  # blocks along a grid's second axis at most


def declines(x: Any, *_: Any, kind: str = "batch") -> str | None:
    """None if it can serve a norm of this kind over x, else why not."""
    if x.dtype not in FLOATS:
        return f"there is no kernel for {x.dtype}"
    if not x.size:
        return "nothing to compute"
    return "rows of more than 2**31 elements" if kind in ("layer", "rms") and x.shape[-1] >= 2**31 else None


class _View:
    """An array (N, C, *spatial) as (S, rows, C, inner), brought into one of the two memory orders if it is in neither.

    Attributes:
        array: the array, or a copy.
        last: channels lie innermost, and ``inner`` is 1.
        samples: N if ``apart``, for statistics that are each sample's own, else 1.
        vector: how many elements an access moves.
    """

    def __init__(self, x: Any, weight: Any, apart: bool = False) -> None:
        cupy = import_module("cupy")
        n, self.channels = x.shape[:2]
        length = math.prod(x.shape[2:])
        self.last = x.flags.c_contiguous if x.ndim == 2 else is_last(x)
        if not (self.last or x.flags.c_contiguous):
            x = cupy.ascontiguousarray(x)
            self.last = x.ndim == 2
        self.array, self.apart = x, apart
        self.samples = n if apart else 1
        self.rows = (n * length if not apart else length) if self.last else (1 if apart else n)
        self.inner = 1 if self.last else length
        self.vector = width(self.channels if self.last else length, x)
        if weight is not None:
            kind = x.dtype if weight.dtype == x.dtype else real(x.dtype)
            weight = cupy.ascontiguousarray(weight, kind)
        self.weight = weight
        self.types = {
            "T": CTYPES[x.dtype], "W": CTYPES[real(x.dtype) if weight is None else weight.dtype], "LAST": int(self.last),
            "V": self.vector, "I": "unsigned int" if x.size < 2**31 else "long long",
        }  # fmt: skip
        across = blocks(self.channels, ACROSS * self.vector) if self.last else self.channels
        packs = self.rows if self.last else self.rows * self.inner // self.vector
        most = max(1, packs // (LEAST * (DOWN if self.last else THREADS)))
        splits = min(max(1, WANTED // (across * self.samples)), most, self.rows)
        splits = max(splits, blocks(self.rows * self.inner, 2**30) if not self.last else 1)
        each = blocks(self.rows, splits)
        self.splits = blocks(self.rows, each)
        high = min(self.samples, MANY // self.splits)
        self.grid = (across, high * self.splits, blocks(self.samples, high))
        self.sizes = (
            *(np.int64(v) for v in (self.samples, self.rows, self.channels, self.inner, each)), np.int32(self.splits),
        )  # fmt: skip

    def parts(self, name: str, *arguments: Any) -> Any:
        """What a kernel finds for each sample, split and channel: two numbers."""
        parts = import_module("cupy").empty((self.samples, self.splits, 2, self.channels), real(self.array.dtype))
        kernel("channel_norm", name, **self.types)(self.grid, (ACROSS, DOWN), (parts, *arguments, *self.sizes))
        return parts

    def finish(self, name: str, groups: int, *arguments: Any) -> None:
        """Run a kernel with a thread, or a warp if it has many channels, for each group."""
        group = self.channels // groups
        lanes = 1 if group < 8 else 32
        grid = (blocks(self.samples * groups * lanes, THREADS),)
        more = (np.int32(lanes), np.int64(group), *self.sizes)
        kernel("channel_norm", name, **self.types)(grid, (THREADS,), (*arguments, *more))

    def elementwise(self, name: str, *arguments: Any) -> Any:
        """A new array of which a kernel does each element."""
        y = import_module("cupy").empty_like(self.array)
        index = np.uint32 if self.array.size < 2**31 else np.int64
        sample = self.array.size // self.samples if self.apart else 0
        more = [index(v) for v in (y.size, self.channels, self.inner, sample)]
        grid = (blocks(y.size, THREADS * self.vector),)
        kernel("channel_norm", name, **self.types)(grid, (THREADS,), (y, *arguments, *more))
        return y

    def empty(self, *shape: int) -> Any:
        """A new array of the dtype that is computed in."""
        return import_module("cupy").empty(shape, real(self.array.dtype))


def affine(x: Any, scale: Any, shift: Any) -> Any:
    """``x * scale + shift`` with one of each a channel: batch norm by known statistics."""
    view, cupy, kind = _View(x, None), import_module("cupy"), real(x.dtype)
    scale, shift = (cupy.ascontiguousarray(v, kind) for v in (scale, shift))
    return view.elementwise("affine", view.array, scale, shift, np.bool_(False))


def batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """x (N, C, *spatial) with mean 0 and variance 1 a channel, times weight, plus bias; also mean and variance."""
    y, mean, variance, *_ = _normalized(_View(x, weight), x.shape[1], bias, eps)
    return y, mean[0], variance[0]


def batch_norm_relu(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any, Any]:
    """``max(batch_norm, 0)``, mean and variance, and what its gradient takes to know where the output was positive: the
    factor and the offset of each channel, (2, C), that made the output of x.
    """
    y, mean, variance, _, factors = _normalized(_View(x, weight), x.shape[1], bias, eps, relu=True)
    return y, mean[0], variance[0], factors[:, 0]


def group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """Each sample's groups of channels with mean 0 and variance 1; also mean and 1 / deviation, (N, groups)."""
    y, mean, _, rstd, _ = _normalized(_View(x, weight, apart=True), groups, bias, eps)
    return y, mean, rstd


def _normalized(view: _View, groups: int, bias: Any, eps: float, relu: bool = False) -> tuple[Any, Any, Any, Any, Any]:
    """The output, mean, variance and 1 / deviation, (S, groups), and the channels' factors and offsets, (2, S, C)."""
    parts = view.parts("moments", view.array)
    mean, variance, rstd = (view.empty(view.samples, groups) for _ in range(3))
    factors = view.empty(2, view.samples, view.channels)
    weight = view.weight
    if bias is not None:
        kind = real(view.array.dtype) if weight is None else weight.dtype
        bias = import_module("cupy").ascontiguousarray(bias, kind)
    view.finish(
        "finish", groups, mean, variance, rstd, *factors, parts, _or_null(weight), _or_null(bias), np.float64(eps)
    )
    return view.elementwise("affine", view.array, *factors, np.bool_(relu)), mean, variance, rstd, factors


def batch_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, fixed: bool, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm``, or of ``affine`` if the statistics are ``fixed``; None where not ``wanted``."""
    return _gradients(_View(x, weight), g, mean[None], rstd[None], fixed, wanted)


def batch_norm_relu_gradient(
    g: Any, x: Any, passed: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``batch_norm_relu``; None where not ``wanted``."""
    return _gradients(_View(x, weight), g, mean[None], rstd[None], False, wanted, tuple(passed))


def group_norm_gradient(
    g: Any, x: Any, groups: int, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``group_norm``; None where not ``wanted``."""
    return _gradients(_View(x, weight, apart=True), g, mean, rstd, False, wanted)


def _gradients(
    view: _View, g: Any, mean: Any, rstd: Any, fixed: bool, wanted: tuple[bool, bool, bool],
    relu: tuple[Any, Any] = (NULL, NULL),
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The gradients of x, weight and bias; mean and rstd are (S, groups).

    Args:
        relu: the channels' factors and offsets, (C,), if there is ReLU behind the norm.
    """
    cupy, x, groups = import_module("cupy"), view.array, mean.shape[1]
    mean, rstd = (cupy.ascontiguousarray(v, real(x.dtype)) for v in (mean, rstd))
    g = in_order_of(g if g.dtype == x.dtype else g.astype(x.dtype), x)
    if view.vector > 1 and not aligned(BYTES, g):  # a view that begins within a vector
        g = g.copy("K")
    parts = view.parts("gradient_sums", g, x, mean, np.int64(view.channels // groups), *relu)
    sums = view.empty(view.samples, 2 * view.channels)
    scale, factor, offset = (
        view.empty(view.samples, view.channels) if wanted[0] and not (fixed and name) else NULL for name in range(3)
    )
    view.finish(
        "finish_gradient", groups, sums, scale, factor, offset, parts, mean, rstd, _or_null(view.weight),
        np.bool_(fixed)
    )  # fmt: skip
    dx = None
    if wanted[0]:
        dx = (
            view.elementwise("affine", g, scale, NULL, np.bool_(False))
            if fixed
            else view.elementwise("combine", g, x, scale, factor, offset, *relu)
        )
    total = sums[0] if view.samples == 1 else column_sums(sums)
    channels = view.channels
    return dx, total[:channels] if wanted[1] else None, total[channels:] if wanted[2] else None


def _or_null(array: Any) -> Any:
    return NULL if array is None else array
