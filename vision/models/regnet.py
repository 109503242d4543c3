"""RegNets: residual bottlenecks whose widths follow a rounded line; RegNetY has squeeze-and-excitation besides.

References: Radosavovic et al., "Designing Network Design Spaces", https://arxiv.org/abs/2003.13678;
Singh et al., "Revisiting Weakly Supervised Pre-Training of Visual Perception Models" (the SWAG weights),
https://arxiv.org/abs/2201.08371.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from framework import nn
from framework.errors import ArgumentError
from hub import FitRules, register_model
from vision.models.regnet_weights import (
    HEAD,
    RegNet_X_1_6GF_Weights,
    RegNet_X_3_2GF_Weights,
    RegNet_X_8GF_Weights,
    RegNet_X_16GF_Weights,
    RegNet_X_32GF_Weights,
    RegNet_X_400MF_Weights,
    RegNet_X_800MF_Weights,
    RegNet_Y_1_6GF_Weights,
    RegNet_Y_3_2GF_Weights,
    RegNet_Y_8GF_Weights,
    RegNet_Y_16GF_Weights,
    RegNet_Y_32GF_Weights,
    RegNet_Y_128GF_Weights,
    RegNet_Y_400MF_Weights,
    RegNet_Y_800MF_Weights,
)
from vision.models.widths import make_divisible
from vision.ops import Conv2dNormActivation, SqueezeExcitation

Layer = Callable[..., nn.Module]


class SimpleStemIN(Conv2dNormActivation):
    """The stem: a 3 x 3 convolution of stride 2, its norm and its activation."""

    def __init__(self, width_in: int, width_out: int, norm_layer: Layer, activation_layer: Layer) -> None:
        super().__init__(width_in, width_out, 3, 2, norm_layer=norm_layer, activation_layer=activation_layer)


class BottleneckTransform(nn.Sequential):
    """A bottleneck's branch: 1 x 1, grouped 3 x 3, squeeze-and-excitation if any, 1 x 1.

    Args:
        width_in, width_out: channels of input and output.
        stride: of the 3 x 3 convolution.
        norm_layer, activation_layer: build the layers after each convolution.
        group_width: channels in a group of the 3 x 3 convolution.
        bottleneck_multiplier: channels between the convolutions for each of the output.
        se_ratio: channels within the squeeze-and-excitation for each of the input; None or 0 for none.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:
        convolution = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer)
        width = round(width_out * bottleneck_multiplier)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = convolution(width_in, width, 1)
        layers["b"] = convolution(width, width, 3, stride, groups=width // group_width)
        if se_ratio:
            layers["se"] = SqueezeExcitation(width, round(se_ratio * width_in), activation=activation_layer)
        layers["c"] = convolution(width, width_out, 1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """A ``BottleneckTransform`` to which the input, projected where its shape differs, is added before the activation.

    The arguments are those of ``BottleneckTransform``.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, 1, stride, norm_layer=norm_layer, activation_layer=None
            )
        self.f = BottleneckTransform(
            width_in, width_out, stride, norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        out = self.f(x)
        out += x if self.proj is None else self.proj(x)
        return self.activation(out)


class AnyStage(nn.Sequential):
    """A stage: blocks of one width, of which the first has the stride.

    Args:
        width_in, width_out: channels of input and output.
        stride: of the first block.
        depth: blocks.
        block_constructor: builds a block from its widths and stride and the arguments below.
        norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio: of each block.
        stage_index: the number of the stage, in the blocks' names.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        depth: int,
        block_constructor: Layer,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None = None,
        stage_index: int = 0,
    ) -> None:
        super().__init__()
        rest = norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio
        for i in range(depth):
            block = block_constructor(width_out if i else width_in, width_out, 1 if i else stride, *rest)
            self.add_module(f"block{stage_index}-{i}", block)


class BlockParams:
    """The stages of a RegNet, one entry a stage in each list.

    Args:
        depths: blocks.
        widths: channels.
        group_widths: channels in a group of the 3 x 3 convolutions.
        bottleneck_multipliers: channels between the convolutions of a block for each of its output.
        strides: of the first blocks.
        se_ratio: channels within squeeze-and-excitation for each of a block's input; None for none.
    """

    def __init__(
        self,
        depths: list[int],
        widths: list[int],
        group_widths: list[int],
        bottleneck_multipliers: list[float],
        strides: list[int],
        se_ratio: float | None = None,
    ) -> None:
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> BlockParams:
        """The stages by the paper's rule: blocks of width w_0 + w_a * j, rounded to w_0 * w_m ** k and multiples of 8.

        Blocks of one width make a stage. Widths are then rounded so that groups divide them.

        Args:
            depth: blocks of all stages.
            w_0: width of the first block, a multiple of 8.
            w_a: how much wider each block is before rounding.
            w_m: ratio of a stage's width to the one before it, above 1.
            group_width, bottleneck_multiplier, se_ratio: of all blocks.

        Raises:
            ArgumentError: a number is none of these.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8:
            raise ArgumentError(
                "BlockParams: expected w_0 a multiple of 8 above 0, w_a at least 0 and w_m above 1, got "
                f"w_0={w_0}, w_a={w_a}, w_m={w_m}"
            )
        steps = np.round(np.log(1 + np.arange(depth) * w_a / w_0) / math.log(w_m))
        blocks = np.round(w_0 * w_m**steps / 8).astype(int) * 8
        stages = [(int(width), len(list(same))) for width, same in groupby(blocks)]
        inner = [int(width * bottleneck_multiplier) for width, _ in stages]
        groups = [min(group_width, width) for width in inner]
        widths = [
            int(make_divisible(width, group) / bottleneck_multiplier)
            for width, group in zip(inner, groups, strict=True)
        ]
        count = len(stages)
        return cls(
            [length for _, length in stages], widths, groups, [bottleneck_multiplier] * count, [2] * count, se_ratio
        )


class RegNet(nn.Module):
    """A RegNet, with torchvision's arguments and state-dict keys.

    Args:
        block_params: the stages.
        num_classes: the number of outputs.
        stem_width: channels of the stem.
        stem_type: builds the stem from channels of input and output, norm and activation; ``SimpleStemIN`` unless given.
        block_type: builds a block; ``ResBottleneckBlock`` unless given.
        norm_layer: builds a normalisation from its channels; ``BatchNorm2d`` unless given.
        activation: builds an activation; ``ReLU`` unless given.

    Shape:
        (N, 3, H, W) -> (N, num_classes), pictures of any size.
    """

    fit_rules = FitRules(
        head=HEAD, stem="stem.0", containers=tuple(f"trunk_output.block{stage}" for stage in range(1, 5))
    )

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: Layer | None = None,
        block_type: Layer | None = None,
        norm_layer: Layer | None = None,
        activation: Layer | None = None,
    ) -> None:
        super().__init__()
        norm, activation = norm_layer or nn.BatchNorm2d, activation or nn.ReLU
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm, activation)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        width = stem_width
        rows = zip(
            block_params.widths,
            block_params.strides,
            block_params.depths,
            block_params.group_widths,
            block_params.bottleneck_multipliers,
            strict=True,
        )
        for number, (width_out, stride, depth, group_width, multiplier) in enumerate(rows, 1):
            stages[f"block{number}"] = AnyStage(
                width,
                width_out,
                stride,
                depth,
                block_type or ResBottleneckBlock,
                norm,
                activation,
                group_width,
                multiplier,
                block_params.se_ratio,
                stage_index=number,
            )
            width = width_out
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, std=0.01)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, 3, H, W)."""
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(1))


