"""ShuffleNetV2: half of the channels pass each block untouched, and channels are shuffled between the blocks.

Reference: Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
https://arxiv.org/abs/1807.11164.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.ops.joining import stack
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import imagenet1k


class InvertedResidual(nn.Module):
    """Two branches whose channels are interleaved; at stride 1 the first one is half of the input as it is.

    Args:
        inp, oup: channels of the input and of the result; equal, and even, at stride 1.
        stride: of the depthwise convolutions, 1 to 3.

    Shape:
        (N, inp, H, W) -> (N, oup, H/stride, W/stride), rounded up.
    """

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ArgumentError(f"InvertedResidual: stride should be 1, 2 or 3, got {stride}")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ArgumentError(f"InvertedResidual: at stride 1 inp and oup should be equal and even, got {inp}, {oup}")
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                self.depthwise_conv(inp, inp, 3, stride, padding=1),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace=True),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(inp if stride > 1 else half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            self.depthwise_conv(half, half, 3, stride, padding=1),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )

    @staticmethod
    def depthwise_conv(
        i: int, o: int, kernel_size: int, stride: int = 1, padding: int = 0, bias: bool = False
    ) -> nn.Conv2d:
        """A convolution of each channel by itself."""
        return nn.Conv2d(i, o, kernel_size, stride, padding, bias=bias, groups=i)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        first, second = x.chunk(2, dim=1) if self.stride == 1 else (x, x)
        # joined and shuffled in one copy: (N, C/2, 2, H, W)
        return stack([self.branch1(first), self.branch2(second)], 2).flatten(1, 2)


class ShuffleNetV2(nn.Module):
    """ShuffleNetV2, with torchvision's arguments and state-dict keys.

    Args:
        stages_repeats: blocks in each of the three stages.
        stages_out_channels: channels after the first convolution, after each stage and after the last convolution.
        num_classes: the number of outputs.
        inverted_residual: builds a block from its channels before and after and its stride.

    Shape:
        (N, 3, H, W) -> (N, num_classes); 224 x 224 pictures in the paper.
    """

    fit_rules = FitRules(head=("fc",), stem="conv1.0")

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ArgumentError(f"ShuffleNetV2: stages_repeats should hold 3 numbers, got {stages_repeats}")
        if len(stages_out_channels) != 5:
            raise ArgumentError(f"ShuffleNetV2: stages_out_channels should hold 5 numbers, got {stages_out_channels}")

        def stage(inp: int, oup: int, blocks: int) -> nn.Sequential:
            rest = [inverted_residual(oup, oup, 1) for _ in range(blocks - 1)]
            return nn.Sequential(inverted_residual(inp, oup, 2), *rest)

        first, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage2 = stage(first, widths[0], stages_repeats[0])
        self.stage3 = stage(widths[0], widths[1], stages_repeats[1])
        self.stage4 = stage(widths[1], widths[2], stages_repeats[2])
        self.conv5 = nn.Sequential(
            nn.Conv2d(widths[2], last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU(inplace=True)
        )
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1807.11164", head=ShuffleNetV2.fit_rules.head)


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    """Weights of ``shufflenet_v2_x0_5``."""

    IMAGENET1K_V1 = _weights(
        "shufflenetv2_x0.5-f707e7126e.pth", acc1=60.552, acc5=81.746, num_params=1_366_792, ops=0.04,
        file_size=5.282, crop_size=224, recipe="https://github.com/ericsun99/Shufflenet-v2-Pytorch",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    """Weights of ``shufflenet_v2_x1_0``."""

    IMAGENET1K_V1 = _weights(
        "shufflenetv2_x1-5666bf0f80.pth", acc1=69.362, acc5=88.316, num_params=2_278_604, ops=0.145, file_size=8.791,
        crop_size=224, recipe="https://github.com/ericsun99/Shufflenet-v2-Pytorch",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    """Weights of ``shufflenet_v2_x1_5``."""

    IMAGENET1K_V1 = _weights(
        "shufflenetv2_x1_5-3c479a10.pth", acc1=72.996, acc5=91.086, num_params=3_503_624, ops=0.296,
        file_size=13.557, crop_size=224, resize_size=232, recipe="https://github.com/pytorch/vision/pull/5906",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    """Weights of ``shufflenet_v2_x2_0``."""

    IMAGENET1K_V1 = _weights(
        "shufflenetv2_x2_0-8be3c8ee.pth", acc1=76.23, acc5=93.006, num_params=7_393_996, ops=0.583, file_size=28.433,
        crop_size=224, resize_size=232, recipe="https://github.com/pytorch/vision/pull/5906",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=ShuffleNet_V2_X0_5_Weights)
def shufflenet_v2_x0_5(**config: Any) -> ShuffleNetV2:
    """ShuffleNetV2: half the width, 1.4 M parameters."""
    return ShuffleNetV2([4, 8, 4], [24, 48, 96, 192, 1024], **config)


@register_model(weights=ShuffleNet_V2_X1_0_Weights)
def shufflenet_v2_x1_0(**config: Any) -> ShuffleNetV2:
    """ShuffleNetV2: 2.3 M parameters."""
    return ShuffleNetV2([4, 8, 4], [24, 116, 232, 464, 1024], **config)


@register_model(weights=ShuffleNet_V2_X1_5_Weights)
def shufflenet_v2_x1_5(**config: Any) -> ShuffleNetV2:
    """ShuffleNetV2: 1.5 times the width, 3.5 M parameters."""
    return ShuffleNetV2([4, 8, 4], [24, 176, 352, 704, 1024], **config)


@register_model(weights=ShuffleNet_V2_X2_0_Weights)
def shufflenet_v2_x2_0(**config: Any) -> ShuffleNetV2:
    """ShuffleNetV2: twice the width, 7.4 M parameters."""
    return ShuffleNetV2([4, 8, 4], [24, 244, 488, 976, 2048], **config)
