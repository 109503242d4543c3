"""The rendered digits: the same on every run, too hard for a linear model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import framework as F
from framework.data import DataLoader
from vision.datasets import RenderedDigits
from vision.transforms import ToTensor


def pixels(data) -> np.ndarray:
    return np.stack([np.asarray(data[i][0], np.float32).ravel() for i in range(len(data))]) / 255


def test_shape_and_balance():
    data = RenderedDigits(train=False)
    image, target = data[13]
    assert (image.mode, image.size, target, len(data), len(RenderedDigits())) == ("L", (28, 28), 3, 2000, 10_000)
    assert np.bincount(data.targets).tolist() == [200] * 10
    assert data.classes[7] == "7" and data.class_to_idx["7"] == 7
    with pytest.raises(IndexError):
        data[2000]
    for arguments in ({"size": 0}, {"seed": -1}):
        with pytest.raises(ValueError, match="RenderedDigits"):
            RenderedDigits(**arguments)


def test_every_picture_depends_on_its_number_alone():
    ahead = pixels(RenderedDigits(size=60))
    data = RenderedDigits(size=60)
    F.rand(7)  # other draws change nothing
    backward = {i: np.asarray(data[i][0]) for i in reversed(range(60))}
    with ThreadPoolExecutor(4) as pool:
        shared = RenderedDigits(size=60)
        threads = list(pool.map(lambda i: np.asarray(shared[i][0]), range(60)))
    for i in range(60):
        np.testing.assert_array_equal(backward[i], threads[i])
        np.testing.assert_array_equal(backward[i].ravel() / np.float32(255), ahead[i])
    assert np.array_equal(ahead[-1], np.asarray(data[-1][0], np.float32).ravel() / 255)


def test_parts_seeds_and_numbers_differ():
    pictures = [RenderedDigits(), RenderedDigits(train=False), RenderedDigits(seed=1), RenderedDigits(False, seed=1)]
    first = [np.asarray(data[0][0]).tobytes() for data in pictures] + [np.asarray(pictures[0][10][0]).tobytes()]
    assert len(set(first)) == 5


def test_a_picture_given_away_may_be_written_into():
    data = RenderedDigits(size=10)
    before = np.asarray(data[0][0]).copy()
    data[0][0].paste(255, (0, 0, 28, 28))
    np.testing.assert_array_equal(np.asarray(data[0][0]), before)


def test_loader_batches():
    data = RenderedDigits(size=20, transform=ToTensor(), target_transform=lambda t: t % 2)
    batch, targets = next(iter(DataLoader(data, 20, num_workers=2)))
    assert tuple(batch.shape) == (20, 1, 28, 28) and targets.tolist() == [0, 1] * 10


@pytest.mark.slow
def test_a_linear_model_stays_under_90_percent():
    train, test = RenderedDigits(), RenderedDigits(train=False)
    x, y = pixels(train), np.array(train.targets)
    mean, scale = x.mean(0), x.std(0) + 0.1
    x, held_out = (np.c_[(v - mean) / scale, np.ones(len(v))].astype(np.float32) for v in (x, pixels(test)))
    weights = np.zeros((x.shape[1], 10), np.float32)
    rng = np.random.default_rng(0)
    for epoch in range(25):  # softmax regression
        order = rng.permutation(len(x))
        for start in range(0, len(x), 250):
            chosen = order[start : start + 250]
            scores = x[chosen] @ weights
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(250), y[chosen]] -= 1
            weights -= np.float32(0.05 / (1 + epoch / 5)) * (x[chosen].T @ p / 250 + 1e-3 * weights)
    accuracy = float(((held_out @ weights).argmax(1) == np.array(test.targets)).mean())
    assert 0.7 < accuracy < 0.9
