"""Convolution and its two gradients by cuDNN, over channels-last memory.

Arrays are (N, C, *spatial) with one to three spatial axes. Images and volumes that are not channels-last are copied once,
and results are channels-last; sequences, which the public interface gives row by row, are handed over as they lie.
Weights go as they lie, too: cuDNN reorders one of PyTorch's order itself at every call, except that it would pad what the
kernel reads where the channels of a group are no multiple of 8, so that such a weight is reordered here. One that does
not change is reordered once, where the caller has a place to keep it.

Windows of few channels that do not overlap are a product of matrices (``patches.py``).

Bias, residual and ReLU are added in the same kernel. Other activations are passes of their own: cuDNN would compile a
kernel for each shape.

Not yet run on a GPU: the graphs of all benchmark models were built for one by cuDNN itself, and run by a stand-in for it
beside the generic kernels (tests/gpu).
"""

from __future__ import annotations

from typing import Any

from framework.devices import array_module
from framework.kernels.cuda.columns import column_sums
from framework.kernels.cudnn import patches
from framework.kernels.cudnn.library import kind_of, off
from framework.kernels.cudnn.plans import Ints, Plan, Refused, Sketch, instead, planned, rows_first
from framework.kernels.generic.activation import Activation
from framework.kernels.generic.windows import output_lengths
from framework.kernels.layout import is_last, strides_last, transpositions
from framework.kernels.precision import convolutions_round
from framework.kernels.registry import choose

NAME = "cudnn"
VECTOR = 8  # channels of a group that its fast kernels read at once
RELU = ("relu",)


def declines(x: Any, weight: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> str | None:
    """None if it can serve these arrays, else why not. ``x`` may be the output's gradient."""
    if kind_of(x, weight) is None:
        return f"cuDNN serves float16, bfloat16 and float32, both operands alike, not {x.dtype} and {weight.dtype}"
    if not x.size or not weight.size:
        return "nothing to convolve"
    return off()


def _steps(dims: Ints, channels_last: bool) -> Any:
    return strides_last(dims) if channels_last else rows_first(dims)


def empty(xp: Any, shape: Ints, dtype: Any, channels_last: bool) -> Any:
    """A new array of shape (N, C, *spatial)."""
    if not channels_last:
        return xp.empty(shape, dtype)
    whole = xp.empty((shape[0], *shape[2:], shape[1]), dtype)
    return whole.transpose(0, whole.ndim - 1, *range(1, whole.ndim - 1))


def laid(x: Any) -> tuple[Any, bool]:
    """An array as cuDNN takes it, and whether its memory is channels-last; a sequence may be row-major."""
    if is_last(x):
        return x, True
    if x.ndim == 3:
        return (x if x.flags.c_contiguous else array_module(x).ascontiguousarray(x)), False
    transpositions.value += 1
    return _reordered(x), True


def _reordered(x: Any) -> Any:
    moved = array_module(x).ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1))
    return moved.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def _filters(weight: Any, kept: dict[Any, Any] | None = None) -> tuple[Any, bool]:
    """A weight as cuDNN takes it, and whether the channels of a place lie together."""
    if is_last(weight):
        return weight, True
    if kept is None and weight.flags.c_contiguous and _reads_rows(weight.shape):
        return weight, False
    if kept is None:
        return _reordered(weight), True
    key = (NAME, weight.strides)
    if key not in kept:
        kept[key] = _reordered(weight)
    return kept[key], True


def _reads_rows(shape: Ints) -> bool:
    """Whether a weight of PyTorch's order is as good as any to cuDNN."""
    return shape[1] % VECTOR == 0 or shape[1] == 1


def _planar(*shapes: Ints) -> tuple[Ints, ...]:
    """Dims and the like of sequences as those of images of height 1; others as they are."""
    return tuple([(*shape[:-1], 1, shape[-1]) if len(shape) == 3 else tuple(shape) for shape in shapes])


def _where(stride: Ints, padding: Ints, dilation: Ints) -> tuple[Ints, Ints, Ints]:
    if len(stride) == 1:
        return (1, *stride), (0, *padding), (1, *dilation)
    return tuple(stride), tuple(padding), tuple(dilation)


