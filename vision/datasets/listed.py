"""Image files with their targets: what most data sets come down to once their lists are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vision.datasets.folder import default_loader
from vision.datasets.vision import VisionDataset


class ListedImages(VisionDataset):
    """Base of the data sets that are a list of image files. Subclasses call ``_list`` with what they found.

    Args:
        root: the folder.
        transform: applied to the image.
        target_transform: applied to the target.
        loader: what makes an image of a path; Pillow, in RGB, unless given.

    Attributes:
        samples: (path, target) of every image.
        targets: the target of every image.
    """

    _split: str | None = None

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = default_loader if loader is None else loader
        self._image_files: list[str] = []
        self._labels: list[Any] = []

    def _list(self, files: Iterable[str | Path], targets: Iterable[Any]) -> None:
        self._image_files = [os.fspath(file) for file in files]
        self._labels = list(targets)

    @property
    def samples(self) -> list[tuple[str, Any]]:
        """(path, target) of every image."""
        return list(zip(self._image_files, self._labels, strict=True))

    @property
    def targets(self) -> list[Any]:
        """The target of every image."""
        return self._labels

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(self.loader(self._image_files[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._image_files)

    def extra_repr(self) -> str:
        """Which part it is."""
        return "" if self._split is None else f"split={self._split}"
