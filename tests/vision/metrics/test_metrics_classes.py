"""Top-k accuracy, the confusion matrix and mean IoU, against loops and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework as F
from vision import metrics


def plain_topk(scores, target, k) -> float:
    """Sorted one by one, equal scores by class number."""
    right = 0
    for row, own in zip(scores, target):
        best = sorted(range(len(row)), key=lambda c: (-row[c], c))[:k]
        right += own in best
    return right / len(scores)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("form", ["tensor", "array", "float64", "bfloat16", "probabilities"])
def test_accuracy_is_sorting(rng, ties, form):
    scores = rng.standard_normal((57, 11)).astype(np.float32)
    scores = np.round(scores) if ties else scores
    target = rng.integers(0, 11, 57)
    given, classes = F.from_numpy(scores.copy()).requires_grad_(), F.from_numpy(target.copy())
    if form == "array":
        given, classes = scores, target
    elif form in ("float64", "bfloat16"):
        given = given.to(getattr(F, form))
        scores = given.detach().float().numpy()
    elif form == "probabilities":
        classes = F.nn.functional.one_hot(classes, 11) * 0.9 + 0.1 / 11
    found = metrics.accuracy(given, classes, topk=(1, 3, 5, 11))
    assert found == [plain_topk(scores, target, k) for k in (1, 3, 5, 11)]
    assert found[-1] == 1.0 and found[0] < found[1]
    metric = metrics.TopKAccuracy(k=3)
    for part in range(0, 57, 10):
        metric.update(given[part : part + 10], classes[part : part + 10])
    assert metric.compute() == pytest.approx(found[1])


def test_accuracy_of_odd_scores():
    scores = F.tensor([[float("nan"), 1.0, 2.0], [float("nan"), 1.0, 2.0], [-math.inf, -math.inf, -math.inf]])
    assert metrics.accuracy(scores, F.tensor([0, 2, 0]), (1, 2)) == [1 / 3, 2 / 3]
    assert metrics.accuracy(F.tensor([[0, 0, 0]]), F.tensor([1]), (1, 2)) == [0.0, 1.0]
    assert metrics.accuracy(F.full((4, 2), float("nan")), F.tensor([0, 1, 0, 1])) == [0.0]


def test_accuracy_is_the_peers():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    scores, target = rng.standard_normal((200, 30)), rng.integers(0, 30, 200)
    best = torch.from_numpy(scores).topk(5, 1).indices
    expected = [(best[:, :k] == torch.from_numpy(target)[:, None]).any(1).double().mean().item() for k in (1, 5)]
    assert metrics.accuracy(scores, target, (1, 5)) == expected


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
@pytest.mark.parametrize("ignore", [None, 2])
def test_confusion_is_counting(rng, normalize, ignore):
    predicted, target = rng.integers(0, 5, (6, 17)), rng.integers(0, 5, (6, 17))
    predicted[predicted == 3] = 1  # a class that is never predicted
    expected = np.zeros((5, 5))
    for p, t in zip(predicted.ravel(), target.ravel()):
        expected[t, p] += t != ignore
    metric = metrics.ConfusionMatrix(5, normalize, ignore)
    for part in (slice(0, 2), slice(2, 6)):
        metric.update(F.from_numpy(predicted[part].copy()), F.from_numpy(target[part].copy()))
    right, rows, columns = np.diagonal(expected), expected.sum(1), expected.sum(0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(metric.precision().numpy(), right / columns)
        np.testing.assert_allclose(metric.recall().numpy(), right / rows)
        np.testing.assert_allclose(metric.f1().numpy(), 2 * right / (rows + columns))
        np.testing.assert_allclose(metric.iou().numpy(), right / (rows + columns - right))
        whole = {None: np.array(1), "true": rows[:, None], "pred": columns[None], "all": expected.sum()}[normalize]
        np.testing.assert_allclose(metric.compute().numpy(), expected / whole)
    assert metric.accuracy() == pytest.approx(right.sum() / expected.sum())
    assert (metric.compute().dtype is F.int64) == (normalize is None)
    plain = metrics.confusion_matrix(predicted, target, 5, ignore)
    np.testing.assert_array_equal(plain.numpy(), expected)


def test_scores_are_predictions(rng):
    scores, target = rng.standard_normal((3, 4, 5, 6)).astype(np.float32), rng.integers(0, 4, (3, 5, 6))
    by_scores = metrics.confusion_matrix(F.from_numpy(scores), F.from_numpy(target), 4)
    assert F.equal(by_scores, metrics.confusion_matrix(scores.argmax(1), target.astype(np.uint8), 4))
    assert int(by_scores.sum()) == target.size


def test_table():
    metric = metrics.ConfusionMatrix(3)
    metric.update(F.tensor([0, 0, 1, 0]), F.tensor([0, 0, 0, 1]))
    lines = metric.table(["ant", "a longer name", "bee"]).splitlines()
    assert lines[0].split() == ["class", "precision", "recall", "F1", "IoU", "samples"]
    assert lines[1].split() == ["ant", "66.67", "66.67", "66.67", "50.00", "3"]
    assert lines[2].split() == ["a", "longer", "name", "0.00", "0.00", "0.00", "0.00", "1"]
    assert lines[3].split() == ["bee", "-", "-", "-", "-", "0"]
    assert lines[4].split() == ["mean", "33.33", "33.33", "33.33", "25.00", "4"]
    assert lines[5] == "accuracy 50.00 %"
    assert len({len(line) for line in lines[:5]}) == 1
    assert metric.table().splitlines()[2].split()[0] == "1"


def test_mean_iou_is_counting(rng):
    predicted, target = rng.integers(0, 4, (5, 17, 11)), rng.integers(0, 4, (5, 17, 11))
    target[rng.random(target.shape) < 0.1] = 255
    kept = target != 255
    shares = []
    for label in range(4):
        mine, true = (predicted == label) & kept, target == label
        shares.append((mine & true).sum() / (mine | true).sum())
    metric = metrics.MeanIoU(6, ignore_index=255)  # classes 4 and 5 do not occur
    for p, t in zip(predicted, target):
        metric.update(F.from_numpy(p[None].copy()), F.from_numpy(t[None].copy()))
    np.testing.assert_allclose(metric.per_class().numpy(), [*shares, np.nan, np.nan])
    assert metric.compute() == pytest.approx(np.mean(shares))
    assert metric.pixel_accuracy() == pytest.approx((predicted == target)[kept].mean())
    assert metrics.mean_iou(predicted, target, 6, 255) == metric.compute()


def test_parts_merge_into_the_whole(rng):
    scores, target = rng.standard_normal((40, 6)), rng.integers(0, 6, 40)
    for make in (
        lambda: metrics.TopKAccuracy(2),
        lambda: metrics.ConfusionMatrix(6, "true"),
        lambda: metrics.MeanIoU(6),
    ):
        whole, first, second = make(), make(), make()
        whole.update(scores, target)
        first.update(scores[:13], target[:13])
        second.update(scores[13:], target[13:])
        before = second.state_dict()
        first.merge(second)
        restored = make()
        restored.load_state_dict(first.state_dict())
        for metric in (first, restored):
            np.testing.assert_array_equal(F.tensor(metric.compute()).numpy(), F.tensor(whole.compute()).numpy())
        assert all(F.equal(before[name], value) for name, value in second.state_dict().items())
        whole.reset()
        assert not any(value.any() for value in whole.state_dict().values())
    with pytest.raises(ValueError, match="k differs, 1 here and 2 there"):
        metrics.TopKAccuracy(1).merge(metrics.TopKAccuracy(2))
    with pytest.raises(RuntimeError, match="counts has shape"):
        metrics.MeanIoU(3).load_state_dict(metrics.MeanIoU(4).state_dict())
    assert repr(metrics.MeanIoU(3, 255)) == "MeanIoU(num_classes=3, ignore_index=255)"


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: metrics.accuracy(F.zeros(2, 3), F.zeros(2, dtype=F.int64), (4,)), ValueError, r"k must be 1\.\.3"),
        (lambda: metrics.accuracy(F.zeros(2, 3), F.zeros(2, dtype=F.int64), (0,)), ValueError, r"k must be 1\.\.3"),
        (lambda: metrics.accuracy(F.zeros(2, 3), F.zeros(3, dtype=F.int64)), ValueError, "expected 2 classes"),
        (lambda: metrics.accuracy(F.zeros(2, 3), F.tensor([0, 3])), IndexError, r"0\.\.2"),
        (lambda: metrics.accuracy(F.zeros(2, 3), F.tensor([0, -1])), IndexError, r"0\.\.2"),
        (lambda: metrics.accuracy(F.zeros(2, 3), F.tensor([0.0, 1.5])), TypeError, "integers"),
        (lambda: metrics.accuracy(F.zeros(3), F.zeros(3, dtype=F.int64)), ValueError, r"\(N, C\)"),
        (lambda: metrics.accuracy(F.zeros(0, 3), F.zeros(0, dtype=F.int64)), ValueError, "no sample"),
        (lambda: metrics.TopKAccuracy(0), ValueError, "positive"),
        (lambda: metrics.TopKAccuracy(3).compute(), ValueError, "call update"),
        (lambda: metrics.ConfusionMatrix(0), ValueError, "positive"),
        (lambda: metrics.ConfusionMatrix(3, "rows"), ValueError, "'true', 'pred', 'all' or None"),
        (lambda: metrics.ConfusionMatrix(3).table(["a"]), ValueError, "expected 3 class names"),
        (lambda: metrics.MeanIoU(3).compute(), ValueError, "call update"),
        (lambda: metrics.confusion_matrix(F.tensor([3]), F.tensor([0]), 3), IndexError, "predicted class 3"),
        (lambda: metrics.confusion_matrix(F.tensor([0]), F.tensor([-1]), 3), IndexError, "target class -1"),
        (lambda: metrics.confusion_matrix(F.zeros(2, 4), F.tensor([0, 1]), 3), ValueError, "scores of 3 classes"),
        (lambda: metrics.confusion_matrix(F.tensor([0, 1]), F.tensor([0]), 3), ValueError, "do not fit"),
        (lambda: metrics.confusion_matrix(F.tensor([0.5]), F.tensor([0]), 3), TypeError, "integers"),
        (lambda: metrics.confusion_matrix(F.tensor([0]), F.tensor([0.0]), 3), TypeError, "integers"),
    ],
)
def test_wrong_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()
