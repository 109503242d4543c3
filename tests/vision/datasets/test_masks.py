"""COCO's masks: known pictures, an encoder written plainly, and pycocotools where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.vision.datasets.annotated_trees import coco
from vision.datasets import CocoIndex, decode_mask
from vision.datasets.masks import polygon_to_mask, unpack_counts

SHAPES = [(1, 1), (11, 17), (17, 11), (1, 23), (23, 1), (40, 31)]


def runs_of(mask: np.ndarray) -> list[int]:
    """The runs of 0 and 1 in turn, down the columns."""
    runs, value = [0], 0
    for pixel in mask.T.reshape(-1):
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def pack(runs: list[int]) -> str:
    """The text that stands for runs."""
    text = ""
    for number, run in enumerate(runs):
        rest = run - runs[number - 2] if number > 2 else run
        more = True
        while more:
            bits = rest & 31
            rest >>= 5
            more = rest != (-1 if bits & 16 else 0)
            text += chr(bits + 32 * more + 48)
    return text


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_runs(rng, shape, share):
    mask = (rng.random(shape) < share).astype(np.uint8)
    runs = runs_of(mask)
    for counts in (runs, pack(runs), pack(runs).encode()):
        found = decode_mask({"size": list(shape), "counts": counts}, *shape)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, mask)
    assert unpack_counts(pack(runs)).tolist() == runs


def test_long_runs():
    runs = [0, 31, 32, 1023, 1024, 5, 70_000, 1, 0, 2**31]
    assert unpack_counts(pack(runs)).tolist() == runs and unpack_counts("").tolist() == []


def test_polygons():
    square = decode_mask([[2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0]], 7, 9)
    wanted = np.zeros((7, 9), np.uint8)
    wanted[1:4, 2:6] = 1
    np.testing.assert_array_equal(square, wanted)
    both = decode_mask([[2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0], [0, 5, 9, 5, 9, 7, 0, 7]], 7, 9)
    wanted[5:] = 1
    np.testing.assert_array_equal(both, wanted)
    assert decode_mask([], 3, 4).sum() == 0
    assert decode_mask([[-50, -50, 90, -50, 90, 90, -50, 90]], 7, 9).all()  # an image inside the outline


def test_area_of_polygons(rng):
    """Pixels add up to about the area, whichever way around the points go."""
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        points = np.stack([45 + 40 * np.cos(angles), 35 + 30 * np.sin(angles)], 1)
        x, y = points.T
        area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
        mask = polygon_to_mask(points.reshape(-1), 70, 90)
        assert abs(mask.sum() - area) < 0.03 * area + 12
        assert abs(int(mask.sum()) - int(polygon_to_mask(points[::-1].reshape(-1), 70, 90).sum())) <= 9


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")
def test_same_as_pycocotools(rng):
    peer = pytest.importorskip("pycocotools.mask")
    for number in range(200):
        height, width = (int(n) for n in rng.integers(1, 60, 2))
        points = rng.uniform(-8, 70, (int(rng.integers(3, 12)), 2))
        points = np.round(points) if number % 3 == 0 else np.round(points * 2) / 2 if number % 5 == 0 else points
        polygon = points.reshape(-1).tolist()
        wanted = peer.merge(peer.frPyObjects([polygon], height, width))
        np.testing.assert_array_equal(decode_mask([polygon], height, width), peer.decode(wanted))
        np.testing.assert_array_equal(decode_mask(wanted, height, width), peer.decode(wanted))


WRONG = [
    ("a text", "expected a list of polygons"),
    ({"counts": [4]}, "expected a list of polygons"),
    ({"size": [2, 3], "counts": [4]}, "the mask's size is"),
    ({"size": [2, 2], "counts": [5]}, "do not make up the 4 pixels"),
    ({"size": [2, 2], "counts": [5, -1]}, "do not make up the 4 pixels"),
    ({"size": [2, 2], "counts": [[4]]}, "do not make up the 4 pixels"),
    ({"size": [2, 2], "counts": "4 "}, "not a packed mask"),
    ({"size": [2, 2], "counts": "P"}, "not a packed mask"),
    ({"size": [2, 2], "counts": "\x80"}, "not a packed mask"),
    ({"size": [2, 2], "counts": "P" * 40 + "1"}, "too long"),
    ([[1, 2, 3, 4]], "three points or more"),
    ([[1, 2, 3, 4, 5, 6, 7]], "three points or more"),
    ([[1, 2, 3, 4, 5, float("nan")]], "three points or more"),
    ([[1, 2, 3, 4, 1e12, 6]], "absurdly long"),
    ([[[1, 2], [3, 4], [5, 6]]], "three points or more"),
]


@pytest.mark.parametrize("segmentation, words", WRONG)
def test_wrong_masks(segmentation, words):
    with pytest.raises(ValueError, match=words):
        decode_mask(segmentation, 2, 2)


def test_index(tmp_path):
    coco(tmp_path)
    index = CocoIndex(tmp_path / "instances.json")
    assert (
        index.getAnnIds() == [1, 4, 3] and index.getAnnIds(9) == [1, 3] and index.getAnnIds([9, 2], catIds=1) == [3, 4]
    )
    assert index.getAnnIds(areaRng=(5, 31)) == [1] and index.getAnnIds(iscrowd=True) == [4] and index.getAnnIds(5) == []
    assert (
        index.getCatIds("dog") == [18]
        and index.getCatIds(supNms=["person"]) == [1]
        and index.getCatIds(catIds=[1, 3]) == [1]
    )
    assert sorted(index.getImgIds()) == [2, 5, 9] and index.getImgIds(catIds=[1, 18]) == [9]
    assert index.loadImgs(2)[0]["file_name"] == "a.jpg" and index.loadCats([18])[0]["name"] == "dog"
    masks = [index.annToMask(annotation) for annotation in index.loadAnns([1, 4])]
    assert masks[0][2:7, 2:8].all() and masks[0].sum() == 30 and masks[1][:, :3].all() and masks[1].sum() == 33
