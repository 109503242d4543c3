"""Images listed in a table: CSV, TSV, JSON or JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError, nearest
from framework.io import FileFormatError
from hub.dataset_files import reading
from vision.datasets.folder import default_loader
from vision.datasets.skipping import Skipper
from vision.datasets.tables import read_csv, read_json, read_lines
from vision.datasets.vision import VisionDataset, numbered

IMAGE_COLUMNS = ("image", "path", "file", "filename", "file_name", "filepath", "image_path", "img")
TARGET_COLUMNS = ("label", "target", "class", "category", "class_name", "y", "caption")
_WHAT = "a table of images"


class ManifestDataset(VisionDataset):
    """Images and targets from the columns of a table.

    Targets that are whole numbers, or texts of them, become ints; other numbers floats; other texts classes, numbered in
    the order of their names; anything else in a JSON file stays as it is.

    Args:
        path: the table: ``.csv``, ``.tsv``, ``.jsonl`` (an object a line) or ``.json`` (a list of objects).
        root: the folder that paths in the table start from; by default the table's.
        image: the column of paths; by default the first there is of image, path, file, filename, file_name, filepath,
            image_path and img.
        target: the column of targets; by default the first there is of label, target, class, category, class_name, y
            and caption. Where there is none, targets are None.
        transform: applied to the image.
        target_transform: applied to the target.
        loader: what makes an image of a path; Pillow, in RGB, unless given.
        classes: the class names in order, such as the training set's for a validation set.
        on_error: "raise" at an image that cannot be read, or "skip" to give the next one that can in its place.

    Attributes:
        samples: (path, target) of every image.
        targets: the target of every image.
        classes: the class names; empty where targets are no classes.
        class_to_idx: the class numbers by name.
        rows: the table's rows as dicts, for other columns.
        skipped: how many images were found broken, where ``on_error="skip"``; a loader's worker processes count alone.

    Raises:
        DatasetNotFound: there is no such table.
        FileFormatError: it is broken, or a target is none of ``classes``.
        ArgumentError: it has no such column.

    Example:
        >>> ManifestDataset("flowers.csv", root="images", image="file", target="species")[0]
        (<PIL.Image.Image image mode=RGB size=500x333>, 17)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        image: str | None = None,
        target: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        classes: Sequence[str] | None = None,
        on_error: str = "raise",
    ) -> None:
        self.path = Path(path).expanduser()
        super().__init__(self.path.parent if root is None else root, None, transform, target_transform)
        self.loader = loader
        self._skipper = Skipper(self, on_error)
        self.rows = _read_rows(self.path)
        self.image = self._column(image, IMAGE_COLUMNS)
        self.target = self._column(target, TARGET_COLUMNS)
        if self.image is None:
            raise ArgumentError(f"ManifestDataset: {self.path} has no column of images; name it with image=...")
        with reading(self.path, f"{_WHAT}, with {self.image!r} and {self.target!r} in every row"):
            files = [os.path.join(self.root, row[self.image]) for row in self.rows]
            values = [None if self.target is None else row[self.target] for row in self.rows]
        self.classes = list(classes or ())
        self.targets = self._numbered(values)
        self.samples = list(zip(files, self.targets, strict=True))

    def _column(self, wanted: str | None, usual: Sequence[str]) -> str | None:
        there = self.rows[0].keys() if self.rows else usual
        if wanted is not None and wanted not in there:
            raise ArgumentError(
                f"ManifestDataset: {self.path} has no column {wanted!r}; it has {', '.join(there)}{nearest(wanted, there)}"
            )
        return wanted if wanted is not None else next((name for name in usual if name in there), None)

    def _numbered(self, values: list[Any]) -> list[Any]:
        """Targets as numbers; also finds out the classes."""
        if not self.classes:
            for kind in (int, float):
                converted = _converted(values, kind)
                if converted is not None:
                    self.class_to_idx: dict[str, int] = {}
                    return converted
        texts = all(isinstance(value, str) for value in values)
        if texts and not self.classes:
            self.classes = sorted(set(values))
        self.class_to_idx = numbered(self.classes)
        if not texts:
            return values
        for number, value in enumerate(values):
            if value not in self.class_to_idx:
                raise FileFormatError(f"{self.path}: row {number} is of class {value!r}, which is none of classes")
        return [self.class_to_idx[value] for value in values]

    @property
    def skipped(self) -> int:
        """How many images were found broken and skipped."""
        return len(self._skipper.broken)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        index, image = self._skipper.read(index, len(self.samples), lambda number: self.loader(self.samples[number][0]))
        return self._finish(image, self.targets[index])

    def __len__(self) -> int:
        return len(self.samples)


def _converted(values: list[Any], kind: type) -> list[Any] | None:
    """All values as numbers of a kind, or None if one is something else."""
    if not all(isinstance(value, str | int | kind) for value in values):
        return None
    try:
        return [kind(value) for value in values]
    except ValueError:
        return None


def _read_rows(path: Path) -> list[dict[str, Any]]:
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return list(read_csv(path, "," if ending == ".csv" else "\t", _WHAT))
    if ending not in (".json", ".jsonl", ".ndjson"):
        raise ArgumentError(f"ManifestDataset: expected a .csv, .tsv, .json or .jsonl file, got {os.fspath(path)!r}")
    with reading(path, f"{_WHAT}: JSON objects"):
        rows = read_json(path, _WHAT) if ending == ".json" else [json.loads(line) for line in read_lines(path, _WHAT)]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("its entries are no objects")
        return rows
