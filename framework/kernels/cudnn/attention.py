"""Scaled dot-product attention by cuDNN: one kernel forward and one backward, scores never in memory; float16, bfloat16.

Queries, keys and values are read where a projection left them, (B, L, H, E) in memory or any other order, and the output
and the gradients come in the same order, beside one another if the three were; so taking heads apart and merging them
copies nothing. Query heads in groups share a key's and value's head, which is not repeated.

A mask is a number added to each score, as small as the mask was before it was broadcast. What no query may see gets a
large negative number, not -inf: a row of which nothing is left must not become nan. The output of such a row is zeroed
after, and its statistic made infinite, which takes it out of all gradients. Which numbers dropout draws is cuDNN's affair,
at a place of the generator's stream that lies in the GPU's memory.

Not yet run on a GPU: the graphs of all benchmark models were built for one by cuDNN itself, and run by a stand-in for it
beside the generic kernels (tests/gpu).

Reference: https://docs.nvidia.com/deeplearning/cudnn/frontend/latest/operations/Attention.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import dtypes
from framework.devices import array_module
from framework.errors import GraphError
from framework.kernels.cuda.modules import kernel
from framework.kernels.cudnn import library
from framework.kernels.cudnn.library import kind_of, off
from framework.kernels.cudnn.plans import ALIGNED, Ints, Plan, Refused, Sketch, instead, planned, rows_first, settled
from framework.kernels.generic.attention import order_together, side_by_side

NAME = "cudnn"
WIDEST = 256  # features of a head at most
EIGHT = 8  # which they have to be a multiple of
NEVER = {dtypes.float16.numpy: -65504.0, dtypes.bfloat16.numpy: -1e30, dtypes.float32.numpy: -1e30}

Steps = tuple[int, ...]
Biased = tuple[Ints, Any] | None  # the dims of a mask and its element type


def declines(
    q: Any, k: Any, v: Any, bias: Any = None, causal: bool = False, dropout: float = 0.0, differentiable: bool = False,
    bias_gradient: bool = False,
) -> str | None:  # fmt: skip
    """None if it can serve this attention, else why not."""
    if q.dtype not in dtypes.HALF or k.dtype != q.dtype or v.dtype != q.dtype:
        return f"cuDNN's attention serves float16 and bfloat16, not {q.dtype}"
    widths = (q.shape[-1], v.shape[-1])
    if any(width % EIGHT or not 0 < width <= WIDEST for width in widths):
        return f"heads of {widths[0]} and {widths[1]} features; multiples of {EIGHT} up to {WIDEST} are served"
    if not q.size or not k.size:
        return "nothing to compute"
    if q.shape[-2] == 1:
        return (
            "one query: while text is generated the keys become more with each call, and its kernels are for a length"
        )
    if dropout >= 1:
        return "everything is dropped"
    if bias_gradient and bias.dtype != q.dtype:
        return "the gradient of a mask of another type"
    if off() is None and not settled(
        "attention", q.shape, k.shape, v.shape, q.dtype, causal, dropout > 0, differentiable,
        None if bias is None else (bias.strides[-2] == 0, bias.dtype),
    ):  # fmt: skip
        return "many shapes were compiled for already, and this one has not come often yet"
    return off()


class Heads:
    """Queries, keys and values as (B, H, L, E), which cuDNN reads where they lie; keys and values that were repeated for
    several heads, which shows by steps of 0, are given once.
    """

    def __init__(self, q: Any, k: Any, v: Any) -> None:
        self.lead = q.shape[:-2]
        axis = len(self.lead) - 1
        while axis > 0 and self.lead[axis] > 1 and not k.strides[axis] and not v.strides[axis]:
            axis -= 1
        self.repeated = len(self.lead) - 1 - axis  # leading dims, the last ones
        self.start = min(max(axis, 1), len(self.lead) - 1)  # from here on the dims are heads
        self.batch, self.heads = math.prod(self.lead[: self.start]), math.prod(self.lead[self.start :])
        self.shared = self.heads // math.prod(self.lead[axis + 1 :])
        once = (..., *(0,) * self.repeated, slice(None), slice(None))
        self.q = self._four(q, self.heads)
        self.k, self.v = (self._four(x[once], self.shared) for x in (k, v))

    def _four(self, x: Any, heads: int) -> Any:
        return readable(x.reshape(self.batch, heads, *x.shape[-2:]))

    def given(self, x: Any, repeated: bool) -> Any:
        """An array (B, H, L, E) with the leading dims that the call came with, 1 in place of those that were repeated."""
        count = self.repeated if repeated else 0
        return x.reshape(*self.lead[: len(self.lead) - count], *(1,) * count, *x.shape[-2:])

    def mask(self, bias: Any) -> tuple[Any, Ints]:
        """A mask (..., L, S) as (B or 1, H or 1, L or 1, S), and the shape that it has with the leading dims of the call:
        1 in place of what was repeated.
        """
        xp = array_module(bias)
        shape: list[int] = []
        for part in (slice(0, self.start), slice(self.start, -2)):
            lengths, steps = bias.shape[part], bias.strides[part]
            shape += lengths if any(steps) else [1] * len(lengths)
        shape += [bias.shape[-2] if bias.strides[-2] else 1, bias.shape[-1]]
        small = bias[tuple([slice(0, n) for n in shape])]
        heads = math.prod(shape[self.start : -2])
        return xp.ascontiguousarray(small).reshape(-1, heads, *shape[-2:]), tuple(shape)


def readable(x: Any) -> Any:
    """An array that cuDNN reads where it lies: features together, rows at multiples of 16 bytes; or a copy."""
    steps = x.strides
    even = x.data.ptr % ALIGNED == 0 and all(
        n == 1 or step % ALIGNED == 0 for step, n in zip(steps[:-1], x.shape[:-1], strict=True)
    )
    if even and (steps[-1] == x.itemsize or x.shape[-1] == 1):
        return x
    return array_module(x).ascontiguousarray(x)


def _steps(x: Any) -> Steps:
    """The strides of an array in elements; of a dim of length 1, whose step means nothing, what it would be in rows."""
    plain = rows_first(x.shape)
    return tuple([p if n == 1 else step // x.itemsize for n, step, p in zip(x.shape, x.strides, plain, strict=True)])


def _order(x: Any) -> list[int]:
    """The axes of x (B, H, L, E) but the last, from the outermost in memory to the innermost."""
    steps = _steps(x)
    return sorted(range(3), key=lambda axis: -steps[axis]) if all(steps[:3]) else [0, 1, 2]


def _room(x: Any, width: int) -> Any:
    """A new array like x (B, H, L, E), of another width, in the order of x's memory without its gaps."""
    order = _order(x)
    whole = array_module(x).empty((*[x.shape[axis] for axis in order], width), x.dtype)
    return whole.transpose(*[order.index(axis) for axis in range(3)], 3)


