"""Texts and labels from the columns of a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.data import Dataset
from framework.errors import ArgumentError, nearest
from framework.io import FileFormatError
from hub.dataset_files import DatasetNotFound
from text.datasets.guessing import find_columns
from text.datasets.reading import DELIMITED, ENDINGS, ending_of, kind_of, read_delimited, read_objects
from text.datasets.strings import Strings

Column = str | int
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation", "dev"), "test": ("test", "testing")}


class TextTable(Dataset):
    """Texts, or pairs of them, and labels, from a table in CSV, TSV, JSON, JSON lines or Parquet.

    Columns that are not named are found: by their names (text, sentence, review ...; label, class, sentiment ...;
    sentence1 and sentence2, premise and hypothesis ...), and in a table without a header line by what is in them: the
    column with the fewest different values holds the labels, the others the text.

    Args:
        path: the table: ``.csv``, ``.tsv``, ``.txt`` (tabs), ``.jsonl``, ``.ndjson``, ``.json`` (a list of objects) or
            ``.parquet`` (needs pyarrow). Texts may be compressed (``.gz``, ``.bz2``, ``.xz``).
        text: the column of texts, by its name, or in a delimited table by its number; several are joined by a blank.
        label: the column of labels.
        text_pair: the column of the second texts, for tasks about two.
        header: whether the first line names the columns; found out unless given.
        delimiter: what stands between cells, unless it is as the file's ending says.
        quoting: whether cells may stand in double quotes: in ``.csv`` unless given, in ``.tsv`` not.
        classes: the labels in order, such as the training table's for a test table.
        labels: "class" numbers the labels as classes, "number" takes them as numbers for regression; "auto" takes
            numbers with a decimal point for the latter.
        transform: applied to the text, or to the two of a pair.

    Shape:
        A sample is (text, target), or ((text, pair), target); the target is a class number, a float, or None.

    Attributes:
        texts, pairs: the texts as ``Strings``; pairs is None where there are none.
        targets: class numbers (int64) or numbers (float64); None where there are no labels.
        classes: the labels in the order of their numbers; empty where they are no classes.
        class_to_idx: the class numbers by label.
        columns: the names of the table's columns; None without a header.

    Raises:
        DatasetNotFound: there is no such table.
        FileFormatError: it is broken, rows differ in length, or a label is missing or none of ``classes``.
        ArgumentError: it has no such column, or none that looks like a text.

    Example:
        >>> TextTable("reviews.tsv", text="review", label="stars")[0]
        ('not bad at all', 3)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        text: Column | Sequence[Column] | None = None,
        label: Column | None = None,
        text_pair: Column | None = None,
        *,
        header: bool | None = None,
        delimiter: str | None = None,
        quoting: bool | None = None,
        classes: Sequence[str] | None = None,
        labels: str = "auto",
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if labels not in ("auto", "class", "number"):
            raise ArgumentError(f"TextTable: labels must be 'auto', 'class' or 'number', got {labels!r}")
        self.path = Path(path).expanduser()
        self.transform = transform
        chosen = [text] if isinstance(text, str | int) else list(text or ())
        given = [*chosen, *(name for name in (label, text_pair) if name is not None)]
        kind = kind_of(self.path)
        self.columns: list[str] | None
        if kind in DELIMITED:
            quotes = kind == ".csv" if quoting is None else quoting
            rows = list(read_delimited(self.path, delimiter or DELIMITED[kind], quotes))
            found = find_columns(rows, header, [name for name in given if isinstance(name, str)])
            self.columns = rows.pop(0) if found.header else None
            table = self._transposed(rows)
        else:
            objects = read_objects(self.path, kind)
            self.columns, table = list(objects), list(objects.values())
            found = find_columns([self.columns], True, [])
        places = [self._place(name, len(table)) for name in chosen]
        pair = found.pair if text_pair is None and not chosen else self._place(text_pair, len(table))
        target = found.label if label is None else self._place(label, len(table))
        places = places or [place for place in found.text if place not in (target, pair)]
        if not places and table:
            raise ArgumentError(
                f"TextTable: no column of {self.path} looks like a text; name it with text=...; there are "
                f"{', '.join(self.columns or ())}"
            )
        cells = [[_as_text(cell) for cell in table[place]] for place in places]
        self.texts = Strings.of(cells[0] if len(cells) == 1 else map(" ".join, zip(*cells, strict=True)))
        self.pairs = None if pair is None else Strings.of(map(_as_text, table[pair]))
        self.classes = [str(name) for name in classes or ()]
        values = None if target is None or target in places else table[target]
        self.targets = None if values is None else self._numbered(values, labels)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    def _transposed(self, rows: list[list[str]]) -> list[Sequence[str]]:
        width = len(rows[0] if self.columns is None and rows else self.columns or ())
        for number, row in enumerate(rows):
            if len(row) != width:
                raise FileFormatError(f"{self.path}: row {number} has {len(row)} cells, the first line {width}")
        return [[row[place] for row in rows] for place in range(width)]

    def _place(self, name: Column | None, width: int) -> Any:
        """A column's number."""
        if name is None:
            return None
        if isinstance(name, int):
            if not -width <= name < width:
                raise ArgumentError(f"TextTable: {self.path} has {width} columns, there is no number {name}")
            return name % width
        names = self.columns or []
        if name not in names:
            listed = ", ".join(names) if names else "none that are named; pass their numbers"
            raise ArgumentError(f"TextTable: {self.path} has no column {name!r}; it has {listed}{nearest(name, names)}")
        return names.index(name)

    def _numbered(self, values: Sequence[Any], labels: str) -> np.ndarray[Any, Any]:
        """Labels as numbers; also finds out the classes."""
        for row, value in enumerate(values):
            if value is None or value == "":
                raise FileFormatError(f"{self.path}: row {row} has no label")
        numbers = None if self.classes or labels == "class" else _numbers(values)
        if numbers is not None and (labels == "number" or not _whole(values)):
            return numbers
        if labels == "number":
            raise FileFormatError(f"{self.path}: the labels are not all numbers; pass labels='class'")
        names = [_as_text(value) for value in values]
        if not self.classes:
            self.classes = sorted(set(names), key=lambda name: (_order(name), name))
        places = {name: number for number, name in enumerate(self.classes)}
        for row, name in enumerate(names):
            if name not in places:
                raise FileFormatError(f"{self.path}: row {row} is labelled {name!r}, which is none of the classes")
        return np.array([places[name] for name in names], np.int64)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        text: Any = self.texts[index]
        if self.pairs is not None:
            text = text, self.pairs[index]
        if self.transform is not None:
            text = self.transform(text)
        return text, None if self.targets is None else self.targets[index].item()

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        kinds = f"{len(self.classes)} classes" if self.classes else "no labels" if self.targets is None else "numbers"
        return f"TextTable({os.fspath(self.path)!r}, {len(self)} rows, {kinds})"


