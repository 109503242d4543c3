"""Random tensors. Every function takes ``generator=``, which is the device's default one unless given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DeviceError, DtypeError, ShapeError
from framework.ops import dims as _dims
from framework.ops.casting import into
from framework.ops.creation import checked_shape, laid_like, options
from framework.ops.values import leaf
from framework.random import Generator, generator_of
from framework.tensor import Tensor, wrap


def source(generator: Generator | None, where: devices.device) -> Generator:
    """The generator that draws on a device: the one given, or the device's default."""
    if generator is None:
        return generator_of(where)
    if generator.device.type != where.type:
        raise DeviceError(f"expected a '{where}' device type for generator but found '{generator.device}'")
    return generator


def _where(device: Any) -> devices.device:
    return devices.default() if device is None else devices.device(device)


def uniform_draw(generator: Generator, shape: tuple[int, ...], kind: Any) -> Any:
    """An array evenly distributed in [0, 1), in both parts of a complex dtype."""
    if kind.kind == "c":
        part = np.dtype(np.float64 if kind == np.complex128 else np.float32)
        return generator.uniform((*shape, 2), part).view(kind)[..., 0]
    return generator.uniform(shape, kind)


def normal_draw(generator: Generator, shape: tuple[int, ...], kind: Any) -> Any:
    """A normally distributed array of mean 0 and variance 1, complex ones included."""
    if kind.kind == "c":  # half of the variance in each part
        part = np.dtype(np.float64 if kind == np.complex128 else np.float32)
        return (generator.normal((*shape, 2), part) * part.type(math.sqrt(0.5))).view(kind)[..., 0]
    return generator.normal(shape, kind)


def check_floating(name: str, kind: Any) -> None:
    """Refuse integer and bool dtypes."""
    if dtypes.OF_NUMPY[kind].category < dtypes.FLOATING:
        raise DtypeError(f"{name}: not implemented for {dtypes.OF_NUMPY[kind]}; use a floating-point dtype")


def _factory(
    name: str, draw: Any, sizes: Any, size: Any, generator: Any, out: Any, dtype: Any, device: Any, grad: bool
) -> Any:
    _, kind = options(out.dtype if out is not None and dtype is None else dtype, device)
    check_floating(name, kind)
    shape = checked_shape(name, sizes, size)
    y = draw(source(generator, _where(device)), shape, kind)
    return leaf(y, device, grad) if out is None else into(out, wrap(y))


