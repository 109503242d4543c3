"""BLEU: how many of a translation's words, pairs, triples and quadruples are in the references.

Reference: Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002,
https://aclanthology.org/P02-1040; Post, "A Call for Clarity in Reporting BLEU Scores",
https://arxiv.org/abs/1804.08771, whose sacrebleu gives the same scores.
"""

from __future__ import annotations

import functools
import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.utils.metric import Metric

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_SPLITS = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),  # ASCII punctuation but - , . and the apostrophe
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_SMOOTHING = {"none": 0.0, "exp": 0.0, "floor": 0.1, "add-k": 1.0}


def tokenize_13a(text: str) -> list[str]:
    """The tokens of a text in a European language, as the script mteval-v13a of the WMT workshops has them."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
    return [token for word in text.split() for token in _tokens_of(word)]


@functools.lru_cache(1 << 15)
def _tokens_of(word: str) -> list[str]:
    """The tokens of what stands between blanks; no rule looks past those, and words come again and again."""
    word = f" {word} "
    for pattern, replacement in _SPLITS:
        word = pattern.sub(replacement, word)
    return word.split()


@functools.cache
def _international() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What ``tokenize_intl`` does one after the other. Which characters are what is asked of Unicode once."""
    kinds: dict[str, list[list[int]]] = {"N": [], "P": [], "S": []}  # numbers, punctuation, symbols: first and last
    for number in range(sys.maxunicode + 1):
        ranges = kinds.get(unicodedata.category(chr(number))[0])
        if ranges is None:
            continue
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    n, p, s = ("".join(rf"\U{a:08x}-\U{b:08x}" for a, b in kinds[kind]) for kind in "NPS")
    return (
        (re.compile(f"([^{n}])([{p}])"), r"\1 \2 "),
        (re.compile(f"([{p}])([^{n}])"), r" \1 \2"),
        (re.compile(f"([{s}])"), r" \1 "),
    )


def tokenize_intl(text: str) -> list[str]:
    """The tokens of a text in any language that has blanks, as the script mteval-v14 of the WMT workshops has them.

    Punctuation, of which that between digits stays, and symbols stand alone.
    """
    for pattern, replacement in _international():
        text = pattern.sub(replacement, text)
    return text.split()


_TOKENIZERS: dict[str, Callable[[str], list[str]]] = {
    "13a": tokenize_13a,
    "intl": tokenize_intl,
    "none": str.split,
    "char": lambda text: [character for character in text if not character.isspace()],
}