def find_tables(folder: str | os.PathLike[str]) -> dict[str, Path]:
    """The tables of a folder by what they are for: "train", "val" and "test", as far as they are there.

    They are told by their names: train or training; val, valid, validation or dev; test or testing.

    Raises:
        DatasetNotFound: there is no training table.
        ArgumentError: there are two for one purpose.
    """
    place = Path(folder).expanduser()
    found: dict[str, Path] = {}
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        stem = path.name.lower().partition(".")[0]
        split = next((split for split, names in SPLITS.items() if stem in names), None)
        if split is None or not path.is_file() or ending_of(path) not in ENDINGS:
            continue
        if split in found:
            raise ArgumentError(f"find_tables: {found[split]} and {path} are both for {split}; remove one")
        found[split] = path
    if "train" not in found:
        raise DatasetNotFound(
            f"there is no table train with an ending of {', '.join(ENDINGS)} in {os.fspath(folder)!r}"
        )
    return found


def _as_text(cell: Any) -> str:
    return "" if cell is None else cell if isinstance(cell, str) else str(cell)


def _numbers(values: Sequence[Any]) -> np.ndarray[Any, Any] | None:
    """All values as floats, or None if one is something else."""
    try:
        return np.array([float(value) for value in values], np.float64)
    except (TypeError, ValueError):
        return None


def _whole(values: Sequence[Any]) -> bool:
    """Whether numbers are written as whole ones."""
    try:
        return all(not isinstance(value, float) and int(value) is not None for value in values)
    except ValueError:
        return False


def _order(name: str) -> float:
    """Whole numbers in order of size, and all else after them."""
    return int(name) if name.lstrip("-").isdecimal() else float("inf")
