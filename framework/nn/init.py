"""Initial values of parameters. Every function fills its tensor in place, outside autograd, and returns it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.mode import no_grad
from framework.ops.creation import empty
from framework.ops.special import ndtri
from framework.tensor import Tensor, missing

_skipping: ContextVar[bool] = ContextVar("framework.nn.init.skipping", default=False)


@contextmanager
def skipped() -> Iterator[None]:
    """Within it, the functions that fill tensors leave them as they are."""
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


_LINEAR = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """The factor that keeps a signal's variance through a nonlinearity.

    Args:
        nonlinearity: "linear", "conv2d" and their like, "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
        param: the negative slope of a leaky relu; 0.01 unless given.
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, int | float) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"calculate_gain: negative_slope {param!r} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"calculate_gain: unsupported nonlinearity {nonlinearity!r}")


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs one output reads, and how many outputs one input reaches."""
    if tensor.ndim < 2:
        raise ValueError(
            "fan in and fan out can not be computed for a tensor with fewer than 2 dimensions, got "
            f"{tuple(tensor.shape)}"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode {mode!r} not supported, please use one of 'fan_in', 'fan_out'")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with numbers uniform in ``[a, b)``."""
    if _skipping.get():
        return tensor
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normally distributed numbers."""
    if _skipping.get():
        return tensor
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """Fill with normally distributed numbers that lie in ``[a, b]``: those outside are drawn again.

    Args:
        a, b: the limits as they are, not in units of ``std``.
    """
    if _skipping.get():
        return tensor
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "trunc_normal_: mean is more than 2 std from [a, b]; the values will pile up at one end", stacklevel=2
        )
    # the inverse of the normal distribution function, so that one draw an element suffices
    low, high = _below((a - mean) / std), _below((b - mean) / std)
    with no_grad():
        kind = dtypes.float64 if tensor.dtype is dtypes.float64 else dtypes.float32
        drawn = empty(tensor.shape, dtype=kind, device=tensor.device).uniform_(low, high, generator=generator)
        return tensor.copy_((ndtri(drawn) * std + mean).clamp(a, b))


def _below(x: float) -> float:
    """The chance that a standard normal number lies below ``x``."""
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    if _skipping.get():
        return tensor
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    if _skipping.get():
        return tensor
    with no_grad():
        return tensor.zero_()


def eye_(tensor: Tensor) -> Tensor:
    """Make a 2-d tensor the identity, so that a linear layer passes its input on."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: only tensors with 2 dimensions are supported, got shape {tuple(tensor.shape)}")
    return _store(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Make a convolution's weight (3 to 5 dims) pass its input channels on, as many as there are, in each group."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(
            f"dirac_: only tensors with 3, 4 or 5 dimensions are supported, got shape {tuple(tensor.shape)}"
        )
    if tensor.shape[0] % groups:
        raise ValueError(f"dirac_: dim 0, of length {tensor.shape[0]}, must be divisible by groups={groups}")
    values = np.zeros(tensor.shape)
    per_group = tensor.shape[0] // groups
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(per_group, tensor.shape[1])):
            values[(group * per_group + channel, channel, *centre)] = 1
    return _store(tensor, values)


def _store(tensor: Tensor, values: Any) -> Tensor:
    """Copy values computed in NumPy into a tensor, wherever that lies."""
    with no_grad():
        tensor.array[...] = devices.move(values.astype(tensor.array.dtype), tensor.device)
        tensor._shared_counter()[0] += 1
    return tensor


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill uniformly in ``±gain * sqrt(6 / (fan_in + fan_out))``.

    Reference: Glorot and Bengio, 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill normally with standard deviation ``gain * sqrt(2 / (fan_in + fan_out))``; see ``xavier_uniform_``."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Fill uniformly in ``±gain * sqrt(3 / fan)``.

    Args:
        a: negative slope of the leaky relu that follows.
        mode: "fan_in" keeps the variance forward, "fan_out" backward.
        nonlinearity: what follows, for ``calculate_gain``.

    Reference: He et al., 2015, "Delving deep into rectifiers".
    """
    if 0 in tensor.shape:
        warnings.warn("kaiming_uniform_: initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Fill normally with standard deviation ``gain / sqrt(fan)``; see ``kaiming_uniform_``."""
    if 0 in tensor.shape:
        warnings.warn("kaiming_normal_: initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Make the rows (the columns, if there are more rows) orthonormal, times ``gain``; dims after the first are joined.

    Reference: Saxe et al., 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear networks".
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_: only tensors with 2 or more dimensions are supported, got {tuple(tensor.shape)}"
        )
    if tensor.array.size == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.array.size // tensor.shape[0]
    drawn = empty(max(rows, columns), min(rows, columns), dtype=dtypes.float64, device=tensor.device)
    q, r = np.linalg.qr(devices.move(normal_(drawn, generator=generator).array, devices.CPU))
    q *= np.sign(np.diag(r))  # makes the distribution uniform
    return _store(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a 2-d tensor normally, then set a fraction of each column to zero.

    Reference: Martens, 2010, "Deep learning via Hessian-free optimization".
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: only tensors with 2 dimensions are supported, got shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    normal_(tensor, 0, std, generator)
    zeroed = (
        empty(rows, columns, device=tensor.device)
        .uniform_(generator=generator)
        .argsort(0)[: math.ceil(sparsity * rows)]
    )
    with no_grad():
        return tensor.scatter_(0, zeroed, 0)


# The names that these had in PyTorch before the underscore
uniform, normal, constant, eye, dirac, sparse = uniform_, normal_, constant_, eye_, dirac_, sparse_
xavier_uniform, xavier_normal, orthogonal = xavier_uniform_, xavier_normal_, orthogonal_
kaiming_uniform, kaiming_normal = kaiming_uniform_, kaiming_normal_


def __getattr__(name: str) -> Any:
    missing("module 'framework.nn.init'", name, globals())
