"""Batch norm: every channel with mean 0 and variance 1 over the batch, or by the statistics of training.

Statistics are accumulated in at least float32. In a training step one op computes statistics and output; with known
statistics the output is ``x * scale + shift``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.composition import gradients_of
from framework.autograd.op import Op, apply
from framework.autograd.views import bump
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.activation import relu
from framework.ops.casting import cast, into
from framework.tensor import Tensor, wrap

_float32 = np.dtype("float32")


def _channelwise(v: Any, ndim: int) -> Any:
    return v.reshape((1, -1) + (1,) * (ndim - 2))


class BatchNorm(Op):
    """x normalized by its own statistics; also the mean and the (biased) variance."""

    non_differentiable = (1, 2)

    def forward(self, x: Any, weight: Any, bias: Any, eps: float) -> Any:
        self.save(x, weight, bias)
        self.eps = eps
        self.kernel = choose("norm", x, kind="batch")
        y, self.mean, variance = self._output(x, weight, bias)
        self.rstd = 1 / np.sqrt(variance + eps)
        return y, self.mean, variance

    def _output(self, x: Any, weight: Any, bias: Any) -> Any:
        return self.kernel.batch_norm(x, weight, bias, self.eps)

    def backward(self, g: Any, *_: Any) -> Any:
        x, weight, bias = self.saved
        if g is None:
            return None, None, None
        if isinstance(g, Tensor):
            return gradients_of(self._composition, (x, weight, bias), g)
        return self._gradients(g, x, weight, tuple(bool(n) for n in self.needs))

    def _gradients(self, g: Any, x: Any, weight: Any, wanted: tuple[bool, ...]) -> Any:
        return self.kernel.batch_norm_gradient(g, x, self.mean, self.rstd, weight, False, wanted)

    def _composition(self, x: Any, weight: Any, bias: Any) -> Any:
        axes = (0, *range(2, x.ndim))
        centered = x - x.mean(axes, keepdim=True)
        y = centered / ((centered * centered).mean(axes, keepdim=True) + self.eps) ** 0.5
        return _affine(y, weight, bias)


class BatchNormRelu(BatchNorm):
    """``BatchNorm`` and ReLU behind it, in one pass."""

    def _output(self, x: Any, weight: Any, bias: Any) -> Any:
        y, mean, variance, self.passed = self.kernel.batch_norm_relu(x, weight, bias, self.eps)
        return y, mean, variance

    def _gradients(self, g: Any, x: Any, weight: Any, wanted: tuple[bool, ...]) -> Any:
        return self.kernel.batch_norm_relu_gradient(g, x, self.passed, self.mean, self.rstd, weight, wanted)

    def _composition(self, x: Any, weight: Any, bias: Any) -> Any:
        return relu(super()._composition(x, weight, bias))


class FixedNorm(Op):
    """x normalized by known statistics."""

    name = "BatchNorm"

    def forward(self, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, eps: float) -> Any:
        self.save(x, weight, bias)
        kind = np.promote_types(mean.dtype, _float32) if mean.dtype.kind == "f" else _float32
        self.mean = mean.astype(kind, copy=any(self.needs))  # backward must not see what a training step makes of it
        self.rstd = 1 / np.sqrt(variance.astype(kind, copy=False) + eps)
        self.kernel = choose("norm", x, kind="batch")
        scale = self.rstd if weight is None else self.rstd * weight.astype(kind, copy=False)
        shift = -self.mean * scale if bias is None else bias.astype(kind, copy=False) - self.mean * scale
        return self.kernel.affine(x, scale, shift)

    def backward(self, g: Any) -> Any:
        x, weight, bias = self.saved
        if isinstance(g, Tensor):
            return (*gradients_of(self._composition, (x, weight, bias), g), None, None)
        wanted = tuple(bool(n) for n in self.needs[:3])
        return (*self.kernel.batch_norm_gradient(g, x, self.mean, self.rstd, weight, True, wanted), None, None)

    def _composition(self, x: Any, weight: Any, bias: Any) -> Any:
        mean, rstd = (_channelwise(v, x.ndim).astype(x.array.dtype) for v in (self.mean, self.rstd))
        return _affine((x - wrap(mean)) * wrap(rstd), weight, bias)


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    if weight is not None:
        y = y * _channelwise(weight, y.ndim)
    return y if bias is None else y + _channelwise(bias, y.ndim)


def _raw(x: Any) -> Any:
    return x.array if isinstance(x, Tensor) else x


def check_channels(name: str, input: Any, **vectors: Any) -> None:
    """Refuse a vector whose length is not the input's number of channels."""
    shape = _raw(input).shape
    if len(shape) < 2:
        raise ShapeError(f"{name}: expected input (N, C, ...), got shape {list(shape)}")
    wanted = shape[1:2]
    for argument, v in vectors.items():
        if v is not None and _raw(v).shape != wanted:
            raise ShapeError(
                f"{name}: {argument} should contain {shape[1]} elements not "
                f"{v.shape[0] if v.ndim == 1 else v.shape}: one for each channel of the input {list(shape)}"
            )


