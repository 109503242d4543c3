"""Entities in tagged sentences: what they are in each scheme of tags, and how many were found.

Reference: Ramshaw and Marcus, "Text Chunking using Transformation-Based Learning", 1995,
https://arxiv.org/abs/cmp-lg/9505040, for IOB; the evaluation of CoNLL-2000, and seqeval's
(https://github.com/chakki-works/seqeval), which the counts here equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError, StateError
from framework.tensor import Tensor, wrap
from framework.utils.metric import Metric, as_array

Entity = tuple[str, int, int]
# the tag before, the tag, and whether their types are the same (=), others (!), or no matter (*); "." is any tag.
# Of each scheme: the tags it has, where an entity starts, where it goes on, and where one that has gone on has ended well.
_SCHEMES = {
    "IOB1": ("IOB", "OI* II! BI* IB= BB=", "BI= II=", "II! IO* IB* BO* BI! BB="),
    "IOB2": ("IOB", ".B*", "BI= II=", "IO* II! IB* BO* BI! BB*"),
    "IOE1": ("IOE", "OI* II! EI* EE=", "II= IE=", "II! IO* IE! EI= EE="),
    "IOE2": ("IOE", "OI* OE* EI* EE* II! IE!", "IE= II=", "E.*"),
    "IOBES": ("IOBES", ".B* .S*", "BI= BE= II= IE=", "S.* E.*"),
    "BILOU": ("BILOU", ".B* .U*", "BI= BL= II= IL=", "U.* L.*"),
}


def get_entities(tags: Sequence[str], scheme: str | None = None) -> list[Entity]:
    """The entities of a sentence: their types, first words, and the words after their last.

    Args:
        tags: the words' tags, such as B-PER, I-PER and O; a tag without a type is of the type "_".
        scheme: "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" or "BILOU": what is not an entity by its rules is none. Unless
            given, as the evaluation of CoNLL has it: any tag that cannot go on with the entity before starts another.

    Raises:
        ArgumentError: a tag is not one of the scheme's.

    Example:
        >>> get_entities(["B-PER", "I-PER", "O", "B-LOC"])
        [('PER', 0, 2), ('LOC', 3, 4)]
    """
    parted = [_parted(tag) for tag in tags]
    if scheme is None:
        return _lenient(parted)
    if scheme not in _SCHEMES:
        raise ArgumentError(f"get_entities: scheme must be one of {', '.join(_SCHEMES)}, got {scheme!r}")
    return _strict(parted, scheme)


def _parted(tag: str) -> tuple[str, str]:
    """A tag's letter and type."""
    return tag[:1], tag[1:].split("-", 1)[-1] or "_"


def _lenient(tags: Sequence[tuple[str, str]]) -> list[Entity]:
    found: list[Entity] = []
    letter, kind, start = "O", "_", 0
    for place, (next_letter, next_kind) in enumerate([*tags, ("O", "_")]):
        inside, other = letter not in "O.", next_kind != kind
        if inside and (letter in "ES" or next_letter in "BSO" or other):
            found.append((kind, start, place))
        if next_letter in "BS" or (next_letter not in "O." and (other or (next_letter in "EI" and letter in "ESO"))):
            start = place
        letter, kind = next_letter, next_kind
    return found


def _strict(tags: Sequence[tuple[str, str]], scheme: str) -> list[Entity]:
    letters, starts, goes_on, ends = _SCHEMES[scheme]
    for letter, kind in tags:
        if letter not in letters or not letter:
            raise ArgumentError(f"get_entities: {letter}-{kind} is no tag of {scheme}, which has {', '.join(letters)}")
    found: list[Entity] = []
    outside = ("O", "_")
    tags = [*tags, outside]
    before, place = outside, 0
    while place < len(tags):
        start = place
        place += 1
        if _fits(before, tags[start], starts):
            while place < len(tags) and _fits(tags[place - 1], tags[place], goes_on):
                place += 1
            if place < len(tags) and _fits(tags[place - 1], tags[place], ends):
                found.append((tags[start][1], start, place))
        before = tags[place - 1]
    return found


def _fits(before: tuple[str, str], after: tuple[str, str], patterns: str) -> bool:
    relation = "=" if before[1] == after[1] else "!"
    return any(
        pattern[0] in ("." + before[0]) and pattern[1] in ("." + after[0]) and pattern[2] in ("*" + relation)
        for pattern in patterns.split()
    )


