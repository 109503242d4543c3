"""Metrics of classes, numbers and tokens, against scikit-learn and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError, BoundsError, ShapeError, StateError
from text import metrics

# scikit-learn's documentation: y_true = [0, 1, 2, 0, 1, 2], y_pred = [0, 2, 1, 0, 0, 1]
TRUE, PREDICTED = [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]


def filled(metric, *batches):
    for output, target in batches:
        metric.update(output, target)
    return metric


@pytest.mark.parametrize(
    ("average", "f1", "precision", "recall"),
    [
        ("macro", 0.26666667, 0.22222222, 0.33333333),
        ("micro", 1 / 3, 1 / 3, 1 / 3),
        ("weighted", 0.26666667, 0.22222222, 0.33333333),
    ],
)
def test_f1_of_the_published_example(average, f1, precision, recall):
    metric = filled(metrics.F1Score(3, average), (PREDICTED, TRUE))
    assert (metric.compute(), metric.precision(), metric.recall()) == pytest.approx((f1, precision, recall))


def test_matthews_of_the_published_example():
    # scikit-learn: matthews_corrcoef([+1, +1, +1, -1], [+1, -1, +1, +1]) = -0.33
    metric = filled(metrics.MatthewsCorrelation(), ([1, 0, 1, 1], [1, 1, 1, 0]))
    assert metric.compute() == pytest.approx(-1 / 3)
    assert filled(metrics.MatthewsCorrelation(), ([1, 1], [1, 0])).compute() == 0.0


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes_against_scikit_learn(rng, classes):
    sklearn = pytest.importorskip("sklearn.metrics")
    true = rng.integers(0, classes - (classes > 3), 101)  # the last class of seven is never true
    predicted = np.where(rng.random(101) < 0.5, true, rng.integers(0, max(classes - 2, 2), 101))
    for average in ("macro", "micro", "weighted", *(("binary",) if classes == 2 else ())):
        metric = filled(metrics.F1Score(classes, average), (predicted[:50], true[:50]), (predicted[50:], true[50:]))
        wanted = sklearn.precision_recall_fscore_support(true, predicted, average=average, zero_division=0)
        assert (metric.precision(), metric.recall(), metric.compute()) == pytest.approx(wanted[:3])
    matthews = filled(metrics.MatthewsCorrelation(classes), (predicted, true))
    assert matthews.compute() == pytest.approx(sklearn.matthews_corrcoef(true, predicted))
    assert filled(metrics.Accuracy(), (predicted, true)).compute() == pytest.approx(
        sklearn.accuracy_score(true, predicted)
    )


def test_scores_and_ignored_tokens(rng):
    scores = rng.normal(size=(3, 5, 4))
    target = rng.integers(0, 4, (3, 5))
    target[:, 3:] = -100
    best = scores.argmax(-1)
    metric = filled(metrics.Accuracy(), (framework.tensor(scores), framework.tensor(target)))
    assert metric.compute() == pytest.approx((best == target)[:, :3].mean()) and int(metric.total) == 9
    f1 = filled(metrics.F1Score(4, "micro"), (scores, target))
    assert f1.compute() == pytest.approx(metric.compute())
    with pytest.raises(ShapeError, match="do not fit"):
        metric.update([1, 2], [1])
    with pytest.raises(BoundsError, match=r"target class 4 is outside 0..3"):
        f1.update([1], [4])
    with pytest.raises(ArgumentError, match="average must be one of"):
        metrics.F1Score(average="mean")
    with pytest.raises(ArgumentError, match="call update"):
        metrics.Accuracy().compute()


def test_correlations(rng):
    # scipy's documentation: spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) = 0.82078268; pearsonr([1, 2, 3, 4, 5, 6, 7],
    # [10, 9, 2.5, 6, 4, 3, 2]) = -0.828503883588428
    assert filled(metrics.SpearmanCorrelation(), ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])).compute() == pytest.approx(
        0.820782681668
    )
    pearson = filled(metrics.PearsonCorrelation(), ([1, 2, 3], [10, 9, 2.5]), ([[4], [5], [6], [7]], [6, 4, 3, 2]))
    assert pearson.compute() == pytest.approx(-0.828503883588428)
    stats = pytest.importorskip("scipy.stats")
    a, b = rng.integers(0, 9, 50), rng.normal(size=50)
    assert filled(metrics.SpearmanCorrelation(), (a, b)).compute() == pytest.approx(stats.spearmanr(a, b)[0])
    assert math.isnan(filled(metrics.PearsonCorrelation(), ([1, 1], [1, 2])).compute())
    with pytest.raises(ArgumentError, match="at least two"):
        filled(metrics.PearsonCorrelation(), ([1], [1])).compute()


def test_perplexity(rng):
    scores = rng.normal(size=(2, 5, 7)).astype(np.float32)
    tokens = rng.integers(0, 7, (2, 5))
    tokens[1, 3:] = -100
    loss = framework.nn.functional.cross_entropy(
        framework.tensor(scores).reshape(-1, 7), framework.tensor(tokens).reshape(-1)
    )
    assert filled(metrics.Perplexity(), (scores, tokens)).compute() == pytest.approx(math.exp(loss.item()), rel=1e-6)
    shifted = filled(metrics.Perplexity(shift=True), (scores, tokens))
    plain = filled(metrics.Perplexity(), (scores[:, :-1], tokens[:, 1:]))
    assert shifted.compute() == plain.compute()
    assert filled(metrics.Perplexity(), (np.zeros((4, 30)), [1, 2, 3, 4])).compute() == pytest.approx(
        30
    )  # a uniform guess
    metric = metrics.Perplexity()
    metric.add_loss(math.log(8) * 3, 3)
    assert metric.compute() == pytest.approx(8)
    with pytest.raises(BoundsError):
        metric.update(np.zeros((1, 3)), [3])


METRICS = [
    (metrics.Accuracy, (PREDICTED, TRUE)),
    (lambda: metrics.F1Score(3), (PREDICTED, TRUE)),
    (lambda: metrics.MatthewsCorrelation(3), (PREDICTED, TRUE)),
    (metrics.PearsonCorrelation, (PREDICTED, TRUE)),
    (metrics.SpearmanCorrelation, (PREDICTED, TRUE)),
    (metrics.EntityF1, ([["B-A", "I-A", "O"], ["B-B", "O", "B-A"]], [["B-A", "I-A", "O"], ["O", "B-B", "B-A"]])),
    (metrics.SQuADScore, (["a cat", "dog"], [["cat"], ["the big dog"]])),
    (metrics.BLEU, (["the cat sat on the mat .", "yes it is so"], ["the cat sat on a mat .", "yes it was so indeed"])),
    (metrics.ChrF, (["the cat sat", "yes"], ["the cat sits", "yet"])),
    (metrics.ROUGE, (["the cat sat", "yes"], ["the cat sits", "yes yes"])),
    (metrics.WordErrorRate, (["the cat sat", "yes"], ["the cat sits", "yes yes"])),
    (metrics.CharErrorRate, (["the cat sat", "yes"], ["the cat sits", "yes yes"])),
    (metrics.Perplexity, ([[1.0, 2.0], [0.5, 0.1]], [0, 1])),
]  # fmt: skip


@pytest.mark.parametrize(("make", "batch"), METRICS, ids=[type(make()).__name__ for make, _ in METRICS])
def test_merging_and_state(make, batch):
    """Two halves merged, and a state taken and given back, are the whole."""
    output, target = batch
    whole = filled(make(), batch)
    half = len(target) // 2
    first, second = filled(make(), (output[:half], target[:half])), filled(make(), (output[half:], target[half:]))
    first.merge(second)
    assert first.compute() == pytest.approx(whole.compute(), nan_ok=True)
    again = make()
    again.load_state_dict(whole.state_dict())
    assert again.compute() == pytest.approx(whole.compute())
    again.update(output, target)
    assert again.compute() == pytest.approx(whole.compute())  # twice the same
    whole.reset()
    whole.update(output, target)
    assert whole.compute() == pytest.approx(again.compute())
    with pytest.raises(StateError):
        again.load_state_dict({"other": framework.zeros(1)})
