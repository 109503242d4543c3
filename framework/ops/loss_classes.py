"""Losses of a choice among classes: cross-entropy and negative log-likelihood.

Targets are class indices of any integer dtype, or (cross-entropy) probabilities. Accumulates in at least float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.loss import reduction_of
from framework.ops.matmul import linear
from framework.ops.softmax import log_softmax
from framework.tensor import Tensor, wrap

INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)


class CrossEntropy(Op):
    """Softmax and negative log-likelihood in one. The second output, the probabilities, is there for the gradient."""

    place: Any = None  # in the plain case, where in the probabilities those of the targets are

    def forward(
        self, x: Any, target: Any, scale: Any = 1.0, smooth: Any = None, class_weight: Any = None,
        reduction: str = "mean", total: Any = 1.0, plain: Any = None
    ) -> Any:  # fmt: skip
        self.target, self.scale, self.smooth, self.class_weight = target, scale, smooth, class_weight
        self.each, self.total = (
            reduction == "none",
            _not_zero(total),
        )  # nothing counted: the loss is nan, its gradient 0
        self.kernel = choose("softmax", x, axis=1)
        recording = bool(self.needs[0])
        if target is None:
            loss, p, self.place = self.kernel.row_losses(x, plain, recording)
            loss = loss / x.dtype.type(total)
        else:
            loss, p = self.kernel.cross_entropy(x, target, scale, smooth, class_weight, recording)
            if not self.each:
                loss = loss.sum()
                loss = (
                    loss / (loss.dtype.type(total) if type(total) is float else total) if reduction == "mean" else loss
                )
            loss = loss.astype(x.dtype)
        if not recording:
            return loss
        self.save(p)
        return loss, p

    def backward(self, g: Any, gp: Any) -> Any:
        (p,) = self.saved
        if g is None:
            return _softmax_rule(self.kernel, gp, p)
        if isinstance(g, Tensor):
            d = self._dense(g, p)
        elif self.place is not None:
            d = self.kernel.row_losses_backward(p, self.place, p.dtype.type(g / self.total))
        else:
            wide = np.float32 if g.dtype in dtypes.HALF else g.dtype
            g = g.astype(wide) / self.total
            smooth = None if self.smooth is None else g * self.smooth
            d = self.kernel.cross_entropy_backward(p, self.target, g * self.scale, smooth, self.class_weight)
        return d if gp is None else d + _softmax_rule(self.kernel, gp, p)

    def _dense(self, g: Any, p: Any) -> Any:
        """The gradient in Tensors: its dependence on ``p`` and ``g`` is what a second derivative needs."""
        target = self.target if self.place is None else self.place % p.shape[1]
        parts = target, self.scale, self.smooth, self.class_weight
        xp = array_module(p.array)
        at_zero = self.kernel.cross_entropy_backward(xp.zeros_like(p.array), *parts)  # the rule is linear in p
        slope = self.kernel.cross_entropy_backward(xp.ones_like(p.array), *parts) - at_zero
        g = g.to(p.dtype) / (self.total if type(self.total) is float else wrap(self.total))
        g = g.unsqueeze(1) if self.each else g
        return p * (g * slope) + g * at_zero


def _not_zero(total: Any) -> Any:
    """A sum of weights to divide a gradient by: one instead of nought."""
    return total or 1.0 if type(total) is float else array_module(total).where(total == 0, 1, total)


def _softmax_rule(kernel: Any, gp: Any, p: Any) -> Any:
    if isinstance(gp, Tensor):
        d = gp * p
        return d - p * d.sum(1, keepdim=True)
    return kernel.softmax_backward(gp, p, 1)


class NllLoss(Op):
    """``-scale * x[n, target[n]]`` for each sample."""

    def forward(self, x: Any, target: Any, scale: Any) -> Any:
        self.shape, self.target, self.scale = x.shape, target, scale
        return (choose("softmax", x).pick(x, target) * -scale).astype(x.dtype)

    def backward(self, g: Any) -> Any:
        return apply(NllLossBackward, g, shape=self.shape, target=self.target, scale=self.scale)


class NllLossBackward(Op):
    """``NllLoss`` transposed: each sample's value at its class, zeros elsewhere."""

    def forward(self, g: Any, shape: tuple[int, ...], target: Any, scale: Any) -> Any:
        self.target, self.scale = target, scale
        xp = array_module(g)
        d = xp.zeros(shape, g.dtype)
        xp.put_along_axis(d, target[:, None], (g * -scale).astype(g.dtype)[:, None], 1)
        return d

    def backward(self, g: Any) -> Any:
        return apply(NllLoss, g, target=self.target, scale=self.scale)


