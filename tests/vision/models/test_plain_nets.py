"""AlexNet, VGG, SqueezeNet and DenseNet: torchvision's numbers, initial values, arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from tests.vision.models.harness import (
    alike,
    check_numbers,
    check_outputs,
    compare,
    peer_models,
    without_initial_values,
)
from vision import models
from vision.models.densenet import DenseNet
from vision.models.initial import start_by_outputs
from vision.models.vgg import VGG, make_layers


@pytest.mark.parametrize(
    "name, size",
    [
        ("squeezenet1_0", (21, 33)),
        ("squeezenet1_1", (17, 64)),
        ("densenet121", (64, 64)),
        ("densenet169", (33, 40)),
        ("densenet201", (29, 40)),
        ("densenet161", (33, 40)),
    ],
)
def test_outputs(name, size, monkeypatch):
    check_outputs(name, monkeypatch, size)


@pytest.mark.parametrize(
    "name, size, config, modes",
    [
        ("squeezenet1_0", (37, 41), {"num_classes": 7}, [True]),
        ("squeezenet1_1", (37, 41), {"num_classes": 7}, [True, False]),
        ("densenet121", (65, 41), {"num_classes": 7, "bn_size": 2}, [True, False]),
        ("densenet121", (33, 41), {"num_classes": 7, "memory_efficient": True}, [True]),
    ],
)
def test_numbers(name, size, config, modes, monkeypatch):
    for training in modes:
        check_numbers(name, monkeypatch, size, training, **config)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_vgg_numbers(batch_norm, monkeypatch):
    """With fewer channels, and a small head in the place of 120 M parameters."""
    import torch

    cfg = [8, "M", 16, 16, "M", 512, "M"]
    peer = peer_models().vgg
    with monkeypatch.context() as patch, nn.init.skipped():
        without_initial_values(patch)
        theirs, ours = peer.VGG(peer.make_layers(cfg, batch_norm)), VGG(make_layers(cfg, batch_norm))
    theirs.classifier, ours.classifier = torch.nn.Linear(512 * 49, 3), nn.Linear(512 * 49, 3)
    for training in (True, False):
        compare(*alike(theirs, ours), (2, 3, 37, 67), training)


def test_alexnet_numbers(monkeypatch):
    """With a small head in the place of 59 M parameters."""
    import torch

    with monkeypatch.context() as patch, nn.init.skipped():
        without_initial_values(patch)
        theirs, ours = peer_models().alexnet(dropout=0.25), models.alexnet(dropout=0.25)
    assert [repr(m) for m in ours.classifier] == [repr(m) for m in theirs.classifier]
    theirs.classifier, ours.classifier = torch.nn.Linear(256 * 36, 3), nn.Linear(256 * 36, 3)
    compare(*alike(theirs, ours), (2, 3, 63, 70), True)


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "vgg11_bn"])
def test_fused(name, monkeypatch):
    """Of the nets too large for ``check_outputs``, the features alone."""
    with nn.init.skipped():
        features = getattr(models, name)().features.eval()
    for m in features.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight), nn.init.zeros_(m.bias)
        if isinstance(m, nn.BatchNorm2d):
            (
                nn.init.uniform_(m.running_mean),
                nn.init.uniform_(m.running_var, 0.5, 1.5),
                nn.init.ones_(m.weight),
                nn.init.zeros_(m.bias),
            )
    picture = F.randn(1, 3, 65, 64)
    with F.inference_mode():
        plain, fused = features(picture).numpy(), nn.fuse(features)(picture).numpy()
    np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-4 * np.abs(plain).max())


def deviation(tensor) -> float:
    return float(tensor.detach().numpy().std())


def test_vgg_initial_values(monkeypatch):
    filled = []
    with monkeypatch.context() as patch:
        patch.setattr(nn.init, "normal_", lambda t, *rest: filled.append((tuple(t.shape), *rest[:2])))
        with nn.init.skipped():  # else 120 M numbers would be drawn
            VGG(make_layers([64]), num_classes=5)
    assert filled[1:] == [((4096, 25088), 0.0, 0.01), ((4096, 4096), 0.0, 0.01), ((5, 4096), 0.0, 0.01)]
    features = make_layers([64, "M", 512, "M"], batch_norm=True)
    start_by_outputs(features)
    assert deviation(features[4].weight) == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)
    assert not features[4].bias.detach().numpy().any()


def test_squeezenet_initial_values():
    model = models.squeezenet1_1(num_classes=300)
    expand = model.features[12].expand3x3.weight  # of 64 channels to 256
    limit = math.sqrt(6 / (64 * 9))
    assert limit * 0.99 < float(expand.detach().abs().max()) <= limit
    assert deviation(model.classifier[1].weight) == pytest.approx(0.01, rel=0.02)
    assert not any(float(p.detach().abs().sum()) for k, p in model.named_parameters() if k.endswith("bias"))


def test_densenet_initial_values():
    model = DenseNet(num_classes=5, block_config=(2, 1), num_init_features=128)
    weight = model.features.denseblock1.denselayer2.conv2.weight
    assert deviation(weight) == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.02)
    assert not model.classifier.bias.detach().numpy().any()
    assert [k for k, _ in model.features.named_children()] == [
        "conv0", "norm0", "relu0", "pool0", "denseblock1", "transition1", "denseblock2", "norm5",
    ]  # fmt: skip


def test_densenet_takes_the_keys_of_its_published_files():
    model, other = (DenseNet(num_classes=3, block_config=(2, 2), growth_rate=8) for _ in range(2))
    old = {}
    for key, value in model.state_dict().items():
        for part in ("norm", "relu", "conv"):
            for number in "12":
                key = key.replace(f".{part}{number}.", f".{part}.{number}.") if "denselayer" in key else key
        old[key] = value
    assert "features.denseblock1.denselayer2.norm.1.running_mean" in old
    fit = hub.load_pretrained(other, old)
    assert len(fit.loaded) == len(old) and not fit.missing
    np.testing.assert_array_equal(
        other.features.denseblock2.denselayer1.conv2.weight.detach().numpy(),
        model.features.denseblock2.denselayer1.conv2.weight.detach().numpy(),
    )
    layers = hub.layers_of(model)
    assert len(layers) == 7  # the first convolution, four dense layers, the transition, the head
    assert layers[1][0].startswith("features.denseblock1.denselayer1.")


def test_densenet_drops_in_training():
    model = DenseNet(num_classes=3, block_config=(1,), drop_rate=0.5)
    picture = F.randn(2, 3, 32, 32)
    layer = model.features.denseblock1.denselayer1
    maps = model.features.pool0(model.features.conv0(picture))
    dropped = float((layer(maps) == 0).float().mean())
    assert 0.45 < dropped < 0.55 and float((layer.eval()(maps) == 0).float().mean()) < 0.01


def test_a_dense_block_that_recomputes_keeps_less():
    kept = []
    for efficient in (False, True):
        layer = DenseNet(block_config=(1,), num_classes=2, memory_efficient=efficient).features.denseblock1
        sizes: list[int] = []
        with F.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):  # noqa: B023
            layer(F.randn(2, 64, 8, 8, requires_grad=True))
        kept.append(sum(sizes))
    assert kept[1] < kept[0]


def test_arguments():
    with pytest.raises(ValueError, match="SqueezeNet: version should be '1_0' or '1_1', got '1_2'"):
        models.SqueezeNet("1_2")
    with pytest.raises(ValueError, match=r"model 'squeezenet1_0'.*version"):
        models.squeezenet1_0(version="1_1")
    with pytest.raises(ValueError, match=r"model 'alexnet'.*'classes'"):
        models.alexnet(classes=3)
    with pytest.raises(ValueError, match=r"model 'vgg11'.*'batch_norm'"):
        models.vgg11(batch_norm=True)
    assert models.squeezenet1_1(dropout=0.25, num_classes=2).classifier[0].p == 0.25
    assert models.SqueezeNet("1_1", 2).features[0].weight.shape == (64, 3, 3, 3)
    assert models.squeezenet1_1(in_channels=1, num_classes=2).features[0].weight.shape == (64, 1, 3, 3)


def test_weights_of_vgg16_for_detectors_have_no_classes():
    entry = hub.get_weights("vgg16.IMAGENET1K_FEATURES")
    assert entry.categories == [] and entry.transforms().std == [1 / 255] * 3
    assert "classes" not in hub.describe("vgg16.IMAGENET1K_FEATURES")
    assert "classes: 1000, from 'tench' to 'toilet tissue'" in hub.describe("vgg16.IMAGENET1K_V1")
