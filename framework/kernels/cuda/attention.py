"""Scaled dot-product attention on the GPU for what cuDNN's does not serve: float32 and float64, widths that it has no
kernels for, lengths that change with every call, and the one query of a step of decoding.

Scores are a product of matrices, by cuBLAS, and one launch makes probabilities of them in their place: scale, mask, order
and softmax in one pass, and dropout. They are in float32 at least, and as many at a time as ``BLOCK`` holds. As on the
CPU, probabilities that take no more memory than the rest are kept for the backward pass, else they are computed again.

One query, without a gradient, is one launch: each head's keys and values are read once, in their own type.

    Not yet run on a GPU: compiled, and compared with the generic kernels on the host (tests/gpu).
"""

from __future__ import annotations

import itertools
import math
from importlib import import_module
from typing import Any

import numpy as np

from framework.kernels.cuda.modules import CTYPES, FLOATS, blocks, kernel, real
from framework.kernels.cuda.tensors import struct
from framework.kernels.generic.attention import drawn, head_blocks, left_scale, room_for_gradient
from framework.kernels.generic.attention import keep_mask as keep_mask
from framework.kernels.registry import choose

NAME = "cuda"
BLOCK = 1 << 28  # scores in a block: 1 GiB of float32
ROOM = 45 << 10  # bytes of shared memory for one query's scores; the kernel has 2.5 KB of its own beside it, of 48
TOGETHER = 128  # threads of a block that several short rows share
SHARES = ((32, 4), (128, 4), (256, 16))  # threads of a row, and how many scores each of them keeps
REGISTERS = 64  # bytes of scores that a thread keeps at most
LONGEST = 512  # threads of a row that does not fit into registers
NULL = np.uint64(0)


def declines(q: Any, k: Any, v: Any, **params: Any) -> str | None:
    """None if it can serve this attention, else why not."""
    if q.dtype not in FLOATS:
        return f"there is no kernel for {q.dtype}"
    return None if q.size and k.size and v.size else "nothing to compute"


def forward(
    q: Any, k: Any, v: Any, bias: Any, causal: bool, scale: float, dropout: float, generator: Any, differentiable: bool
) -> Any:
    """``dropout(softmax(q @ k.T * scale + bias)) @ v``, and what ``backward`` needs of it; see the generic kernel.

    Returns:
        The output, and the probabilities of each block and what dropout left of them, or None where ``backward`` is to
        compute them again, with the mask of dropout.
    """
    if q.shape[-2] == 1 and not dropout and not differentiable:
        found = _one(q, k, v, bias, causal, scale)
        if found is not None:
            return found, None
    cupy, kind = import_module("cupy"), q.dtype
    keep = drawn(q, k, dropout, generator)
    out = cupy.empty_like(q, shape=(*q.shape[:-1], v.shape[-1]))
    q, k, v = (_wide(x) for x in (q, k, v))
    scores = q.size // q.shape[-1] * k.shape[-2]
    kept: Any = [] if differentiable and scores <= q.size + k.size + v.size + out.size else None
    for heads, rows in _blocks(q, k):
        p, left = _probabilities(q, k, bias, causal, scale, keep, left_scale(dropout), heads, rows, kept is not None)
        if kept is not None:
            kept.append((p, left))
        y = _product(left, v[heads])
        out[(*heads, rows)] = y if y.dtype == kind else y.astype(kind)
    return out, (kept, keep)


