"""Distances between vectors: of two tensors, of all pairs of two sets, of all pairs within one."""

from __future__ import annotations

from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.dims import broadcast_shapes
from framework.ops.norms import vector_norm
from framework.ops.reduction import plain, restore_axes, sum, widened

MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


class EuclideanPairs(Op):
    """The Euclidean distance of each row of ``a`` (..., p, m) from each row of ``b`` (..., r, m): (..., p, r).

    By ``|a|**2 + |b|**2 - 2 a.b`` if ``by_products``, which is fast and loses digits where rows are close.
    """

    broadcasts = True

    def forward(self, a: Any, b: Any, by_products: bool) -> Any:
        xp = array_module(a)
        wa, wb = widened(a), widened(b)
        if by_products:
            squares = (wa * wa).sum(-1)[..., :, None] + (wb * wb).sum(-1)[..., None, :] - 2 * (wa @ wb.swapaxes(-1, -2))
            y = xp.sqrt(xp.maximum(squares, 0))
        else:
            gaps = wa[..., :, None, :] - wb[..., None, :, :]
            y = xp.sqrt(xp.einsum("...k,...k->...", gaps, gaps))
        y = y.astype(a.dtype)
        self.save(a, b, y)
        return y

    def backward(self, g: Any) -> Any:
        from framework.ops.matmul import matmul
        from framework.ops.selection import where

        a, b, y = self.saved
        zero = plain(y) == 0
        ratio = where(zero, 0, g / where(zero, 1, y))
        ga = gb = None
        if self.needs[0]:
            ga = restore_axes(sum(ratio, -1), (ratio.ndim - 1,), False) * a - matmul(ratio, b)
        if self.needs[1]:
            turned = ratio.swapaxes(-1, -2)
            gb = restore_axes(sum(turned, -1), (ratio.ndim - 1,), False) * b - matmul(turned, a)
        return ga, gb


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Any:
    """The p-norm distance of each row of ``x1`` from each row of ``x2``.

    Args:
        p: 0 or more, ``inf`` included.
        compute_mode: whether p = 2 goes by a matrix product, which is fast and less exact where rows are close:
            "use_mm_for_euclid_dist_if_necessary" (from 26 rows on), "use_mm_for_euclid_dist" (always), or
            "donot_use_mm_for_euclid_dist" (never).

    Shape:
        x1 (..., p, m), x2 (..., r, m) -> (..., p, r), the leading dims broadcasting.
    """
    if region() is not None:
        return recast(cdist, locals())
    for number, x in ((1, x1), (2, x2)):
        if plain(x).dtype.kind in "biuc":
            raise DtypeError(f"cdist only supports floating-point dtypes, X{number} got: {plain(x).dtype}")
        if x.ndim < 2:
            raise ShapeError(f"cdist: X{number} expects at least 2 dimensions, got shape {tuple(x.shape)}")
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: X1 and X2 must have the same number of columns, got {x1.shape[-1]} and {x2.shape[-1]}"
        )
    if p < 0:
        raise ArgumentError(f"cdist only supports non-negative p values, got {p}")
    if compute_mode not in MODES:
        raise ArgumentError(f"cdist: compute_mode must be one of {', '.join(MODES)}, got {compute_mode!r}")
    batch = broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    rows, columns, width = x1.shape[-2], x2.shape[-2], x1.shape[-1]
    if p == 2:
        by_products = compute_mode == MODES[1] or (compute_mode == MODES[0] and (rows > 25 or columns > 25))
        return apply(EuclideanPairs, x1, x2, by_products=by_products)
    gaps = x1.reshape((*x1.shape[:-1], 1, width)) - x2.reshape((*x2.shape[:-2], 1, columns, width))
    if width == 0:
        return sum(gaps, -1).reshape((*batch, rows, columns))
    return vector_norm(gaps, p, -1)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of ``input - other``, which broadcast: a 0-d tensor."""
    if region() is not None:
        return recast(dist, locals())
    difference = input - other
    if plain(difference).dtype.kind in "biu":
        raise DtypeError(f"dist: input dtype should be either floating point or complex, got {difference.dtype}")
    return vector_norm(difference, p)


def pdist(input: Any, p: float = 2.0) -> Any:
    """The p-norm distances of all pairs of rows, (0, 1), (0, 2), ... (1, 2), ... in this order.

    Shape:
        (n, m) -> (n * (n - 1) / 2).
    """
    if region() is not None:
        return recast(pdist, locals())
    if input.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if plain(input).dtype.kind in "biuc":
        raise DtypeError(f"pdist only supports floating-point dtypes, got {plain(input).dtype}")
    if p < 0:
        raise ArgumentError(f"pdist only supports non-negative p values, got {p}")
    xp = array_module(plain(input))
    first, second = xp.nonzero(~xp.tri(input.shape[0], dtype=bool))
    gaps = input[first] - input[second]
    return vector_norm(gaps, p, -1) if input.shape[1] else sum(gaps, -1)
