"""Random draws into an existing tensor, in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.views import check_writable
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.ops.indexing import overwrite
from framework.ops.random import between, check_chances, check_floating, normal_draw, source, uniform_draw
from framework.random import Generator
from framework.tensor import Tensor, wrap


def _into_place(input: Tensor, name: str, drawn: Any) -> Tensor:
    return overwrite(input, wrap(devices.move(drawn, devices.of(input.array))), name)


def uniform_(input: Tensor, *args: Any, generator: Generator | None = None, **bounds: Any) -> Tensor:
    """Fill with numbers evenly distributed in [from, to): ``uniform_(from=0, to=1)``."""
    low, high = _bounds("uniform_", args, bounds, 0.0, 1.0)
    check_writable(input, "uniform_")
    array = input.array
    check_floating("uniform_", array.dtype)
    if low > high:
        raise ArgumentError(f"uniform_: expects to return a [from, to) range, but found from={low} > to={high}")
    drawn = uniform_draw(source(generator, input.device), array.shape, array.dtype)
    return _into_place(input, "uniform_", (drawn * (high - low) + low).astype(array.dtype))


def _bounds(name: str, args: tuple[Any, ...], named: dict[str, Any], low: Any, high: Any) -> tuple[Any, Any]:
    # ``from`` is a Python keyword, so these two come as anything
    values = dict(zip(("from", "to"), args, strict=False))
    for key, value in named.items():
        if key not in ("from", "to") or key in values:
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'; it takes from, to and generator")
        values[key] = value
    return values.get("from", low), values.get("to", high)


def normal_(input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normally distributed numbers."""
    check_writable(input, "normal_")
    array = input.array
    check_floating("normal_", array.dtype)
    if std < 0:
        raise ArgumentError(f"normal_: expects std >= 0.0, but found std {std}")
    drawn = normal_draw(source(generator, input.device), array.shape, array.dtype)
    return _into_place(input, "normal_", (drawn * std + mean).astype(array.dtype))


def random_(input: Tensor, *args: Any, generator: Generator | None = None, **bounds: Any) -> Tensor:
    """Fill with integers evenly distributed in [from, to): ``random_()``, ``random_(to)`` or ``random_(from, to)``.

    Without bounds: all non-negative integers that the dtype holds, for floating point those it holds exactly.
    """
    check_writable(input, "random_")
    array = input.array
    kind = array.dtype
    if len(args) == 1 and not bounds:
        low, high = 0, args[0]
    else:
        low, high = _bounds("random_", args, bounds, 0, None)
    if high is None:
        if kind.kind in "iu":
            high = int(np.iinfo(kind).max) + 1
        else:
            digits = {dtypes.float16.numpy: 11, dtypes.bfloat16.numpy: 8, np.dtype(np.float32): 24}
            high = 2 if kind.kind == "b" else 2 ** digits.get(kind, 53) + 1
    return _into_place(
        input, "random_", between(source(generator, input.device), low, high, array.shape, kind, "random_")
    )


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with 1 with the chance ``p`` (a number or a tensor), else 0."""
    check_writable(input, "bernoulli_")
    chances = p.array if isinstance(p, Tensor) else p
    check_chances("bernoulli_", chances)
    if isinstance(p, Tensor):
        check_floating("bernoulli_", chances.dtype)
        chances = array_module(chances).broadcast_to(chances, input.array.shape)
    draw = source(generator, input.device).uniform(input.array.shape, np.dtype(np.float64))
    return _into_place(input, "bernoulli_", (draw < chances).astype(input.array.dtype))


def _uniform64(input: Tensor, name: str, generator: Generator | None) -> Any:
    check_writable(input, name)
    return source(generator, input.device).uniform(input.array.shape, np.dtype(np.float64))


def exponential_(input: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with waiting times of the rate ``lambd``: density ``lambd * exp(-lambd * x)``."""
    check_floating("exponential_", input.array.dtype)
    if not lambd > 0:
        raise ArgumentError(f"exponential_: expects lambda > 0.0, but found lambda={lambd}")
    u = _uniform64(input, "exponential_", generator)
    return _into_place(input, "exponential_", (-array_module(u).log1p(-u) / lambd).astype(input.array.dtype))


def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with the number of trials until the first success of chance ``p``: 1, 2, ..."""
    if not 0 < p < 1:
        raise ArgumentError(f"geometric_: expects p to be in (0, 1), but got p={p}")
    if input.array.dtype.kind in "bc":
        raise DtypeError(f"geometric_: not implemented for {input.dtype}")
    u = _uniform64(input, "geometric_", generator)
    xp = array_module(u)
    return _into_place(
        input, "geometric_", xp.maximum(xp.ceil(xp.log1p(-u) / math.log1p(-p)), 1).astype(input.array.dtype)
    )


def cauchy_(input: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with Cauchy-distributed numbers."""
    check_floating("cauchy_", input.array.dtype)
    if not sigma > 0:
        raise ArgumentError(f"cauchy_: expects sigma > 0.0, but found sigma={sigma}")
    u = _uniform64(input, "cauchy_", generator)
    return _into_place(
        input, "cauchy_", (median + sigma * array_module(u).tan(np.pi * (u - 0.5))).astype(input.array.dtype)
    )


def log_normal_(input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers whose logarithm is normally distributed with this mean and deviation."""
    check_floating("log_normal_", input.array.dtype)
    if not std > 0:
        raise ArgumentError(f"log_normal_: expects std > 0.0, but found std={std}")
    check_writable(input, "log_normal_")
    drawn = source(generator, input.device).normal(input.array.shape, np.dtype(np.float64)) * std + mean
    return _into_place(input, "log_normal_", array_module(drawn).exp(drawn).astype(input.array.dtype))
