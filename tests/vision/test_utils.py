"""Grids and drawings: pixel for pixel torchvision's."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

import framework as F
from tests.vision.peer import torchvision
from vision import utils

BOXES = [[2, 3, 20, 15], [0, 0, 30, 22], [5, 5, 5, 9], [12, 1, 25, 20]]
ORIENTED = [[5, 5, 20, 3, 22, 12, 7, 14], [3, 18, 27, 18, 27, 21, 3, 21], [9, 1, 12, 5, 8, 8, 5, 4]]


@pytest.fixture
def pictures(rng):
    """The same image for us and for torchvision, as bytes and as floats."""
    import torch

    pixels = rng.integers(0, 256, (3, 23, 31), dtype=np.uint8)
    floats = pixels.astype(np.float32) / 255
    return {
        kind: (F.from_numpy(a.copy()), torch.from_numpy(a.copy()))
        for kind, a in (("uint8", pixels), ("float32", floats))
    }


@pytest.fixture(scope="module")
def peer():
    return torchvision().utils


def same(ours, theirs, tolerance=0.0):
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy().astype(float), theirs.numpy().astype(float), rtol=0, atol=tolerance)


GRIDS = [
    {},
    {"nrow": 3},
    {"nrow": 100, "padding": 0},
    {"padding": 5, "pad_value": 0.5},
    {"normalize": True},
    {"normalize": True, "scale_each": True},
    {"normalize": True, "value_range": (-1, 1)},
    {"normalize": True, "value_range": (-1.0, 0.5), "scale_each": True},
    {"normalize": True, "value_range": (0.3, 0.3)},
]


@pytest.mark.parametrize("options", GRIDS, ids=str)
@pytest.mark.parametrize(
    "shape", [(7, 3, 5, 11), (4, 1, 6, 4), (1, 3, 4, 4), (2, 4, 3, 5), (3, 7, 9), (1, 7, 9), (7, 9)], ids=str
)
def test_grid_is_torchvisions(peer, rng, shape, options):
    import torch

    values = rng.standard_normal(shape).astype(np.float32)
    ours, before = F.from_numpy(values.copy()), values.copy()
    same(utils.make_grid(ours, **options), peer.make_grid(torch.from_numpy(values.copy()), **options), 1e-6)
    np.testing.assert_array_equal(ours.numpy(), before)  # the caller's images stay as they are


def test_grid_of_a_list_of_bytes(peer, rng):
    import torch

    images = [rng.integers(0, 256, (3, 5, 4), dtype=np.uint8) for _ in range(5)]
    ours = utils.make_grid([F.from_numpy(i.copy()) for i in images], nrow=2, pad_value=9)
    same(ours, peer.make_grid([torch.from_numpy(i) for i in images], nrow=2, pad_value=9))


def test_grid_takes_channels_last_memory_and_records_no_history(rng):
    images = F.from_numpy(rng.random((6, 4, 5, 3)).astype(np.float32)).permute(0, 3, 1, 2).requires_grad_()
    grid = utils.make_grid(images)
    assert not grid.requires_grad
    assert F.equal(grid, utils.make_grid(images.detach().contiguous()))


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: utils.make_grid(np.zeros((2, 3, 4, 4))), TypeError, "got ndarray"),
        (lambda: utils.make_grid([F.zeros(3, 4, 4), 1]), TypeError, "list of tensors, got int"),
        (lambda: utils.make_grid([]), ValueError, "no image"),
        (lambda: utils.make_grid(F.zeros(0, 3, 4, 4)), ValueError, "at least one"),
        (lambda: utils.make_grid(F.zeros(2, 2, 3, 4, 4)), ValueError, r"\(B, C, H, W\)"),
        (lambda: utils.make_grid(F.zeros(2, 3, 4, 4), nrow=0), ValueError, "nrow must be positive"),
        (lambda: utils.make_grid(F.zeros(2, 3, 4, 4), padding=-1), ValueError, "padding not negative"),
        (lambda: utils.make_grid(F.zeros(2, 3, 4, 4), normalize=True, value_range=[0, 1]), TypeError, "tuple"),
        (lambda: utils.make_grid(F.zeros(2, 3, 4, 4, dtype=F.uint8), normalize=True), TypeError, "float images"),
        (lambda: utils.save_image(F.zeros(2, 5, 4, 4), io.BytesIO(), "PNG"), ValueError, "1 to 4 channels"),
        (lambda: utils.save_image(F.zeros(3, 4, 4), "picture.xyz"), ValueError, r"picture\.xyz.*no suffix"),
    ],
)
def test_wrong_grids(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("shape", [(5, 3, 7, 6), (3, 7, 6), (7, 6), (2, 4, 7, 6)], ids=str)
def test_saved_images_are_torchvisions(peer, rng, tmp_path, shape):
    import torch

    values = (rng.random(shape) * 1.4 - 0.2).astype(np.float32)
    utils.save_image(F.from_numpy(values.copy()), tmp_path / "ours.png", nrow=2, padding=1)
    peer.save_image(torch.from_numpy(values), tmp_path / "theirs.png", nrow=2, padding=1)
    with Image.open(tmp_path / "ours.png") as ours, Image.open(tmp_path / "theirs.png") as theirs:
        assert ours.mode == theirs.mode
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ours.png", "theirs.png"]


def test_saving_bytes_to_an_open_file_and_by_format(rng, tmp_path):
    pixels = rng.integers(0, 256, (3, 5, 6), dtype=np.uint8)
    buffer = io.BytesIO()
    utils.save_image(F.from_numpy(pixels), buffer, format="png")
    np.testing.assert_array_equal(np.asarray(Image.open(buffer)), pixels.transpose(1, 2, 0))
    utils.save_image(F.from_numpy(pixels), str(tmp_path / "picture"), format="bmp")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "picture")), pixels.transpose(1, 2, 0))


BOX_OPTIONS = [
    {},
    {"colors": "red"},
    {"colors": "#FF00FF", "width": 3},
    {"colors": (1, 34, 122), "fill": True},
    {"colors": ["red", (0, 255, 0), "#00f", "yellow", "blue"], "fill": True, "width": 2},
    {"fill": True},
    {"labels": ["cat", "dog", "a longer one", "x"]},
    {"labels": ["cat", None, "", "x"], "colors": "white", "label_colors": "black"},
    {"labels": ["a", "b", "c", "d"], "label_colors": ["red", "blue", "green", "white"], "width": 2},
    {"labels": ["a", "b", "c", "d"], "fill_labels": True},
    {"labels": ["a", "b", "c", "d"], "fill_labels": True, "label_colors": "white", "label_background_colors": "navy"},
    {"labels": ["a", "b", "c", "d"], "fill_labels": True, "label_background_colors": ["red"] * 4, "fill": True},
    {"labels": ["a", "b", "c", "d"], "label_background_colors": "red"},
]


@pytest.mark.parametrize("options", BOX_OPTIONS, ids=lambda o: ",".join(o))
@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("boxes", [BOXES, ORIENTED], ids=["upright", "oriented"])
def test_boxes_are_torchvisions(peer, pictures, boxes, kind, options):
    import torch

    options = {k: v[: len(boxes)] if k == "labels" else v for k, v in options.items()}
    ours, theirs = pictures[kind]
    before = ours.numpy().copy()
    found = utils.draw_bounding_boxes(ours, F.tensor(boxes, dtype=F.float32), **options)
    same(found, peer.draw_bounding_boxes(theirs, torch.tensor(boxes, dtype=torch.float32), **options), 1e-7)
    np.testing.assert_array_equal(ours.numpy(), before)
    assert not np.array_equal(found.numpy(), before)


def test_boxes_on_grey_and_with_a_font(peer, pictures, tmp_path):
    import torch

    for kind in ("uint8", "float32"):
        ours, theirs = (image[:1] for image in pictures[kind])
        same(
            utils.draw_bounding_boxes(ours, F.tensor(BOXES)),
            peer.draw_bounding_boxes(theirs, torch.tensor(BOXES)),
            1e-7,
        )
    matplotlib = pytest.importorskip("matplotlib")
    font = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    ours, theirs = pictures["uint8"]
    for options in ({"font": font}, {"font": font, "font_size": 14}):
        options |= {"labels": list("abcd"), "fill_labels": True}
        found = utils.draw_bounding_boxes(ours, F.tensor(BOXES), **options)
        same(found, peer.draw_bounding_boxes(theirs, torch.tensor(BOXES), **options))


def test_warnings_where_nothing_is_drawn(pictures):
    image = pictures["uint8"][0]
    with pytest.warns(UserWarning, match="no box"):
        assert utils.draw_bounding_boxes(image, F.zeros(0, 4)) is image
    with pytest.warns(UserWarning, match="no mask"):
        assert utils.draw_segmentation_masks(image, F.zeros(0, 23, 31, dtype=F.bool)) is image
    with pytest.warns(UserWarning, match="font_size has no effect"):
        utils.draw_bounding_boxes(image, F.tensor(BOXES), font_size=20)


MASK_OPTIONS = [
    {},
    {"alpha": 0},
    {"alpha": 1},
    {"alpha": 0.3, "colors": "red"},
    {"alpha": 0.55, "colors": (1, 34, 122)},
]
MASK_OPTIONS += [{"colors": ["red", (0, 255, 7), "#00f"]}]


@pytest.mark.parametrize("options", MASK_OPTIONS, ids=str)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("count", [0, 1, 3])  # 0 stands for one mask (H, W)
def test_masks_are_torchvisions(peer, pictures, rng, count, kind, options):
    import torch

    masks = rng.random((count or 1, 23, 31)) > 0.6
    masks = masks if count else masks[0]
    ours, theirs = pictures[kind]
    before = ours.numpy().copy()
    found = utils.draw_segmentation_masks(ours, F.from_numpy(masks.copy()), **options)
    same(found, peer.draw_segmentation_masks(theirs, torch.from_numpy(masks), **options), 1e-6)
    np.testing.assert_array_equal(ours.numpy(), before)


@pytest.mark.parametrize("kind", ["float64", "float16"])
def test_masks_keep_the_images_dtype(kind):
    image = F.full((3, 2, 2), 0.5, dtype=getattr(F, kind))
    found = utils.draw_segmentation_masks(image, F.tensor([[True, False], [False, False]]), 0.5, "red")
    assert found.dtype is image.dtype
    np.testing.assert_allclose(found.numpy()[:, 0, 0], [0.75, 0.25, 0.25])
    np.testing.assert_allclose(found.numpy()[:, 1, 1], 0.5)


KEYPOINTS = [[[5, 5], [20, 9], [11, 18]], [[28, 2], [1, 21], [15.7, 11.2]]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"colors": "red", "radius": 1},
        {"colors": (9, 200, 3), "radius": 5},
        {"connectivity": [(0, 1), (1, 2)]},
        {"connectivity": [(0, 2)], "width": 1, "colors": "#123456"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("seen", [None, [[True, False, True], [False, True, True]]], ids=["all", "some"])
def test_keypoints_are_torchvisions(peer, pictures, kind, options, seen):
    import torch

    ours, theirs = pictures[kind]
    for last in ((), (1,)):  # visibility (N, K) and (N, K, 1)
        mine = None if seen is None else F.tensor(seen).reshape(2, 3, *last)
        other = None if seen is None else torch.tensor(seen).reshape(2, 3, *last)
        found = utils.draw_keypoints(ours, F.tensor(KEYPOINTS), visibility=mine, **options)
        same(found, peer.draw_keypoints(theirs, torch.tensor(KEYPOINTS), visibility=other, **options), 1e-7)


@pytest.mark.parametrize("shape", [(2, 17, 11), (3, 2, 9, 8)], ids=str)
def test_flow_is_torchvisions(peer, rng, shape):
    import torch

    flow = (rng.standard_normal(shape) * 20).astype(np.float32)
    found, expected = (
        utils.flow_to_image(F.from_numpy(flow)).numpy(),
        peer.flow_to_image(torch.from_numpy(flow)).numpy(),
    )
    assert found.dtype == np.uint8 and found.shape == expected.shape
    apart = np.abs(found.astype(int) - expected.astype(int))
    assert apart.max() <= 1 and (apart > 0).mean() < 0.01  # an angle's last bit can tip a floor


def test_a_still_flow_is_white():
    np.testing.assert_array_equal(utils.flow_to_image(F.zeros(2, 3, 4)).numpy(), 255)


IMAGE = F.zeros(3, 8, 8, dtype=F.uint8)
MASK = F.zeros(8, 8, dtype=F.bool)
POINTS = F.zeros(1, 2, 2)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: utils.draw_bounding_boxes(np.zeros((3, 8, 8)), F.zeros(1, 4)), TypeError, "must be a tensor"),
        (
            lambda: utils.draw_bounding_boxes(F.zeros(3, 8, 8, dtype=F.int64), F.zeros(1, 4)),
            ValueError,
            "uint8 or float",
        ),
        (lambda: utils.draw_bounding_boxes(F.zeros(1, 3, 8, 8), F.zeros(1, 4)), ValueError, "one by one"),
        (lambda: utils.draw_bounding_boxes(F.zeros(2, 8, 8), F.zeros(1, 4)), ValueError, "1 or 3 channels, got 2"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.zeros(4)), ValueError, r"boxes \(N, 4\)"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.tensor([[5, 1, 2, 3]])), ValueError, "xmin, ymin, xmax, ymax"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.tensor([[1, 5, 2, 3]])), ValueError, "xmin, ymin, xmax, ymax"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.zeros(2, 4), labels=["a"]), ValueError, "1 labels for 2 boxes"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.zeros(2, 4), colors=["red"]), ValueError, "got 1 for 2"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.zeros(1, 4), colors="no such"), ValueError, "unknown color"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.zeros(1, 4), colors=(1, 2)), ValueError, "RGB triplet"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.zeros(1, 4), colors=(1, 2, 300)), ValueError, "RGB triplet"),
        (lambda: utils.draw_bounding_boxes(IMAGE, F.zeros(1, 4), colors=7), ValueError, "must be a name"),
        (lambda: utils.draw_segmentation_masks(F.zeros(1, 8, 8), MASK), ValueError, "3 channels, got 1"),
        (lambda: utils.draw_segmentation_masks(IMAGE, MASK[:4]), ValueError, "height and width"),
        (lambda: utils.draw_segmentation_masks(IMAGE, MASK.reshape(1, 1, 8, 8)), ValueError, "height and width"),
        (lambda: utils.draw_segmentation_masks(IMAGE, MASK.float()), ValueError, "must be bool"),
        (lambda: utils.draw_keypoints(IMAGE, POINTS[0]), ValueError, r"\(instances, points, 2\)"),
        (lambda: utils.draw_keypoints(IMAGE, F.zeros(1, 2, 3)), ValueError, r"\(instances, points, 2\)"),
        (lambda: utils.draw_keypoints(F.zeros(1, 8, 8), POINTS), ValueError, "3 channels"),
        (lambda: utils.draw_keypoints(IMAGE, POINTS, visibility=F.ones(1, 3)), ValueError, "visibility of shape"),
        (lambda: utils.draw_keypoints(IMAGE, POINTS, visibility=F.ones(2)), ValueError, "visibility of shape"),
        (lambda: utils.draw_keypoints(IMAGE, POINTS, connectivity=[(0, 2)]), ValueError, "there are 2"),
        (lambda: utils.flow_to_image(F.zeros(2, 3, 4, dtype=F.float64)), ValueError, "float32"),
        (lambda: utils.flow_to_image(F.zeros(3, 3, 4)), ValueError, r"\(2, H, W\)"),
        (lambda: utils.flow_to_image(F.zeros(2, 0, 4)), ValueError, "no pixel"),
        (lambda: utils.flow_to_image(F.full((2, 3, 4), float("nan"))), ValueError, "NaN or infinite"),
    ],
)
def test_wrong_drawings(call, error, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=words):
            call()
