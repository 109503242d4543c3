"""The classes against torchvision's: the same parameters give the same sample, and parameters lie in the same ranges."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import framework as F
from tests.vision.transforms.samples import (
    HEIGHT,
    WIDTH,
    both_boxes,
    box_values,
    distance,
    peer,
    photo,
    pixels,
    same_image,
)  # fmt: skip
from vision import transforms as T
from vision import tv_tensors

CASES = {  # name: arguments; the transform of one image is compared with parameters that we draw
    "Resize": [((33,), {}), (([20, 70],), {"interpolation": "nearest"}), ((None,), {"max_size": 50})],
    "CenterCrop": [((21,), {})],
    "Pad": [((3,), {"fill": 7}), (([1, 2, 3, 4],), {"padding_mode": "reflect"})],
    "RandomCrop": [((20,), {}), ((50,), {"pad_if_needed": True, "fill": 3}), ((41,), {"padding": [2, 3]})],
    "RandomResizedCrop": [((24,), {}), (((20, 30),), {"scale": (0.5, 1.0), "interpolation": "bicubic"})],
    "RandomHorizontalFlip": [((), {"p": 1.0})],
    "RandomVerticalFlip": [((), {"p": 1.0})],
    "RandomRotation": [((40,), {}), ((90,), {"center": [3, 4], "fill": 9, "interpolation": "bilinear"})],
    "RandomAffine": [((40, (0.1, 0.2), (0.7, 1.3), (-10, 10, -5, 5)), {"interpolation": "bilinear", "fill": 3})],
    "RandomPerspective": [((0.6, 1.0), {}), ((1.0, 1.0), {"interpolation": "nearest", "fill": 7})],
    "ElasticTransform": [((), {}), ((80.0, 2.0), {"fill": 5}), (([30.0, 90.0], [1.0, 3.0]), {})],
    "Grayscale": [((3,), {})],
    "RandomGrayscale": [((1.0,), {})],
    "RGB": [((), {})],
    "GaussianBlur": [((5,), {}), (((3, 7), 2.0), {})],
    "RandomInvert": [((1.0,), {})],
    "RandomPosterize": [((3, 1.0), {})],
    "RandomSolarize": [((100, 1.0), {})],
    "RandomAutocontrast": [((1.0,), {})],
    "RandomEqualize": [((1.0,), {})],
    "RandomAdjustSharpness": [((1.8, 1.0), {})],
    "RandomErasing": [((1.0,), {}), ((1.0,), {"value": [1.0, 2.0, 3.0], "ratio": (1.0, 2.0)})],
    "RandomPhotometricDistort": [((), {}), ((), {"p": 1.0})],
    "RandomChannelPermutation": [((), {})],
    "ScaleJitter": [(((50, 70),), {}), (((90, 40),), {"scale_range": (0.8, 1.2)})],
    "RandomShortestSize": [(([20, 30, 50],), {"max_size": 60}), ((25,), {})],
    "RandomResize": [((20, 60), {})],
    "RandomZoomOut": [((), {"p": 1.0}), ((), {"p": 1.0, "fill": 9, "side_range": (1.5, 2.0)})],
    "JPEG": [((30,), {})],
    "Identity": [((), {})],
}
EXACT_ON_PILLOW = set(CASES) - {"GaussianBlur", "ElasticTransform"}


def theirs_of(params):
    """Our parameters as torchvision's."""
    import torch

    def tensor(value):
        return torch.from_numpy(value.numpy().copy()) if isinstance(value, F.Tensor) else value

    out = {name: tensor(value) for name, value in params.items()}
    if "padding" in out and "top" in out:  # RandomCrop says what is needed
        out |= {"needs_pad": any(out["padding"]), "needs_crop": True}
    if out.get("channel_permutation") is not None:
        out["channel_permutation"] = torch.tensor(out["channel_permutation"])
    return out


def pair(name, args, kwargs):
    v2, _, _ = peer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(v2, name)(*args, **kwargs), getattr(T, name)(*args, **kwargs)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["pillow", "uint8", "float32", "batch"])
