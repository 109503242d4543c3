"""MNIST and its kin in the idx format, plain or gzipped.

Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; the idx format is described there.
"""

from __future__ import annotations

import gzip
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
from hub import download, verify
from vision.datasets.vision import VisionDataset

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_LARGEST = 1 << 31  # bytes an idx file may hold unpacked


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """The array of an idx file (gzipped if the name ends so).

    Raises:
        FileFormatError: the file is no idx file, is cut short, or holds more than its header says.
    """
    name = os.fspath(path)
    try:
        with gzip.open(name) if name.endswith(".gz") else open(name, "rb") as file:
            data = file.read(_LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileFormatError(f"{name}: the gzip data is broken ({error}); download it again") from None
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _IDX_TYPES or len(data) < 4 + 4 * data[3]:
        raise FileFormatError(f"{name}: not an idx file")
    dtype, ndim = np.dtype(_IDX_TYPES[data[2]]), data[3]
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", ndim, 4))
    wanted = 4 + 4 * ndim + math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise FileFormatError(f"{name}: the header says {shape}, {wanted} bytes in all, and there are {len(data)}")
    return np.frombuffer(data, dtype, offset=4 + 4 * ndim).reshape(shape).astype(dtype.newbyteorder("="))


class MNIST(VisionDataset):
    """Handwritten digits, 28 x 28 grey, 60,000 for training and 10,000 for testing.

    The four files are looked for in ``root``, ``root/MNIST/raw`` and ``root/raw``, with or without ``.gz``.

    Args:
        root: the folder.
        train: the training set, else the test set.
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the class number.
        download: fetch files that are missing from the official addresses, verified, into ``root/MNIST/raw``.
    """

    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    )
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }
    names: ClassVar[tuple[str, ...]] = tuple(
        f"{i} - {w}" for i, w in enumerate("zero one two three four five six seven eight nine".split())
    )

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
        self.classes = list(self.names)
        part = "train" if train else "t10k"
        images, labels = (self._find(f"{part}-{kind}-ubyte", download) for kind in ("images-idx3", "labels-idx1"))
        pixels, targets = read_idx(images), read_idx(labels)
        if pixels.ndim != 3 or targets.ndim != 1 or len(pixels) != len(targets):
            raise FileFormatError(f"{images}: shape {pixels.shape} and {labels}: shape {targets.shape} do not belong together")
        self.data = wrap(pixels)
        self.targets = wrap(targets.astype(np.int64))

    @property
    def raw_folder(self) -> Path:
        """Where downloads go."""
        return self.root / type(self).__name__ / "raw"

    def _find(self, name: str, fetch: bool) -> Path:
        for folder in (self.raw_folder, self.root, self.root / "raw"):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return path
        archive = f"{name}.gz"
        if not fetch:
            raise FileNotFoundError(
                f"{type(self).__name__}: there is no {name} (or {archive}) under {str(self.root)!r}; pass download=True to "
                "fetch it"
            )
        return download(
            [mirror + archive for mirror in self.mirrors], self.raw_folder / archive, md5=self.md5[archive]
        )

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(Image.fromarray(self.data.array[index]), int(self.targets.array[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"

    @classmethod
    def present(cls, root: str | os.PathLike[str]) -> bool:
        """Whether a folder holds the training images, so that it can be told by looking."""
        name = "train-images-idx3-ubyte"
        folders = (Path(root), Path(root) / "raw", Path(root) / cls.__name__ / "raw")
        return any((f / n).is_file() for f in folders for n in (name, f"{name}.gz"))

    def check(self) -> bool:
        """Whether every gzipped file found is the official one."""
        folders = (self.raw_folder, self.root, self.root / "raw")
        return all(any(verify(f / name, md5=md5) for f in folders) for name, md5 in self.md5.items())


class FashionMNIST(MNIST):
    """Zalando's pictures of clothes in MNIST's format: https://github.com/zalandoresearch/fashion-mnist."""

    mirrors = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }
    names = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip


class KMNIST(MNIST):
    """Handwritten cursive Japanese characters in MNIST's format: https://github.com/rois-codh/kmnist."""

    mirrors = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
        "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
        "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
        "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
    }
    names = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
