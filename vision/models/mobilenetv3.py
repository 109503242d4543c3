"""MobileNetV3: MobileNetV2's blocks with squeeze-and-excitation and cheaper activations, in an order found by search.

Reference: Howard et al., "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244; its tables 1 and 2 are below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import NEW_RECIPE, RECIPES, imagenet1k
from vision.models.initial import start_by_outputs
from vision.models.widths import make_divisible
from vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

Layer = Callable[..., nn.Module]


class InvertedResidualConfig:
    """A row of the paper's tables.

    Args:
        input_channels, expanded_channels, out_channels: before, within and after the block, before they are scaled.
        kernel: side of the depthwise convolution.
        use_se: whether there is squeeze-and-excitation.
        activation: ``"RE"`` for ReLU, ``"HS"`` for the hard swish.
        stride, dilation: of the depthwise convolution; a dilated one has stride 1.
        width_mult: scales the channels, which are rounded to multiples of 8.
    """

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """A number of channels scaled, as a multiple of 8."""
        return make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Widens, filters each channel by itself, weighs channels, narrows; the input is added back where shapes allow.

    Args:
        cnf: channels and the like.
        norm_layer: builds a normalisation from its channels.
        se_layer: builds squeeze-and-excitation from the channels of its input and those between.
    """

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: Layer,
        se_layer: Layer = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid),  # noqa: B008
    ) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ArgumentError(f"InvertedResidual: stride should be 1 or 2, got {cnf.stride}")
        width = cnf.expanded_channels
        unit = partial(
            Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.Hardswish if cnf.use_hs else nn.ReLU
        )
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(unit(cnf.input_channels, width, kernel_size=1))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers.append(unit(width, width, cnf.kernel, stride=stride, dilation=cnf.dilation, groups=width))
        if cnf.use_se:
            layers.append(se_layer(width, make_divisible(width // 4, 8)))
        layers.append(Conv2dNormActivation(width, cnf.out_channels, 1, norm_layer=norm_layer, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels

    def forward(self, input: Any) -> Any:
        """The block's feature map."""
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """MobileNetV3, with torchvision's arguments and state-dict keys.

    Args:
        inverted_residual_setting: a row for each block.
        last_channel: features of the last hidden layer.
        num_classes: the number of outputs.
        block: builds a block; ``InvertedResidual`` unless given.
        norm_layer: builds a normalisation from its channels; batch norm with ``eps=0.001, momentum=0.01`` unless given.
        dropout: the probability of dropping an input of the last layer.

    Shape:
        (N, 3, H, W) -> (N, num_classes); 224 x 224 pictures in the paper.
    """

    fit_rules = FitRules(head=("classifier.3",), stem="features.0.0")

    def __init__(
        self,
        inverted_residual_setting: Sequence[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if not inverted_residual_setting:
            raise ArgumentError("MobileNetV3: inverted_residual_setting should have at least one row")
        if not all(isinstance(row, InvertedResidualConfig) for row in inverted_residual_setting):
            raise TypeError("MobileNetV3: inverted_residual_setting should be a list of InvertedResidualConfig")
        block = block or InvertedResidual
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        first, last = inverted_residual_setting[0].input_channels, inverted_residual_setting[-1].out_channels
        self.features = nn.Sequential(
            unit(3, first, stride=2),
            *(block(row, norm) for row in inverted_residual_setting),
            unit(last, 6 * last, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        start_by_outputs(self)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _large(width_mult: float, tail: int, dilation: int) -> tuple[list[InvertedResidualConfig], int]:
    """The rows of the larger net and its last hidden layer's width; ``tail`` divides the channels of the last stage."""
    row = partial(InvertedResidualConfig, width_mult=width_mult)
    rows = [
        row(16, 3, 16, 16, False, "RE", 1, 1),
        row(16, 3, 64, 24, False, "RE", 2, 1),
        row(24, 3, 72, 24, False, "RE", 1, 1),
        row(24, 5, 72, 40, True, "RE", 2, 1),
        row(40, 5, 120, 40, True, "RE", 1, 1),
        row(40, 5, 120, 40, True, "RE", 1, 1),
        row(40, 3, 240, 80, False, "HS", 2, 1),
        row(80, 3, 200, 80, False, "HS", 1, 1),
        row(80, 3, 184, 80, False, "HS", 1, 1),
        row(80, 3, 184, 80, False, "HS", 1, 1),
        row(80, 3, 480, 112, True, "HS", 1, 1),
        row(112, 3, 672, 112, True, "HS", 1, 1),
        row(112, 5, 672, 160 // tail, True, "HS", 2, dilation),
        row(160 // tail, 5, 960 // tail, 160 // tail, True, "HS", 1, dilation),
        row(160 // tail, 5, 960 // tail, 160 // tail, True, "HS", 1, dilation),
    ]
    return rows, InvertedResidualConfig.adjust_channels(1280 // tail, width_mult)


def _small(width_mult: float, tail: int, dilation: int) -> tuple[list[InvertedResidualConfig], int]:
    """The same of the smaller net."""
    row = partial(InvertedResidualConfig, width_mult=width_mult)
    rows = [
        row(16, 3, 16, 16, True, "RE", 2, 1),
        row(16, 3, 72, 24, False, "RE", 2, 1),
        row(24, 3, 88, 24, False, "RE", 1, 1),
        row(24, 5, 96, 40, True, "HS", 2, 1),
        row(40, 5, 240, 40, True, "HS", 1, 1),
        row(40, 5, 240, 40, True, "HS", 1, 1),
        row(40, 5, 120, 48, True, "HS", 1, 1),
        row(48, 5, 144, 48, True, "HS", 1, 1),
        row(48, 5, 288, 96 // tail, True, "HS", 2, dilation),
        row(96 // tail, 5, 576 // tail, 96 // tail, True, "HS", 1, dilation),
        row(96 // tail, 5, 576 // tail, 96 // tail, True, "HS", 1, dilation),
    ]
    return rows, InvertedResidualConfig.adjust_channels(1024 // tail, width_mult)


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1905.02244", head=MobileNetV3.fit_rules.head)


class MobileNet_V3_Small_Weights(WeightsEnum):
    """Weights of ``mobilenet_v3_small``."""

    IMAGENET1K_V1 = _weights(
        "mobilenet_v3_small-047dcff4.pth", acc1=67.668, acc5=87.402, num_params=2_542_856, ops=0.057,
        file_size=9.829, crop_size=224, recipe=f"{RECIPES}#mobilenetv3-large--small",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MobileNet_V3_Large_Weights(WeightsEnum):
    """Weights of ``mobilenet_v3_large``."""

    IMAGENET1K_V1 = _weights(
        "mobilenet_v3_large-8738ca79.pth", acc1=74.042, acc5=91.34, num_params=5_483_032, ops=0.217,
        file_size=21.114, crop_size=224, recipe=f"{RECIPES}#mobilenetv3-large--small",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "mobilenet_v3_large-5c1a4163.pth", acc1=75.274, acc5=92.566, num_params=5_483_032, ops=0.217,
        file_size=21.107, crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe-with-reg-tuning",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


@register_model(weights=MobileNet_V3_Small_Weights)
def mobilenet_v3_small(
    *, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False, **config: Any
) -> MobileNetV3:
    """MobileNetV3 small: 2.5 M parameters. Detectors and segmenters halve the tail's channels, or dilate it."""
    rows, last = _small(width_mult, 2 if reduced_tail else 1, 2 if dilated else 1)
    return MobileNetV3(rows, last, **config)


@register_model(weights=MobileNet_V3_Large_Weights)
def mobilenet_v3_large(
    *, width_mult: float = 1.0, reduced_tail: bool = False, dilated: bool = False, **config: Any
) -> MobileNetV3:
    """MobileNetV3 large: 5.5 M parameters. Detectors and segmenters halve the tail's channels, or dilate it."""
    rows, last = _large(width_mult, 2 if reduced_tail else 1, 2 if dilated else 1)
    return MobileNetV3(rows, last, **config)