def backward(
    g: Any, q: Any, k: Any, v: Any, out: Any, kept: Any, bias: Any, causal: bool, scale: float, dropout: float,
    bias_gradient: bool
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """The gradients of q, k, v and (if asked for) of the bias before broadcasting, from the output's gradient."""
    cupy, (known, keep), keep_scale = import_module("cupy"), kept, left_scale(dropout)
    dq, dk, dv = (room_for_gradient(cupy, x, x.dtype) for x in (q, k, v))
    g, q, k, v = (_wide(x) for x in (g, q, k, v))
    db = cupy.empty((*q.shape[:-1], k.shape[-2]), q.dtype) if bias_gradient else None
    for place, (heads, rows) in enumerate(_blocks(q, k)):
        if known is None:
            p, left = _probabilities(q, k, bias, causal, scale, keep, keep_scale, heads, rows, True)
        else:
            p, left = known[place]
        dy = g[(*heads, rows)]
        _store(dv, heads, _product(left.swapaxes(-1, -2), dy), rows.start)
        ds = _product(dy, v[heads].swapaxes(-1, -2))
        _slopes(ds, p, keep, keep_scale, 1.0 if bias_gradient else scale, heads, rows)
        if db is not None:
            db[(*heads, rows)] = ds
            ds *= ds.dtype.type(scale)
        dq[(*heads, rows)] = _product(ds, k[heads])
        _store(dk, heads, _product(ds.swapaxes(-1, -2), q[(*heads, rows)]), rows.start)
    return dq, dk, dv, db


def _wide(x: Any) -> Any:
    return x.astype(real(x.dtype), copy=False)


def _product(a: Any, b: Any) -> Any:
    return choose("gemm", a, b).matmul(a, b)


def _store(room: Any, heads: tuple[slice, ...], part: Any, first: int) -> None:
    """Put a block's gradient where it belongs; that of later rows is added."""
    if first:
        room[heads] += part.astype(room.dtype, copy=False)
    else:
        room[heads] = part


def _blocks(q: Any, k: Any) -> Any:
    """Indices (heads, query rows) of blocks."""
    queries, keys = q.shape[-2], k.shape[-2]
    rows = min(queries, max(BLOCK // keys, 1))
    return [(heads, part) for heads, part, _ in head_blocks(q.shape[:-2], queries, keys, False, rows, BLOCK)]


def _mask(bias: Any, xp: Any) -> tuple[Any, Any, Any]:
    """A mask (..., L, S) as kernels take it, the array that it points to, and the C type of its elements."""
    kind = "bool" if bias is None else CTYPES[bias.dtype]
    if bias is None:
        return struct(np.zeros(5, np.int64)), None, kind
    size = bias.itemsize
    dims = _merged(bias.shape[:-2], bias.strides[:-2])
    if dims is None:
        bias = xp.ascontiguousarray(bias)
        dims = _merged(bias.shape[:-2], bias.strides[:-2])
    steps = [step // size for step in (*(dims or ()), *bias.strides[-2:])]
    return struct(np.array([bias.data.ptr, *steps], np.int64)), bias, kind


def _merged(lengths: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, int] | None:
    """The strides of all leading dims but the last as one, and of the last; None if they are not evenly apart."""
    outer = [(n, s) for n, s in zip(lengths[:-1], strides[:-1], strict=True) if n > 1]
    for (_, step), (length, inner) in itertools.pairwise(outer):
        if step != length * inner:
            return None
    return outer[-1][1] if outer else 0, strides[-1] if lengths[-1] > 1 else 0


def _share(keys: int, rows: int, kind: Any) -> tuple[int, tuple[int], tuple[int, int]]:
    """How many scores a thread keeps, the grid and the block."""
    for threads, held in SHARES:
        if keys <= threads * held and held * kind.itemsize <= REGISTERS:
            together = max(1, TOGETHER // threads)
            return held, (blocks(rows, together),), (threads, together)
    return 0, (rows,), (LONGEST, 1)


def _probabilities(
    q: Any, k: Any, bias: Any, causal: bool, scale: float, keep: Any, keep_scale: float, heads: tuple[slice, ...],
    rows: slice, apart: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """The softmax of a block's scores, 0 in rows where no key takes part, and what dropout leaves of it: the same array
    where nothing is dropped, or where they need not be ``apart``.
    """
    cupy = import_module("cupy")
    p = _product(q[(*heads, rows)], k[heads].swapaxes(-1, -2))
    lengths, keys = p.shape[:-2], p.shape[-1]
    count, kind = p.size // keys, real(p.dtype)
    mask, held, mask_kind = _mask(None if bias is None else bias[(*heads, rows)], cupy)
    flags = None if keep is None else cupy.ascontiguousarray(keep[(*heads, rows)])
    left = p if flags is None or not apart else cupy.empty_like(p)
    parts, grid, block = _share(keys, count, kind)
    arguments = (
        p, NULL if flags is None else left, NULL if flags is None else flags, mask, kind.type(scale),
        kind.type(keep_scale), np.int64(count), np.int32(lengths[-1]), np.int32(p.shape[-2]), np.int32(keys),
        np.int32(causal), np.int32(rows.start),
    )  # fmt: skip
    kernel("attention", "attention_softmax", T=CTYPES[p.dtype], B=mask_kind, K=parts)(grid, block, arguments)
    del held  # it has lived until the launch
    return p, left


def _slopes(
    ds: Any, p: Any, keep: Any, keep_scale: float, scale: float, heads: tuple[slice, ...], rows: slice
) -> None:  # fmt: skip
    """The gradient of a block's scores, in the place of that of its probabilities."""
    keys, kind = ds.shape[-1], real(ds.dtype)
    count = ds.size // keys
    flags = None if keep is None else import_module("cupy").ascontiguousarray(keep[(*heads, rows)])
    parts, grid, block = _share(keys, count, kind)
    arguments = (
        ds, p, NULL if flags is None else flags, kind.type(scale), kind.type(keep_scale), np.int64(count),
        np.int32(keys),
    )  # fmt: skip
    kernel("attention", "attention_softmax_gradient", T=CTYPES[ds.dtype], B="bool", K=parts)(grid, block, arguments)


def _one(q: Any, k: Any, v: Any, bias: Any, causal: bool, scale: float) -> Any:
    """The output of one query a head; None where its scores are too many for shared memory, or memory is uneven."""
    if causal:
        k, v, bias = k[..., :1, :], v[..., :1, :], None if bias is None else bias[..., :1]
    lead, keys, kind = q.shape[:-2], k.shape[-2], real(q.dtype)
    shared = (q.shape[-1] + keys) * kind.itemsize
    shapes = [_heads(x) for x in (q, k, v)]
    if shared > ROOM or any(steps is None for steps in shapes):
        return None
    cupy = import_module("cupy")
    out = cupy.empty((*lead, 1, v.shape[-1]), q.dtype)
    mask, held, mask_kind = _mask(bias, cupy)
    count = math.prod(lead)
    arguments = (
        out, q, k, v, *shapes, mask, kind.type(scale), np.int32(lead[-1]), np.int32(keys), np.int32(q.shape[-1]),
        np.int32(v.shape[-1]),
    )  # fmt: skip
    run = kernel("attention", "attend_one", T=CTYPES[q.dtype], B=mask_kind, K=0)
    run((count,), (256,), arguments, shared_mem=shared)
    del held
    return out


def _heads(x: Any) -> Any:
    """The steps of an array (..., rows, features), as kernels take them; None if its leading dims are uneven."""
    dims = _merged(x.shape[:-2], x.strides[:-2])
    if dims is None:
        return None
    return struct(np.array([step // x.itemsize for step in (*dims, *x.strides[-2:])], np.int64))
