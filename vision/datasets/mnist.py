"""MNIST and its kin in the idx format, plain or gzipped.

Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; the idx format is described there.
"""

from __future__ import annotations

import gzip
import lzma
import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from framework.io import FileFormatError
from framework.tensor import wrap
from hub import download as fetch
from hub import verify
from hub.dataset_files import DatasetNotFound
from vision.datasets.vision import VisionDataset, numbered

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_LARGEST = 1 << 31  # bytes an idx file may hold unpacked
_MOST_DIMS = 8


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """The array of an idx file, plain or packed by gzip or xz.

    Raises:
        FileFormatError: the file is no idx file, is cut short, or holds more than its header says.
    """
    name = os.fspath(path)
    with open(name, "rb") as plain:
        head = plain.read(6)  # an idx file begins with two zeros
    opener: Any = gzip.open if head.startswith(b"\x1f\x8b") else lzma.open if head == b"\xfd7zXZ\0" else open
    try:
        with opener(name, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or head[3] > _MOST_DIMS:
                raise FileFormatError(f"{name}: not an idx file")
            dtype, ndim = np.dtype(_IDX_TYPES[head[2]]), head[3]
            sizes = file.read(4 * ndim)
            shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4")) if len(sizes) == 4 * ndim else None
            wanted = math.prod(shape) * dtype.itemsize if shape is not None else 0
            if shape is None or wanted > _LARGEST:
                raise FileFormatError(f"{name}: cut short in its header, or its header says an absurd size ({shape})")
            data = file.read(wanted + 1)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise FileFormatError(
            f"{name}: the {'xz' if opener is lzma.open else 'gzip'} data is broken ({error}); download it again"
        ) from None
    if len(data) != wanted:
        there = "more" if len(data) > wanted else len(data)
        raise FileFormatError(f"{name}: the header says {shape}, {wanted} bytes, and there are {there}")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


class MNIST(VisionDataset):
    """Handwritten digits, 28 x 28 grey, 60,000 for training and 10,000 for testing.

    The files are looked for in ``root/MNIST/raw``, ``root`` and ``root/raw``, with or without ``.gz``.

    Args:
        root: the folder.
        train: the training set, else the test set.
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the class number.
        download: fetch files that are missing from the official addresses, verified, into ``root/MNIST/raw``.

    Attributes:
        data: uint8 tensor (N, 28, 28).
        targets: int64 tensor (N).

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: a file is broken, or images and labels do not belong together.
    """

    mirrors: ClassVar[list[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[list[tuple[str, str]]] = [  # names and md5
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[list[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four",
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip

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
        images, labels = (self._file(name, download) for name in self._names())
        pixels, targets = read_idx(images), read_idx(labels)
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or targets.shape != pixels.shape[:1]:
            raise FileFormatError(
                f"{images} of shape {pixels.shape} and {labels} of shape {targets.shape}: not images and their labels"
            )
        if targets.size and not 0 <= targets.min() <= targets.max() < len(self.classes):
            raise FileFormatError(f"{labels}: holds labels outside 0 to {len(self.classes) - 1}")
        self.data = wrap(pixels)
        self.targets = wrap(targets.astype(np.int64))

    def _names(self) -> tuple[str, str]:
        """The files of the part, packed: images and labels."""
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The class numbers by name."""
        return numbered(self.classes)

    @property
    def raw_folder(self) -> Path:
        """Where downloads go."""
        return Path(self.root, type(self).__name__, "raw")

    @classmethod
    def _places(cls, root: str | os.PathLike[str], archive: str) -> list[Path]:
        """Where a file may be, packed or not."""
        folders = (Path(root, cls.__name__, "raw"), Path(root), Path(root, "raw"))
        return [folder / name for folder in folders for name in (archive.removesuffix(".gz"), archive)]

    def _file(self, archive: str, download: bool) -> Path:
        found = next((path for path in self._places(self.root, archive) if path.is_file()), None)
        if found is None and not download:
            raise DatasetNotFound(
                f"{type(self).__name__}: there is no {archive}, packed or not, under {str(self.root)!r}; "
                "pass download=True to fetch it"
            )
        return found or self._fetch(archive)

    def _fetch(self, archive: str) -> Path:
        addresses = [f"{mirror}{archive}" for mirror in self.mirrors]
        return fetch(addresses, self.raw_folder / archive, md5=dict(self.resources)[archive])

    def download(self) -> None:
        """Fetch what is missing of all four files, verified."""
        for archive, _ in self.resources:
            self._file(archive, True)

    def check(self) -> bool:
        """Whether all four files are there, gzipped, and the official ones."""
        return all(any(verify(path, md5=md5) for path in self._places(self.root, name)) for name, md5 in self.resources)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(Image.fromarray(self.data.array[index]), int(self.targets.array[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"

    @classmethod
    def present(cls, root: str | os.PathLike[str]) -> bool:
        """Whether a folder holds the training images, so that the data set can be told by looking."""
        return any(path.is_file() for path in cls._places(root, "train-images-idx3-ubyte.gz"))


class FashionMNIST(MNIST):
    """Zalando's pictures of clothes in MNIST's format: https://github.com/zalandoresearch/fashion-mnist."""

    mirrors: ClassVar[list[str]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Handwritten cursive Japanese characters in MNIST's format: https://github.com/rois-codh/kmnist."""

    mirrors: ClassVar[list[str]] = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources: ClassVar[list[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