def class_targets(name: str, input: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """Check class indices; return them, the ignored ones in range, each sample's weight (1.0 for all) and their sum."""
    classes = input.shape[1]
    if not isinstance(target, Tensor):
        raise TypeError(f"{name}(): argument 'target' must be Tensor, not {type(target).__name__}")
    index = target.array
    xp = array_module(index)
    expected = (input.shape[0], *input.shape[2:])
    if index.shape != expected:
        raise ShapeError(
            f"{name}: expected target with shape {tuple(expected)} for input with shape {tuple(input.shape)} "
            f"(batch, classes, ...), got {tuple(index.shape)}"
        )
    if index.dtype.kind not in "iu":
        raise DtypeError(
            f"{name}: expected class indices of an integer dtype, got {target.dtype}; convert with .long()"
            + (f", or give probabilities of the input's shape {tuple(input.shape)}" if name == "cross_entropy" else "")
        )
    if xp is not np:
        return _unread_targets(name, input, index, weight, ignore_index)
    valid = None
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= classes or low <= ignore_index <= high:
            valid = index != ignore_index
            wrong = valid & ((index < 0) | (index >= classes))
            if bool(wrong.any()):
                raise DimensionError(
                    f"{name}: Target {int(index[wrong][0])} is out of bounds: expected class indices in "
                    f"[0, {classes - 1}] for input with shape {tuple(input.shape)}, or ignore_index={ignore_index}"
                )
            index = xp.where(valid, index, 0)
    index = index.astype(np.intp)
    if weight is None:
        if valid is None:
            return index, 1.0, float(index.size)
        scale = valid.astype(_accumulator(input))
    else:
        _check_class_weight(name, weight, classes)
        scale = weight.array.astype(_accumulator(input))[index]
        scale = scale if valid is None else scale * valid
    return index, scale, float(scale.sum())


def _unread_targets(name: str, input: Any, index: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """``class_targets`` of a GPU, which the host does not wait for: an index out of range makes the loss nan instead.

    The sum of the weights stays on the GPU, too.
    """
    xp, kind = array_module(index), _accumulator(input)
    safe = index.clip(0, input.shape[1] - 1)
    scale = xp.where(index == ignore_index, 0.0, xp.where(index == safe, 1.0, np.nan)).astype(kind)
    safe = safe.astype(np.intp)
    if weight is not None:
        _check_class_weight(name, weight, input.shape[1])
        scale *= weight.array.astype(kind)[safe]
    return safe, scale, scale.sum()


def _check_class_weight(name: str, weight: Any, classes: int) -> None:
    if weight.ndim != 1 or weight.shape[0] != classes:
        raise ShapeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes, got shape "
            f"{tuple(weight.shape)}"
        )


def _accumulator(input: Any) -> np.dtype[Any]:
    kind = input.array.dtype
    return np.dtype(np.float32) if kind in dtypes.HALF else kind


def _check_scores(name: str, input: Any) -> None:
    if input.ndim < 1:
        raise ShapeError(
            f"{name}: expected input with at least 1 dim, (classes,) or (batch, classes, ...), got a 0-d one"
        )
    if not input.dtype.is_floating_point:
        raise DtypeError(f"{name}: not implemented for {input.dtype} tensors; convert input with .float()")


def nll_loss(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
    reduce: bool | None = None, reduction: str = "mean"
) -> Any:  # fmt: skip
    """The negative log-likelihood of class indices, from log-probabilities: ``-weight[t] * input[n, t]``.

    Args:
        input: (C,), (N, C) or (N, C, d1, ...) log-probabilities, as ``log_softmax`` gives.
        target: (), (N,) or (N, d1, ...) class indices in [0, C - 1].
        weight: (C,) weight of each class; "mean" divides by the weights of the samples' classes.
        ignore_index: a target value that counts for nothing.

    Raises:
        DimensionError: an index is out of range.
    """
    if region() is not None:
        return recast(nll_loss, locals())
    reduction = reduction_of("nll_loss", size_average, reduce, reduction)
    _check_scores("nll_loss", input)
    if single := input.ndim == 1:
        input, target = input.unsqueeze(0), _as_batch("nll_loss", target)
    index, scale, total = class_targets("nll_loss", input, target, weight, ignore_index)
    loss = apply(NllLoss, input, target=index, scale=scale)
    if reduction == "none":
        return loss.squeeze(0) if single else loss
    loss = loss.sum()
    if reduction == "sum":
        return loss
    if type(total) is float:
        return loss / total if total else loss * float("nan")
    return loss / wrap(total.astype(loss.array.dtype))


def _as_batch(name: str, target: Any) -> Any:
    if target.ndim == 1 and target.shape[0] == 1:
        return target
    if target.ndim:
        raise ShapeError(f"{name}: expected a 0-d target for an input of shape (classes,), got {tuple(target.shape)}")
    return target.unsqueeze(0)


def cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, ignore_index: int = -100,
    reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> Any:  # fmt: skip
    """The cross-entropy between scores and classes: ``-log(softmax(input))`` at the target's class.

    Args:
        input: (C,), (N, C) or (N, C, d1, ...) scores (logits).
        target: (), (N,) or (N, d1, ...) class indices in [0, C - 1], of any integer dtype; or probabilities of the
            input's shape.
        weight: (C,) weight of each class; "mean" over class indices divides by the weights of the samples' classes.
        ignore_index: a class index that counts for nothing.
        label_smoothing: in [0, 1], the share of the target that is spread evenly over all classes.

    Raises:
        DimensionError: an index is out of range.

    Example:
        >>> loss = framework.nn.functional.cross_entropy(model(images), labels, label_smoothing=0.1)
    """
    if region() is not None:
        return recast(cross_entropy, locals())
    name = "cross_entropy"
    reduction = reduction_of(name, size_average, reduce, reduction)
    _check_scores(name, input)
    if weight is None and not label_smoothing and reduction != "none" and _is_plain(input, target, ignore_index):
        total = float(target.array.size) if reduction == "mean" else 1.0
        out = apply(CrossEntropy, input, target=None, plain=target.array, total=total)
        return out[0] if type(out) is tuple else out
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"{name}: label_smoothing must be between 0.0 and 1.0, got {label_smoothing}")
    if input.shape == target.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    if single := input.ndim == 1:
        input, target = input.unsqueeze(0), _as_batch(name, target)
    index, scale, total = class_targets(name, input, target, weight, ignore_index)
    smooth = class_weight = None
    if label_smoothing:
        if weight is not None:
            class_weight = weight.array.astype(scale.dtype).reshape(1, -1, *(1,) * (input.ndim - 2))
            smooth = (target.array != ignore_index) * scale.dtype.type(label_smoothing / input.shape[1])
        else:
            smooth = scale * (label_smoothing / input.shape[1])
        scale = scale * (1 - label_smoothing)
    out = apply(
        CrossEntropy, input, target=index, scale=scale, smooth=smooth, class_weight=class_weight, reduction=reduction,
        total=total if reduction == "mean" else 1.0
    )  # fmt: skip
    loss = out[0] if type(out) is tuple else out
    return loss.squeeze(0) if single and reduction == "none" else loss