class EntityF1(Metric):
    """The F1 of entities: one is right if its type, start and end are.

    Args:
        tags: the tags' names by number, for predictions and targets in numbers.
        scheme: whose rules say what an entity is; see ``get_entities``.
        average: "micro", over all entities; "macro", the mean over types; "weighted", the same weighted by their
            numbers.
        ignore_index: the number of targets that do not count, such as a word's further tokens.

    Example:
        >>> metric = EntityF1()
        >>> metric.update([["B-PER", "I-PER", "O"]], [["B-PER", "I-PER", "B-LOC"]])
        >>> metric.precision(), metric.recall()
        (1.0, 0.5)
    """

    _settings = ("tags", "scheme")

    def __init__(
        self,
        tags: Sequence[str] | None = None,
        scheme: str | None = None,
        average: str = "micro",
        ignore_index: int = -100,
    ) -> None:
        if average not in ("micro", "macro", "weighted"):
            raise ArgumentError(f"EntityF1: average must be 'micro', 'macro' or 'weighted', got {average!r}")
        self.tags = None if tags is None else list(tags)
        self.scheme = scheme
        self.average = average
        self.ignore_index = ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.counts: dict[str, np.ndarray[Any, Any]] = {}

    def update(self, output: Any, target: Any) -> None:
        """Add sentences of tags; or with ``tags`` numbers (N, L), or scores (N, L, C), and targets (N, L)."""
        if self.tags is not None:
            output, target = self._named(output, target)
        if len(output) != len(target):
            raise ArgumentError(f"EntityF1: {len(output)} predicted sentences do not fit {len(target)} true ones")
        for number, (predicted, true) in enumerate(zip(output, target, strict=True)):
            if len(predicted) != len(true):
                raise ArgumentError(
                    f"EntityF1: sentence {number} has {len(true)} words, and {len(predicted)} predicted tags"
                )
            found, there = set(get_entities(predicted, self.scheme)), set(get_entities(true, self.scheme))
            for column, entities in enumerate((found & there, found, there)):
                for kind, _, _ in entities:
                    self.counts.setdefault(kind, np.zeros(3, np.int64))[column] += 1

    def _named(self, output: Any, target: Any) -> tuple[list[list[str]], list[list[str]]]:
        predicted, true = as_array(output), as_array(target)
        if predicted.ndim == true.ndim + 1:
            predicted = predicted.argmax(axis=-1)
        if predicted.shape != true.shape or true.ndim != 2:
            raise ArgumentError(f"EntityF1: expected tags (N, L), got shapes {predicted.shape} and {true.shape}")
        names = np.array(self.tags)
        counted = true != self.ignore_index
        rows = range(len(true))
        return (
            [names[predicted[row][counted[row]]].tolist() for row in rows],
            [names[true[row][counted[row]]].tolist() for row in rows],
        )

    def compute(self) -> float:
        """The F1, 0..1; 0 where there are no entities."""
        return self._averaged(2)

    def precision(self) -> float:
        """Of the entities found, the share that is right, averaged in the same way."""
        return self._averaged(0)

    def recall(self) -> float:
        """Of the entities there are, the share that was found, averaged in the same way."""
        return self._averaged(1)

    def by_type(self) -> dict[str, dict[str, float]]:
        """Precision, recall, f1 and number of entities (support) of each type."""
        return {
            kind: dict(
                zip(("precision", "recall", "f1", "support"), (*_scores(self.counts[kind]), int(self.counts[kind][2])))
            )
            for kind in sorted(self.counts)
        }

    def _averaged(self, which: int) -> float:
        if not self.counts:
            return 0.0
        counts = np.stack(list(self.counts.values()))
        if self.average == "micro":
            return _scores(counts.sum(axis=0))[which]
        values = [_scores(row)[which] for row in counts]
        weights = counts[:, 2] if self.average == "weighted" else np.ones(len(counts))
        return float(np.average(values, weights=weights)) if weights.sum() else 0.0

    def merge(self, other: Metric) -> None:
        """Add what another metric of the same settings has gathered."""
        super().merge(other)
        for kind, counts in other.counts.items():  # type: ignore[attr-defined]  # it is of this class
            self.counts[kind] = self.counts.get(kind, 0) + counts

    def state_dict(self) -> dict[str, Tensor]:
        """How many entities of each type were right, found and there."""
        return {kind: wrap(counts.copy()) for kind, counts in self.counts.items()}

    def load_state_dict(self, state_dict: Any) -> None:
        """Take what ``state_dict`` gave in place of what was gathered."""
        counts = {kind: np.array(as_array(values)) for kind, values in state_dict.items()}
        for kind, values in counts.items():
            if values.shape != (3,):
                raise StateError(f"EntityF1: {kind} has shape {values.shape}, expected three counts")
        self.counts = counts


def _scores(counts: np.ndarray[Any, Any]) -> tuple[float, float, float]:
    """Precision, recall and F1 of how many were right, found and there."""
    right, found, there = map(int, counts)
    return (
        right / found if found else 0.0,
        right / there if there else 0.0,
        2 * right / (found + there) if right else 0.0,
    )
