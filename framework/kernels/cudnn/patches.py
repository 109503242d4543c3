"""Convolutions whose windows do not overlap, such as the one that cuts a picture into patches, as products of matrices.

A picture has three channels, which cuDNN pads to eight before it multiplies. Here windows are copied to the rows of a
matrix once, which has them in the order of PyTorch's weights.

Not yet run on a GPU: run on the host beside the generic kernels (tests/gpu).
"""

from __future__ import annotations

import math
from typing import Any

from framework.devices import array_module
from framework.kernels.registry import choose

Ints = tuple[int, ...]
VECTOR = 8  # channels from a multiple of which on cuDNN has nothing to pad


def serves(shape: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> bool:
    """Whether a convolution by a weight of a shape is better off as a product."""
    kernel = shape[2:]
    return (
        groups == 1 and shape[1] % VECTOR != 0 and len(kernel) > 1 and tuple(stride) == tuple(kernel)
        and math.prod(kernel) > 1 and not any(padding) and all(d == 1 for d in dilation)
    )  # fmt: skip


def _rows(x: Any, kernel: Ints) -> tuple[Any, Ints]:
    """The windows of x (N, C, *spatial) as the rows (windows, C * taps) of a matrix, and how many there are an axis."""
    counts = tuple([n // k for n, k in zip(x.shape[2:], kernel, strict=True)])
    whole = x[(..., *[slice(0, n * k) for n, k in zip(counts, kernel, strict=True)])]
    axes = len(kernel)
    split = whole.reshape(*x.shape[:2], *[n for pair in zip(counts, kernel, strict=True) for n in pair])
    order = (0, *range(2, 2 + 2 * axes, 2), 1, *range(3, 3 + 2 * axes, 2))
    rows = array_module(x).ascontiguousarray(split.transpose(order))
    return rows.reshape(x.shape[0] * math.prod(counts), -1), counts


def forward(x: Any, weight: Any, bias: Any) -> Any:
    """The convolution of x with weight (O, C, *kernel), plus bias; channels-last."""
    rows, counts = _rows(x, weight.shape[2:])
    matrix = weight.reshape(weight.shape[0], -1)
    y = choose("gemm", rows, matrix).linear(rows, matrix, bias).reshape(x.shape[0], *counts, -1)
    return y.transpose(0, y.ndim - 1, *range(1, y.ndim - 1))


def weight_gradient(g: Any, x: Any, shape: Ints) -> Any:
    """What ``forward`` gives back to its weight, from g (N, O, *outputs), channels-last, and x."""
    rows, _ = _rows(x, shape[2:])
    slopes = g.transpose(0, *range(2, g.ndim), 1).reshape(-1, shape[0]).T
    return choose("gemm", slopes, rows).matmul(slopes, rows).reshape(shape)