def _is_plain(input: Any, target: Any, ignore_index: int) -> bool:
    """Whether these are contiguous rows of scores and indices in range: what a classifier's loss mostly is."""
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        return False
    x, index = input.array, target.array
    return (
        x.ndim == 2
        and index.ndim == 1
        and index.dtype == INT64
        and x.shape[0] == index.size > 0
        and type(x) is np.ndarray is type(index)
        and x.dtype.char in "fd"
        and x.flags.c_contiguous
        and ignore_index < 0
        and int(np.maximum.reduce(index.view(UINT64))) < x.shape[1]  # a negative index is a huge one
    )


def _soft_cross_entropy(
    input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> Any:
    if not target.dtype.is_floating_point:
        raise DtypeError(
            f"cross_entropy: a target of the input's shape {tuple(input.shape)} holds class probabilities and must be "
            f"floating-point, got {target.dtype}; class indices have shape {(*input.shape[:1], *input.shape[2:])}"
        )
    if ignore_index >= 0:
        raise ArgumentError("cross_entropy: ignore_index is not supported for class probabilities")
    axis = 0 if input.ndim == 1 else 1
    classes = input.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    loss = log_softmax(input, axis) * target
    if weight is not None:
        _check_class_weight("cross_entropy", weight, classes)
        loss = loss * weight.reshape((1,) * axis + (-1,) + (1,) * (input.ndim - axis - 1))
    if reduction == "none":
        return -loss.sum(axis)
    loss = -loss.sum()
    return loss if reduction == "sum" else loss / (input.array.size / classes if classes else 0.0)


def linear_cross_entropy(
    input: Any, linear_weight: Any, target: Any, *, linear_bias: Any = None, weight: Any = None,
    reduction: str = "mean", ignore_index: int | None = None, label_smoothing: float = 0.0, options: Any = None
) -> Any:  # fmt: skip
    """``cross_entropy(linear(input, linear_weight, linear_bias), target, ...)``, the head of a classifier in one call.

    Args:
        input: (in_features,) or (N, in_features).
        linear_weight: (C, in_features), or (C, d1, ..., in_features) for a loss over (N, C, d1, ...).
        target: class indices or probabilities, as ``cross_entropy`` takes them.
        linear_bias: (C,) or (C, d1, ...).
        ignore_index: a class index that counts for nothing; None for -100. Not with probabilities.
        options: accepted for PyTorch's signature; the scores are computed whole.
    """
    name = "linear_cross_entropy"
    if input.ndim not in (1, 2):
        raise ShapeError(f"{name}: expected input with dimensionality 1 or 2, got shape {tuple(input.shape)}")
    if linear_weight.ndim < 2:
        raise ShapeError(f"{name}: expected linear_weight with at least 2 dims, got shape {tuple(linear_weight.shape)}")
    if input.shape[-1] != linear_weight.shape[-1]:
        raise ShapeError(
            f"{name}: expected equal input and linear_weight last dimensions (in_features), got {tuple(input.shape)} "
            f"and {tuple(linear_weight.shape)}"
        )
    outer = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != outer:
        raise ShapeError(f"{name}: expected linear_bias shape {outer}, got {tuple(linear_bias.shape)}")
    if len(outer) > 1 and input.ndim == 1:
        raise ShapeError(
            f"{name}: a linear_weight of shape {tuple(linear_weight.shape)} needs batched input "
            f"(N, {input.shape[-1]}), got {tuple(input.shape)}"
        )
    shape = (*input.shape[:-1], *outer)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise ArgumentError(f"{name}: ignore_index cannot be specified when target contains probabilities")
    rows = linear_weight.reshape(-1, input.shape[-1]) if len(outer) > 1 else linear_weight
    bias = linear_bias.reshape(-1) if linear_bias is not None and len(outer) > 1 else linear_bias
    return cross_entropy(
        linear(input, rows, bias).reshape(shape), target, weight=weight, reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index, label_smoothing=label_smoothing
    )  # fmt: skip
