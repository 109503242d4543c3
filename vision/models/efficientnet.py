"""EfficientNet, versions 1 and 2: inverted bottlenecks with squeeze-and-excitation, scaled in width, depth and size.

References: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
https://arxiv.org/abs/1905.11946, and "EfficientNetV2: Smaller Models and Faster Training",
https://arxiv.org/abs/2104.00298. As in torchvision, a picture is padded evenly on both sides before a stride, where the
authors' code pads what is left over at the right and at the bottom.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from hub import FitRules, register_model
from vision.models.efficientnet_weights import (
    HEAD,
    EfficientNet_B0_Weights,
    EfficientNet_B1_Weights,
    EfficientNet_B2_Weights,
    EfficientNet_B3_Weights,
    EfficientNet_B4_Weights,
    EfficientNet_B5_Weights,
    EfficientNet_B6_Weights,
    EfficientNet_B7_Weights,
    EfficientNet_V2_L_Weights,
    EfficientNet_V2_M_Weights,
    EfficientNet_V2_S_Weights,
)
from vision.models.widths import make_divisible
from vision.ops import Conv2dNormActivation, SqueezeExcitation, StochasticDepth

Layer = Callable[..., nn.Module]


@dataclass
class _MBConvConfig:
    """What the configurations of both kinds of blocks share: one stage of the net.

    Args:
        expand_ratio: channels within a block for each of its input.
        kernel: height and width of the spatial convolution.
        stride: of the stage's first block, 1 or 2.
        input_channels, out_channels: of the stage.
        num_layers: blocks.
        block: builds a block.
    """

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Layer

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """Scaled channels, a multiple of 8."""
        return make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of ``MBConv`` blocks.

    Args:
        expand_ratio, kernel, stride, input_channels, out_channels, num_layers: as in the papers' tables.
        width_mult: scales the channels, which are rounded to multiples of 8.
        depth_mult: scales the number of blocks, which is rounded up.
        block: builds a block; ``MBConv`` unless given.
    """

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Layer | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """The scaled number of blocks, rounded up."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of ``FusedMBConv`` blocks; the arguments are those of ``MBConvConfig`` without the scales."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Layer | None = None,
    ) -> None:
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block or FusedMBConv)


class _Residual(nn.Module):
    """A branch, to which its input is added where it has the output's shape: (N, C, H, W) -> (N, out_channels, ...)."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ArgumentError(f"{type(self).__name__}: illegal stride value {cnf.stride}; take 1 or 2")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Any) -> Any:
        """The block's feature map."""
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Residual):
    """An inverted bottleneck: a 1 x 1 convolution that widens, a depthwise one, squeeze-and-excitation, a narrowing one.

    Args:
        cnf: its shape.
        stochastic_depth_prob: the probability of dropping the branch in training.
        norm_layer: builds a normalisation from its channels.
        se_layer: builds the squeeze-and-excitation.
    """

    def __init__(
        self,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Layer,
        se_layer: Layer = SqueezeExcitation,
    ) -> None:
        convolution = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        expanded = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if expanded != cnf.input_channels:
            layers.append(convolution(cnf.input_channels, expanded, 1))
        squeezed = max(1, cnf.input_channels // 4)
        layers += [
            convolution(expanded, expanded, cnf.kernel, cnf.stride, groups=expanded),
            se_layer(expanded, squeezed, activation=partial(nn.SiLU, inplace=True)),
            convolution(expanded, cnf.out_channels, 1, activation_layer=None),
        ]
        super().__init__(cnf, stochastic_depth_prob, layers)


class FusedMBConv(_Residual):
    """An inverted bottleneck whose first two convolutions are one full one, without squeeze-and-excitation.

    Args:
        cnf: its shape.
        stochastic_depth_prob: the probability of dropping the branch in training.
        norm_layer: builds a normalisation from its channels.
    """

    def __init__(self, cnf: FusedMBConvConfig, stochastic_depth_prob: float, norm_layer: Layer) -> None:
        convolution = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        expanded = cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        if expanded == cnf.input_channels:
            layers = [convolution(cnf.input_channels, cnf.out_channels, cnf.kernel, cnf.stride)]
        else:
            layers = [
                convolution(cnf.input_channels, expanded, cnf.kernel, cnf.stride),
                convolution(expanded, cnf.out_channels, 1, activation_layer=None),
            ]
        super().__init__(cnf, stochastic_depth_prob, layers)


class EfficientNet(nn.Module):
    """An EfficientNet of either version, with torchvision's arguments and state-dict keys.

    Args:
        inverted_residual_setting: the stages.
        dropout: the probability of dropping a feature before the head.
        stochastic_depth_prob: it grows evenly from 0 at the first block towards this after the last.
        num_classes: the number of outputs.
        norm_layer: builds a normalisation from its channels; ``BatchNorm2d`` unless given.
        last_channel: channels before the head; four times those of the last stage unless given.

    Shape:
        (N, 3, H, W) -> (N, num_classes), pictures of any size.

    Raises:
        ArgumentError: there are no stages.
        TypeError: a stage is of another class.
    """

    fit_rules = FitRules(head=HEAD, stem="features.0.0")

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        stages = inverted_residual_setting
        if not stages:
            raise ArgumentError("EfficientNet: inverted_residual_setting should name at least one stage, got none")
        if not isinstance(stages, Sequence) or not all(isinstance(s, _MBConvConfig) for s in stages):
            raise TypeError(
                "EfficientNet: inverted_residual_setting should be a list of MBConvConfig and FusedMBConvConfig, got "
                f"{stages!r}"
            )
        norm = norm_layer or nn.BatchNorm2d
        convolution = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [convolution(3, stages[0].input_channels, 3, stride=2)]
        total = sum(cnf.num_layers for cnf in stages)
        built = 0
        for cnf in stages:
            later = copy.copy(cnf)
            later.input_channels, later.stride = cnf.out_channels, 1
            blocks = []
            for place in range(cnf.num_layers):
                blocks.append(cnf.block(later if place else cnf, stochastic_depth_prob * built / total, norm))
                built += 1
            layers.append(nn.Sequential(*blocks))
        channels = stages[-1].out_channels
        last_channel = 4 * channels if last_channel is None else last_channel
        layers.append(convolution(channels, last_channel, 1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(last_channel, num_classes))
        self._initialize()

    def _initialize(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out")
            elif isinstance(m, nn.Linear):
                bound = 1 / math.sqrt(m.out_features)
                nn.init.uniform_(m.weight, -bound, bound)
            else:
                continue
            if m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, 3, H, W)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _version1(width_mult: float, depth_mult: float, dropout: float, **config: Any) -> EfficientNet:
    stage = partial(MBConvConfig, width_mult=width_mult, depth_mult=depth_mult)
    stages = [
        stage(1, 3, 1, 32, 16, 1),
        stage(6, 3, 2, 16, 24, 2),
        stage(6, 5, 2, 24, 40, 2),
        stage(6, 3, 2, 40, 80, 3),
        stage(6, 5, 1, 80, 112, 3),
        stage(6, 5, 2, 112, 192, 4),
        stage(6, 3, 1, 192, 320, 1),
    ]
    return EfficientNet(stages, dropout, **config)


def _version2(stages: Sequence[Any], dropout: float, **config: Any) -> EfficientNet:
    defaults = {"norm_layer": partial(nn.BatchNorm2d, eps=1e-3), "last_channel": 1280}
    return EfficientNet(stages, dropout, **{**defaults, **config})


_SLOW_NORM = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)  # of the weights that were ported from the authors'


@register_model(weights=EfficientNet_B0_Weights)
def efficientnet_b0(*, dropout: float = 0.2, **config: Any) -> EfficientNet:
    """EfficientNet-B0: 5.3 M parameters."""
    return _version1(1.0, 1.0, dropout, **config)


@register_model(weights=EfficientNet_B1_Weights)
def efficientnet_b1(*, dropout: float = 0.2, **config: Any) -> EfficientNet:
    """EfficientNet-B1: 7.8 M parameters."""
    return _version1(1.0, 1.1, dropout, **config)


@register_model(weights=EfficientNet_B2_Weights)
def efficientnet_b2(*, dropout: float = 0.3, **config: Any) -> EfficientNet:
    """EfficientNet-B2: 9.1 M parameters."""
    return _version1(1.1, 1.2, dropout, **config)


@register_model(weights=EfficientNet_B3_Weights)
def efficientnet_b3(*, dropout: float = 0.3, **config: Any) -> EfficientNet:
    """EfficientNet-B3: 12.2 M parameters."""
    return _version1(1.2, 1.4, dropout, **config)


@register_model(weights=EfficientNet_B4_Weights)
def efficientnet_b4(*, dropout: float = 0.4, **config: Any) -> EfficientNet:
    """EfficientNet-B4: 19.3 M parameters."""
    return _version1(1.4, 1.8, dropout, **config)


@register_model(weights=EfficientNet_B5_Weights)
def efficientnet_b5(*, dropout: float = 0.4, norm_layer: Layer = _SLOW_NORM, **config: Any) -> EfficientNet:
    """EfficientNet-B5: 30.4 M parameters."""
    return _version1(1.6, 2.2, dropout, norm_layer=norm_layer, **config)


@register_model(weights=EfficientNet_B6_Weights)
def efficientnet_b6(*, dropout: float = 0.5, norm_layer: Layer = _SLOW_NORM, **config: Any) -> EfficientNet:
    """EfficientNet-B6: 43.0 M parameters."""
    return _version1(1.8, 2.6, dropout, norm_layer=norm_layer, **config)


@register_model(weights=EfficientNet_B7_Weights)
def efficientnet_b7(*, dropout: float = 0.5, norm_layer: Layer = _SLOW_NORM, **config: Any) -> EfficientNet:
    """EfficientNet-B7: 66.3 M parameters."""
    return _version1(2.0, 3.1, dropout, norm_layer=norm_layer, **config)


@register_model(weights=EfficientNet_V2_S_Weights)
def efficientnet_v2_s(*, dropout: float = 0.2, **config: Any) -> EfficientNet:
    """EfficientNetV2-S: 21.5 M parameters."""
    stages = [
        FusedMBConvConfig(1, 3, 1, 24, 24, 2),
        FusedMBConvConfig(4, 3, 2, 24, 48, 4),
        FusedMBConvConfig(4, 3, 2, 48, 64, 4),
        MBConvConfig(4, 3, 2, 64, 128, 6),
        MBConvConfig(6, 3, 1, 128, 160, 9),
        MBConvConfig(6, 3, 2, 160, 256, 15),
    ]
    return _version2(stages, dropout, **config)


@register_model(weights=EfficientNet_V2_M_Weights)
def efficientnet_v2_m(*, dropout: float = 0.3, **config: Any) -> EfficientNet:
    """EfficientNetV2-M: 54.1 M parameters."""
    stages = [
        FusedMBConvConfig(1, 3, 1, 24, 24, 3),
        FusedMBConvConfig(4, 3, 2, 24, 48, 5),
        FusedMBConvConfig(4, 3, 2, 48, 80, 5),
        MBConvConfig(4, 3, 2, 80, 160, 7),
        MBConvConfig(6, 3, 1, 160, 176, 14),
        MBConvConfig(6, 3, 2, 176, 304, 18),
        MBConvConfig(6, 3, 1, 304, 512, 5),
    ]
    return _version2(stages, dropout, **config)


@register_model(weights=EfficientNet_V2_L_Weights)
def efficientnet_v2_l(*, dropout: float = 0.4, **config: Any) -> EfficientNet:
    """EfficientNetV2-L: 118.5 M parameters."""
    stages = [
        FusedMBConvConfig(1, 3, 1, 32, 32, 4),
        FusedMBConvConfig(4, 3, 2, 32, 64, 7),
        FusedMBConvConfig(4, 3, 2, 64, 96, 7),
        MBConvConfig(4, 3, 2, 96, 192, 10),
        MBConvConfig(6, 3, 1, 192, 224, 19),
        MBConvConfig(6, 3, 2, 224, 384, 25),
        MBConvConfig(6, 3, 1, 384, 640, 7),
    ]
    return _version2(stages, dropout, **config)
