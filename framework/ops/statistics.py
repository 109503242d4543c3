"""Variances, standard deviations, covariances and correlations."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.arithmetic import conj_value
from framework.ops.casting import cast, into
from framework.ops.dims import normalize_dims, numpy_names
from framework.ops.reduction import count_of, floating, mean, plain, restore_axes, sum, widened
from framework.tensor import Tensor

_GIVEN = object()  # marks an argument that was left out


class Var(Op):
    """The sum of squared distances from the mean over some axes, divided by their number less a correction."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, correction: float) -> Any:
        self.axes, self.keepdim = axes, keepdim
        self.divisor = max(count_of(x.shape, axes) - correction, 0)
        self.save(x)
        return _variance(x, axes, keepdim, self.divisor)

    def backward(self, g: Any) -> Any:
        (x,) = self.saved
        g = restore_axes(g, self.axes, self.keepdim)
        return _slope(g, x, self.axes, self.divisor)


class Std(Op):
    """The square root of ``Var``."""

    def forward(self, x: Any, axes: tuple[int, ...], keepdim: bool, correction: float) -> Any:
        self.axes, self.keepdim = axes, keepdim
        self.divisor = max(count_of(x.shape, axes) - correction, 0)
        w = widened(x)
        y = array_module(x).sqrt(_variance(w, axes, keepdim, self.divisor))
        y = y.astype(x.real.dtype if x.dtype.kind == "c" else x.dtype)
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        from framework.ops.selection import where

        x, y = self.saved
        zero = plain(y) == 0  # there the slope is infinite; 0 is the value of use
        g = where(zero, 0, g / (2 * where(zero, 1, y)))
        return _slope(restore_axes(g, self.axes, self.keepdim), x, self.axes, self.divisor)


def _variance(x: Any, axes: tuple[int, ...], keepdim: bool, divisor: float) -> Any:
    xp, w = array_module(x), widened(x)
    add = xp.add.reduce
    offsets = w - add(w, axis=axes, keepdims=True) / w.dtype.type(count_of(x.shape, axes))
    squares = offsets.real**2 + offsets.imag**2 if x.dtype.kind == "c" else offsets * offsets
    sums = add(squares, axis=axes, keepdims=keepdim)
    return (sums / sums.dtype.type(divisor)).astype(x.real.dtype if x.dtype.kind == "c" else x.dtype)


def _slope(g: Any, x: Any, axes: tuple[int, ...], divisor: float) -> Any:
    """The gradient of a variance: ``2 g (x - mean) / divisor``."""
    factor = 2 / divisor if divisor else float("inf")
    return g * (x - mean(x, axes, True)) * factor


