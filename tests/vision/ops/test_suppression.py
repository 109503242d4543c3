"""Non-maximum suppression against the sequential rule."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from framework.errors import DtypeError, ShapeError
from vision import ops


def plain(boxes, scores, threshold):
    """One box after another, by falling score."""
    left = sorted(range(len(scores)), key=lambda i: -scores[i] if scores[i] == scores[i] else -np.inf)
    kept = []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    with np.errstate(all="ignore"):
        while left:
            best, *left = left
            kept.append(best)
            others = np.array(left, int)
            low = np.maximum(boxes[others, :2], boxes[best, :2])
            high = np.minimum(boxes[others, 2:], boxes[best, 2:])
            shared = np.clip(high - low, 0, None).prod(1)
            over = shared / (area[others] + area[best] - shared) > np.float64(threshold)
            left = [i for i, o in zip(left, over, strict=True) if not o]
    return kept


def crowd(rng, n, dtype="float32"):
    """Boxes that overlap much, and scores."""
    corners = rng.random((n, 2)) * 40
    return np.concatenate([corners, corners + rng.random((n, 2)) * 30], 1).astype(dtype), rng.random(n).astype(dtype)


@pytest.mark.parametrize("n", [0, 1, 2, 17, 255, 256, 257, 1100])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_sequential_rule_is_kept(n, threshold, dtype, rng):
    boxes, scores = crowd(rng, n, dtype)
    kept = ops.nms(F.from_numpy(boxes), F.from_numpy(scores), threshold)
    assert kept.dtype == F.int64
    assert kept.tolist() == plain(boxes, scores, threshold)


def test_equal_scores_are_taken_in_the_order_given(rng):
    boxes, scores = crowd(rng, 500)
    scores = np.rint(scores * 4).astype("float32")
    assert ops.nms(F.from_numpy(boxes), F.from_numpy(scores), 0.4).tolist() == plain(boxes, scores, 0.4)


def test_a_chain_is_decided_link_by_link():
    """Each box overlaps the next alone, so every second stays: as deep as a chain within a block can be."""
    left = np.arange(600, dtype="float32") * 2
    boxes = np.stack([left, left * 0, left + 3, left * 0 + 1], 1)
    scores = np.linspace(1, 0.5, 600, dtype="float32")
    assert ops.nms(F.from_numpy(boxes), F.from_numpy(scores), 0.1).tolist() == list(range(0, 600, 2))


@pytest.mark.parametrize("threshold", [0.3, 0.7, 1 / 3])
def test_an_overlap_of_just_the_threshold_stays(threshold):
    """The comparison is that of the overlap, in the boxes' dtype, with the threshold in double precision."""
    share = np.float32(threshold)
    boxes = np.array([[0, 0, 1, 1], [0, 0, share, 1]], "float32")
    expected = [0] if float(share) > threshold else [0, 1]
    assert ops.nms(F.from_numpy(boxes), F.tensor([0.9, 0.8]), threshold).tolist() == expected


def test_boxes_with_nan_or_no_area_neither_suppress_nor_are_suppressed():
    nan = np.nan
    boxes = np.array([[0, 0, 4, 4], [0, 0, nan, 4], [0, 0, 4, 4], [2, 2, 2, 2], [2, 2, 2, 2], [nan] * 4], "float32")
    scores = np.array([0.5, 0.9, 0.4, 0.3, 0.2, nan], "float32")
    found = ops.nms(F.from_numpy(boxes), F.from_numpy(scores), 0.5).tolist()
    assert found == [5, 1, 0, 3, 4] == plain(boxes, scores, 0.5)


def test_half_precision_is_computed_in_float32(rng):
    boxes, scores = crowd(rng, 300, "float16")
    expected = plain(boxes.astype("float32"), scores.astype("float32"), 0.5)
    assert ops.nms(F.from_numpy(boxes), F.from_numpy(scores), 0.5).tolist() == expected


@pytest.mark.parametrize("n, categories", [(0, 1), (1, 1), (300, 1), (900, 7), (400, 400)])
def test_categories_are_decided_apart(n, categories, rng):
    boxes, scores = crowd(rng, n)
    boxes -= 20  # negative coordinates are no trouble
    idxs = rng.integers(-2, categories, n)
    expected = np.concatenate(
        [np.zeros(0, int)]
        + [np.flatnonzero(idxs == c)[plain(boxes[idxs == c], scores[idxs == c], 0.4)] for c in set(idxs)]
    )
    expected = expected[np.argsort(-scores[expected], kind="stable")]
    found = ops.batched_nms(F.from_numpy(boxes), F.from_numpy(scores), F.from_numpy(idxs), 0.4)
    assert found.dtype == F.int64
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "boxes, scores, error",
    [
        (F.ones(3, 5), F.ones(3), ShapeError),
        (F.ones(4), F.ones(1), ShapeError),
        (F.ones(3, 4), F.ones(2), ShapeError),
        (F.ones(3, 4), F.ones(3, 1), ShapeError),
        (F.ones(3, 4), F.ones(3).double(), DtypeError),
        (F.ones(3, 4).long(), F.ones(3).long(), DtypeError),
    ],
)
def test_what_does_not_fit_is_refused(boxes, scores, error):
    with pytest.raises(error, match="nms"):
        ops.nms(boxes, scores, 0.5)
    with pytest.raises(error, match="batched_nms"):
        ops.batched_nms(boxes, scores, F.zeros(3), 0.5)


def test_categories_must_be_one_a_box():
    with pytest.raises(ShapeError, match="idxs"):
        ops.batched_nms(F.ones(3, 4), F.ones(3), F.zeros(2), 0.5)


def test_gradients_are_not_asked_for():
    boxes = F.ones(3, 4, requires_grad=True)
    assert not ops.nms(boxes, F.ones(3, requires_grad=True), 0.5).requires_grad