def _rooms(heads: Heads) -> tuple[Any, ...]:
    """New arrays for the gradients of queries, keys and values."""
    parts = (heads.q, heads.k, heads.v)
    together = side_by_side(array_module(heads.q), *parts, tuple(x.data.ptr for x in parts))
    return together or tuple(_room(x, x.shape[-1]) for x in parts)


def _room_steps(heads: Heads) -> tuple[Steps, ...]:
    """The strides, in elements, that ``_rooms`` will have."""
    parts = (heads.q, heads.k, heads.v)
    if order_together(*parts, tuple(x.data.ptr for x in parts)) is not None:
        return tuple([_steps(x) for x in parts])
    found = []
    for x in parts:
        steps, step, plain = [0] * 4, x.shape[-1], rows_first(x.shape)
        for axis in reversed(_order(x)):
            steps[axis] = step if x.shape[axis] > 1 else plain[axis]
            step *= x.shape[axis]
        found.append((*steps[:3], 1 if x.shape[-1] > 1 else plain[-1]))
    return tuple(found)


def _options(sketch: Sketch, causal: bool, scale: float, dropout: float, bias: Biased) -> dict[str, Any]:
    options: dict[str, Any] = {"attn_scale": scale}
    if causal:
        options["diagonal_alignment"] = sketch.library.diagonal_alignment.TOP_LEFT
        options["diagonal_band_right_bound"] = 0
    if bias is not None:
        options["bias"] = sketch.input(bias[0], rows_first(bias[0]), bias[1])
    if dropout:
        seed, offset = (sketch.input((1, 1, 1, 1), (1, 1, 1, 1), "INT64") for _ in range(2))
        options["dropout"] = (dropout, seed, offset)
    return options


