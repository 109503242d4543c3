"""Running sums, products and extremes along a dim.

Running sums and products of float32 are accumulated in float64, those of 16-bit floats in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes, return_types
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError
from framework.kernels.generic import passes
from framework.ops.arithmetic import conj_value
from framework.ops.casting import cast, into
from framework.ops.dims import normalize_dim, numpy_names
from framework.ops.extremes import pick, refuse
from framework.ops.memory import clone
from framework.ops.reduction import as_given, one_dim, plain, widened
from framework.tensor import Tensor


def scan(ufunc: Any, x: Any, axis: int) -> Any:
    """The running result of a binary ufunc along an axis.

    CuPy's ufuncs don't accumulate, so there it is built by doubling: after step k each element joins 2**k of them.
    """
    if array_module(x) is np:
        return ufunc.accumulate(x, axis=axis)
    y = x.copy()
    n, step = x.shape[axis], 1
    lead = (slice(None),) * axis
    while step < n:
        y[(*lead, slice(step, None))] = ufunc(y[(*lead, slice(step, None))], y[(*lead, slice(None, n - step))])
        step *= 2
    return y


def _accumulator(dtype: Any) -> Any:
    if dtype in dtypes.HALF:
        return np.dtype(np.float32)
    return np.dtype(np.float64) if dtype == np.float32 else dtype


class CumSum(Op):
    """The running sum along an axis; from the far end if ``reverse``."""

    def forward(self, x: Any, axis: int, reverse: bool = False) -> Any:
        self.axis, self.reverse = axis, reverse
        return passes.running_sum(x, axis, _accumulator(x.dtype), reverse)

    def backward(self, g: Any) -> Any:
        return apply(CumSum, g, axis=self.axis, reverse=not self.reverse)


class CumProd(Op):
    """The running product along an axis."""

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        kind = _accumulator(x.dtype)
        wide = x.astype(kind) if x.dtype.kind == "V" else x
        y = array_module(x).cumprod(wide, axis=axis, dtype=kind).astype(x.dtype, copy=False)
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        if not (plain(x) == 0).any():
            return apply(CumSum, g * conj_value(y), axis=self.axis, reverse=True) / conj_value(x)
        return _cumprod_gradient_at_zeros(g, x, y, self.axis)


def _cumprod_gradient_at_zeros(g: Any, x: Any, y: Any, axis: int) -> Any:
    """The gradient of a running product whose factors hold zeros, where dividing by each factor is not possible."""
    from framework.ops.selection import where

    if isinstance(g, Tensor):
        # row k is the running product with the k-th factor replaced by 1: all that multiplies x[k] in y[k:]
        moved = x.swapaxes(axis, -1).unsqueeze(-2)
        n = moved.shape[-1]
        xp = array_module(x.array)
        rows = where(xp.eye(n, dtype=bool), 1, moved.expand(*moved.shape[:-2], n, n))
        weights = where(xp.tri(n, dtype=bool).T, conj_value(cumprod(rows, -1)), 0)
        return (g.swapaxes(axis, -1).unsqueeze(-2) * weights).sum(-1).swapaxes(axis, -1)
    # Before the first zero the rule of no zeros holds, y being 0 from there on. At the first zero x[z], dy[i]/dx[z] is
    # the running product with that factor replaced by 1. After it every product holds the zero.
    xp = array_module(x)
    zeros_so_far = xp.cumsum(x == 0, axis=axis)
    first = (x == 0) & (zeros_so_far == 1)
    patched = where(first, 1, x)
    through = apply(CumSum, g * conj_value(cumprod(patched, axis)), axis=axis, reverse=True)
    before = apply(CumSum, g * conj_value(y), axis=axis, reverse=True) / conj_value(where(x == 0, 1, x))
    return where(first, through, where(zeros_so_far == 0, before, 0))


class LogCumSumExp(Op):
    """The running ``log(sum(exp(x)))`` along an axis; from the far end if ``reverse``."""

    def forward(self, x: Any, axis: int, reverse: bool = False) -> Any:
        self.axis, self.reverse = axis, reverse
        xp = array_module(x)
        w = xp.flip(widened(x), axis) if reverse else widened(x)
        y = _complex_logcumsumexp(xp, w, axis) if x.dtype.kind == "c" else scan(xp.logaddexp, w, axis)
        y = (xp.flip(y, axis) if reverse else y).astype(x.dtype, copy=False)
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        x, y = self.saved
        if isinstance(g, Tensor) or plain(x).dtype.kind == "c":
            return self._by_pairs(g, x, y)
        # sum_{i >= k} g[i] exp(x[k] - y[i]), its positive and negative terms apart, in logarithms
        xp = array_module(g)
        g, x, y = (v.astype(_accumulator(v.dtype), copy=False) for v in (g, x, y))
        parts = []
        for side in (g, -g):
            logs = xp.where(side > 0, xp.log(xp.where(side > 0, side, 1)) - xp.where(side > 0, y, 0), -np.inf)
            parts.append(xp.exp(apply(LogCumSumExp, logs, axis=self.axis, reverse=not self.reverse) + x))
        return parts[0] - parts[1]

    def _by_pairs(self, g: Any, x: Any, y: Any) -> Any:
        """The same sum by a matrix of all pairs: of squared size, and of plain ops that can be differentiated."""
        from framework.ops.exponential import exp
        from framework.ops.selection import where

        axis, n = self.axis, x.shape[self.axis]
        xp = array_module(plain(x))
        later = xp.tri(n, dtype=bool) if self.reverse else xp.tri(n, dtype=bool).T
        rise = _row(x.swapaxes(axis, -1), -1) - _row(y.swapaxes(axis, -1), -2)
        weights = where(later, exp(conj_value(where(later, rise, 0))), 0)
        from framework.ops.reduction import sum

        return sum(_row(g.swapaxes(axis, -1), -2) * weights, -1).swapaxes(axis, -1)


def _row(x: Any, dim: int) -> Any:
    """The last axis as a row (``dim=-2``) or a column (-1)."""
    return x.reshape((*x.shape[:-1], 1, x.shape[-1]) if dim == -2 else (*x.shape, 1))


def _complex_logcumsumexp(xp: Any, x: Any, axis: int) -> Any:
    """Step by step; the imaginary part is that of the greater term and what the sum adds, so it may leave (-pi, pi]."""
    y = x.copy()
    lead = (slice(None),) * axis
    for k in range(1, x.shape[axis]):
        a, b = y[(*lead, k - 1)], y[(*lead, k)]
        low, high = xp.where(a.real < b.real, a, b), xp.where(a.real < b.real, b, a)
        y[(*lead, k)] = xp.where(xp.isneginf(high.real), high, high + xp.log1p(xp.exp(low - high)))
    return y


def _along(op: type[Op], name: str, input: Any, dim: Any) -> Any:
    """Call an op along a dim. A single number is its own running result."""
    axis = normalize_dim(one_dim(name, dim), input.ndim)
    return apply(op, input, axis=axis) if input.ndim else clone(input)


def _in_dtype(input: Any, dtype: Any) -> Any:
    if dtype is not None:
        return cast(input, dtypes.as_dtype(dtype))
    return cast(input, dtypes.int64) if isinstance(input, Tensor) and input.array.dtype.kind in "biu" else input


@numpy_names
def cumsum(input: Any, dim: int, *, dtype: dtypes.dtype | None = None, out: Any = None) -> Any:
    """The running sum along ``dim``. Integers and bools add up in int64.

    Args:
        dtype: convert to this dtype first.
    """
    if region() is not None:
        return recast(cumsum, locals())
    y = _along(CumSum, "cumsum", _in_dtype(input, dtype), dim)
    return y if out is None else into(out, y, "cumsum", input)


@numpy_names
def cumprod(input: Any, dim: int, *, dtype: dtypes.dtype | None = None, out: Any = None) -> Any:
    """The running product along ``dim``. Integers and bools multiply in int64.

    Args:
        dtype: convert to this dtype first.
    """
    if region() is not None:
        return recast(cumprod, locals())
    y = _along(CumProd, "cumprod", _in_dtype(input, dtype), dim)
    return y if out is None else into(out, y, "cumprod", input)


@numpy_names
def logcumsumexp(input: Any, dim: int, *, out: Any = None) -> Any:
    """The running ``log(sum(exp(input)))`` along ``dim``, computed without overflow.

    Raises:
        DtypeError: the input is integer or bool.
    """
    if plain(input).dtype.kind in "biu":
        raise DtypeError(f"logcumsumexp: not implemented for {input.dtype}; convert with .float()")
    y = _along(LogCumSumExp, "logcumsumexp", input, dim)
    return y if out is None else into(out, y, "logcumsumexp")


def _running_extreme(name: str, input: Any, dim: Any, out: Any) -> Any:
    refuse(name, input, "c", "complex")
    axis = normalize_dim(one_dim(name, dim), input.ndim)
    x = plain(input)
    xp = array_module(x)
    if x.ndim == 0:
        indices = xp.zeros((), np.int64)
    else:
        w = widened(x)
        best = scan(xp.maximum if name == "cummax" else xp.minimum, w, axis)
        place = xp.arange(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        # the latest place that reaches the extreme; NaN, once met, stays the extreme
        indices = scan(xp.maximum, xp.where((w == best) | (w != w), place, 0), axis)
    result = getattr(return_types, name)(pick(input, indices, axis), as_given(indices, input))
    return result if out is None else into(out, result, name)


@numpy_names
def cummax(input: Any, dim: int, *, out: Any = None) -> Any:
    """The largest element so far along ``dim``, as the named tuple ``(values, indices)``; the latest among equals."""
    return _running_extreme("cummax", input, dim, out)


@numpy_names
def cummin(input: Any, dim: int, *, out: Any = None) -> Any:
    """The smallest element so far along ``dim``, as the named tuple ``(values, indices)``; the latest among equals."""
    return _running_extreme("cummin", input, dim, out)
