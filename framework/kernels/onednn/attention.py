"""Scaled dot-product attention by oneDNN: products of strided heads, softmax in place, blocks of scores in cache.

Queries, keys and values are read where a projection left them, (B, L, H, D) in memory, and the output and the gradients
come in the same order, so that neither taking heads apart nor merging them copies anything. Where the probabilities
take no more memory than queries, keys, values and output together (up to 4 * D keys), the backward pass finds them
kept; else it computes them again.

Measured on two threads of a 2-core EPYC, milliseconds forward and with gradients, beside the generic kernel and
PyTorch 2.13: 8 x 3 heads of 197 x 64 1.9 and 5.0 (4.2 and 13, PyTorch 4.8 and 64); 2 x 8 heads of 1024 x 64, causal, 20
and 66 (50 and 154, PyTorch 42 and 78), not causal 30 and 104 (67 and 220, PyTorch 28 and 103). 16 x 12 heads of
128 x 32 with dropout, the mask drawn before: 4.7 and 12. The first gain is at 2**17 multiplications a product: 2 x 4 heads
of 32 x 16 take 42 microseconds instead of 80, 8 heads of 16 x 32, at 2**16, 39 instead of 26.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from framework.kernels.generic.attention import drawn, head_blocks, left_scale, room_for_gradient, side_by_side
from framework.kernels.generic.attention import keep_mask as keep_mask
from framework.kernels.onednn import library as api
from framework.kernels.onednn.conversion import same_half, store, to
from framework.kernels.onednn.gemm import _operand
from framework.kernels.onednn.library import library
from framework.kernels.onednn.plans import FLOAT32, SIZES, Plan, address, kind_of, planned, strides_of

NAME = "onednn"
WORTH = 1 << 17  # multiplications of one product from which on oneDNN is the faster
BLOCK = 1 << 22  # scores in a block: 16 MiB; with 1 MiB all takes a third longer
CAUSAL_ROWS = 128  # query rows in a block of causal attention, which computes no scores to the right of its last row

Index = tuple[tuple[slice, ...], slice, slice]


def declines(q: Any, k: Any, v: Any, **params: Any) -> str | None:
    """None if it can serve this attention, else why not."""
    if kind_of(q, k, v) != "float32" and not same_half(q, k, v):
        return "not NumPy arrays of float32 or of a 16-bit type"
    if q.size * k.shape[-2] < WORTH or not v.size:
        return "too small to be worth calls of oneDNN"
    return None


def forward(
    q: Any, k: Any, v: Any, bias: Any, causal: bool, scale: float, dropout: float, generator: Any, differentiable: bool
) -> Any:
    """``dropout(softmax(q @ k.T * scale + bias)) @ v``, and what ``backward`` needs of it; see the generic kernel.

    Returns:
        The output, and the probabilities of each block, or None where ``backward`` is to compute them again, with the
        mask of what dropout left.
    """
    if q.itemsize == 2:
        kind, (q, k, v) = q.dtype, (to(x, FLOAT32) for x in (q, k, v))
        out, found = forward(q, k, v, bias, causal, scale, dropout, generator, differentiable)
        return to(out, kind), found
    mask = keep = drawn(q, k, dropout, generator)
    out = np.empty_like(q, shape=(*q.shape[:-1], v.shape[-1]))
    scores = q.size // q.shape[-1] * k.shape[-2]
    kept: Any = [] if differentiable and scores <= q.size + k.size + v.size + out.size else None
    lead, queries, keys = q.shape[:-2], q.shape[-2], k.shape[-2]
    q, k, v, bias, keep = (_narrow(x) for x in (q, k, v, bias, keep))
    q = np.multiply(q, FLOAT32.type(scale))
    for heads, rows, columns in _blocks(lead, queries, keys, causal):
        p = _probabilities(q, k, bias, causal, heads, rows, columns, lead)
        if kept is not None:
            kept.append(p)
        if keep is not None:
            p = _masked(p, keep, heads, rows, columns, p if kept is None else np.empty_like(p))
        _product(p, _cut(v, heads, columns), out[(*heads, rows)])
    if keep is not None:
        out *= FLOAT32.type(left_scale(dropout))
    return out, (kept, mask)


def backward(
    g: Any, q: Any, k: Any, v: Any, out: Any, kept: Any, bias: Any, causal: bool, scale: float, dropout: float,
    bias_gradient: bool
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """The gradients of q, k, v and (if asked for) of the bias before broadcasting, from the output's gradient."""
    if q.itemsize == 2:
        return _half_backward(g, q, k, v, out, kept, bias, causal, scale, dropout, bias_gradient)
    (kept, keep), keep_scale = kept, left_scale(dropout)
    lead, queries, keys = q.shape[:-2], q.shape[-2], k.shape[-2]
    dq, dk, dv = _side_by_side(q, k, v) or (room_for_gradient(np, x, FLOAT32) for x in (q, k, v))
    db = np.zeros((*lead, queries, keys), FLOAT32) if bias_gradient else None
    if causal and queries < keys:
        dk[..., queries:, :] = dv[..., queries:, :] = 0
    q, k, v, bias, keep = (_narrow(x) for x in (q, k, v, bias, keep))
    scaled_q = np.multiply(q, FLOAT32.type(scale)) if kept is None else q
    # gradients of scores are wanted times the scale, that of the bias without it
    scaled_g = np.multiply(g, FLOAT32.type(keep_scale if bias_gradient else scale * keep_scale))
    blocks = list(_blocks(lead, queries, keys, causal))
    for place in range(len(blocks) - 1, -1, -1):  # the last rows see all keys, and the others' gradients are added
        heads, rows, columns = blocks[place]
        p = _probabilities(scaled_q, k, bias, causal, heads, rows, columns, lead) if kept is None else kept[place]
        dy, first = g[(*heads, rows)], rows.stop == queries
        ds = np.empty_like(p)
        left = p if keep is None else _masked(p, keep, heads, rows, columns, ds)
        _product(left.swapaxes(-1, -2), dy, dv[(*heads, columns)], not first)
        _product(scaled_g[(*heads, rows)], _cut(v, heads, columns).swapaxes(-1, -2), ds)
        if keep is not None:
            _masked(ds, keep, heads, rows, columns, ds)
        _softmax_backward(p.size // p.shape[-1], p.shape[-1]).run(ds, p, ds)
        if db is not None:
            db[(*heads, rows, columns)] = ds
            ds *= FLOAT32.type(scale)
        _product(ds, _cut(k, heads, columns), dq[(*heads, rows)])
        _product(ds.swapaxes(-1, -2), _cut(q, heads, rows), dk[(*heads, columns)], not first)
    if keep is not None:
        dv *= FLOAT32.type(keep_scale)
    return dq, dk, dv, db


def _half_backward(g: Any, q: Any, k: Any, v: Any, *rest: Any) -> Any:
    """The gradients of 16-bit inputs, computed in float32."""
    *found, db = backward(*[to(x, FLOAT32) for x in (g, q, k, v)], *rest)
    rooms = _side_by_side(q, k, v) or tuple([room_for_gradient(np, x, x.dtype) for x in (q, k, v)])
    for room, gradient in zip(rooms, found, strict=True):
        store(room, gradient)
    return (*rooms, db)


def _blocks(lead: tuple[int, ...], queries: int, keys: int, causal: bool) -> Iterator[Index]:
    """Indices (leading, query rows, key columns) of blocks of whole heads, or of some rows of them."""
    rows = min(queries, max(BLOCK // keys, 1))
    rows = min(rows, CAUSAL_ROWS) if causal else rows
    return head_blocks(lead, queries, keys, causal, rows, BLOCK)


def _narrow(x: Any) -> Any:
    """One entry of each leading dim that was broadcast: oneDNN broadcasts these itself."""
    if x is None or 0 not in x.strides:
        return x
    return x[tuple(slice(0, 1) if step == 0 else slice(None) for step in x.strides[:-2])]


def _cut(x: Any, heads: tuple[slice, ...], *inner: slice) -> Any:
    """A block of an array whose leading dims may have been narrowed."""
    return x[tuple(s if n > 1 else slice(None) for s, n in zip((*heads, *inner), x.shape))]


def _probabilities(
    q: Any, k: Any, bias: Any, causal: bool, heads: tuple[slice, ...], rows: slice, columns: slice,
    lead: tuple[int, ...],
) -> Any:  # fmt: skip
    """The softmax of a block's scores; 0 in rows where no key takes part."""
    shape = tuple(len(range(*s.indices(n))) for s, n in zip(heads, lead, strict=True))
    p = np.empty((*shape, rows.stop - rows.start, columns.stop), FLOAT32)
    _product(_cut(q, heads, rows), _cut(k, heads, columns).swapaxes(-1, -2), p)
    none = None
    if bias is not None or causal:
        added = None
        if bias is not None:
            added = _cut(bias, heads, rows, columns)
            added = np.where(added, FLOAT32.type(0), FLOAT32.type(-np.inf)) if added.dtype.kind == "b" else added
        if causal:
            hidden = np.arange(columns.stop) > np.arange(rows.start, rows.stop)[:, None]
            hidden = np.where(hidden, FLOAT32.type(-np.inf), FLOAT32.type(0)).reshape((1,) * len(lead) + hidden.shape)
            added = hidden if added is None else added + hidden
        added = np.ascontiguousarray(added, FLOAT32)
        _add(p.shape, added.shape).run(p, added, p)
        if bias is not None:
            none = added.max(axis=-1, keepdims=True) == -np.inf
    _softmax(p.size // p.shape[-1], p.shape[-1]).run(p, p)
    if none is not None and none.any():
        np.copyto(p, 0, where=none)
    return p


def _masked(p: Any, keep: Any, heads: tuple[slice, ...], rows: slice, columns: slice, out: Any) -> Any:
    """``p`` where dropout leaves it, else 0, into ``out``."""
    part = np.ascontiguousarray(_cut(keep, heads, rows, columns))
    _mask(p.shape, part.shape).run(p, part, out)
    return out


def _side_by_side(q: Any, k: Any, v: Any) -> Any:
    return side_by_side(np, q, k, v, (address(q) or 0, address(k) or 0, address(v) or 0))


def _product(a: Any, b: Any, out: Any, add: bool = False) -> None:
    """``a @ b`` into an array of any strides, or added to what it holds."""
    a, b = (_operand(x if _walks_forward(x) else np.ascontiguousarray(x)) for x in (a, b))
    _matmul(a.shape, a.strides, b.shape, b.strides, out.shape, out.strides, add).run(a, b, out)


def _walks_forward(x: Any) -> bool:
    """Whether no step between elements is negative or 0, as in flipped and in broadcast arrays."""
    return min(x.strides) > 0 or all(step > 0 or length == 1 for step, length in zip(x.strides, x.shape, strict=True))


@planned
def _matmul(
    a: tuple[int, ...], a_strides: tuple[int, ...], b: tuple[int, ...], b_strides: tuple[int, ...],
    out: tuple[int, ...], out_strides: tuple[int, ...], add: bool,
) -> Plan:  # fmt: skip
    layouts = [_strided(shape, steps) for shape, steps in ((a, a_strides), (b, b_strides), (out, out_strides))]
    post_ops = (("sum",),) if add else ()
    return Plan("matmul", (*layouts[:2], None, layouts[2]), (api.SRC, api.WEIGHTS, api.DST), post_ops)


def _strided(shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """The layout of an array; a dim of length 1, whose step means nothing, gets one that fits among the others."""
    steps = [step // SIZES["float32"] for step in strides]
    if shape[-1] == 1:
        steps[-1] = 1
    if shape[-2] == 1:
        steps[-2] = shape[-1] * steps[-1]
    span = max(step * length for step, length in zip(steps, shape, strict=True))
    steps[:-2] = [span if length == 1 else step for step, length in zip(steps[:-2], shape[:-2], strict=True)]
    return library().layout(shape, "float32", tuple(steps))


def _dense(shape: tuple[int, ...], kind: str = "float32") -> Any:
    return library().layout(shape, kind, strides_of(shape))


@planned
def _add(shape: tuple[int, ...], added: tuple[int, ...]) -> Plan:
    whole = _dense(shape)
    return Plan("binary", (api.BINARY["add"], whole, _dense(added), whole), (api.SRC, api.SRC_1, api.DST))


@planned
def _mask(shape: tuple[int, ...], mask: tuple[int, ...]) -> Plan:
    whole = _dense(shape)
    return Plan("binary", (api.BINARY["mul"], whole, _dense(mask, "uint8"), whole), (api.SRC, api.SRC_1, api.DST))


@planned
def _softmax(rows: int, columns: int) -> Plan:
    whole = _dense((rows, columns))
    return Plan("softmax_forward", (api.FORWARD_TRAINING, api.SOFTMAX, whole, whole, 1), (api.SRC, api.DST))


@planned
def _softmax_backward(rows: int, columns: int) -> Plan:
    whole, kinds = _dense((rows, columns)), (api.DIFF_DST, api.DST, api.DIFF_SRC)
    hint = _softmax(rows, columns)
    return Plan("softmax_backward", (api.SOFTMAX, whole, whole, whole, 1), kinds, hint=hint, forward=False)
