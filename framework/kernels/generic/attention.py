"""Scaled dot-product attention, block by block, so that scores live in cache and never all at once in memory.

The forward pass keeps one number a query row, the logarithm of its softmax denominator; the backward pass computes the
scores again from it.

Reference: https://arxiv.org/abs/2205.14135 (FlashAttention), whose recomputation this follows on any array library.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.kernels.generic.softmax import sum_along
from framework.kernels.registry import choose

NAME = "generic"

BLOCK = 1 << 18  # scores in a block: 1 MiB of float32
SMALL = 1 << 16  # multiplications of one product up to which the calls of NumPy are what takes the time


def declines(q: Any, k: Any, v: Any, **params: Any) -> None:
    """It serves every call."""


def forward(
    q: Any, k: Any, v: Any, bias: Any, causal: bool, scale: float, dropout: float, generator: Any, differentiable: bool
) -> Any:
    """``dropout(softmax(q @ k.T * scale + bias)) @ v``, and what ``backward`` needs of it.

    Args:
        q, k, v: (..., L, E), (..., S, E) and (..., S, D) with the same leading dims.
        bias: (..., L, S), expanded to the same leading dims: bool (True takes part) or a number to add; or None.
        causal: whether query i sees only the keys up to i.
        scale: multiplies the scores.
        dropout: the share of the probabilities to drop; the others are divided by ``1 - dropout``.
        generator: what draws them; may be None where nothing is dropped.
        differentiable: whether ``backward`` may be called.

    Returns:
        The output (..., L, D), and for ``backward`` the logarithm of each row's denominator (..., L, 1), +inf where no
        key takes part, with the mask of what dropout left.
    """
    xp = array_module(q)
    if xp is np and bias is None and not dropout and not differentiable and 0 < q.size * k.shape[-2] <= SMALL:
        return _small(xp, q, k, v, causal, scale), None
    keep, keep_scale = drawn(q, k, dropout, generator), left_scale(dropout)
    out = xp.empty_like(q, shape=(*q.shape[:-1], v.shape[-1]))
    wide = np.float32 if q.dtype in dtypes.HALF else q.dtype
    norm = xp.empty((*q.shape[:-1], 1), wide)
    for heads, rows, columns in _blocks(q, k, v, bias, keep, causal):
        s = _scores(xp, q, k, bias, causal, scale, heads, rows, columns)
        top = s.max(axis=-1, keepdims=True) if s.shape[-1] else xp.zeros((*s.shape[:-1], 1), wide)
        top = xp.where(xp.isfinite(top), top, 0)
        s -= top
        xp.exp(s, out=s)
        total = sum_along(s, -1)
        none = total == 0
        norm[(*heads, rows)] = xp.where(none, np.inf, top + xp.log(total))
        if keep is not None:
            s *= keep[(*heads, rows, columns)]
            total = total / keep_scale
        y = s @ _wide(v[(*heads, columns)], wide)
        y /= xp.where(none, 1, total).astype(wide)
        out[(*heads, rows)] = y
    return out, (norm, keep)


def drawn(q: Any, k: Any, dropout: float, generator: Any) -> Any:
    """A bool mask (..., L, S) of the probabilities that dropout leaves; None where it drops none."""
    if not dropout:
        return None
    return choose("dropout", q).keep_mask((*q.shape[:-1], k.shape[-2]), dropout, generator)


def left_scale(dropout: float) -> float:
    """What multiplies the probabilities that dropout leaves."""
    return 1 / (1 - dropout) if dropout < 1 else 0.0


def keep_mask(kept: Any) -> Any:
    """The mask of what dropout left, of what ``forward`` kept; None where it dropped nothing."""
    return kept[1]


def _small(xp: Any, q: Any, k: Any, v: Any, causal: bool, scale: float) -> Any:
    """The output alone in as few calls as can be: a step of decoding."""
    kind = q.dtype
    if kind in dtypes.HALF:
        q, k, v = (x.astype(np.float32) for x in (q, k, v))
    s = xp.matmul(q * q.dtype.type(scale), k.swapaxes(-1, -2))
    if causal and q.shape[-2] > 1:
        xp.copyto(s, -np.inf, where=xp.arange(k.shape[-2]) > xp.arange(q.shape[-2])[:, None])
    elif causal:
        s, v = s[..., :1], v[..., :1, :]
    s -= s.max(-1, None, True)
    xp.exp(s, s)
    s /= xp.add.reduce(s, -1, None, None, True)
    if q.shape[-2] == 1:
        y = xp.matmul(s, v)
    else:  # in the order of the queries' memory, so that the heads rejoin without a copy
        y = xp.empty_like(q, shape=(*q.shape[:-1], v.shape[-1]))
        xp.matmul(s, v, out=y)
    return y if y.dtype == kind else y.astype(kind)


def backward(
    g: Any, q: Any, k: Any, v: Any, out: Any, kept: Any, bias: Any, causal: bool, scale: float, dropout: float,
    bias_gradient: bool
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """The gradients of q, k, v and (if asked for) of the bias before broadcasting, from the output's gradient."""
    xp, (norm, keep), keep_scale = array_module(q), kept, left_scale(dropout)
    wide = norm.dtype
    dq, dk, dv = (room_for_gradient(xp, x, wide) for x in (q, k, v))
    dk[...] = dv[...] = 0
    db = xp.zeros((*q.shape[:-1], k.shape[-2]), wide) if bias_gradient else None
    for heads, rows, columns in _blocks(q, k, v, bias, keep, causal):
        p = _scores(xp, q, k, bias, causal, scale, heads, rows, columns)
        p -= norm[(*heads, rows)]
        xp.exp(p, out=p)
        dy = _wide(g[(*heads, rows)], wide)
        vb, kb = _wide(v[(*heads, columns)], wide), _wide(k[(*heads, columns)], wide)
        ds = dy @ vb.swapaxes(-1, -2)
        dropped = p
        if keep is not None:
            left = keep[(*heads, rows, columns)] * wide.type(keep_scale)
            ds *= left
            dropped = p * left
        if out.dtype == wide:
            ds -= sum_along(dy * out[(*heads, rows)], -1)
        else:  # a rounded output would cancel badly here
            ds -= sum_along(ds * p, -1)
        ds *= p
        if db is not None:
            db[(*heads, rows, columns)] = ds
        dq[(*heads, rows)] = (ds @ kb) * scale
        dk[(*heads, columns)] += ds.swapaxes(-1, -2) @ (_wide(q[(*heads, rows)], wide) * wide.type(scale))
        dv[(*heads, columns)] += dropped.swapaxes(-1, -2) @ dy
    return dq, dk, dv, db


