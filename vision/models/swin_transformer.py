"""Swin transformers: attention within windows that shift from block to block, on maps that halve from stage to stage.

References: Liu et al., "Swin Transformer", https://arxiv.org/abs/2103.14030, and "Swin Transformer V2",
https://arxiv.org/abs/2111.09883. As in torchvision, windows are padded and not shrunk where they do not fit the map.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from framework import nn
from framework.nn import functional as F
from hub import FitRules, WeightsEnum, register_model
from vision.models.entries import RECIPES, imagenet1k
from vision.models.relative_position import fit_windows
from vision.models.swin_attention import ShiftedWindowAttention, ShiftedWindowAttentionV2
from vision.models.vision_transformer import MLPBlock
from vision.ops import Permute, StochasticDepth
from vision.transforms.images import InterpolationMode

Layer = Callable[..., nn.Module]


def _quarters(x: Any) -> Any:
    """Each 2 x 2 pixels side by side in the channels: (..., H, W, C) -> (..., H/2, W/2, 4 * C), sides rounded up."""
    height, width = x.shape[-3:-1]
    if height % 2 or width % 2:
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    x = x.unflatten(-2, (-1, 2)).unflatten(-4, (-1, 2))  # (..., H/2, 2, W/2, 2, C)
    x = x.movedim((-2, -4), (-3, -2))  # (..., H/2, W/2, right, down, C)
    return x.flatten(-3)


class PatchMerging(nn.Module):
    """Halves a map's sides and doubles its channels: 2 x 2 pixels side by side, normalised and projected.

    Args:
        dim: channels of the input.
        norm_layer: builds a normalisation from its features.

    Shape:
        (..., H, W, dim) -> (..., H/2, W/2, 2 * dim), sides rounded up.
    """

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: Any) -> Any:
        """The smaller map."""
        return self.reduction(self.norm(_quarters(x)))


class PatchMergingV2(nn.Module):
    """``PatchMerging`` that projects first and normalises then, as V2 does everywhere."""

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: Any) -> Any:
        """The smaller map."""
        return self.norm(self.reduction(_quarters(x)))


class SwinTransformerBlock(nn.Module):
    """Attention within windows and an MLP, each normalised before and added to its input: (N, H, W, dim), unchanged.

    Args:
        dim: channels.
        num_heads: heads of the attention.
        window_size, shift_size: [height, width] in pixels.
        mlp_ratio: features within the MLP for each of its input.
        dropout: after each linear layer but those of query, key and value.
        attention_dropout: of the attention's weights.
        stochastic_depth_prob: the probability of dropping a branch in training.
        norm_layer: builds a normalisation from its features.
        attn_layer: builds the attention.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttention,
    ) -> None:
        super().__init__()
        self.norm1 = norm_layer(dim)
        self.attn = attn_layer(
            dim, window_size, shift_size, num_heads, attention_dropout=attention_dropout, dropout=dropout
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        self.mlp = MLPBlock(dim, int(dim * mlp_ratio), dropout)

    def forward(self, x: Any) -> Any:
        """The map after the block."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """``SwinTransformerBlock`` with the norms at the branches' ends, and attention by scaled cosines."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: list[int],
        shift_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer = ShiftedWindowAttentionV2,
    ) -> None:
        super().__init__(
            dim,
            num_heads,
            window_size,
            shift_size,
            mlp_ratio,
            dropout,
            attention_dropout,
            stochastic_depth_prob,
            norm_layer,
            attn_layer,
        )

    def forward(self, x: Any) -> Any:
        """The map after the block."""
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


