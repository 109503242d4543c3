"""AlexNet, in the form of "One weird trick": one column of convolutions, without local response normalisation.

References: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012;
Krizhevsky, "One weird trick for parallelizing convolutional neural networks", https://arxiv.org/abs/1404.5997.
As in torchvision, the pooled map is averaged to 6 x 6, so that pictures of other sizes fit too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from framework import nn
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import RECIPES, imagenet1k


class AlexNet(nn.Module):
    """Five convolutions and three linear layers.

    Args:
        num_classes: the number of outputs.
        dropout: the probability of dropping an input of the first two linear layers.

    Shape:
        (N, 3, H, W) with H and W at least 63 -> (N, num_classes); 224 x 224 pictures in the paper.
    """

    fit_rules = FitRules(head=("classifier.6",), stem="features.0")

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, C, H, W)."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/1404.5997", head=AlexNet.fit_rules.head)


class AlexNet_Weights(WeightsEnum):
    """Weights of ``alexnet``."""

    IMAGENET1K_V1 = _weights(
        "alexnet-owt-7be5be79.pth", acc1=56.522, acc5=79.066, num_params=61_100_840, ops=0.714, file_size=233.087,
        min_size=(63, 63), crop_size=224, recipe=f"{RECIPES}#alexnet-and-vgg",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=AlexNet_Weights)
def alexnet(**config: Any) -> AlexNet:
    """AlexNet: 61.1 M parameters."""
    return AlexNet(**config)
