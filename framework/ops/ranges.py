"""Sequences of numbers, the identity matrix, and memory laid out by hand."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from framework import dtypes
from framework.errors import ArgumentError, ShapeError
from framework.ops.casting import into
from framework.ops.creation import checked_shape, options
from framework.ops.values import leaf
from framework.tensor import Tensor, wrap


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def arange(
    *args: Any, start: Any = 0, end: Any = None, step: Any = 1, out: Any = None, dtype: Any = None, layout: Any =
    None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The numbers from ``start`` (0 unless given) up to but without ``end``, ``step`` apart.

    Integers give int64, a float among the arguments the default dtype.

    Example:
        >>> framework.arange(1, 2, 0.5)
        tensor([1.0000, 1.5000])
    """
    if len(args) == 1 and end is None:
        end = args[0]
    elif args:
        start, end, step = (*args, step)[:3] if len(args) >= 2 else (args[0], end, step)
    if end is None or len(args) > 3:
        raise TypeError("arange() takes (end), (start, end) or (start, end, step)")
    start, end, step = _plain(start), _plain(end), _plain(step)
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None:
        floating = any(isinstance(v, float) for v in (start, end, step))
        dtype = dtypes.get_default_dtype() if floating else dtypes.int64
    xp, kind = options(dtype, device)
    if step == 0:
        raise ArgumentError("arange: step must be nonzero")
    if any(isinstance(v, float) and not math.isfinite(v) for v in (start, end)):
        raise ArgumentError(f"arange: unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise ArgumentError(
            f"arange: upper bound and lower bound inconsistent with step sign: {start} -> {end} by {step}"
        )
    # the values count in integers where the dtype is one; the length does so for int64 only
    length = math.ceil((end - start) / step) if kind != np.int64 else None
    if kind.kind in "iu":
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise ArgumentError("arange: step must be nonzero")
    if length is None:
        length = max(-((start - end) // step), 0)
    steps = xp.arange(length)
    y = (start + step * (steps if kind.kind in "iu" else steps.astype(np.float64))).astype(kind)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The numbers from ``start`` up to and with ``end``, ``step`` apart, in the default dtype."""
    start, end = (0, start) if end is None else (start, end)
    count = math.floor((end - start) / step) + 1
    xp, kind = options(dtype, device)
    y = (start + step * xp.arange(count)).astype(kind)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def _spaced(name: str, xp: Any, start: Any, end: Any, steps: int, kind: Any) -> Any:
    if operator.index(steps) < 0:
        raise ArgumentError(f"{name}: number of steps must be non-negative, got {steps}")
    for value, label in ((start, "start"), (end, "end")):
        if isinstance(value, Tensor) and value.ndim:
            raise ShapeError(f"{name}: {label} must be a number or a 0-d tensor, got shape {tuple(value.shape)}")
    start, end = _plain(start), _plain(end)
    if kind.kind in "iu":
        start, end = int(start), int(end)
    work = np.dtype(np.float64 if kind.kind in "iu" else np.float32 if kind in dtypes.HALF else kind).type
    if steps == 1:
        return xp.full(1, start, work)
    place = xp.arange(steps)
    step = work(end - start) / work(steps - 1)
    first = place < steps // 2
    # counted from the nearer end, so that both ends are exact
    return xp.where(first, start + step * place.astype(work), end - step * (steps - 1 - place).astype(work)).astype(
        work
    )


def _spaced_dtype(dtype: Any, out: Any, start: Any, end: Any) -> Any:
    if dtype is not None or out is not None:
        return dtypes.as_dtype(dtype) if dtype is not None else out.dtype
    default = dtypes.get_default_dtype()
    return default.to_complex() if isinstance(_plain(start), complex) or isinstance(_plain(end), complex) else default


def linspace(
    start: Any, end: Any, steps: int, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers evenly spaced from ``start`` to ``end``, both included."""
    xp, kind = options(_spaced_dtype(dtype, out, start, end), device)
    y = _spaced("linspace", xp, start, end, steps, kind).astype(kind)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the power of ``steps`` numbers evenly spaced from ``start`` to ``end``."""
    xp, kind = options(_spaced_dtype(dtype, out, start, end), device)
    powers = _spaced("logspace", xp, start, end, steps, kind)
    y = xp.power(powers.dtype.type(base), powers).astype(kind)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The identity matrix: (n, n), or (n, m) with ones on the main diagonal."""
    xp, kind = options(out.dtype if out is not None and dtype is None else dtype, device)
    y = xp.eye(*checked_shape("eye", (n, n if m is None else m)), dtype=kind)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool =
    False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """An uninitialised tensor with these steps, in elements, between entries along each dim."""
    from framework.ops.storage import strided

    shape, steps = checked_shape("empty_strided", (tuple(size),)), tuple(int(s) for s in stride)
    if len(shape) != len(steps):
        raise ShapeError(f"empty_strided: dimensionality of sizes {shape} must match that of strides {steps}")
    xp, kind = options(dtype, device)
    span = 1 + sum((n - 1) * s for n, s in zip(shape, steps, strict=True)) if 0 not in shape else 0
    memory = xp.empty(span, kind)
    return leaf(strided(memory, shape, tuple(s * kind.itemsize for s in steps)), device, requires_grad)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad:
    bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """An uninitialised dense tensor whose dims lie in memory in the order ``physical_layout``, slowest first."""
    shape, order = checked_shape("empty_permuted", (tuple(size),)), tuple(int(d) for d in physical_layout)
    if len(order) != len(shape):
        raise ShapeError(f"empty_permuted: number of dimensions in size {shape} does not match physical_layout {order}")
    if sorted(order) != list(np.arange(len(shape))):
        raise ArgumentError(f"empty_permuted: physical_layout {order} must hold each dim once")
    xp, kind = options(dtype, device)
    y = xp.empty(tuple(shape[axis] for axis in order), kind)
    return leaf(y.transpose(tuple(int(i) for i in np.argsort(order))) if order else y, device, requires_grad)
