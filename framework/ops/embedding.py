"""Rows of a table looked up by index, one by one or summed over bags."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.autograd.views import bump
from framework.devices import array_module
from framework.errors import ArgumentError, BoundsError, DtypeError, ShapeError
from framework.kernels import choose
from framework.kernels.generic.runs import last_of
from framework.ops.gather import gather, index_add
from framework.tensor import Tensor, wrap


class Embedding(Op):
    """Rows of the weight. ``skip`` is a row without a gradient, -1 for none; ``by_count`` divides by occurrences."""

    def forward(self, weight: Any, indices: Any, skip: int, by_count: bool) -> Any:
        self.params = {"indices": indices, "rows": weight.shape[0], "skip": skip, "by_count": by_count}
        return weight[indices]

    def backward(self, g: Any) -> Any:
        return apply(EmbeddingGradient, g, **self.params)


class EmbeddingGradient(Op):
    """The gradient of the weight: each row the sum of the gradients of its uses."""

    name = "EmbeddingDenseBackward"

    def forward(self, g: Any, indices: Any, rows: int, skip: int, by_count: bool) -> Any:
        xp = array_module(g)
        shape = (rows, *g.shape[indices.ndim :])
        flat, values = indices.reshape(-1), g.reshape((indices.size, *shape[1:]))
        self.indices, self.shape, self.scale = indices, g.shape, None
        if skip >= 0:
            self.scale = (flat != skip).astype(g.dtype)
        if by_count:
            counts = xp.bincount(flat, minlength=rows)[flat].astype(g.dtype)
            self.scale = 1 / counts if self.scale is None else self.scale / counts
        if self.scale is not None:
            values = values * self.scale.astype(g.dtype)[:, None]
        return choose("scatter", values).embedding_gradient(values, flat, rows)

    def backward(self, gg: Any) -> Any:
        y = apply(Embedding, gg, indices=self.indices, skip=-1, by_count=False)
        if self.scale is None:
            return y
        scale = self.scale.astype(self.scale.dtype).reshape((*self.indices.shape, 1))
        return y * (wrap(scale) if isinstance(y, Tensor) else scale)


def _indices(name: str, input: Any, rows: int) -> Any:
    """The index array, checked against the number of rows; on a GPU unread, for the host does not wait for it."""
    array = input.array if isinstance(input, Tensor) else input
    if array.dtype.kind != "i" or array.itemsize < 4:
        raise DtypeError(
            f"{name}: expected indices of dtype int64 or int32, got {dtypes.of(array)}; convert them with .long()"
        )
    if array_module(array) is np and array.size:
        low, high = (array.item(),) * 2 if array.size == 1 else (int(array.min()), int(array.max()))
        if low < 0 or high >= rows:
            raise BoundsError(
                f"{name}: index out of range in self: indices span [{low}, {high}], the weight has {rows} rows"
            )
    return array


def _padding_row(name: str, padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return -1
    if not -rows <= padding_idx < rows:
        raise ArgumentError(f"{name}: padding_idx must be within num_embeddings: {padding_idx} for {rows} rows")
    return padding_idx % rows


def embedding_renorm_(input: Tensor, indices: Any, max_norm: float, norm_type: float = 2.0) -> Tensor:
    """Scale the indexed rows whose ``norm_type``-norm exceeds ``max_norm`` down to it, in place, outside autograd."""
    array = input.array
    xp = array_module(array)
    used = xp.unique(indices.array if isinstance(indices, Tensor) else indices)
    rows = array[used].astype(np.float32) if array.dtype in dtypes.HALF else array[used]
    sizes = xp.linalg.norm(rows, ord=norm_type, axis=1)
    long = sizes > max_norm
    if bool(long.any()):
        array[used[long]] = (rows[long] * (max_norm / (sizes[long] + 1e-7))[:, None]).astype(array.dtype)
        bump(input, "embedding_renorm_")
    return input


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of ``weight`` at the indices ``input``.

    Args:
        input: int64 or int32, any shape.
        weight: (rows, features).
        padding_idx: a row that gets no gradient.
        max_norm: scale looked-up rows down to this norm first, in ``weight`` itself.
        norm_type: which norm that is.
        scale_grad_by_freq: divide a row's gradient by how often it was looked up.
        sparse: accepted; gradients are dense.

    Shape:
        input (...) -> (..., features).
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got shape {tuple(weight.shape)}")
    skip = _padding_row("embedding", padding_idx, weight.shape[0])
    indices = _indices("embedding", input, weight.shape[0])
    if max_norm is not None:
        embedding_renorm_(weight, indices, max_norm, norm_type)
    return apply(Embedding, weight, indices=indices, skip=skip, by_count=scale_grad_by_freq)


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Sums, means or maxima of rows of ``weight`` over bags of indices; 0 for an empty bag.

    Args:
        input: (bags, length) for bags of one length, or (total,) with ``offsets``.
        weight: (rows, features).
        offsets: where each bag begins in a 1-d ``input``; the first is 0.
        mode: "sum", "mean" or "max".
        per_sample_weights: of the input's shape, multiplies each row; "sum" only.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: an index that is left out of its bag.
        max_norm, norm_type, scale_grad_by_freq, sparse: as for ``embedding``.

    Shape:
        (bags, features).
    """
    flat, starts, scales = _bags(
        input, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights, include_last_offset
    )
    if weight.ndim != 2:
        raise ShapeError(f"embedding_bag: 'weight' must be 2-D, got shape {tuple(weight.shape)}")
    rows = weight.shape[0]
    skip = _padding_row("embedding_bag", padding_idx, rows)
    indices = _indices("embedding_bag", flat, rows)
    xp = array_module(indices)
    if max_norm is not None:
        embedding_renorm_(weight, indices, max_norm, norm_type)
    bags = len(starts) - 1
    owner = (
        xp.searchsorted(starts, xp.arange(int(starts[-1])), side="right") - 1
    )  # an array of repeats is NumPy's alone
    indices = indices[: len(owner)]
    if scales is not None:
        scales = scales[: len(owner)]
    if skip >= 0:
        kept = xp.flatnonzero(indices != skip)
        indices, owner = indices[kept], owner[kept]
        scales = None if scales is None else scales[wrap(kept)]
    looked_up = apply(Embedding, weight, indices=indices, skip=-1, by_count=scale_grad_by_freq)
    if mode == "max":
        return _maximum(looked_up, owner, bags)
    dtype = looked_up.dtype
    if dtype in (dtypes.float16, dtypes.bfloat16):  # added up in float32
        looked_up = looked_up.float()
    if scales is not None:
        looked_up = looked_up * scales.to(looked_up.dtype).unsqueeze(-1)
    total = wrap(xp.zeros((bags, weight.shape[1]), looked_up.array.dtype))
    total = index_add(total, 0, wrap(owner), looked_up)
    if mode == "mean":
        counts = xp.maximum(xp.bincount(owner, minlength=bags), 1)[:, None]
        total = total / wrap(counts.astype(total.array.dtype))
    return total.to(dtype)