class SwinTransformer(nn.Module):
    """A Swin transformer, with torchvision's arguments and state-dict keys.

    Args:
        patch_size: [height, width] in pixels.
        embed_dim: channels of the first stage; each later one has twice as many.
        depths: blocks in each stage.
        num_heads: heads of the attention in each stage.
        window_size: [height, width] of the windows, in patches of the stage.
        mlp_ratio, dropout, attention_dropout: of each block.
        stochastic_depth_prob: of the last block; it grows evenly from 0 at the first.
        num_classes: the number of outputs.
        norm_layer: builds a normalisation from its features; ``LayerNorm`` unless given.
        block: builds a block; ``SwinTransformerBlock`` unless given.
        downsample_layer: builds what halves a map between stages.

    Shape:
        (N, 3, H, W) -> (N, num_classes), pictures of any size.
    """

    fit_rules = FitRules(head=("head",), stem="features.0.0", adapt=fit_windows)

    def __init__(
        self,
        patch_size: list[int],
        embed_dim: int,
        depths: list[int],
        num_heads: list[int],
        window_size: list[int],
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        block: Layer | None = None,
        downsample_layer: Layer = PatchMerging,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or nn.LayerNorm
        block = block or SwinTransformerBlock
        last = max(sum(depths) - 1, 1)
        built = 0
        layers: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, embed_dim, tuple(patch_size), stride=tuple(patch_size)),
                Permute([0, 2, 3, 1]),
                norm(embed_dim),
            )
        ]
        dim = embed_dim
        for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            if stage:
                layers.append(downsample_layer(dim, norm))
                dim *= 2
            blocks = []
            for place in range(depth):
                shift = [0 if place % 2 == 0 else length // 2 for length in window_size]
                probability = stochastic_depth_prob * built / last
                blocks.append(
                    block(
                        dim,
                        heads,
                        window_size=window_size,
                        shift_size=shift,
                        mlp_ratio=mlp_ratio,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        stochastic_depth_prob=probability,
                        norm_layer=norm,
                    )
                )
                built += 1
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers)
        self.norm = norm(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, 3, H, W)."""
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


_weights = partial(imagenet1k, paper="https://arxiv.org/abs/2103.14030", head=SwinTransformer.fit_rules.head)
_weights_v2 = partial(imagenet1k, paper="https://arxiv.org/abs/2111.09883", head=SwinTransformer.fit_rules.head)


class Swin_T_Weights(WeightsEnum):
    """Weights of ``swin_t``."""

    IMAGENET1K_V1 = _weights(
        "swin_t-704ceda3.pth", acc1=81.474, acc5=95.776, num_params=28_288_354, ops=4.491, file_size=108.19,
        min_size=(224, 224), crop_size=224, resize_size=232, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#swintransformer",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_S_Weights(WeightsEnum):
    """Weights of ``swin_s``."""

    IMAGENET1K_V1 = _weights(
        "swin_s-5e29d889.pth", acc1=83.196, acc5=96.36, num_params=49_606_258, ops=8.741, file_size=189.786,
        min_size=(224, 224), crop_size=224, resize_size=246, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#swintransformer",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_B_Weights(WeightsEnum):
    """Weights of ``swin_b``."""

    IMAGENET1K_V1 = _weights(
        "swin_b-68c6b09e.pth", acc1=83.582, acc5=96.64, num_params=87_768_224, ops=15.431, file_size=335.364,
        min_size=(224, 224), crop_size=224, resize_size=238, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#swintransformer",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_T_Weights(WeightsEnum):
    """Weights of ``swin_v2_t``."""

    IMAGENET1K_V1 = _weights_v2(
        "swin_v2_t-b137f0e2.pth", acc1=82.072, acc5=96.132, num_params=28_351_570, ops=5.94, file_size=108.626,
        min_size=(256, 256), crop_size=256, resize_size=260, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#swintransformer-v2",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_S_Weights(WeightsEnum):
    """Weights of ``swin_v2_s``."""

    IMAGENET1K_V1 = _weights_v2(
        "swin_v2_s-637d8ceb.pth", acc1=83.712, acc5=96.816, num_params=49_737_442, ops=11.546, file_size=190.675,
        min_size=(256, 256), crop_size=256, resize_size=260, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#swintransformer-v2",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


class Swin_V2_B_Weights(WeightsEnum):
    """Weights of ``swin_v2_b``."""

    IMAGENET1K_V1 = _weights_v2(
        "swin_v2_b-781e5279.pth", acc1=84.112, acc5=96.864, num_params=87_930_848, ops=20.325, file_size=336.372,
        min_size=(256, 256), crop_size=256, resize_size=272, interpolation=InterpolationMode.BICUBIC,
        recipe=f"{RECIPES}#swintransformer-v2",
    )  # fmt: skip
    DEFAULT = IMAGENET1K_V1


def _swin(config: dict[str, Any], **defaults: Any) -> SwinTransformer:
    return SwinTransformer(**{"patch_size": [4, 4], **defaults, **config})


_V1 = {"window_size": [7, 7]}
_V2 = {"window_size": [8, 8], "block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
_TINY = {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "stochastic_depth_prob": 0.2}
_SMALL = {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24], "stochastic_depth_prob": 0.3}
_BASE = {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "stochastic_depth_prob": 0.5}


@register_model(weights=Swin_T_Weights)
def swin_t(**config: Any) -> SwinTransformer:
    """Swin Transformer, tiny: 28.3 M parameters."""
    return _swin(config, **_V1, **_TINY)


@register_model(weights=Swin_S_Weights)
def swin_s(**config: Any) -> SwinTransformer:
    """Swin Transformer, small: 49.6 M parameters."""
    return _swin(config, **_V1, **_SMALL)


@register_model(weights=Swin_B_Weights)
def swin_b(**config: Any) -> SwinTransformer:
    """Swin Transformer, base: 87.8 M parameters."""
    return _swin(config, **_V1, **_BASE)


@register_model(weights=Swin_V2_T_Weights)
def swin_v2_t(**config: Any) -> SwinTransformer:
    """Swin Transformer V2, tiny: 28.4 M parameters."""
    return _swin(config, **_V2, **_TINY)


@register_model(weights=Swin_V2_S_Weights)
def swin_v2_s(**config: Any) -> SwinTransformer:
    """Swin Transformer V2, small: 49.7 M parameters."""
    return _swin(config, **_V2, **_SMALL)


@register_model(weights=Swin_V2_B_Weights)
def swin_v2_b(**config: Any) -> SwinTransformer:
    """Swin Transformer V2, base: 87.9 M parameters."""
    return _swin(config, **_V2, **_BASE)
