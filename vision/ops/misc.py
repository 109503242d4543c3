"""Blocks that many models are built of. Children have torchvision's names and numbers, so that its weights load."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import framework
from framework import nn
from framework.errors import ArgumentError

Layer = Callable[..., nn.Module]
Size = int | Sequence[int]


def _per_dimension(value: Size, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


def _same_padding(kernel_size: Size, dilation: Size) -> int | tuple[int, ...]:
    """The padding that keeps a picture's size at stride 1, for an odd kernel."""
    if isinstance(kernel_size, int) and isinstance(dilation, int):
        return (kernel_size - 1) // 2 * dilation
    dims = next(len(value) for value in (kernel_size, dilation) if not isinstance(value, int))
    sizes = zip(_per_dimension(kernel_size, dims), _per_dimension(dilation, dims), strict=True)
    return tuple((size - 1) // 2 * step for size, step in sizes)


class ConvNormActivation(nn.Sequential):
    """A convolution, its normalisation and its activation, at 0, 1 and 2; the base of the 2-d and the 3-d block.

    Attributes:
        out_channels: channels of the result.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        stride: Size = 1,
        padding: Size | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: Size = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
        conv_layer: Layer = nn.Conv2d,
    ) -> None:
        layers = [
            conv_layer(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                _same_padding(kernel_size, dilation) if padding is None else padding,
                dilation=dilation,
                groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer() if inplace is None else activation_layer(inplace=inplace))
        super().__init__(*layers)
        self.out_channels = out_channels
        if type(self) is ConvNormActivation:
            warnings.warn(
                "ConvNormActivation is a base class; build Conv2dNormActivation or Conv3dNormActivation", stacklevel=2
            )


class Conv2dNormActivation(ConvNormActivation):
    """A 2-d convolution, then its normalisation, then its activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size, stride, dilation: of the convolution, in pixels; one number or (height, width).
        padding: of the convolution; ``(kernel_size - 1) // 2 * dilation`` unless given.
        groups: of the convolution.
        norm_layer: builds the normalisation from its channels; None for none.
        activation_layer: builds the activation; None for none.
        inplace: given to ``activation_layer``; None for an activation without that argument.
        bias: whether the convolution has a bias; only where there is no normalisation unless given.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H', W').

    Example:
        >>> Conv2dNormActivation(3, 16, stride=2, activation_layer=nn.SiLU)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
            nn.Conv2d,
        )


class Conv3dNormActivation(ConvNormActivation):
    """A 3-d convolution, then its normalisation, then its activation; the arguments of ``Conv2dNormActivation``.

    Shape:
        (N, in_channels, D, H, W) -> (N, out_channels, D', H', W').
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int] = 3,
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm3d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: int | tuple[int, int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
            nn.Conv3d,
        )


class SqueezeExcitation(nn.Module):
    """Scales each channel by a weight in (0, 1) that two 1 x 1 convolutions read off the channels' means.

    Args:
        input_channels: channels of the input.
        squeeze_channels: channels between the two convolutions.
        activation: builds the activation between the convolutions.
        scale_activation: builds the activation that gives the weights.

    Shape:
        (N, input_channels, H, W), unchanged.

    Reference: Hu et al., "Squeeze-and-Excitation Networks", https://arxiv.org/abs/1709.01507
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Any) -> Any:
        """The input with its channels scaled."""
        scale = self.fc2(self.activation(self.fc1(self.avgpool(input))))  # (N, C, 1, 1)
        return self.scale_activation(scale) * input


class MLP(nn.Sequential):
    """Linear layers, each but the last with a normalisation, an activation and dropout; dropout after the last too.

    Args:
        in_channels: features of the input.
        hidden_channels: features after each linear layer; the last are the output's.
        norm_layer: builds a normalisation from its features; None for none.
        activation_layer: builds the activations.
        inplace: given to the activations and dropouts; None leaves them their own default.
        bias: whether the linear layers have a bias.
        dropout: the probability of dropping an element, in [0, 1].

    Shape:
        (..., in_channels) -> (..., hidden_channels[-1]).

    Raises:
        ArgumentError: ``hidden_channels`` is empty.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        norm_layer: Layer | None = None,
        activation_layer: Layer = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        if not hidden_channels:
            raise ArgumentError("MLP: hidden_channels should name the features of at least one layer, got none")
        options = {} if inplace is None else {"inplace": inplace}
        layers: list[nn.Module] = []
        features = in_channels
        for hidden in hidden_channels[:-1]:
            layers.append(nn.Linear(features, hidden, bias=bias))
            if norm_layer is not None:
                layers.append(norm_layer(hidden))
            layers += [activation_layer(**options), nn.Dropout(dropout, **options)]
            features = hidden
        layers += [nn.Linear(features, hidden_channels[-1], bias=bias), nn.Dropout(dropout, **options)]
        super().__init__(*layers)


class Permute(nn.Module):
    """A view with the dimensions in another order.

    Args:
        dims: for each dimension of the result, which of the input's it is.

    Example:
        >>> Permute([0, 2, 3, 1])  # (N, C, H, W) -> (N, H, W, C)
    """

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Any) -> Any:
        """The view."""
        return x.permute(self.dims)


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics and affine parameters never change: all four are buffers.

    Args:
        num_features: channels C of the input.
        eps: added to the variance.

    Shape:
        (N, C, H, W), unchanged.
    """

    weight: Any
    bias: Any
    running_mean: Any
    running_var: Any

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            self.register_buffer(name, framework.full((num_features,), float(value)))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)  # what a BatchNorm2d's weights have besides
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Any) -> Any:
        """The normalised input."""
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.weight.shape[0]}, eps={self.eps}"
