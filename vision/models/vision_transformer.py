"""Vision transformers.

References: Dosovitskiy et al., "An Image is Worth 16x16 Words", https://arxiv.org/abs/2010.11929;
Xiao et al., "Early Convolutions Help Transformers See Better" (``conv_stem_configs``), https://arxiv.org/abs/2106.14881;
Singh et al., "Revisiting Weakly Supervised Pre-Training of Visual Perception Models" (the SWAG weights),
https://arxiv.org/abs/2201.08371.
As in torchvision, the head is one linear layer, where the paper has a hidden one in pre-training
(``representation_size``), and it starts at zero.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import framework
from framework import nn
from framework.errors import ArgumentError, ShapeError
from framework.nn import functional as F
from hub import FitRules, register_model
from vision.models.vision_transformer_weights import (
    HEAD,
    ViT_B_16_Weights,
    ViT_B_32_Weights,
    ViT_H_14_Weights,
    ViT_L_16_Weights,
    ViT_L_32_Weights,
)
from vision.ops import MLP, Conv2dNormActivation

Layer = Callable[..., nn.Module]
LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)

_OLD_KEYS = ((r"\bmlp\.linear_1\.", "mlp.0."), (r"\bmlp\.linear_2\.", "mlp.3."))  # the published files have these


class ConvStemConfig(NamedTuple):
    """A convolution of the stem that may stand for the patches' projection.

    Args:
        out_channels, kernel_size, stride: of the convolution; its padding keeps the picture's size at stride 1.
        norm_layer, activation_layer: build the layers after it.
    """

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Layer = nn.BatchNorm2d
    activation_layer: Layer = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers with a GELU between them and dropout after each: (..., in_dim) -> (..., in_dim).

    Args:
        in_dim: features of input and output.
        mlp_dim: features between the layers.
        dropout: the probability of dropping an element.
    """

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, dropout=dropout)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.normal_(m.bias, std=1e-6)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        for old, new in (("linear_1", "0"), ("linear_2", "3")):  # names of before version 2
            for kind in ("weight", "bias"):
                if f"{prefix}{old}.{kind}" in state_dict:
                    state_dict[f"{prefix}{new}.{kind}"] = state_dict.pop(f"{prefix}{old}.{kind}")
        super()._load_from_state_dict(state_dict, prefix, *rest)


