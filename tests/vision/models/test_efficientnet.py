"""EfficientNets of both versions: torchvision's numbers, widths and initial values."""

from __future__ import annotations

import math
from functools import partial

import pytest

import framework as F
from framework import nn
from framework.errors import ArgumentError
from tests.vision.models.harness import (
    alike,
    check_outputs,
    check_settings,
    compare,
    compare_outputs,
    pair,
    peer_models,
)
from vision import models
from vision.models.efficientnet import EfficientNet, FusedMBConv, FusedMBConvConfig, MBConv, MBConvConfig


def small(module=models.efficientnet, **config):
    stages = [
        module.FusedMBConvConfig(1, 3, 1, 8, 8, 2),
        module.FusedMBConvConfig(4, 3, 2, 8, 16, 2),
        module.MBConvConfig(4, 5, 2, 16, 24, 2),
    ]
    return module.EfficientNet(stages, 0.2, num_classes=5, **config)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("config", [{}, {"last_channel": 40}])
def test_numbers(config, training):
    compare(*alike(small(peer_models().efficientnet, **config), small(**config)), (3, 3, 97, 81), training)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
def test_outputs(number, monkeypatch):
    check_outputs(f"efficientnet_b{number}", monkeypatch, (64, 49))


@pytest.mark.parametrize(
    "name", ["v2_s", pytest.param("v2_m", marks=pytest.mark.slow), pytest.param("b6", marks=pytest.mark.slow)]
)
def test_outputs_of_deep_nets(name, monkeypatch):
    theirs, ours = pair(f"efficientnet_{name}", monkeypatch, double=False)
    for model in (theirs, ours):  # else branches grow from block to block, and rounding by 10**8
        for layer in model.modules():
            if type(layer).__name__ == "BatchNorm2d":
                layer.weight.data.mul_(0.5)
    compare_outputs(theirs, ours, (64, 49))


@pytest.mark.parametrize("name", ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "v2_s", "v2_m", "v2_l"])
def test_settings(name, monkeypatch):
    check_settings(f"efficientnet_{name}", monkeypatch)


def test_stochastic_depth_grows(monkeypatch):
    check_settings("efficientnet_b0", monkeypatch, stochastic_depth_prob=0.7, dropout=0.6)


def test_widths_and_depths():
    scaled = MBConvConfig(6, 3, 2, 16, 24, 2, width_mult=1.4, depth_mult=1.8)
    assert (scaled.input_channels, scaled.out_channels, scaled.num_layers, scaled.block) == (24, 32, 4, MBConv)
    assert FusedMBConvConfig(4, 3, 2, 24, 48, 4).block is FusedMBConv
    assert "out_channels=32" in repr(scaled)


def test_settings_given_are_left_alone():
    stage = MBConvConfig(2, 3, 2, 8, 16, 2)
    model = EfficientNet([stage], 0.0, num_classes=2)
    assert (stage.stride, stage.input_channels) == (2, 8)
    assert not model.features[1][0].use_res_connect and model.features[1][1].use_res_connect


def test_initial_values():
    model = small(last_channel=500)
    block = model.features[3][1].block
    for layer in (block[0][0], block[1][0], block[2].fc1, model.features[4][0]):
        outputs = layer.out_channels * layer.kernel_size[0] ** 2
        assert float(layer.weight.detach().numpy().std()) == pytest.approx(math.sqrt(2 / outputs), rel=0.15)
        assert layer.bias is None or not layer.bias.detach().numpy().any()
    largest = float(model.classifier[1].weight.detach().abs().max())
    assert 0.99 / math.sqrt(5) < largest <= 1 / math.sqrt(5) and not model.classifier[1].bias.detach().numpy().any()


def test_norm_layer():
    model = models.efficientnet_b5(num_classes=2, norm_layer=partial(nn.GroupNorm, 4), dropout=0.1)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules()) and model.classifier[0].p == 0.1
    assert models.efficientnet_v2_s(num_classes=2, last_channel=64).classifier[1].in_features == 64


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: EfficientNet([], 0.2), ArgumentError, "at least one stage, got none"),
        (lambda: EfficientNet([(1, 3, 1, 8, 8, 2)], 0.2), TypeError, "list of MBConvConfig and FusedMBConvConfig, got"),
        (lambda: MBConv(MBConvConfig(1, 3, 3, 8, 8, 1), 0.0, nn.BatchNorm2d), ArgumentError, "MBConv: illegal stride"),
        (
            lambda: FusedMBConv(FusedMBConvConfig(1, 3, 0, 8, 8, 1), 0.0, nn.BatchNorm2d),
            ArgumentError,
            "FusedMBConv: illegal stride value 0",
        ),
        (lambda: models.efficientnet_b0(depth=3), ArgumentError, "model 'efficientnet_b0'.*'depth'"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_smallest_picture():
    assert tuple(small().eval()(F.randn(1, 3, 1, 1)).shape) == (1, 5)
