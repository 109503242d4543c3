"""CIFAR-10 and CIFAR-100 in their Python layout.

Reference: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from framework.io import FileFormatError, atomic_write
from hub import download as fetch
from hub.dataset_files import DatasetNotFound
from hub.pickles import read_arrays
from vision.datasets.vision import VisionDataset, numbered

_LARGEST = 1 << 30  # bytes a member of the archive may hold
_ROW = 3 * 32 * 32  # bytes of a picture: all red, then all green, then all blue, row by row


class CIFAR10(VisionDataset):
    """Photographs of ten classes, 32 x 32 colour, 50,000 for training and 10,000 for testing.

    Batches are looked for in ``root/cifar-10-batches-py`` and in ``root``. All training batches that are there are
    used, so that a part of the data set can stand for it; ``len`` tells how many pictures they hold.

    Args:
        root: the folder.
        train: the training set, else the test set.
        transform: applied to the Pillow image.
        target_transform: applied to the class number.
        download: fetch the official archive, verified, if there is no batch.

    Attributes:
        data: uint8 array (N, 32, 32, 3).
        targets: list of class numbers.
        classes: the class names.

    Raises:
        DatasetNotFound: there is no batch, and ``download`` is off.
        FileFormatError: a file is broken, or holds anything but arrays and plain data.
    """

    base_folder: ClassVar[str] = "cifar-10-batches-py"
    url: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename: ClassVar[str] = "cifar-10-python.tar.gz"
    tgz_md5: ClassVar[str] = "c58f30108f718f92721af3b95e74349a"
    train_list: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{i}" for i in range(1, 6))
    test_list: ClassVar[tuple[str, ...]] = ("test_batch",)
    meta: ClassVar[tuple[str, str]] = ("batches.meta", "label_names")
    label_key: ClassVar[str] = "labels"

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
        names = self.train_list if train else self.test_list
        folder = self._folder(names)
        if folder is None and download:
            self.download()
            folder = self._folder(names)
        if folder is None:
            where = f"{names[0]} under {str(self.root)!r}"
            raise DatasetNotFound(f"{type(self).__name__}: there is no {where}; pass download=True to fetch it")
        self.classes = self._class_names(folder)
        self.class_to_idx = numbered(self.classes)
        batches = [self._batch(folder / name) for name in names if (folder / name).is_file()]
        self.data = np.concatenate([pixels for pixels, _ in batches])
        self.targets = [target for _, labels in batches for target in labels]

    def _folder(self, names: tuple[str, ...]) -> Path | None:
        for folder in (self.root / self.base_folder, self.root):
            if any((folder / name).is_file() for name in names):
                return Path(folder)
        return None

    def _batch(self, path: Path) -> tuple[np.ndarray[Any, Any], list[int]]:
        entry = read_arrays(path.read_bytes(), str(path))
        pixels, labels = (entry.get(key) if isinstance(entry, dict) else None for key in ("data", self.label_key))
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or not isinstance(labels, list):
            raise FileFormatError(f"{path}: not a CIFAR batch, which holds uint8 data and a list of {self.label_key}")
        if pixels.size != len(labels) * _ROW:
            raise FileFormatError(f"{path}: {pixels.size} bytes of pictures are not {_ROW} for each of {len(labels)}")
        if not all(isinstance(label, int) and 0 <= label < len(self.classes) for label in labels):
            raise FileFormatError(f"{path}: holds labels outside 0 to {len(self.classes) - 1}")
        return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels

    def _class_names(self, folder: Path) -> list[str]:
        path, key = folder / self.meta[0], self.meta[1]
        if not path.is_file():
            raise DatasetNotFound(f"{type(self).__name__}: there is no {path}, which holds the class names")
        entry = read_arrays(path.read_bytes(), str(path))
        names = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(names, list) or not names or not all(isinstance(n, bytes | str) for n in names):
            raise FileFormatError(f"{path}: not CIFAR's list of class names, which is under {key!r}")
        return [n.decode("utf-8", "replace") if isinstance(n, bytes) else n for n in names]

    def download(self) -> None:
        """Fetch the official archive, verified, and take the batches out of it."""
        archive = fetch(self.url, self.root / self.filename, md5=self.tgz_md5)
        with tarfile.open(archive) as tar:
            for name in (*self.train_list, *self.test_list, self.meta[0]):
                member = tar.getmember(f"{self.base_folder}/{name}")
                file = tar.extractfile(member)
                if file is None or member.size > _LARGEST:
                    raise FileFormatError(f"{archive}: {name} is not a plain file of a sensible size")
                atomic_write(self.root / self.base_folder / name, file.read())

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(Image.fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"

    @classmethod
    def present(cls, root: str | os.PathLike[str]) -> bool:
        """Whether a folder holds a training batch and the class names, so that the data set can be told by looking."""
        folders = (Path(root), Path(root, cls.base_folder))
        return any((f / cls.meta[0]).is_file() and any((f / n).is_file() for n in cls.train_list) for f in folders)


class CIFAR100(CIFAR10):
    """Photographs of a hundred classes, 32 x 32 colour, 50,000 for training and 10,000 for testing."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = ("train",)
    test_list = ("test",)
    meta = ("meta", "fine_label_names")
    label_key = "fine_labels"