@planned
def forward_plan(
    kind: str, shapes: tuple[Ints, ...], steps: tuple[Steps, ...], bias: Biased, causal: bool, scale: float,
    dropout: float, statistics: bool,
) -> Plan:  # fmt: skip
    """Run on q, k, v, the mask if there is one, seed and offset if there is dropout, the output, and the logarithm of
    each row's denominator if ``statistics`` are wanted.

    Args:
        shapes, steps: of q, k, v and the output.
    """
    sketch = Sketch()
    q, k, v = (sketch.input(*where, kind) for where in zip(shapes[:3], steps[:3], strict=True))
    options = _options(sketch, causal, scale, dropout, bias)
    out, found = sketch.graph.sdpa(q=q, k=k, v=v, generate_stats=statistics, **options)
    sketch.output(out, shapes[3], steps[3], kind)
    if statistics:
        each = (*shapes[0][:3], 1)
        sketch.output(found, each, rows_first(each), "FLOAT")
    return Plan(sketch)


@planned
def backward_plan(
    kind: str, shapes: tuple[Ints, ...], steps: tuple[Steps, ...], bias: Biased, causal: bool, scale: float,
    dropout: float, bias_gradient: bool,
) -> Plan:  # fmt: skip
    """Run on q, k, v, the output, its gradient, the statistics, the mask, seed and offset as forward, and the gradients
    of q, k, v, and of the mask if it is wanted.

    Args:
        shapes, steps: of q, k, v, the output, its gradient, and the gradients of q, k and v.
    """
    sketch = Sketch()
    q, k, v, out, gradient = (sketch.input(*where, kind) for where in zip(shapes[:5], steps[:5], strict=True))
    each = (*shapes[0][:3], 1)
    statistics = sketch.input(each, rows_first(each), "FLOAT")
    options = _options(sketch, causal, scale, dropout, bias)
    slopes = None
    if bias_gradient and bias is not None:
        slopes = sketch.graph.tensor(
            dim=list(bias[0]), stride=rows_first(bias[0]), data_type=sketch.kind(bias[1]), uid=sketch.arrays + 4
        )
        options["dBias"] = slopes
    found = sketch.graph.sdpa_backward(
        q=q, k=k, v=v, o=out, dO=gradient, stats=statistics,
        use_deterministic_algorithm=library.deterministic(), **options,
    )  # fmt: skip
    for result, where in zip(found, zip(shapes[5:], steps[5:], strict=True), strict=True):
        sketch.output(result, *where, kind)
    if slopes is not None and bias is not None:
        sketch.output(slopes, bias[0], rows_first(bias[0]), bias[1])
    return Plan(sketch)


class _Kept:
    """What the backward pass needs of the forward one."""

    def __init__(self, statistics: Any, mask: Any, shape: Ints | None, numbers: list[Any]) -> None:
        self.statistics, self.mask, self.shape, self.numbers = statistics, mask, shape, numbers


class _Elsewhere:
    """That another implementation served the call, and what it kept."""

    def __init__(self, other: Any, kept: Any) -> None:
        self.other, self.kept = other, kept


def forward(
    q: Any, k: Any, v: Any, bias: Any, causal: bool, scale: float, dropout: float, generator: Any, differentiable: bool
) -> Any:
    """``dropout(softmax(q @ k.T * scale + bias)) @ v``, and what ``backward`` needs of it; see the generic kernel."""
    heads, xp, kind = Heads(q, k, v), array_module(q), kind_of(q)
    mask = seen = shape = None
    if bias is not None:
        small, shape = heads.mask(bias)
        mask, seen = _mask(small, q.dtype)
    out = _room(heads.q, v.shape[-1])
    parts = (heads.q, heads.k, heads.v, out)
    biased = None if mask is None else (mask.shape, kind_of(mask))
    try:
        plan = forward_plan(
            kind, tuple([x.shape for x in parts]), tuple([_steps(x) for x in parts]), biased, causal, scale, dropout,
            differentiable,
        )  # fmt: skip
        if differentiable:
            _backward_plan(heads, out, out, biased, causal, scale, dropout, False)
    except Refused as why:
        params = {"bias": bias, "causal": causal, "dropout": dropout, "differentiable": differentiable}
        other = instead("attention", why, q, k, v, **params)
        found, kept = other.forward(q, k, v, bias, causal, scale, dropout, generator, differentiable)
        return found, _Elsewhere(other, kept)
    numbers = _numbers(xp, generator, heads, k.shape[-2]) if dropout else []
    arrays = [*parts[:3], *([] if mask is None else [mask]), *numbers, out]
    statistics = None
    if differentiable:
        statistics = xp.empty((*heads.q.shape[:3], 1), "float32")
        arrays.append(statistics)
    plan.run(*arrays)
    if seen is not None:
        out *= seen.astype(out.dtype)
        if statistics is not None:
            xp.copyto(statistics, np.float32(np.inf), where=~seen)
    kept = _Kept(statistics, mask, shape, numbers) if differentiable else None
    return heads.given(out, False), kept