def _options(where: tuple[Ints, Ints, Ints]) -> dict[str, list[int]]:
    stride, padding, dilation = where
    return {"stride": list(stride), "padding": list(padding), "dilation": list(dilation)}


def _plan(sketch: Sketch, kind: str) -> Plan:
    return Plan(sketch, rounds=kind != "FLOAT" or convolutions_round() != "ieee", timed=True)


@planned
def forward_plan(
    kind: str, x: Ints, x_last: bool, weight: Ints, weight_last: bool, y: Ints, y_last: bool,
    where: tuple[Ints, Ints, Ints], bias: bool, residual: bool, relu: bool,
) -> Plan:  # fmt: skip
    """The plan of a convolution; it is run on x, weight, bias and residual where there are, and y."""
    sketch = Sketch()
    source = sketch.input(x, _steps(x, x_last), kind)
    filters = sketch.input(weight, _steps(weight, weight_last), kind)
    ones = (1,) * (len(y) - 2)
    offsets = sketch.input((1, y[1], *ones), _steps((1, y[1], *ones), True), kind) if bias else None
    found = sketch.graph.conv_fprop(image=source, weight=filters, **_options(where))
    if residual:  # before the bias: its kernels add in this order
        found = sketch.graph.add(a=found, b=sketch.input(y, _steps(y, y_last), kind))
    if bias:
        found = sketch.graph.bias(input=found, bias=offsets)
    if relu:
        found = sketch.graph.relu(input=found)
    sketch.output(found, y, _steps(y, y_last), kind)
    return _plan(sketch, kind)


@planned
def input_gradient_plan(
    kind: str, x: Ints, x_last: bool, weight: Ints, weight_last: bool, y: Ints, y_last: bool,
    where: tuple[Ints, Ints, Ints],
) -> Plan:  # fmt: skip
    """The plan of a convolution's gradient of its input; it is run on y's gradient, weight, and x's gradient."""
    sketch = Sketch()
    gradient = sketch.input(y, _steps(y, y_last), kind)
    filters = sketch.input(weight, _steps(weight, weight_last), kind)
    found = sketch.graph.conv_dgrad(loss=gradient, filter=filters, **_options(where))
    sketch.output(found, x, _steps(x, x_last), kind)
    return _plan(sketch, kind)


@planned
def weight_gradient_plan(
    kind: str, x: Ints, x_last: bool, weight: Ints, weight_last: bool, y: Ints, y_last: bool,
    where: tuple[Ints, Ints, Ints],
) -> Plan:  # fmt: skip
    """The plan of a convolution's gradient of its weight; it is run on x, y's gradient, and weight's gradient."""
    sketch = Sketch()
    source = sketch.input(x, _steps(x, x_last), kind)
    gradient = sketch.input(y, _steps(y, y_last), kind)
    found = sketch.graph.conv_wgrad(image=source, loss=gradient, **_options(where))
    sketch.output(found, weight, _steps(weight, weight_last), kind)
    return _plan(sketch, kind)


