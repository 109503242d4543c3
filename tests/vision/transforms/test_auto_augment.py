"""AutoAugment, RandAugment, TrivialAugment and AugMix against torchvision's: policies, strengths, every operation."""

from __future__ import annotations

import collections

import numpy as np
import pytest

import framework as F
from tests.vision.transforms.samples import HEIGHT, WIDTH, peer, photo, same_image
from vision import transforms as T
from vision import tv_tensors
from vision.transforms import auto_augment
from vision.transforms import functional as VF
from vision.transforms.policies import POLICIES

KINDS = {
    "AutoAugment": (T.AutoAugment, 10),
    "RandAugment": (T.RandAugment, 31),
    "TrivialAugmentWide": (T.TrivialAugmentWide, 31),
    "AugMix": (T.AugMix, 10),
}


@pytest.mark.parametrize("policy", list(T.AutoAugmentPolicy))
def test_policies_entry_by_entry(policy):
    v2, _, _ = peer()
    theirs = v2.AutoAugment(v2.AutoAugmentPolicy(policy.value))._policies
    assert len(theirs) == len(POLICIES[policy]) == 25
    for found, expected in zip(POLICIES[policy], theirs, strict=True):
        assert tuple(found) == tuple(tuple(step) for step in expected)


def spaces(name):
    """The operations that we know for a class, for an image of HEIGHT x WIDTH."""
    seen = {}

    def spy(**arguments):
        seen["operations"] = operations(**arguments)
        return seen["operations"]

    operations, auto_augment.operations = auto_augment.operations, spy
    try:
        KINDS[name][0]().make_params([photo()])
    finally:
        auto_augment.operations = operations
    return seen["operations"]


@pytest.mark.parametrize("name", KINDS)
def test_strengths_at_every_level(name):
    v2, _, _ = peer()
    levels = KINDS[name][1]
    theirs = getattr(v2, name)._AUGMENTATION_SPACE
    ours = spaces(name)
    extra = {"AutoAugment": {"Invert"}, "AugMix": set()}.get(name, {"Identity"})
    assert set(ours) | extra == set(theirs)
    for operation, strength in ours.items():
        magnitudes, signed = theirs[operation]
        values = magnitudes(levels, HEIGHT, WIDTH)
        if values is None:
            assert strength is None and auto_augment.magnitude(operation, None, 3, levels) == 0.0
            continue
        assert strength[2] is signed
        for level in range(levels):
            found = auto_augment.magnitude(operation, (*strength[:2], False), level, levels)
            assert found == pytest.approx(float(values[level]), rel=1e-6, abs=1e-6)
    signs = [auto_augment.magnitude("Rotate", (0.0, 30.0, True), 9, 10) for _ in range(200)]
    assert 60 < sum(value > 0 for value in signs) < 140