def _mask(small: Any, dtype: Any) -> tuple[Any, Any]:
    """A mask as numbers to add, none of them -inf, in memory of its own; and which of its rows see anything."""
    xp = array_module(small)
    if small.dtype.kind == "b":
        numbers = xp.where(small, np.float32(0), np.float32(NEVER[dtype]))
        return numbers.astype(dtype, copy=False), small.any(-1, keepdims=True)
    kind = small.dtype if small.dtype in NEVER else np.dtype(np.float32)
    numbers = small.astype(np.float32, copy=False)
    seen = (numbers > np.float32(-np.inf)).any(-1, keepdims=True)
    return xp.maximum(numbers, np.float32(NEVER[kind])).astype(kind, copy=False), seen


def _numbers(xp: Any, generator: Any, heads: Heads, keys: int) -> list[Any]:
    """Seed and offset of dropout in the GPU's memory; the generator moves on by a number for each score."""
    scores = math.prod(heads.q.shape[:3]) * keys
    low, high, first = (int(number) for number in generator.stream.place((scores + 3) // 4))
    memory = xp.empty(4, "int64")
    signed = [(number + 2**63) % 2**64 - 2**63 for number in (low ^ high, first)]
    kernel("cudnn", "seed_and_offset")((1,), (32,), (memory, *[np.int64(number) for number in signed]))
    return [memory[0:1], memory[2:3]]


def keep_mask(kept: Any) -> Any:
    """The mask of what dropout left: None where nothing was dropped.

    Raises:
        GraphError: cuDNN drew it, which nobody else can do again.
    """
    if isinstance(kept, _Elsewhere):
        return kept.other.keep_mask(kept.kept)
    if kept.numbers:
        raise GraphError(
            "scaled_dot_product_attention: the gradient of a gradient needs the mask of dropout, which cuDNN does not "
            "give; run it under framework.kernels.force('cuda'), or with dropout_p=0"
        )
    return None


def _backward_plan(
    heads: Heads, out: Any, g: Any, biased: Biased, causal: bool, scale: float, dropout: float, bias_gradient: bool
) -> Plan:
    parts = (heads.q, heads.k, heads.v, out, g)
    return backward_plan(
        kind_of(out), tuple([x.shape for x in (*parts, *parts[:3])]),
        (*[_steps(x) for x in parts], *_room_steps(heads)), biased, causal, scale, dropout, bias_gradient,
    )  # fmt: skip


def backward(
    g: Any, q: Any, k: Any, v: Any, out: Any, kept: Any, bias: Any, causal: bool, scale: float, dropout: float,
    bias_gradient: bool
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """The gradients of q, k, v and (if asked for) of the mask before broadcasting, from the output's gradient."""
    if isinstance(kept, _Elsewhere):
        found = kept.other.backward(g, q, k, v, out, kept.kept, bias, causal, scale, dropout, bias_gradient)
        return found  # type: ignore[no-any-return]
    xp, heads, mask = array_module(q), Heads(q, k, v), kept.mask
    four = (heads.batch, heads.heads, *out.shape[-2:])
    out, g = readable(out.reshape(four)), readable(g.reshape(four))
    rooms = _rooms(heads)
    biased = None if mask is None else (mask.shape, kind_of(mask))
    try:
        plan = _backward_plan(heads, out, g, biased, causal, scale, dropout, bias_gradient)
    except Refused as why:  # of a mask's gradient, or of this order of memory
        if kept.numbers:
            raise
        other = instead("attention", why, q, k, v, bias=bias, causal=causal, differentiable=True)
        out, kept = other.forward(q, k, v, bias, causal, scale, 0.0, None, True)
        return other.backward(g.reshape(out.shape), q, k, v, out, kept, bias, causal, scale, 0.0, bias_gradient)  # type: ignore[no-any-return]
    slopes = [xp.empty(mask.shape, mask.dtype)] if bias_gradient else []
    inputs = [heads.q, heads.k, heads.v, out, g, kept.statistics, *([] if mask is None else [mask]), *kept.numbers]
    plan.run(*inputs, *rooms, *slopes)
    dq, dk, dv = (heads.given(x, repeated) for x, repeated in zip(rooms, (False, True, True), strict=True))
    return dq, dk, dv, slopes[0].reshape(kept.shape) if slopes else None
