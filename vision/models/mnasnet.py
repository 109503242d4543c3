"""MNASNet: inverted residuals with kernels and widths that were found by search for speed on a phone.

Reference: Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile", https://arxiv.org/abs/1807.11626.
This is its variant B1, without squeeze-and-excitation. Weights of torchvision's first version, whose first layers keep
their widths whatever ``alpha`` is, do not fit unless ``alpha`` is 1.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import imagenet1k
from vision.models.initial import start_by_outputs
from vision.models.widths import make_divisible

_BN_MOMENTUM = 1 - 0.9997  # the paper gives TensorFlow's number, the share of the old value


class _InvertedResidual(nn.Module):
    """Widens, filters each channel by itself, narrows; the input is added back where shapes allow."""

    def __init__(
        self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int, bn_momentum: float = 0.1
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ArgumentError(f"MNASNet: the stride of a block should be 1 or 2, got {stride}")
        if kernel_size not in (3, 5):
            raise ArgumentError(f"MNASNet: the kernel of a block should be 3 or 5, got {kernel_size}")
        width = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, width, 1, bias=False),
            nn.BatchNorm2d(width, momentum=bn_momentum),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, kernel_size, stride, padding=kernel_size // 2, groups=width, bias=False),
            nn.BatchNorm2d(width, momentum=bn_momentum),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, out_ch, 1, bias=False),
            nn.BatchNorm2d(out_ch, momentum=bn_momentum),
        )

    def forward(self, input: Any) -> Any:
        """The block's feature map."""
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _stack(in_ch: int, out_ch: int, kernel_size: int, stride: int, exp_factor: int, repeats: int) -> nn.Sequential:
    """Blocks in a row, of which the first has the stride."""
    block = partial(_InvertedResidual, bn_momentum=_BN_MOMENTUM)
    rest = [block(out_ch, out_ch, kernel_size, 1, exp_factor) for _ in range(1, repeats)]
    return nn.Sequential(block(in_ch, out_ch, kernel_size, stride, exp_factor), *rest)


class MNASNet(nn.Module):
    """MNASNet, with torchvision's arguments and state-dict keys.

    Args:
        alpha: scales the channels of every layer but the last convolution's 1280.
        num_classes: the number of outputs.
        dropout: the probability of dropping an input of the linear layer.

    Shape:
        (N, 3, H, W) -> (N, num_classes); 224 x 224 pictures in the paper.
    """

    fit_rules = FitRules(head=("classifier.1",), stem="layers.0")

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ArgumentError(f"MNASNet: alpha should be positive, got {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        widths = [make_divisible(width * alpha, 8) for width in (32, 16, 24, 40, 80, 96, 192, 320)]
        norm = partial(nn.BatchNorm2d, momentum=_BN_MOMENTUM)
        self.layers = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, stride=2, padding=1, bias=False),
            norm(widths[0]),
            nn.ReLU(inplace=True),
            nn.Conv2d(widths[0], widths[0], 3, padding=1, groups=widths[0], bias=False),
            norm(widths[0]),
            nn.ReLU(inplace=True),
            nn.Conv2d(widths[0], widths[1], 1, bias=False),
            norm(widths[1]),
            _stack(widths[1], widths[2], 3, 2, 3, 3),
            _stack(widths[2], widths[3], 5, 2, 3, 3),
            _stack(widths[3], widths[4], 5, 2, 6, 3),
            _stack(widths[4], widths[5], 3, 1, 6, 2),
            _stack(widths[5], widths[6], 5, 2, 6, 4),
            _stack(widths[6], widths[7], 3, 1, 6, 1),
            nn.Conv2d(widths[7], 1280, 1, bias=False),
            norm(1280),
            nn.ReLU(inplace=True),
        )
        head = nn.Linear(1280, num_classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), head)
        start_by_outputs(self)
        nn.init.kaiming_uniform_(head.weight, mode="fan_out", nonlinearity="sigmoid")

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        return self.classifier(self.layers(x).mean([2, 3]))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1807.11626", head=MNASNet.fit_rules.head)


class MNASNet0_5_Weights(WeightsEnum):
    """Weights of ``mnasnet0_5``."""

    IMAGENET1K_V1 = _weights(
        "mnasnet0.5_top1_67.823-3ffadce67e.pth", acc1=67.734, acc5=87.49, num_params=2_218_512, ops=0.104,
        file_size=8.591, crop_size=224, recipe="https://github.com/1e100/mnasnet_trainer",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    """Weights of ``mnasnet0_75``."""

    IMAGENET1K_V1 = _weights(
        "mnasnet0_75-7090bc5f.pth", acc1=71.18, acc5=90.496, num_params=3_170_208, ops=0.215, file_size=12.303,
        crop_size=224, resize_size=232, recipe="https://github.com/pytorch/vision/pull/6019",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    """Weights of ``mnasnet1_0``."""

    IMAGENET1K_V1 = _weights(
        "mnasnet1.0_top1_73.512-f206786ef8.pth", acc1=73.456, acc5=91.51, num_params=4_383_312, ops=0.314,
        file_size=16.915, crop_size=224, recipe="https://github.com/1e100/mnasnet_trainer",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    """Weights of ``mnasnet1_3``."""

    IMAGENET1K_V1 = _weights(
        "mnasnet1_3-a4c69d6f.pth", acc1=76.506, acc5=93.522, num_params=6_282_256, ops=0.526, file_size=24.246,
        crop_size=224, resize_size=232, recipe="https://github.com/pytorch/vision/pull/6019",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=MNASNet0_5_Weights)
def mnasnet0_5(**config: Any) -> MNASNet:
    """MNASNet of width 0.5: 2.2 M parameters."""
    return MNASNet(0.5, **config)


@register_model(weights=MNASNet0_75_Weights)
def mnasnet0_75(**config: Any) -> MNASNet:
    """MNASNet of width 0.75: 3.2 M parameters."""
    return MNASNet(0.75, **config)


@register_model(weights=MNASNet1_0_Weights)
def mnasnet1_0(**config: Any) -> MNASNet:
    """MNASNet of width 1.0: 4.4 M parameters."""
    return MNASNet(1.0, **config)


@register_model(weights=MNASNet1_3_Weights)
def mnasnet1_3(**config: Any) -> MNASNet:
    """MNASNet of width 1.3: 6.3 M parameters."""
    return MNASNet(1.3, **config)
