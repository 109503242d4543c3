"""GoogLeNet: modules of four branches side by side, and two auxiliary classifiers for training.

Reference: Szegedy et al., "Going Deeper with Convolutions", https://arxiv.org/abs/1409.4842.
As in torchvision, whose weights come from TensorFlow: convolutions have batch norm and no bias, the branch that the paper
gives a 5 x 5 convolution has a 3 x 3 one, and pictures are expected with values -1..1 (``transform_input``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import framework
from framework import nn
from framework.errors import ArgumentError
from framework.nn.in_turn import in_turn
from framework.ops.joining import cat
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import RECIPES, imagenet1k
from vision.transforms.presets import IMAGENET_MEAN, IMAGENET_STD


class GoogLeNetOutputs(NamedTuple):
    """Class scores in training: the net's, and those of the deeper and of the shallower auxiliary classifier."""

    logits: Any
    aux_logits2: Any
    aux_logits1: Any


class BasicConv2d(nn.Module):
    """A convolution without bias, batch norm and ReLU; ``kwargs`` are the convolution's."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        """The feature map."""
        return in_turn(x, self.conv, self.bn, self.relu)


def to_unit_range(x: Any) -> Any:
    """Pictures normalised by ImageNet's mean and deviation, as they are when 0..1 is mapped to -1..1 instead."""
    mean, std = (
        framework.tensor(v, dtype=x.dtype, device=x.device).reshape(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return x * (std / 0.5) + (mean - 0.5) / 0.5


class Inception(nn.Module):
    """Four branches side by side: (N, in_channels, H, W) -> (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W).

    Args:
        in_channels: channels of the input.
        ch1x1: of the 1 x 1 convolution.
        ch3x3red, ch3x3: of the second branch's 1 x 1 and 3 x 3 convolution.
        ch5x5red, ch5x5: of the third branch's.
        pool_proj: of the 1 x 1 convolution after pooling.
        conv_block: builds a convolution; ``BasicConv2d`` unless given.
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        self.branch1 = conv_block(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv_block(in_channels, ch3x3red, kernel_size=1), conv_block(ch3x3red, ch3x3, kernel_size=3, padding=1)
        )
        self.branch3 = nn.Sequential(
            conv_block(in_channels, ch5x5red, kernel_size=1), conv_block(ch5x5red, ch5x5, kernel_size=3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), conv_block(in_channels, pool_proj, kernel_size=1)
        )

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """An auxiliary classifier: (N, in_channels, H, W) -> (N, num_classes).

    Args:
        in_channels: channels of the input.
        num_classes: the number of outputs.
        conv_block: builds a convolution; ``BasicConv2d`` unless given.
        dropout: the probability of dropping an input of the last layer.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        conv_block: Callable[..., nn.Module] | None = None,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Any) -> Any:
        """Class scores of a feature map."""
        x = self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4)))  # (N, 128, 4, 4)
        x = nn.functional.relu(self.fc1(x.flatten(1)), inplace=True)
        return self.fc2(self.dropout(x))


class GoogLeNet(nn.Module):
    """GoogLeNet, also known as Inception v1, with torchvision's arguments and state-dict keys.

    Args:
        num_classes: the number of outputs.
        aux_logits: whether to have the auxiliary classifiers.
        transform_input: take pictures normalised by ImageNet's mean and deviation, and map them to -1..1.
        init_weights: fill convolutions and linear layers with deviation 0.01 (None does too); else they stay as each
            layer starts.
        blocks: what builds a convolution, a module of branches and an auxiliary classifier.
        dropout, dropout_aux: the probability of dropping an input of the last layer, and of an auxiliary one.

    Shape:
        (N, 3, H, W) with H and W at least 15 -> (N, num_classes); with auxiliary classifiers in training
        ``GoogLeNetOutputs`` of three such.
    """

    fit_rules = FitRules(head=("fc", "aux1.fc2", "aux2.fc2"), stem="conv1.conv", optional=("aux1.", "aux2."))

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: list[Callable[..., nn.Module]] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        blocks = blocks or [BasicConv2d, Inception, InceptionAux]
        if len(blocks) != 3:
            raise ArgumentError(f"GoogLeNet: blocks should hold 3 builders, got {len(blocks)}")
        conv, inception, auxiliary = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1: Any = auxiliary(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2: Any = auxiliary(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is None or init_weights:
            for m in self.modules():
                if isinstance(m, nn.Conv2d | nn.Linear):
                    nn.init.trunc_normal_(m.weight, std=0.01, a=-2.0, b=2.0)

    def forward(self, x: Any) -> Any:
        """Class scores of pictures (N, C, H, W); in training with those of the auxiliary classifiers."""
        if self.transform_input:
            x = to_unit_range(x)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        shallower = x = self.inception4a(x)
        deeper = x = self.inception4d(self.inception4c(self.inception4b(x)))
        x = self.maxpool4(self.inception4e(x))
        x = self.inception5b(self.inception5a(x))
        scores = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux_logits:
            return GoogLeNetOutputs(scores, self.aux2(deeper), self.aux1(shallower))
        return scores


# the published auxiliary classifiers were never trained, so the model leaves them out unless asked for
_weights = partial(
    imagenet1k,
    paper="https://arxiv.org/abs/1409.4842",
    head=GoogLeNet.fit_rules.head,
    config={"transform_input": True, "aux_logits": False},
)


class GoogLeNet_Weights(WeightsEnum):
    """Weights of ``googlenet``."""

    IMAGENET1K_V1 = _weights(
        "googlenet-1378be20.pth", acc1=69.778, acc5=89.53, num_params=6_624_904, ops=1.498, file_size=49.731,
        min_size=(15, 15), crop_size=224, recipe=f"{RECIPES}#googlenet",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=GoogLeNet_Weights)
def googlenet(**config: Any) -> GoogLeNet:
    """GoogLeNet: 6.6 M parameters, and 6.4 M in its auxiliary classifiers."""
    return GoogLeNet(**config)
