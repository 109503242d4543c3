"""Layer norm and RMS norm of the rows of a matrix, and their gradient, in few passes over memory.

Only the mean and the reciprocal deviation are kept: the gradient computes what is normalized again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.devices import array_module
from framework.kernels.generic.channels import FAR, accumulator, blocks, wide
from framework.kernels.generic.passes import unbuffered
from framework.kernels.generic.windows import scratch


def _row_dot(a: Any, b: Any) -> Any:
    return np.vecdot(a, b) if array_module(a) is np else (a * b).sum(1)


def _tiled(v: Any, kind: Any, line: int, width: int) -> Any:
    """A vector of a row, repeated along a line of several; None stays None."""
    return None if v is None else array_module(v).tile(v.astype(kind, copy=False), line // max(width, 1))


def _along(part: Any, line: int, weight: Any, bias: Any, out: Any) -> None:
    """``out = part * weight + bias``, rows joined to lines; ``part`` may be overwritten."""
    xp = array_module(part)
    long, place = part.reshape(-1, line), out.reshape(-1, line)
    target = place if place.dtype == long.dtype else long
    if weight is not None:
        xp.multiply(long, weight[:line], out=target)
        long = target
    if bias is not None:
        xp.add(long, bias[:line], out=target)
        long = target
    if long is not place:
        place[...] = long


def layer_norm(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    """The rows of x (R, D) with mean 0, variance 1, times weight (D,), plus bias; also mean and 1 / deviation (R,)."""
    return _normalized_rows(x, weight, bias, eps, True)


def rms_norm(x: Any, weight: Any, eps: float) -> tuple[Any, Any]:
    """The rows of x (R, D) over their root mean square, times weight (D,); also 1 / that root, (R,)."""
    y, _, rstds = _normalized_rows(x, weight, None, eps, False)
    return y, rstds


def _normalized_rows(x: Any, weight: Any, bias: Any, eps: float, centered: bool) -> tuple[Any, Any, Any]:
    xp, kind, (rows, count) = array_module(x), accumulator(x), x.shape
    y = xp.empty(x.shape, x.dtype)
    means, rstds = (xp.empty(rows, kind) for _ in range(2))
    cuts = list(blocks(xp, rows, count, x.itemsize))
    longest = max((line for _, line in cuts), default=0)
    weight, bias = (_tiled(v, kind, longest, count) for v in (weight, bias))
    average = xp.full(count, 1 / max(count, 1), kind)
    with unbuffered(count):
        for block, line in cuts:
            part = wide(x[block])
            normal = scratch(xp, "norm", part.shape, kind)
            if centered:
                xp.matmul(part, average, out=means[block])
                part = xp.subtract(part, means[block][:, None], out=normal)
            rstd = _row_dot(part, part)
            rstd /= count
            rstd += eps
            xp.sqrt(rstd, out=rstd)
            xp.divide(1, rstd, out=rstds[block])
            plain = weight is None and bias is None and y.dtype == kind
            xp.multiply(part, rstds[block][:, None], out=y[block] if plain else normal)
            if not plain:
                _along(normal, line, weight, bias, y[block])
    return y, means, rstds


def layer_norm_gradient(
    g: Any, x: Any, mean: Any, rstd: Any, weight: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Any, Any, Any]:
    """The gradients of ``layer_norm``; None where not ``wanted``. ``mean`` None stands for 0: RMS norm."""
    xp, kind, (rows, count) = array_module(x), accumulator(x), x.shape
    dx = xp.empty(x.shape, x.dtype) if wanted[0] else None
    dw, db = (xp.zeros(count, "float64") if w else None for w in wanted[1:])
    cuts = list(blocks(xp, rows, count, x.itemsize))
    along = _tiled(weight, kind, max((line for _, line in cuts), default=0), count)
    each = xp.ones(count, kind) if weight is None else weight.astype(kind, copy=False)
    with unbuffered(count):
        for block, line in cuts:
            part, scale = wide(g[block]), rstd[block]
            if db is not None:
                db += xp.ones(part.shape[0], kind) @ part
            if dx is None and dw is None:
                continue
            values, center = wide(x[block]), None if mean is None else mean[block]
            if center is not None and (xp is not np or not bool((abs(center * scale) <= FAR).all())):
                values, center = values - center[:, None], None
            product = scratch(xp, "norm", part.shape, kind)
            xp.multiply(part, values, out=product)
            if dw is not None:
                dw += scale @ product
                if center is not None:
                    dw -= (scale * center) @ part
            if dx is None:
                continue
            # with n = (x - mean) * rstd and h = g * weight: dx = rstd * (h - average of h - n * average of (h * n))
            total, along_x = part @ each, product @ each
            if center is not None:
                along_x -= center * total
            factor = along_x * (-scale * scale * scale / count)
            result = dx[block] if dx.dtype == kind else xp.empty(part.shape, kind)
            if along is None:
                xp.multiply(part, scale[:, None], out=result)
            else:
                xp.multiply(part.reshape(-1, line), along[:line], out=result.reshape(-1, line))
                result *= scale[:, None]
            xp.multiply(values, factor[:, None], out=product)
            result += product
            if mean is not None:
                offset = -scale * total / count
                if center is not None:
                    offset -= factor * center
                result += offset[:, None]
            if dx.dtype != kind:
                dx[block] = result
    return dx, None if dw is None else dw.astype(kind), None if db is None else db.astype(kind)
