"""Losses of margins: ranking, hinge, embedding, triplet and multi-class margins.

Elementwise operands of different shapes raise, where PyTorch would broadcast some of them; a 0-d operand fits always.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.op import apply
from framework.devices import array_module
from framework.errors import ArgumentError, DimensionError, DtypeError, ShapeError
from framework.ops.activation import logsigmoid
from framework.ops.loss import check_floating, check_same_shape, reduced, reduction_of
from framework.ops.loss_classes import NllLoss, class_targets
from framework.ops.selection import where
from framework.ops.similarity import pairwise_distance


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean"
) -> Any:  # fmt: skip
    """``max(0, -target * (input1 - input2) + margin)``: ``input1`` should rank above ``input2`` where the target is 1.

    Args:
        target: 1 where ``input1`` should be the greater, -1 where the smaller.

    Raises:
        ShapeError: shapes differ and none of them is 0-d.
    """
    if region() is not None:
        return recast(margin_ranking_loss, locals())
    name = "margin_ranking_loss"
    reduction = reduction_of(name, size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            f"{name}: all input tensors should have the same number of dims, got {tuple(input1.shape)}, "
            f"{tuple(input2.shape)} and {tuple(target.shape)}"
        )
    check_same_shape(name, input1=input1, input2=input2, target=target)
    return reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean"
) -> Any:  # fmt: skip
    """The distance ``input`` itself where the target is 1, ``max(0, margin - input)`` where it is -1.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d.
    """
    if region() is not None:
        return recast(hinge_embedding_loss, locals())
    name = "hinge_embedding_loss"
    reduction = reduction_of(name, size_average, reduce, reduction)
    check_same_shape(name, input=input, target=target)
    check_floating(name, input)
    apart = where(target != 1, (margin - input).clamp(min=0), 0.0)
    return reduced(apart + where(target != -1, input, 0.0), reduction)


def soft_margin_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Any:
    """``log(1 + exp(-target * input))`` for targets 1 and -1.

    Raises:
        ShapeError: the shapes differ and neither operand is 0-d.
    """
    if region() is not None:
        return recast(soft_margin_loss, locals())
    reduction = reduction_of("soft_margin_loss", size_average, reduce, reduction)
    check_same_shape("soft_margin_loss", input=input, target=target)
    check_floating("soft_margin_loss", input)
    return reduced(-logsigmoid(target * input), reduction)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean"
) -> Any:  # fmt: skip
    """``1 - cos(input1, input2)`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    Args:
        input1, input2: (N, D), or (D,) with a 0-d target.
        target: (N,) of 1 and -1.
    """
    if region() is not None:
        return recast(cosine_embedding_loss, locals())
    name = "cosine_embedding_loss"
    reduction = reduction_of(name, size_average, reduce, reduction)
    if not (target.ndim in (0, 1) and target.ndim + 1 == input1.ndim == input2.ndim):
        raise ShapeError(
            f"{name}: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, (N, D) with a target "
            f"(N,) or (D,) with a 0-d one; got {tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    if input1.shape != input2.shape or (target.ndim and target.shape[0] != input1.shape[0]):
        raise ShapeError(
            f"{name}: expected inputs of one shape and a target for each row, got {tuple(input1.shape)}, "
            f"{tuple(input2.shape)} and {tuple(target.shape)}"
        )
    small = 1e-12
    product = (input1 * input2).sum(-1)
    norms = ((input1 * input1).sum(-1) + small) * ((input2 * input2).sum(-1) + small)
    cos = product / norms.sqrt()
    zero = cos * 0
    loss = where(target == 1, 1 - cos, zero) + where(target == -1, (cos - margin).clamp(min=0), zero)
    return reduced(loss, reduction)


def triplet_margin_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Any:  # fmt: skip
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)`` with the p-norm distance over the last dim.

    Args:
        anchor, positive, negative: (N, D) or (D,).
        margin: above 0.
        p: degree of the norm.
        eps: added to each difference, against the norm's kink at 0.
        swap: take the positive in the anchor's place where it is nearer to the negative.

    Reference: http://www.bmva.org/bmvc/2016/papers/paper119/index.html
    """
    if region() is not None:
        return recast(triplet_margin_loss, locals())
    reduction = reduction_of("triplet_margin_loss", size_average, reduce, reduction)
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda a, b: pairwise_distance(a, b, p, eps), margin=margin,
        swap=swap, reduction=reduction
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Any, positive: Any, negative: Any, *, distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean"
) -> Any:  # fmt: skip
    """``triplet_margin_loss`` with a distance of one's own; the Euclidean one unless given."""
    name = "triplet_margin_loss"
    reduction = reduction_of(name, None, None, reduction)
    if margin <= 0:
        raise ArgumentError(f"{name}: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            f"{name}: the anchor, positive and negative tensors are expected to have the same number of dims, got "
            f"{anchor.ndim}D, {positive.ndim}D and {negative.ndim}D"
        )
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + near - far).clamp(min=0), reduction)


def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, size_average: bool | None = None, reduce: bool | None = None,
    reduction: str = "mean"
) -> Any:  # fmt: skip
    """The binary cross-entropy of scores, averaged over the classes of each sample.

    Args:
        input: (N, C) or (C,) scores.
        target: 0 and 1, of the input's shape.
        weight: (C,) weight of each class.

    Raises:
        ShapeError: input and target differ in shape.
    """
    reduction = reduction_of("multilabel_soft_margin_loss", size_average, reduce, reduction)
    check_same_shape("multilabel_soft_margin_loss", input=input, target=target)
    check_floating("multilabel_soft_margin_loss", input)
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(loss.mean(-1), reduction)


def _rows(name: str, input: Any) -> Any:
    """The scores as (N, C). Unbatched ones become a batch of one."""
    if input.ndim > 2 or (input.ndim == 2 and input.shape[1] == 0) or (input.ndim < 2 and input.array.size == 0):
        raise ShapeError(
            f"{name}: expected non-empty vector or matrix with optional 0-dim batch size, (N, C) or (C,), got "
            f"{tuple(input.shape)}"
        )
    return input.reshape(1, -1) if input.ndim < 2 else input


def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: bool | None = None,
    reduce: bool | None = None, reduction: str = "mean"
) -> Any:  # fmt: skip
    """The multi-class hinge loss: the mean over classes ``j != t`` of ``max(0, margin - x[t] + x[j])**p``.

    Args:
        input: (N, C) or (C,) scores.
        target: (N,) or () class indices in [0, C - 1].
        p: 1 or 2.
        weight: (C,) weight of each class.
    """
    if region() is not None:
        return recast(multi_margin_loss, locals())
    name = "multi_margin_loss"
    reduction = reduction_of(name, size_average, reduce, reduction)
    check_floating(name, input)
    if p not in (1, 2):
        raise ArgumentError(f"{name}: only p == 1 and p == 2 are supported, got {p}")
    x = _rows(name, input)
    if target.ndim > 1 or target.array.size != x.shape[0]:
        raise ShapeError(
            f"{name}: inconsistent target size, expected {x.shape[0]} class indices for input {tuple(input.shape)}, "
            f"got {tuple(target.shape)}"
        )
    index, scale, _ = class_targets(name, x, target.reshape(-1), weight, -1 << 62)
    right = -apply(NllLoss, x, target=index, scale=1.0)  # (N,), the score of the right class
    xp = array_module(x.array)
    others = xp.ones(x.shape, x.array.dtype)
    others[xp.arange(len(index)), index] = 0
    gap = (margin - right.unsqueeze(1) + x).clamp(min=0)
    loss = ((gap if p == 1 else gap.square()) * others).sum(1) / x.shape[1]
    if weight is not None:
        loss = loss * scale
    if reduction == "none" and target.ndim == 0:
        return loss.reshape(())
    return reduced(loss, reduction)


def multilabel_margin_loss(
    input: Any, target: Any, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Any:
    """The multi-label hinge loss: ``max(0, 1 - (x[t] - x[j])) / C`` summed over labels ``t`` and other classes ``j``.

    Args:
        input: (N, C) or (C,) scores.
        target: of the input's shape: the class indices of each sample's labels, then -1; what follows -1 is not read.
    """
    if region() is not None:
        return recast(multilabel_margin_loss, locals())
    name = "multilabel_margin_loss"
    reduction = reduction_of(name, size_average, reduce, reduction)
    check_floating(name, input)
    x = _rows(name, input)
    if target.array.size != x.array.size or (target.ndim == 2) != (input.ndim == 2) or target.ndim > 2:
        raise ShapeError(
            f"{name}: inconsistent target size {tuple(target.shape)} for input {tuple(input.shape)}; they must be equal"
        )
    index = target.array.reshape(x.shape)
    if index.dtype.kind not in "iu":
        raise DtypeError(f"{name}: expected target of an integer dtype, got {target.dtype}")
    if input.ndim == 2 and index.shape != tuple(target.shape):
        raise ShapeError(f"{name}: inconsistent target size {tuple(target.shape)} for input {tuple(input.shape)}")
    xp = array_module(index)
    count, classes = x.shape
    listed = xp.cumsum(index < 0, axis=1) == 0  # before the first -1
    if bool((listed & (index >= classes)).any()):
        raise DimensionError(
            f"{name}: target class indices must be in [0, {classes - 1}] or -1, got {int(index.max())}"
        )
    is_label = xp.zeros((count, classes), bool)
    rows, places = xp.nonzero(listed)
    is_label[rows, index[rows, places]] = True
    gap = (1 - x[rows, index[rows, places]].unsqueeze(1) + x[rows]).clamp(min=0)  # (labels, C)
    gap = where(~is_label[rows], gap, 0.0).sum(1) / classes
    onehot = (xp.arange(count)[:, None] == rows).astype(x.array.dtype)  # (N, labels): sums a sample's labels
    loss = (gap * onehot).sum(1)
    if reduction == "none" and target.ndim < 2:
        return loss.reshape(())
    return reduced(loss, reduction)
