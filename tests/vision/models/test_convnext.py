"""ConvNeXt: torchvision's numbers and initial values."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.errors import ArgumentError
from tests.vision.models.harness import alike, check_outputs, check_settings, compare, peer_models
from vision import models
from vision.models.convnext import CNBlock, CNBlockConfig, ConvNeXt, LayerNorm2d


def small(module=models.convnext, **config):
    stages = [module.CNBlockConfig(8, 12, 1), module.CNBlockConfig(12, None, 2)]
    return module.ConvNeXt(stages, num_classes=5, **config)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(97, 81), (8, 9)])
def test_numbers(size, training):
    compare(*alike(small(peer_models().convnext), small()), (2, 3, *size), training)


def test_ends_in_a_convolution():
    modules = peer_models().convnext, models.convnext
    theirs, ours = (m.ConvNeXt([m.CNBlockConfig(8, 16, 2)], num_classes=3) for m in modules)
    compare(*alike(theirs, ours), (1, 3, 33, 32), True)
    assert small_of_one_block().features[1][0].stochastic_depth.p == 0.0


def small_of_one_block():
    return ConvNeXt([CNBlockConfig(8, None, 1)], stochastic_depth_prob=0.5)


@pytest.mark.parametrize("name", ["convnext_tiny", "convnext_small"])
def test_outputs(name, monkeypatch):
    check_outputs(name, monkeypatch, (64, 75))


@pytest.mark.parametrize("name", ["convnext_tiny", "convnext_small", "convnext_base", "convnext_large"])
def test_settings(name, monkeypatch):
    check_settings(name, monkeypatch)


def test_initial_values():
    model = ConvNeXt([CNBlockConfig(64, 128, 1), CNBlockConfig(128, None, 1)])
    block = model.features[3][0]
    np.testing.assert_allclose(block.layer_scale.detach().numpy(), np.full((128, 1, 1), 1e-6, np.float32))
    for layer in (block.block[0], block.block[3], model.features[2][1], model.classifier[2]):
        assert float(layer.weight.detach().numpy().std()) == pytest.approx(0.02, rel=0.05)
        assert not layer.bias.detach().numpy().any()


def test_layers_of_ones_own():
    made = []

    def block(dim, layer_scale, probability):
        made.append((dim, layer_scale, probability))
        return CNBlock(dim, layer_scale, probability)

    small(block=block, layer_scale=0.5, stochastic_depth_prob=0.4)
    assert made == [(8, 0.5, 0.0), (12, 0.5, 0.2), (12, 0.5, 0.4)]
    assert models.convnext_tiny(stochastic_depth_prob=0.0, num_classes=2).features[7][2].stochastic_depth.p == 0.0


def test_layer_norm_2d():
    norm = LayerNorm2d(6, eps=1e-6)
    norm.weight.data.normal_()
    x = F.randn(2, 6, 5, 3)
    expected = F.nn.functional.layer_norm(x.permute(0, 2, 3, 1), (6,), norm.weight, norm.bias, 1e-6)
    np.testing.assert_allclose(norm(x).detach().numpy(), expected.permute(0, 3, 1, 2).detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: ConvNeXt([]), ArgumentError, "at least one stage, got none"),
        (lambda: ConvNeXt([(8, 16, 1)]), TypeError, r"list of CNBlockConfig, got \[\(8, 16, 1\)\]"),
        (lambda: models.convnext_tiny(depth=3), ArgumentError, "model 'convnext_tiny'.*'depth'"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()
