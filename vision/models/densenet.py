"""Densely connected networks: every layer reads the outputs of all layers before it in its block.

References: Huang et al., "Densely Connected Convolutional Networks", https://arxiv.org/abs/1608.06993 (these are its
DenseNet-BC); Pleiss et al., "Memory-Efficient Implementation of DenseNets", https://arxiv.org/abs/1707.06990.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

from framework import nn
from framework.nn.in_turn import in_turn
from framework.ops.joining import cat
from framework.tensor import Tensor
from framework.utils.checkpoint import checkpoint
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import imagenet1k


class _DenseLayer(nn.Module):
    """A 1 x 1 and a 3 x 3 convolution, each after its norm and ReLU: from all maps so far to ``growth_rate`` new ones."""

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float, memory_efficient: bool = False
    ) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bn_function(self, *inputs: Tensor) -> Any:
        """The bottleneck of the maps so far."""
        return in_turn(cat(inputs, 1), self.norm1, self.relu1, self.conv1)

    def forward(self, input: Tensor | list[Tensor]) -> Any:
        """The new maps, from one tensor or from a list of those before."""
        inputs = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient:
            bottleneck = checkpoint(self.bn_function, *inputs, use_reentrant=False)
        else:
            bottleneck = self.bn_function(*inputs)
        maps = in_turn(bottleneck, self.norm2, self.relu2, self.conv2)
        return nn.functional.dropout(maps, self.drop_rate, self.training) if self.drop_rate > 0 else maps


class _DenseBlock(nn.ModuleDict):
    """Dense layers, and the maps of all of them beside the input's."""

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            channels = num_input_features + i * growth_rate
            layer = _DenseLayer(channels, growth_rate, bn_size, drop_rate, memory_efficient)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features: Any) -> Any:
        """The block's feature map."""
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels and half the size, between two blocks."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """A dense network, with torchvision's arguments and state-dict keys.

    Args:
        growth_rate: maps that each layer adds, the paper's k.
        block_config: layers in each block.
        num_init_features: channels of the first convolution.
        bn_size: channels of each layer's bottleneck, in units of ``growth_rate``.
        drop_rate: the probability of dropping an element of a layer's output.
        num_classes: the number of outputs.
        memory_efficient: compute the bottlenecks again in the backward pass, rather than keep what they were made of.

    Shape:
        (N, 3, H, W) with H and W at least 29 -> (N, num_classes); 224 x 224 pictures in the paper.
    """

    fit_rules = FitRules(
        head=("classifier",),
        stem="features.conv0",
        # the published files have the keys of a time when a module's name could hold a dot
        key_map=((r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2."),),
        containers=tuple(f"features.denseblock{i}" for i in range(1, 5)),
    )

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict[str, nn.Module](
                conv0=nn.Conv2d(3, num_init_features, 7, stride=2, padding=3, bias=False),
                norm0=nn.BatchNorm2d(num_init_features),
                relu0=nn.ReLU(inplace=True),
                pool0=nn.MaxPool2d(3, stride=2, padding=1),
            )
        )
        channels = num_init_features
        for i, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, channels, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i}", block)
            channels += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear) and m.bias is not None:
                nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        x = nn.functional.relu(self.features(x), inplace=True)
        return self.classifier(nn.functional.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1608.06993", head=DenseNet.fit_rules.head)


class DenseNet121_Weights(WeightsEnum):
    """Weights of ``densenet121``."""

    IMAGENET1K_V1 = _weights(
        "densenet121-a639ec97.pth", acc1=74.434, acc5=91.972, num_params=7_978_856, ops=2.834, file_size=30.845,
        min_size=(29, 29), crop_size=224, recipe="https://github.com/pytorch/vision/pull/116",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    """Weights of ``densenet169``."""

    IMAGENET1K_V1 = _weights(
        "densenet169-b2777c0a.pth", acc1=75.6, acc5=92.806, num_params=14_149_480, ops=3.36, file_size=54.708,
        min_size=(29, 29), crop_size=224, recipe="https://github.com/pytorch/vision/pull/116",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    """Weights of ``densenet201``."""

    IMAGENET1K_V1 = _weights(
        "densenet201-c1103571.pth", acc1=76.896, acc5=93.37, num_params=20_013_928, ops=4.291, file_size=77.373,
        min_size=(29, 29), crop_size=224, recipe="https://github.com/pytorch/vision/pull/116",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    """Weights of ``densenet161``."""

    IMAGENET1K_V1 = _weights(
        "densenet161-8d451a50.pth", acc1=77.138, acc5=93.56, num_params=28_681_000, ops=7.728, file_size=110.369,
        min_size=(29, 29), crop_size=224, recipe="https://github.com/pytorch/vision/pull/116",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=DenseNet121_Weights)
def densenet121(**config: Any) -> DenseNet:
    """DenseNet-121: 8.0 M parameters."""
    return DenseNet(32, (6, 12, 24, 16), 64, **config)


@register_model(weights=DenseNet169_Weights)
def densenet169(**config: Any) -> DenseNet:
    """DenseNet-169: 14.1 M parameters."""
    return DenseNet(32, (6, 12, 32, 32), 64, **config)


@register_model(weights=DenseNet201_Weights)
def densenet201(**config: Any) -> DenseNet:
    """DenseNet-201: 20.0 M parameters."""
    return DenseNet(32, (6, 12, 48, 32), 64, **config)


@register_model(weights=DenseNet161_Weights)
def densenet161(**config: Any) -> DenseNet:
    """DenseNet-161, with a growth rate of 48: 28.7 M parameters."""
    return DenseNet(48, (6, 12, 36, 24), 96, **config)
