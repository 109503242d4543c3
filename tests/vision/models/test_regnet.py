"""RegNets: torchvision's numbers, the paper's rule for stages, initial values."""

from __future__ import annotations

import math
from functools import partial

import pytest

import framework as F
import hub
from framework import nn
from framework.errors import ArgumentError
from tests.vision.models.harness import alike, check_outputs, check_settings, compare, peer_models
from vision import models
from vision.models.regnet import BlockParams, RegNet

X = ["400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf"]
NAMES = [f"regnet_{kind}_{size}" for kind in "xy" for size in X] + ["regnet_y_128gf"]
LARGE = {f"regnet_{kind}_{size}" for kind in "xy" for size in ("16gf", "32gf", "128gf")}


def small(module=models.regnet, se_ratio=0.25, multiplier=1.0, **config):
    params = module.BlockParams.from_init_params(6, 16, 10.0, 2.0, 8, multiplier, se_ratio)
    return module.RegNet(params, num_classes=5, **{"stem_width": 8, **config})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("se_ratio, multiplier", [(0.25, 1.0), (None, 1.0), (0.5, 2.0), (0.25, 0.5)])
def test_numbers(se_ratio, multiplier, training):
    theirs, ours = (small(m, se_ratio, multiplier) for m in (peer_models().regnet, models.regnet))
    compare(*alike(theirs, ours), (3, 3, 97, 81), training)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LARGE])
def test_outputs(name, monkeypatch):
    check_outputs(name, monkeypatch, (64, 49))


@pytest.mark.slow
def test_outputs_of_a_large_net(monkeypatch):
    check_outputs("regnet_x_16gf", monkeypatch, (64, 49))


@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_800mf", "regnet_y_8gf"])
def test_settings(name, monkeypatch):
    check_settings(name, monkeypatch)


@pytest.mark.parametrize("multiplier", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("group_width", [1, 8, 24, 232])
def test_stages(group_width, multiplier):
    """Stages over a range of the paper's numbers."""
    peer = peer_models().regnet.BlockParams
    for depth, w_0, w_a, w_m in [
        (1, 8, 0.0, 1.5),
        (13, 24, 36.4, 2.49),
        (22, 216, 55.59, 2.1),
        (27, 456, 160.83, 2.52),
    ]:
        expected = peer.from_init_params(depth, w_0, w_a, w_m, group_width, multiplier, 0.25)
        found = BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width, multiplier, 0.25)
        assert vars(found) == vars(expected)
        assert all(type(width) is int for width in found.widths)


def test_initial_values():
    model = small(stem_width=32)
    block = model.trunk_output.block2
    layer = next(m for m in block.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3))
    assert float(layer.weight.detach().numpy().std()) == pytest.approx(math.sqrt(2 / (9 * layer.out_channels)), rel=0.1)
    assert float(model.fc.weight.detach().numpy().std()) == pytest.approx(0.01, rel=0.1)
    assert not model.fc.bias.detach().numpy().any()


def test_parts_of_ones_own():
    model = small(norm_layer=partial(nn.GroupNorm, 4), activation=nn.SiLU)
    kinds = {type(m) for m in model.modules()}
    assert nn.GroupNorm in kinds and nn.SiLU in kinds and not kinds & {nn.BatchNorm2d, nn.ReLU}

    def stem(width_in, width_out, norm_layer, activation_layer):
        return nn.Sequential(nn.Conv2d(width_in, width_out, 5, stride=4), activation_layer())

    assert tuple(small(stem_type=stem)(F.randn(2, 3, 33, 32)).shape) == (2, 5)
    plain = small(block_type=lambda width_in, width_out, stride, *rest: nn.Conv2d(width_in, width_out, 1, stride))
    assert type(plain.trunk_output.block1[0]) is nn.Conv2d


def test_one_layer_a_block():
    layers = hub.layers_of(small())
    assert len(layers) == 1 + 6 + 1 and layers[1][0].startswith("trunk_output.block1.block1-0.")


@pytest.mark.parametrize("numbers", [(16, 12, 8.0, 2.0), (16, 0, 8.0, 2.0), (16, 8, -1.0, 2.0), (16, 8, 8.0, 1.0)])
def test_mistakes(numbers):
    with pytest.raises(ArgumentError, match="w_0 a multiple of 8 above 0, w_a at least 0 and w_m above 1, got w_0="):
        BlockParams.from_init_params(*numbers, group_width=8)


def test_unknown_arguments():
    with pytest.raises(ArgumentError, match=r"model 'regnet_x_400mf'.*'depth'"):
        models.regnet_x_400mf(depth=3)
    assert isinstance(models.regnet_x_400mf(num_classes=2), RegNet)