def rand(
    *sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None, dtype: Any = None, layout:
    Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of numbers evenly distributed in [0, 1)."""
    return _factory("rand", uniform_draw, sizes, size, generator, out, dtype, device, requires_grad)


def randn(
    *sizes: Any, size: Any = None, generator: Generator | None = None, out: Any = None, dtype: Any = None, layout:
    Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of normally distributed numbers, mean 0 and deviation 1."""
    return _factory("randn", normal_draw, sizes, size, generator, out, dtype, device, requires_grad)


def between(generator: Generator, low: Any, high: Any, shape: tuple[int, ...], kind: Any, name: str) -> Any:
    """Integers evenly distributed in [low, high), in a dtype that holds them."""
    low, high = int(low), int(high)
    if low >= high:
        raise ArgumentError(f"{name}: expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if kind.kind in "biu":
        limits = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        if low < limits[0] or high - 1 > limits[1]:
            raise ArgumentError(
                f"{name}: from={low} and to - 1={high - 1} are out of bounds for {dtypes.OF_NUMPY[kind]}"
            )
    return generator.integers(low, high, shape).astype(kind)


def randint(
    *args: Any, low: Any = 0, high: Any = None, size: Any = None, generator: Generator | None = None, out: Any =
    None, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool =
    False,
) -> Tensor:  # fmt: skip
    """Integers evenly distributed from ``low`` (0 unless given) to ``high``, which is excluded.

    Example:
        >>> framework.randint(10, (2, 3)).shape
        framework.Size([2, 3])
    """
    if args and hasattr(args[-1], "__len__") and size is None:
        *args, size = args  # type: ignore[assignment]
    if len(args) == 2:
        low, high = args
    elif len(args) == 1:
        low, high = (args[0], high) if high is not None else (low, args[0])
    if high is None or size is None or len(args) > 2:
        raise TypeError("randint() takes (high, size) or (low, high, size)")
    _, kind = options((dtypes.int64 if out is None else out.dtype) if dtype is None else dtype, device)
    y = between(source(generator, _where(device)), low, high, checked_shape("randint", (tuple(size),)), kind, "randint")
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def randperm(
    n: int, *, generator: Generator | None = None, out: Any = None, dtype: Any = None, layout: Any = None, device:
    Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The integers from 0 to ``n - 1`` in random order, int64 unless said otherwise."""
    if n < 0:
        raise ArgumentError(f"randperm: n must be non-negative, got {n}")
    _, kind = options((dtypes.int64 if out is None else out.dtype) if dtype is None else dtype, device)
    y = source(generator, _where(device)).permutation(int(n)).astype(kind, copy=False)
    return leaf(y, device, requires_grad) if out is None else into(out, wrap(y))


def _like(
    input: Tensor, draw: Any, name: str, generator: Any, dtype: Any, device: Any, grad: bool, format: Any
) -> Tensor:
    y = laid_like(input, dtype, device, format)
    y[...] = draw(source(generator, devices.of(y)), y.shape, y.dtype)
    return wrap(y).requires_grad_(grad)


def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """``rand`` of the input's shape, dtype, device and memory order."""
    check_floating("rand_like", input.array.dtype if dtype is None else dtypes.as_dtype(dtype).numpy)
    return _like(input, uniform_draw, "rand_like", generator, dtype, device, requires_grad, memory_format)


def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """``randn`` of the input's shape, dtype, device and memory order."""
    check_floating("randn_like", input.array.dtype if dtype is None else dtypes.as_dtype(dtype).numpy)
    return _like(input, normal_draw, "randn_like", generator, dtype, device, requires_grad, memory_format)


def randint_like(
    input: Tensor, *args: Any, low: Any = 0, high: Any = None, generator: Generator | None = None, dtype: Any =
    None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """``randint`` of the input's shape, dtype, device and memory order: ``(x, high)`` or ``(x, low, high)``."""
    if len(args) == 2:
        low, high = args
    elif len(args) == 1:
        low, high = (args[0], high) if high is not None else (low, args[0])
    if high is None:
        raise TypeError("randint_like() takes (input, high) or (input, low, high)")

    def draw(generator: Generator, shape: tuple[int, ...], kind: Any) -> Any:
        return between(generator, low, high, shape, kind, "randint_like")

    return _like(input, draw, "randint_like", generator, dtype, device, requires_grad, memory_format)


def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool =
    False,
) -> Tensor:  # fmt: skip
    """Normally distributed numbers: a mean and a deviation for each element, or one of them for all.

    Args:
        mean, std: tensors that broadcast against each other, or numbers.
        size: the shape, where both are numbers.
    """
    tensors = [v for v in (mean, std) if isinstance(v, Tensor)]
    lowest = std.array.min() if isinstance(std, Tensor) and std.array.size and std.array.dtype.kind != "c" else std
    if not isinstance(lowest, Tensor | complex | np.complexfloating) and lowest < 0:
        raise ArgumentError(f"normal: expects std >= 0.0, but found std {float(lowest)}")
    if not tensors:
        if size is None:
            raise TypeError("normal() with numbers for mean and std needs size")
        _, kind = options(out.dtype if out is not None and dtype is None else dtype, device)
        shape = checked_shape("normal", (size if isinstance(size, int) else tuple(size),))
        gen = source(generator, _where(device))
    else:
        if size is not None:
            raise TypeError("normal() takes size only where mean and std are numbers")
        kind, shape = tensors[0].array.dtype, tuple(_dims.broadcast_shapes(*(v.shape for v in tensors)))
        gen = source(generator, tensors[0].device)
        for v in tensors:
            check_floating("normal", v.array.dtype)
    drawn = normal_draw(gen, shape, kind)
    if tensors:
        y = apply(Normal, mean, std, drawn=drawn)
        return y if out is None else into(out, y)
    drawn = (drawn * std + mean).astype(kind)
    return leaf(drawn, device, requires_grad) if out is None else into(out, wrap(drawn))


class Normal(Op):
    """Standard normal numbers scaled and moved. Its gradient is zero, as in PyTorch: no reparameterization."""

    broadcasts = True

    def forward(self, mean: Any, std: Any, drawn: Any) -> Any:
        return (drawn * std + mean).astype(drawn.dtype)

    def backward(self, g: Any) -> Any:
        return g * 0, g * 0


class Bernoulli(Op):
    """1 with the chance that each element gives, else 0. Its gradient is zero."""

    def forward(self, x: Any, draw: Any) -> Any:
        return (draw < x).astype(x.dtype)

    def backward(self, g: Any) -> Any:
        return g * 0


def check_chances(name: str, p: Any) -> None:
    """Refuse chances outside [0, 1], given as an array or a number."""
    if hasattr(p, "size"):
        low, high = (p.min(), p.max()) if p.size else (0, 0)
    else:
        low = high = p
    if not (low >= 0 and high <= 1):
        raise ArgumentError(f"{name}: expects p to be in [0, 1], but got p={float(low) if low < 0 else float(high)}")


def _chance_draw(generator: Generator, shape: tuple[int, ...], p: Any) -> Any:
    # float64 chances are compared with 53 random bits, all others with 24
    kind = p.dtype if getattr(p, "dtype", None) == np.float64 else np.dtype(np.float32)
    return generator.uniform(shape, kind)


def bernoulli(input: Tensor, p: Any = None, *, generator: Generator | None = None, out: Any = None) -> Tensor:
    """1 with the chance that each element of ``input`` gives (or with chance ``p`` everywhere), else 0."""
    array, gen = input.array, source(generator, input.device)
    if p is not None:
        from framework.ops.draws import bernoulli_

        y = bernoulli_(wrap(laid_like(input, None, None, None)), p, generator=gen)
        return y if out is None else into(out, y)
    check_floating("bernoulli", array.dtype)
    check_chances("bernoulli", array)
    y = apply(Bernoulli, input, draw=_chance_draw(gen, array.shape, array))
    return y if out is None else into(out, y)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None, out: Any = None
) -> Tensor:
    """Positions drawn from each row of weights: (N, C) or (C,) give (N, num_samples) or (num_samples,) int64.

    Args:
        input: non-negative weights; they need not sum to 1.
        replacement: whether a position may be drawn again.
    """
    weights = input.array
    check_floating("multinomial", weights.dtype)
    if weights.ndim not in (1, 2):
        raise ShapeError(f"multinomial: prob_dist must be 1 or 2 dim, got shape {tuple(weights.shape)}")
    if num_samples <= 0:
        raise ArgumentError(f"multinomial: cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > weights.shape[-1]:
        raise ArgumentError(
            f"multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement: {num_samples} of "
            f"{weights.shape[-1]}"
        )
    xp = array_module(weights)
    weights = weights.astype(np.float64)
    if weights.size and not bool((xp.isfinite(weights) & (weights >= 0)).all()):
        raise ArgumentError("multinomial: probability tensor contains either `inf`, `nan` or element < 0")
    if weights.size and not bool((weights.sum(-1) > 0).all()):
        raise ArgumentError("multinomial: invalid multinomial distribution (sum of probabilities <= 0)")
    gen = source(generator, input.device)
    if replacement:
        steps = weights.cumsum(-1)
        drawn = gen.uniform((*weights.shape[:-1], num_samples), np.dtype(np.float64)) * steps[..., -1:]
        rows = zip(steps.reshape(-1, steps.shape[-1]), drawn.reshape(-1, num_samples), strict=True)
        found = [xp.searchsorted(row, d, side="right") for row, d in rows]
        y = xp.stack(found).reshape(drawn.shape) if found else xp.empty(drawn.shape, np.int64)
    else:
        if weights.size and int((weights > 0).sum(-1).min()) < num_samples:
            raise ArgumentError(
                "multinomial: invalid multinomial distribution (with replacement=False, not enough non-negative "
                "category to sample)"
            )
        # the first of independent exponential clocks to ring, with the weights as rates, is a draw by weight
        clocks = -xp.log1p(-gen.uniform(weights.shape, np.dtype(np.float64))) / weights
        y = xp.argsort(clocks, axis=-1)[..., :num_samples]
    y = wrap(xp.ascontiguousarray(y.astype(np.int64)))
    if out is not None and out.dtype is not dtypes.int64:
        raise DtypeError(f"multinomial: expects an int64 tensor for out, got {out.dtype}")
    return y if out is None else into(out, y)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts of events that happen at these rates, Poisson-distributed, in the input's dtype."""
    check_floating("poisson", input.array.dtype)
    if input.array.size and float(input.array.min()) < 0:
        raise ArgumentError("poisson: invalid Poisson rate, expected rate to be non-negative")
    rates = input.array.astype(np.float64)
    return wrap(array_module(rates).asarray(source(generator, input.device).poisson(rates)).astype(input.array.dtype))


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """The number of successes in ``count`` trials with the chance ``prob`` each, in the input's dtype."""
    gen, xp = source(generator, count.device), array_module(count.array)
    drawn = gen.binomial(count.array.astype(np.int64), prob.array.astype(np.float64))
    return wrap(xp.asarray(drawn).astype(count.array.dtype))
