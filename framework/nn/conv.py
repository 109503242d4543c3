"""Convolution layers in one, two and three dimensions, transposed and lazy ones too."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.mode import no_grad
from framework.errors import ShapeError
from framework.nn import init
from framework.nn.lazy import LazyModuleMixin
from framework.nn.module import Module
from framework.nn.parameter import Parameter, UninitializedParameter
from framework.ops.conv import conv1d, conv2d, conv3d
from framework.ops.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from framework.ops.creation import empty
from framework.ops.padding import pad

_MODES = ("zeros", "reflect", "replicate", "circular")
_CONVOLVE = {1: conv1d, 2: conv2d, 3: conv3d}
_TRANSPOSED = {1: conv_transpose1d, 2: conv_transpose2d, 3: conv_transpose3d}


def ntuple(value: Any, axes: int) -> Any:
    """An int as ``axes`` of them; a sequence as a tuple."""
    return tuple(value) if hasattr(value, "__len__") else (value,) * axes


class _ConvNd(Module):
    """What all convolution layers share. Weight and bias start uniform in ``±1 / sqrt(fan_in)``."""

    axes: int
    bias: Parameter | None

    def __init__(
        self, axes: int, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation:
        Any,
        transposed: bool, output_padding: Any, groups: int, bias: bool, padding_mode: str, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if groups <= 0:
            raise ValueError(f"{type(self).__name__}: groups must be a positive integer, got {groups}")
        for argument, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(
                    f"{type(self).__name__}: {argument} must be divisible by groups, got {channels} and {groups}"
                )
        if padding_mode not in _MODES:
            raise ValueError(
                f"{type(self).__name__}: padding_mode must be one of {_MODES}, but got padding_mode='{padding_mode}'"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size, self.stride = ntuple(kernel_size, axes), ntuple(stride, axes)
        self.padding = padding if isinstance(padding, str) else ntuple(padding, axes)
        self.dilation, self.output_padding = ntuple(dilation, axes), ntuple(output_padding, axes)
        self.transposed, self.groups, self.padding_mode = transposed, groups, padding_mode
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"{type(self).__name__}: Invalid padding string {padding!r}, should be one of 'same' and 'valid'"
                )
            if padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(f"{type(self).__name__}: padding='same' is not supported for strided convolutions")
        self._reversed_padding_repeated_twice = self._both_sides()
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = Parameter(empty(first, second // groups, *self.kernel_size, device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def _both_sides(self) -> list[int]:
        """The padding as ``pad`` takes it: two numbers a dim, the last dim first."""
        sides: list[int] = []
        for i in reversed(range(len(self.kernel_size))):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                sides += [total // 2, total - total // 2]
            else:
                sides += [0, 0] if self.padding == "valid" else [int(self.padding[i])] * 2
        return sides

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        """The convolution with the layer's settings and another weight and bias."""
        convolve = _CONVOLVE[len(self.kernel_size)]
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Any) -> Any:
        """The convolution of the input."""
        return self._conv_forward(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        axes = len(self.kernel_size)
        words = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * axes:
            words += f", padding={self.padding}"
        if self.dilation != (1,) * axes:
            words += f", dilation={self.dilation}"
        if self.output_padding != (0,) * axes:
            words += f", output_padding={self.output_padding}"
        if self.groups != 1:
            words += f", groups={self.groups}"
        if self.bias is None:
            words += ", bias=False"
        return words if self.padding_mode == "zeros" else words + f", padding_mode={self.padding_mode}"


class _Convolution(_ConvNd):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any =
        1,
        groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            self.axes, in_channels, out_channels, kernel_size, stride, padding, dilation, False, 0, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip


class Conv1d(_Convolution):
    """A convolution over sequences, (N, C, L) or (C, L); see ``Conv2d`` for the arguments."""

    axes = 1


class Conv2d(_Convolution):
    """A convolution over images.

    Args:
        in_channels, out_channels: channels of the input and of the output.
        kernel_size: the window's lengths, an int or one for each spatial dim; so are stride, padding and dilation.
        stride: steps between windows.
        padding: rows added on each side; "same" keeps the size, "valid" is 0.
        dilation: steps between the values of a window.
        groups: input and output channels are cut into so many parts that do not see each other.
        bias: whether to add a learned bias.
        padding_mode: what the added rows hold: "zeros", "reflect", "replicate" or "circular".

    Shape:
        input (N, in_channels, H, W) or (in_channels, H, W); weight (out_channels, in_channels / groups, KH, KW).

    Example:
        >>> nn.Conv2d(3, 8, 3, padding=1)(framework.randn(2, 3, 32, 32)).shape
        framework.Size([2, 8, 32, 32])
    """

    axes = 2


class Conv3d(_Convolution):
    """A convolution over volumes, (N, C, D, H, W) or (C, D, H, W); see ``Conv2d`` for the arguments."""

    axes = 3


class _ConvTransposeNd(_ConvNd):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            raise ValueError(f'{type(self).__name__}: Only "zeros" padding mode is supported, got {padding_mode!r}')
        super().__init__(
            self.axes, in_channels, out_channels, kernel_size, stride, padding, dilation, True, output_padding, groups,
            bias, padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The transposed convolution of the input, of ``output_size`` where several sizes are possible."""
        extra = self._extra(input, output_size)
        convolve = _TRANSPOSED[len(self.kernel_size)]
        return convolve(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _extra(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives ``output_size``."""
        if output_size is None:
            return self.output_padding
        axes, asked = len(self.kernel_size), tuple(int(n) for n in output_size)
        outer = input.ndim - axes
        if len(asked) == outer + axes:
            asked = asked[outer:]
        if len(asked) != axes:
            raise ValueError(
                f"ConvTranspose{axes}D: for {input.ndim}D input, output_size must have {axes} or {outer + axes} "
                f"elements (got {len(asked)})"
            )
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[outer:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        )
        most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
        if any(not lo <= n <= hi for lo, n, hi in zip(least, asked, most, strict=True)):
            raise ValueError(
                f"requested an output size of {asked}, but valid sizes range from {least} to {most} (for an input of "
                f"{tuple(input.shape[outer:])})"
            )
        return tuple(n - lo for n, lo in zip(asked, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """A transposed convolution over sequences, (N, C, L) or (C, L); see ``ConvTranspose2d`` for the arguments."""

    axes = 1


class ConvTranspose2d(_ConvTransposeNd):
    """A transposed convolution over images: the gradient of ``Conv2d`` towards its input, as a layer.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, groups, bias, dilation: as in ``Conv2d``, of the
            convolution that goes the other way.
        output_padding: rows added to one side of the output.

    Shape:
        input (N, in_channels, H, W) or (in_channels, H, W); weight (in_channels, out_channels / groups, KH, KW).
    """

    axes = 2


class ConvTranspose3d(_ConvTransposeNd):
    """A transposed convolution over volumes, (N, C, D, H, W) or (C, D, H, W); see ``ConvTranspose2d``."""

    axes = 3


class _LazyConv(LazyModuleMixin):
    """A convolution that takes ``in_channels`` from its first input."""

    axes: int
    weight: Any
    bias: Any
    in_channels: int
    out_channels: int
    groups: int
    kernel_size: tuple[int, ...]
    transposed: bool

    def _defer(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new initial values, once the shapes are known."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """Take the number of the input's channels."""
        if not self.has_uninitialized_params():
            return
        if input.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(
                f"{type(self).__name__}: Expected {self.axes + 1}D (unbatched) or {self.axes + 2}D (batched) input, "
                f"but got input of size: {list(input.shape)}"
            )
        self.in_channels = input.shape[input.ndim - self.axes - 1]
        if self.in_channels % self.groups:
            raise ValueError(
                f"{type(self).__name__}: in_channels must be divisible by groups, got {self.in_channels} and "
                f"{self.groups}"
            )
        ends = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        with no_grad():
            self.weight.materialize((ends[0], ends[1] // self.groups, *self.kernel_size))
            if self.bias is not None:
                self.bias.materialize((self.out_channels,))
            self.reset_parameters()


class _LazyConvolution(_LazyConv, _Convolution):
    def __init__(
        self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int =
        1,
        bias: bool = True, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._defer(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConv, _ConvTransposeNd):
    def __init__(
        self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
        groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode, device, dtype
        )
        self._defer(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConvolution):
    """A ``Conv1d`` that takes ``in_channels`` from its first input, and then is a ``Conv1d``."""

    axes, cls_to_become = 1, Conv1d


class LazyConv2d(_LazyConvolution):
    """A ``Conv2d`` that takes ``in_channels`` from its first input, and then is a ``Conv2d``."""

    axes, cls_to_become = 2, Conv2d


class LazyConv3d(_LazyConvolution):
    """A ``Conv3d`` that takes ``in_channels`` from its first input, and then is a ``Conv3d``."""

    axes, cls_to_become = 3, Conv3d


class LazyConvTranspose1d(_LazyConvTranspose):
    """A ``ConvTranspose1d`` that takes ``in_channels`` from its first input, and then is a ``ConvTranspose1d``."""

    axes, cls_to_become = 1, ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose):
    """A ``ConvTranspose2d`` that takes ``in_channels`` from its first input, and then is a ``ConvTranspose2d``."""

    axes, cls_to_become = 2, ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose):
    """A ``ConvTranspose3d`` that takes ``in_channels`` from its first input, and then is a ``ConvTranspose3d``."""

    axes, cls_to_become = 3, ConvTranspose3d
