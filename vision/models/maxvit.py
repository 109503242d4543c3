"""MaxViT: a convolution, attention within windows and attention across a grid in each layer.

Reference: Tu et al., "MaxViT: Multi-Axis Vision Transformer", https://arxiv.org/abs/2204.01697. As in torchvision,
scores are divided by the root of all features and not of a head's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from framework import nn
from framework.errors import ArgumentError
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import RECIPES, imagenet1k
from vision.models.maxvit_attention import PartitionAttentionLayer
from vision.models.relative_position import fit_windows
from vision.ops import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from vision.transforms.images import InterpolationMode

Layer = Callable[..., nn.Module]
Size = tuple[int, int]


def _halved(size: Size) -> Size:
    """A map's size after a 3 x 3 convolution of stride 2 with padding 1."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


class MBConv(nn.Module):
    """An inverted bottleneck with squeeze-and-excitation and a norm before it, added to its (projected) input.

    Args:
        in_channels, out_channels: of input and output.
        expansion_ratio: channels within the block for each of its output.
        squeeze_ratio: channels within the squeeze-and-excitation for each of the output.
        stride: of the depthwise convolution, 1 or 2.
        activation_layer: builds the activations.
        norm_layer: builds a normalisation from its channels.
        p_stochastic_dropout: the probability of dropping the branch in training.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H/stride, W/stride).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion_ratio: float,
        squeeze_ratio: float,
        stride: int,
        activation_layer: Layer,
        norm_layer: Layer,
        p_stochastic_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.proj: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(3, stride=2, padding=1)] if stride == 2 else []
            self.proj = nn.Sequential(*pool, nn.Conv2d(in_channels, out_channels, 1))
        self.stochastic_depth: nn.Module = nn.Identity()
        if p_stochastic_dropout:
            self.stochastic_depth = StochasticDepth(p_stochastic_dropout, "row")
        mid, squeezed = int(out_channels * expansion_ratio), int(out_channels * squeeze_ratio)
        convolution = partial(
            Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer, inplace=None
        )
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["pre_norm"] = norm_layer(in_channels)
        layers["conv_a"] = convolution(in_channels, mid, 1)
        layers["conv_b"] = convolution(mid, mid, 3, stride, groups=mid)
        layers["squeeze_excitation"] = SqueezeExcitation(mid, squeezed, activation=nn.SiLU)
        layers["conv_c"] = nn.Conv2d(mid, out_channels, 1)
        self.layers = nn.Sequential(layers)

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        return self.stochastic_depth(self.layers(x)) + self.proj(x)


class MaxVitLayer(nn.Module):
    """An ``MBConv``, then attention within windows, then attention across a grid.

    Args:
        in_channels, out_channels, squeeze_ratio, expansion_ratio, stride: of the ``MBConv``.
        norm_layer: of the ``MBConv``; attention has ``LayerNorm``.
        activation_layer: of all parts.
        head_dim, mlp_ratio, mlp_dropout, attention_dropout: of both attentions.
        p_stochastic_dropout: of all branches.
        partition_size: side of the windows, and of the grid.
        grid_size: height and width of the map that attention sees.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H/stride, W/stride).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        p_stochastic_dropout: float,
        partition_size: int,
        grid_size: Size,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["MBconv"] = MBConv(
            in_channels,
            out_channels,
            expansion_ratio,
            squeeze_ratio,
            stride,
            activation_layer,
            norm_layer,
            p_stochastic_dropout,
        )
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                out_channels,
                head_dim,
                partition_size,
                kind,
                grid_size,
                mlp_ratio,
                activation_layer,
                nn.LayerNorm,
                attention_dropout,
                mlp_dropout,
                p_stochastic_dropout,
            )
        self.layers = nn.Sequential(layers)

    def forward(self, x: Any) -> Any:
        """The layer's feature map."""
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """``MaxVitLayer`` s in a row, of which the first halves the map.

    Args:
        in_channels, out_channels: of input and output.
        squeeze_ratio, expansion_ratio, norm_layer, activation_layer, head_dim, mlp_ratio, mlp_dropout,
            attention_dropout, partition_size: of each layer.
        input_grid_size: height and width of the map before the block.
        n_layers: the number of layers.
        p_stochastic: the probability of dropping a branch in training, of each layer.

    Raises:
        ArgumentError: there are more or fewer probabilities than layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        squeeze_ratio: float,
        expansion_ratio: float,
        norm_layer: Layer,
        activation_layer: Layer,
        head_dim: int,
        mlp_ratio: int,
        mlp_dropout: float,
        attention_dropout: float,
        partition_size: int,
        input_grid_size: Size,
        n_layers: int,
        p_stochastic: list[float],
    ) -> None:
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ArgumentError(
                f"MaxVitBlock: p_stochastic should have n_layers={n_layers} numbers, got {p_stochastic}"
            )
        self.grid_size = _halved(input_grid_size)
        self.layers = nn.ModuleList(
            MaxVitLayer(
                out_channels if place else in_channels,
                out_channels,
                squeeze_ratio,
                expansion_ratio,
                1 if place else 2,
                norm_layer,
                activation_layer,
                head_dim,
                mlp_ratio,
                mlp_dropout,
                attention_dropout,
                probability,
                partition_size,
                self.grid_size,
            )
            for place, probability in enumerate(p_stochastic)
        )

    def forward(self, x: Any) -> Any:
        """The block's feature map."""
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """A MaxViT, with torchvision's arguments and state-dict keys.

    Args:
        input_size: height and width of pictures in pixels; the maps of all blocks have to divide into partitions.
        stem_channels: channels of the stem.
        partition_size: side of the windows, and of the grid.
        block_channels, block_layers: channels and layers of each block.
        head_dim: features of each head of the attention.
        stochastic_depth_prob: of the last layer; it grows evenly from 0 at the first.
        norm_layer: builds a normalisation of convolutions from its channels; ``BatchNorm2d`` with eps 1e-3 and momentum
            0.01 unless given.
        activation_layer: builds the activations.
        squeeze_ratio, expansion_ratio: of each ``MBConv``.
        mlp_ratio, mlp_dropout, attention_dropout: of each attention.
        num_classes: the number of outputs.

    Shape:
        (N, 3, *input_size) -> (N, num_classes).

    Raises:
        ArgumentError: the map of a block does not divide into partitions.
    """

    fit_rules = FitRules(
        head=("classifier.5",),
        stem="stem.0.0",
        adapt=fit_windows,
        containers=tuple(f"blocks.{block}" for block in range(4)),
    )

    def __init__(
        self,
        input_size: Size,
        stem_channels: int,
        partition_size: int,
        block_channels: list[int],
        block_layers: list[int],
        head_dim: int,
        stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
        activation_layer: Layer = nn.GELU,
        squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4,
        mlp_ratio: int = 4,
        mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        size = _halved(input_size)
        _check_sizes(size, len(block_channels), partition_size)
        self.partition_size = partition_size
        self.stem = nn.Sequential(
            Conv2dNormActivation(
                3, stem_channels, 3, 2, norm_layer=norm, activation_layer=activation_layer, inplace=None
            ),
            Conv2dNormActivation(stem_channels, stem_channels, 3, norm_layer=None, activation_layer=None, bias=True),
        )
        probabilities = np.linspace(0, stochastic_depth_prob, sum(block_layers)).tolist()
        self.blocks = nn.ModuleList()
        channels = stem_channels
        for out_channels, n_layers in zip(block_channels, block_layers, strict=True):
            block = MaxVitBlock(
                channels,
                out_channels,
                squeeze_ratio,
                expansion_ratio,
                norm,
                activation_layer,
                head_dim,
                mlp_ratio,
                mlp_dropout,
                attention_dropout,
                partition_size,
                size,
                n_layers,
                probabilities[:n_layers],
            )
            self.blocks.append(block)
            channels, size, probabilities = out_channels, block.grid_size, probabilities[n_layers:]
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.Tanh(),
            nn.Linear(channels, num_classes, bias=False),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, 3, *input_size)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _check_sizes(size: Size, blocks: int, partition_size: int) -> None:
    sizes = []
    for _ in range(blocks):
        size = _halved(size)
        sizes.append(size)
    if any(length % partition_size for size in sizes for length in size):
        raise ArgumentError(
            f"MaxVit: the maps of the blocks are {sizes} pixels, which partition_size={partition_size} should divide; "
            "choose another input_size or partition_size"
        )


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/2204.01697", head=MaxVit.fit_rules.head)


class MaxVit_T_Weights(WeightsEnum):
    """Weights of ``maxvit_t``."""

    IMAGENET1K_V1 = _weights(
        "maxvit_t-bc5ab103.pth", acc1=83.7, acc5=96.722, num_params=30_919_624, ops=5.558, file_size=118.769,
        min_size=(224, 224), crop_size=224, resize_size=224, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#maxvit",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


@register_model(weights=MaxVit_T_Weights)
def maxvit_t(*, input_size: Size = (224, 224), **config: Any) -> MaxVit:
    """MaxViT, tiny: 30.9 M parameters."""
    defaults = {
        "stem_channels": 64,
        "partition_size": 7,
        "block_channels": [64, 128, 256, 512],
        "block_layers": [2, 2, 5, 2],
        "head_dim": 32,
        "stochastic_depth_prob": 0.2,
    }
    return MaxVit(input_size, **{**defaults, **config})
