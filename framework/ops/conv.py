"""Convolutions in one, two and three dimensions.

Three ops, each a product of the other two's kind: the convolution, its input gradient and its weight gradient. The
gradient rule of each is the other two, so gradients of any order are convolutions. Transposed convolution
(``conv_transpose.py``) is the input gradient under its public name.

Half-precision inputs are computed in float32. Results have the shape (N, C, H, W) over channels-last memory.
"""

from __future__ import annotations

from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.mode import is_grad_enabled
from framework.autograd.op import Op, apply
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.arithmetic import conj_value
from framework.ops.dims import shape_of
from framework.ops.kept import kept
from framework.ops.memory import contiguous
from framework.tensor import Tensor, wrap

Ints = tuple[int, ...]


class Convolution(Op):
    """x convolved with weight, plus bias."""

    def forward(
        self,
        x: Any,
        weight: Any,
        bias: Any,
        stride: Ints,
        padding: Ints,
        dilation: Ints,
        groups: int,
        kernel: Any = None,
        kept: Any = None,
    ) -> Any:
        self.save(x if self.needs[1] else None, weight if self.needs[0] else None)
        self.where = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self.lengths, self.shape = x.shape[2:], weight.shape
        self.kernel = kernel or choose("conv", x, weight, **self.where)
        return self.kernel.forward(x, weight, bias, stride, padding, dilation, groups, kept=kept)

    def backward(self, g: Any) -> Any:
        x, weight = self.saved
        gx = gw = None
        if self.needs[0]:
            gx = apply(
                InputGradient, g, conj_value(weight), None, lengths=self.lengths, kernel=self.kernel, **self.where
            )
        if self.needs[1]:
            gw = apply(WeightGradient, g, conj_value(x), shape=self.shape, kernel=self.kernel, **self.where)
        return gx, gw, apply(BiasGradient, g, kernel=self.kernel) if self.needs[2] else None


class InputGradient(Op):
    """What a convolution gives back to its input; also the transposed convolution of g."""

    name = "ConvolutionTranspose"

    def forward(
        self, g: Any, weight: Any, bias: Any, lengths: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int,
        kernel: Any = None,
    ) -> Any:  # fmt: skip
        self.save(g if self.needs[1] else None, weight if self.needs[0] else None)
        self.where = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self.shape, self.places = weight.shape, g.shape
        self.kernel = kernel or choose("conv", g, weight, **self.where)
        return self.kernel.input_gradient(g, weight, bias, lengths, stride, padding, dilation, groups)

    def backward(self, gx: Any) -> Any:
        g, weight = self.saved
        gg = gw = None
        if self.needs[0]:
            gg = _fitted(
                apply(Convolution, gx, conj_value(weight), None, kernel=self.kernel, **self.where), self.places
            )
        if self.needs[1]:
            gw = apply(WeightGradient, conj_value(g), gx, shape=self.shape, kernel=self.kernel, **self.where)
        return gg, gw, apply(BiasGradient, gx, kernel=self.kernel) if self.needs[2] else None


class WeightGradient(Op):
    """What a convolution gives back to its weight."""

    def forward(
        self, g: Any, x: Any, shape: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int, kernel: Any
    ) -> Any:
        self.save(g if self.needs[1] else None, x if self.needs[0] else None)
        self.where = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        self.lengths, self.places, self.kernel = x.shape[2:], g.shape, kernel
        return kernel.weight_gradient(g, x, shape, stride, padding, dilation, groups)

    def backward(self, gw: Any) -> Any:
        g, x = self.saved
        gg = gx = None
        if self.needs[0]:
            gg = _fitted(apply(Convolution, conj_value(x), gw, None, kernel=self.kernel, **self.where), self.places)
        if self.needs[1]:
            gx = apply(InputGradient, conj_value(g), gw, None, lengths=self.lengths, kernel=self.kernel, **self.where)
        return gg, gx


def _fitted(y: Any, shape: Ints) -> Any:
    """A convolution without the windows that a transposed one with output padding does not have."""
    return y if tuple(y.shape) == tuple(shape) else y[tuple(slice(0, n) for n in shape)]


class BiasGradient(Op):
    """The sum over all axes but the channels."""

    def forward(self, g: Any, kernel: Any) -> Any:
        self.shape = g.shape
        return kernel.bias_gradient(g)

    def backward(self, gb: Any) -> Any:
        from framework.ops.shape import expand

        return expand(gb.reshape((1, -1) + (1,) * (len(self.shape) - 2)), self.shape)


