"""Residual networks for the 32 x 32 pictures of CIFAR, as in the paper's section 4.2.

Reference: He et al., "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385. Where a stage
begins, the shortcut has no parameters (the paper's option A): every second pixel is taken, and channels of zeros are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework import nn
from framework.nn.in_turn import in_turn
from hub import FitRules, register_model
from vision.models.resnet import conv3x3


class CifarBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is added back: (N, C, H, W) -> (N, planes, H/stride, W/stride).

    Args:
        in_planes, planes: channels of the input and of the result, the latter no fewer.
        stride: of the first convolution.
    """

    def __init__(self, in_planes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_planes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.stride = stride
        self.added = planes - in_planes

    def _shortcut(self, x: Any) -> Any:
        if self.stride != 1:
            x = x[:, :, :: self.stride, :: self.stride]
        before = self.added // 2
        return nn.functional.pad(x, (0, 0, 0, 0, before, self.added - before)) if self.added else x

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        out = in_turn(x, self.conv1, self.bn1, self.relu, self.conv2, self.bn2)
        out += self._shortcut(x)
        return self.relu(out)


class CifarResNet(nn.Module):
    """A residual network of three stages of 16, 32 and 64 channels.

    Args:
        num_blocks: blocks in each stage.
        num_classes: the number of outputs.

    Shape:
        (N, 3, H, W) -> (N, num_classes); 32 x 32 pictures in the paper.
    """

    fit_rules = FitRules(head=("linear",), stem="conv1")

    def __init__(self, num_blocks: Sequence[int], num_classes: int = 10) -> None:
        super().__init__()

        def stage(in_planes: int, planes: int, stride: int, blocks: int) -> nn.Sequential:
            rest = [CifarBlock(planes, planes) for _ in range(blocks - 1)]
            return nn.Sequential(CifarBlock(in_planes, planes, stride), *rest)

        self.conv1 = conv3x3(3, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(16, 16, 1, num_blocks[0])
        self.layer2 = stage(16, 32, 2, num_blocks[1])
        self.layer3 = stage(32, 64, 2, num_blocks[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.linear = nn.Linear(64, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(m.weight)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        x = in_turn(x, self.conv1, self.bn1, self.relu)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.avgpool(x).flatten(1))


@register_model
def cifar_resnet20(**config: Any) -> CifarResNet:
    """ResNet-20 for CIFAR: 0.27 M parameters."""
    return CifarResNet([3] * 3, **config)


@register_model
def cifar_resnet32(**config: Any) -> CifarResNet:
    """ResNet-32 for CIFAR: 0.46 M parameters."""
    return CifarResNet([5] * 3, **config)


@register_model
def cifar_resnet44(**config: Any) -> CifarResNet:
    """ResNet-44 for CIFAR: 0.66 M parameters."""
    return CifarResNet([7] * 3, **config)


@register_model
def cifar_resnet56(**config: Any) -> CifarResNet:
    """ResNet-56 for CIFAR: 0.85 M parameters."""
    return CifarResNet([9] * 3, **config)


@register_model
def cifar_resnet110(**config: Any) -> CifarResNet:
    """ResNet-110 for CIFAR: 1.7 M parameters."""
    return CifarResNet([18] * 3, **config)


@register_model
def cifar_resnet1202(**config: Any) -> CifarResNet:
    """ResNet-1202 for CIFAR: 19.4 M parameters."""
    return CifarResNet([200] * 3, **config)
