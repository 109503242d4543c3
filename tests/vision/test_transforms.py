"""Transforms: what they do to values, their randomness, and their errors."""

from __future__ import annotations

import collections
import copy

import numpy as np
import pytest
from PIL import Image

import framework as F
from framework import nn
from framework.random import keyed
from vision import transforms as T
from vision.transforms import functional as VF

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def photo(rng) -> Image.Image:
    return Image.fromarray(rng.integers(0, 256, (41, 60, 3), dtype=np.uint8))


def pixels(image) -> np.ndarray:
    return image.numpy() if isinstance(image, F.Tensor) else np.asarray(image)


RANDOM = {
    "RandomCrop": lambda: T.RandomCrop(20, padding=4, padding_mode="reflect"),
    "RandomCrop, padded": lambda: T.RandomCrop((70, 20), pad_if_needed=True, fill=(1, 2, 3)),
    "RandomResizedCrop": lambda: T.RandomResizedCrop((24, 32)),
    "RandomHorizontalFlip": lambda: T.RandomHorizontalFlip(),
    "RandomVerticalFlip": lambda: T.RandomVerticalFlip(),
    "RandomRotation": lambda: T.RandomRotation(40, interpolation="bilinear", fill=[1, 2, 3]),
    "RandomAffine": lambda: T.RandomAffine(10, (0.1, 0.2), (0.8, 1.2), (-5, 5, -9, 9)),
    "ColorJitter": lambda: T.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "RandomGrayscale": lambda: T.RandomGrayscale(0.5),
    "GaussianBlur": lambda: T.GaussianBlur((3, 5)),
    "RandomErasing": lambda: T.RandomErasing(0.7, value="random"),
    "RandomApply": lambda: T.RandomApply([T.RandomHorizontalFlip(), T.ColorJitter(0.2)]),
    "RandomChoice": lambda: T.RandomChoice([T.RandomHorizontalFlip(1), T.Pad(3)], [1, 3]),
    "RandomOrder": lambda: T.RandomOrder([T.Pad(3), T.CenterCrop(30)]),
}


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("kind", ["pillow", "tensor"])
def test_the_same_seed_gives_the_same_image(name, kind, photo):
    image = photo if kind == "pillow" else VF.to_tensor(photo)
    before = pixels(image).copy()
    transform = RANDOM[name]()
    seen = []
    for seed in (0, *range(12)):
        F.manual_seed(seed)
        seen.append(pixels(transform(image)))
    np.testing.assert_array_equal(seen[0], seen[1])
    assert len({found.tobytes() for found in seen}) > 1  # and another seed another
    np.testing.assert_array_equal(pixels(image), before)
    with keyed(3, 1, 2):
        first = pixels(transform(image))
    F.rand(5)
    with keyed(3, 1, 2):
        np.testing.assert_array_equal(first, pixels(copy.deepcopy(transform)(image)))


def counted(transform, image, times=600) -> list:
    return [transform(image) for _ in range(times)]


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("kind", [T.RandomHorizontalFlip, T.RandomVerticalFlip, T.RandomGrayscale, T.RandomErasing])
def test_probabilities(p, kind):
    image = Image.fromarray(np.arange(75, dtype=np.uint8).reshape(5, 5, 3))
    changed = np.mean([pixels(found).tobytes() != pixels(image).tobytes() for found in counted(kind(p=p), image)])
    assert abs(changed - p) < 0.07 and (p not in (0.0, 1.0) or changed == p)


def test_containers_choose_as_they_should():
    calls = collections.Counter(counted(T.RandomChoice([lambda x: "a", lambda x: "b", lambda x: "c"], [1, 0, 3]), 0))
    assert calls["b"] == 0 and abs(calls["a"] / 600 - 0.25) < 0.07
    orders = collections.Counter(counted(T.RandomOrder([lambda x: x + "a", lambda x: x + "b", lambda x: x + "c"]), ""))
    assert len(orders) == 6 and min(orders.values()) > 60
    applied = collections.Counter(counted(T.RandomApply([lambda x: x + 1, lambda x: x * 10], p=0.3), 1))
    assert set(applied) == {1, 20} and abs(applied[20] / 600 - 0.3) < 0.07


