"""Convolution and its two gradients by oneDNN, over channels-last memory.

Arrays are (N, C, *spatial) with one to three spatial axes; an input that is not channels-last is copied once, and
results are channels-last. Weights come in PyTorch's layout, and oneDNN is left to choose its own: they are reordered at
each call (0.01 to 0.3 ms a layer), or once where the caller has a place to keep what is made of a weight that does not
change. 16-bit arrays are convolved as they are where the processor multiplies bfloat16 faster, else in float32: 16 x 64 x
56 x 56 by 64 3 x 3 filters takes 10.8 ms in float32 and 20.4 in bfloat16 on a Xeon that does not, and conversions 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.kernels.generic import conv as generic
from framework.kernels.generic.activation import Activation
from framework.kernels.generic.windows import output_lengths
from framework.kernels.layout import empty_last, is_last, strides_last
from framework.kernels.onednn import gemm
from framework.kernels.onednn import library as api
from framework.kernels.onednn.activation import post_op
from framework.kernels.onednn.conversion import same_half, to
from framework.kernels.onednn.library import OneDNNError, library
from framework.kernels.onednn.plans import FLOAT32, SIZES, Plan, int64s, kind_of, planned, strides_of
from framework.kernels.onednn.precision import multiplied
from framework.kernels.onednn.reorder import as_given, channels_last

NAME = "onednn"
WORTH = 1 << 15  # multiplications under which the generic kernel's few calls are the faster

Ints = tuple[int, ...]


def declines(x: Any, weight: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> str | None:
    """None if it can serve these arrays, else why not. ``x`` may be the output's gradient."""
    if kind_of(x, weight) is None and not same_half(x, weight):
        return "not two NumPy arrays of float32 or of a 16-bit type"
    if not x.size or not weight.size:
        return "nothing to convolve"
    if x.size // x.shape[1] * weight.size // max(stride) ** (x.ndim - 2) < WORTH:
        return "too small to be worth a call of oneDNN"
    return None


def _dense(weight: Any) -> Any:
    """A weight whose memory has no gaps."""
    return weight if weight.flags.forc or is_last(weight) else np.ascontiguousarray(weight)


class Weighted:
    """A plan with one operand, the weight, in the layout that oneDNN chose, and the reorder to or from it."""

    def __init__(self, plan: Plan, argument: int, shape: Ints, strides: Ints, kind: str, inward: bool) -> None:
        lib = library()
        own = lib.layout(shape, kind, strides)
        wanted = plan.layout(argument)
        self.plan, self.size, self.kind = plan, plan.size(argument), kind
        self.reorder: Plan | None = None
        if not lib.same(own, wanted):
            pair = (own, wanted) if inward else (wanted, own)
            self.reorder = Plan("reorder", pair, (api.SRC, api.DST))

    def reordered(self, weight: Any, kept: dict[Any, Any] | None) -> Any:
        """The weight as the plan wants it."""
        if self.reorder is None:
            return weight
        key = (self, weight.strides)
        if kept is not None and key in kept:
            return kept[key]
        buffer = np.empty(self.size, np.uint8)
        self.reorder.run(weight, buffer)
        if kept is not None:
            kept[key] = buffer
        return buffer


