"""Tones, distortion, noise and compression as functions, against torchvision's, on Pillow images and tensors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import framework as F
from tests.vision.transforms.samples import HEIGHT, WIDTH, peer, photo, pixels, same_image
from vision import tv_tensors
from vision.transforms import functional as VF

POINTS = [[0, 0], [59, 0], [59, 40], [0, 40]], [[3, 4], [50, 2], [55, 35], [4, 36]]
CASES = {
    "invert": [((), {})],
    "posterize": [((bits,), {}) for bits in (0, 1, 3, 4, 7, 8, 9, -1)],
    "solarize": [((level,), {}) for level in (0.0, 0.3, 1.0, 100, 200.5, 255, 300)],
    "autocontrast": [((), {})],
    "equalize": [((), {})],
    "adjust_sharpness": [((factor,), {}) for factor in (0.0, 0.3, 1.0, 2.0, 7.5, -1.0)],
    "adjust_gamma": [((0.5,), {}), ((2.2,), {}), ((1.0,), {"gain": 0.7}), ((0.7,), {"gain": 2.0}), ((-1.0,), {})],
    "permute_channels": [(([2, 0, 1],), {}), (([0, 1],), {}), (([0],), {})],
    "perspective": [
        (POINTS, options)
        for options in ({}, {"interpolation": "nearest"}, {"fill": 7}, {"fill": [1, 2, 3]}, {"interpolation": "bicubic"})
    ] + [((None, None), {"coefficients": [1.1, 0.1, -2.0, 0.05, 0.9, 3.0, 0.001, -0.002], "fill": 0})],
}  # fmt: skip
TENSORS = {
    "uint8": (3, HEIGHT, WIDTH), "float32": (3, HEIGHT, WIDTH), "float64": (2, 1, HEIGHT, WIDTH),
    "int16": (3, HEIGHT, WIDTH), "batch": (2, 2, 3, 17, 11), "grey": (1, HEIGHT, WIDTH), "small": (3, 2, 5),
}  # fmt: skip


def both(name: str):
    import torch

    dtype = name if name in ("float32", "float64", "int16") else "uint8"
    values = pixels(TENSORS[name], dtype)
    return torch.from_numpy(values.copy()), F.from_numpy(values.copy())


def compared(name, theirs, ours, within, args, kwargs):
    """Both libraries give the same, or both refuse."""
    _, PF, _ = peer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = getattr(PF, name)(theirs, *args, **kwargs)
        except Exception:
            with pytest.raises((TypeError, ValueError, RuntimeError, OSError, NotImplementedError)):
                getattr(VF, name)(ours, *args, **kwargs)
            return
        same_image(getattr(VF, name)(ours, *args, **kwargs), expected, within)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "F"])
def test_pillow(name, mode):
    for args, kwargs in CASES[name]:
        if name == "posterize" and args[0] in (9, -1):
            continue  # Pillow shifts by such numbers without a word
        if name == "permute_channels" and mode == "F":
            continue  # torchvision refuses what is one channel in its order
        compared(name, photo(mode), photo(mode), 2e-4 if mode == "F" else 0, args, kwargs)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", TENSORS)
def test_tensors(name, kind):
    theirs, ours = both(kind)
    whole = not ours.is_floating_point()
    for args, kwargs in CASES[name]:
        if name == "permute_channels" and len(args[0]) != ours.shape[-3]:
            with pytest.raises(ValueError, match="should order"):
                VF.permute_channels(ours, *args)
            continue
        if name == "perspective" and kind == "small":
            continue
        # floats carry rounding; int16 values are as large as their rounding in float32
        within = (
            (1 if name in ("adjust_sharpness", "adjust_gamma", "perspective", "autocontrast") else 0) if whole else 2e-4
        )
        if kind == "int16" and name == "adjust_gamma":
            within = 2
        compared(name, theirs, ours, within, args, kwargs)


def test_bytes_are_exact():
    theirs, ours = both("uint8")
    for name, args in (("autocontrast", ()), ("adjust_sharpness", (2.0,)), ("adjust_gamma", (2.2,))):
        _, PF, _ = peer()
        gap = np.abs(getattr(VF, name)(ours, *args).numpy().astype(int) - getattr(PF, name)(theirs, *args).numpy())
        assert (gap > 0).mean() < 1e-3


def test_tensors_are_as_pillow_has_them():
    image = photo()
    tensor = VF.pil_to_tensor(image)
    for name, args, within in (
        ("invert", (), 0), ("posterize", (3,), 0), ("solarize", (128,), 0), ("autocontrast", (), 1), ("equalize", (), 0),
        ("adjust_sharpness", (1.7,), 1), ("permute_channels", ([2, 1, 0],), 0),
    ):  # fmt: skip
        found, expected = getattr(VF, name)(tensor, *args), getattr(VF, name)(image, *args)
        same_image(VF.to_pil_image(found), expected, within)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_elastic(dtype):
    import torch

    _, PF, _ = peer()
    values = pixels((2, 3, HEIGHT, WIDTH), dtype)
    bend = np.random.default_rng(1).uniform(-0.2, 0.2, (1, HEIGHT, WIDTH, 2)).astype("float32")
    for options in ({}, {"interpolation": "nearest"}, {"fill": 3}, {"fill": [1.0, 2.0, 3.0]}):
        expected = PF.elastic(torch.from_numpy(values), torch.from_numpy(bend), **options)
        found = VF.elastic(F.from_numpy(values), F.from_numpy(bend), **options)
        same_image(found, expected, 1 if dtype == "uint8" else 1e-4)
    same_image(VF.elastic(photo(), F.from_numpy(bend)), PF.elastic(photo(), torch.from_numpy(bend)), 1)


def test_gaussian_noise():
    F.manual_seed(0)
    grey = F.full((3, 100, 100), 0.5)
    noisy = VF.gaussian_noise(grey, mean=0.1, sigma=0.05)
    assert abs(noisy.mean().item() - 0.6) < 2e-3 and abs(noisy.std().item() - 0.05) < 1e-3
    whole = VF.gaussian_noise(F.full((3, 100, 100), 128, dtype=F.uint8), mean=0.1, sigma=0.05)
    assert whole.dtype is F.uint8 and abs(whole.float().mean().item() - 153.5) < 1
    assert abs(whole.float().std().item() - 12.75) < 0.3
    strong = VF.gaussian_noise(grey, sigma=3.0)
    assert strong.min().item() == 0 and strong.max().item() == 1
    assert VF.gaussian_noise(grey, sigma=3.0, clip=False).max().item() > 2
    assert type(VF.gaussian_noise(tv_tensors.Image(grey))) is tv_tensors.Image
    for wrong, words in ((photo(), "Pillow"), (F.zeros(3, 4, 4, dtype=F.int32), "uint8 or float")):
        with pytest.raises((ValueError, TypeError), match=words):
            VF.gaussian_noise(wrong)
    with pytest.raises(ValueError, match="sigma"):
        VF.gaussian_noise(grey, sigma=-1.0)


def test_jpeg():
    _, PF, _ = peer()
    image = photo()
    for quality in (5, 50, 100):
        expected = PF.jpeg(image, quality)
        same_image(VF.jpeg(image, quality), expected)
        batch = VF.pil_to_tensor(image).expand(2, 3, 41, 60)
        found = VF.jpeg(batch, quality)
        same_image(VF.to_pil_image(found[1]), expected)
    assert VF.jpeg(F.zeros(0, 3, 8, 8, dtype=F.uint8), 50).shape == (0, 3, 8, 8)
    with pytest.raises(TypeError, match="uint8"):
        VF.jpeg(F.zeros(3, 8, 8), 50)


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_frames(count):
    import torch

    _, PF, _ = peer()
    values = pixels((2, 5, 3, 4, 4))
    expected = PF.uniform_temporal_subsample(torch.from_numpy(values), count)
    same_image(VF.uniform_temporal_subsample(F.from_numpy(values), count), expected)
    video = VF.uniform_temporal_subsample(tv_tensors.Video(F.from_numpy(values)), count)
    assert type(video) is tv_tensors.Video
    with pytest.raises(TypeError, match="video"):
        VF.uniform_temporal_subsample(F.zeros(3, 4, 4), count)


def test_every_function_has_torchvisions_arguments():
    import inspect

    _, PF, _ = peer()
    seen = 0
    for name in dir(VF):
        ours, theirs = getattr(VF, name), getattr(PF, name, None)
        if (
            name.startswith("_")
            or not inspect.isfunction(ours)
            or theirs is None
            or name in ("register_kernel", "to_tensor")
        ):
            continue
        here, there = (inspect.signature(f).parameters for f in (ours, theirs))
        assert list(here) == list(there), name
        for argument, parameter in here.items():
            one, other = (str(p.default).split(".")[-1] for p in (parameter, there[argument]))
            assert one == other, (name, argument)
        seen += 1
    assert seen >= 50


def test_nothing_public_is_missing():
    v2, PF, kinds = peer()
    from vision import transforms as T

    kernels = ("_image", "_video", "_mask", "_bounding_boxes", "_keypoints")
    wanted = {n for n in dir(PF) if callable(getattr(PF, n)) and n[0] != "_" and not n.endswith(kernels)}
    assert {*wanted, "sanitize_bounding_boxes", "clamp_keypoints", "to_image"} - set(dir(VF)) - {
        "get_image_size"
    } == set()
    assert {n for n in dir(v2) if n[0] != "_" and n != "torch"} - set(dir(T)) == set()
    assert {n for n in dir(kinds) if n[0] != "_" and n != "torch"} - set(dir(tv_tensors)) == set()
