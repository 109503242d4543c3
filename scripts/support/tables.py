"""From ``--data`` to texts with classes: which tables are meant, and which rows are trained on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from support.splitting import divided
from text.datasets.reading import ENDINGS, ending_of
from text.datasets.table import TextTable, find_tables


class Part(Sequence[Any]):
    """Rows of a table: texts or pairs of them, and their class numbers ``targets``."""

    def __init__(self, table: TextTable, rows: Any = None) -> None:
        self.table = table
        self.rows = np.arange(len(table)) if rows is None else np.asarray(rows, np.int64)
        self.targets = np.asarray(table.targets)[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.table[int(self.rows[index])][0]


@dataclass
class Tables:
    """Texts to train on, to measure after each epoch, and to measure at the end, and what the data are called."""

    name: str
    train: Part
    test: Part
    final: Part
    held_out: str

    @property
    def classes(self) -> list[str]:
        """The classes' names; none where labels are numbers."""
        return self.train.table.classes

    @property
    def pairs(self) -> bool:
        """Whether a sample is two texts."""
        return self.train.table.pairs is not None


def is_table(data: str) -> bool:
    """Whether ``--data`` means a table, or a folder with some."""
    path = Path(data)
    return bool(_tables_in(path)) if path.is_dir() else ending_of(path) in ENDINGS


def load_tables(args: Any) -> Tables:
    """The tables that ``--data`` names.

    Of one table, or a folder with a training table alone, a share is held out. With a validation and a test table, the
    former is measured after each epoch, the latter at the end.

    Raises:
        ArgumentError, FileNotFoundError, FileFormatError: there are none, or they hold no texts and classes.
    """
    path = Path(args.data)
    found = _tables_in(path) if path.is_dir() else {"train": path}
    if not found or ending_of(found["train"]) not in ENDINGS:
        wanted = "a table that ends in " + ", ".join(ENDINGS)
        raise ArgumentError(
            f"--data {args.data}: not texts; give {wanted}, or a folder with the tables train and test or dev"
        )
    table = read(found["train"], args)
    numbers = args.labels == "number"
    if not numbers and len(table.classes) < 2:
        raise ArgumentError(
            f"--data {table.path}: found the one class {table.classes[0]!r}; a classifier needs two or more"
        )
    if not numbers and len(table.classes) > max(20, len(table) // 2):
        raise ArgumentError(
            f"--data {table.path}: {len(table.classes)} different labels in {len(table)} rows are no classes; name the "
            "column with the classes by --label-column, or say --labels number"
        )
    others = {split: Part(read(found[split], args, table.classes)) for split in ("val", "test") if split in found}
    name = path.stem if path.is_file() else path.resolve().name
    if not others:
        first, second = divided(np.zeros(len(table)) if numbers else table.targets, args.seed)
        if not second:
            raise ArgumentError(f"--data {args.data}: too few rows to hold any out for testing; give a test table too")
        held_out = Part(table, second)
        return Tables(name, Part(table, first), held_out, held_out, "test")
    test = others.get("val", others.get("test"))
    final = others.get("test", test)
    return Tables(name, Part(table), test, final, "validation" if "val" in others else "test")


def to_measure(path: Path, args: Any, classes: Sequence[str]) -> Part:
    """A table, or of a folder that for testing, or else that for validation, in the classes of a model.

    Raises:
        ArgumentError, FileNotFoundError, FileFormatError: there is none, or it has a label that is none of the classes.
    """
    if path.is_dir():
        found = _tables_in(path)
        if not found:
            raise ArgumentError(f"--data {path}: there is no table of texts in the folder")
        path = next(found[split] for split in ("test", "val", "train") if split in found)
    return Part(read(path, args, classes))


def read(path: Path, args: Any, classes: Sequence[str] | None = None) -> TextTable:
    """A table with labels.

    Args:
        args: the columns, as far as they are named.
        classes: what the labels may be; what they are unless given.

    Raises:
        ArgumentError: it holds no labels.
    """
    texts = [_column(name) for name in args.text_column or ()]
    table = TextTable(
        path, texts or None, _column(args.label_column), _column(args.pair_column), classes=classes, labels=args.labels
    )
    if not len(table):
        raise ArgumentError(f"--data {os.fspath(path)}: the table is empty")
    if table.targets is None:
        raise ArgumentError(f"--data {os.fspath(path)}: no column looks like labels; name it by --label-column")
    return table


def read_unlabelled(path: Path, args: Any, stored: Any) -> TextTable:
    """A table of texts whose labels, if it has any, are not looked at.

    Args:
        args: the columns, as far as they are named.
        stored: the command line of the training, whose columns hold where none are named.
    """
    names = args.text_column or stored.text_column
    texts = [_column(name) for name in names or ()]
    table = TextTable(path, texts or None, None, _column(args.pair_column or stored.pair_column), labels="class")
    if not len(table):
        raise ArgumentError(f"--data {os.fspath(path)}: the table is empty")
    return table


def _tables_in(folder: Path) -> dict[str, Path]:
    """The tables of a folder by what they are for; where there is one alone, it is for training.

    Beside folders, which may be of pictures, only tables for training tell that texts are meant.
    """
    tables = [path for path in sorted(folder.iterdir()) if path.is_file() and ending_of(path) in ENDINGS]
    proper = [path for path in tables if ending_of(path) != ".txt"]
    alone = not any(path.is_dir() for path in folder.iterdir())
    if any(path.name.lower().startswith("train") for path in (tables if alone else proper)):
        return find_tables(folder)
    return {"train": proper[0]} if alone and len(proper) == 1 else {}


def _column(name: str | None) -> str | int | None:
    """A column's name, or its number."""
    return int(name) if name is not None and name.isdecimal() else name