def _weight_layout(shape: Ints, strides: Ints, size: int, groups: int) -> tuple[Ints, Ints]:
    """Shape and strides, in elements, of a weight with its groups as an axis of their own."""
    strides = tuple([s // size for s in strides])
    if groups == 1:
        return shape, strides
    return (groups, shape[0] // groups, *shape[1:]), (strides[0] * (shape[0] // groups), *strides)


def _reach(lengths: Ints, outputs: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """The padding at the far end, as oneDNN counts it: none of the input may be left over."""
    return tuple(
        [
            (o - 1) * s + d * (k - 1) + 1 - n - p
            for n, o, k, s, p, d in zip(lengths, outputs, kernel, stride, padding, dilation, strict=True)
        ]
    )


def _geometry(lengths: Ints, outputs: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    far = _reach(lengths, outputs, kernel, stride, padding, dilation)
    return int64s(stride), int64s([d - 1 for d in dilation]), int64s(padding), int64s(far)


def _layouts(kind: str, x: Ints, weight: Ints, y: Ints, groups: int) -> tuple[Any, Any, Any]:
    lib = library()
    shape, _ = _weight_layout(weight, weight, 1, groups)
    return (
        lib.layout(x, kind, strides_last(x)),
        lib.layout(shape, kind, None),
        lib.layout(y, kind, strides_last(y)),
    )


@planned
def _forward(
    kind: str, x: Ints, weight: Ints, strides: Ints, y: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int,
    bias: bool, residual: bool, activation: Activation | None,
) -> Weighted:  # fmt: skip
    lib = library()
    source, filters, target = _layouts(kind, x, weight, y, groups)
    added = lib.layout(y[1:2], kind, (1,)) if bias else None
    ops = (("binary", api.BINARY["add"], target),) if residual else ()
    where = _geometry(x[2:], y[2:], weight[2:], stride, padding, dilation)
    kinds = [api.SRC, api.WEIGHTS]
    kinds += [api.BIAS] if bias else []
    kinds += [api.POST_OP | api.SRC_1] if residual else []
    plan = Plan(
        "convolution_forward",
        (api.FORWARD_TRAINING, api.DIRECT, source, filters, added, target, *where),
        (*kinds, api.DST),
        (*ops, *post_op(activation)),
    )
    return Weighted(plan, api.WEIGHTS, *_weight_layout(weight, strides, SIZES[kind], groups), kind, True)


def _gradient(
    kind: str, x: Ints, weight: Ints, y: Ints, where: tuple[Any, ...], groups: int, of_weight: bool
) -> Plan | None:
    """The plan for the gradient of the weight or of the input; None where oneDNN has none for the geometry."""
    source, filters, target = _layouts(kind, x, weight, y, groups)
    places = _geometry(x[2:], y[2:], weight[2:], *where)
    if of_weight:
        creator, arguments = "convolution_backward_weights", (api.DIRECT, source, filters, None, target, *places)
        kinds = (api.SRC, api.DIFF_DST, api.DIFF_WEIGHTS)
    else:
        creator, arguments = "convolution_backward_data", (api.DIRECT, source, filters, target, *places)
        kinds = (api.DIFF_DST, api.WEIGHTS, api.DIFF_SRC)
    try:
        hint = Plan(
            "convolution_forward",
            (api.FORWARD_TRAINING, api.DIRECT, source, filters, None, target, *places),
            (api.SRC, api.WEIGHTS, api.DST),
        )
        return Plan(creator, arguments, kinds, hint=hint, forward=False)
    except OneDNNError:
        return None  # an output padding that is longer than the stride, as transposed convolutions may have


@planned
def _input_gradient(
    kind: str, x: Ints, weight: Ints, strides: Ints, y: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Weighted | None:
    plan = _gradient(kind, x, weight, y, (stride, padding, dilation), groups, False)
    if plan is None:
        return None
    return Weighted(plan, api.WEIGHTS, *_weight_layout(weight, strides, SIZES[kind], groups), kind, True)


@planned
def _weight_gradient(
    kind: str, x: Ints, weight: Ints, y: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Weighted | None:
    plan = _gradient(kind, x, weight, y, (stride, padding, dilation), groups, True)
    if plan is None:
        return None
    strides = tuple([s * SIZES[kind] for s in strides_of(weight)])
    return Weighted(plan, api.DIFF_WEIGHTS, *_weight_layout(weight, strides, SIZES[kind], groups), kind, False)


def forward(
    x: Any, weight: Any, bias: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int, residual: Any = None,
    activation: Activation | None = None, kept: dict[Any, Any] | None = None,
) -> Any:  # fmt: skip
    """The convolution of x (N, C, *spatial) with weight (O, C / groups, *kernel), plus bias and residual, activated.

    Args:
        residual: what is added before the activation, of the output's shape; or None.
        kept: where what is made of the weight may be kept, while the weight does not change; or None.
    """
    if x.itemsize == 2 and not multiplied(x):
        wide = [None if a is None else to(a, FLOAT32) for a in (x, bias, residual)]
        filters = to(weight, FLOAT32) if kept is None else kept.setdefault(FLOAT32, to(weight, FLOAT32))
        y = forward(wide[0], filters, wide[1], stride, padding, dilation, groups, wide[2], activation, kept)
        return to(y, x.dtype)
    x, weight = channels_last(x), _dense(weight)
    lengths = output_lengths(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = empty_last((x.shape[0], weight.shape[0], *lengths), x.dtype)
    fit = _forward(
        kind_of(x), x.shape, weight.shape, weight.strides, y.shape, stride, padding, dilation, groups,
        bias is not None, residual is not None, activation,
    )  # fmt: skip
    arrays = [x, fit.reordered(weight, kept)]
    if bias is not None:
        arrays.append(np.ascontiguousarray(bias))
    if residual is not None:
        arrays.append(channels_last(residual))
    fit.plan.run(*arrays, y)
    return as_given(y)


def input_gradient(
    g: Any, weight: Any, bias: Any, lengths: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Any:
    """What ``forward`` gives back to its input: (N, C, *lengths) from g (N, O, *outputs); also the transposed
    convolution, to which a bias is added.
    """
    if g.itemsize == 2 and not multiplied(g):
        bias = None if bias is None else to(bias, FLOAT32)
        wide = to(g, FLOAT32), to(weight, FLOAT32), bias
        return to(input_gradient(*wide, lengths, stride, padding, dilation, groups), g.dtype)
    weight = _dense(weight)
    shape = (g.shape[0], weight.shape[1] * groups, *lengths)
    fit = _input_gradient(kind_of(g), shape, weight.shape, weight.strides, g.shape, stride, padding, dilation, groups)
    if fit is None:
        return generic.input_gradient(g, weight, bias, lengths, stride, padding, dilation, groups)
    g = channels_last(g)
    x = empty_last(shape, g.dtype)
    fit.plan.run(g, fit.reordered(weight, None), x)
    if bias is not None:
        x += bias.reshape(-1, *(1 for _ in lengths))
    return as_given(x)


def weight_gradient(g: Any, x: Any, shape: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Any:
    """What ``forward`` gives back to its weight, of ``shape`` (O, C / groups, *kernel), from g and x."""
    if g.itemsize == 2 and not multiplied(g):
        wide = to(g, FLOAT32), to(x, FLOAT32)
        return to(weight_gradient(*wide, shape, stride, padding, dilation, groups), g.dtype)
    fit = _weight_gradient(kind_of(g), x.shape, tuple(shape), g.shape, stride, padding, dilation, groups)
    if fit is None:
        return generic.weight_gradient(g, x, shape, stride, padding, dilation, groups)
    out = np.empty(shape, g.dtype)
    if fit.reorder is None:
        fit.plan.run(channels_last(x), channels_last(g), out)
    else:
        buffer = np.empty(fit.size, np.uint8)
        fit.plan.run(channels_last(x), channels_last(g), buffer)
        fit.reorder.run(buffer, out)
    return out


def bias_gradient(g: Any) -> Any:
    """The sum of g (N, O, *outputs) over all axes but the channels."""
    if g.itemsize == 2:
        return to(bias_gradient(to(g, FLOAT32)), g.dtype)
    rows = channels_last(g).transpose(0, *range(2, g.ndim), 1).reshape(-1, g.shape[1])
    if rows.dtype != np.float32 or gemm.declines(rows[:1], rows):
        return generic.bias_gradient(g)
    return gemm.matmul(np.ones((1, rows.shape[0]), rows.dtype), rows)[0]
