"""Scaled dot-product attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import devices
from framework.autograd.autocast import recast, region
from framework.autograd.composition import gradients_of
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.dims import broadcast_shapes
from framework.ops.matmul import matmul
from framework.ops.random import source
from framework.ops.selection import where
from framework.ops.softmax import softmax
from framework.tensor import Tensor


class Attention(Op):
    """``dropout(softmax(q @ k.T * scale + mask)) @ v`` over leading dims that broadcast."""

    name = "ScaledDotProductAttention"
    broadcasts = True

    def forward(
        self, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, dropout: float, lead: tuple[int, ...]
    ) -> Any:
        if (
            mask is None
            and not dropout
            and not any(self.needs)
            and q.shape[:-2] == k.shape[:-2] == v.shape[:-2] == lead
        ):
            return choose("attention", q, k, v).forward(q, k, v, None, causal, scale, 0.0, None, False)[0]
        self.causal, self.scale, self.dropout, self.lead = causal, scale, dropout, lead
        expanded, bias = self._expanded(q, k, v), self._bias(mask, q.shape[-2], k.shape[-2])
        differentiable = any(self.needs)
        self.kernel = choose(
            "attention", *expanded, bias=bias, causal=causal, dropout=dropout, differentiable=differentiable,
            bias_gradient=bool(self.needs[3])
        )  # fmt: skip
        generator = source(None, devices.of(q)) if dropout else None
        out, self.kept = self.kernel.forward(*expanded, bias, causal, scale, dropout, generator, differentiable)
        self.save(q, k, v, mask, out)
        return out

    def backward(self, g: Any) -> Any:
        q, k, v, mask, out = self.saved
        if isinstance(g, Tensor):
            return gradients_of(self._composition, (q, k, v, mask), g)
        bias = self._bias(mask, q.shape[-2], k.shape[-2])
        dq, dk, dv, db = self.kernel.backward(
            g, *self._expanded(q, k, v), out, self.kept, bias, self.causal, self.scale, self.dropout,
            bool(self.needs[3])
        )  # fmt: skip
        return dq, dk, dv, db

    def _expanded(self, *arrays: Any) -> Any:
        lead = self.lead
        if type(arrays[0]) is not np.ndarray:
            arrays = tuple([_own(x) for x in arrays])
        for x in arrays:
            if x.shape[:-2] != lead:
                break
        else:
            return arrays
        xp = array_module(arrays[0])
        return [xp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in arrays]

    def _bias(self, mask: Any, rows: int, columns: int) -> Any:
        if mask is not None and self.needs[3] and type(mask) is not np.ndarray:
            mask = _own(mask)
        return None if mask is None else array_module(mask).broadcast_to(mask, (*self.lead, rows, columns))

    def _composition(self, q: Any, k: Any, v: Any, mask: Any) -> Any:
        """The same attention in plain ops. A finite number stands for -inf, whose gradient would be nan."""
        scores = matmul(q * self.scale, k.swapaxes(-1, -2))
        array = scores.array
        never = -1e4 if array.dtype.itemsize < 4 else -1e30
        xp = array_module(array)
        seen = xp.ones(array.shape[-2:], bool)
        if mask is not None:
            plain = mask.array if isinstance(mask, Tensor) else mask
            if plain.dtype.kind == "b":
                seen = seen & plain
            else:
                seen = seen & (plain != -np.inf)
                scores = scores + where(plain != -np.inf, mask, 0.0)
        if self.causal:
            seen = seen & (xp.arange(array.shape[-1]) <= xp.arange(array.shape[-2])[:, None])
        weights = softmax(where(seen, scores, never), -1)
        weights = weights * seen.any(axis=-1, keepdims=True).astype(array.dtype)
        keep = self.kernel.keep_mask(self.kept) if self.dropout else None
        if keep is not None:
            weights = weights * (keep * array.dtype.type(1 / (1 - self.dropout) if self.dropout < 1 else 0.0))
        return matmul(weights, v)


def _own(x: Any) -> Any:
    """An array without repeated elements: to a GPU's kernels these are what this op broadcast, whose gradient is a sum."""
    repeated = [step for step, length in zip(x.strides, x.shape, strict=True) if not step and length > 1]
    return array_module(x).ascontiguousarray(x) if repeated else x


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False
) -> Any:  # fmt: skip
    """Each query's average of the values, weighted by ``softmax(query @ key.T * scale + mask)``.

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, D).
        attn_mask: broadcasts to (..., L, S): bool, True where a query may look, or numbers added to the scores. A query
            that may look nowhere gets 0.
        dropout_p: the share of the weights to drop. It applies whenever it is above 0: pass 0 when evaluating.
        is_causal: let query i look at the keys 0 to i only. Not together with ``attn_mask``.
        scale: ``1 / sqrt(E)`` unless given.
        enable_gqa: let groups of query heads (the third dim from the end) share a key and value head.

    Scores and sums of 16-bit inputs are computed in float32.

    Example:
        >>> y = scaled_dot_product_attention(q, k, v, is_causal=True)  # q, k, v: (batch, heads, length, head_dim)

    Reference: https://arxiv.org/abs/1706.03762
    """
    if region() is not None:
        return recast(scaled_dot_product_attention, locals())
    if attn_mask is None and not dropout_p and not enable_gqa and _fits(query, key, value):
        shape = query.array.shape
        factor = 1 / math.sqrt(shape[-1]) if scale is None else float(scale)
        return apply(
            Attention, query, key, value, None, causal=is_causal, scale=factor, dropout=0.0, lead=shape[:-2]
        )  # fmt: skip
    name = "scaled_dot_product_attention"
    _check(name, query, key, value)
    if not 0 <= dropout_p <= 1:
        raise ArgumentError(f"{name}: dropout_p must be between 0 and 1, got {dropout_p}")
    if attn_mask is not None:
        if is_causal:
            raise ArgumentError(
                f"{name}: attn_mask and is_causal can't be set together; add the causal part to attn_mask"
            )
        if attn_mask.array.dtype.kind != "b" and not attn_mask.dtype.is_floating_point:
            raise DtypeError(f"{name}: expected attn_mask to be bool or floating-point, got {attn_mask.dtype}")
        if attn_mask.array.dtype.kind != "b" and attn_mask.dtype != query.dtype and attn_mask.dtype.name != "float32":
            raise DtypeError(f"{name}: expected attn_mask of query's dtype {query.dtype}, got {attn_mask.dtype}")
    groups = 0
    if enable_gqa:
        query, key, value, attn_mask, groups = _grouped(name, query, key, value, attn_mask)
    single = query.ndim == 2 == key.ndim == value.ndim
    if single:
        query = query.unsqueeze(0)
    lead = _leading(name, query, key, value, attn_mask)
    factor = scale if scale is not None else 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    y = apply(
        Attention, query, key, value, attn_mask, causal=is_causal, scale=float(factor), dropout=float(dropout_p),
        lead=lead
    )  # fmt: skip
    if groups:
        return y.reshape(*y.shape[:-4], y.shape[-4] * y.shape[-3], *y.shape[-2:])
    return y.squeeze(0) if single else y


