"""Average precision against the same rules written with loops, and against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

import framework as F
from tests.vision.metrics import plain_coco
from vision import metrics


def scene(rng, kind="boxes", classes=3, most=12, ties=False):
    """An image's targets, and detections of which many are moved targets and some are nothing."""
    count, extra = int(rng.integers(0, most)), int(rng.integers(0, most))
    side = 300 if kind == "boxes" else 60
    corners = rng.uniform(0, side * 0.8, (count, 2))
    extents = rng.uniform(2, side * 0.5, (count, 2))
    boxes = np.concatenate([corners, corners + extents], axis=1)
    moved = boxes + rng.normal(0, 1, boxes.shape) * extents.repeat(2, 1).reshape(count, 4) * 0.06
    strays = rng.uniform(0, side * 0.5, (extra, 4))
    strays[:, 2:] += strays[:, :2] + 1
    found = np.concatenate([moved, moved[: count // 2], strays])
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
    labels = rng.integers(1, classes + 1, count)
    found_labels = np.concatenate([labels, labels[: count // 2], rng.integers(1, classes + 2, extra)])
    scores = rng.random(len(found))
    scores = np.round(scores, 1) if ties else scores
    if kind == "masks":
        boxes, found = bitmaps(boxes, side), bitmaps(found, side)
    true = {kind: boxes, "labels": labels, "iscrowd": rng.random(count) < 0.15}
    return {kind: found, "scores": scores, "labels": found_labels}, true


def bitmaps(boxes, side):
    rows, columns = np.arange(side)[:, None] + 0.5, np.arange(side) + 0.5
    left, top, right, bottom = (boxes[:, i, None, None] for i in range(4))
    return (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom)


def tensors(image):
    return {name: F.from_numpy(np.ascontiguousarray(value)) for name, value in image.items()}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind, ties", [("boxes", False), ("boxes", True), ("masks", False)])
def test_the_loops_agree(seed, kind, ties):
    rng = np.random.default_rng(seed)
    images = [scene(rng, kind, ties=ties) for _ in range(6)]
    expected = plain_coco.evaluate(images, kind)
    metric = metrics.MeanAveragePrecision("bbox" if kind == "boxes" else "segm")
    for found, true in images:
        metric.update([tensors(found)], [tensors(true)])
    result = metric.compute()
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=1e-12), name
    assert 0.05 < result["map"] < 0.95  # the scenes are neither hopeless nor perfect


def test_few_detections_are_counted_by_the_limits(rng):
    images = [scene(rng, classes=1, most=25) for _ in range(4)]
    expected = plain_coco.evaluate(images, limits=(1, 3, 7))
    result = metrics.mean_average_precision(*zip(*images), max_detections=(1, 3, 7))
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=1e-12), name
    assert result["mar_1"] < result["mar_3"] < result["mar_7"]


def test_area_can_be_given(rng):
    images = [scene(rng) for _ in range(4)]
    for _, true in images:
        true["area"] = rng.uniform(0, 20_000, len(true["labels"]))
    expected = plain_coco.evaluate(images)
    result = metrics.mean_average_precision(*zip(*images))
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=1e-12), name


def one(boxes, labels=None, **more):
    return {"boxes": np.array(boxes, float).reshape(-1, 4), "labels": np.array(labels or [0] * len(boxes), int)} | {
        name: np.array(value) for name, value in more.items()
    }


BOX = [0, 0, 40, 40]


@pytest.mark.parametrize(
    "found, true, expected",
    [
        (one([BOX], scores=[0.5]), one([BOX]), {"map": 1.0, "map_medium": 1.0, "map_small": -1.0, "mar_1": 1.0}),
        (one([], scores=[]), one([BOX]), {"map": 0.0, "mar_100": 0.0}),
        (one([BOX], scores=[0.5]), one([]), {"map": -1.0, "mar_100": -1.0}),  # no target of the class
        (one([], scores=[]), one([]), {"map": -1.0}),
        # overlap 0.6: thresholds 0.50, 0.55 and 0.60 of ten
        (one([[0, 0, 40, 24]], scores=[0.5]), one([BOX]), {"map": 0.3, "map_50": 1.0, "map_75": 0.0}),
        # a false one in front: the precision is 1/2 at every recall
        (one([[80, 80, 99, 99], BOX], scores=[0.9, 0.5]), one([BOX]), {"map": 0.5, "mar_1": 0.0, "mar_10": 1.0}),
        # one of two found: 51 of the 101 recalls
        (one([BOX], scores=[0.5]), one([BOX, [50, 50, 90, 90]]), {"map": 51 / 101, "mar_100": 0.5}),
        # found twice: the second is wrong, but after the recall is complete
        (one([BOX, BOX], scores=[0.9, 0.5]), one([BOX]), {"map": 1.0}),
        # a crowd takes any number of detections and counts for nothing
        (
            one([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 90, 90]], scores=[0.9, 0.8, 0.7]),
            one([BOX, [50, 50, 90, 90]], iscrowd=[1, 0]),
            {"map": 1.0},
        ),
        # another class is another matter
        (one([BOX], [1], scores=[0.5]), one([BOX], [0]), {"map": 0.0}),
    ],
)
def test_cases_worked_out_by_hand(found, true, expected):
    result = metrics.mean_average_precision([found], [true])
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=1e-12), name


def test_results_by_class():
    found = one([BOX, [50, 50, 90, 90]], [3, 7], scores=[0.5, 0.5])
    result = metrics.mean_average_precision([found], [one([BOX, [0, 0, 5, 5]], [3, 4])])
    assert result["classes"].tolist() == [3, 4, 7]
    np.testing.assert_allclose(result["map_per_class"].numpy(), [1, 0, -1])
    np.testing.assert_allclose(result["mar_per_class"].numpy(), [1, 0, -1])
    assert result["map"] == 0.5


def test_an_exact_overlap_passes_the_threshold_one():
    found, true = one([[0.1, 0.2, 40.7, 41.3]], scores=[0.5]), one([[0.1, 0.2, 40.7, 41.3]])
    assert metrics.mean_average_precision([found], [true], iou_thresholds=[1.0])["map"] == 1.0


@pytest.mark.parametrize("make", [metrics.MeanAveragePrecision, metrics.VOCAveragePrecision], ids=["coco", "voc"])
def test_parts_merge_into_the_whole(make, rng):
    images = [scene(rng) for _ in range(6)]
    whole, first, second, empty = make(), make(), make(), make()
    whole.update(*zip(*images))
    first.update(*zip(*images[:2]))
    second.update(*zip(*images[2:]))
    first.merge(empty)
    first.merge(second)
    assert equal(first.compute(), whole.compute())
    restored = make()
    restored.load_state_dict(whole.state_dict())
    assert equal(restored.compute(), whole.compute())
    restored.reset()
    assert equal(restored.compute(), empty.compute())
    with pytest.raises(RuntimeError, match="expected the entries"):
        restored.load_state_dict({"scores": F.zeros(1)})


def equal(a, b):
    return a.keys() == b.keys() and all(
        np.array_equal(F.tensor(a[name]).numpy(), F.tensor(b[name]).numpy()) for name in a
    )


def test_settings_must_agree():
    with pytest.raises(ValueError, match="iou_thresholds differs"):
        metrics.MeanAveragePrecision().merge(metrics.MeanAveragePrecision(iou_thresholds=[0.5]))
    with pytest.raises(RuntimeError, match="other settings"):
        metrics.MeanAveragePrecision().load_state_dict(metrics.MeanAveragePrecision(iou_thresholds=[0.5]).state_dict())
    with pytest.raises(TypeError, match="expected a MeanAveragePrecision"):
        metrics.MeanAveragePrecision().merge(metrics.TopKAccuracy())


MASKS = {"masks": np.ones((1, 4, 6), bool), "labels": np.array([1])}


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: metrics.MeanAveragePrecision("polygon"), ValueError, "'bbox' or 'segm'"),
        (lambda: metrics.MeanAveragePrecision(iou_thresholds=[0.5, 1.5]), ValueError, "iou_thresholds"),
        (lambda: metrics.MeanAveragePrecision(max_detections=(10, 1)), ValueError, "rise"),
        (lambda: metrics.mean_average_precision(one([BOX]), [one([BOX])]), TypeError, "list of dicts"),
        (lambda: metrics.mean_average_precision([], [one([BOX])]), ValueError, "0 images and targets for 1"),
        (lambda: metrics.mean_average_precision([one([BOX])], [one([BOX])]), ValueError, "lacks 'scores'"),
        (
            lambda: metrics.mean_average_precision([one([BOX], scores=[0.1, 0.2])], [one([BOX])]),
            ValueError,
            "'scores' of shape",
        ),
        (lambda: metrics.mean_average_precision([one([BOX], scores=[np.nan])], [one([BOX])]), ValueError, "NaN"),
        (
            lambda: metrics.mean_average_precision([one([[9, 9, 1, 1]], scores=[1])], [one([BOX])]),
            ValueError,
            "x1 <= x2",
        ),
        (
            lambda: metrics.mean_average_precision([one([BOX], [1, 2], scores=[1, 1])], [one([BOX])]),
            ValueError,
            "one for each label",
        ),
        (
            lambda: metrics.mean_average_precision(
                [MASKS | {"scores": [1.0], "masks": np.ones((1, 6, 4), bool)}], [MASKS], iou_type="segm"
            ),
            ValueError,
            "masks of",
        ),
        (
            lambda: metrics.mean_average_precision(
                [MASKS | {"scores": [1.0], "masks": np.ones((1, 4, 6))}], [MASKS], iou_type="segm"
            ),
            TypeError,
            "threshold",
        ),
        (lambda: metrics.VOCAveragePrecision(style="2012"), ValueError, "'2007' or '2010'"),
        (lambda: metrics.VOCAveragePrecision(0), ValueError, "iou_threshold"),
    ],
)
def test_wrong_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_batch_with_a_fault_leaves_nothing_behind():
    metric = metrics.MeanAveragePrecision()
    good = one([BOX], scores=[0.5])
    with pytest.raises(ValueError, match="lacks 'labels'"):
        metric.update([good, good], [one([BOX]), {"boxes": F.zeros(0, 4)}])
    assert metric.compute()["map"] == -1.0