@register_model(weights=RegNet_Y_400MF_Weights)
def regnet_y_400mf(**config: Any) -> RegNet:
    """RegNetY-400MF: 4.3 M parameters."""
    return RegNet(BlockParams.from_init_params(16, 48, 27.89, 2.09, 8, se_ratio=0.25), **config)


@register_model(weights=RegNet_Y_800MF_Weights)
def regnet_y_800mf(**config: Any) -> RegNet:
    """RegNetY-800MF: 6.4 M parameters."""
    return RegNet(BlockParams.from_init_params(14, 56, 38.84, 2.4, 16, se_ratio=0.25), **config)


@register_model(weights=RegNet_Y_1_6GF_Weights)
def regnet_y_1_6gf(**config: Any) -> RegNet:
    """RegNetY-1.6GF: 11.2 M parameters."""
    return RegNet(BlockParams.from_init_params(27, 48, 20.71, 2.65, 24, se_ratio=0.25), **config)


@register_model(weights=RegNet_Y_3_2GF_Weights)
def regnet_y_3_2gf(**config: Any) -> RegNet:
    """RegNetY-3.2GF: 19.4 M parameters."""
    return RegNet(BlockParams.from_init_params(21, 80, 42.63, 2.66, 24, se_ratio=0.25), **config)