def _fits(query: Any, key: Any, value: Any) -> bool:
    """Whether ``Attention`` takes these tensors as they are: a short way past the checks."""
    if not isinstance(query, Tensor) or not isinstance(key, Tensor) or not isinstance(value, Tensor):
        return False
    q, k, v = query.array, key.array, value.array
    kind, a, b, c = q.dtype, q.shape, k.shape, v.shape
    if kind.kind != "f" or k.dtype is not kind or v.dtype is not kind:
        return False
    return len(a) > 2 and a[-1] == b[-1] > 0 and b[-2] == c[-2] and a[:-2] == b[:-2] == c[:-2]


def _shapes(query: Any, key: Any, value: Any) -> str:
    return f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"


def _check(name: str, *given: Any) -> None:
    """Refuse a query, key and value whose dtypes or last two dims do not fit."""
    query, key, value = given
    q, k, v = (getattr(t, "array", t) for t in given)
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ShapeError(
            f"{name}: all inputs must be at least 2 dimensional, (..., length, features); got {_shapes(*given)}"
        )
    if not q.dtype == k.dtype == v.dtype:
        raise DtypeError(
            f"{name}: expected query, key and value of one dtype, got {query.dtype}, {key.dtype} and {value.dtype}"
        )
    if q.dtype.kind != "f" and not query.dtype.is_floating_point:
        raise DtypeError(f"{name}: not implemented for {query.dtype} tensors; convert with .float()")
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"{name}: expected query (..., L, E), key (..., S, E) and value (..., S, D), got {_shapes(*given)}; the "
            "last dims of query and key, and the lengths of key and value must agree"
        )


def _leading(name: str, query: Any, key: Any, value: Any, mask: Any) -> tuple[int, ...]:
    """The leading dims that the inputs broadcast to."""
    q, k, v = (getattr(t, "array", t).shape for t in (query, key, value))
    if mask is None and q[:-2] == k[:-2] == v[:-2]:
        return q[:-2]  # type: ignore[no-any-return]
    try:
        lead = broadcast_shapes(q[:-2], k[:-2], v[:-2])
        if mask is not None:
            wanted = (*lead, q[-2], k[-2])
            if broadcast_shapes(mask.shape, wanted) != wanted:
                raise ShapeError("too large")
    except ShapeError:
        words = _shapes(query, key, value) + ("" if mask is None else f", attn_mask {tuple(mask.shape)}")
        raise ShapeError(
            f"{name}: the leading dims must broadcast, and attn_mask to (..., L, S); got {words}"
        ) from None
    return lead


def _grouped(name: str, query: Any, key: Any, value: Any, mask: Any) -> Any:
    """Query heads in groups, (..., key heads, group, L, E), beside keys and values with a group dim of 1."""
    if min(query.ndim, key.ndim, value.ndim) < 3 or key.shape[-3] != value.shape[-3] or query.shape[-3] % key.shape[-3]:
        raise ShapeError(
            f"{name}: enable_gqa expects (..., heads, length, features) with as many value heads as key heads, and a "
            f"multiple of them as query heads; got {_shapes(query, key, value)}"
        )
    heads = key.shape[-3]
    group = query.shape[-3] // heads
    query = query.reshape(*query.shape[:-3], heads, group, *query.shape[-2:])
    if mask is not None and mask.ndim >= 3:
        whole = mask.shape[-3] != 1
        mask = mask.reshape(*mask.shape[:-3], *((heads, group) if whole else (1, 1)), *mask.shape[-2:])
    return query, key.unsqueeze(-3), value.unsqueeze(-3), mask, group
