"""SqueezeNet: few parameters, since most 3 x 3 convolutions see few channels.

Reference: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", https://arxiv.org/abs/1602.07360.
Version 1.1 is by the same authors, later: pooling sits earlier and the first convolution is smaller, for 2.4 times less
work.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.ops.joining import cat
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import imagenet1k


class Fire(nn.Module):
    """A 1 x 1 convolution to few channels, then a 1 x 1 and a 3 x 3 convolution side by side.

    Args:
        inplanes: channels of the input.
        squeeze_planes: channels between.
        expand1x1_planes, expand3x3_planes: channels of either part of the result.

    Shape:
        (N, inplanes, H, W) -> (N, expand1x1_planes + expand3x3_planes, H, W).
    """

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        x = self.squeeze_activation(self.squeeze(x))
        one, three = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return cat([one, three], 1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _features(version: str) -> nn.Sequential:
    if version == "1_0":
        return nn.Sequential(
            nn.Conv2d(3, 96, 7, stride=2),
            nn.ReLU(inplace=True),
            _pool(),
            Fire(96, 16, 64, 64),
            Fire(128, 16, 64, 64),
            Fire(128, 32, 128, 128),
            _pool(),
            Fire(256, 32, 128, 128),
            Fire(256, 48, 192, 192),
            Fire(384, 48, 192, 192),
            Fire(384, 64, 256, 256),
            _pool(),
            Fire(512, 64, 256, 256),
        )
    if version == "1_1":
        return nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2),
            nn.ReLU(inplace=True),
            _pool(),
            Fire(64, 16, 64, 64),
            Fire(128, 16, 64, 64),
            _pool(),
            Fire(128, 32, 128, 128),
            Fire(256, 32, 128, 128),
            _pool(),
            Fire(256, 48, 192, 192),
            Fire(384, 48, 192, 192),
            Fire(384, 64, 256, 256),
            Fire(512, 64, 256, 256),
        )
    raise ArgumentError(f"SqueezeNet: version should be '1_0' or '1_1', got {version!r}")


class SqueezeNet(nn.Module):
    """Eight fire modules, and a 1 x 1 convolution whose maps of scores are averaged.

    Args:
        version: ``"1_0"`` or ``"1_1"``.
        num_classes: the number of outputs.
        dropout: the probability of dropping an input of the last convolution.

    Shape:
        (N, 3, H, W) with H and W at least 21 (1.0) or 17 (1.1) -> (N, num_classes).
    """

    fit_rules = FitRules(head=("classifier.1",), stem="features.0")

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.features = _features(version)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))
        for m in self.modules():
            if isinstance(m, nn.Conv2d) and m.bias is not None:
                nn.init.kaiming_uniform_(m.weight)
                nn.init.zeros_(m.bias)
        nn.init.normal_(last.weight, 0.0, 0.01)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes), none below zero, of pictures (N, C, H, W)."""
        return self.classifier(self.features(x)).flatten(1)


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1602.07360", head=SqueezeNet.fit_rules.head)


class SqueezeNet1_0_Weights(WeightsEnum):
    """Weights of ``squeezenet1_0``."""

    IMAGENET1K_V1 = _weights(
        "squeezenet1_0-b66bff10.pth", acc1=58.092, acc5=80.42, num_params=1_248_424, ops=0.819, file_size=4.778,
        min_size=(21, 21), crop_size=224, recipe="https://github.com/pytorch/vision/pull/49#issuecomment-277560717",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_1_Weights(WeightsEnum):
    """Weights of ``squeezenet1_1``."""

    IMAGENET1K_V1 = _weights(
        "squeezenet1_1-b8a52dc0.pth", acc1=58.178, acc5=80.624, num_params=1_235_496, ops=0.349, file_size=4.729,
        min_size=(17, 17), crop_size=224, recipe="https://github.com/pytorch/vision/pull/49#issuecomment-277560717",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=SqueezeNet1_0_Weights)
def squeezenet1_0(**config: Any) -> SqueezeNet:
    """SqueezeNet 1.0: 1.2 M parameters."""
    return SqueezeNet("1_0", **config)


@register_model(weights=SqueezeNet1_1_Weights)
def squeezenet1_1(**config: Any) -> SqueezeNet:
    """SqueezeNet 1.1: 1.2 M parameters, and 2.4 times less work than 1.0."""
    return SqueezeNet("1_1", **config)
