"""Texts in files, one a file, in a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from framework.data import Dataset
from hub.dataset_files import DatasetNotFound, reading
from text.datasets.strings import Strings


class TextFolder(Dataset):
    """Texts in ``root/CLASS/*.txt``: a sample is (text, class number).

    Args:
        root: the folder.
        classes: the names of the folders in the order of their numbers; all there are, sorted, unless given.
        extensions: the endings of texts; other files are left alone.
        transform: applied to the text.

    Attributes:
        texts: the texts as ``Strings``.
        targets: the class numbers (int64).
        classes, class_to_idx: the names, and the numbers by name.
        paths: the file of every text.

    Raises:
        DatasetNotFound: there is no such folder, or no text in one of the classes.
        FileFormatError: a file is not UTF-8.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        classes: Sequence[str] | None = None,
        extensions: tuple[str, ...] = (".txt",),
        transform: Callable[[str], Any] | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        self.transform = transform
        if not self.root.is_dir():
            raise DatasetNotFound(f"there is no folder {os.fspath(root)!r}")
        self.classes = (
            sorted(path.name for path in self.root.iterdir() if path.is_dir()) if classes is None else [*classes]
        )
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.texts, targets, self.paths = read_folder(self.root, self.classes, extensions)
        self.targets = np.array(targets, np.int64)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        text = self.texts[index]
        return text if self.transform is None else self.transform(text), int(self.targets[index])

    def __len__(self) -> int:
        return len(self.texts)


def read_folder(
    root: Path, classes: Sequence[str], extensions: tuple[str, ...]
) -> tuple[Strings, list[int], list[Path]]:
    """The texts, class numbers and files of a folder with folders of classes, in the order of their names."""
    targets, paths = [], []
    for number, name in enumerate(classes):
        folder = root / name
        found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in extensions and path.is_file())
        if not found:
            raise DatasetNotFound(f"there is no text ({', '.join(extensions)}) in {os.fspath(folder)!r}")
        targets += [number] * len(found)
        paths += found

    def texts() -> Any:
        for path in paths:
            with reading(path, "a text in UTF-8"):
                yield path.read_text(encoding="utf-8")

    return Strings.of(texts()), targets, paths