def room_for_gradient(xp: Any, x: Any, kind: Any) -> Any:
    """An array like x in the order of x's memory. Of expanded keys that order would put the expanded axis innermost."""
    return xp.empty(x.shape, kind) if 0 in x.strides else xp.empty_like(x, dtype=kind)


def order_together(q: Any, k: Any, v: Any, places: tuple[int, int, int]) -> list[int] | None:
    """The order in memory of the axes (which of the three, then an array's own) of three arrays that one projection gave;
    None for others.

    Args:
        places: the addresses of the three arrays.
    """
    if q.shape != k.shape or q.shape != v.shape or q.strides != k.strides or q.strides != v.strides:
        return None
    step = places[1] - places[0]
    if step <= 0 or places[2] - places[1] != step:
        return None
    lengths, steps = (3, *q.shape), (step, *q.strides)
    order = sorted(range(len(steps)), key=lambda axis: -steps[axis])
    expected = q.itemsize
    for axis in reversed(order):
        if steps[axis] != expected:
            return None
        expected *= max(lengths[axis], 1)
    return order


def side_by_side(xp: Any, q: Any, k: Any, v: Any, places: tuple[int, int, int]) -> Any:
    """Arrays for the gradients of three arrays that one projection gave, together as these are; None for others."""
    order = order_together(q, k, v, places)
    if order is None:
        return None
    lengths = (3, *q.shape)
    return tuple(xp.empty([lengths[axis] for axis in order], q.dtype).transpose(np.argsort(order).tolist()))


def head_blocks(
    lead: tuple[int, ...], queries: int, keys: int, causal: bool, rows: int, block: int
) -> Iterator[tuple[tuple[slice, ...], slice, slice]]:
    """Indices (leading, query rows, key columns) of blocks of whole heads, or of some rows of them.

    Args:
        rows: query rows of a block at most.
        block: scores of a block at most, if that is not less than a row.
    """
    room = max(block // (rows * keys), 1)
    steps = []
    for length in reversed(lead):
        steps.append(min(length, room))
        room = max(room // length, 1)
    cuts = [
        [slice(start, min(start + step, length)) for start in range(0, length, step)]
        for length, step in zip(lead, reversed(steps), strict=True)
    ]
    for heads in itertools.product(*cuts):
        for start in range(0, queries, rows):
            stop = min(start + rows, queries)
            yield heads, slice(start, stop), slice(0, min(stop, keys) if causal else keys)


def _wide(x: Any, kind: Any) -> Any:
    return x if x.dtype == kind else x.astype(kind)


def _blocks(
    q: Any, k: Any, v: Any, bias: Any, keep: Any, causal: bool
) -> Iterator[tuple[tuple[Any, ...], slice, slice]]:
    """Indices (leading, query rows, key columns) of the blocks: some heads whole, or some rows of one head."""
    lead, queries, keys = q.shape[:-2], q.shape[-2], k.shape[-2]
    size = max(queries * keys, 1)
    heads = max(BLOCK // size, 1)
    rows = max(queries if size <= BLOCK else BLOCK // keys, 1)
    for outer in np.ndindex(lead[:-1]):
        for h in range(0, lead[-1], heads):
            for start in range(0, queries, rows):
                stop = min(start + rows, queries)
                seen = min(stop, keys) if causal else keys
                yield (*outer, slice(h, min(h + heads, lead[-1]))), slice(start, stop), slice(0, seen)


def _scores(
    xp: Any, q: Any, k: Any, bias: Any, causal: bool, scale: float, heads: tuple[Any, ...], rows: slice, columns: slice
) -> Any:
    wide = np.dtype(np.float32) if q.dtype in dtypes.HALF else q.dtype
    s = (_wide(q[(*heads, rows)], wide) * wide.type(scale)) @ _wide(k[(*heads, columns)], wide).swapaxes(-1, -2)
    if bias is not None:
        part = bias[(*heads, rows, columns)]
        if part.dtype.kind == "b":
            xp.copyto(s, -np.inf, where=~part)
        else:
            s += _wide(part, wide)
    if causal:
        hidden = xp.arange(columns.start, columns.stop) > xp.arange(rows.start, rows.stop)[:, None]
        xp.copyto(s, -np.inf, where=hidden)
    return s
