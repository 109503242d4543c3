"""Bounding boxes, points and masks under the functional transforms, against torchvision's."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import framework as F
from tests.vision.transforms.samples import (
    HEIGHT,
    TURNED,
    UPRIGHT,
    WIDTH,
    both_boxes,
    box_values,
    corners,
    distance,
    peer,
    pixels,
)  # fmt: skip
from vision import ops, tv_tensors
from vision.transforms import functional as VF

CORNERS = [[0, 0], [WIDTH - 1, 0], [WIDTH - 1, HEIGHT - 1], [0, HEIGHT - 1]]
MOVES = {
    "horizontal_flip": [((), {})],
    "vertical_flip": [((), {})],
    "resize": [(([20, 50],), {}), ((30,), {"max_size": 50}), ((None,), {"max_size": 99}), (([41, 60],), {})],
    "crop": [((5, 7, 20, 30), {}), ((-5, -7, 70, 80), {})],
    "pad": [(([1, 2, 3, 4],), {}), ((5,), {}), (([-3, 2],), {"fill": 1})],
    "center_crop": [(([31, 20],), {}), (([61, 80],), {})],
    "resized_crop": [((3, 4, 25, 30, [20, 20]), {})],
    "rotate": [((30,), {}), ((-77.0,), {}), ((30,), {"center": [5, 6]})],
    "affine": [((30, [3, -4], 1.2, [10, 5]), {}), ((-10, [3, -4], 0.7, 10), {"center": [3, 4]})],
    "perspective": [
        ((CORNERS, [[3, 4], [50, 2], [55, 35], [4, 36]]), {}),
        ((None, None), {"coefficients": [1.1, 0.1, -2.0, 0.05, 0.9, 3.0, 0.001, -0.002]}),
    ],
    "elastic": [(("displacement",), {})],
}


def arguments(args, module):
    if "displacement" not in args:
        return args
    values = np.random.default_rng(3).uniform(-0.1, 0.1, (1, HEIGHT, WIDTH, 2)).astype(np.float32)
    return (module(values),)


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("format", UPRIGHT + TURNED)
def test_boxes(name, format):
    import torch

    _, PF, kinds = peer()
    whole = format in UPRIGHT and name not in ("perspective", "elastic")  # there ours reckons in floats
    for mode in ("soft", "hard", None):
        for dtype in ("float32", "float64", *(("int64",) if whole else ())):
            theirs, ours = both_boxes(kinds, box_values(format, dtype), format, mode)
            for args, kwargs in MOVES[name]:
                expected = getattr(PF, name)(theirs, *arguments(args, torch.from_numpy), **kwargs)
                found = getattr(VF, name)(ours, *arguments(args, F.from_numpy), **kwargs)
                assert type(found) is tv_tensors.BoundingBoxes and str(found.dtype).endswith(dtype)
                assert found.format.value == format and found.clamping_mode == mode
                assert tuple(found.canvas_size) == tuple(expected.canvas_size)
                # a cut at a steep side is ill-conditioned
                within = 0.1 if dtype == "float32" and format in TURNED else 2e-3
                assert distance(found, expected, format) < within, (mode, dtype, args, kwargs)


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_points(name, dtype):
    import torch

    _, PF, kinds = peer()
    for shape in ((5, 2), (4, 3, 2), (0, 2)):
        values = np.random.default_rng(0).uniform(0, 40, shape).astype(dtype)
        theirs = kinds.KeyPoints(torch.from_numpy(values.copy()), canvas_size=(HEIGHT, WIDTH))
        ours = tv_tensors.KeyPoints(F.from_numpy(values.copy()), canvas_size=(HEIGHT, WIDTH))
        for args, kwargs in MOVES[name]:
            expected = getattr(PF, name)(theirs, *arguments(args, torch.from_numpy), **kwargs)
            found = getattr(VF, name)(ours, *arguments(args, F.from_numpy), **kwargs)
            assert type(found) is tv_tensors.KeyPoints and found.canvas_size == tuple(expected.canvas_size)
            np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-4 if dtype == "float32" else 0)


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_masks(name, shape, dtype):
    import torch

    _, PF, kinds = peer()
    values = pixels((*shape, HEIGHT, WIDTH), "uint8") // (128 if dtype == "bool" else 10)
    values = values.astype(dtype)
    theirs, ours = kinds.Mask(torch.from_numpy(values)), tv_tensors.Mask(F.from_numpy(values))
    for args, kwargs in MOVES[name]:
        if dtype == "bool" and name in ("center_crop", "crop", "pad", "resized_crop"):
            continue  # torch does not pad them everywhere
        expected = getattr(PF, name)(theirs, *arguments(args, torch.from_numpy), **kwargs)
        found = getattr(VF, name)(ours, *arguments(args, F.from_numpy), **kwargs)
        assert type(found) is tv_tensors.Mask and tuple(found.shape) == tuple(expected.shape)
        assert str(found.dtype).endswith(dtype)
        assert (found.numpy() != expected.numpy()).mean() < 0.002  # a place half-way goes either way


def test_turned_boxes_may_begin_at_either_end_of_a_diagonal():
    values = box_values("XYXYXYXY", "float64").reshape(-1, 4, 2)
    for turn in (0, 90, 180, 270):
        move = np.radians(turn)
        turned = (values - 30) @ [[np.cos(move), np.sin(move)], [-np.sin(move), np.cos(move)]] + 30
        for call in (lambda b: VF.resize(b, [90, 33]), lambda b: VF.affine(b, 40, [3, 4], 1.3, [10, 20])):
            first, second = (
                call(tv_tensors.BoundingBoxes(array, format="XYXYXYXY", canvas_size=(60, 60), clamping_mode=None))
                for array in (turned.reshape(-1, 8), np.roll(turned, 2, 1).reshape(-1, 8))
            )
            assert distance(first, second, "XYXYXYXY") < 1e-9
            sides = np.diff(first.numpy().reshape(-1, 4, 2), axis=1)
            assert abs((sides[:, 0] * sides[:, 1]).sum(1)).max() < 1e-8  # right angles


def test_masks_keep_their_values_whatever_interpolation_is_asked_for():
    mask = tv_tensors.Mask(F.from_numpy(pixels((HEIGHT, WIDTH)) // 100 * 100))
    for mode in ("bilinear", "bicubic", "nearest", "nearest-exact", "lanczos"):
        assert set(np.unique(VF.resize(mask, [30, 77], mode).numpy())) == {0, 100, 200}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_formats(dtype):
    import torch

    _, PF, kinds = peer()
    for formats in (UPRIGHT, TURNED):
        for old in formats:
            for new in formats:
                if formats is TURNED and "int" in dtype:
                    continue
                values = box_values(old, dtype)
                for shaped in (values, values[None], values[0]):
                    expected = PF.convert_bounding_box_format(torch.from_numpy(shaped.copy()), old, new)
                    plain = F.from_numpy(shaped.copy())
                    found = VF.convert_bounding_box_format(plain, old, new.lower())
                    assert found.shape[:-1] == shaped.shape[:-1]
                    expected = expected.numpy().reshape(found.shape)  # torchvision adds a dim to a single box
                    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)
                    np.testing.assert_array_equal(plain.numpy(), shaped)
                theirs, ours = both_boxes(kinds, values, old)
                found = VF.convert_bounding_box_format(ours, new_format=new)
                assert found.format.value == new and found.canvas_size == (HEIGHT, WIDTH)
                same = VF.convert_bounding_box_format(ours, new_format=new, inplace=True)
                np.testing.assert_array_equal(same.numpy(), found.numpy())
                if len(values[0]) == found.shape[1]:
                    np.testing.assert_array_equal(ours.numpy(), found.numpy())


@pytest.mark.parametrize("formats", [UPRIGHT, TURNED], ids=["upright", "turned"])
def test_formats_are_those_of_the_ops(formats):
    for old in formats:
        for new in formats:
            boxes = F.from_numpy(box_values(old, "float64"))
            expected = ops.box_convert(boxes, old.lower(), new.lower())
            assert VF.convert_bounding_box_format(boxes, old, new).tolist() == expected.tolist()


def test_integer_boxes_that_are_turned_stay_integers():
    found = VF.convert_bounding_box_format(F.tensor([[10, 20, 4, 2, 90]]), "XYWHR", "XYXYXYXY")
    assert found.dtype is F.int64 and found.tolist() == [[10, 20, 10, 16, 12, 16, 12, 20]]


@pytest.mark.parametrize("format", UPRIGHT + TURNED)
@pytest.mark.parametrize("mode", ["soft", "hard", None])
def test_clamping(format, mode):
    _, PF, kinds = peer()
    for seed in range(8):
        values = box_values(format, "float64", 40, seed)
        shift = np.random.default_rng(seed).uniform(-25, 25, (40, 2))
        steps = 4 if format == "XYXYXYXY" else 2 if format == "XYXY" else 1
        values[:, : 2 * steps] += np.tile(shift, steps)
        theirs, ours = both_boxes(kinds, values, format, mode)
        expected, found = PF.clamp_bounding_boxes(theirs), VF.clamp_bounding_boxes(ours)
        assert distance(found, expected, format) < 1e-6
        if format in TURNED and mode == "hard":
            at = corners(found.numpy(), format)
            inside = np.nan_to_num(at).reshape(-1, 8)
            assert (inside[:, 0::2] > -1e-6).all() and (inside[:, 0::2] < WIDTH + 1e-6).all()
            assert (inside[:, 1::2] > -1e-6).all() and (inside[:, 1::2] < HEIGHT + 1e-6).all()
        again = VF.clamp_bounding_boxes(tv_tensors.plain(ours), format, (HEIGHT, WIDTH), mode)
        np.testing.assert_array_equal(again.numpy(), found.numpy())


@pytest.mark.parametrize("format", UPRIGHT)
def test_sanitizing(format):
    _, PF, kinds = peer()
    values = box_values(format, "float32", 60)
    values[::3, :2] -= 15
    values[1::5, 2:] = values[1::5, :2] + 0.5 if format == "XYXY" else 0.5
    theirs, ours = both_boxes(kinds, values, format)
    for options in ({}, {"min_size": 8}, {"min_area": 100}):
        (kept, valid), (found, chosen) = (
            m.sanitize_bounding_boxes(b, **options) for m, b in ((PF, theirs), (VF, ours))
        )
        np.testing.assert_array_equal(chosen.numpy(), valid.numpy())
        np.testing.assert_array_equal(found.numpy(), kept.numpy())
        assert 0 < len(found) < 60 and type(found) is tv_tensors.BoundingBoxes


def test_turned_boxes_are_measured_along_their_sides():
    boxes = [[20.0, 20, 8, 0.5, 30], [20, 20, 8, 6, 30], [20, 20, 0.5, 6, 75], [1, 1, 8, 6, 30]]
    found, valid = VF.sanitize_bounding_boxes(F.tensor(boxes), "CXCYWHR", (HEIGHT, WIDTH))
    assert valid.tolist() == [False, True, False, False] and len(found) == 1


def test_points_are_clamped_and_sanitized():
    import torch

    _, PF, kinds = peer()
    values = np.random.default_rng(0).uniform(-20, 80, (30, 2, 2)).astype(np.float32)
    theirs = kinds.KeyPoints(torch.from_numpy(values), canvas_size=(HEIGHT, WIDTH))
    ours = tv_tensors.KeyPoints(values, canvas_size=(HEIGHT, WIDTH))
    np.testing.assert_array_equal(VF.clamp_keypoints(ours).numpy(), PF.clamp_keypoints(theirs).numpy())
    (kept, valid), (found, chosen) = PF.sanitize_keypoints(theirs), VF.sanitize_keypoints(ours)
    np.testing.assert_array_equal(chosen.numpy(), valid.numpy())
    np.testing.assert_array_equal(found.numpy(), kept.numpy())
    whole = F.tensor([[70, 3], [-1, 5]])
    assert VF.clamp_keypoints(whole, (HEIGHT, WIDTH)).tolist() == [[59, 3], [0, 5]]


def test_sizes_of_every_kind():
    boxes = tv_tensors.BoundingBoxes(box_values("XYXY"), format="XYXY", canvas_size=(HEIGHT, WIDTH))
    points = tv_tensors.KeyPoints([[1, 2]], canvas_size=(HEIGHT, WIDTH))
    mask, video = tv_tensors.Mask(F.zeros(HEIGHT, WIDTH)), tv_tensors.Video(F.zeros(4, 3, HEIGHT, WIDTH))
    assert all(VF.get_size(kind) == [HEIGHT, WIDTH] for kind in (boxes, points, mask, video))
    assert VF.get_num_frames(video) == 4 and VF.get_dimensions(video) == [3, HEIGHT, WIDTH]
    assert VF.get_image_size(boxes) == VF.get_image_size(Image.new("L", (WIDTH, HEIGHT))) == [WIDTH, HEIGHT]
    for kind in (boxes, mask):
        with pytest.raises(TypeError, match="get_dimensions: expected"):
            VF.get_dimensions(kind)


PLAIN = F.zeros(2, 4)
BOXES = tv_tensors.BoundingBoxes([[1.0, 2, 3, 4]], format="XYXY", canvas_size=(9, 9))


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: VF.convert_bounding_box_format(PLAIN, "XYXY"), TypeError, "new_format"),
        (lambda: VF.convert_bounding_box_format(PLAIN, None, "XYXY"), ValueError, "plain tensor needs format"),
        (lambda: VF.convert_bounding_box_format(BOXES, "XYXY", "XYWH"), ValueError, "BoundingBoxes have format"),
        (lambda: VF.convert_bounding_box_format(PLAIN, "XYXY", "XYWHR"), ValueError, "rotated and unrotated"),
        (lambda: VF.convert_bounding_box_format(PLAIN, "XYXY", "XXYY"), ValueError, "one of XYXY"),
        (lambda: VF.convert_bounding_box_format(tv_tensors.Mask(PLAIN), "XYXY", "XYWH"), TypeError, "got Mask"),
        (lambda: VF.clamp_bounding_boxes(PLAIN, "XYXY", (3, 4)), ValueError, "needs a clamping_mode"),
        (lambda: VF.clamp_bounding_boxes(BOXES, clamping_mode="firm"), ValueError, "clamping_mode must be"),
        (lambda: VF.clamp_bounding_boxes(PLAIN, "XYXY", clamping_mode="soft"), ValueError, "needs format, canvas_size"),
        (lambda: VF.sanitize_bounding_boxes(PLAIN), ValueError, "needs format, canvas_size"),
        (lambda: VF.clamp_keypoints(PLAIN), ValueError, "needs canvas_size"),
        (lambda: VF.pad(BOXES, 3, padding_mode="reflect"), ValueError, "not supported with bounding boxes"),
        (lambda: VF.pad(tv_tensors.KeyPoints([1, 2], canvas_size=(3, 4)), 3, padding_mode="edge"), ValueError, "keypoints"),
        (lambda: VF.pad(tv_tensors.Mask(PLAIN), 3, fill=(1, 2)), ValueError, "masks take one number"),
        (lambda: VF.elastic(BOXES, F.zeros(1, 3, 3, 2)), ValueError, r"shape \(1, 9, 9, 2\)"),
        (lambda: VF.elastic(F.zeros(1, 4, 4), 3), TypeError, "displacement should be a tensor"),
        (lambda: VF.perspective(BOXES, None, None), ValueError, "either startpoints and endpoints"),
        (lambda: VF.perspective(BOXES, [[0, 0]], [[1, 1]]), ValueError, "exactly four corners"),
        (lambda: VF.perspective(BOXES, None, None, coefficients=[1.0] * 8), ValueError, "cannot be inverted"),
        (lambda: VF.perspective(F.zeros(1, 4, 4), None, None, coefficients=[1.0]), ValueError, "8 numbers"),
        (lambda: VF.horizontal_flip("image"), TypeError, "expected a Pillow image or a tensor .*Mask.*got str"),
        (lambda: VF.adjust_hue(BOXES, 0.1), TypeError, "adjust_hue: expected .* got BoundingBoxes"),
        (lambda: VF.five_crop(tv_tensors.Mask(PLAIN), 2), TypeError, "five_crop: expected"),
    ],
)  # fmt: skip
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
