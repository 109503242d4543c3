"""ROUGE: how far a summary has the words of the reference.

Reference: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, https://aclanthology.org/W04-1013. The
scores are those of the package rouge-score without its stemmer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from framework.errors import ArgumentError
from framework.utils.metric import Metric
from text.metrics.bleu import ngrams
from text.metrics.edits import longest_common

_OTHER = re.compile("[^a-z0-9]+")
_KIND = re.compile("rouge([1-9]|L)")


class ROUGE(Metric):
    """Recall, precision and F1 of n-grams, and of the longest common subsequence, 0..1: the means over the summaries.

    Words are runs of English letters and digits, in lower case. Of several references the one with the best F1 counts.

    Args:
        kinds: "rouge1", "rouge2" and so on, by the words in an n-gram, and "rougeL" for the subsequence.

    Example:
        >>> metric = ROUGE()
        >>> metric.update(["the cat sat"], ["the cat sat on the mat"])
        >>> metric.compute()["rouge1"]
        0.6666666666666666
    """

    _settings = ("kinds",)
    _state = ("sums", "total")

    def __init__(self, kinds: Sequence[str] = ("rouge1", "rouge2", "rougeL")) -> None:
        for kind in kinds:
            if not _KIND.fullmatch(kind):
                raise ArgumentError(f"ROUGE: expected kinds such as rouge1, rouge2 and rougeL, got {kind!r}")
        self.kinds = tuple(kinds)
        super().__init__()

    def reset(self) -> None:
        """Forget all summaries."""
        self.sums = np.zeros((len(self.kinds), 3))  # precision, recall, F1
        self.total = np.zeros((), np.int64)

    def update(self, output: Sequence[str], target: Sequence[str | Sequence[str]]) -> None:
        """Add summaries, and the reference or the references of each."""
        if len(output) != len(target):
            raise ArgumentError(f"ROUGE: {len(output)} summaries do not fit {len(target)} references")
        for text, references in zip(output, target, strict=True):
            words = _words(text)
            those = [_words(one) for one in ([references] if isinstance(references, str) else references)]
            for row, kind in enumerate(self.kinds):
                scores = [_scores(kind, words, reference) for reference in those]
                self.sums[row] += max(scores, key=lambda score: score[2])
        self.total = self.total + len(output)

    def compute(self) -> dict[str, float]:
        """The mean F1 by kind."""
        return dict(zip(self.kinds, self._means()[:, 2].tolist(), strict=True))

    def details(self) -> dict[str, dict[str, float]]:
        """The mean precision, recall and f1 by kind."""
        names = ("precision", "recall", "f1")
        return {
            kind: dict(zip(names, row, strict=True))
            for kind, row in zip(self.kinds, self._means().tolist(), strict=True)
        }

    def _means(self) -> np.ndarray:
        if not self.total:
            raise ArgumentError("ROUGE: no summary was added; call update before compute")
        return self.sums / self.total


def _words(text: str) -> list[str]:
    return _OTHER.sub(" ", text.lower()).split()


def _scores(kind: str, words: list[str], reference: list[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of a summary."""
    if kind == "rougeL":
        found, there, matched = len(words), len(reference), longest_common(words, reference)
    else:
        ours, theirs = ngrams(words, int(kind[5:])), ngrams(reference, int(kind[5:]))
        found, there, matched = sum(ours.values()), sum(theirs.values()), sum((ours & theirs).values())
    precision, recall = matched / max(found, 1), matched / max(there, 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if matched else 0.0
