"""Handwritten digits of 16 x 16 pixels in text files: USPS and SEMEION."""

from __future__ import annotations

import bz2
import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from framework.io import FileFormatError
from hub import download as fetch
from hub.dataset_files import reading, require
from vision.datasets.vision import VisionDataset

_LARGEST = 1 << 28  # bytes a file may hold unpacked
_PIXELS = 16 * 16


class USPS(VisionDataset):
    """Digits from envelopes, 16 x 16 grey, 7,291 for training and 2,007 for testing, in libsvm's text format.

    Args:
        root: the folder.
        train: the training set, else the test set.
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the digit.
        download: fetch the file if it is missing.

    Attributes:
        data: uint8 array (N, 16, 16).
        targets: list of digits.

    Raises:
        DatasetNotFound: the file is missing, and ``download`` is off.
        FileFormatError: it is broken.

    Reference: Hull, "A Database for Handwritten Text Recognition Research", 1994,
    https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps
    """

    split_list: ClassVar[dict[str, list[str]]] = {  # address, name, md5
        "train": [
            "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.bz2",
            "usps.bz2",
            "ec16c51db3855ca6c91edd34d0e9b197",
        ],
        "test": [
            "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/usps.t.bz2",
            "usps.t.bz2",
            "8ea070ee2aca1ac39742fdd1ef5ed118",
        ],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self.url, self.filename, self.file_md5 = self.split_list["train" if train else "test"]
        path = self.root / self.filename
        require(self, [path], self.download if download else None)
        try:
            with bz2.open(path) as file:
                text = file.read(_LARGEST)
        except (EOFError, OSError) as error:
            raise FileFormatError(f"{path}: the bzip2 data is broken ({error}); download it again") from None
        with reading(path, "lines of a label and 256 numbered values"):
            # "7 1:-1 2:-0.6 ..." is 513 numbers: the label, then number and value in turn
            table = np.array(text.replace(b":", b" ").split(), np.float32).reshape(-1, 1 + 2 * _PIXELS)
            self.data = ((table[:, 2::2] + 1) / 2 * 255).astype(np.uint8).reshape(-1, 16, 16)
            self.targets = [int(label) - 1 for label in table[:, 0]]

    def download(self) -> None:
        """Fetch the file, verified."""
        fetch(self.url, self.root / self.filename, md5=self.file_md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(Image.fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)


class SEMEION(VisionDataset):
    """Digits by some 80 people, 1,593 of 16 x 16, black and white.

    Args:
        root: the folder that holds ``semeion.data``.
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the digit.
        download: fetch the file if it is missing; on by default, as in torchvision.

    Attributes:
        data: uint8 array (N, 16, 16) of 0 and 255.
        labels: the digits (N).

    Raises:
        DatasetNotFound: the file is missing, and ``download`` is off.
        FileFormatError: it is broken.

    Reference: https://archive.ics.uci.edu/dataset/178/semeion+handwritten+digit
    """

    url: ClassVar[str] = "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data"
    filename: ClassVar[str] = "semeion.data"
    md5_checksum: ClassVar[str] = "cb545d371d2ce14ec121470795a77432"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        path = self.root / self.filename
        require(self, [path], self.download if download else None)
        with reading(path, "lines of 256 pixels and ten marks"):
            table = np.array(path.read_bytes().split(), np.float64).reshape(-1, _PIXELS + 10)
            if not (table[:, _PIXELS:].sum(1) == 1).all():
                raise ValueError("a line is not marked as one digit")
        self.data = (table[:, :_PIXELS] * 255).astype(np.uint8).reshape(-1, 16, 16)
        self.labels = table[:, _PIXELS:].argmax(1)

    def download(self) -> None:
        """Fetch the file, verified."""
        fetch(self.url, self.root / self.filename, md5=self.md5_checksum)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(Image.fromarray(self.data[index]), int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)
