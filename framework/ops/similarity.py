"""Similarities and distances of vectors along a dim, and vectors scaled to length 1."""

from __future__ import annotations

from typing import Any

from framework.autograd.autocast import recast, region
from framework.errors import DtypeError
from framework.ops.casting import cast, into, result_type
from framework.ops.norms import norm, vector_norm
from framework.ops.selection import clamp_min


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """Vectors along ``dim`` divided by their ``p``-norm, or by ``eps`` if that is greater."""
    y = input / clamp_min(norm(input, p, dim, keepdim=True), eps)
    return y if out is None else into(out, y)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along ``dim``; both inputs broadcast.

    Args:
        eps: the least length that a vector is divided by.
    """
    if region() is not None:
        return recast(cosine_similarity, locals())
    kind = result_type(x1, x2)
    if not (kind.is_floating_point or kind.is_complex):
        raise DtypeError(f"cosine_similarity: expected common dtype to be floating point, yet common dtype is {kind}")
    shape = _broadcast(x1, x2)
    x1, x2 = (cast(x, kind).expand(shape) for x in (x1, x2))
    return (_unit(x1, dim, eps) * _unit(x2, dim, eps)).sum(dim)


def _broadcast(x1: Any, x2: Any) -> tuple[int, ...]:
    from framework.ops.dims import broadcast_shapes

    return broadcast_shapes(x1.shape, x2.shape)


def _unit(x: Any, dim: int, eps: float) -> Any:
    length = vector_norm(x, 2, dim, keepdim=True)
    # the gradient is that of the length itself, also where eps stands in for it
    return x / (length + (clamp_min(length.detach(), eps) - length.detach()))


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The ``p``-norm of ``x1 - x2 + eps`` along the last dim; both inputs broadcast.

    Args:
        eps: keeps the gradient finite where both are equal.
    """
    return norm(x1 - x2 + eps, p, -1, keepdim)
