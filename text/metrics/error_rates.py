"""Error rates of transcripts: edits a word or a character."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from framework.errors import ArgumentError
from framework.utils.metric import Metric
from text.metrics.edits import edit_distance


class WordErrorRate(Metric):
    """Words put in, taken out or replaced, for each word that there should be: 0 is best, more than 1 is possible.

    Example:
        >>> metric = WordErrorRate()
        >>> metric.update(["the cat sat on mat"], ["the cat sat on the mat"])
        >>> round(metric.compute(), 4)
        0.1667
    """

    _state = ("edits", "total")

    def reset(self) -> None:
        """Forget all transcripts."""
        self.edits = np.zeros((), np.int64)
        self.total = np.zeros((), np.int64)

    def update(self, output: Sequence[str], target: Sequence[str]) -> None:
        """Add transcripts, and what they should be."""
        if len(output) != len(target):
            raise ArgumentError(f"{type(self).__name__}: {len(output)} transcripts do not fit {len(target)} references")
        for text, reference in zip(output, target, strict=True):
            parts = self._parts(reference)
            self.edits = self.edits + edit_distance(self._parts(text), parts)
            self.total = self.total + len(parts)

    def _parts(self, text: str) -> Sequence[str]:
        return text.split()

    def compute(self) -> float:
        """The rate."""
        if not self.total:
            raise ArgumentError(
                f"{type(self).__name__}: no words to be transcribed were added; call update before compute"
            )
        return float(self.edits / self.total)


class CharErrorRate(WordErrorRate):
    """As ``WordErrorRate``, of characters; blanks count."""

    def _parts(self, text: str) -> Sequence[str]:
        return text.strip()
