"""Vision transformers: torchvision's numbers, initial values and positions for pictures of other sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from framework.errors import ArgumentError, ShapeError, StateError
from hub.fitting import swap_stem
from tests.vision.models.harness import alike, check_settings, compare, peer_models
from vision import models
from vision.models.vision_transformer import (
    ConvStemConfig,
    Encoder,
    EncoderBlock,
    MLPBlock,
    VisionTransformer,
    interpolate_embeddings,
)

SMALL = {"patch_size": 8, "num_layers": 2, "num_heads": 3, "hidden_dim": 24, "mlp_dim": 40, "num_classes": 5}
STEM = [(6, 3, 2), (10, 3, 2), (12, 5, 2)]


def small(image_size=40, **config):
    return VisionTransformer(image_size, **{**SMALL, **config})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("config", [{}, {"representation_size": 17}, {"conv_stem_configs": STEM}])
def test_numbers(config, training):
    theirs = peer_models().vision_transformer
    both = []
    for module, stem in ((theirs, theirs.ConvStemConfig), (models.vision_transformer, ConvStemConfig)):
        own = {k: [stem(*c) for c in v] if k == "conv_stem_configs" else v for k, v in config.items()}
        both.append(module.VisionTransformer(image_size=40, **SMALL, **own))
    compare(*alike(*both), (2, 3, 40, 40), training)


def test_fused():
    with F.inference_mode():
        x, model = F.randn(2, 3, 40, 40), small(conv_stem_configs=[ConvStemConfig(*row) for row in STEM]).eval()
        model.heads.head.weight.data.normal_()
        expected = model(x).numpy()
        np.testing.assert_allclose(F.nn.fuse(model)(x).numpy(), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_settings(monkeypatch):
    check_settings("vit_b_16", monkeypatch, dropout=0.1, attention_dropout=0.2, representation_size=8)


def test_initial_values():
    model = VisionTransformer(64, 16, 2, 4, 256, 512, representation_size=300)

    def deviation(tensor):
        return float(tensor.detach().numpy().std())

    block = model.encoder.layers.encoder_layer_1
    assert deviation(model.encoder.pos_embedding) == pytest.approx(0.02, rel=0.05)
    assert deviation(model.conv_proj.weight) == pytest.approx(math.sqrt(1 / (3 * 16 * 16)), rel=0.02)
    assert deviation(model.heads.pre_logits.weight) == pytest.approx(math.sqrt(1 / 256), rel=0.02)
    assert deviation(block.mlp[0].weight) == pytest.approx(math.sqrt(2 / (256 + 512)), rel=0.02)
    assert deviation(block.mlp[0].bias) == pytest.approx(1e-6, rel=0.2)
    for zero in (model.class_token, model.heads.head.weight, model.heads.head.bias, model.conv_proj.bias):
        assert not zero.detach().numpy().any()
    stem = VisionTransformer(32, 8, 1, 2, 96, 8, conv_stem_configs=[ConvStemConfig(64, 3, 8)]).conv_proj
    assert deviation(stem.conv_last.weight) == pytest.approx(math.sqrt(2 / 96), rel=0.03)


def test_attributes():
    model = small(representation_size=17, dropout=0.3, attention_dropout=0.1)
    assert (model.image_size, model.patch_size, model.hidden_dim, model.mlp_dim, model.num_classes) == (
        40,
        8,
        24,
        40,
        5,
    )
    assert (model.dropout, model.attention_dropout, model.representation_size, model.seq_length) == (0.3, 0.1, 17, 26)
    assert [name for name, _ in model.heads.named_children()] == ["pre_logits", "act", "head"]


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("image_size, reset", [(40, False), (40, True), (88, False), (24, True)])
def test_interpolate_embeddings(image_size, reset, mode):
    import torch

    state = small().state_dict()
    theirs = {key: torch.from_numpy(value.numpy().copy()) for key, value in state.items()}
    peer = peer_models().vision_transformer
    expected = peer.interpolate_embeddings(image_size, 8, theirs, mode, reset)
    found = interpolate_embeddings(image_size, 8, state, mode, reset)
    assert list(found) == list(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key].numpy(), value.numpy(), rtol=1e-4, atol=1e-6)
    assert tuple(state["encoder.pos_embedding"].shape) == (1, 26, 24)  # what was given is as it was


def test_other_sizes_by_the_hub():
    state = small().state_dict()
    model = small(56, num_classes=3)
    fit = hub.load_pretrained(model, state)
    assert fit.adapted == ["encoder.pos_embedding"] and fit.swapped == ["heads.head.weight", "heads.head.bias"]
    expected = interpolate_embeddings(56, 8, state)["encoder.pos_embedding"]
    np.testing.assert_array_equal(model.encoder.pos_embedding.detach().numpy(), expected.numpy())
    with pytest.raises(StateError, match=r"encoder\.pos_embedding"):
        hub.load_pretrained(small(hidden_dim=48), state)
    with pytest.raises(StateError, match=r"encoder\.pos_embedding +missing"):
        hub.load_pretrained(small(), {k: v for k, v in state.items() if k != "encoder.pos_embedding"})


@pytest.mark.parametrize("load", [hub.load_pretrained, lambda model, state: model.load_state_dict(state)])
def test_names_of_old_files(load):
    state = small().state_dict()
    old = {k.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."): v for k, v in state.items()}
    assert set(old) != set(state)
    model = small()
    load(model, old)
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[key].numpy())


def test_weights_bring_their_size():
    entries = [hub.get_weights(name) for name in hub.list_weights("vit_*")]
    assert len(entries) == 10
    for entry in entries:
        size = entry.config["image_size"]
        assert entry.meta["min_size"] == (size, size) and entry.transforms().crop_size == [size]


def test_one_layer_a_block():
    layers = hub.layers_of(small())
    assert [layer[0] for layer in layers] == [
        "class_token",
        "encoder.pos_embedding",
        "encoder.layers.encoder_layer_1.ln_1.weight",
        "heads.head.weight",
    ]
    assert layers[2][-1] == "encoder.ln.bias"


def test_channels():
    model = small()
    swap_stem(model, 1)
    assert tuple(model.conv_proj.weight.shape) == (24, 1, 8, 8)
    assert tuple(model(F.randn(2, 1, 40, 40)).shape) == (2, 5)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: small(41), ArgumentError, "multiple of patch_size, got 41 and 8"),
        (lambda: small(num_heads=5), ArgumentError, "divisible by num_heads"),
        (lambda: small()(F.randn(1, 3, 40, 48)), ShapeError, r"pictures of 40 x 40 pixels, got \(1, 3, 40, 48\)"),
        (lambda: EncoderBlock(2, 8, 8, 0.0, 0.0)(F.randn(3, 8)), ShapeError, r"\(N, L, hidden_dim\), got \(3, 8\)"),
        (lambda: Encoder(3, 1, 2, 8, 8, 0.0, 0.0)(F.randn(3, 8)), ShapeError, r"\(N, L, hidden_dim\), got \(3, 8\)"),
        (
            lambda: interpolate_embeddings(40, 8, {"encoder.pos_embedding": F.randn(1, 25, 8)}),
            ArgumentError,
            r"square number of positions.*\(1, 25, 8\)",
        ),
        (lambda: models.vit_b_16(layers=3), ArgumentError, "model 'vit_b_16'.*'layers'"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_mlp_block_drops_in_training():
    block = MLPBlock(8, 16, 1.0)
    assert isinstance(block[1], nn.GELU) and not block(F.randn(2, 8)).detach().numpy().any()
    assert block.eval()(F.randn(2, 8)).detach().numpy().any()