class BLEU(Metric):
    """BLEU of a corpus, 0..100: the geometric mean of the shares of n-grams that are right, made less for brevity.

    Args:
        max_order: words in the longest n-grams.
        tokenize: "13a", "intl", "none" (words between blanks) or "char".
        lowercase: take capitals for small letters.
        smooth: what is done about orders without a match: "exp" halves, for each of them once more, what one match would
            give; "floor" puts ``smooth_value`` (0.1) for no match; "add-k" adds ``smooth_value`` (1) to matches and n-grams
            of two words and more; "none" lets the score be 0.
        smooth_value: as said; the value in brackets unless given.
        effective_order: take the mean over the orders of which there are n-grams, as for single sentences.

    Example:
        >>> metric = BLEU()
        >>> metric.update(["The dog bit the man."], [["The dog bit the man.", "The dog had bit the man."]])
        >>> metric.compute()
        100.0
    """

    _settings = ("max_order", "tokenize", "lowercase")
    _state = ("correct", "possible", "length", "reference_length")

    def __init__(
        self,
        max_order: int = 4,
        tokenize: str = "13a",
        lowercase: bool = False,
        smooth: str = "exp",
        smooth_value: float | None = None,
        effective_order: bool = False,
    ) -> None:
        if tokenize not in _TOKENIZERS or smooth not in _SMOOTHING or max_order < 1:
            raise ArgumentError(
                f"BLEU: expected tokenize of {', '.join(_TOKENIZERS)}, smooth of {', '.join(_SMOOTHING)} and a positive "
                f"max_order, got {tokenize!r}, {smooth!r} and {max_order}"
            )
        self.max_order = max_order
        self.tokenize = tokenize
        self.lowercase = lowercase
        self.smooth = smooth
        self.smooth_value = _SMOOTHING[smooth] if smooth_value is None else smooth_value
        self.effective_order = effective_order
        super().__init__()

    def reset(self) -> None:
        """Forget all translations."""
        self.correct = np.zeros(self.max_order, np.int64)
        self.possible = np.zeros(self.max_order, np.int64)
        self.length = np.zeros((), np.int64)
        self.reference_length = np.zeros((), np.int64)

    def update(self, output: Sequence[str], target: Sequence[str | Sequence[str]]) -> None:
        """Add translations, and the reference or the references of each."""
        if len(output) != len(target):
            raise ArgumentError(f"BLEU: {len(output)} translations do not fit {len(target)} references")
        for text, references in zip(output, target, strict=True):
            those = [references] if isinstance(references, str) else references
            self._add(self._tokens(text), [self._tokens(reference) for reference in those])

    def _tokens(self, text: str) -> list[str]:
        return _TOKENIZERS[self.tokenize]((text.lower() if self.lowercase else text).rstrip())

    def _add(self, words: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        correct, possible = ngram_matches(words, references, self.max_order)
        self.correct = self.correct + correct
        self.possible = self.possible + possible
        self.length = self.length + len(words)
        self.reference_length = self.reference_length + closest_length(len(words), references)

    def compute(self) -> float:
        """The score, 0..100."""
        if not self.correct.any():
            return 0.0
        shares = [share for share in self._shares() if share is not None]
        if not shares or min(shares) == 0:
            return 0.0
        return 100 * self.brevity_penalty() * math.exp(sum(map(math.log, shares)) / len(shares))

    def precisions(self) -> list[float]:
        """The share of n-grams that are right, for each order, in per cent, smoothed."""
        return [100 * (share or 0.0) for share in self._shares()]

    def brevity_penalty(self) -> float:
        """What the score is multiplied by because the translations are shorter than the references, 0..1."""
        if not self.length:
            return 0.0
        return min(1.0, math.exp(1 - float(self.reference_length / self.length)))

    def _shares(self) -> list[float | None]:
        """The smoothed share of each order; None for those that do not count."""
        shares: list[float | None] = []
        halving = 1.0
        added = np.where(np.arange(self.max_order) > 0, self.smooth_value if self.smooth == "add-k" else 0.0, 0.0)
        for correct, possible in zip((self.correct + added).tolist(), (self.possible + added).tolist(), strict=True):
            if not possible:
                shares.append(None if self.effective_order else 0.0)
            elif correct:
                shares.append(correct / possible)
            elif self.smooth == "exp":
                halving *= 2
                shares.append(1 / (halving * possible))
            elif self.smooth == "floor":
                shares.append(self.smooth_value / possible)
            else:
                shares.append(0.0)
        return shares


def ngram_matches(words: Sequence[str], references: Sequence[Sequence[str]], max_order: int) -> tuple[Any, Any]:
    """How many n-grams of each order (1..max_order) are right, at most as often as in a reference, and how many there are."""
    correct, possible = np.zeros(max_order, np.int64), np.zeros(max_order, np.int64)
    for order in range(1, max_order + 1):
        found = ngrams(words, order)
        if not found:
            break
        allowed = ngrams(references[0], order)
        for reference in references[1:]:
            allowed |= ngrams(reference, order)
        correct[order - 1] = sum(min(count, allowed[ngram]) for ngram, count in found.items() if ngram in allowed)
        possible[order - 1] = sum(found.values())
    return correct, possible


def ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram of an order occurs."""
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def closest_length(length: int, references: Sequence[Sequence[str]]) -> int:
    """The length of the reference that is nearest to a length; of two as near, the shorter."""
    return min((abs(len(reference) - length), len(reference)) for reference in references)[1]


def bleu_score(
    candidate_corpus: Sequence[Sequence[str]],
    references_corpus: Sequence[Sequence[Sequence[str]]],
    max_n: int = 4,
    weights: Sequence[float] = (0.25, 0.25, 0.25, 0.25),
) -> float:
    """BLEU of tokenized translations, 0..1, without smoothing, as in torchtext.

    Args:
        candidate_corpus: the tokens of each translation.
        references_corpus: the tokens of the references of each.
        max_n: tokens in the longest n-grams.
        weights: of the orders, in the geometric mean.
    """
    if len(weights) != max_n or len(candidate_corpus) != len(references_corpus):
        raise ArgumentError(
            f"bleu_score: expected {max_n} weights and references for {len(candidate_corpus)} translations, got "
            f"{len(weights)} and {len(references_corpus)}"
        )
    correct, possible = np.zeros(max_n, np.int64), np.zeros(max_n, np.int64)
    length = reference_length = 0
    for words, references in zip(candidate_corpus, references_corpus, strict=True):
        right, there = ngram_matches(words, references, max_n)
        correct, possible = correct + right, possible + there
        length += len(words)
        reference_length += closest_length(len(words), references)
    if not correct.all():
        return 0.0
    mean = math.exp(sum(weight * math.log(share) for weight, share in zip(weights, correct / possible, strict=True)))
    return mean * math.exp(min(1 - reference_length / length, 0))
