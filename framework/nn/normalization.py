"""Layer, RMS, group and local response norm as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.nn import init
from framework.nn.module import Module
from framework.nn.parameter import Parameter
from framework.ops import norm as F
from framework.ops.creation import empty
from framework.ops.matmul import matmul
from framework.ops.values import tensor


class LayerNorm(Module):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dims.

    Args:
        normalized_shape: the lengths of the last dims, normalized together; an int or several.
        eps: added to the variance.
        elementwise_affine: whether to learn a weight and a bias of that shape.
        bias: whether ``elementwise_affine`` includes a bias.

    Example:
        >>> nn.LayerNorm(16)(framework.randn(2, 5, 16)).shape
        framework.Size([2, 5, 16])

    Reference:
        Ba et al., "Layer Normalization", https://arxiv.org/abs/1607.06450.
    """

    bias: Parameter | None

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine

        def parameter(wanted: bool) -> Parameter | None:
            return Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if wanted else None

        self.register_parameter("weight", parameter(elementwise_affine))
        self.register_parameter("bias", parameter(elementwise_affine and bias))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """The input normalized."""
        own = self._parameters  # an attribute that is none of the object's own takes ten times as long to find
        if "weight" in own and "bias" in own:
            return F.layer_norm(input, self.normalized_shape, own["weight"], own["bias"], self.eps)
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


def _shape(given: Any) -> tuple[int, ...]:
    return tuple(given) if hasattr(given, "__len__") else (given,)


class RMSNorm(Module):
    """``x / sqrt(mean(x ** 2) + eps) * weight`` over the last dims.

    Args:
        normalized_shape: the lengths of the last dims; an int or several.
        eps: the dtype's machine epsilon unless given.
        elementwise_affine: whether to learn a weight of that shape.

    Reference:
        Zhang and Sennrich, "Root Mean Square Layer Normalization", https://arxiv.org/abs/1910.07467.
    """

    def __init__(
        self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, input: Any) -> Any:
        """The input normalized."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and variance over each sample's groups of channels.

    Args:
        num_groups: into how many groups the channels are cut.
        num_channels: the number of channels, divisible by ``num_groups``.
        eps: added to the variance.
        affine: whether to learn a weight and a bias a channel.
        bias: whether ``affine`` includes a bias.

    Shape:
        input (N, num_channels, ...) -> the same.

    Reference:
        Wu and He, "Group Normalization", https://arxiv.org/abs/1803.08494.
    """

    bias: Parameter | None

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine

        def parameter(wanted: bool) -> Parameter | None:
            return Parameter(empty(num_channels, device=device, dtype=dtype)) if wanted else None

        self.register_parameter("weight", parameter(affine))
        self.register_parameter("bias", parameter(affine and bias))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """The input normalized."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        has_bias = self.bias is not None
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={has_bias}"


class LocalResponseNorm(Module):
    """``x / (k + alpha * mean of x ** 2 over the size channels around it) ** beta``.

    Reference:
        Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """The input normalized."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """``x / (k + alpha / size * sum of x ** 2 over the channels around it) ** beta`` of (N, C, H, W), as Torch7 had it.

    Its running sum never drops the first channel, and so it is here.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        """The input normalized."""
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        n, c, h, w = input.shape
        half = (self.size - 1) // 2
        rows, columns = np.arange(c)[:, None], np.arange(c)
        counted = (abs(rows - columns) <= half) | ((columns == 0) & (rows > half))
        window = tensor(counted.astype(input.array.dtype), device=input.device)
        total = matmul(window, (input * input).reshape((n, c, h * w))).reshape((n, c, h, w))
        return input * (total * (self.alpha / self.size) + self.k) ** -self.beta

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