def _arguments(
    name: str, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> tuple[tuple[int, ...], bool, float]:
    """Axes, keepdim and correction of PyTorch's overloads.

    These are ``(dim, unbiased, keepdim)``, ``(unbiased)`` and ``(dim, *, correction, keepdim)``.
    """
    if plain(input).dtype.kind in "biu":
        raise DtypeError(f"{name}: std and var only support floating point and complex dtypes, got {input.dtype}")
    if isinstance(dim, bool):  # var(x, False): the one positional argument of the second overload
        dim, unbiased = None, dim
    if unbiased is not None and correction is not _GIVEN:
        raise TypeError(f"{name}() takes unbiased or correction, got both")
    if correction is _GIVEN or correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return normalize_dims(dim, input.ndim), keepdim, correction


def _spread(op: type[Op], name: str, input: Any, *arguments: Any) -> Any:
    axes, keepdim, correction = _arguments(name, input, *arguments)
    return apply(op, input, axes=axes, keepdim=keepdim, correction=correction)


@numpy_names
def var(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = _GIVEN,
    out: Any = None,
) -> Any:
    """The variance of all elements, or over ``dim``.

    Args:
        dim: dim or dims; None for all.
        unbiased: divide by the number of elements less one (the default) rather than by their number.
        keepdim: leave the reduced dims with length 1.
        correction: what to subtract from the number of elements before dividing; 1 unless given.
    """
    y = _spread(Var, "var", input, dim, unbiased, keepdim, correction)
    return y if out is None else into(out, y, "var")


@numpy_names
def std(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = _GIVEN,
    out: Any = None,
) -> Any:
    """The standard deviation of all elements, or over ``dim``: the square root of ``var``."""
    y = _spread(Std, "std", input, dim, unbiased, keepdim, correction)
    return y if out is None else into(out, y, "std")


def _with_mean(op: type[Op], name: str, input: Any, *arguments: Any) -> tuple[Any, Any]:
    axes, keepdim, correction = _arguments(name, input, *arguments)
    return apply(op, input, axes=axes, keepdim=keepdim, correction=correction), mean(input, axes, keepdim)


@numpy_names
def var_mean(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = _GIVEN,
    out: Any = None,
) -> tuple[Any, Any]:
    """The variance and the mean of all elements, or over ``dim``; arguments as for ``var``."""
    result = _with_mean(Var, "var_mean", input, dim, unbiased, keepdim, correction)
    return result if out is None else into(out, result, "var_mean")


@numpy_names
def std_mean(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = _GIVEN,
    out: Any = None,
) -> tuple[Any, Any]:
    """The standard deviation and the mean of all elements, or over ``dim``; arguments as for ``var``."""
    result = _with_mean(Std, "std_mean", input, dim, unbiased, keepdim, correction)
    return result if out is None else into(out, result, "std_mean")


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """The covariance matrix of variables given as rows, their observations as columns.

    Args:
        input: (variables, observations), or 1-d for one variable.
        correction: what to subtract from the number of observations before dividing.
        fweights: how often each observation counts: 1-d, of a non-negative integer dtype.
        aweights: how much each observation weighs: 1-d, floating point, non-negative.

    Shape:
        (variables, variables); 0-d for one variable.
    """
    from framework.ops.matmul import matmul
    from framework.ops.selection import where

    if input.ndim > 2:
        raise ShapeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim}")
    if input.dtype == dtypes.bool_:
        raise DtypeError("cov(): bool dtype is not supported for input")
    x = floating("cov", input)
    x = x.reshape((1, -1)) if x.ndim < 2 else x
    count = x.shape[1]
    weights = None
    if fweights is not None:
        _check_weights("fweights", fweights, count, dtypes.INTEGRAL)
        weights = fweights
    if aweights is not None:
        _check_weights("aweights", aweights, count, dtypes.FLOATING)
        weights = aweights if weights is None else weights * aweights
    if weights is None:
        centred = x - mean(x, 1, True)
        divisor: Any = max(count - correction, 0)
        product = matmul(centred, conj_value(centred).swapaxes(0, 1))
        return product.reshape(()) / divisor if input.ndim < 2 or x.shape[0] == 1 else product / divisor
    total = sum(weights)
    if count and not plain(total).item():
        raise ArgumentError("cov(): weights sum to zero, can't be normalized")
    w = cast(weights, x.dtype.to_real()) if weights.dtype.category < dtypes.FLOATING else weights
    centred = x - sum(x * w, 1, True) / sum(w)
    if aweights is not None and correction:
        divisor = total - correction * sum(weights * aweights) / total
    else:
        divisor = total - correction
    product = matmul(centred * cast(w, centred.dtype), conj_value(centred).swapaxes(0, 1))
    y = product / where(plain(divisor) < 0, 0, divisor)
    return y.reshape(()) if x.shape[0] == 1 else y


def _check_weights(name: str, weights: Tensor, count: int, category: int) -> None:
    if weights.ndim > 1:
        raise ShapeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim}")
    if weights.dtype.category != category:
        kind = "integral" if category == dtypes.INTEGRAL else "floating point"
        raise DtypeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {weights.dtype} dtype")
    if weights.numel() != count:
        raise ShapeError(
            f"cov(): expected {name} to have one value for each of {count} observations, got {weights.numel()}"
        )
    if weights.array.size and weights.array.min() < 0:
        raise ArgumentError(f"cov(): {name} cannot be negative")


def corrcoef(input: Any) -> Any:
    """The matrix of Pearson correlations of variables given as rows, their observations as columns."""
    from framework.ops.exponential import sqrt

    if input.ndim > 2:
        raise ShapeError(f"corrcoef(): expected input to have two or fewer dimensions but got {input.ndim}")
    c = cov(input)
    if c.ndim == 0:
        return c / c
    n = np.arange(c.shape[0])
    deviations = sqrt(c[n, n])
    c = c / deviations.reshape((-1, 1)) / deviations.reshape((1, -1))
    return _clipped(c)


def _clipped(c: Any) -> Any:
    """Correlations pushed past 1 by rounding, put back."""
    from framework.ops.selection import where

    if plain(c).dtype.kind == "c":
        from framework.ops.complex import complex as from_parts
        from framework.ops.complex import imag, real

        return from_parts(_clipped(real(c)), _clipped(imag(c)))
    values = plain(c)
    return where(values > 1, 1, where(values < -1, -1, c))
