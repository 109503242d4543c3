"""ConvNeXt: a convolutional net with the shape of a Swin transformer.

Reference: Liu et al., "A ConvNet for the 2020s", https://arxiv.org/abs/2201.03545.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import framework
from framework import nn
from framework.errors import ArgumentError
from framework.nn import functional as F
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import RECIPES, imagenet1k
from vision.ops import Conv2dNormActivation, Permute, StochasticDepth

Layer = Callable[..., nn.Module]


class LayerNorm2d(nn.LayerNorm):
    """``LayerNorm`` over the channels of each pixel: (N, C, H, W), unchanged."""

    def forward(self, x: Any) -> Any:
        """The normalised input."""
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A depthwise 7 x 7 convolution, a norm and two linear layers, scaled and added to the input: (N, dim, H, W).

    Args:
        dim: channels.
        layer_scale: what the branch's channels are first multiplied by.
        stochastic_depth_prob: the probability of dropping the branch in training.
        norm_layer: builds a normalisation from its features; ``LayerNorm`` with eps 1e-6 unless given.
    """

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(framework.full((dim, 1, 1), float(layer_scale)))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Any) -> Any:
        """The block's feature map."""
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


@dataclass
class CNBlockConfig:
    """A stage.

    Args:
        input_channels: of its blocks.
        out_channels: after the convolution of stride 2 at its end; None for no such convolution.
        num_layers: blocks.
    """

    input_channels: int
    out_channels: int | None
    num_layers: int


class ConvNeXt(nn.Module):
    """A ConvNeXt, with torchvision's arguments and state-dict keys.

    Args:
        block_setting: the stages.
        stochastic_depth_prob: of the last block; it grows evenly from 0 at the first.
        layer_scale: what each branch's channels are first multiplied by.
        num_classes: the number of outputs.
        block: builds a block from channels, layer scale and stochastic depth; ``CNBlock`` unless given.
        norm_layer: builds a normalisation from its channels; ``LayerNorm2d`` with eps 1e-6 unless given.

    Shape:
        (N, 3, H, W) with H and W at least 32 -> (N, num_classes).

    Raises:
        ArgumentError: there are no stages.
        TypeError: a stage is of another class.
    """

    fit_rules = FitRules(head=("classifier.2",), stem="features.0.0")

    def __init__(
        self,
        block_setting: list[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        if not block_setting:
            raise ArgumentError("ConvNeXt: block_setting should name at least one stage, got none")
        if not isinstance(block_setting, Sequence) or not all(isinstance(s, CNBlockConfig) for s in block_setting):
            raise TypeError(f"ConvNeXt: block_setting should be a list of CNBlockConfig, got {block_setting!r}")
        block = block or CNBlock
        norm = norm_layer or partial(LayerNorm2d, eps=1e-6)
        channels = block_setting[0].input_channels
        layers: list[nn.Module] = [
            Conv2dNormActivation(3, channels, 4, 4, padding=0, norm_layer=norm, activation_layer=None, bias=True)
        ]
        last = max(sum(cnf.num_layers for cnf in block_setting) - 1, 1)
        built = 0
        for cnf in block_setting:
            blocks = []
            for _ in range(cnf.num_layers):
                blocks.append(block(cnf.input_channels, layer_scale, stochastic_depth_prob * built / last))
                built += 1
            layers.append(nn.Sequential(*blocks))
            channels = cnf.input_channels
            if cnf.out_channels is not None:
                layers.append(nn.Sequential(norm(channels), nn.Conv2d(channels, cnf.out_channels, 2, stride=2)))
                channels = cnf.out_channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(channels), nn.Flatten(1), nn.Linear(channels, num_classes))
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, 3, H, W)."""
        return self.classifier(self.avgpool(self.features(x)))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/2201.03545", head=ConvNeXt.fit_rules.head)


class ConvNeXt_Tiny_Weights(WeightsEnum):
    """Weights of ``convnext_tiny``."""

    IMAGENET1K_V1 = _weights(
        "convnext_tiny-983f1562.pth", acc1=82.52, acc5=96.146, num_params=28_589_128, ops=4.456, file_size=109.119,
        min_size=(32, 32), crop_size=224, resize_size=236, recipe=f"{RECIPES}#convnext",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    """Weights of ``convnext_small``."""

    IMAGENET1K_V1 = _weights(
        "convnext_small-0c510722.pth", acc1=83.616, acc5=96.65, num_params=50_223_688, ops=8.684, file_size=191.703,
        min_size=(32, 32), crop_size=224, resize_size=230, recipe=f"{RECIPES}#convnext",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Base_Weights(WeightsEnum):
    """Weights of ``convnext_base``."""

    IMAGENET1K_V1 = _weights(
        "convnext_base-6075fbad.pth", acc1=84.062, acc5=96.87, num_params=88_591_464, ops=15.355, file_size=338.064,
        min_size=(32, 32), crop_size=224, resize_size=232, recipe=f"{RECIPES}#convnext",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    """Weights of ``convnext_large``."""

    IMAGENET1K_V1 = _weights(
        "convnext_large-ea097f82.pth", acc1=84.414, acc5=96.976, num_params=197_767_336, ops=34.361,
        file_size=754.537, min_size=(32, 32), crop_size=224, resize_size=232, recipe=f"{RECIPES}#convnext",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


def _convnext(channels: tuple[int, ...], depth: int, stochastic_depth_prob: float, **config: Any) -> ConvNeXt:
    """A net of four stages, of which the third has ``depth`` blocks and the others 3."""
    stages = [
        CNBlockConfig(width, wider, layers)
        for width, wider, layers in zip(channels, (*channels[1:], None), (3, 3, depth, 3), strict=True)
    ]
    return ConvNeXt(stages, stochastic_depth_prob, **config)


@register_model(weights=ConvNeXt_Tiny_Weights)
def convnext_tiny(*, stochastic_depth_prob: float = 0.1, **config: Any) -> ConvNeXt:
    """ConvNeXt, tiny: 28.6 M parameters."""
    return _convnext((96, 192, 384, 768), 9, stochastic_depth_prob, **config)


@register_model(weights=ConvNeXt_Small_Weights)
def convnext_small(*, stochastic_depth_prob: float = 0.4, **config: Any) -> ConvNeXt:
    """ConvNeXt, small: 50.2 M parameters."""
    return _convnext((96, 192, 384, 768), 27, stochastic_depth_prob, **config)


@register_model(weights=ConvNeXt_Base_Weights)
def convnext_base(*, stochastic_depth_prob: float = 0.5, **config: Any) -> ConvNeXt:
    """ConvNeXt, base: 88.6 M parameters."""
    return _convnext((128, 256, 512, 1024), 27, stochastic_depth_prob, **config)


@register_model(weights=ConvNeXt_Large_Weights)
def convnext_large(*, stochastic_depth_prob: float = 0.5, **config: Any) -> ConvNeXt:
    """ConvNeXt, large: 197.8 M parameters."""
    return _convnext((192, 384, 768, 1536), 27, stochastic_depth_prob, **config)