def plain_voc(images, style, inclusive, threshold=0.5):
    """The development kit's loops."""
    results = {}
    for label in sorted({int(c) for _, true in images for c in true["labels"]}):
        rows, total = [], 0
        for number, (found, true) in enumerate(images):
            rows += [
                (float(s), number, b) for s, b, c in zip(found["scores"], found["boxes"], found["labels"]) if c == label
            ]
            total += sum(1 for c, d in zip(true["labels"], true["difficult"]) if c == label and not d)
        if total == 0:
            continue
        rows.sort(key=lambda row: -row[0])
        taken, points, right, wrong = set(), [], 0, 0
        for _, number, box in rows:
            true, best, place = images[number][1], -1.0, None
            for j, other in enumerate(true["boxes"]):
                if true["labels"][j] != label:
                    continue
                grow = np.array([0, 0, 1, 1]) * inclusive
                shared = plain_coco.overlap(box + grow, other + grow, False)
                if shared > best:
                    best, place = shared, j
            if best >= threshold and true["difficult"][place]:
                pass
            elif best >= threshold and (number, place) not in taken:
                taken.add((number, place))
                right += 1
            else:
                wrong += 1
            points.append((right / total, right / (right + wrong) if right + wrong else 0.0))
        if style == "2007":
            results[label] = np.mean([max((p for r, p in points if r >= k / 10), default=0.0) for k in range(11)])
        else:
            area, before = 0.0, 0.0
            for i, (recall, _) in enumerate(points):
                area += (recall - before) * max(p for _, p in points[i:])
                before = recall
            results[label] = area
    return results


