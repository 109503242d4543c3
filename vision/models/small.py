"""A small convolutional net for small pictures: the default of the training script."""

from __future__ import annotations

from typing import Any

from framework import nn
from hub import FitRules, register_model


class SmallCNN(nn.Module):
    """Two convolutions with batch norm, each followed by pooling, and two linear layers.

    Args:
        num_classes: the number of outputs.
        in_channels: 1 for grey pictures, 3 for colour.
        width: channels of the first convolution; the second has twice as many.

    Shape:
        (N, in_channels, H, W) with H and W at least 4 -> (N, num_classes). Feature maps are averaged to 7 x 7.
    """

    fit_rules = FitRules(head=("classifier.4",), stem="features.0")

    def __init__(self, num_classes: int = 10, in_channels: int = 1, width: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * width * 49, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.25),
            nn.Linear(128, num_classes),
        )

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        return self.classifier(self.avgpool(self.features(x)))


@register_model
def small_cnn(num_classes: int = 10, in_channels: int = 1, width: int = 16) -> SmallCNN:
    """A small net for small pictures: two convolutions and two linear layers, 0.2 M parameters."""
    return SmallCNN(num_classes, in_channels, width)
