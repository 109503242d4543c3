"""MobileNet v2 and v3, ShuffleNetV2 and MNASNet: torchvision's numbers, initial values, arguments."""

from __future__ import annotations

import math
from functools import partial

import pytest

import framework as F
from framework import nn
from tests.vision.models.harness import alike, check_numbers, check_outputs, compare, peer_models
from vision import models
from vision.models.mobilenetv2 import InvertedResidual as BlockV2
from vision.models.mobilenetv3 import InvertedResidual as BlockV3
from vision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from vision.models.shufflenetv2 import InvertedResidual as ShuffleBlock

BUILDERS = [
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3",
]  # fmt: skip


@pytest.mark.parametrize("name", BUILDERS)
def test_outputs(name, monkeypatch):
    check_outputs(name, monkeypatch, (64, 75))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "name, config",
    [
        ("mobilenet_v2", {"width_mult": 0.35}),
        ("mobilenet_v2", {"inverted_residual_setting": [[2, 20, 2, 2], [1, 20, 1, 1]], "round_nearest": 4}),
        ("mobilenet_v3_small", {}),
        ("mobilenet_v3_small", {"width_mult": 0.6, "reduced_tail": True}),
        ("mobilenet_v3_large", {"width_mult": 0.5, "dilated": True}),
        ("shufflenet_v2_x0_5", {}),
        ("mnasnet0_5", {}),
    ],
)
def test_numbers(name, config, training, monkeypatch):
    check_numbers(name, monkeypatch, (97, 81), training, num_classes=7, **config)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_shuffle_blocks(stride):
    theirs = peer_models().shufflenetv2.InvertedResidual(12, 12, stride)
    compare(*alike(theirs, ShuffleBlock(12, 12, stride)), (2, 12, 11, 17), True)


def deviation(tensor) -> float:
    return float(tensor.detach().numpy().std())


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large"])
def test_initial_values(name):
    model = getattr(models, name)(num_classes=100)
    last = model.features[-1][0].weight
    assert deviation(last) == pytest.approx(math.sqrt(2 / last.shape[0]), rel=0.02)
    assert deviation(model.classifier[-1].weight) == pytest.approx(0.01, rel=0.02)
    biases = [m.bias for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m.bias is not None]
    assert biases and not any(float(bias.detach().abs().sum()) for bias in biases)


def test_mnasnet_initial_values():
    model = models.mnasnet1_0(num_classes=600)
    assert deviation(model.layers[14].weight) == pytest.approx(math.sqrt(2 / 1280), rel=0.02)
    limit = math.sqrt(3 / 600)  # uniform, by the outputs
    largest = float(model.classifier[1].weight.detach().abs().max())
    assert 0.99 * limit < largest <= limit and not model.classifier[1].bias.detach().numpy().any()
    assert model.layers[1].momentum == pytest.approx(0.0003)


def test_norm_layers():
    group = partial(nn.GroupNorm, 4)
    model = models.mobilenet_v2(num_classes=2, norm_layer=group)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert models.mobilenet_v3_small(num_classes=2).features[0][1].eps == 0.001
    small = models.mobilenet_v3_small(num_classes=2, norm_layer=group, dropout=0.4)
    assert isinstance(small.features[0][1], nn.GroupNorm) and small.classifier[2].p == 0.4
    assert tuple(small(F.randn(1, 3, 33, 32)).shape) == (1, 2)


def test_blocks_of_ones_own():
    made = []

    def block(inp, oup, stride, **options):
        made.append((inp, oup, stride))
        return BlockV2(inp, oup, stride, **options)

    models.mobilenet_v2(num_classes=2, block=block)
    assert len(made) == 17 and made[0] == (32, 16, 1)
    widths: list[int] = []

    class Counted(ShuffleBlock):
        def __init__(self, inp, oup, stride):
            widths.append(oup)
            super().__init__(inp, oup, stride)

    models.shufflenet_v2_x0_5(num_classes=2, inverted_residual=Counted)
    assert widths == [48] * 4 + [96] * 8 + [192] * 4


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: BlockV2(8, 8, 3, 6), "stride should be 1 or 2, got 3"),
        (lambda: models.mobilenet_v2(inverted_residual_setting=[]), "4 numbers a stage"),
        (lambda: models.mobilenet_v2(inverted_residual_setting=[[1, 16, 1, 1], [6, 24]]), "4 numbers a stage"),
        (lambda: BlockV3(InvertedResidualConfig(8, 3, 8, 8, False, "RE", 3, 1, 1.0), nn.BatchNorm2d), "got 3"),
        (lambda: MobileNetV3([], 8), "at least one row"),
        (lambda: ShuffleBlock(12, 12, 4), "stride should be 1, 2 or 3, got 4"),
        (lambda: ShuffleBlock(12, 16, 1), "equal and even, got 12, 16"),
        (lambda: models.ShuffleNetV2([4, 8], [24, 48, 96, 192, 1024]), "stages_repeats should hold 3 numbers"),
        (lambda: models.ShuffleNetV2([4, 8, 4], [24, 48, 96]), "stages_out_channels should hold 5 numbers"),
        (lambda: models.MNASNet(0.0), "alpha should be positive, got 0.0"),
        (lambda: models.mnasnet1_0(width=2), "model 'mnasnet1_0'.*'width'"),
        (lambda: models.mobilenet_v3_small(inverted_residual_setting=[]), "model 'mobilenet_v3_small'.*argument"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_rows_of_another_kind():
    with pytest.raises(TypeError, match="list of InvertedResidualConfig"):
        MobileNetV3([(16, 3, 16, 16)], 8)