@pytest.mark.parametrize("style", ["2007", "2010"])
@pytest.mark.parametrize("inclusive", [True, False])
def test_voc_is_the_loops(rng, style, inclusive):
    images = [scene(rng) for _ in range(12)]
    for _, true in images:
        true["difficult"] = true.pop("iscrowd")
    expected = plain_voc(images, style, inclusive)
    found, true = ([tensors(image) for image in side] for side in zip(*images))
    result = metrics.voc_average_precision(found, true, style=style, inclusive=inclusive)
    assert result["classes"].tolist() == list(expected)
    np.testing.assert_allclose(result["ap_per_class"].numpy(), list(expected.values()), atol=1e-12)
    assert result["map"] == pytest.approx(np.mean(list(expected.values())))
    assert 0.05 < result["map"] < 0.95


def test_voc_by_hand():
    """Right, wrong, right of three targets: 1 up to recall 1/3, 2/3 up to 2/3, nothing above."""
    found = one([BOX, [200, 0, 240, 40], [50, 50, 90, 90]], scores=[0.9, 0.8, 0.7])
    true = one([BOX, [50, 50, 90, 90], [100, 100, 140, 140]])
    assert metrics.voc_average_precision([found], [true])["map"] == pytest.approx(1 / 3 + 1 / 3 * 2 / 3)
    by_points = (4 * 1 + 3 * 2 / 3) / 11  # recalls 0 to .3, and .4 to .6
    assert metrics.voc_average_precision([found], [true], style="2007")["map"] == pytest.approx(by_points)
    assert metrics.voc_average_precision([found], [one([])])["map"] == -1.0