def check_floating(name: str, input: Any) -> None:
    """Refuse integers and bools."""
    if isinstance(input, Tensor) and input.array.dtype.kind != "f" and not input.dtype.is_floating_point:
        raise DtypeError(f"{name}: not implemented for {input.dtype} tensors; convert with .float()")


def update_running(running: Any, new: Any, momentum: float, factor: float = 1.0) -> None:
    """``running = (1 - momentum) * running + momentum * factor * new``, in place."""
    array, new = _raw(running), _raw(new)
    if array.dtype == new.dtype:
        array *= 1 - momentum
        array += new * (momentum * factor)
    else:
        array[...] = (array.astype(new.dtype) * (1 - momentum) + new * (momentum * factor)).astype(array.dtype)
    if isinstance(running, Tensor):
        bump(running, "batch_norm")


def batch_norm(
    input: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """``(x - mean) / sqrt(var + eps) * weight + bias`` a channel.

    In training, mean and (biased) variance are the batch's, and the running statistics, if given, are moved towards
    them, the variance then unbiased. Else they are the running ones.

    Args:
        running_mean, running_var: (C,), updated in place when ``training``; may be None then.
        weight, bias: (C,) or None.
        training: whether to use the batch's statistics.
        momentum: the share of the batch in the running statistics.
        eps: added to the variance.

    Shape:
        input (N, C, ...) -> the same.

    Raises:
        ValueError: one value a channel in training, whose variance is 0.

    Reference:
        Ioffe and Szegedy, "Batch Normalization", https://arxiv.org/abs/1502.03167.
    """
    if training:
        _check_several(input)
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


def _check_several(input: Any) -> None:
    shape = _raw(input).shape
    if shape[0] == 1 and math.prod(shape[2:]) == 1:
        raise ValueError(
            f"batch_norm: Expected more than 1 value per channel when training, got input size {list(shape)}"
        )


def batch_norm_relu(
    input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, momentum: float, eps: float
) -> Any:
    """``relu(batch_norm(...))`` in training, in one pass; see ``batch_norm``.

    Shape:
        input (N, C, ...) -> the same.

    Raises:
        ValueError: one value a channel, whose variance is 0.
    """
    _check_several(input)
    return _batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps, BatchNormRelu)[0]


def _batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float,
    eps: float, op: type[Op] = BatchNorm,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The output, and the mean and biased variance used in training (else None)."""
    check_floating("batch_norm", input)
    if eps < 0 or (training and eps == 0):
        wanted = "positive during training" if training else "non-negative"
        raise ArgumentError(f"batch_norm: batch_norm eps must be {wanted}, but got {eps}")
    array = _raw(input)
    if not array.size:
        y = input * 1 if weight is None else input * weight[0]
        return y if bias is None else y + bias[0], None, None
    check_channels("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training:
        if running_mean is None or running_var is None:
            missing = "running_mean" if running_mean is None else "running_var"
            raise ShapeError(f"batch_norm: {missing} must be defined in evaluation mode")
        y = apply(FixedNorm, input, weight, bias, _raw(running_mean), _raw(running_var), eps=eps)
        return y, None, None
    y, mean, variance = apply(op, input, weight, bias, eps=eps)
    count = array.size // array.shape[1]
    if running_mean is not None:
        update_running(running_mean, mean, momentum)
    if running_var is not None:
        update_running(running_var, variance, momentum, count / max(count - 1, 1))
    return y, mean, variance


def native_batch_norm(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps:
    float, *, out: Any = None,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """``batch_norm`` with the batch's mean and ``1 / sqrt(var + eps)``, which are empty outside of training."""
    y, mean, variance = _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    if mean is None:
        kind = np.dtype("float64") if _raw(input).dtype == "float64" else np.dtype("float32")
        xp = array_module(_raw(input))
        mean, rstd = (wrap(xp.empty(0, kind)) for _ in range(2))
    else:
        rstd = wrap(1 / np.sqrt(_raw(variance) + eps))
    found = statistics_as(input, (y, mean, rstd), weight, bias, running_mean, running_var)
    return found if out is None else into(out, found)


def statistics_as(input: Any, found: tuple[Any, Any, Any], *parameters: Any) -> tuple[Any, Any, Any]:
    """Statistics of 16-bit inputs in their dtype, unless a parameter is kept in float32."""
    if not isinstance(input, Tensor) or input.array.dtype not in dtypes.HALF:
        return found
    if any(isinstance(p, Tensor) and p.dtype != input.dtype for p in parameters):
        return found
    return found[0], cast(found[1], input.dtype), cast(found[2], input.dtype)


def batch_norm_plain(
    input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps:
    float,
    cudnn_enabled: bool = True,
) -> Any:  # fmt: skip
    """``batch_norm`` in the argument order that PyTorch has at the top level."""
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]