def forward(
    x: Any, weight: Any, bias: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int, residual: Any = None,
    activation: Activation | None = None, kept: dict[Any, Any] | None = None,
) -> Any:  # fmt: skip
    """The convolution of x (N, C, *spatial) with weight (O, C / groups, *kernel), plus bias and residual, activated.

    Args:
        residual: what is added before the activation, of the output's shape; or None.
        kept: where what is made of the weight may be kept, while the weight does not change; or None.
    """
    if residual is None and patches.serves(weight.shape, stride, padding, dilation, groups):
        return _activated(patches.forward(x, weight, bias), activation)
    given = weight
    x, x_last = laid(x)
    weight, weight_last = _filters(weight, kept)
    lengths = output_lengths(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y_last = x.ndim > 3
    y = empty(array_module(x), (x.shape[0], weight.shape[0], *lengths), x.dtype, y_last)
    arrays = [x, weight]
    if bias is not None:
        arrays.append(bias if bias.flags.c_contiguous else array_module(bias).ascontiguousarray(bias))
    if residual is not None:
        arrays.append(_as(residual, y_last))
    dims = _planar(x.shape, weight.shape, y.shape)
    try:
        plan = forward_plan(
            kind_of(x), dims[0], x_last, dims[1], weight_last, dims[2], y_last, _where(stride, padding, dilation),
            bias is not None, residual is not None, activation == RELU,
        )  # fmt: skip
    except Refused as why:
        where = (stride, padding, dilation, groups)
        other = instead("conv", why, x, given, *where)
        return other.forward(x, given, bias, *where, residual=residual, activation=activation)
    plan.run(*arrays, y)
    return y if activation == RELU else _activated(y, activation)


def _activated(y: Any, activation: Activation | None) -> Any:
    if activation is None:
        return y
    name, *params = activation
    return getattr(choose("activation", y, kind=name), name)(y, *params)


def _as(x: Any, channels_last: bool) -> Any:
    """An array in the order of memory that is asked for."""
    if channels_last:
        return laid(x)[0]
    return x if x.flags.c_contiguous else array_module(x).ascontiguousarray(x)


def _whole(g: Any, lengths: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Any:
    """An output's gradient with zeros where a transposed convolution's output padding adds whole windows to it."""
    outputs = output_lengths(lengths, kernel, stride, padding, dilation)
    if tuple(g.shape[2:]) == outputs:
        return g
    xp = array_module(g)
    whole = empty(xp, (*g.shape[:2], *outputs), g.dtype, g.ndim > 3)
    whole[...] = 0
    whole[(..., *[slice(0, n) for n in g.shape[2:]])] = g
    return whole


def input_gradient(
    g: Any, weight: Any, bias: Any, lengths: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Any:
    """What ``forward`` gives back to its input: (N, C, *lengths) from g (N, O, *outputs); also the transposed
    convolution, to which a bias is added.
    """
    given = weight
    g, y_last = laid(_whole(g, lengths, weight.shape[2:], stride, padding, dilation))
    weight, weight_last = _filters(weight)
    shape = (g.shape[0], weight.shape[1] * groups, *lengths)
    x = empty(array_module(g), shape, g.dtype, g.ndim > 3)
    dims = _planar(shape, weight.shape, g.shape)
    try:
        plan = input_gradient_plan(
            kind_of(g), dims[0], g.ndim > 3, dims[1], weight_last, dims[2], y_last, _where(stride, padding, dilation)
        )
    except Refused as why:
        where = (stride, padding, dilation, groups)
        return instead("conv", why, g, given, *where).input_gradient(g, given, bias, lengths, *where)
    plan.run(g, weight, x)
    if bias is not None:
        x += bias.reshape(-1, *(1 for _ in lengths))
    return x


def weight_gradient(g: Any, x: Any, shape: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Any:
    """What ``forward`` gives back to its weight, of ``shape`` (O, C / groups, *kernel), from g and x."""
    xp, shape = array_module(g), tuple(shape)
    if patches.serves(shape, stride, padding, dilation, groups):
        return patches.weight_gradient(laid(g)[0], x, shape)
    g, y_last = laid(_whole(g, x.shape[2:], shape[2:], stride, padding, dilation))
    x, x_last = laid(x)
    rows = _reads_rows(shape)
    out = empty(xp, shape, g.dtype, not rows)
    dims = _planar(x.shape, shape, g.shape)
    try:
        plan = weight_gradient_plan(
            kind_of(g), dims[0], x_last, dims[1], not rows, dims[2], y_last, _where(stride, padding, dilation)
        )
    except Refused as why:
        where = (stride, padding, dilation, groups)
        return instead("conv", why, g, out, *where).weight_gradient(g, x, shape, *where)
    plan.run(x, g, out)
    return xp.ascontiguousarray(out)


def bias_gradient(g: Any) -> Any:
    """The sum of g (N, O, *outputs) over all axes but the channels."""
    g, channels_last = laid(g)
    if not channels_last:
        return g.astype("float32", copy=False).sum((0, 2)).astype(g.dtype, copy=False)
    rows = g.transpose(0, *range(2, g.ndim), 1).reshape(-1, g.shape[1])
    return column_sums(rows).astype(g.dtype, copy=False)