def per_axis(name: str, argument: str, value: Any, axes: int, minimum: int) -> Ints:
    """An int, or a sequence of one or of ``axes`` of them, as a tuple of ``axes``.

    Raises:
        ArgumentError: another number of values, or one below ``minimum``.
    """
    values = (int(value),) if not hasattr(value, "__len__") else shape_of((tuple(value),))
    if len(values) not in (1, axes):
        raise ArgumentError(
            f"{name}: expected {argument} to be a single integer value or a list of {axes} values to match the "
            f"convolution dimensions, but got {argument}={list(values)}"
        )
    if min(values) < minimum:
        kind = "non-positive" if minimum else "negative"
        raise ArgumentError(f"{name}: {kind} {argument} is not supported, got {argument}={list(values)}")
    return values * axes if len(values) == 1 else values


def batched(name: str, input: Any, axes: int) -> tuple[Any, bool]:
    """The input with a batch axis, and whether one had to be added.

    Raises:
        ShapeError: neither (C, *spatial) nor (N, C, *spatial).
    """
    if input.ndim == axes + 2:
        return input, False
    if input.ndim == axes + 1:
        return input.reshape((1, *input.shape)), True
    raise ShapeError(
        f"{name}: Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {name}, but got input of size: "
        f"{list(input.shape)}"
    )


def unbatched(y: Any, single: bool) -> Any:
    """A result without the batch axis that ``batched`` added, in row-major order."""
    if not single:
        return y
    y = y.reshape(tuple(y.shape[1:]))
    return contiguous(y) if isinstance(y, Tensor) else y.copy(order="C")


def check_types(name: str, input: Any, weight: Any, bias: Any) -> None:
    """Refuse operands of several dtypes, and bools."""
    kinds = [t.dtype for t in (input, weight, bias) if isinstance(t, Tensor)]
    for kind in kinds[1:]:
        if kind != kinds[0]:
            raise DtypeError(
                f"{name}: Input type ({kinds[0].name}) and weight or bias type ({kind.name}) should be the same; "
                "convert one"
            )
    if kinds and kinds[0].name == "bool":
        raise DtypeError(f"{name}: not implemented for bool tensors; convert with .float()")


def check_weight(name: str, input: Any, weight: Any, bias: Any, groups: int, axes: int, transposed: bool) -> None:
    """Refuse a weight or bias that does not fit the input's channels.

    Raises:
        ShapeError: the number of dims, input channels, groups or bias elements do not fit.
    """
    if groups <= 0:
        raise ArgumentError(f"{name}: non-positive groups is not supported, got {groups}")
    if weight.ndim != axes + 2:
        raise ShapeError(f"{name}: expected weight to be a {axes + 2}D tensor, got shape {list(weight.shape)}")
    channels, expected = input.shape[1], weight.shape[0] if transposed else weight.shape[1] * groups
    if channels != expected:
        raise ShapeError(
            f"{name}: Given {'transposed=1' if transposed else f'groups={groups}'}, weight of size "
            f"{list(weight.shape)}, "
            f"expected input{list(input.shape)} to have {expected} channels, but got {channels} channels instead"
        )
    if weight.shape[0] % groups:
        raise ShapeError(
            f"{name}: Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got "
            f"weight of size {list(weight.shape)} instead"
        )
    if not transposed and weight.shape[0] < groups:
        raise ShapeError(
            f"{name}: Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of "
            f"size {list(weight.shape)} instead"
        )
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and tuple(bias.shape) != (outputs,):
        raise ShapeError(
            f"{name}: Given weight of size {list(weight.shape)}, expected bias to be 1-dimensional with {outputs} "
            f"elements, but got bias of size {list(bias.shape)} instead"
        )