@pytest.mark.parametrize("kind", ["pillow", "uint8"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_every_operation(kind, interpolation):
    import torch

    v2, PF, _ = peer()
    theirs = v2.AutoAugment()
    image = photo()
    one, other = (image, image) if kind == "pillow" else (PF.pil_to_tensor(image), VF.pil_to_tensor(image))
    strengths = {"Posterize": (4.0, 8.0), "Solarize": (0.0, 0.4, 1.0), "Rotate": (-20.0, 9.0)}
    strengths |= {"TranslateX": (7.6, -9.9), "TranslateY": (3.0, -40.0)}
    for name in v2.AutoAugment._AUGMENTATION_SPACE | v2.RandAugment._AUGMENTATION_SPACE:
        for strength in strengths.get(name, (-0.3, 0.25, 0.9)):
            for fill in (None, 7, [1, 2, 3]):
                filled = [float(v) for v in fill] if isinstance(fill, list) else fill
                expected = theirs._apply_image_or_video_transform(
                    one, name, strength, v2.InterpolationMode(interpolation), {"others": filled}
                )
                found = auto_augment.apply_operation(other, name, strength, interpolation, fill)
                same_image(found, expected, 0 if kind == "pillow" else 1)
    assert isinstance(one, torch.Tensor) or kind == "pillow"


def test_augmix_with_given_weights_and_chains():
    import torch

    v2, PF, _ = peer()
    image = VF.pil_to_tensor(photo())
    chains = [[("Rotate", 12.0), ("Posterize", 3.0)], [("Equalize", 0.0)], [("ShearX", 0.2), ("Brightness", 0.4)]]
    params = {"weights": np.array([[0.4, 0.3, 0.1, 0.2]]), "chains": chains}
    found = T.AugMix().transform(image, params)
    theirs = v2.AugMix()
    batch = torch.from_numpy(image.numpy())[None]
    mixed = batch * 0.4
    for weight, chain in zip((0.3, 0.1, 0.2), chains, strict=True):
        part = batch
        for name, strength in chain:
            part = theirs._apply_image_or_video_transform(part, name, strength, "bilinear", {"others": None})
        mixed = mixed + weight * part
    gap = np.abs(found.numpy().astype(int) - mixed[0].to(torch.uint8).numpy())
    assert gap.max() <= 1 and found.dtype is F.uint8
    same_image(T.AugMix().transform(photo(), params), VF.to_pil_image(found))
    pair = T.AugMix().transform(
        F.stack([image, image]), {**params, "weights": np.array([[1.0, 0, 0, 0], [0.4, 0.3, 0.1, 0.2]])}
    )
    np.testing.assert_array_equal(pair.numpy(), np.stack([image.numpy(), found.numpy()]))


def test_augmix_draws_shares_that_add_up():
    F.manual_seed(0)
    transform = T.AugMix(mixture_width=4, chain_depth=2)
    batch = F.zeros(5, 3, 8, 8, dtype=F.uint8)
    weights = np.concatenate([transform.make_params([batch])["weights"] for _ in range(60)])
    assert weights.shape == (300, 5)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    assert abs(weights[:, 0].mean() - 0.5) < 0.06 and abs(weights[:, 1].mean() - 0.125) < 0.03
    params = transform.make_params([batch])
    assert [len(chain) for chain in params["chains"]] == [2] * 4
    plain = T.AugMix(all_ops=False, severity=1)
    names = {name for _ in range(100) for chain in plain.make_params([batch])["chains"] for name, _ in chain}
    assert names == set(spaces("AugMix")) - {"Brightness", "Color", "Contrast", "Sharpness"}
    depths = collections.Counter(len(c) for _ in range(100) for c in T.AugMix().make_params([batch])["chains"])
    assert set(depths) == {1, 2, 3} and min(depths.values()) > 60


def test_choices_are_even():
    F.manual_seed(0)
    image = photo()
    rand = collections.Counter(
        name for _ in range(700) for name, _ in T.RandAugment(num_ops=2).make_params([image])["operations"]
    )
    assert len(rand) == 14 and min(rand.values()) > 65
    trivial = [T.TrivialAugmentWide(5).make_params([image])["operations"][0] for _ in range(700)]
    assert len({name for name, _ in trivial}) == 14
    assert len({abs(strength) for name, strength in trivial if name == "Rotate"}) == 5
    lengths = collections.Counter(len(T.AutoAugment().make_params([image])["operations"]) for _ in range(500))
    assert set(lengths) == {0, 1, 2} and lengths[1] > 150


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", ["pillow", "grey", "tensor", "image", "batch", "video"])
def test_samples(name, kind):
    tensor = VF.pil_to_tensor(photo())
    image = {
        "pillow": photo(), "grey": photo("L"), "tensor": tensor, "image": tv_tensors.Image(tensor),
        "batch": tensor.expand(2, 3, HEIGHT, WIDTH), "video": tv_tensors.Video(tensor.expand(2, 4, 3, HEIGHT, WIDTH)),
    }[kind]  # fmt: skip
    transform = KINDS[name][0]()
    for seed in range(8):
        F.manual_seed(seed)
        first, label = transform(image, 3)
        F.manual_seed(seed)
        again = transform({"image": image})["image"]
        assert type(first) is type(image) and label == 3
        same_image(first, again)
        if isinstance(image, F.Tensor):
            assert first.shape == image.shape and first.dtype is F.uint8
        else:
            assert first.size == image.size and first.mode == image.mode


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda i: T.AutoAugment("imagenet"), ValueError, "AutoAugmentPolicy"),
        (lambda i: T.RandAugment(-1), ValueError, "num_ops"),
        (lambda i: T.RandAugment(magnitude=31), ValueError, "below num_magnitude_bins"),
        (lambda i: T.AugMix(severity=11), ValueError, "between 1 and 10"),
        (lambda i: T.RandAugment()(i, i), TypeError, "expected one image .* found 2"),
        (lambda i: T.RandAugment()(3), TypeError, "found 0"),
        (lambda i: T.AugMix()(i, tv_tensors.Mask(F.zeros(41, 60))), TypeError, "masks"),
        (lambda i: T.TrivialAugmentWide(fill="x"), TypeError, "fill"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(photo())
