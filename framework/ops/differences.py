"""Differences, gradients and integrals of sampled functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework import dtypes
from framework.errors import ArgumentError, DimensionError, ShapeError
from framework.ops.casting import NUMBERS, cast, into
from framework.ops.cumulative import cumsum
from framework.ops.dims import normalize_dim, normalize_dims, numpy_names
from framework.ops.joining import cat
from framework.ops.memory import clone
from framework.ops.reduction import sum
from framework.tensor import Tensor


def _part(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop),)]


@numpy_names
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None, *, out: Any = None) -> Any:
    """The ``n``-th forward difference along ``dim``: ``input[i + 1] - input[i]``, taken ``n`` times.

    Args:
        prepend, append: tensors to join before and after ``input`` along ``dim`` first.

    Shape:
        the length of ``dim`` falls by ``n``, down to 0. Bools differ by exclusive or.
    """
    if input.ndim == 0:
        raise ShapeError("diff: expects input to be at least one-dimensional")
    if n < 0:
        raise ArgumentError(f"diff: order must be non-negative, got n={n}")
    axis = normalize_dim(dim, input.ndim)
    parts = [t for t in (prepend, input, append) if t is not None]
    for t in parts:
        if t.ndim != input.ndim:
            raise ShapeError(f"diff: expects prepend and append to have {input.ndim} dims like input, got {t.ndim}")
        if any(a != b for d, (a, b) in enumerate(zip(t.shape, input.shape, strict=True)) if d != axis):
            raise ShapeError(
                f"diff: expects prepend and append to have the lengths of input {tuple(input.shape)} but along dim "
                f"{axis}, got {tuple(t.shape)}"
            )
    if n == 0:
        return clone(input) if out is None else into(out, input, "diff")
    y = cat(parts, axis) if len(parts) > 1 else input
    for _ in range(min(n, y.shape[axis])):
        after, before = _part(y, axis, 1, None), _part(y, axis, None, -1)
        y = after != before if y.dtype == dtypes.bool_ else after - before
    return y if out is None else into(out, y, "diff")


def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> tuple[Any, ...]:
    """An estimate of the derivative of a sampled function along each dim, by central differences.

    Args:
        spacing: the distance of samples: a number for all dims, a list of one a dim, or a list of coordinate tensors.
        dim: the dims to differentiate along; None for all.
        edge_order: 1 for one-sided differences at the ends, 2 for a second-order estimate.

    Raises:
        ArgumentError: a dim holds fewer than ``edge_order + 1`` samples, or ``spacing`` does not fit the dims.

    Example:
        >>> framework.gradient(framework.tensor([1.0, 4.0, 9.0]))
        (tensor([3., 4., 5.]),)
    """
    dims = normalize_dims(dim, input.ndim)
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient: only supports edge_order 1 and 2, got {edge_order}")
    steps: Sequence[Any]
    if spacing is None or isinstance(spacing, NUMBERS):
        steps = [1 if spacing is None else spacing] * len(dims)
    else:
        steps = [spacing] if isinstance(spacing, Tensor) else list(spacing)
        if len(steps) != len(dims):
            raise ArgumentError(f"gradient: expected spacing to hold {len(dims)} values, one a dim, got {len(steps)}")
    for d, step in zip(dims, steps, strict=True):
        if input.shape[d] < edge_order + 1:
            raise ArgumentError(
                f"gradient: expected each dimension size to be at least edge_order + 1 = {edge_order + 1}, got "
                f"{tuple(input.shape)}"
            )
        if isinstance(step, Tensor) and tuple(step.shape) != (input.shape[d],):
            raise ArgumentError(
                f"gradient: expected the coordinates of dim {d} to have shape ({input.shape[d]},), got "
                f"{tuple(step.shape)}"
            )
    if input.dtype.category <= dtypes.INTEGRAL:
        if input.dtype in (dtypes.uint8, dtypes.bool_):
            raise ArgumentError(f"gradient: does not support {input.dtype} input")
        input = cast(input, dtypes.get_default_dtype())
    return tuple(_derivative(input, d, step, edge_order) for d, step in zip(dims, steps, strict=True))


def _derivative(x: Any, axis: int, step: Any, edge_order: int) -> Any:
    """The derivative along one axis, for samples ``step`` apart or at the coordinates ``step``."""

    def at(start: int | None, stop: int | None) -> Any:
        return _part(x, axis, start, stop)

    if isinstance(step, Tensor):
        gaps = diff(step).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
        near, far = gaps[:-1], gaps[1:]
        first, second, last, but_last = gaps[:1], gaps[1:2], gaps[-1:], gaps[-2:-1]
        a, c = -far / (near * (near + far)), near / (far * (near + far))
        b = (far - near) / (near * far)
        inner = a * at(None, -2) + b * at(1, -1) + c * at(2, None)
        if edge_order == 1:
            head, tail = (at(1, 2) - at(0, 1)) / first, (at(-1, None) - at(-2, -1)) / last
        else:
            h = first + second
            head = (
                -(first + h) / (first * h) * at(0, 1)
                + h / (first * second) * at(1, 2)
                - first / (second * h) * at(2, 3)
            )
            h = last + but_last
            tail = (
                last / (but_last * h) * at(-3, -2)
                - h / (last * but_last) * at(-2, -1)
                + (last + h) / (last * h) * at(-1, None)
            )
    else:
        inner = (at(2, None) - at(None, -2)) / (2 * step)
        if edge_order == 1:
            head, tail = (at(1, 2) - at(0, 1)) / step, (at(-1, None) - at(-2, -1)) / step
        else:
            head = (-1.5 * at(0, 1) + 2 * at(1, 2) - 0.5 * at(2, 3)) / step
            tail = (0.5 * at(-3, -2) - 2 * at(-2, -1) + 1.5 * at(-1, None)) / step
    return cat([head, inner, tail], axis)


def _sides(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    """Twice the area between neighbouring samples at ``x``, or the sums of neighbours without ``x``; and their axis."""
    if y.ndim == 0:
        raise DimensionError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    axis = normalize_dim(dim, y.ndim)
    if x is not None and dx is not None:
        raise TypeError(f"{name}() takes either x or dx, got both")
    for label, value in (("y", y), ("x", x)):
        if value is not None and value.dtype == dtypes.bool_:
            raise ArgumentError(f"{name}: received a bool input for {label}, but bool is not supported")
    if isinstance(dx, bool):
        raise ArgumentError(f"{name}: received a bool input for dx, but bool is not supported")
    pairs = _part(y, axis, 1, None) + _part(y, axis, None, -1)
    if x is None:
        return pairs, axis
    if x.ndim == 1:
        if x.shape[0] != y.shape[axis]:
            raise ShapeError(
                f"{name}: There must be one `x` value for each sample point, got {x.shape[0]} values for "
                f"{y.shape[axis]} samples"
            )
        x = x.reshape((-1,) + (1,) * (y.ndim - 1 - axis))
        return (_part(x, 0, 1, None) - _part(x, 0, None, -1)) * pairs, axis
    # coordinates of fewer dims than y are aligned at the last dim
    at = axis - (y.ndim - x.ndim) if x.ndim < y.ndim else axis
    return (_part(x, at, 1, None) - _part(x, at, None, -1)) * pairs, axis


def trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The integral along ``dim`` by the trapezoidal rule, of samples at ``x`` or ``dx`` (1 unless given) apart.

    Example:
        >>> framework.trapezoid(framework.tensor([1.0, 5.0, 10.0]))
        tensor(10.5000)
    """
    sides, axis = _sides("trapezoid", y, x, dx, dim)
    if x is not None:
        return sum(sides, axis) / 2
    if not y.shape[axis]:
        return sum(y, axis) * 1.0
    ends = _part(y, axis, 0, 1) + _part(y, axis, -1, None)
    return (sum(y, axis) - ends.squeeze(axis) * 0.5) * (1 if dx is None else dx)


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = None, dim: int = -1) -> Any:
    """The running integral along ``dim`` by the trapezoidal rule; the result is one shorter than ``y``."""
    sides, axis = _sides("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(sides, axis) / 2 if x is not None else cumsum(sides * ((1 if dx is None else dx) / 2), axis)


trapz = trapezoid
