"""Clipping of gradients by their common norm or by value."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from framework.autograd.mode import no_grad
from framework.autograd.views import bump
from framework.errors import ArgumentError
from framework.kernels import choose
from framework.ops.joining import stack
from framework.ops.norms import vector_norm
from framework.ops.values import tensor
from framework.tensor import Tensor, wrap

Tensors = Tensor | Iterable[Tensor]


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all tensors seen as one vector, 0-d.

    Args:
        norm_type: which norm; ``inf`` for the greatest absolute value.
        error_if_nonfinite: raise if it is nan or infinite.
        foreach: accepted for PyTorch's signature.
    """
    listed, norm_type = _listed(tensors), float(norm_type)
    if not listed:
        return tensor(0.0)
    total = _length(listed) if norm_type == 2.0 else None
    if total is None:
        with no_grad():
            where = listed[0].device
            total = vector_norm(stack([vector_norm(t, norm_type).to(where) for t in listed]), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise ArgumentError(
            f"get_total_norm: the total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped; pass error_if_nonfinite=False to scale by it anyway"
        )
    return total


def clip_grads_with_norm_(parameters: Tensors, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scale the gradients of parameters, in place, so that ``total_norm`` would become at most ``max_norm``."""
    grads = [p.grad for p in _listed(parameters) if p.grad is not None]
    with no_grad():
        arrays = [g.array for g in grads]
        known = isinstance(total_norm, Tensor) and arrays and len({id(g) for g in grads}) == len(grads)
        if known and choose("clipping", *arrays).clip(arrays, total_norm.array, float(max_norm)):
            for g in grads:
                bump(g, "clip_grad_norm_")
            return
        coefficient = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        if coefficient.device.type == "cpu" and coefficient.item() == 1:
            return
        for g in grads:
            g.mul_(coefficient.to(g.device))


def _length(tensors: list[Tensor]) -> Tensor | None:
    """The Euclidean norm of tensors seen as one vector, by the kernel for it; None if that leaves them to the ops."""
    arrays = [t.array for t in tensors]
    found = choose("clipping", *arrays).length(arrays)
    return None if found is None else wrap(found)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of parameters, in place, so that their common norm is at most ``max_norm``.

    Returns:
        The norm before clipping.

    Example:
        >>> loss.backward()
        >>> nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        >>> optimizer.step()
    """
    listed = _listed(parameters)
    if isinstance(parameters, types.GeneratorType) and not listed:
        warnings.warn("clip_grad_norm_: `parameters` is an empty generator, no gradient is clipped", stacklevel=2)
    total = get_total_norm([p.grad for p in listed if p.grad is not None], norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(listed, max_norm, total, foreach)
    return total


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients of parameters to ``[-clip_value, clip_value]``, in place."""
    limit = float(clip_value)
    with no_grad():
        for p in _listed(parameters):
            if p.grad is not None:
                p.grad.clamp_(-limit, limit)


clip_grad_norm = clip_grad_norm_
