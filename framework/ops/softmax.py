"""Softmax and its relatives. All accumulate in at least float32 and return the input's dtype."""

from __future__ import annotations

import warnings
from typing import Any

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.errors import DtypeError
from framework.kernels import choose
from framework.ops.casting import cast, into
from framework.ops.creation import empty_like
from framework.ops.dims import normalize_dim, numpy_names
from framework.ops.exponential import exp, log
from framework.tensor import Tensor


class Softmax(Op):
    """``exp(x) / sum(exp(x))`` along an axis."""

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        if not x.ndim:
            y = x * 0 + 1
        else:
            self.kernel = choose("softmax", x, axis=axis)
            y = self.kernel.softmax(x, axis)
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        if not g.ndim:
            return g * 0
        if isinstance(g, Tensor):
            d = g * y
            return d - y * d.sum(self.axis, keepdim=True)
        return self.kernel.softmax_backward(g, y, self.axis)


class LogSoftmax(Op):
    """``x - log(sum(exp(x)))`` along an axis."""

    def forward(self, x: Any, axis: int) -> Any:
        self.axis = axis
        if not x.ndim:
            y = x * 0
        else:
            self.kernel = choose("softmax", x, axis=axis)
            y = self.kernel.log_softmax(x, axis)
        self.save(y)
        return y

    def backward(self, g: Any) -> Any:
        (y,) = self.saved
        if not g.ndim:
            return g * 0
        if isinstance(g, Tensor):
            return g - exp(y) * g.sum(self.axis, keepdim=True)
        return self.kernel.log_softmax_backward(g, y, self.axis)


def _call(op: type[Op], name: str, input: Any, dim: int | None, dtype: Any, stacklevel: Any, out: Any) -> Any:
    """Sort out PyTorch's two argument orders, ``(dim, dtype)`` and ``(dim, _stacklevel, dtype)``, and call the op."""
    if isinstance(dtype, int) or (dtype is None and isinstance(stacklevel, dtypes.dtype)):
        dtype = None if isinstance(stacklevel, int) else stacklevel
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"{name}: implicit dimension choice is deprecated; dim={dim} was taken for {input.ndim} dims: pass dim",
            stacklevel=3,
        )
    axis = normalize_dim(dim, input.ndim)
    if isinstance(input, Tensor):
        if dtype is not None:
            input = cast(input, dtypes.as_dtype(dtype))
        if not input.dtype.is_floating_point:
            raise DtypeError(
                f"{name}: not implemented for {input.dtype} tensors; pass dtype=framework.float32 or use .float()"
            )
    y = apply(op, input, axis=axis)
    return y if out is None else into(out, y)


@numpy_names
def softmax(input: Any, dim: int | None = None, dtype: Any = None, _stacklevel: Any = 3, *, out: Any = None) -> Any:
    """Values in (0, 1) that sum to 1 along ``dim``: ``exp(x) / sum(exp(x))``.

    Args:
        dim: the dim along which the results sum to 1. Left out, it is 0 for 0, 1 and 3 dims and else 1, with a warning.
        dtype: convert to this dtype first.
        _stacklevel: accepted, also in third place, for PyTorch's signature.

    Example:
        >>> framework.softmax(framework.tensor([0.0, 0.0]), dim=0)
        tensor([0.5000, 0.5000])
    """
    if region() is not None:
        return recast(softmax, locals())
    return _call(Softmax, "softmax", input, dim, dtype, _stacklevel, out)


@numpy_names
def log_softmax(input: Any, dim: int | None = None, dtype: Any = None, _stacklevel: Any = 3, *, out: Any = None) -> Any:
    """The logarithm of softmax along ``dim``, computed without overflow: ``x - log(sum(exp(x)))``.

    Args:
        dim: the dim that is normalized. Left out, it is 0 for 0, 1 and 3 dims and else 1, with a warning.
        dtype: convert to this dtype first.
        _stacklevel: accepted, also in third place, for PyTorch's signature.
    """
    if region() is not None:
        return recast(log_softmax, locals())
    return _call(LogSoftmax, "log_softmax", input, dim, dtype, _stacklevel, out)


def softmin(input: Any, dim: int | None = None, dtype: Any = None, _stacklevel: Any = 3) -> Any:
    """Softmax of ``-input`` along ``dim``: the smallest value takes the largest share."""
    if region() is not None:
        return recast(softmin, locals())
    return _call(Softmax, "softmin", -input, dim, dtype, _stacklevel, None)


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """A random, differentiable sample from the categories that ``logits`` describe (the Gumbel-softmax relaxation).

    Args:
        logits: (..., classes), unnormalized log-probabilities.
        tau: temperature; towards 0 the sample becomes one-hot.
        hard: give an exactly one-hot sample, with the soft sample's gradient.
        eps: accepted and unused, as in PyTorch.
        dim: the dim of the classes.

    Reference: https://arxiv.org/abs/1611.01144
    """
    gumbels = -log(empty_like(logits).exponential_())
    soft = softmax((logits + gumbels) / tau, dim)
    if not hard:
        return soft
    axis = normalize_dim(dim, soft.ndim)
    onehot = soft.detach() * 0
    if soft.ndim:
        onehot = onehot.scatter(axis, soft.detach().argmax(axis, keepdim=True), 1.0)
    else:
        onehot = onehot + 1
    return onehot - soft.detach() + soft
