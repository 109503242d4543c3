"""SqueezeNet 1.1 with real weights, on real pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import framework as F
import hub
from framework import nn
from vision.models import SqueezeNet1_1_Weights
from vision.transforms.presets import ImageClassification


@pytest.mark.parametrize("file, within", [("squeezenet1_1.pth", 1e-3), ("squeezenet1_1-fp16.safetensors", 4e-3)])
def test_logits(file, within, realdata):
    """With the preprocessing that comes with the weights. In the smaller file the biases are rounded too."""
    folder = realdata / "imagenet-samples-200"
    names = sorted(p.name for p in folder.glob("*.jpg"))[:8]
    transform = SqueezeNet1_1_Weights.DEFAULT.transforms()
    pictures = F.stack([transform(Image.open(folder / name).convert("RGB")) for name in names])
    model = hub.create("squeezenet1_1", weights=realdata / "squeezenet1_1" / file).eval()
    expected = np.load(folder / "expected_logits_first8.npz")["squeezenet1_1"]
    with F.inference_mode():
        found = model(pictures).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=within, rtol=0)


def read(path):
    """As the expected guesses were made: only what is smaller than the crop is enlarged, and to the crop's size."""
    picture = Image.open(path).convert("RGB")
    return ImageClassification(crop_size=224, resize_size=max(224, min(picture.size)))(picture)


def test_accuracy(realdata):
    """Of the fused model, which computes the same."""
    folder = realdata / "imagenet-samples-200"
    expected = json.loads((folder / "expected.json").read_text())["expected"]["squeezenet1_1"]
    paths = sorted(folder.glob("*.jpg"))
    model = nn.fuse(hub.create("squeezenet1_1", weights=realdata / "squeezenet1_1" / "squeezenet1_1.pth"))
    with F.inference_mode():
        parts = [model(F.stack([read(p) for p in paths[i : i + 25]])) for i in range(0, len(paths), 25)]
        best = F.cat(parts).topk(5, 1)[1].numpy()
    classes = np.array([int(path.name[:3]) for path in paths])
    first, five = int((best[:, 0] == classes).sum()), int((best == classes[:, None]).any(1).sum())
    assert (len(paths), expected["top1"], expected["top5"]) == (200, 130, 177)
    assert abs(first - 130) <= 1 and abs(five - 177) <= 1
    known = [expected["pred5"][path.name] for path in paths]
    assert sum(found == wanted for found, wanted in zip(best.tolist(), known, strict=True)) >= 195


def test_another_number_of_classes(realdata):
    model = hub.create("squeezenet1_1", weights=realdata / "squeezenet1_1" / "squeezenet1_1.pth", num_classes=2)
    assert tuple(model.classifier[1].weight.shape) == (2, 512, 1, 1)
    whole = hub.load_state_dict(realdata / "squeezenet1_1" / "squeezenet1_1.pth")
    for key, value in model.state_dict().items():
        if not key.startswith("classifier"):
            np.testing.assert_array_equal(value.numpy(), whole[key].numpy())
    assert float(model.classifier[1].weight.detach().numpy().std()) == pytest.approx(0.01, rel=0.1)
