"""VGG networks: nothing but 3 x 3 convolutions, pooling and three linear layers; also with batch norm.

Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks", https://arxiv.org/abs/1409.1556.
Batch norm is not in the paper. As in torchvision, the pooled map is averaged to 7 x 7, so that pictures of other sizes
fit too.
"""

from __future__ import annotations

from functools import partial
from math import nan
from typing import Any

from framework import nn
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import RECIPES, imagenet1k
from vision.models.initial import start_by_outputs


class VGG(nn.Module):
    """Convolutional features, and three linear layers upon them.

    Args:
        features: gives a map of 512 channels; see ``make_layers``.
        num_classes: the number of outputs.
        init_weights: whether to fill convolutions by He et al.'s rule and linear layers with deviation 0.01; else they
            stay as each layer starts.
        dropout: the probability of dropping an output of the first two linear layers.

    Shape:
        (N, 3, H, W) with H and W at least 32 -> (N, num_classes); 224 x 224 pictures in the paper.
    """

    fit_rules = FitRules(head=("classifier.6",), stem="features.0")

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            start_by_outputs(self)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(cfg: list[str | int], batch_norm: bool = False) -> nn.Sequential:
    """The convolutional part.

    Args:
        cfg: channels of each convolution, and ``"M"`` where the picture is halved.
        batch_norm: whether a batch norm follows each convolution.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in cfg:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, width, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
        channels = width
    return nn.Sequential(*layers)


# by the paper's letters
cfgs: dict[str, list[str | int]] = {
    "A": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "B": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "D": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
    "E": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
}


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1409.1556", head=VGG.fit_rules.head)


class VGG11_Weights(WeightsEnum):
    """Weights of ``vgg11``."""

    IMAGENET1K_V1 = _weights(
        "vgg11-8a719046.pth", acc1=69.02, acc5=88.628, num_params=132_863_336, ops=7.609, file_size=506.84,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    """Weights of ``vgg11_bn``."""

    IMAGENET1K_V1 = _weights(
        "vgg11_bn-6002323d.pth", acc1=70.37, acc5=89.81, num_params=132_868_840, ops=7.609, file_size=506.881,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    """Weights of ``vgg13``."""

    IMAGENET1K_V1 = _weights(
        "vgg13-19584684.pth", acc1=69.928, acc5=89.246, num_params=133_047_848, ops=11.308, file_size=507.545,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    """Weights of ``vgg13_bn``."""

    IMAGENET1K_V1 = _weights(
        "vgg13_bn-abd245e5.pth", acc1=71.586, acc5=90.374, num_params=133_053_736, ops=11.308, file_size=507.59,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    """Weights of ``vgg16``. Those of the features, for detectors, have no head that is of use."""

    IMAGENET1K_V1 = _weights(
        "vgg16-397923af.pth", acc1=71.592, acc5=90.382, num_params=138_357_544, ops=15.47, file_size=527.796,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    IMAGENET1K_FEATURES = _weights(
        "vgg16_features-amdegroot-88682ab5.pth", acc1=nan, acc5=nan, num_params=138_357_544, ops=15.47,
        file_size=527.802, min_size=(32, 32), crop_size=224, mean=(0.48235, 0.45882, 0.40784),
        std=(1 / 255, 1 / 255, 1 / 255), categories=None,
        recipe="https://github.com/amdegroot/ssd.pytorch#training-ssd",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    """Weights of ``vgg16_bn``."""

    IMAGENET1K_V1 = _weights(
        "vgg16_bn-6c64b313.pth", acc1=73.36, acc5=91.516, num_params=138_365_992, ops=15.47, file_size=527.866,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    """Weights of ``vgg19``."""

    IMAGENET1K_V1 = _weights(
        "vgg19-dcbb9e9d.pth", acc1=72.376, acc5=90.876, num_params=143_667_240, ops=19.632, file_size=548.051,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    """Weights of ``vgg19_bn``."""

    IMAGENET1K_V1 = _weights(
        "vgg19_bn-c79401a0.pth", acc1=74.218, acc5=91.842, num_params=143_678_248, ops=19.632, file_size=548.143,
        min_size=(32, 32), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=VGG11_Weights)
def vgg11(**config: Any) -> VGG:
    """VGG-11: eight convolutions, 132.9 M parameters."""
    return VGG(make_layers(cfgs["A"]), **config)


@register_model(weights=VGG11_BN_Weights)
def vgg11_bn(**config: Any) -> VGG:
    """VGG-11 with batch norm: 132.9 M parameters."""
    return VGG(make_layers(cfgs["A"], batch_norm=True), **config)


@register_model(weights=VGG13_Weights)
def vgg13(**config: Any) -> VGG:
    """VGG-13: ten convolutions, 133.0 M parameters."""
    return VGG(make_layers(cfgs["B"]), **config)


@register_model(weights=VGG13_BN_Weights)
def vgg13_bn(**config: Any) -> VGG:
    """VGG-13 with batch norm: 133.0 M parameters."""
    return VGG(make_layers(cfgs["B"], batch_norm=True), **config)


@register_model(weights=VGG16_Weights)
def vgg16(**config: Any) -> VGG:
    """VGG-16: 13 convolutions, 138.4 M parameters."""
    return VGG(make_layers(cfgs["D"]), **config)


@register_model(weights=VGG16_BN_Weights)
def vgg16_bn(**config: Any) -> VGG:
    """VGG-16 with batch norm: 138.4 M parameters."""
    return VGG(make_layers(cfgs["D"], batch_norm=True), **config)


@register_model(weights=VGG19_Weights)
def vgg19(**config: Any) -> VGG:
    """VGG-19: 16 convolutions, 143.7 M parameters."""
    return VGG(make_layers(cfgs["E"]), **config)


@register_model(weights=VGG19_BN_Weights)
def vgg19_bn(**config: Any) -> VGG:
    """VGG-19 with batch norm: 143.7 M parameters."""
    return VGG(make_layers(cfgs["E"], batch_norm=True), **config)
