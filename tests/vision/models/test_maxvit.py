"""MaxViT: torchvision's numbers, initial values, and weights for other partitions."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from framework.errors import ArgumentError, ShapeError
from tests.vision.models.harness import alike, check_outputs, check_settings, compare, peer_models
from vision import models
from vision.models.maxvit import MaxVit, MaxVitBlock, MBConv
from vision.models.maxvit_attention import (
    PartitionAttentionLayer,
    RelativePositionalMultiHeadAttention,
    WindowDepartition,
    WindowPartition,
)


def small(kind=MaxVit, size=96, partition=3, **config):
    given = {"stochastic_depth_prob": 0.2, "num_classes": 5, **config}
    return kind((size, size), 16, partition, [16, 24], [2, 1], 8, **given)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("config", [{}, {"activation_layer": nn.ReLU, "mlp_ratio": 2, "expansion_ratio": 2}])
def test_numbers(config, training):
    import torch

    own = {**config, "activation_layer": torch.nn.ReLU} if "activation_layer" in config else config
    compare(*alike(small(peer_models().maxvit.MaxVit, **own), small(**config)), (2, 3, 96, 96), training)


@pytest.mark.parametrize("kind, grid", [("window", (6, 9)), ("grid", (9, 9)), ("grid", (6, 6)), ("window", (3, 3))])
def test_partitions(kind, grid):
    import torch

    both = [
        layer(12, 4, 3, kind, grid, 2, relu, norm, 0.0, 0.0, 0.0)
        for layer, relu, norm in (
            (peer_models().maxvit.PartitionAttentionLayer, torch.nn.ReLU, torch.nn.LayerNorm),
            (PartitionAttentionLayer, nn.ReLU, nn.LayerNorm),
        )
    ]
    compare(*alike(*both), (2, 12, *grid), True)


@pytest.mark.parametrize("stride, channels", [(1, 8), (1, 12), (2, 8), (2, 12)])
def test_mbconv(stride, channels):
    import torch

    theirs = peer_models().maxvit.MBConv(8, channels, 4, 0.25, stride, torch.nn.GELU, torch.nn.BatchNorm2d, 0.1)
    compare(*alike(theirs, MBConv(8, channels, 4, 0.25, stride, nn.GELU, nn.BatchNorm2d, 0.1)), (2, 8, 11, 17), True)


def test_windows_come_together_again():
    x = F.randn(2, 5, 6, 12)
    windows = WindowPartition()(x, 3)
    assert tuple(windows.shape) == (2, 8, 9, 5)
    np.testing.assert_array_equal(windows[0, 1, 4].numpy(), x[0, :, 1, 4].numpy())
    np.testing.assert_array_equal(WindowDepartition()(windows, 3, 2, 4).numpy(), x.numpy())


def test_outputs(monkeypatch):
    check_outputs("maxvit_t", monkeypatch, (224, 224))


def test_settings(monkeypatch):
    check_settings("maxvit_t", monkeypatch, mlp_dropout=0.1, attention_dropout=0.3)


def test_initial_values():
    model = small()
    layer = model.blocks[1].layers[0].layers
    for part in (layer.MBconv.layers.conv_a[0], layer.grid_attention.attn_layer[1].to_qkv, model.classifier[3]):
        assert float(part.weight.detach().numpy().std()) == pytest.approx(0.02, rel=0.1)
        assert part.bias is None or not part.bias.detach().numpy().any()
    table = layer.window_attention.attn_layer[1].relative_position_bias_table
    assert float(table.detach().numpy().std()) == pytest.approx(0.02, rel=0.3)
    assert model.classifier[5].bias is None


def test_other_partitions():
    model = small(size=64, partition=4)
    fit = hub.load_pretrained(model, small().state_dict())
    assert len(fit.adapted) == 12 and not fit.swapped
    assert tuple(model(F.randn(1, 3, 64, 64)).shape) == (1, 5)


def test_one_layer_a_layer():
    layers = hub.layers_of(small())
    assert len(layers) == 7 and layers[2][0].startswith("blocks.0.layers.0.") and layers[4][0].startswith("blocks.1.")


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: small(size=100), ArgumentError, r"\[\(25, 25\), \(13, 13\)\] pixels, which partition_size=3"),
        (lambda: small()(F.randn(1, 3, 96, 48)), ShapeError, r"a map of \(24, 24\) pixels, got \(1, 16, 24, 12\)"),
        (lambda: MaxVit((96, 48), 16, 3, [16], [1], 8, 0.0), ArgumentError, "equal sides for a grid"),
        (lambda: RelativePositionalMultiHeadAttention(10, 4, 9), ArgumentError, "feat_dim: 10 must be divisible by"),
        (
            lambda: PartitionAttentionLayer(8, 4, 3, "row", (3, 3), 2, nn.ReLU, nn.LayerNorm, 0.0, 0.0, 0.0),
            ArgumentError,
            "'grid' or 'window', got 'row'",
        ),
        (
            lambda: MaxVitBlock(8, 8, 0.25, 4, nn.BatchNorm2d, nn.GELU, 4, 2, 0.0, 0.0, 2, (8, 8), 2, [0.1]),
            ArgumentError,
            r"n_layers=2 numbers, got \[0.1\]",
        ),
        (lambda: models.maxvit_t(depth=3), ArgumentError, "model 'maxvit_t'.*'depth'"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()
