"""Which columns of a table hold the texts and the labels, where nobody says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

TEXT_COLUMNS = (
    "text", "sentence", "review", "content", "document", "body", "comment", "message", "tweet", "article", "question",
    "review_body", "reviewtext", "headline", "title", "description", "utterance", "query", "input",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "target", "class", "category", "sentiment", "polarity", "intent", "topic", "gold_label", "stars",
    "rating", "score", "class_index", "class index", "y",
)  # fmt: skip
PAIR_COLUMNS = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("text1", "text2"),
    ("text_a", "text_b"), ("question", "sentence"), ("#1 string", "#2 string"),
)  # fmt: skip
_LOOKED_AT = 5000  # rows


class Found(NamedTuple):
    """The columns by number, and whether the first row is their names."""

    header: bool
    text: list[int]
    pair: int | None
    label: int | None


def find_columns(rows: Sequence[Sequence[str]], header: bool | None, named: Sequence[str]) -> Found:
    """Find out the columns of a table.

    Args:
        rows: the table's rows, the names first if there are any.
        header: whether there are; None to find out.
        named: names that the user gave to columns. A first row that has one is a header.
    """
    if not rows:
        return Found(False, [], None, None)
    names = [name.strip().lower() for name in rows[0]]
    known = {*TEXT_COLUMNS, *LABEL_COLUMNS, *(name for pair in PAIR_COLUMNS for name in pair)}
    if header is None:
        header = any(name in rows[0] for name in named) or any(name in known for name in names) or _stands_out(rows)
    body = rows[int(header) :][:_LOOKED_AT]
    if not header:
        label = _fewest(body)
        return Found(False, _wordy(body, label), None, label)
    label = next((names.index(name) for name in LABEL_COLUMNS if name in names), None)
    for first, second in PAIR_COLUMNS:
        if first in names and second in names:
            return Found(True, [names.index(first)], names.index(second), label)
    text = next((names.index(name) for name in TEXT_COLUMNS if name in names), None)
    if text is not None or not body:
        return Found(True, [] if text is None else [text], None, label)
    label = _fewest(body) if label is None else label
    longest = max(_wordy(body, label), key=lambda place: sum(len(row[place]) for row in body), default=None)
    return Found(True, [] if longest is None else [longest], None, label)


def _fewest(rows: Sequence[Sequence[str]]) -> int | None:
    """The column with the fewest different values, if some of them come again."""
    width = min(map(len, rows))
    if width < 2:
        return None
    counts = [len({row[place] for row in rows}) for place in range(width)]
    place = min(range(width), key=counts.__getitem__)
    return place if len(rows) < 3 or counts[place] < len(rows) else None


def _wordy(rows: Sequence[Sequence[str]], label: int | None) -> list[int]:
    """The columns beside the label's that hold more than numbers."""
    width = min(map(len, rows))
    return [
        place
        for place in range(width)
        if place != label and not all(row[place].replace(".", "").lstrip("-").isdecimal() for row in rows)
    ]


def _stands_out(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row's label is none that the others have: then it is a name."""
    body = rows[1 : 1 + _LOOKED_AT]
    place = _fewest(body) if len(body) > 2 else None
    return place is not None and len(rows[0]) > place and all(row[place] != rows[0][place] for row in body)