class EncoderBlock(nn.Module):
    """Self-attention and an ``MLPBlock``, each normalised before and added to its input: (N, L, hidden_dim), unchanged.

    Args:
        num_heads: heads of the attention.
        hidden_dim: features of input and output.
        mlp_dim: features within the ``MLPBlock``.
        dropout: after each linear layer but those of query, key and value.
        attention_dropout: of the attention's weights.
        norm_layer: builds a normalisation from its features.
    """

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = LAYER_NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Any) -> Any:
        """The sequence after the block."""
        if input.ndim != 3:
            raise ShapeError(f"EncoderBlock: expected (N, L, hidden_dim), got {tuple(input.shape)}")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Learned positions, ``num_layers`` blocks and a norm: (N, seq_length, hidden_dim), unchanged.

    Args:
        seq_length: patches of a picture, and the class token.
        num_layers: blocks.
        num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer: of each ``EncoderBlock``.
    """

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Layer = LAYER_NORM,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(framework.empty(1, seq_length, hidden_dim))
        nn.init.normal_(self.pos_embedding, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(
            OrderedDict(
                (
                    f"encoder_layer_{i}",
                    EncoderBlock(num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer),
                )
                for i in range(num_layers)
            )
        )
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Any) -> Any:
        """The sequence after all blocks."""
        if input.ndim != 3:
            raise ShapeError(f"Encoder: expected (N, L, hidden_dim), got {tuple(input.shape)}")
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


def _adapted(model: Any, state_dict: dict[str, Any]) -> dict[str, Any]:
    if "encoder.pos_embedding" not in state_dict:
        return state_dict
    return interpolate_embeddings(model.image_size, model.patch_size, state_dict)


class VisionTransformer(nn.Module):
    """A transformer over a picture's patches and a class token, with torchvision's arguments and state-dict keys.

    Args:
        image_size: height and width of pictures in pixels, a multiple of ``patch_size``.
        patch_size: height and width of a patch.
        num_layers: encoder blocks.
        num_heads: heads of each attention.
        hidden_dim: features of a token.
        mlp_dim: features within each block's MLP.
        dropout: after each linear layer but those of query, key and value, and after the positions.
        attention_dropout: of the attention's weights.
        num_classes: the number of outputs.
        representation_size: features of a hidden layer with tanh before the head; None for none.
        norm_layer: builds a normalisation from its features.
        conv_stem_configs: convolutions before a 1 x 1 one, instead of one projection of each patch. Their strides have
            to multiply to ``patch_size``.

    Shape:
        (N, 3, image_size, image_size) -> (N, num_classes).

    Raises:
        ArgumentError: ``patch_size`` does not divide ``image_size``.
    """

    fit_rules = FitRules(head=HEAD, stem="conv_proj", key_map=_OLD_KEYS, adapt=_adapted, containers=("encoder",))

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Layer = LAYER_NORM,
        conv_stem_configs: list[ConvStemConfig] | None = None,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ArgumentError(
                f"VisionTransformer: image_size should be a multiple of patch_size, got {image_size} and {patch_size}"
            )
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.mlp_dim = mlp_dim
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.num_classes = num_classes
        self.representation_size = representation_size
        self.norm_layer = norm_layer
        self.conv_proj: nn.Module
        if conv_stem_configs is None:
            self.conv_proj = nn.Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        else:
            self.conv_proj = _convolutional_stem(conv_stem_configs, hidden_dim)
        self.class_token = nn.Parameter(framework.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads = nn.Sequential(heads)
        self._initialize()

    def _initialize(self) -> None:
        projection: Any = self.conv_proj
        if isinstance(projection, nn.Sequential):
            projection = projection.conv_last
            nn.init.normal_(projection.weight, std=math.sqrt(2 / projection.out_channels))
        else:
            fan_in = projection.in_channels * self.patch_size**2
            nn.init.trunc_normal_(projection.weight, std=math.sqrt(1 / fan_in))
        nn.init.zeros_(projection.bias)
        if self.representation_size is not None:
            nn.init.trunc_normal_(self.heads.pre_logits.weight, std=math.sqrt(1 / self.hidden_dim))
            nn.init.zeros_(self.heads.pre_logits.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Any) -> Any:
        """Tokens (N, patches, hidden_dim) of pictures."""
        if tuple(x.shape[-2:]) != (self.image_size, self.image_size):
            raise ShapeError(
                f"VisionTransformer: expected pictures of {self.image_size} x {self.image_size} pixels, got "
                f"{tuple(x.shape)}; resize them, or build the model with another image_size"
            )
        return self.conv_proj(x).flatten(2).transpose(1, 2)

    def forward(self, x: Any) -> Any:
        """Class scores (N, num_classes) of pictures (N, 3, image_size, image_size)."""
        x = self._process_input(x)
        x = framework.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)
        return self.heads(self.encoder(x)[:, 0])


def _convolutional_stem(configs: list[ConvStemConfig], hidden_dim: int) -> nn.Sequential:
    stem: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for i, (out_channels, kernel_size, stride, norm_layer, activation_layer) in enumerate(configs):
        stem[f"conv_bn_relu_{i}"] = Conv2dNormActivation(
            channels, out_channels, kernel_size, stride, norm_layer=norm_layer, activation_layer=activation_layer
        )
        channels = out_channels
    stem["conv_last"] = nn.Conv2d(channels, hidden_dim, kernel_size=1)
    return nn.Sequential(stem)


def interpolate_embeddings(
    image_size: int,
    patch_size: int,
    model_state: Mapping[str, Any],
    interpolation_mode: str = "bicubic",
    reset_heads: bool = False,
) -> dict[str, Any]:
    """The state dict of a vision transformer with positions for pictures of another size.

    Args:
        image_size: height and width of the new pictures in pixels.
        patch_size: of the model.
        model_state: the state dict; it is left as it is.
        interpolation_mode: of ``nn.functional.interpolate``; corners stay where they are.
        reset_heads: where the size differs, leave out the head.

    Returns:
        A state dict, with the same tensors but for the positions.

    Raises:
        ArgumentError: the number of positions, less the class token, is not a square.

    Example:
        >>> model = vit_b_16(image_size=384)
        >>> model.load_state_dict(interpolate_embeddings(384, 16, vit_b_16().state_dict()))
    """
    state = dict(model_state)
    embedding = state["encoder.pos_embedding"]
    side = image_size // patch_size
    if (
        embedding.ndim != 3
        or embedding.shape[0] != 1
        or math.isqrt(embedding.shape[1] - 1) ** 2 != embedding.shape[1] - 1
    ):
        raise ArgumentError(
            "interpolate_embeddings: expected encoder.pos_embedding (1, positions, hidden_dim), with a square number of "
            f"positions and one for the class token, got {tuple(embedding.shape)}"
        )
    before = math.isqrt(embedding.shape[1] - 1)
    if before == side:
        return state
    token, patches = embedding[:, :1], embedding[:, 1:]
    picture = patches.transpose(1, 2).unflatten(2, (before, before))  # (1, hidden_dim, before, before)
    picture = F.interpolate(picture, size=(side, side), mode=interpolation_mode, align_corners=True)
    state["encoder.pos_embedding"] = framework.cat([token, picture.flatten(2).transpose(1, 2)], dim=1)
    return {key: value for key, value in state.items() if not (reset_heads and key.startswith("heads"))}


@register_model(weights=ViT_B_16_Weights)
def vit_b_16(*, image_size: int = 224, **config: Any) -> VisionTransformer:
    """ViT-B/16, patches of 16 x 16 pixels: 86.6 M parameters."""
    return VisionTransformer(image_size, 16, num_layers=12, num_heads=12, hidden_dim=768, mlp_dim=3072, **config)


@register_model(weights=ViT_B_32_Weights)
def vit_b_32(*, image_size: int = 224, **config: Any) -> VisionTransformer:
    """ViT-B/32, patches of 32 x 32 pixels: 88.2 M parameters."""
    return VisionTransformer(image_size, 32, num_layers=12, num_heads=12, hidden_dim=768, mlp_dim=3072, **config)


@register_model(weights=ViT_L_16_Weights)
def vit_l_16(*, image_size: int = 224, **config: Any) -> VisionTransformer:
    """ViT-L/16, patches of 16 x 16 pixels: 304.3 M parameters."""
    return VisionTransformer(image_size, 16, num_layers=24, num_heads=16, hidden_dim=1024, mlp_dim=4096, **config)


@register_model(weights=ViT_L_32_Weights)
def vit_l_32(*, image_size: int = 224, **config: Any) -> VisionTransformer:
    """ViT-L/32, patches of 32 x 32 pixels: 306.5 M parameters."""
    return VisionTransformer(image_size, 32, num_layers=24, num_heads=16, hidden_dim=1024, mlp_dim=4096, **config)


@register_model(weights=ViT_H_14_Weights)
def vit_h_14(*, image_size: int = 224, **config: Any) -> VisionTransformer:
    """ViT-H/14, patches of 14 x 14 pixels: 632.0 M parameters."""
    return VisionTransformer(image_size, 14, num_layers=32, num_heads=16, hidden_dim=1280, mlp_dim=5120, **config)
