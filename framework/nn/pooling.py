"""Pooling layers: maxima, means and p-norms over windows, to given sizes, at random places, and back."""

from __future__ import annotations

from typing import Any

from framework.nn.conv import ntuple
from framework.nn.module import Module
from framework.ops import pool as F
from framework.ops import pool_adaptive, unpool


class _MaxPool(Module):
    axes: int

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Any) -> Any:
        """The maximum of each window, with its place if ``return_indices``."""
        pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.axes - 1]
        return pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The maximum over windows of (N, C, L) or (C, L); see ``MaxPool2d``."""

    axes = 1


class MaxPool2d(_MaxPool):
    """The maximum over windows of (N, C, H, W) or (C, H, W).

    Args:
        kernel_size: the window's lengths, an int or one for each spatial dim.
        stride: steps between windows; ``kernel_size`` unless given.
        padding: rows of minus infinity on each side.
        dilation: steps between the values of a window.
        return_indices: return also where each maximum lies, for ``MaxUnpool2d``.
        ceil_mode: round the number of windows up.

    Example:
        >>> nn.MaxPool2d(2)(framework.randn(1, 3, 8, 8)).shape
        framework.Size([1, 3, 4, 4])
    """

    axes = 2


class MaxPool3d(_MaxPool):
    """The maximum over windows of (N, C, D, H, W) or (C, D, H, W); see ``MaxPool2d``."""

    axes = 3


class AvgPool1d(Module):
    """The mean over windows of (N, C, L) or (C, L); see ``AvgPool2d``."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = ntuple(kernel_size, 1)
        self.stride = ntuple(kernel_size if stride is None else stride, 1)
        self.padding = ntuple(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Any) -> Any:
        """The mean of each window."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    axes: int

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Any) -> Any:
        """The mean of each window."""
        pool = (F.avg_pool2d, F.avg_pool3d)[self.axes - 2]
        return pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean over windows of (N, C, H, W) or (C, H, W).

    Args:
        kernel_size: the window's lengths, an int or one for each spatial dim.
        stride: steps between windows; ``kernel_size`` unless given.
        padding: rows of zeros on each side.
        ceil_mode: round the number of windows up.
        count_include_pad: whether the padding counts in the mean.
        divisor_override: divide by this number and not by the count.
    """

    axes = 2


class AvgPool3d(_AvgPool):
    """The mean over windows of (N, C, D, H, W) or (C, D, H, W); see ``AvgPool2d``."""

    axes = 3


class _AdaptiveAvgPool(Module):
    axes: int

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Any) -> Any:
        """The mean over windows that share the input evenly."""
        return pool_adaptive.adaptive_average(f"adaptive_avg_pool{self.axes}d", self.axes, input, self.output_size)

    def extra_repr(self) -> str:
        """The output's size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean over ``output_size`` windows of (N, C, L) or (C, L)."""

    axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean over windows of (N, C, H, W) or (C, H, W), so many that the output has the size asked for.

    Args:
        output_size: (H', W'), or one int for both; None keeps a dim as it is.
    """

    axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean over windows of (N, C, D, H, W) or (C, D, H, W); see ``AdaptiveAvgPool2d``."""

    axes = 3


class _AdaptiveMaxPool(Module):
    axes: int

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Any) -> Any:
        """The maximum over windows that share the input evenly, with its place if ``return_indices``."""
        pools = (
            pool_adaptive.adaptive_max_pool1d, pool_adaptive.adaptive_max_pool2d, pool_adaptive.adaptive_max_pool3d,
        )  # fmt: skip
        return pools[self.axes - 1](input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """The output's size."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maximum over ``output_size`` windows of (N, C, L) or (C, L)."""

    axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maximum over windows of (N, C, H, W) or (C, H, W), so many that the output has the size asked for.

    Args:
        output_size: (H', W'), or one int for both; None keeps a dim as it is.
        return_indices: return also where each maximum lies.
    """

    axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maximum over windows of (N, C, D, H, W) or (C, D, H, W); see ``AdaptiveMaxPool2d``."""

    axes = 3


class _LPPool(Module):
    axes: int

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Any) -> Any:
        """The p-norm of each window."""
        pool = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[self.axes - 1]
        return pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The settings."""
        window = f"kernel_size={self.kernel_size}, stride={self.stride}"
        return f"norm_type={self.norm_type}, {window}, ceil_mode={self.ceil_mode}"


class LPPool1d(_LPPool):
    """The p-norm ``sum(x ** p) ** (1 / p)`` over windows of (N, C, L) or (C, L)."""

    axes = 1


class LPPool2d(_LPPool):
    """The p-norm ``sum(x ** p) ** (1 / p)`` over windows of (N, C, H, W) or (C, H, W).

    Args:
        norm_type: p.
        kernel_size, stride, ceil_mode: as in ``AvgPool2d``.
    """

    axes = 2


class LPPool3d(_LPPool):
    """The p-norm ``sum(x ** p) ** (1 / p)`` over windows of (N, C, D, H, W) or (C, D, H, W)."""

    axes = 3


class _MaxUnpool(Module):
    axes: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = ntuple(kernel_size, self.axes)
        self.stride = ntuple(kernel_size if stride is None else stride, self.axes)
        self.padding = ntuple(padding, self.axes)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        """The values put back where the indices of a max pool say, zeros elsewhere."""
        put = (unpool.max_unpool1d, unpool.max_unpool2d, unpool.max_unpool3d)[self.axes - 1]
        return put(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """The settings."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The inverse of ``MaxPool1d`` with its indices."""

    axes = 1


class MaxUnpool2d(_MaxUnpool):
    """The inverse of ``MaxPool2d`` with its indices: the maxima in their places, zeros elsewhere."""

    axes = 2


class MaxUnpool3d(_MaxUnpool):
    """The inverse of ``MaxPool3d`` with its indices."""

    axes = 3


class _FractionalMaxPool(Module):
    axes: int

    def __init__(
        self, kernel_size: Any, output_size: Any = None, output_ratio: Any = None, return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name, axes = type(self).__name__, self.axes
        self.kernel_size, self.return_indices = ntuple(kernel_size, axes), return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else ntuple(output_size, axes)
        self.output_ratio = None if output_ratio is None else ntuple(output_ratio, axes)
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name}: requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError(f"{name}: only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"{name}: output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Any) -> Any:
        """The maximum over windows placed at random."""
        pool = (pool_adaptive.fractional_max_pool2d, pool_adaptive.fractional_max_pool3d)[self.axes - 2]
        return pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The maximum over windows at pseudo-random steps of (N, C, H, W) or (C, H, W).

    Args:
        kernel_size: the window's lengths.
        output_size: the output's lengths; give it or ``output_ratio``.
        output_ratio: output length / input length, between 0 and 1.
        return_indices: return also where each maximum lies.

    Reference:
        Graham, "Fractional Max-Pooling", https://arxiv.org/abs/1412.6071.
    """

    axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """The maximum over windows at pseudo-random steps of (N, C, D, H, W); see ``FractionalMaxPool2d``."""

    axes = 3
