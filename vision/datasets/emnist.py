"""EMNIST and QMNIST: more of what MNIST was made from, in the idx format."""

from __future__ import annotations

import os
import string
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from framework.io import FileFormatError
from framework.tensor import wrap
from hub import download as fetch
from hub.archives import extract_archive, move_into
from hub.dataset_files import DatasetNotFound, chosen
from vision.datasets.mnist import MNIST, read_idx
from vision.datasets.vision import VisionDataset, numbered

_ALIKE = set("cijklmopsuvwxyz")  # small letters that look like their capitals
_CHARACTERS = sorted(string.digits + string.ascii_letters)
_MERGED = [character for character in _CHARACTERS if character not in _ALIKE]


class EMNIST(MNIST):
    """Handwritten digits and letters, 28 x 28 grey. The pictures lie on their side: rows and columns are swapped.

    Args:
        root: the folder; files are looked for in ``root/EMNIST/raw``, ``root`` and ``root/raw``, packed or not.
        split: "byclass" (62 classes, 814,255 pictures), "bymerge" and "balanced" (47 classes, letters that look like
            their capitals joined with them), "letters" (1 to 26), "digits" or "mnist".
        train, transform, target_transform: as in ``MNIST``.
        download: fetch the archive of all splits if files are missing.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.

    Reference: Cohen et al., "EMNIST: an extension of MNIST to handwritten letters", 2017, https://arxiv.org/abs/1702.05373
    """

    url: ClassVar[str] = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5: ClassVar[str] = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits: ClassVar[tuple[str, ...]] = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": _CHARACTERS,
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str], split: str, **kwargs: Any) -> None:
        self.split = chosen(self, "split", split, self.splits)
        self.classes = self.classes_split_dict[split]  # type: ignore[misc]
        super().__init__(root, **kwargs)

    def _names(self) -> tuple[str, str]:
        start = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{start}-images-idx3-ubyte.gz", f"{start}-labels-idx1-ubyte.gz"

    def _fetch(self, archive: str) -> Path:
        self.download()
        return self.raw_folder / archive

    def download(self) -> None:
        """Fetch the archive of all splits, verified, and take the files out of it."""
        archive = fetch(self.url, self.raw_folder / "gzip.zip", md5=self.md5)
        with tempfile.TemporaryDirectory(dir=self.raw_folder) as temporary:
            extract_archive(archive, temporary)
            move_into(Path(temporary, "gzip"), self.raw_folder)

    def check(self) -> bool:
        """Whether the split's files are there."""
        return all(any(path.is_file() for path in self._places(self.root, name)) for name in self._names())


class QMNIST(VisionDataset):
    """MNIST made again from NIST's forms, with who wrote what, and 50,000 test digits that MNIST lost.

    Args:
        root: the folder; files are looked for in ``root/QMNIST/raw``, ``root`` and ``root/raw``, packed or not.
        what: "train", "test" (60,000 digits), "test10k" (MNIST's), "test50k" (the others) or "nist" (all 402,953);
            by default "train" or "test", as ``train`` says.
        compat: targets are digits, as in ``MNIST``; else tensors of eight numbers: digit, series, writer, number within
            the writer, NIST's class code, its global number, and two more.
        train: which part, where ``what`` is not given.
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the target.
        download: fetch the part's files if one is missing.

    Attributes:
        data: uint8 tensor (N, 28, 28).
        targets: int64 tensor (N, 8).

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: a file is broken, or images and labels do not belong together.

    Reference: Yadav and Bottou, "Cold Case: the Lost MNIST Digits", 2019, https://arxiv.org/abs/1905.10498
    """

    subsets: ClassVar[dict[str, str]] = {
        "train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist",
    }  # fmt: skip
    _ADDRESS: ClassVar[str] = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    resources: ClassVar[dict[str, list[tuple[str, str]]]] = {
        "train": [
            (f"{_ADDRESS}qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (f"{_ADDRESS}qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (f"{_ADDRESS}qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (f"{_ADDRESS}qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (f"{_ADDRESS}xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (f"{_ADDRESS}xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }
    classes: ClassVar[list[str]] = MNIST.classes
    _PARTS: ClassVar[dict[str, slice]] = {"test10k": slice(0, 10_000), "test50k": slice(10_000, None)}

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        transform: Any = None,
        target_transform: Any = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.what = chosen(self, "what", what or ("train" if train else "test"), self.subsets)
        self.compat = compat
        self.train = train
        images, labels = (self._file(url, md5, download) for url, md5 in self.resources[self.subsets[self.what]])
        pixels, targets = read_idx(images), read_idx(labels)
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or targets.shape != (len(pixels), 8):
            raise FileFormatError(
                f"{images} of shape {pixels.shape} and {labels} of shape {targets.shape}: not images and their labels"
            )
        part = self._PARTS.get(self.what, slice(None))
        self.data = wrap(pixels[part])
        self.targets = wrap(targets[part].astype(np.int64))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The class numbers by name."""
        return numbered(self.classes)

    def _file(self, url: str, md5: str, download: bool) -> Path:
        archive = Path(url).name
        folder = self.root / "QMNIST" / "raw"
        names = (Path(archive).stem, archive)
        found = [place / name for place in (folder, self.root, self.root / "raw") for name in names]
        path = next((path for path in found if path.is_file()), None)
        if path is None and not download:
            raise DatasetNotFound(
                f"QMNIST: there is no {archive} under {str(self.root)!r}; pass download=True to fetch it"
            )
        return path or fetch(url, folder / archive, md5=md5)

    def download(self) -> None:
        """Fetch what is missing of the part's files, verified."""
        for url, md5 in self.resources[self.subsets[self.what]]:
            self._file(url, md5, True)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = int(self.targets.array[index, 0]) if self.compat else self.targets[index]
        return self._finish(Image.fromarray(self.data.array[index]), target)

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.what}"
