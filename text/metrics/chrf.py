"""chrF: how far the characters of a translation, taken a few at a time, are those of the reference.

Reference: Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015,
https://aclanthology.org/W15-3049, and "chrF++: words helping character n-grams", 2017,
https://aclanthology.org/W17-4770; the scores are sacrebleu's.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.utils.metric import Metric

Array = np.ndarray[Any, Any]


class ChrF(Metric):
    """The F-score of n-grams of characters, and of words if wanted, 0..100; of several references the best counts.

    Args:
        char_order: characters in the longest n-grams.
        word_order: words in the longest n-grams: 0 for chrF, 2 for chrF++.
        beta: how much more recall counts than precision.
        lowercase: take capitals for small letters.
        whitespace: let blanks count as characters.
    """

    _settings = ("char_order", "word_order", "beta", "lowercase", "whitespace")
    _state = ("counts",)

    def __init__(
        self,
        char_order: int = 6,
        word_order: int = 0,
        beta: float = 2,
        lowercase: bool = False,
        whitespace: bool = False,
    ) -> None:
        if char_order < 1 or word_order < 0 or beta <= 0:
            raise ArgumentError(
                f"ChrF: expected char_order and beta above 0 and word_order not below, got {char_order}, {beta}, {word_order}"
            )
        self.char_order = char_order
        self.word_order = word_order
        self.beta = beta
        self.lowercase = lowercase
        self.whitespace = whitespace
        super().__init__()

    def reset(self) -> None:
        """Forget all translations."""
        self.counts = np.zeros((self.char_order + self.word_order, 3), np.int64)  # found, there, matched

    def update(self, output: Sequence[str], target: Sequence[str | Sequence[str]]) -> None:
        """Add translations, and the reference or the references of each."""
        if len(output) != len(target):
            raise ArgumentError(f"ChrF: {len(output)} translations do not fit {len(target)} references")
        for text, references in zip(output, target, strict=True):
            found = self._ngrams(text)
            those = [references] if isinstance(references, str) else references
            counts = [_matches(found, self._ngrams(reference)) for reference in those]
            self.counts = self.counts + max(counts, key=self._score)

    def _ngrams(self, text: str) -> list[Counter[Any]]:
        text = text.lower() if self.lowercase else text
        characters = text if self.whitespace else "".join(text.split())
        counts: list[Counter[Any]] = [
            Counter(characters[place : place + order] for place in range(len(characters) - order + 1))
            for order in range(1, self.char_order + 1)
        ]
        words = [part for word in text.split() for part in _parts(word)] if self.word_order else []
        return counts + [
            Counter(zip(*(words[start:] for start in range(order)), strict=False))
            for order in range(1, self.word_order + 1)
        ]

    def _score(self, counts: Array) -> float:
        found, there, matched = counts.T
        used = (found > 0) & (there > 0)
        if not used.any():
            return 0.0
        precision, recall = (matched[used] / found[used]).mean(), (matched[used] / there[used]).mean()
        weight = self.beta**2
        return (
            float(100 * (1 + weight) * precision * recall / (weight * precision + recall))
            if precision + recall
            else 0.0
        )

    def compute(self) -> float:
        """The score, 0..100."""
        return self._score(self.counts)


def _matches(found: list[Counter[Any]], there: list[Counter[Any]]) -> Array:
    """For each order, how many n-grams the translation has (if the reference has any), the reference has, and both have."""
    return np.array(
        [
            (sum(a.values()) if b else 0, sum(b.values()), sum(min(n, b[gram]) for gram, n in a.items() if gram in b))
            for a, b in zip(found, there, strict=True)
        ]
    )


def _parts(word: str) -> list[str]:
    """A word without the sign of punctuation at its end, or else at its start, and that sign."""
    if len(word) > 1 and word[-1] in string.punctuation:
        return [word[:-1], word[-1]]
    if len(word) > 1 and word[0] in string.punctuation:
        return [word[0], word[1:]]
    return [word]
