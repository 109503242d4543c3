"""Losses between values of one shape: squared, absolute, Huber, divergence, likelihoods, cross-entropy of bits.

``reduction`` is "mean" (the default), "sum" or "none". Sums accumulate in at least float32.

Where PyTorch warns about operands of different shapes and broadcasts them, which turns a (N, 1) prediction and a (N,)
target into N x N pairs, these functions raise. A 0-d operand goes with every shape.
"""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.activation import logsigmoid
from framework.ops.casting import promote
from framework.ops.dims import broadcast_shapes
from framework.ops.exponential import log
from framework.ops.selection import where
from framework.tensor import Tensor


def reduction_of(name: str, size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction, also from the two flags that came before it in PyTorch's history.

    Raises:
        ArgumentError: it is none of "none", "mean" and "sum".
    """
    if size_average is not None or reduce is not None:
        if reduce is False:
            return "none"
        return "sum" if size_average is False else "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentError(f"{name}: {reduction!r} is not a valid value for reduction; use 'none', 'mean' or 'sum'")
    return reduction


def reduced(loss: Any, reduction: str) -> Any:
    """The loss of each element, or their mean or sum."""
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def check_same_shape(name: str, **tensors: Any) -> None:
    """Refuse operands that would only fit each other by broadcasting; a 0-d one always fits.

    Raises:
        ShapeError: two of the shapes differ.
    """
    shapes = {k: tuple(t.shape) for k, t in tensors.items() if t.ndim}
    if len(set(shapes.values())) > 1:
        listed = " and ".join(f"{k} {shape}" for k, shape in shapes.items())
        same_count = len({t.array.size for t in tensors.values() if t.ndim}) == 1
        hint = (
            "reshape one like the other, e.g. target.view_as(input)" if same_count else "expand one explicitly if meant"
        )
        raise ShapeError(f"{name}: expected operands of one shape, got {listed}; {hint}")


def check_floating(name: str, *tensors: Any) -> None:
    """Refuse integer and bool operands, of which no gradient exists."""
    for t in tensors:
        if not (t.dtype.is_floating_point or t.dtype.is_complex):
            raise DtypeError(f"{name}: not implemented for {t.dtype} tensors; convert with .float()")


def _weighted(name: str, loss: Any, input: Any, weight: Any, reduction: str, by_weight: bool = True) -> Any:
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != input.shape:
        raise ShapeError(
            f"{name}: weight and input must have the same size, got {tuple(weight.shape)} and {tuple(input.shape)}"
        )
    loss = loss * weight
    if reduction == "mean" and by_weight:
        return loss.sum() / weight.sum()
    return reduced(loss, reduction)


def mse_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    weight: Any = None
) -> Any:  # fmt: skip
    """The squared error ``(input - target)**2``.

    Args:
        weight: weights of the input's shape; "mean" then divides by their sum.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d (PyTorch warns and broadcasts).
    """
    if region() is not None:
        return recast(mse_loss, locals())
    reduction = reduction_of("mse_loss", size_average, reduce, reduction)
    check_same_shape("mse_loss", input=input, target=target)
    check_floating("mse_loss", input)
    return _weighted("mse_loss", (input - target).square(), input, weight, reduction)


def l1_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    weight: Any = None
) -> Any:  # fmt: skip
    """The absolute error ``|input - target|``.

    Args:
        weight: weights of the input's shape; "mean" then divides by their sum.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d (PyTorch warns and broadcasts).
    """
    if region() is not None:
        return recast(l1_loss, locals())
    reduction = reduction_of("l1_loss", size_average, reduce, reduction)
    check_same_shape("l1_loss", input=input, target=target)
    return _weighted("l1_loss", (input - target).abs(), input, weight, reduction)


def smooth_l1_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    beta: float = 1.0
) -> Any:  # fmt: skip
    """Squared below ``beta``, linear above: ``0.5 * d**2 / beta`` or ``d - beta / 2`` of ``d = |input - target|``.

    Args:
        beta: the error, at least 0, where the two meet; 0 gives the absolute error.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d (PyTorch warns and broadcasts).
    """
    if region() is not None:
        return recast(smooth_l1_loss, locals())
    reduction = reduction_of("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss: does not support negative values for beta, got {beta}")
    check_same_shape("smooth_l1_loss", input=input, target=target)
    check_floating("smooth_l1_loss", input, target)
    d = (input - target).abs()
    if beta == 0:
        return reduced(d, reduction)
    return reduced(where(d < beta, d.square() * (0.5 / beta), d - 0.5 * beta), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Squared up to ``delta``, linear above: ``0.5 * d**2`` or ``delta * (d - delta / 2)`` of ``d = |input - target|``.

    Args:
        delta: the error, above 0, where the two meet.
        weight: weights of the input's shape.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d (PyTorch warns and broadcasts).
    """
    if region() is not None:
        return recast(huber_loss, locals())
    reduction = reduction_of("huber_loss", None, None, reduction)
    if delta <= 0:
        raise ArgumentError(f"huber_loss: does not support non-positive values for delta, got {delta}")
    check_same_shape("huber_loss", input=input, target=target)
    check_floating("huber_loss", input, target)
    d = (input - target).abs()
    loss = where(d <= delta, d.square() * 0.5, (d - 0.5 * delta) * delta)
    return _weighted("huber_loss", loss, input, weight, reduction, by_weight=False)


def kl_div(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
    log_target: bool = False
) -> Any:  # fmt: skip
    """The Kullback-Leibler divergence of the distribution ``input``, given as log-probabilities, from ``target``.

    Each element counts ``target * (log(target) - input)``, and nothing where the target is 0.

    Args:
        reduction: also "batchmean", the sum over all divided by the length of dim 0: the divergence by its definition.
            "mean" divides by the number of elements, classes included.
        log_target: the target holds log-probabilities too.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d (PyTorch broadcasts).
    """
    if region() is not None:
        return recast(kl_div, locals())
    by_batch = reduction == "batchmean" and size_average is None and reduce is None
    reduction = reduction_of("kl_div", size_average, reduce, "sum" if by_batch else reduction)
    check_same_shape("kl_div", input=input, target=target)
    check_floating("kl_div", input)
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = target.xlogy(target) - target * input
    loss = reduced(loss, reduction)
    return loss / input.shape[0] if by_batch and input.ndim else loss


def poisson_nll_loss(
    input: Any, target: Any, log_input: bool = True, full: bool = False, size_average: bool | None = None,
    eps: float = 1e-8, reduce: bool | None = None, reduction: str = "mean"
) -> Any:  # fmt: skip
    """The negative log-likelihood of counts under a Poisson distribution.

    Args:
        input: the expected count, or its logarithm with ``log_input``.
        target: the observed counts.
        log_input: ``exp(input) - target * input`` if true, else ``input - target * log(input + eps)``.
        full: add Stirling's approximation of ``log(target!)`` where the target is above 1.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d (PyTorch broadcasts).
    """
    if region() is not None:
        return recast(poisson_nll_loss, locals())
    reduction = reduction_of("poisson_nll_loss", size_average, reduce, reduction)
    check_same_shape("poisson_nll_loss", input=input, target=target)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        above = where(target > 1, target, 1)
        stirling = above * above.log() - above + 0.5 * (2 * math.pi * above).log()
        loss = loss + where(target > 1, stirling, stirling * 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """The negative log-likelihood of ``target`` under Gaussians: ``0.5 * (log(var) + (input - target)**2 / var)``.

    Args:
        input: the means.
        target: of the input's shape, or one of the two broadcasts to the other.
        var: the variances: of the input's shape, with a last dim of 1 or without it, or a number.
        full: add the constant ``0.5 * log(2 * pi)``.
        eps: variances below are raised to it; gradients pass as if they were not.

    Raises:
        ShapeError: input and target would both broadcast (PyTorch lets them), or ``var`` does not fit.
        ArgumentError: a variance is negative.
    """
    reduction = reduction_of("gaussian_nll_loss", None, None, reduction)
    whole = broadcast_shapes(input.shape, target.shape)
    if whole != input.shape and whole != target.shape:  # sharing values of one of them is documented, pairing is not
        check_same_shape("gaussian_nll_loss", input=input, target=target)
    if not isinstance(var, Tensor):
        var = input.detach() * 0 + float(var)
    if bool((var.array < 0).any()):
        raise ArgumentError("gaussian_nll_loss: var has negative entries; variances are at least 0")
    shape, given = tuple(input.shape), tuple(var.shape)
    if given != shape:
        if given == shape[:-1]:
            var = var.unsqueeze(-1)
        elif len(given) != len(shape) or sum(v for n, v in zip(shape, given, strict=True) if n != v) != 1:
            raise ShapeError(
                f"gaussian_nll_loss: var is of incorrect size {given} for input {shape}; it takes the input's shape, "
                "with one dim of length 1 or without the last"
            )
    at_least = var.detach().clamp(min=eps)
    var = var + (at_least - var.detach())
    loss = 0.5 * (var.log() + (input - target).square() / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


class BinaryCrossEntropy(Op):
    """``-(t * log(x) + (1 - t) * log(1 - x))`` with each logarithm at least -100."""

    def forward(self, x: Any, t: Any) -> Any:
        xp = array_module(x)
        self.save(x, t)
        wide = x.astype("float32") if x.dtype.itemsize < 4 else x
        t = t.astype(wide.dtype)
        loss = (t - 1) * xp.maximum(xp.log1p(-wide), -100) - t * xp.maximum(xp.log(wide), -100)
        return loss.astype(x.dtype)

    def backward(self, g: Any) -> Any:
        x, t = self.saved
        gx = gt = None
        if self.needs[0]:
            spread = (1 - x) * x
            gx = g * (x - t) / where(spread < 1e-12, 1e-12, spread)
        if self.needs[1]:
            gt = g * (log(1 - x) - log(x))
        return gx, gt


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean"
) -> Any:  # fmt: skip
    """The cross-entropy of probabilities: ``-(target * log(input) + (1 - target) * log(1 - input))``.

    Each logarithm is at least -100, so that a wrong certainty costs 100 and not infinity.

    Args:
        input: probabilities in [0, 1]; for unbounded scores use ``binary_cross_entropy_with_logits``.
        target: values in [0, 1], of the input's shape.
        weight: weights that broadcast to the input's shape.

    Raises:
        ShapeError: input and target differ in shape.
        ArgumentError: an input lies outside [0, 1].
    """
    if region() is not None:
        return recast(binary_cross_entropy, locals())
    name = "binary_cross_entropy"
    reduction = reduction_of(name, size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ShapeError(
            f"{name}: target has shape {tuple(target.shape)}, expected the input's {tuple(input.shape)}; "
            "reshape it, e.g. target.view_as(input)"
        )
    check_floating(name, input)
    if target.dtype != input.dtype:
        raise DtypeError(f"{name}: expected target of the input's dtype {input.dtype}, got {target.dtype}; convert it")
    x = input.array
    if x.size and not bool(((x >= 0) & (x <= 1)).all()):
        raise ArgumentError(
            f"{name}: all elements of input should be between 0 and 1, got {float(x.min())} to {float(x.max())}; "
            "apply sigmoid, or use binary_cross_entropy_with_logits"
        )
    loss = apply(BinaryCrossEntropy, input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean", pos_weight: Any = None
) -> Any:  # fmt: skip
    """Sigmoid and binary cross-entropy in one, without overflow.

    Args:
        input: scores before the sigmoid.
        target: values in [0, 1], of the input's shape.
        weight: weights that broadcast to the input's shape.
        pos_weight: weights of the positive part that broadcast to the input's shape, usually one a class.

    Raises:
        ShapeError: input and target differ in shape.
    """
    if region() is not None:
        return recast(binary_cross_entropy_with_logits, locals())
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(name, size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ShapeError(
            f"{name}: target size {tuple(target.shape)} must be the same as input size {tuple(input.shape)}; "
            "reshape it, e.g. target.view_as(input)"
        )
    check_floating(name, input)
    input, target = promote(input, target)
    negative = logsigmoid(input)
    if pos_weight is not None:
        negative = negative * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - negative
    return reduced(loss if weight is None else loss * weight, reduction)
