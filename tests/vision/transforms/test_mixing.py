"""MixUp and CutMix: images and soft labels of a batch, against torchvision's and by their own rules."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.random import keyed
from tests.vision.transforms.samples import peer, photo, pixels, same_image
from vision import transforms as T
from vision import tv_tensors


def batches(dtype="float32", kind="plain"):
    import torch

    _, _, kinds = peer()
    values, labels = pixels((5, 3, 17, 11), dtype), np.array([0, 3, 1, 2, 3])
    one, other = torch.from_numpy(values), F.from_numpy(values)
    if kind == "image":
        one, other = kinds.Image(one), tv_tensors.Image(other)
    return (one, torch.from_numpy(labels)), (other, F.from_numpy(labels))


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
@pytest.mark.parametrize("kind", ["plain", "image"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_same_parameters_give_the_same_batch(name, kind, soft):
    import torch

    v2, _, _ = peer()
    theirs, ours = getattr(v2, name)(num_classes=4), getattr(T, name)(num_classes=4)
    (one, labels), (other, own) = batches(kind=kind)
    if soft:
        labels, own = torch.nn.functional.one_hot(labels, 4).double(), F.nn.functional.one_hot(own, 4).double()
    for seed in range(4):
        F.manual_seed(seed)
        params = {"labels": own, "batch_size": 5, **ours.make_params([other])}
        expected = {**params, "labels": labels}
        same_image(ours.transform(other, params), theirs.transform(one, expected), 1e-6)
        same_image(ours.transform(own, params), theirs.transform(labels, expected), 1e-6)
        assert type(ours.transform(other, params)) is type(other)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares(name, alpha):
    ours = getattr(T, name)(alpha=alpha, num_classes=4)
    _, (images, labels) = batches()
    F.manual_seed(0)
    shares = []
    for _ in range(300):
        mixed, soft = ours(images, labels)
        assert mixed.shape == images.shape and tuple(soft.shape) == (5, 4) and soft.dtype is F.float32
        np.testing.assert_allclose(soft.numpy().sum(1), 1, rtol=1e-5)
        share = soft[0, 0].item()  # the first label's own share: the one before it is 3
        assert soft[0, 3].item() == pytest.approx(1 - share, abs=1e-6)
        shares.append(share)
        if name == "MixUp":
            expected = share * images.numpy() + (1 - share) * np.roll(images.numpy(), 1, 0)
            np.testing.assert_allclose(mixed.numpy(), expected, atol=1e-5)
        else:
            changed = (mixed.numpy() != images.numpy()).any((0, 1))
            assert changed.mean() == pytest.approx(1 - share, abs=1e-6)
            np.testing.assert_array_equal(mixed.numpy()[..., changed], np.roll(images.numpy(), 1, 0)[..., changed])
    if name == "MixUp":
        assert abs(np.mean(shares) - 0.5) < 0.06
        assert abs(np.var(shares) - 1 / (4 * (2 * alpha + 1))) < 0.03  # of Beta(alpha, alpha)


def test_labels_are_found():
    _, (images, labels) = batches()
    mix = T.MixUp(num_classes=4)
    for sample in ({"images": images, "Labels": labels}, {"image": images, "my_label": labels}):
        out = mix(sample)
        assert [tuple(value.shape) for value in out.values()] == [(5, 3, 17, 11), (5, 4)]
    assert tuple(mix([images, {"labels": labels, "id": 7}])[1]["labels"].shape) == (5, 4)
    own = T.CutMix(num_classes=4, labels_getter=lambda sample: sample["y"])
    assert tuple(own({"x": images, "y": labels})["y"].shape) == (5, 4)
    video = tv_tensors.Video(F.zeros(5, 2, 3, 8, 8))
    assert type(T.CutMix(num_classes=4)(video, labels)[0]) is tv_tensors.Video


def test_the_same_key_gives_the_same_batch():
    _, (images, labels) = batches()
    for mix in (T.MixUp(num_classes=4), T.CutMix(num_classes=4)):
        found = []
        for key in ((1, 2), (1, 2), (1, 3)):
            with keyed(0, *key):
                found.append(mix(images, labels)[1].numpy().tobytes())
        assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("kind", [T.MixUp, T.CutMix])
@pytest.mark.parametrize(
    "sample, options, words",
    [
        (lambda x, y: (x, y), {}, "num_classes must be passed"),
        (lambda x, y: (x, 3), {"num_classes": 4}, "by default the input should be"),
        (lambda x, y: (x, {"target": y}), {"num_classes": 4}, "could not infer"),
        (lambda x, y: (x, {"labels": [1, 2]}), {"num_classes": 4}, "must be a tensor"),
        (lambda x, y: (x[0], y), {"num_classes": 4}, "batched input with 4 dims"),
        (lambda x, y: (x[:3], y), {"num_classes": 4}, "3 images, but 5 labels"),
        (lambda x, y: (x, y.reshape(5, 1, 1)), {"num_classes": 4}, r"\(N,\) or shares"),
        (lambda x, y: (x, F.zeros(5, 3)), {"num_classes": 4}, "3 classes, but num_classes is 4"),
        (lambda x, y: (x, y, tv_tensors.Mask(x)), {"num_classes": 4}, "not supported"),
        (lambda x, y: (photo(), y), {"num_classes": 4}, "not supported"),
        (lambda x, y: (x, y), {"num_classes": 4, "labels_getter": "targets"}, "labels_getter should be"),
        (lambda x, y: (x, y), {"num_classes": 4, "alpha": 0.0}, "alpha"),
    ],
)
def test_errors(kind, sample, options, words):
    _, (images, labels) = batches()
    with pytest.raises(ValueError, match=words):
        kind(**options)(*sample(images, labels))


def test_bytes_are_not_averaged():
    images = F.zeros(2, 3, 5, 7, dtype=F.uint8)
    with pytest.raises(TypeError, match=r"MixUp: expected images of floats, got .*uint8; put ToDtype before it"):
        T.MixUp(num_classes=2)(images, F.tensor([0, 1]))
    assert T.CutMix(num_classes=2)(images, F.tensor([0, 1]))[0].dtype is F.uint8
