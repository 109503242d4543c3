"""Residual networks.

References: He et al., "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385;
Xie et al., "Aggregated Residual Transformations" (ResNeXt), https://arxiv.org/abs/1611.05431;
Zagoruyko and Komodakis, "Wide Residual Networks", https://arxiv.org/abs/1605.07146.
As in torchvision, the stride of a bottleneck sits in its 3 x 3 convolution, where the paper has it in the first 1 x 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from framework.nn.in_turn import in_turn
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import NEW_RECIPE, RECIPES, imagenet1k

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
        out = in_turn(x, self.conv1, self.bn1, self.relu)
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
        out = in_turn(x, self.conv1, self.bn1, self.relu)
        out = in_turn(out, self.conv2, self.bn2, self.relu)
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

    Shape:
        (N, 3, H, W) -> (N, num_classes); 224 x 224 pictures in the papers.
    """

    fit_rules = FitRules(head=("fc",), stem="conv1")

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
        self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
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
        x = in_turn(x, self.conv1, self.bn1, self.relu, self.maxpool)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1512.03385", head=ResNet.fit_rules.head)


class ResNet18_Weights(WeightsEnum):
    """Weights of ``resnet18``."""

    IMAGENET1K_V1 = _weights(
        "resnet18-f37072fd.pth", acc1=69.758, acc5=89.078, num_params=11_689_512, ops=1.814, file_size=44.661,
        crop_size=224, recipe=f"{RECIPES}#resnet",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ResNet34_Weights(WeightsEnum):
    """Weights of ``resnet34``."""

    IMAGENET1K_V1 = _weights(
        "resnet34-b627a593.pth", acc1=73.314, acc5=91.42, num_params=21_797_672, ops=3.664, file_size=83.275,
        crop_size=224, recipe=f"{RECIPES}#resnet",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ResNet50_Weights(WeightsEnum):
    """Weights of ``resnet50``."""

    IMAGENET1K_V1 = _weights(
        "resnet50-0676ba61.pth", acc1=76.13, acc5=92.862, num_params=25_557_032, ops=4.089, file_size=97.781,
        crop_size=224, recipe=f"{RECIPES}#resnet",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "resnet50-11ad3fa6.pth", acc1=80.858, acc5=95.434, num_params=25_557_032, ops=4.089, file_size=97.79,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#issuecomment-1013906621",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNet101_Weights(WeightsEnum):
    """Weights of ``resnet101``."""

    IMAGENET1K_V1 = _weights(
        "resnet101-63fe2227.pth", acc1=77.374, acc5=93.546, num_params=44_549_160, ops=7.801, file_size=170.511,
        crop_size=224, recipe=f"{RECIPES}#resnet",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "resnet101-cd907fc2.pth", acc1=81.886, acc5=95.78, num_params=44_549_160, ops=7.801, file_size=170.53,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNet152_Weights(WeightsEnum):
    """Weights of ``resnet152``."""

    IMAGENET1K_V1 = _weights(
        "resnet152-394f9c45.pth", acc1=78.312, acc5=94.046, num_params=60_192_808, ops=11.514, file_size=230.434,
        crop_size=224, recipe=f"{RECIPES}#resnet",
    )  # fmt: skip
    IMAGENET1K_V2 = _weights(
        "resnet152-f82ba261.pth", acc1=82.284, acc5=96.002, num_params=60_192_808, ops=11.514, file_size=230.474,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


_resnext_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1611.05431", head=ResNet.fit_rules.head)


class ResNeXt50_32X4D_Weights(WeightsEnum):
    """Weights of ``resnext50_32x4d``."""

    IMAGENET1K_V1 = _resnext_weights(
        "resnext50_32x4d-7cdf4587.pth", acc1=77.618, acc5=93.698, num_params=25_028_904, ops=4.23, file_size=95.789,
        crop_size=224, recipe=f"{RECIPES}#resnext",
    )  # fmt: skip
    IMAGENET1K_V2 = _resnext_weights(
        "resnext50_32x4d-1a0047aa.pth", acc1=81.198, acc5=95.34, num_params=25_028_904, ops=4.23, file_size=95.833,
        crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_32X8D_Weights(WeightsEnum):
    """Weights of ``resnext101_32x8d``."""

    IMAGENET1K_V1 = _resnext_weights(
        "resnext101_32x8d-8ba56ff5.pth", acc1=79.312, acc5=94.526, num_params=88_791_336, ops=16.414,
        file_size=339.586, crop_size=224, recipe=f"{RECIPES}#resnext",
    )  # fmt: skip
    IMAGENET1K_V2 = _resnext_weights(
        "resnext101_32x8d-110c445d.pth", acc1=82.834, acc5=96.228, num_params=88_791_336, ops=16.414,
        file_size=339.673, crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe-with-fixres",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class ResNeXt101_64X4D_Weights(WeightsEnum):
    """Weights of ``resnext101_64x4d``."""

    IMAGENET1K_V1 = _resnext_weights(
        "resnext101_64x4d-173b62eb.pth", acc1=83.246, acc5=96.454, num_params=83_455_272, ops=15.46,
        file_size=319.318, crop_size=224, resize_size=232, recipe="https://github.com/pytorch/vision/pull/5935",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


_wide_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1605.07146", head=ResNet.fit_rules.head)


class Wide_ResNet50_2_Weights(WeightsEnum):
    """Weights of ``wide_resnet50_2``."""

    IMAGENET1K_V1 = _wide_weights(
        "wide_resnet50_2-95faca4d.pth", acc1=78.468, acc5=94.086, num_params=68_883_240, ops=11.398,
        file_size=131.82, crop_size=224, recipe="https://github.com/pytorch/vision/pull/912#issue-445437439",
    )  # fmt: skip
    IMAGENET1K_V2 = _wide_weights(
        "wide_resnet50_2-9ba9bcbe.pth", acc1=81.602, acc5=95.758, num_params=68_883_240, ops=11.398,
        file_size=263.124, crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe-with-fixres",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


class Wide_ResNet101_2_Weights(WeightsEnum):
    """Weights of ``wide_resnet101_2``."""

    IMAGENET1K_V1 = _wide_weights(
        "wide_resnet101_2-32ee1156.pth", acc1=78.848, acc5=94.284, num_params=126_886_696, ops=22.753,
        file_size=242.896, crop_size=224, recipe="https://github.com/pytorch/vision/pull/912#issue-445437439",
    )  # fmt: skip
    IMAGENET1K_V2 = _wide_weights(
        "wide_resnet101_2-d733dc28.pth", acc1=82.51, acc5=96.02, num_params=126_886_696, ops=22.753,
        file_size=484.747, crop_size=224, resize_size=232, recipe=f"{NEW_RECIPE}#new-recipe",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V2


@register_model(weights=ResNet18_Weights)
def resnet18(**config: Any) -> ResNet:
    """ResNet-18: 11.7 M parameters."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **config)


@register_model(weights=ResNet34_Weights)
def resnet34(**config: Any) -> ResNet:
    """ResNet-34: 21.8 M parameters."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **config)


@register_model(weights=ResNet50_Weights)
def resnet50(**config: Any) -> ResNet:
    """ResNet-50: 25.6 M parameters."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **config)


@register_model(weights=ResNet101_Weights)
def resnet101(**config: Any) -> ResNet:
    """ResNet-101: 44.5 M parameters."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **config)


@register_model(weights=ResNet152_Weights)
def resnet152(**config: Any) -> ResNet:
    """ResNet-152: 60.2 M parameters."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **config)


@register_model(weights=ResNeXt50_32X4D_Weights)
def resnext50_32x4d(**config: Any) -> ResNet:
    """ResNeXt-50, 32 groups of width 4: 25.0 M parameters."""
    return ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4, **config)


@register_model(weights=ResNeXt101_32X8D_Weights)
def resnext101_32x8d(**config: Any) -> ResNet:
    """ResNeXt-101, 32 groups of width 8: 88.8 M parameters."""
    return ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=8, **config)


@register_model(weights=ResNeXt101_64X4D_Weights)
def resnext101_64x4d(**config: Any) -> ResNet:
    """ResNeXt-101, 64 groups of width 4: 83.5 M parameters."""
    return ResNet(Bottleneck, [3, 4, 23, 3], groups=64, width_per_group=4, **config)


@register_model(weights=Wide_ResNet50_2_Weights)
def wide_resnet50_2(**config: Any) -> ResNet:
    """Wide ResNet-50-2: bottlenecks twice as wide, 68.9 M parameters."""
    return ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=128, **config)


@register_model(weights=Wide_ResNet101_2_Weights)
def wide_resnet101_2(**config: Any) -> ResNet:
    """Wide ResNet-101-2: bottlenecks twice as wide, 126.9 M parameters."""
    return ResNet(Bottleneck, [3, 4, 23, 3], width_per_group=128, **config)
