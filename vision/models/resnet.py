"""Residual networks.

References: He et al., "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385;
Xie et al., "Aggregated Residual Transformations" (ResNeXt), https://arxiv.org/abs/1611.05431;
Zagoruyko and Komodakis, "Wide Residual Networks", https://arxiv.org/abs/1605.07146.
As in torchvision, the stride of a bottleneck sits in its 3 x 3 convolution, where the paper has it in the first 1 x 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from hub import refuse_weights, register_model

NormLayer = Callable[[int], nn.Module]


def conv3x3(in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the picture's size at stride 1."""
    return nn.Conv2d(
        in_planes, out_planes, 3, stride=stride, padding=dilation, groups=groups, bias=False, dilation=dilation
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1 x 1 convolution."""
    return nn.Conv2d(in_planes, out_planes, 1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is added back: (N, C, H, W) -> (N, planes, H/stride, W/stride)."""

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: NormLayer | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ArgumentError("BasicBlock: only groups=1, base_width=64 and dilation=1 exist; use a bottleneck net")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions around which the input is added back, giving 4 x ``planes`` channels."""

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: NormLayer | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """A residual network, with torchvision's arguments and state-dict keys.

    Args:
        block: ``BasicBlock`` or ``Bottleneck``.
        layers: blocks in each of the four stages.
        num_classes: the number of outputs.
        zero_init_residual: start every residual branch at zero.
        groups, width_per_group: of the 3 x 3 convolutions in bottlenecks.
        replace_stride_with_dilation: for each of the last three stages, whether to dilate instead of striding.
        norm_layer: builds a normalisation from its channels; ``BatchNorm2d`` unless given.
        in_channels: of the pictures; torchvision's are fixed at 3.

    Shape:
        (N, in_channels, H, W) -> (N, num_classes); 224 x 224 pictures in the papers.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: list[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: list[bool] | None = None,
        norm_layer: NormLayer | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        dilate = replace_stride_with_dilation or [False, False, False]
        if len(dilate) != 3:
            raise ArgumentError(f"ResNet: replace_stride_with_dilation should be None or 3 booleans, got {dilate}")
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(in_channels, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialize(zero_init_residual)

    def _initialize(self, zero_init_residual: bool) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d | nn.GroupNorm):
                for values, start in ((m.weight, 1), (m.bias, 0)):
                    if values is not None:
                        nn.init.constant_(values, start)
        if zero_init_residual:
            for m in self.modules():
                last = m.bn3 if isinstance(m, Bottleneck) else m.bn2 if isinstance(m, BasicBlock) else None
                if last is not None:
                    nn.init.constant_(last.weight, 0)

    def _make_layer(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        norm = self._norm_layer
        before = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        downsample = None
        outplanes = planes * block.expansion
        if stride != 1 or self.inplanes != outplanes:
            downsample = nn.Sequential(conv1x1(self.inplanes, outplanes, stride), norm(outplanes))
        first = block(self.inplanes, planes, stride, downsample, self.groups, self.base_width, before, norm)
        self.inplanes = outplanes
        rest = [
            block(outplanes, planes, 1, None, self.groups, self.base_width, self.dilation, norm)
            for _ in range(1, blocks)
        ]
        return nn.Sequential(first, *rest)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


# The builders. Each takes torchvision's ``weights``, which has to be None, and ``progress``, and ResNet's arguments.


@register_model
def resnet18(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNet-18: 11.7 M parameters."""
    refuse_weights("resnet18", weights)
    return ResNet(BasicBlock, [2, 2, 2, 2], **config)


@register_model
def resnet34(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNet-34: 21.8 M parameters."""
    refuse_weights("resnet34", weights)
    return ResNet(BasicBlock, [3, 4, 6, 3], **config)


@register_model
def resnet50(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNet-50: 25.6 M parameters."""
    refuse_weights("resnet50", weights)
    return ResNet(Bottleneck, [3, 4, 6, 3], **config)


@register_model
def resnet101(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNet-101: 44.5 M parameters."""
    refuse_weights("resnet101", weights)
    return ResNet(Bottleneck, [3, 4, 23, 3], **config)


@register_model
def resnet152(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNet-152: 60.2 M parameters."""
    refuse_weights("resnet152", weights)
    return ResNet(Bottleneck, [3, 8, 36, 3], **config)


@register_model
def resnext50_32x4d(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNeXt-50, 32 groups of width 4: 25.0 M parameters."""
    refuse_weights("resnext50_32x4d", weights)
    return ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4, **config)


@register_model
def resnext101_32x8d(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNeXt-101, 32 groups of width 8: 88.8 M parameters."""
    refuse_weights("resnext101_32x8d", weights)
    return ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=8, **config)


@register_model
def resnext101_64x4d(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """ResNeXt-101, 64 groups of width 4: 83.5 M parameters."""
    refuse_weights("resnext101_64x4d", weights)
    return ResNet(Bottleneck, [3, 4, 23, 3], groups=64, width_per_group=4, **config)


@register_model
def wide_resnet50_2(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """Wide ResNet-50-2: bottlenecks twice as wide, 68.9 M parameters."""
    refuse_weights("wide_resnet50_2", weights)
    return ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=128, **config)


@register_model
def wide_resnet101_2(*, weights: None = None, progress: bool = True, **config: Any) -> ResNet:
    """Wide ResNet-101-2: bottlenecks twice as wide, 126.9 M parameters."""
    refuse_weights("wide_resnet101_2", weights)
    return ResNet(Bottleneck, [3, 4, 23, 3], width_per_group=128, **config)
