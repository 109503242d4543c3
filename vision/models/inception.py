"""Inception v3: convolutions factored into smaller and into one-dimensional ones.

Reference: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", https://arxiv.org/abs/1512.00567.
As in torchvision, whose weights come from TensorFlow, the auxiliary classifier reads the last 17 x 17 map, and pictures
are expected with values -1..1 (``transform_input``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from framework import nn
from framework.errors import ArgumentError
from framework.nn.functional import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from framework.ops.joining import cat
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import RECIPES, imagenet1k
from vision.models.googlenet import BasicConv2d, to_unit_range

Block = Callable[..., nn.Module]


class InceptionOutputs(NamedTuple):
    """Class scores in training: the net's, and those of the auxiliary classifier."""

    logits: Any
    aux_logits: Any


class InceptionA(nn.Module):
    """Branches of up to two 3 x 3 convolutions: (N, in_channels, H, W) -> (N, 224 + pool_features, H, W)."""

    def __init__(self, in_channels: int, pool_features: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        self.branch1x1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = conv_block(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = conv_block(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, padding=1)
        self.branch_pool = conv_block(in_channels, pool_features, kernel_size=1)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(avg_pool2d(x, 3, stride=1, padding=1))
        return cat([self.branch1x1(x), five, double, pooled], 1)


class InceptionB(nn.Module):
    """Halves the size, from the 35 x 35 to the 17 x 17 maps: (N, in_channels, H, W) -> (N, 480 + in_channels, H', W')."""

    def __init__(self, in_channels: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        self.branch3x3 = conv_block(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, stride=2)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat([self.branch3x3(x), double, max_pool2d(x, 3, stride=2)], 1)


class InceptionC(nn.Module):
    """7 x 7 convolutions as 1 x 7 and 7 x 1 ones: (N, in_channels, H, W) -> (N, 768, H, W)."""

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        c7 = channels_7x7
        row, column = {"kernel_size": (1, 7), "padding": (0, 3)}, {"kernel_size": (7, 1), "padding": (3, 0)}
        self.branch1x1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = conv_block(in_channels, c7, kernel_size=1)
        self.branch7x7_2 = conv_block(c7, c7, **row)
        self.branch7x7_3 = conv_block(c7, 192, **column)
        self.branch7x7dbl_1 = conv_block(in_channels, c7, kernel_size=1)
        self.branch7x7dbl_2 = conv_block(c7, c7, **column)
        self.branch7x7dbl_3 = conv_block(c7, c7, **row)
        self.branch7x7dbl_4 = conv_block(c7, c7, **column)
        self.branch7x7dbl_5 = conv_block(c7, 192, **row)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pooled = self.branch_pool(avg_pool2d(x, 3, stride=1, padding=1))
        return cat([self.branch1x1(x), seven, double, pooled], 1)


class InceptionD(nn.Module):
    """Halves the size, from the 17 x 17 to the 8 x 8 maps: (N, in_channels, H, W) -> (N, 512 + in_channels, H', W')."""

    def __init__(self, in_channels: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        self.branch3x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = conv_block(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = conv_block(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = conv_block(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = conv_block(192, 192, kernel_size=3, stride=2)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return cat([three, self.branch7x7x3_4(seven), max_pool2d(x, 3, stride=2)], 1)


class InceptionE(nn.Module):
    """1 x 3 and 3 x 1 convolutions side by side: (N, in_channels, H, W) -> (N, 2048, H, W)."""

    def __init__(self, in_channels: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        row, column = {"kernel_size": (1, 3), "padding": (0, 1)}, {"kernel_size": (3, 1), "padding": (1, 0)}
        self.branch1x1 = conv_block(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = conv_block(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = conv_block(384, 384, **row)
        self.branch3x3_2b = conv_block(384, 384, **column)
        self.branch3x3dbl_1 = conv_block(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv_block(384, 384, **row)
        self.branch3x3dbl_3b = conv_block(384, 384, **column)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = self.branch_pool(avg_pool2d(x, 3, stride=1, padding=1))
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        return cat([*parts, self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), pooled], 1)


class InceptionAux(nn.Module):
    """The auxiliary classifier: (N, in_channels, H, W) with H and W at least 17 -> (N, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Block | None = None) -> None:
        super().__init__()
        conv_block = conv_block or BasicConv2d
        self.conv0 = conv_block(in_channels, 128, kernel_size=1)
        self.conv1 = conv_block(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Any) -> Any:
        """Class scores of a feature map."""
        x = avg_pool2d(x, 5, stride=3)  # (N, 768, 5, 5) of 299 x 299 pictures
        x = self.conv1(self.conv0(x))
        return self.fc(adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class Inception3(nn.Module):
    """Inception v3, with torchvision's arguments and state-dict keys.

    Args:
        num_classes: the number of outputs.
        aux_logits: whether to have the auxiliary classifier.
        transform_input: take pictures normalised by ImageNet's mean and deviation, and map them to -1..1.
        inception_blocks: what builds a convolution, the modules A to E and the auxiliary classifier.
        init_weights: fill convolutions and linear layers with deviation 0.1, the auxiliary classifier's last layer with
            0.001 (None does too); else they stay as each layer starts.
        dropout: the probability of dropping an input of the last layer.

    Shape:
        (N, 3, H, W) with H and W at least 75 -> (N, num_classes); with the auxiliary classifier in training
        ``InceptionOutputs`` of two such. 299 x 299 pictures in the paper.
    """

    fit_rules = FitRules(head=("fc", "AuxLogits.fc"), stem="Conv2d_1a_3x3.conv", optional=("AuxLogits.",))

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: list[Block] | None = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        blocks = inception_blocks or [
            BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux,
        ]  # fmt: skip
        if len(blocks) != 7:
            raise ArgumentError(f"Inception3: inception_blocks should hold 7 builders, got {len(blocks)}")
        conv, a, b, c, d, e, auxiliary = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits: Any = auxiliary(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is None or init_weights:
            for name, m in self.named_modules():
                if isinstance(m, nn.Conv2d | nn.Linear):
                    nn.init.trunc_normal_(m.weight, std=0.001 if name == "AuxLogits.fc" else 0.1, a=-2.0, b=2.0)

    def forward(self, x: Any) -> Any:
        """Class scores of pictures (N, C, H, W); in training with those of the auxiliary classifier."""
        if self.transform_input:
            x = to_unit_range(x)
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (N, 288, 35, 35) of 299 x 299 pictures
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))  # (N, 768, 17, 17)
        auxiliary = self.AuxLogits(x) if self.training and self.aux_logits else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (N, 2048, 8, 8)
        scores = self.fc(self.dropout(self.avgpool(x)).flatten(1))
        return scores if auxiliary is None else InceptionOutputs(scores, auxiliary)


_weights = partial(
    imagenet1k,
    paper="https://arxiv.org/abs/1512.00567",
    head=Inception3.fit_rules.head,
    config={"transform_input": True},
)


class Inception_V3_Weights(WeightsEnum):
    """Weights of ``inception_v3``."""

    IMAGENET1K_V1 = _weights(
        "inception_v3_google-0cc3c7bd.pth", acc1=77.294, acc5=93.45, num_params=27_161_264, ops=5.713,
        file_size=103.903, min_size=(75, 75), crop_size=299, resize_size=342, recipe=f"{RECIPES}#inception-v3",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=Inception_V3_Weights)
def inception_v3(**config: Any) -> Inception3:
    """Inception v3: 27.2 M parameters, 3.3 M of them in its auxiliary classifier."""
    return Inception3(**config)