def test_the_same_parameters_give_the_same_image(name, kind):
    import torch

    v2, PF, kinds = peer()
    for args, kwargs in CASES[name]:
        if name == "RandomSolarize" and kind == "float32":
            args = (0.4, 1.0)
        if name == "JPEG" and kind in ("float32", "batch", "uint8"):
            continue  # torchvision's own encoder makes other pixels
        theirs, ours = pair(name, args, kwargs)
        for seed in range(3):
            F.manual_seed(seed)
            if kind == "pillow":
                one, other = photo(), photo()
            else:
                values = pixels(
                    (2, 3, HEIGHT, WIDTH) if kind == "batch" else (3, HEIGHT, WIDTH), kind.replace("batch", "uint8")
                )
                one, other = kinds.Image(torch.from_numpy(values)), tv_tensors.Image(F.from_numpy(values))
            if name == "RandomErasing" and kind == "pillow":
                continue  # torchvision's fails on float values
            params = ours.make_params([other])
            expected, found = theirs.transform(one, theirs_of(params)), ours.transform(other, params)
            if kind != "pillow":
                assert type(found) is tv_tensors.Image
            resizes = "size" in params or name in ("Resize", "RandomResizedCrop")
            if kind in ("uint8", "batch") and resizes:
                # ours is Pillow's, which torchvision's integers are not quite
                found, expected = tv_tensors.plain(found).float(), expected.as_subclass(torch.Tensor).float()
                gap = np.abs(found.numpy() - expected.numpy())
                assert gap.max() <= (16 if kwargs.get("interpolation") == "bicubic" else 2) and gap.mean() < 0.4
                continue
            within = 0 if kind == "pillow" and name in EXACT_ON_PILLOW else 2e-4 if kind == "float32" else 1
            same_image(found, expected, within)


JOINT = [
    "RandomCrop", "RandomResizedCrop", "RandomHorizontalFlip", "RandomVerticalFlip", "RandomRotation", "RandomAffine",
    "RandomPerspective", "ElasticTransform", "ScaleJitter", "RandomZoomOut", "Resize", "CenterCrop", "RandomResize",
]  # fmt: skip


@pytest.mark.parametrize("name", JOINT)
@pytest.mark.parametrize("format", ["XYXY", "CXCYWH", "XYWHR", "XYXYXYXY"])
def test_the_same_parameters_give_the_same_boxes_masks_and_points(name, format):
    import torch

    _, _, kinds = peer()
    boxes, ours_boxes = both_boxes(kinds, box_values(format), format)
    mask_values, point_values = (
        pixels((2, HEIGHT, WIDTH)),
        np.random.default_rng(0).uniform(0, 40, (3, 2)).astype("float32"),
    )
    others = {
        "boxes": boxes,
        "mask": kinds.Mask(torch.from_numpy(mask_values)),
        "points": kinds.KeyPoints(torch.from_numpy(point_values), canvas_size=(HEIGHT, WIDTH)),
    }
    own = {
        "boxes": ours_boxes,
        "mask": tv_tensors.Mask(F.from_numpy(mask_values)),
        "points": tv_tensors.KeyPoints(point_values, canvas_size=(HEIGHT, WIDTH)),
    }
    for args, kwargs in CASES[name]:
        if kwargs.get("padding_mode") == "reflect":
            continue
        theirs, ours = pair(name, args, kwargs)
        for seed in range(3):
            F.manual_seed(seed)
            params = ours.make_params([own["mask"]])
            expected = {k: theirs.transform(v, theirs_of(params)) for k, v in others.items()}
            found = {k: ours.transform(v, params) for k, v in own.items()}
            assert all(type(found[k]) is type(own[k]) for k in own)
            within = 0.3 if format in ("XYWHR", "XYXYXYXY") else 5e-3
            if (name, format) not in (("RandomPerspective", "XYWHR"), ("RandomPerspective", "XYXYXYXY")):
                assert distance(found["boxes"], expected["boxes"], format) < within, (args, kwargs, params)
            assert tuple(found["boxes"].canvas_size) == tuple(expected["boxes"].canvas_size)
            np.testing.assert_allclose(found["points"].numpy(), expected["points"].numpy(), atol=5e-3)
            assert found["mask"].shape == tuple(expected["mask"].shape)
            assert (found["mask"].numpy() != expected["mask"].numpy()).mean() < 0.005


