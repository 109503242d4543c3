"""The models of the cases: this toolkit's own, and those of torchvision and transformers in the same sizes."""

from __future__ import annotations

from typing import Any

from support.benchmarks.generation import models_of
from support.benchmarks.peer import Peer
from support.benchmarks.pipeline import vision_of

CLASSES = (1000, 10)  # of pictures; in full and small
IMAGE = (224, 32)  # pixels a side

# width, layers, heads, width within a layer's net: of ViT-B/16 and BERT-base, and small
_BASE, _SMALL = (768, 12, 12, 3072), (32, 2, 2, 64)


def resnet50(peer: Peer) -> Any:
    """ResNet-50, 25.6 M parameters; small, one block a stage."""
    models = vision_of(peer.lib).models
    if peer.small:
        return models.resnet.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1], num_classes=CLASSES[1])
    return models.resnet50(num_classes=CLASSES[0])


def mobilenet_v2(peer: Peer) -> Any:
    """MobileNetV2, 3.5 M parameters; small, a quarter as wide."""
    width = 0.25 if peer.small else 1.0
    return vision_of(peer.lib).models.mobilenet_v2(num_classes=peer.size(*CLASSES), width_mult=width)


def vit_b_16(peer: Peer) -> Any:
    """ViT-B/16, 86.6 M parameters; small, two narrow layers."""
    width, layers, heads, inner = _SMALL if peer.small else _BASE
    return vision_of(peer.lib).models.VisionTransformer(
        image_size=peer.size(*IMAGE), patch_size=16, num_layers=layers, num_heads=heads, hidden_dim=width, mlp_dim=inner,
        num_classes=peer.size(*CLASSES),
    )  # fmt: skip


def bert_base(peer: Peer) -> Any:
    """BERT-base for two classes, 109.5 M parameters; small, two narrow layers."""
    models, (width, layers, heads, inner) = models_of(peer.lib), _SMALL if peer.small else _BASE
    config = models.BertConfig(
        vocab_size=words(peer), hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
        attn_implementation="sdpa",  # the peer's fastest; ours has no other
    )  # fmt: skip
    return models.BertForSequenceClassification(config)


def words(peer: Peer) -> int:
    """How many words BERT knows."""
    return peer.size(30522, 50)


def bert_shapes(width: int, layers: int, inner: int, vocabulary: int) -> list[tuple[int, ...]]:
    """The shapes of BERT's parameters: 109.5 M of BERT-base in 199 tensors."""
    norm = [(width,), (width,)]
    square: list[tuple[int, ...]] = [(width, width), (width,)]
    layer = [*4 * square, *norm, (inner, width), (inner,), (width, inner), (width,), *norm]
    return [(vocabulary, width), (512, width), (2, width), *norm, *layers * layer, *square]
