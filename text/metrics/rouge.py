"""ROUGE: how far a summary has the words of the reference.

Reference: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, https://aclanthology.org/W04-1013. The
scores are those of the package rouge-score.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framework.errors import ArgumentError
from framework.utils.metric import Metric
from text.metrics.bleu import ngrams
from text.metrics.edits import longest_common
from text.metrics.porter import stem

_OTHER = re.compile("[^a-z0-9]+")
_KIND = re.compile("rouge([1-9]|L|Lsum)")


class ROUGE(Metric):
    """Recall, precision and F1 of n-grams, and of the longest common subsequence, 0..1: the means over the summaries.

    Words are runs of English letters and digits, in lower case. Of several references the one with the best F1 counts.

    Args:
        kinds: "rouge1", "rouge2" and so on, by the words in an n-gram; "rougeL" for the subsequence; and "rougeLsum" for
            the subsequences that each sentence of the reference has with those of the summary, together. Sentences end
            with a line.
        use_stemmer: whether words count as the same that have the same stem, such as "walked" and "walking"; words of
            three letters and less stay as they are.

    Example:
        >>> metric = ROUGE()
        >>> metric.update(["the cat sat"], ["the cat sat on the mat"])
        >>> metric.compute()["rouge1"]
        0.6666666666666666
    """

    _settings = ("kinds", "use_stemmer")
    _state = ("sums", "total")

    def __init__(self, kinds: Sequence[str] = ("rouge1", "rouge2", "rougeL"), use_stemmer: bool = False) -> None:
        for kind in kinds:
            if not _KIND.fullmatch(kind):
                raise ArgumentError(f"ROUGE: expected kinds such as rouge1, rouge2 and rougeL, got {kind!r}")
        self.kinds = tuple(kinds)
        self.use_stemmer = use_stemmer
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
            summary = self._read(text)
            those = [self._read(one) for one in ([references] if isinstance(references, str) else references)]
            for row, kind in enumerate(self.kinds):
                scores = [_scores(kind, summary, reference) for reference in those]
                self.sums[row] += max(scores, key=lambda score: score[2])
        self.total = self.total + len(output)

    def _read(self, text: str) -> _Text:
        if "rougeLsum" not in self.kinds:
            return _Text([self._words(text)])
        return _Text([self._words(line) for line in text.split("\n")])

    def _words(self, text: str) -> list[str]:
        words = _OTHER.sub(" ", text.lower()).split()
        return [stem(word) if len(word) > 3 else word for word in words] if self.use_stemmer else words

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


@dataclass
class _Text:
    """The words of each sentence of a text."""

    sentences: list[list[str]]

    def __post_init__(self) -> None:
        self.words = [word for sentence in self.sentences for word in sentence]


def _scores(kind: str, summary: _Text, reference: _Text) -> tuple[float, float, float]:
    """Precision, recall and F1 of a summary."""
    if kind == "rougeLsum":
        found, there, matched = len(summary.words), len(reference.words), _union(summary, reference)
    elif kind == "rougeL":
        found, there = len(summary.words), len(reference.words)
        matched = longest_common(summary.words, reference.words)
    else:
        order = int(kind[5:])
        ours, theirs = ngrams(summary.words, order), ngrams(reference.words, order)
        found, there, matched = sum(ours.values()), sum(theirs.values()), sum((ours & theirs).values())
    precision, recall = matched / max(found, 1), matched / max(there, 1)
    return precision, recall, 2 * precision * recall / (precision + recall) if matched else 0.0


def _union(summary: _Text, reference: _Text) -> int:
    """How many words of the reference's sentences are in a subsequence that is common with one of the summary's.

    No word counts more often than the summary has it.
    """
    left = Counter(summary.words)
    count = 0
    for sentence in reference.sentences:
        places = {place for other in summary.sentences for place in common_places(sentence, other)}
        for place in sorted(places):
            if left[sentence[place]]:
                left[sentence[place]] -= 1
                count += 1
    return count


def common_places(words: Sequence[str], other: Sequence[str]) -> list[int]:
    """Where in ``words`` a longest subsequence stands that ``other`` has too, from the last on.

    Of several it is the one that rouge-score finds.
    """
    if not words or not other:
        return []
    numbers: dict[str, int] = {}
    a, b = (np.array([numbers.setdefault(word, len(numbers)) for word in line]) for line in (words, other))
    lengths = np.zeros((len(a) + 1, len(b) + 1), np.int64)  # of the first i and the first j words
    for row, word in enumerate(a):
        before = lengths[row]
        lengths[row + 1, 1:] = np.maximum.accumulate(np.where(b == word, before[:-1] + 1, before[1:]))
    i, j, found = len(a), len(b), []
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            found.append(i)
        elif lengths[i, j - 1] > lengths[i - 1, j]:
            j -= 1
        else:
            i -= 1
    return found