NUMBERS = {  # name: arguments, and how to make numbers of the parameters
    "RandomPerspective": ((0.5, 1.0), lambda p: [float(c) for c in p["coefficients"]]),
    "ElasticTransform": ((), lambda p: [float(p["displacement"].max()), float(p["displacement"].std())]),
    "RandomZoomOut": ((), lambda p: list(p["padding"])),
    "ScaleJitter": (((90, 60),), lambda p: list(p["size"])),
    "RandomShortestSize": (([20, 30, 50], 60), lambda p: list(p["size"])),
    "RandomResize": ((20, 60), lambda p: list(p["size"])),
    "JPEG": (((20, 60),), lambda p: [int(p["quality"])]),
    "RandomPhotometricDistort": (
        (),
        lambda p: (
            [p[f"{n}_factor"] or 0 for n in ("brightness", "contrast", "saturation", "hue")]
            + [p["contrast_before"], p["channel_permutation"] is not None]
        ),
    ),
    "RandomChannelPermutation": ((), lambda p: [int(n) for n in p["permutation"]]),
    "RandomErasing": ((1.0,), lambda p: [p["i"], p["j"], p["h"], p["w"]]),
    "RandomResizedCrop": ((20,), lambda p: [p["top"], p["left"], p["height"], p["width"]]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_parameters_have_the_same_ranges_and_means(name):
    import torch

    _, _, kinds = peer()
    args, numbers = NUMBERS[name]
    theirs, ours = pair(name, args, {})
    values = pixels((3, HEIGHT, WIDTH))
    one, other = kinds.Image(torch.from_numpy(values)), tv_tensors.Image(F.from_numpy(values))
    count = 60 if name == "ElasticTransform" else 500
    torch.manual_seed(0)
    F.manual_seed(0)
    expected = np.array([numbers(theirs.make_params([one])) for _ in range(count)], float)
    found = np.array([numbers(ours.make_params([other])) for _ in range(count)], float)
    spread = expected.std(0) + found.std(0) + 1e-12
    np.testing.assert_array_less(np.abs(expected.mean(0) - found.mean(0)) / spread, 0.2)
    np.testing.assert_array_less(np.abs(expected.std(0) - found.std(0)) / spread, 0.2)
    room = np.ptp(expected, 0) * (0.7 if name == "ElasticTransform" else 0.25) + 1e-9
    assert (found.min(0) > expected.min(0) - room).all() and (found.max(0) < expected.max(0) + room).all()


def test_iou_crops_keep_to_what_was_asked_for():
    image = tv_tensors.Image(F.from_numpy(pixels((3, HEIGHT, WIDTH))))
    boxes = tv_tensors.BoundingBoxes([[5, 5, 25, 30], [30, 10, 50, 35]], format="XYXY", canvas_size=(HEIGHT, WIDTH))
    F.manual_seed(0)
    seen = {T.RandomIoUCrop(sampler_options=[1.0]).make_params([image, boxes]) == {} for _ in range(3)}
    assert seen == {True}
    crop = T.RandomIoUCrop(min_scale=0.4, sampler_options=[0.3])
    shapes = set()
    for _ in range(60):
        p = crop.make_params([image, boxes])
        left, top, right, bottom = p["left"], p["top"], p["left"] + p["width"], p["top"] + p["height"]
        assert 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT and 0.5 <= p["width"] / p["height"] <= 2
        overlaps = []
        for x1, y1, x2, y2 in boxes.tolist():
            shared = max(min(x2, right) - max(x1, left), 0) * max(min(y2, bottom) - max(y1, top), 0)
            overlaps.append(shared / ((x2 - x1) * (y2 - y1) + (right - left) * (bottom - top) - shared))
        inside = [left < (b[0] + b[2]) / 2 < right and top < (b[1] + b[3]) / 2 < bottom for b in boxes.tolist()]
        assert list(p["is_within_crop_area"]) == inside
        assert max(o for o, wanted in zip(overlaps, inside, strict=True) if wanted) >= 0.3
        out = crop.transform(boxes, p)
        assert [any(row) for row in out.tolist()] == inside and out.canvas_size == (p["height"], p["width"])
        assert tuple(crop.transform(image, p).shape[1:]) == out.canvas_size
        shapes.add(out.canvas_size)
    assert len(shapes) > 20
    assert crop.make_params([image, tv_tensors.wrap(F.zeros(0, 4), like=boxes)]) == {}  # no boxes: the whole image
    with pytest.raises(TypeError, match="bounding boxes"):
        T.RandomIoUCrop()(image)
