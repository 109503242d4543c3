"""A detector built of the library's parts, FastestDet: real weights, and the boxes that they find in real pictures.

Reference: https://github.com/dog-qiuqiu/FastestDet. Its trunk is a ShuffleNetV2 whose blocks shuffle before they split
the channels, not after they join them.
"""

from __future__ import annotations

import json
from collections import OrderedDict

import numpy as np
import pytest
from PIL import Image

import framework as F
import hub
from framework import nn
from vision import models
from vision.models.shufflenetv2 import InvertedResidual
from vision.ops import Conv2dNormActivation, batched_nms

SIZE = 352


class Block(InvertedResidual):
    """Even channels pass, odd ones are worked upon."""

    def forward(self, x):
        first, second = (x[:, ::2], x[:, 1::2]) if self.stride == 1 else (x, x)
        return F.cat([self.branch1(first), self.branch2(second)], 1)


# the trunk's files name a block's branches and the first convolution otherwise
KEYS = (("first_conv", "conv1"), ("branch_main", "branch2"), ("branch_proj", "branch1"))


class Trunk(nn.Module):
    """A ShuffleNetV2 without its last convolution and its head: the maps of its three stages."""

    fit_rules = hub.FitRules(stem="conv1.0", key_map=KEYS)

    def __init__(self):
        super().__init__()
        whole = models.shufflenet_v2_x0_5(inverted_residual=Block)
        for name in ("conv1", "maxpool", "stage2", "stage3", "stage4"):
            self.add_module(name, getattr(whole, name))

    def forward(self, x):
        large = self.stage2(self.maxpool(self.conv1(x)))
        middle = self.stage3(large)
        return large, middle, self.stage4(middle)


def wrapped(**children):
    return nn.Sequential(OrderedDict(children))


def depthwise(width):
    return Conv2dNormActivation(width, width, 5, groups=width)


class Pyramid(nn.Module):
    """One to three depthwise convolutions side by side."""

    def __init__(self, inp, width):
        super().__init__()
        self.Conv1x1 = wrapped(conv1x1=Conv2dNormActivation(inp, width, 1))
        for count in (1, 2, 3):
            layers = [layer for _ in range(count) for layer in depthwise(width)]
            self.add_module(f"S{count}", nn.Sequential(*layers))
        self.output = Conv2dNormActivation(3 * width, width, 1, activation_layer=None)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.Conv1x1(x)
        return self.relu(x + self.output(F.cat([self.S1(x), self.S2(x), self.S3(x)], 1)))


class Head(nn.Module):
    """Whether there is an object, its box and its class, for each of the 22 x 22 places."""

    def __init__(self, width, classes):
        super().__init__()
        self.conv1x1 = wrapped(conv1x1=Conv2dNormActivation(width, width, 1))
        for name, outputs in (("obj_layers", 1), ("reg_layers", 4), ("cls_layers", classes)):
            last = Conv2dNormActivation(width, outputs, 1, activation_layer=None)
            self.add_module(name, wrapped(conv5x5=nn.Sequential(*depthwise(width), *last)))

    def forward(self, x):
        x = self.conv1x1(x)
        return F.cat([self.obj_layers(x).sigmoid(), self.reg_layers(x), self.cls_layers(x).softmax(1)], 1)


class FastestDet(nn.Module):
    fit_rules = hub.FitRules(stem="backbone.conv1.0", key_map=KEYS)

    def __init__(self, classes=80):
        super().__init__()
        self.backbone = Trunk()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.avg_pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.SPP = Pyramid(48 + 96 + 192, 96)
        self.detect_head = Head(96, classes)

    def forward(self, x):
        large, middle, small = self.backbone(x)
        return self.detect_head(self.SPP(F.cat([self.avg_pool(large), middle, self.upsample(small)], 1)))


@pytest.fixture(scope="module")
def detector():
    from tests.conftest import REAL_DATA

    if not REAL_DATA.is_dir():
        pytest.skip("the real data folder is not there")
    model = FastestDet()
    fit = hub.load_pretrained(model, REAL_DATA / "fastestdet-coco" / "fastestdet-coco.pth")
    assert len(fit.loaded) == len(model.state_dict()) == 420
    return model.eval()


def boxes(output):
    """(scores, classes, boxes as shares of the picture's sides) of what one picture's (85, 22, 22) output tells."""
    found, side = output.numpy(), output.shape[-1]
    scores = found[0] ** 0.6 * found[5:].max(0) ** 0.4
    rows, columns = np.nonzero(scores > 0.5)
    x, y, width, height = found[1:5, rows, columns]
    centre = np.stack([np.tanh(x) + columns, np.tanh(y) + rows], 1) / side
    half = 0.5 / (1 + np.exp(-np.stack([width, height], 1)))
    corners = F.from_numpy(np.concatenate([centre - half, centre + half], 1).astype(np.float32))
    scores, classes = F.from_numpy(scores[rows, columns]), F.from_numpy(found[5:, rows, columns].argmax(0))
    kept = batched_nms(corners, scores, classes, 0.45)
    return scores[kept].numpy(), classes[kept].numpy(), corners[kept].numpy()


def test_output(detector, realdata):
    known = np.load(realdata / "fastestdet-coco" / "expected_3.npz")
    picture = F.from_numpy(known["input_bgr_uint8"].transpose(2, 0, 1)[None].astype(np.float32) / 255)
    for model in (detector, nn.fuse(detector)):
        with F.inference_mode():
            np.testing.assert_allclose(model(picture)[0].numpy(), known["output"], atol=1e-4)


COCO = {"person": 0, "bus": 5, "sports_ball": 32, "baseball_bat": 34, "chair": 56, "diningtable": 60}


@pytest.mark.parametrize("number", range(5))
def test_boxes(number, detector, realdata):
    folder = realdata / "fastestdet-coco"
    expected = json.loads((folder / "expected.json").read_text())["expected"][f"{number}.jpg"]
    picture = (
        Image.open(folder / "images" / f"{number}.jpg").convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    )
    pixels = np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255  # blue first
    with F.inference_mode():
        scores, classes, corners = boxes(detector(F.from_numpy(pixels))[0])
    np.testing.assert_allclose(scores, [item["score"] for item in expected], atol=0.02)
    np.testing.assert_allclose(corners, [item["box_xyxy_norm"] for item in expected], atol=0.01)
    for found, item in zip(classes.tolist(), expected, strict=True):
        assert COCO.get(item["class"], found) == found


def test_the_trunk_trained_on_imagenet(realdata):
    trunk = Trunk()
    fit = hub.load_pretrained(trunk, realdata / "fastestdet-coco" / "shufflenetv2-trunk.pth")
    assert len(fit.loaded) == 330 and not fit.missing and not fit.unexpected
    with F.inference_mode():
        maps = trunk.eval()(F.randn(1, 3, 96, 64))
    assert [tuple(m.shape) for m in maps] == [(1, 48, 12, 8), (1, 96, 6, 4), (1, 192, 3, 2)]
