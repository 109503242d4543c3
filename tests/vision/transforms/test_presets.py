"""The preprocessing of pretrained weights and the recipes of training, against torchvision's."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from tests.vision.peer import torchvision
from tests.vision.transforms.samples import photo, pixels
from vision import transforms as T
from vision.transforms import presets, recipes
from vision.transforms.images import InterpolationMode


@pytest.mark.parametrize(
    "arguments",
    [
        {"crop_size": 24}, {"crop_size": 33, "resize_size": 30}, {"crop_size": 20, "interpolation": "bicubic"},
        {"crop_size": 24, "resize_size": 26, "mean": (0.5, 0.4, 0.3), "std": (0.1, 0.2, 0.3), "antialias": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["pillow", "uint8", "float32", "batch"])
def test_classification(arguments, kind):
    import torch

    torchvision()
    from torchvision.transforms import InterpolationMode as TheirMode
    from torchvision.transforms import _presets

    theirs = dict(arguments)
    if "interpolation" in theirs:
        theirs["interpolation"] = TheirMode(theirs["interpolation"])
    if kind == "pillow":
        one = other = photo()
    else:
        values = np.asarray(photo()).transpose(2, 0, 1).copy()
        values = values[None] if kind == "batch" else values
        values = values.astype(np.float32) / 255 if kind == "float32" else values
        one, other = torch.from_numpy(values), F.from_numpy(values)
    expected = _presets.ImageClassification(**theirs)(one).numpy()
    found = presets.ImageClassification(**arguments)(other)
    assert found.dtype is F.float32 and type(found) is F.Tensor
    level = 1.01 / 255 / min(arguments.get("std", presets.IMAGENET_STD))
    np.testing.assert_allclose(found.numpy(), expected, atol=level if kind in ("uint8", "batch") else 2e-5)


def test_detection_and_segmentation():
    import torch

    torchvision()
    from torchvision.transforms import _presets

    image = photo()
    np.testing.assert_allclose(
        presets.ObjectDetection()(image).numpy(), _presets.ObjectDetection()(image).numpy(), 1e-6
    )
    for size in (None, 30):
        expected = _presets.SemanticSegmentation(resize_size=size)(image).numpy()
        np.testing.assert_allclose(presets.SemanticSegmentation(resize_size=size)(image).numpy(), expected, atol=2e-5)
    values = pixels((3, 9, 8))
    found = presets.ObjectDetection()(F.from_numpy(values)).numpy()
    np.testing.assert_allclose(found, _presets.ObjectDetection()(torch.from_numpy(values)).numpy(), 1e-6)


def test_they_say_what_they_do():
    preset = presets.ImageClassification(crop_size=224, interpolation=InterpolationMode.BICUBIC)
    assert "crop_size=[224]" in repr(preset) and "resize_size=[256]" in repr(preset)
    text = preset.describe()
    assert all(word in text for word in ("resize_size=[256]", "BICUBIC", "crop_size=[224]", "0.485", "(B, C, H, W)"))
    assert "[0.0, 1.0]" in presets.ObjectDetection().describe()
    assert "resized" not in presets.SemanticSegmentation(resize_size=None).describe()


@pytest.mark.parametrize("backend", ["pil", "tensor"])
@pytest.mark.parametrize("policy", [None, "ra", "ta_wide", "augmix", "imagenet", "cifar10", "svhn"])
def test_training(backend, policy):
    preset = recipes.ClassificationPresetTrain(
        crop_size=24, auto_augment_policy=policy, random_erase_prob=0.5, backend=backend
    )
    found = []
    for seed in (0, 0, 1, 2):
        F.manual_seed(seed)
        out = preset(photo())
        assert tuple(out.shape) == (3, 24, 24) and out.dtype is F.float32 and out.isfinite().all()
        found.append(out.numpy())
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2]) and "RandomResizedCrop" in repr(preset)


def test_evaluation_is_the_weights_preprocessing():
    image = photo()
    expected = presets.ImageClassification(crop_size=24, resize_size=30)(image).numpy()
    for backend in ("pil", "tensor"):
        found = recipes.ClassificationPresetEval(crop_size=24, resize_size=30, backend=backend)(image)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_steps_are_the_recipes():
    steps = [type(t).__name__ for t in recipes.ClassificationPresetTrain(crop_size=8).transforms.transforms]
    assert steps == ["RandomResizedCrop", "RandomHorizontalFlip", "PILToTensor", "ToDtype", "Normalize"]
    full = T.ClassificationPresetTrain(
        crop_size=8, hflip_prob=0.0, auto_augment_policy="ra", ra_magnitude=5, random_erase_prob=0.1, backend="Tensor"
    ).transforms.transforms
    names = [type(t).__name__ for t in full]
    assert names == ["PILToTensor", "RandomResizedCrop", "RandAugment", "ToDtype", "Normalize", "RandomErasing"]
    assert full[2].magnitude == 5 and full[2].interpolation is InterpolationMode.BILINEAR
    for arguments, words in (
        ({"backend": "numpy"}, "backend"),
        ({"auto_augment_policy": "best"}, "should be one of ra"),
    ):
        with pytest.raises(ValueError, match=words):
            T.ClassificationPresetTrain(crop_size=8, **arguments)
