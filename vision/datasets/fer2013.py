"""Faces by expression, from the tables of a Kaggle contest."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from hub.dataset_files import chosen, reading, require
from vision.datasets.tables import read_csv
from vision.datasets.vision import VisionDataset

_USAGE = {"train": ("Training",), "test": ("PublicTest", "PrivateTest")}
_WHAT = "a table of faces: emotion and 48 x 48 pixels"


class FER2013(VisionDataset):
    """Faces of seven expressions, 48 x 48 grey: 28,709 for training, 7,178 for testing.

    The files come from Kaggle and are not fetched. Of those in ``root/fer2013`` the first of ``fer2013.csv``,
    ``icml_face_data.csv`` and ``train.csv`` or ``test.csv`` is read; ``test.csv`` has no labels, its targets are None.

    Args:
        root: the folder that holds ``fer2013``.
        split: "train" or "test".
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the class number: 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral.

    Raises:
        DatasetNotFound: there is none of the files.
        FileFormatError: the table is broken.

    Reference: Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning contests",
    2013, https://arxiv.org/abs/1307.0414. Unlike in torchvision, a part of a table can stand for it.
    """

    _RESOURCES: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("train.csv", "3f0dfb3d3fd99c811a1299cb947e3131"),
        "test": ("test.csv", "b02c2298636a634e8c2faabbf3ea9a23"),
        "fer": ("fer2013.csv", "f8428a1edbd21e88f42c73edd2a14f95"),
        "icml": ("icml_face_data.csv", "b114b9e04e6949e5fe8b6a98b3892b1d"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = chosen(self, "split", split, _USAGE)
        files = [self.root / "fer2013" / self._RESOURCES[kind][0] for kind in ("fer", "icml", split)]
        path = next((file for file in files if file.is_file()), files[-1])
        require(self, [path], None, "get the tables of Kaggle's facial expression recognition challenge")
        rows = read_csv(path, what=_WHAT)
        with reading(path, _WHAT):
            if path != files[-1]:
                rows = [row for row in rows if row["Usage"] in _USAGE[split]]
            pixels = np.array(" ".join(row["pixels"] for row in rows).split(), np.int64).reshape(len(rows), 48, 48)
            if pixels.size and not 0 <= pixels.min() <= pixels.max() <= 255:
                raise ValueError("pixels are numbers from 0 to 255")
            self._pixels = pixels.astype(np.uint8)
            self._labels = [int(row["emotion"]) if "emotion" in row else None for row in rows]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(Image.fromarray(self._pixels[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._labels)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"split={self._split}"
