"""Residual networks for CIFAR: their shapes and keys, the shortcut without parameters, real weights."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
import hub
from framework import nn
from vision import models
from vision.datasets import CIFAR10
from vision.models.cifar_resnet import CifarBlock

MEAN, STD = (np.array(v, np.float32).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


@pytest.mark.parametrize("depth, millions", [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7), (1202, 19.4)])
def test_sizes_are_the_papers(depth, millions):
    with nn.init.skipped():
        model = hub.create(f"cifar_resnet{depth}")
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth  # the paper counts convolutions and the linear layer
    assert len(hub.layers_of(model)) == (depth - 2) // 2 + 2 and hub.rules_of(model).head == ("linear",)


def test_keys_and_shapes():
    model = models.cifar_resnet20(num_classes=7)
    state = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert len(state) == 116 and not any("shortcut" in key for key in state)
    assert state["conv1.weight"] == (16, 3, 3, 3) and state["linear.weight"] == (7, 64)
    assert state["layer2.0.conv1.weight"] == (32, 16, 3, 3) and state["layer3.2.bn2.running_var"] == (64,)
    for size in ((32, 32), (17, 11), (1, 1)):
        assert tuple(model.eval()(F.randn(2, 3, *size)).shape) == (2, 7)
    assert tuple(models.cifar_resnet20(in_channels=1)(F.randn(2, 1, 32, 32)).shape) == (2, 10)


def test_the_shortcut(rng):
    """With the convolutions' branch at zero a block passes every second pixel, with channels of zeros around."""
    block = CifarBlock(4, 9, stride=2)
    nn.init.zeros_(block.bn2.weight)
    x = rng.random((2, 4, 7, 5), dtype=np.float32)
    found = block(F.from_numpy(x)).detach().numpy()
    assert found.shape == (2, 9, 4, 3)
    np.testing.assert_array_equal(found[:, 2:6], x[:, :, ::2, ::2])
    assert not found[:, :2].any() and not found[:, 6:].any()


def test_gradients_and_fusing():
    model = models.cifar_resnet20().double()
    picture = F.randn(2, 3, 11, 17, dtype=F.float64, requires_grad=True)
    direction = F.randn(2, 3, 11, 17, dtype=F.float64)
    model(picture).square().sum().backward()
    slope = float((picture.grad * direction).sum())
    with F.no_grad():
        ends = [float(model(picture + step * direction).square().sum()) for step in (1e-6, -1e-6)]
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)
    with F.inference_mode():
        plain, fused = model.eval()(picture).numpy(), nn.fuse(model)(picture).numpy()
    np.testing.assert_allclose(fused, plain, rtol=1e-9)


def test_initial_values():
    model = models.cifar_resnet20()
    deviation = float(model.layer3[2].conv2.weight.detach().numpy().std())
    assert deviation == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


def test_real_weights(realdata):
    """Trained on the originals, they know 1636 of 2000 pictures that went through JPEG."""
    model = hub.create("cifar_resnet20", weights=realdata / "resnet20-cifar10" / "resnet20-12fca82f.th").eval()
    data = CIFAR10(realdata / "cifar10-jpeg", train=False)
    pictures = (data.data.transpose(0, 3, 1, 2).astype(np.float32) / 255 - MEAN) / STD
    with F.inference_mode():
        guesses = np.concatenate([model(F.from_numpy(part)).argmax(1).numpy() for part in np.split(pictures, 10)])
    assert len(data) == 2000 and abs(int((guesses == np.array(data.targets)).sum()) - 1636) <= 3
