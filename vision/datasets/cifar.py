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
from hub import download
from hub.pickles import read_arrays
from vision.datasets.vision import VisionDataset

_LARGEST = 1 << 30  # bytes a member of the archive may hold


class CIFAR10(VisionDataset):
    """Photographs of ten classes, 32 x 32 colour, 50,000 for training and 10,000 for testing.

    Batches are looked for in ``root`` and in ``root/cifar-10-batches-py``. All training batches that are there are used.

    Args:
        root: the folder.
        train: the training set, else the test set.
        transform: applied to the Pillow image.
        target_transform: applied to the class number.
        download: fetch the official archive, verified, if there is no batch.
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
        super().__init__(root, transform, target_transform)
        self.train = train
        names = self.train_list if train else self.test_list
        folder = self._folder(names)
        if folder is None and download:
            self._download()
            folder = self._folder(names)
        if folder is None:
            raise FileNotFoundError(
                f"{type(self).__name__}: there is no {names[0]} under {str(self.root)!r}; pass download=True to fetch it"
            )
        batches = [self._read(folder / name) for name in names if (folder / name).is_file()]
        self.data = np.concatenate([pixels for pixels, _ in batches])
        self.targets = [int(t) for _, labels in batches for t in labels]
        self.classes = self._class_names(folder)

    def _folder(self, names: tuple[str, ...]) -> Path | None:
        for folder in (self.root / self.base_folder, self.root):
            if any((folder / name).is_file() for name in names):
                return folder
        return None

    def _read(self, path: Path) -> tuple[np.ndarray[Any, Any], Any]:
        entry = read_arrays(path.read_bytes(), str(path))
        pixels = entry.get("data") if isinstance(entry, dict) else None
        labels = entry.get(self.label_key) if isinstance(entry, dict) else None
        if not isinstance(pixels, np.ndarray) or labels is None or pixels.dtype != np.uint8 or pixels.size != len(labels) * 3072:
            raise FileFormatError(f"{path}: not a CIFAR batch of uint8 rows of 3072 and their {self.label_key}")
        return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels

    def _class_names(self, folder: Path) -> list[str]:
        path = folder / self.meta[0]
        if not path.is_file():
            raise FileNotFoundError(f"{type(self).__name__}: there is no {path}, which holds the class names")
        names = read_arrays(path.read_bytes(), str(path))[self.meta[1]]
        return [n.decode("utf-8") if isinstance(n, bytes) else n for n in names]

    def _download(self) -> None:
        archive = download(self.url, self.root / self.filename, md5=self.tgz_md5)
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
        """Whether a folder holds a training batch, so that it can be told by looking."""
        return any((f / n).is_file() for f in (Path(root), Path(root) / cls.base_folder) for n in cls.train_list)


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

    @classmethod
    def present(cls, root: str | os.PathLike[str]) -> bool:
        """Whether a folder holds the training batch; "train" alone may be any folder's name."""
        return any((f / "train").is_file() and (f / "meta").is_file() for f in (Path(root), Path(root) / cls.base_folder))
