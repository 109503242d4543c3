"""Resizing tensors with antialiasing gives Pillow's pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import framework as F
from tests.vision.transforms.samples import photo
from vision.transforms import functional as VF

SIZES = ((1, 1), (7, 200), (17, 11), (40, 61), (64, 64), (150, 99), (224, 300))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("source", [(41, 60), (123, 97), (2, 3), (300, 256)])
def test_sizes(mode, source):
    image = photo("RGB", *source)
    tensor = VF.pil_to_tensor(image)
    for size in SIZES:
        expected = np.asarray(VF.resize(image, size, mode)).transpose(2, 0, 1)
        found = VF.resize(tensor, size, mode)
        assert found.dtype is F.uint8
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("source", [(41, 60), (123, 97), (300, 256)])
def test_floats_agree_within_one_grey_level(mode, source):
    # with black and white far enough away: Pillow clips bytes on its way, floats may overshoot
    image = photo("RGB", *source).point(lambda value: value // 2 + 60)
    for size in SIZES:
        expected = np.asarray(VF.resize(image, size, mode)).transpose(2, 0, 1).astype(int)
        for dtype in (F.float32, F.float64):
            found = VF.resize(VF.to_dtype(VF.pil_to_tensor(image), dtype, scale=True), size, mode)
            assert found.dtype is dtype and np.abs(np.round(found.numpy() * 255) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
def test_gradients_flow_through_the_same_numbers(mode):
    values = np.random.default_rng(0).random((2, 3, 17, 11)).astype(np.float32)
    leaf = F.from_numpy(values).requires_grad_()
    for size in ((9, 30), (40, 5)):
        found = VF.resize(leaf, size, mode)
        np.testing.assert_allclose(
            found.detach().numpy(), VF.resize(F.from_numpy(values), size, mode).numpy(), atol=2e-6
        )
        leaf.grad = None
        found.sum().backward()
        assert abs(leaf.grad.sum().item() - found.numel()) < 1e-2  # each output's weights add up to 1


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_takes_pixels_as_they_are(mode):
    tensor = VF.pil_to_tensor(photo())
    for size in SIZES:
        assert set(np.unique(VF.resize(tensor, size, mode).numpy())) <= set(np.unique(tensor.numpy()))


def test_real_pictures(realdata):
    paths = sorted((realdata / "imagenet-samples-200").glob("*.jpg"))
    assert paths
    for path in paths[::40]:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for mode in ("bilinear", "bicubic", "lanczos"):
            for size in (256, [224, 224], [50, 77], [600, 500]):
                expected = np.asarray(VF.resize(image, size, mode)).transpose(2, 0, 1)
                found = VF.resize(VF.pil_to_tensor(image), size, mode).numpy()
                np.testing.assert_array_equal(found, expected, err_msg=f"{path.name} {mode} {size}")
            floats = VF.resize(VF.to_tensor(image), 224, mode).numpy() * 255
            expected = np.asarray(VF.resize(image, 224, mode)).transpose(2, 0, 1)
            assert (np.abs(np.clip(np.round(floats), 0, 255) - expected) > 1).mean() < 1e-3


def test_batches_and_memory_formats():
    tensor = VF.pil_to_tensor(photo())
    expected = VF.resize(tensor, [20, 77]).numpy()
    batch = VF.resize(tensor.expand(2, 4, 3, 41, 60), [20, 77])
    assert batch.shape == (2, 4, 3, 20, 77) and (batch.numpy() == expected).all()
    lasting = F.from_numpy(np.asarray(photo()).copy()).permute(2, 0, 1)  # channels last in memory
    np.testing.assert_array_equal(VF.resize(lasting, [20, 77]).numpy(), expected)