def test_crops_are_everywhere_alike():
    corners = F.arange(7 * 9).reshape(1, 7, 9)
    found = collections.Counter(int(t[0, 0, 0]) for t in counted(T.RandomCrop((5, 7)), corners, 900))
    assert set(found) == {9 * y + x for y in range(3) for x in range(3)} and min(found.values()) > 60


def test_random_resized_crop_takes_shares_within_its_ranges(photo):
    transform = T.RandomResizedCrop(10, scale=(0.2, 0.6), ratio=(0.5, 2.0))
    shapes = [transform.make_params([photo]) for _ in range(400)]
    shares = np.array([p["height"] * p["width"] / (41 * 60) for p in shapes])
    ratios = np.array([p["width"] / p["height"] for p in shapes])
    assert shares.min() > 0.17 and shares.max() < 0.63 and 0.36 < shares.mean() < 0.44
    assert ratios.min() > 0.46 and ratios.max() < 2.2 and (ratios < 1).mean() > 0.3
    assert all(p["top"] + p["height"] <= 41 and p["left"] + p["width"] <= 60 for p in shapes)
    narrow = T.RandomResizedCrop(10, scale=(2.0, 2.0), ratio=(0.5, 0.5)).make_params([photo])
    assert narrow == {"top": 0, "left": 20, "height": 41, "width": 20} or narrow["width"] == 60


def test_random_numbers_lie_in_their_ranges(photo):
    affine = T.RandomAffine((10, 20), (0.1, 0.5), (0.5, 2), (1, 2, 3, 4))
    jitter = T.ColorJitter(brightness=0.5, contrast=(2, 3), saturation=2, hue=(-0.1, 0.2))
    for _ in range(200):
        p = affine.make_params([photo])
        assert 10 <= p["angle"] <= 20 and abs(p["translate"][0]) <= 6 and abs(p["translate"][1]) <= 20.5
        assert 0.5 <= p["scale"] <= 2 and 1 <= p["shear"][0] <= 2 and 3 <= p["shear"][1] <= 4
        b, c, s, h = (f for f in jitter.make_params([photo])["factors"])
        assert 0.5 <= b <= 1.5 and 2 <= c <= 3 and 0 <= s <= 3 and -0.1 <= h <= 0.2
        assert 0.1 <= T.GaussianBlur(3).make_params([photo])["sigma"][0] <= 2.0
    assert T.ColorJitter(0, None, 0.0).make_params([photo])["factors"] == [None] * 4


def test_erasing_writes_a_rectangle_of_the_size_asked_for():
    image = F.zeros(3, 40, 50)
    for value in (1.0, (1.0, 2.0, 3.0), "random"):
        shares = []
        for _ in range(50):
            found = T.RandomErasing(1.0, scale=(0.1, 0.3), ratio=(0.5, 2), value=value)(image).numpy()
            rows, columns = np.nonzero(found.any(0))
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert height * width == len(rows) and 0.4 < height / width < 2.3
            shares.append(len(rows) / 2000)
            if value == (1.0, 2.0, 3.0):
                assert (found[:, rows[0], columns[0]] == value).all()
        assert min(shares) > 0.08 and max(shares) < 0.32
    assert not image.numpy().any()
    T.RandomErasing(1.0, value=1, inplace=True)(image)
    assert image.numpy().any()


# samples