def _maximum(rows: Tensor, owner: Any, bags: int) -> Tensor:
    """The greatest value of each feature in each bag; its gradient goes to the first row that has it."""
    values = rows.array
    xp = array_module(values)
    out = wrap(xp.zeros((bags, values.shape[1]), values.dtype))
    if not values.size:
        return out + rows.sum()
    starts = xp.flatnonzero(xp.concatenate((xp.ones(1, bool), owner[1:] != owner[:-1])))
    wide = values.astype(np.float32) if values.dtype in dtypes.HALF else values
    greatest = last_of(xp.maximum, owner, starts, wide)
    group = xp.cumsum(xp.concatenate((xp.zeros(1, bool), owner[1:] != owner[:-1])))
    places = xp.where(wide == greatest[group], xp.arange(len(owner))[:, None], len(owner))
    first = xp.minimum(last_of(xp.minimum, owner, starts, places), len(owner) - 1)
    return index_add(out, 0, wrap(owner[starts]), gather(rows, 0, wrap(first)))


def _bags(
    input: Any, offsets: Any, mode: str, by_count: bool, sparse: bool, scales: Any, include_last: bool
) -> tuple[Any, Any, Any]:
    """The indices in a row, where each bag begins and the last ends, and the weights in a row."""
    if scales is not None and tuple(scales.shape) != tuple(input.shape):
        raise ArgumentError(
            f"embedding_bag: if per_sample_weights ({tuple(scales.shape)}) is not None, then it must have the same "
            f"shape as the input ({tuple(input.shape)})"
        )
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f"embedding_bag: mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max" and (by_count or sparse):
        what = "scale_grad_by_freq" if by_count else "sparse gradients"
        raise ArgumentError(f"embedding_bag: max mode does not support {what}")
    if scales is not None and mode != "sum":
        raise NotImplementedError(
            f"embedding_bag: per_sample_weights is only supported for mode='sum' (got mode={mode!r})"
        )
    array = input.array if isinstance(input, Tensor) else input
    xp = array_module(array)
    if array.ndim == 2:
        if offsets is not None:
            raise ArgumentError(
                "embedding_bag: if input is 2D, then offsets has to be None, as input is treated as bags of one "
                f"length; got offsets of type {type(offsets).__name__}"
            )
        count, length = array.shape
        scales = None if scales is None else scales.reshape((-1,)) if scales.numel() else scales.reshape((0,))
        return array.reshape(-1), xp.arange(count + 1) * length, scales
    if array.ndim != 1:
        raise ArgumentError(f"embedding_bag: input has to be 1D or 2D Tensor, but got Tensor of dimension {array.ndim}")
    if offsets is None:
        raise ArgumentError("embedding_bag: offsets has to be a 1D Tensor but got None")
    starts = offsets.array if isinstance(offsets, Tensor) else offsets
    if starts.ndim != 1:
        raise ArgumentError("embedding_bag: offsets has to be a 1D Tensor")
    if starts.dtype not in (np.int64, np.int32):
        raise DtypeError(f"embedding_bag: expected offsets of dtype int64 or int32, got {dtypes.of(starts)}")
    if include_last and not len(starts):
        raise ArgumentError("embedding_bag: include_last_offset: number of offsets should be at least 1")
    if len(starts) and int(starts[0]) != 0:
        raise ArgumentError(f"embedding_bag: offsets[0] has to be 0, the first bag starts there; got {int(starts[0])}")
    if len(starts) and int(starts[-1]) > len(array):
        raise ArgumentError(
            f"embedding_bag: offsets[-1] can not be greater than input's length {len(array)}; got {int(starts[-1])}"
        )
    if not include_last:
        starts = xp.concatenate((starts, xp.asarray([len(array)], starts.dtype)))
    if bool((xp.diff(starts) < 0).any()):
        raise ArgumentError("embedding_bag: offsets must not decrease")
    return array, starts, scales
