"""Caltech's pictures of objects, of 101 and of 256 kinds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hub import download as fetch
from hub.archives import download_and_extract_archive, extract_archive, unpacking
from hub.dataset_files import chosen, reading, require
from vision.datasets.tables import read_mat
from vision.datasets.vision import VisionDataset
from vision.io import open_image


def _categories(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


def _numbers(folder: Path, categories: list[str]) -> tuple[list[int], list[int]]:
    """Of every image the class number, and its number within the class; files are named by these."""
    counts = [sum(entry.name.endswith(".jpg") for entry in os.scandir(folder / name)) for name in categories]
    classes = [number for number, count in enumerate(counts) for _ in range(count)]
    return classes, [number for count in counts for number in range(1, count + 1)]


class Caltech101(VisionDataset):
    """Objects of 101 kinds, 40 to 800 photographs a kind, with outlines drawn by hand. Some images are grey (mode L).

    Args:
        root: the folder that holds ``caltech101``.
        target_type: what a target is, or a list to get a tuple: "category", the class number; "annotation", the
            outline as an array (2, points) of x and y in pixels.
        transform: applied to the image.
        target_transform: applied to the target.
        download: fetch the archive if the images are missing.

    Attributes:
        categories: the class names, sorted, without the heap of background pictures.
        y: the class number of every image.
        index: its number within the class, from 1.

    Raises:
        DatasetNotFound: the images are missing, and ``download`` is off.

    Reference: Li, Fergus and Perona, "Learning generative visual models from few training examples", 2004,
    https://data.caltech.edu/records/20086
    """

    url: ClassVar[str] = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
    md5: ClassVar[str] = "3138e1922a9193bfa496528edbbc45d0"
    _ANNOTATED_AS: ClassVar[dict[str, str]] = {  # where the outlines' folder has another name than the images'
        "Faces": "Faces_2", "Faces_easy": "Faces_3", "Motorbikes": "Motorbikes_16", "airplanes": "Airplanes_Side_2",
    }  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        target_type: Sequence[str] | str = "category",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(Path(root) / "caltech101", transform=transform, target_transform=target_transform)
        kinds = [target_type] if isinstance(target_type, str) else target_type
        self.target_type = [chosen(self, "target_type", kind, ("category", "annotation")) for kind in kinds]
        self._images = self.root / "101_ObjectCategories"
        require(self, [self._images], self.download if download else None)
        self.categories = [name for name in _categories(self._images) if name != "BACKGROUND_Google"]
        self.annotation_categories = [self._ANNOTATED_AS.get(name, name) for name in self.categories]
        self.y, self.index = _numbers(self._images, self.categories)

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it and the archives inside."""
        archive = fetch(self.url, self.root / "caltech-101.zip", md5=self.md5)
        with unpacking(self.root) as temporary, tempfile.TemporaryDirectory(dir=self.root, prefix=".outer.") as outer:
            extract_archive(archive, outer)
            for inner in Path(outer, "caltech-101").iterdir():
                if inner.name.endswith((".tar", ".gz")):
                    extract_archive(inner, temporary)
        archive.unlink()

    def _target(self, kind: str, index: int) -> Any:
        if kind == "category":
            return self.y[index]
        folder = self.root / "Annotations" / self.annotation_categories[self.y[index]]
        path = folder / f"annotation_{self.index[index]:04d}.mat"
        with reading(path, "an object's outline"):
            return read_mat(path, squeeze=False)["obj_contour"]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self._images / self.categories[self.y[index]] / f"image_{self.index[index]:04d}.jpg"
        targets = tuple(self._target(kind, index) for kind in self.target_type)
        return self._finish(open_image(image, None), targets if len(targets) > 1 else targets[0])

    def __len__(self) -> int:
        return len(self.index)

    def extra_repr(self) -> str:
        """What the targets are."""
        return f"Target type: {self.target_type}"


class Caltech256(VisionDataset):
    """Objects of 256 kinds and a heap of others, 30,607 photographs. Some images are grey (mode L).

    Args:
        root: the folder that holds ``caltech256``.
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the images are missing.

    Attributes:
        categories: the class names, such as "001.ak47", sorted.
        y: the class number of every image.
        index: its number within the class, from 1.

    Raises:
        DatasetNotFound: the images are missing, and ``download`` is off.

    Reference: Griffin, Holub and Perona, "Caltech-256 Object Category Dataset", 2007,
    https://data.caltech.edu/records/20087
    """

    url: ClassVar[str] = "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar"
    md5: ClassVar[str] = "67b4f42ca05d46448c6bb8ecd2220f6d"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(Path(root) / "caltech256", transform=transform, target_transform=target_transform)
        self._images = self.root / "256_ObjectCategories"
        require(self, [self._images], self.download if download else None)
        self.categories = _categories(self._images)
        self.y, self.index = _numbers(self._images, self.categories)

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self.url, self.root, md5=self.md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        number = self.y[index]
        image = self._images / self.categories[number] / f"{number + 1:03d}_{self.index[index]:04d}.jpg"
        return self._finish(open_image(image, None), number)

    def __len__(self) -> int:
        return len(self.index)
