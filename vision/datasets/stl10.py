"""STL-10: few labelled pictures and many without labels."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from framework.errors import ArgumentError
from framework.io import FileFormatError
from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.tables import read_lines
from vision.datasets.vision import VisionDataset

_SHAPE = (3, 96, 96)  # columns before rows in the files


class STL10(VisionDataset):
    """Photographs of ten classes, 96 x 96 colour: 5,000 for training, 8,000 for testing, 100,000 without labels.

    Args:
        root: the folder that holds ``stl10_binary``.
        split: "train", "test", "unlabeled" or "train+unlabeled". Pictures without labels have the target -1.
        folds: which of the ten official parts of 1,000 training pictures to take, 0 to 9; None for all.
        transform: applied to the Pillow image.
        target_transform: applied to the class number.
        download: fetch the archive if files are missing.

    Attributes:
        data: uint8 array (N, 3, 96, 96).
        labels: class numbers (N).
        classes: the class names.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: a file does not hold whole pictures, or not as many labels.

    Reference: Coates, Lee and Ng, "An Analysis of Single Layer Networks in Unsupervised Feature Learning", 2011,
    https://cs.stanford.edu/~acoates/stl10/. Unlike in torchvision, only the files of the split have to be there.
    """

    base_folder: ClassVar[str] = "stl10_binary"
    url: ClassVar[str] = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename: ClassVar[str] = "stl10_binary.tar.gz"
    tgz_md5: ClassVar[str] = "91f7769df0f17e558f3565bffb0c7dfb"
    splits: ClassVar[tuple[str, ...]] = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        folds: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = chosen(self, "split", split, self.splits)
        if folds is not None and (not isinstance(folds, int) or not 0 <= folds <= 9):
            raise ArgumentError(f"STL10: folds must be None or a whole number from 0 to 9, got {folds!r}")
        self.folds = folds
        folder = self.root / self.base_folder
        parts = split.split("+")
        files = [folder / f"{part}_X.bin" for part in parts]
        label_files = [folder / f"{part}_y.bin" for part in parts if part != "unlabeled"]
        require(self, [*files, *label_files], self.download if download else None)
        loaded = [self._part(folder, part) for part in parts]
        self.data = np.concatenate([pixels for pixels, _ in loaded]) if len(loaded) > 1 else loaded[0][0]
        self.labels = np.concatenate([labels for _, labels in loaded])
        names = folder / "class_names.txt"
        self.classes = read_lines(names, "the list of classes") if names.is_file() else []

    def _part(self, folder: Path, part: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        path = folder / f"{part}_X.bin"
        values = np.fromfile(path, np.uint8)
        if values.size % np.prod(_SHAPE):
            raise FileFormatError(f"{path}: {values.size} bytes are no whole pictures of {_SHAPE}; download it again")
        pixels = values.reshape(-1, *_SHAPE).transpose(0, 1, 3, 2)
        if part == "unlabeled":
            return pixels, np.full(len(pixels), -1, np.int64)
        labels = np.fromfile(folder / f"{part}_y.bin", np.uint8).astype(np.int64) - 1
        if len(labels) != len(pixels):
            raise FileFormatError(f"{path}: {len(pixels)} pictures, and {len(labels)} labels; download it again")
        if part == "train" and self.folds is not None:
            table = folder / "fold_indices.txt"
            with reading(table, "ten lines of picture numbers"):
                wanted = np.array(read_lines(table)[self.folds].split(), np.int64)
                return pixels[wanted], labels[wanted]
        return pixels, labels

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(np.ascontiguousarray(self.data[index].transpose(1, 2, 0)))
        return self._finish(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"