@register_model(weights=RegNet_Y_8GF_Weights)
def regnet_y_8gf(**config: Any) -> RegNet:
    """RegNetY-8GF: 39.4 M parameters."""
    return RegNet(BlockParams.from_init_params(17, 192, 76.82, 2.19, 56, se_ratio=0.25), **config)


@register_model(weights=RegNet_Y_16GF_Weights)
def regnet_y_16gf(**config: Any) -> RegNet:
    """RegNetY-16GF: 83.6 M parameters."""
    return RegNet(BlockParams.from_init_params(18, 200, 106.23, 2.48, 112, se_ratio=0.25), **config)


@register_model(weights=RegNet_Y_32GF_Weights)
def regnet_y_32gf(**config: Any) -> RegNet:
    """RegNetY-32GF: 145.0 M parameters."""
    return RegNet(BlockParams.from_init_params(20, 232, 115.89, 2.53, 232, se_ratio=0.25), **config)


@register_model(weights=RegNet_Y_128GF_Weights)
def regnet_y_128gf(**config: Any) -> RegNet:
    """RegNetY-128GF: 644.8 M parameters."""
    return RegNet(BlockParams.from_init_params(27, 456, 160.83, 2.52, 264, se_ratio=0.25), **config)


@register_model(weights=RegNet_X_400MF_Weights)
def regnet_x_400mf(**config: Any) -> RegNet:
    """RegNetX-400MF: 5.5 M parameters."""
    return RegNet(BlockParams.from_init_params(22, 24, 24.48, 2.54, 16), **config)


@register_model(weights=RegNet_X_800MF_Weights)
def regnet_x_800mf(**config: Any) -> RegNet:
    """RegNetX-800MF: 7.3 M parameters."""
    return RegNet(BlockParams.from_init_params(16, 56, 35.73, 2.28, 16), **config)


@register_model(weights=RegNet_X_1_6GF_Weights)
def regnet_x_1_6gf(**config: Any) -> RegNet:
    """RegNetX-1.6GF: 9.2 M parameters."""
    return RegNet(BlockParams.from_init_params(18, 80, 34.01, 2.25, 24), **config)


@register_model(weights=RegNet_X_3_2GF_Weights)
def regnet_x_3_2gf(**config: Any) -> RegNet:
    """RegNetX-3.2GF: 15.3 M parameters."""
    return RegNet(BlockParams.from_init_params(25, 88, 26.31, 2.25, 48), **config)


@register_model(weights=RegNet_X_8GF_Weights)
def regnet_x_8gf(**config: Any) -> RegNet:
    """RegNetX-8GF: 39.6 M parameters."""
    return RegNet(BlockParams.from_init_params(23, 80, 49.56, 2.88, 120), **config)


@register_model(weights=RegNet_X_16GF_Weights)
def regnet_x_16gf(**config: Any) -> RegNet:
    """RegNetX-16GF: 54.3 M parameters."""
    return RegNet(BlockParams.from_init_params(22, 216, 55.59, 2.1, 128), **config)


@register_model(weights=RegNet_X_32GF_Weights)
def regnet_x_32gf(**config: Any) -> RegNet:
    """RegNetX-32GF: 107.8 M parameters."""
    return RegNet(BlockParams.from_init_params(23, 320, 69.86, 2.0, 168), **config)