def _convolve(
    name: str, axes: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int,
    then: tuple[Any, Any] | None = None,
) -> Any:  # fmt: skip
    input, single = batched(name, input, axes)
    check_types(name, input, weight, bias)
    stride = per_axis(name, "stride", stride, axes, 1)
    dilation = per_axis(name, "dilation", dilation, axes, 1)
    check_weight(name, input, weight, bias, groups, axes, False)
    if isinstance(padding, str):
        input, padding = _named_padding(name, input, tuple(weight.shape[2:]), stride, padding, dilation)
    else:
        padding = per_axis(name, "padding", padding, axes, 0)
    lengths = tuple(n + 2 * p for n, p in zip(input.shape[2:], padding, strict=True))
    reach = tuple(d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))
    if any(k > n for k, n in zip(reach, lengths, strict=True)):
        raise ShapeError(
            f"{name}: Calculated padded input size per channel: ({' x '.join(map(str, lengths))}). Kernel size: "
            f"({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )
    where = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    trained = isinstance(weight, Tensor) and weight._requires_grad and is_grad_enabled()
    place = None if trained or not isinstance(weight, Tensor) else kept(weight)
    if then is not None:
        arrays = [None if t is None else t.array for t in (input, weight, bias, then[0])]
        kernel = choose("conv", *arrays[:2], **where)
        return wrap(kernel.forward(*arrays[:3], **where, residual=arrays[3], activation=then[1], kept=place))
    return unbatched(apply(Convolution, input, weight, bias, kept=place, **where), single)


def convolve_then(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Ints, padding: Ints, dilation: Ints, groups: int,
    residual: Tensor | None, activation: tuple[Any, ...] | None,
) -> Tensor:  # fmt: skip
    """A convolution, an addition and an activation in one pass, without a gradient.

    Args:
        residual: a tensor of the output's shape, or None.
        activation: a function of the activation kernels and its parameters, such as ``("relu",)``; or None.
    """
    axes = weight.ndim - 2
    then = residual, activation
    result: Tensor = _convolve(f"conv{axes}d", axes, input, weight, bias, stride, padding, dilation, groups, then)
    return result


def _named_padding(name: str, input: Any, kernel: Ints, stride: Ints, padding: str, dilation: Ints) -> tuple[Any, Ints]:
    """ "valid" and "same" as numbers; what "same" needs on one side only is added to the input."""
    if padding == "valid":
        return input, (0,) * len(kernel)
    if padding != "same":
        raise ArgumentError(f"{name}: Invalid padding string: expected 'same' or 'valid', got {padding!r}")
    if any(s != 1 for s in stride):
        raise ArgumentError(f"{name}: padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(total % 2 for total in totals):
        from framework.ops.padding import pad

        input = pad(input, [n for total in reversed(totals) for n in (0, total % 2)])
    return input, tuple(total // 2 for total in totals)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """A convolution over sequences; see ``conv2d`` for the arguments.

    Shape:
        input (N, C, L) or (C, L), weight (O, C / groups, K), bias (O,) -> (N, O, L') or (O, L').
    """
    if region() is not None:
        return recast(conv1d, locals())
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """A convolution over images: at each place, the sum of the window's values times the weight, plus bias.

    Args:
        stride: steps between windows, an int or one for each spatial dim.
        padding: zeros on each side, an int or one for each spatial dim; "same" keeps the size (stride 1 only), "valid"
            is 0.
        dilation: steps between the values of a window.
        groups: input and output channels are cut into so many parts that do not see each other.

    Shape:
        input (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW), bias (O,) -> (N, O, H', W') with
        H' = floor((H + 2 * padding - dilation * (KH - 1) - 1) / stride) + 1.

    Raises:
        ShapeError: channels that do not fit, or a kernel greater than the padded input.

    Example:
        >>> conv2d(framework.ones(1, 3, 8, 8), framework.ones(4, 3, 3, 3), padding=1).shape
        framework.Size([1, 4, 8, 8])
    """
    if region() is not None:
        return recast(conv2d, locals())
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """A convolution over volumes; see ``conv2d`` for the arguments.

    Shape:
        input (N, C, D, H, W) or (C, D, H, W), weight (O, C / groups, KD, KH, KW), bias (O,) -> (N, O, D', H', W').
    """
    if region() is not None:
        return recast(conv3d, locals())
    return _convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """A convolution over sequences in the order (time, batch, channels).

    Shape:
        input (L, N, C), weight (K, C, O), bias (O,) -> (L + 2 * pad - K + 1, N, O).
    """
    if region() is not None:
        return recast(conv_tbc, locals())
    from framework.ops.shape import permute

    y = conv1d(permute(input, (1, 2, 0)), permute(weight, (2, 1, 0)), bias, padding=pad)
    return permute(y, (2, 0, 1))


def convolution(
    input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool, output_padding: Any,
    groups: int,
) -> Any:  # fmt: skip
    """The convolution, or transposed convolution, that the weight's number of dims tells."""
    if region() is not None:
        return recast(convolution, locals())
    from framework.ops.conv_transpose import transpose_convolve

    axes = weight.ndim - 2
    if transposed:
        return transpose_convolve(
            f"conv_transpose{axes}d", axes, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _convolve(f"conv{axes}d", axes, input, weight, bias, stride, padding, dilation, groups)
