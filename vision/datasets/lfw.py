"""Labeled Faces in the Wild: who is it, and is it the same person?"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from framework.errors import ArgumentError
from hub.dataset_files import chosen, reading, require
from vision.datasets.folder import default_loader
from vision.datasets.tables import read_lines
from vision.datasets.vision import VisionDataset

_ADVICE = "the official address is gone: get the data set elsewhere, for example from Kaggle, and put it there"


class _LFW(VisionDataset):
    """What people and pairs share: files, and where images are."""

    base_folder: ClassVar[str] = "lfw-py"
    file_dict: ClassVar[dict[str, tuple[str, str, str]]] = {  # folder, archive, md5
        "original": ("lfw", "lfw.tgz", "a17d05bd522c52d84eca14327a23d494"),
        "funneled": ("lfw_funneled", "lfw-funneled.tgz", "1b42dfed7d15c9b2dd63d5e5840c86ad"),
        "deepfunneled": ("lfw-deepfunneled", "lfw-deepfunneled.tgz", "68331da3eb755a505a502b5aacb3c201"),
    }
    checksums: ClassVar[dict[str, str]] = {
        "pairs.txt": "9f1ba174e4e1c508ff7cdf10ac338a7d",
        "pairsDevTest.txt": "5132f7440eb68cf58910c8a45a2ac10b",
        "pairsDevTrain.txt": "4f27cbf15b2da4a85c1907eb4181ad21",
        "people.txt": "450f0863dd89e85e73936a6d71a3474b",
        "peopleDevTest.txt": "e4bf5be0a43b5dcd9dc5ccfcb8fb19c5",
        "peopleDevTrain.txt": "54eaac34beb6d042ed3a7d883e247a21",
        "lfw-names.txt": "a6d0a479bd074669f656265a6e693f6d",
    }
    annot_file: ClassVar[dict[str, str]] = {"10fold": "", "train": "DevTrain", "test": "DevTest"}
    names: ClassVar[str] = "lfw-names.txt"
    view: ClassVar[str]

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(Path(root) / self.base_folder, transform=transform, target_transform=target_transform)
        self.image_set = chosen(self, "image_set", image_set.lower(), self.file_dict)
        self.split = chosen(self, "split", split.lower(), self.annot_file)
        if download:
            raise ArgumentError(f"{type(self).__name__}: download=True cannot fetch it: {_ADVICE}")
        folder, self.filename, self.md5 = self.file_dict[self.image_set]
        self.labels_file = f"{self.view}{self.annot_file[self.split]}.txt"
        self.images_dir = os.fspath(self.root / folder)
        self._loader = loader
        self.data: list[Any] = []
        self.targets: list[int] = []
        require(self, [self.images_dir, self.root / self.labels_file], None, _ADVICE)

    def _get_path(self, identity: str, number: str | int) -> str:
        return os.path.join(self.images_dir, identity, f"{identity}_{int(number):04d}.jpg")

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Alignment: {self.image_set}\nSplit: {self.split}"


class LFWPeople(_LFW):
    """Faces by name: 13,233 photographs of 5,749 people.

    Files: the image folder, the list of the split and ``lfw-names.txt``, in ``root/lfw-py``.

    Args:
        root: the folder that holds ``lfw-py``.
        split: "10fold" for everybody, "train" or "test".
        image_set: how faces are aligned: "original", "funneled" or "deepfunneled".
        transform: applied to the image.
        target_transform: applied to the person's number.
        download: accepted so that programs need not change; True is an error, since the official address is gone.
        loader: what makes an image of a path.

    Attributes:
        data: the images' paths.
        targets: the people's numbers.
        class_to_idx: the people's numbers by name.

    Raises:
        DatasetNotFound: files are missing.
        FileFormatError: a list is broken.

    Reference: Huang et al., "Labeled Faces in the Wild", 2007, http://vis-www.cs.umass.edu/lfw/
    """

    view = "people"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, split, image_set, transform, target_transform, download, loader)
        names = self.root / self.names
        people = read_lines(names, "the list of people")
        self.class_to_idx = {line.split()[0]: number for number, line in enumerate(people)}
        path = self.root / self.labels_file
        lines = [line.split("\t") for line in read_lines(path, "a list of people")]
        with reading(path, "a list of people and how many pictures they have"):
            # a fold is a line with its length, then its people; ten folds come after a line with their number
            for row in lines:
                if len(row) == 1:
                    continue
                name, count = row
                self.data += [self._get_path(name, number) for number in range(1, int(count) + 1)]
                self.targets += [self.class_to_idx[name]] * int(count)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(self._loader(self.data[index]), self.targets[index])

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"{super().extra_repr()}\nClasses (identities): {len(self.class_to_idx)}"


class LFWPairs(_LFW):
    """Pairs of faces, of one person (1) or of two (0). A sample is (first image, second image, target).

    Files: the image folder and the list of the split, in ``root/lfw-py``.

    Args:
        root: the folder that holds ``lfw-py``.
        split: "10fold" for the 6,000 pairs of the benchmark, "train" or "test".
        image_set: how faces are aligned: "original", "funneled" or "deepfunneled".
        transform: applied to each image.
        target_transform: applied to the target.
        download: accepted so that programs need not change; True is an error, since the official address is gone.
        loader: what makes an image of a path.

    Attributes:
        data: the pairs' paths.
        targets: whether they show one person.
        pair_names: the pairs' names.

    Raises:
        DatasetNotFound: files are missing.
        FileFormatError: the list is broken.

    Reference: Huang et al., "Labeled Faces in the Wild", 2007, http://vis-www.cs.umass.edu/lfw/
    """

    view = "pairs"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, split, image_set, transform, target_transform, download, loader)
        self.pair_names: list[tuple[str, str]] = []
        path = self.root / self.labels_file
        lines = [line.split("\t") for line in read_lines(path, "a list of pairs")]
        with reading(path, "a list of pairs: a name and two numbers, or two names with a number each"):
            for row in lines[1:]:  # the first line says how many there are
                first, one, *others = row
                second, two = others if len(others) == 2 else (first, *others)
                self.pair_names.append((first, second))
                self.data.append((self._get_path(first, one), self._get_path(second, two)))
                self.targets.append(int(len(row) == 3))

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        first, second = map(self._loader, self.data[index])
        if self.transform is not None:
            first, second = self.transform(first), self.transform(second)
        target: Any = self.targets[index]
        return first, second, target if self.target_transform is None else self.target_transform(target)