def test_samples_keep_their_form_and_share_their_randomness(photo):
    flip = T.RandomHorizontalFlip(0.5)
    pair = collections.namedtuple("pair", "image target")
    seen = set()
    for _ in range(20):
        out = flip({"a": [photo, 3], "b": pair(photo.copy(), "cat"), "c": F.arange(3)})
        assert pixels(out["a"][0]).tobytes() == pixels(out["b"].image).tobytes()
        assert out["a"][1] == 3 and out["b"].target == "cat" and out["c"].tolist() == [0, 1, 2]
        seen.add(pixels(out["a"][0]).tobytes())
    assert len(seen) == 2
    image, target = T.Compose([T.Resize(20), T.ToTensor(), T.Normalize(MEAN, STD)])(photo, 5)
    assert tuple(image.shape) == (3, 20, 29) and target == 5
    first, second = T.Pad(1)(F.zeros(1, 2, 2), F.zeros(1, 2, 2))
    assert first.shape[-1] == 4 and second.shape[-1] == 2  # of tensors alone, the first is the image
    assert T.RandomHorizontalFlip(0)(photo, 1) == (photo, 1)


def test_own_transforms():
    class Twice(T.Transform):
        def __init__(self, by=2):
            super().__init__()
            self.by = by

        def transform(self, inpt, params):
            return inpt * self.by

    assert Twice()(F.ones(1)).item() == 2 and repr(Twice(3)) == "Twice(by=3)"
    assert nn.Sequential(Twice(2), Twice(5))(F.ones(1)).item() == 10
    assert T.Compose([Twice(), lambda x: x + 1])(F.ones(1)).item() == 3
    assert T.Lambda(len, str)(["abc", 4]) == [3, 4]
    with pytest.raises(NotImplementedError, match="must define transform"):
        T.Transform()(F.ones(1))


def test_the_usual_training_pipeline(photo):
    steps = [
        T.RandomResizedCrop(32), T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4, 0.1), T.ToImage(),
        T.ToDtype(F.float32, scale=True), T.Normalize(MEAN, STD), T.RandomErasing(0.5),
    ]  # fmt: skip
    found = T.Compose(steps)(photo)
    assert found.dtype is F.float32 and tuple(found.shape) == (3, 32, 32) and found.isfinite().all()
    text = repr(T.Compose(steps))
    assert text.startswith("Compose(\n      RandomResizedCrop(size=(32, 32), scale=(0.08, 1.0)") and "p=0.5" in text


def test_v2_is_the_same_module():
    import vision.transforms.v2 as v2
    from vision.transforms.v2 import functional

    assert v2 is T and functional is VF and T.v2.Resize is T.Resize


# values


def test_conversions(photo):
    values = np.asarray(photo).transpose(2, 0, 1)
    np.testing.assert_array_equal(T.PILToTensor()(photo).numpy(), values)
    np.testing.assert_array_equal(T.ToImage()(np.asarray(photo)).numpy(), values)
    np.testing.assert_array_equal(T.ToTensor()(photo).numpy(), values.astype(np.float32) / np.float32(255))
    assert T.ToTensor()(np.asarray(photo)[..., 0]).shape == (1, 41, 60)
    F.set_default_dtype(F.float64)
    assert T.ToTensor()(photo).dtype is F.float64
    for image in (photo, photo.convert("L"), photo.convert("RGBA"), photo.convert("LA")):
        back = T.ToPILImage()(T.ToImage()(image))
        assert back.mode == image.mode and back.tobytes() == image.tobytes()
        assert T.ToPILImage(image.mode)(T.ToTensor()(image)).tobytes() == image.tobytes()
    assert T.PILToTensor()(photo.convert("1")).dtype is F.bool
    copied = T.ToImage()(photo)
    copied[:] = 0
    assert np.asarray(photo).any()


def test_normalize_and_its_gradient(rng):
    image = F.from_numpy(rng.random((2, 3, 4, 5))).requires_grad_()
    found = T.Normalize(MEAN, STD)(image)
    expected = (image.detach().numpy() - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)
    found.sum().backward()
    np.testing.assert_allclose(image.grad.numpy(), np.broadcast_to(1 / np.reshape(STD, (3, 1, 1)), image.shape))
    plain = image.detach().clone()
    assert VF.normalize(plain, MEAN, STD, inplace=True) is plain
    np.testing.assert_allclose(plain.numpy(), expected, rtol=1e-12)


