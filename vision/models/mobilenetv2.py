"""MobileNetV2: depthwise convolutions between a widening and a linear narrowing 1 x 1 convolution.

Reference: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", https://arxiv.org/abs/1801.04381.
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
from vision.ops.misc import Conv2dNormActivation

Layer = Callable[..., nn.Module]

# (expansion, channels, blocks, stride of the first block) of each stage
SETTING = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Widens, filters each channel by itself, narrows; the input is added back where shapes allow.

    Args:
        inp, oup: channels of the input and of the result.
        stride: 1, or 2 to halve the size.
        expand_ratio: how many times as many channels there are between.
        norm_layer: builds a normalisation from its channels; ``BatchNorm2d`` unless given.

    Shape:
        (N, inp, H, W) -> (N, oup, H/stride, W/stride), rounded up.
    """

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: float, norm_layer: Layer | None = None) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ArgumentError(f"InvertedResidual: stride should be 1 or 2, got {stride}")
        norm = norm_layer or nn.BatchNorm2d
        hidden = round(inp * expand_ratio)
        self.stride = stride
        self.out_channels = oup
        self.use_res_connect = stride == 1 and inp == oup
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        widen = [unit(inp, hidden, kernel_size=1)] if expand_ratio != 1 else []
        self.conv = nn.Sequential(
            *widen,
            unit(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, bias=False),
            norm(oup),
        )

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNetV2, with torchvision's arguments and state-dict keys.

    Args:
        num_classes: the number of outputs.
        width_mult: scales the channels of every layer; the last convolution gets no fewer than 1280.
        inverted_residual_setting: for each stage its expansion, channels, number of blocks and stride; the paper's
            unless given.
        round_nearest: channels are rounded to multiples of this.
        block: builds a block; ``InvertedResidual`` unless given.
        norm_layer: builds a normalisation from its channels; ``BatchNorm2d`` unless given.
        dropout: the probability of dropping an input of the linear layer.

    Shape:
        (N, 3, H, W) -> (N, num_classes); 224 x 224 pictures in the paper.
    """

    fit_rules = FitRules(head=("classifier.1",), stem="features.0.0")

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        setting = SETTING if inverted_residual_setting is None else inverted_residual_setting
        if not setting or any(len(stage) != 4 for stage in setting):
            raise ArgumentError(f"MobileNetV2: inverted_residual_setting should hold 4 numbers a stage, got {setting}")
        unit = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        channels = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [unit(3, channels, stride=2)]
        for expansion, width, blocks, stride in setting:
            out = make_divisible(width * width_mult, round_nearest)
            for i in range(blocks):
                first = stride if i == 0 else 1
                features.append(block(channels, out, first, expand_ratio=expansion, norm_layer=norm))
                channels = out
        features.append(unit(channels, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        start_by_outputs(self)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1801.04381", head=MobileNetV2.fit_rules.head)


class MobileNet_V2_Weights(WeightsEnum):
    """Weights of ``mobilenet_v2``."""

    IMAGENET1K_V1 = _weights(
        "mobilenet_v2-b0353104.pth", acc1=71.878, acc5=90.286, num_params=3_504_872, ops=0.301, file_size=13.555,
        crop_size=224, recipe=f"{RECIPES}#mobilenetv2",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "mobilenet_v2-7ebf99e0.pth", acc1=72.154, acc5=90.822, num_params=3_504_872, ops=0.301, file_size=13.598,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe-with-reg-tuning",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


@register_model(weights=MobileNet_V2_Weights)
def mobilenet_v2(**config: Any) -> MobileNetV2:
    """MobileNetV2: 3.5 M parameters."""
    return MobileNetV2(**config)
