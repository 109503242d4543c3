"""Entities of tagged sentences, against seqeval and the examples that it publishes."""

from __future__ import annotations

import numpy as np
import pytest

import framework
from framework.errors import ArgumentError
from text.metrics import EntityF1, get_entities

ENTITIES = [  # tags, scheme, entities
    ("B-PER I-PER O B-LOC", None, [("PER", 0, 2), ("LOC", 3, 4)]),
    ("I-PER I-PER O I-LOC I-PER", None, [("PER", 0, 2), ("LOC", 3, 4), ("PER", 4, 5)]),
    ("B-A B-A E-A S-A S-B", None, [("A", 0, 1), ("A", 1, 3), ("A", 3, 4), ("B", 4, 5)]),
    ("B O I", None, [("_", 0, 1), ("_", 2, 3)]),
    ("I-A I-A B-A I-B O", "IOB1", [("A", 0, 2), ("A", 2, 3), ("B", 3, 4)]),
    ("O I-A B-A I-A I-B", "IOB2", [("A", 2, 4)]),
    ("I-A E-A E-A I-B O", "IOE2", [("A", 0, 2), ("A", 2, 3)]),
    ("B-A I-A E-A S-B B-C O", "IOBES", [("A", 0, 3), ("B", 3, 4)]),
    ("B-A L-A U-B I-B", "BILOU", [("A", 0, 2), ("B", 2, 3)]),
    ("", "IOB2", []),
    ("O O", None, []),
]


@pytest.mark.parametrize(("tags", "scheme", "wanted"), ENTITIES)
def test_entities(tags, scheme, wanted):
    assert get_entities(tags.split(), scheme) == wanted


def test_published_example():
    # seqeval's README: f1_score 0.50, and by type MISC 0 of 1 and PER 1 of 1
    true = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    metric = EntityF1()
    metric.update(predicted, true)
    assert metric.compute() == 0.5
    assert metric.by_type() == {
        "MISC": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
        "PER": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
    }


LETTERS = {
    None: "IOBES",
    "IOB1": "IOB",
    "IOB2": "IOB",
    "IOE1": "IOE",
    "IOE2": "IOE",
    "IOBES": "IOBES",
    "BILOU": "BILOU",
}


@pytest.mark.parametrize("scheme", LETTERS)
def test_against_seqeval(rng, scheme):
    seqeval = pytest.importorskip("seqeval.metrics")
    import seqeval.scheme as schemes

    def sentence(length):
        letters = rng.choice(list(LETTERS[scheme]), length)
        return [letter if letter == "O" else f"{letter}-{rng.choice(['PER', 'LOC'])}" for letter in letters]

    lengths = rng.integers(1, 9, 300)
    true = [sentence(n) for n in lengths]
    predicted = [[t if rng.random() < 0.7 else s for t, s in zip(line, sentence(len(line)))] for line in true]
    given = {} if scheme is None else {"mode": "strict", "scheme": getattr(schemes, scheme)}
    for average in ("micro", "macro", "weighted"):
        metric = EntityF1(scheme=scheme, average=average)
        metric.update(predicted, true)
        wanted = (
            seqeval.precision_score(true, predicted, average=average, zero_division=0, **given),
            seqeval.recall_score(true, predicted, average=average, zero_division=0, **given),
            seqeval.f1_score(true, predicted, average=average, zero_division=0, **given),
        )
        assert (metric.precision(), metric.recall(), metric.compute()) == pytest.approx(wanted)


def test_numbers_and_ignored_tokens():
    names = ["O", "B-PER", "I-PER"]
    target = np.array([[-100, 1, -100, 2, 0, -100]])
    scores = np.eye(3)[[[0, 1, 0, 2, 0, 2]]]
    metric = EntityF1(names)
    metric.update(framework.tensor(scores), framework.tensor(target))
    assert metric.compute() == 1.0 and metric.by_type()["PER"]["support"] == 1
    with pytest.raises(ArgumentError, match=r"B-X is no tag of IOE2"):
        get_entities(["B-X"], "IOE2")
    with pytest.raises(ArgumentError, match="scheme must be one of"):
        get_entities([], "IOB")
    with pytest.raises(ArgumentError, match="sentence 0 has 1 words, and 2"):
        EntityF1().update([["O", "O"]], [["O"]])
    assert EntityF1().compute() == 0.0
