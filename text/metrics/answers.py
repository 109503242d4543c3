"""Answers to questions, held against those that people gave.

Reference: Rajpurkar et al., "SQuAD", https://arxiv.org/abs/1606.05250; the scores are those of the official script.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.utils.metric import Metric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(answer: str) -> str:
    """An answer in lower case, without punctuation, articles and superfluous blanks."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact_match(answer: str, truth: str) -> float:
    """1 if the answers are the same once normalized, else 0."""
    return float(normalize_answer(answer) == normalize_answer(truth))


def answer_f1(answer: str, truth: str) -> float:
    """The F1 of the words that two answers have in common, 0..1. Of no answer it is 1 to no answer, and 0 to any."""
    words, true_words = normalize_answer(answer).split(), normalize_answer(truth).split()
    if not words or not true_words:
        return float(words == true_words)
    common = sum((Counter(words) & Counter(true_words)).values())
    return 2 * common / (len(words) + len(true_words))


class SQuADScore(Metric):
    """Exact match and F1 of answers, in per cent: of several true answers the one that fits best counts.

    A question without an answer has the true answers ``[]`` or ``[""]``, and is answered by "".
    """

    _state = ("exact", "f1", "total")

    def reset(self) -> None:
        """Forget all answers."""
        self.exact = np.zeros(())
        self.f1 = np.zeros(())
        self.total = np.zeros((), np.int64)

    def update(self, output: Sequence[str], target: Sequence[Sequence[str]]) -> None:
        """Add answers, and the true answers to each question."""
        if len(output) != len(target):
            raise ArgumentError(f"SQuADScore: {len(output)} answers do not fit {len(target)} questions")
        for answer, truths in zip(output, target, strict=True):
            if isinstance(truths, str):
                raise ArgumentError(f"SQuADScore: expected a list of true answers for each question, got {truths!r}")
            # as in the official script, what is nothing once normalized is no answer, if there is another
            truths = [truth for truth in truths if normalize_answer(truth)] or [""]
            self.exact = self.exact + max(exact_match(answer, truth) for truth in truths)
            self.f1 = self.f1 + max(answer_f1(answer, truth) for truth in truths)
        self.total = self.total + len(output)

    def compute(self) -> dict[str, Any]:
        """The means: ``{"exact_match": ..., "f1": ...}``, 0..100."""
        if not self.total:
            raise ArgumentError("SQuADScore: no answer was counted; call update before compute")
        return {
            "exact_match": float(100 * self.exact / self.total),
            "f1": float(100 * self.f1 / self.total),
        }