def test_gaussian_blur_is_a_convolution():
    dot = F.zeros(1, 9, 11)
    dot[0, 4, 5] = 1
    found = VF.gaussian_blur(dot, [5, 3], [1.0, 0.5]).numpy()[0]
    across, down = (np.exp(-0.5 * (np.arange(n) - n // 2) ** 2 / s**2) for n, s in ((5, 1.0), (3, 0.5)))
    expected = np.zeros((9, 11))
    expected[3:6, 3:8] = np.outer(down / down.sum(), across / across.sum())
    np.testing.assert_allclose(found, expected, atol=1e-6)
    even = Image.new("RGB", (20, 10), (7, 8, 9))
    assert VF.gaussian_blur(even, 7).tobytes() == even.tobytes()


def test_crops_outside_the_image_are_zero():
    image = F.ones(1, 4, 4)
    assert VF.crop(image, -2, 1, 5, 5).tolist()[0] == [[0] * 5] * 2 + [[1, 1, 1, 0, 0]] * 3
    assert VF.crop(image, -9, -9, 3, 2).tolist() == [[[0, 0]] * 3]


# errors


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda i: T.Compose([]), ValueError, "at least one transform"),
        (lambda i: T.Compose(T.ToTensor()), TypeError, "sequence of callables"),
        (lambda i: T.RandomApply([], 0.5), ValueError, "at least one transform"),
        (lambda i: T.RandomApply([T.Pad(1)], 1.5), ValueError, r"interval \[0\.0, 1\.0\]"),
        (lambda i: T.RandomChoice([T.Pad(1)], [1, 2]), ValueError, "2 != 1"),
        (lambda i: T.RandomChoice([T.Pad(1)], [0]), ValueError, "sum above 0"),
        (lambda i: T.RandomHorizontalFlip(-0.1), ValueError, "RandomHorizontalFlip: p should be"),
        (lambda i: T.Lambda(3), TypeError, "callable"),
        (lambda i: T.Resize([1, 2, 3]), ValueError, "size"),
        (lambda i: T.Resize(None), ValueError, "max_size must be an integer"),
        (lambda i: T.Resize(20, "cubic"), ValueError, "invalid interpolation mode: 'cubic'"),
        (lambda i: T.Resize(20, max_size=20)(i), ValueError, "strictly greater"),
        (lambda i: T.Resize([20, 30], max_size=40)(i), ValueError, "max_size goes with"),
        (lambda i: VF.resize(T.ToTensor()(i), 20, "box"), ValueError, "Pillow images only"),
        (lambda i: VF.resize(np.zeros((3, 4, 5)), 20), TypeError, "put ToImage before it"),
        (lambda i: T.CenterCrop((1, 2, 3)), ValueError, "CenterCrop.*size"),
        (lambda i: T.FiveCrop(100)(i), ValueError, "bigger than input size"),
        (lambda i: T.Pad([1, 2, 3]), ValueError, "1, 2, or 4 element"),
        (lambda i: T.Pad(1.5), ValueError, "1, 2, or 4 element"),
        (lambda i: T.Pad(1, padding_mode="wrap"), ValueError, "padding_mode should be"),
        (lambda i: T.Pad(1, fill="black"), TypeError, "fill should be"),
        (lambda i: T.Pad(1, fill=(1, 2))(i), ValueError, "does not match the image's channels"),
        (lambda i: T.RandomCrop(50)(i), ValueError, r"required crop size \(50, 50\) is larger .* \(41, 60\)"),
        (lambda i: T.RandomCrop(5)(3), TypeError, "no image"),
        (lambda i: T.RandomResizedCrop(5, scale=0.5), TypeError, "sequence of two floats"),
        (lambda i: T.RandomRotation(-5), ValueError, "must be positive"),
        (lambda i: T.RandomRotation([1, 2, 3]), ValueError, "length 2"),
        (lambda i: T.RandomRotation("5"), ValueError, "length 2"),
        (lambda i: T.RandomAffine(5, translate=(0.5, 1.5)), ValueError, "between 0 and 1"),
        (lambda i: T.RandomAffine(5, scale=(0.0, 1.0)), ValueError, "scale values should be positive"),
        (lambda i: T.RandomAffine(5, shear=(1, 2, 3)), ValueError, "length 2 or 4"),
        (lambda i: VF.affine(i, 0, [0, 0], 0.0, [0, 0]), ValueError, "scale should be positive"),
        (lambda i: VF.rotate(T.ToTensor()(i), 5, "bicubic"), ValueError, "nearest or bilinear"),
        (lambda i: T.ColorJitter(-1), ValueError, "non negative"),
        (lambda i: T.ColorJitter(hue=0.6), ValueError, "hue values should be between"),
        (lambda i: T.ColorJitter((2, 1)), ValueError, "increasing"),
        (lambda i: T.ColorJitter("much"), TypeError, "a number or two"),
        (lambda i: VF.adjust_hue(i, 0.6), ValueError, r"in \[-0\.5, 0\.5\]"),
        (lambda i: VF.adjust_contrast(F.zeros(2, 4, 4), 1.0), TypeError, "1 or 3 channels"),
        (lambda i: T.Grayscale(2)(i), ValueError, "must be 1 or 3"),
        (lambda i: T.GaussianBlur(4), ValueError, "odd and positive"),
        (lambda i: T.GaussianBlur(3, (2, 1)), ValueError, r"form \(min, max\)"),
        (lambda i: VF.gaussian_blur(i, 99), ValueError, "too large"),
        (lambda i: T.Normalize(MEAN, STD)(i), TypeError, "does not support Pillow images; put ToTensor"),
        (lambda i: T.Normalize(MEAN, STD)(T.ToImage()(i)), TypeError, "expected a float tensor, got .*uint8"),
        (lambda i: T.Normalize(MEAN, (1, 0, 1))(T.ToTensor()(i)), ValueError, "division by zero"),
        (lambda i: T.Normalize(MEAN, STD)(F.zeros(4, 5)), ValueError, r"\(\.\.\., C, H, W\)"),
        (lambda i: T.Normalize(MEAN, STD)(F.zeros(4, 5, 6)), ValueError, "3 values for 4 channels"),
        (lambda i: T.RandomErasing(value="zero"), ValueError, "'random'"),
        (lambda i: T.RandomErasing(scale=(0.5, 1.5)), ValueError, "between 0 and 1"),
        (lambda i: T.RandomErasing(1, value=(1, 2))(i), ValueError, "one number or 3"),
        (lambda i: T.ToDtype("float32"), ValueError, "dtype must be"),
        (lambda i: VF.to_dtype(F.zeros(3), F.int32, True), RuntimeError, "cannot be performed safely"),
        (lambda i: VF.to_tensor("image"), TypeError, "Pillow image or an array"),
        (lambda i: VF.pil_to_tensor(np.zeros((3, 3))), TypeError, "Pillow image"),
        (lambda i: VF.to_pil_image(F.zeros(5, 3, 3)), ValueError, "1 to 4 channels"),
        (lambda i: VF.to_pil_image(F.zeros(2, 3, 3, 3)), ValueError, "2/3 dimensional"),
        (lambda i: VF.to_pil_image(F.zeros(3, 3, 3), "L"), ValueError, r"incorrect mode \(L\)"),
        (lambda i: VF.to_pil_image(F.zeros(3, 3, 3, dtype=F.int64)), TypeError, "not supported"),
    ],
)
def test_errors(photo, call, error, words):
    with pytest.raises(error, match=words):
        call(photo)


def test_ranges_the_wrong_way_round_are_warned_about():
    with pytest.warns(UserWarning, match=r"of kind \(min, max\)"):
        T.RandomResizedCrop(5, scale=(1.0, 0.5))
    with pytest.warns(UserWarning, match="always antialiased"):
        VF.resize(Image.new("L", (9, 9)), 3, antialias=False)
