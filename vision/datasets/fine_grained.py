"""Kinds that are hard to tell apart: dishes, aircraft, cars."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from framework.errors import ArgumentError
from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.folder import default_loader
from vision.datasets.listed import ListedImages
from vision.datasets.tables import read_json, read_lines, read_mat
from vision.datasets.vision import numbered


class Food101(ListedImages):
    """Dishes of 101 kinds: 750 photographs a kind for training, some of them wrongly labelled, and 250 for testing.

    Args:
        root: the folder that holds ``food-101``.
        split: "train" or "test".
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Attributes:
        classes: the class names, sorted.
        class_to_idx: the class numbers by name.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Bossard, Guillaumin and Van Gool, "Food-101: Mining Discriminative Components with Random Forests", 2014,
    https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/
    """

    _URL: ClassVar[str] = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5: ClassVar[str] = "85eeb15f3717b99a5da872d97d918f87"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        self._split = chosen(self, "split", split, ("train", "test"))
        folder = self.root / "food-101"
        require(self, [folder / "meta", folder / "images"], self.download if download else None)
        table = folder / "meta" / f"{split}.json"
        listed = read_json(table, "Food101's list of images")
        with reading(table, "Food101's list of images"):
            self.classes = sorted(listed)
            self.class_to_idx = numbered(self.classes)
            pairs = [(folder / "images" / f"{name}.jpg", self.class_to_idx[c]) for c in listed for name in listed[c]]
        self._list((file for file, _ in pairs), (target for _, target in pairs))

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)


class FGVCAircraft(ListedImages):
    """Aircraft: 10,000 photographs of 100 variants, in 70 families, by 30 manufacturers.

    Args:
        root: the folder that holds ``fgvc-aircraft-2013b``.
        split: "train", "val", "trainval" or "test".
        annotation_level: what counts as a class: "variant", "family" or "manufacturer".
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Attributes:
        classes: the class names, in the order of the archive's list.
        class_to_idx: the class numbers by name.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Maji et al., "Fine-Grained Visual Classification of Aircraft", 2013, https://arxiv.org/abs/1306.5151.
    Unlike in torchvision, the download is verified.
    """

    _URL: ClassVar[str] = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
    _MD5: ClassVar[str] = "d4acdd33327262359767eeaa97a4f732"
    _LISTS: ClassVar[dict[str, str]] = {
        "variant": "variants.txt", "family": "families.txt", "manufacturer": "manufacturers.txt",
    }  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "trainval",
        annotation_level: str = "variant",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        self._split = chosen(self, "split", split, ("train", "val", "trainval", "test"))
        self._annotation_level = chosen(self, "annotation_level", annotation_level, self._LISTS)
        folder = self.root / "fgvc-aircraft-2013b" / "data"
        require(self, [folder], self.download if download else None)
        self.classes = read_lines(folder / self._LISTS[annotation_level], "the list of classes")
        self.class_to_idx = numbered(self.classes)
        table = folder / f"images_{annotation_level}_{split}.txt"
        pairs = [line.split(" ", 1) for line in read_lines(table)]
        with reading(table, "a list of images and their classes"):
            self._list(
                (folder / "images" / f"{name}.jpg" for name, _ in pairs),
                (self.class_to_idx[label] for _, label in pairs),
            )

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)


class StanfordCars(ListedImages):
    """Cars: 196 makes, models and years; 8,144 photographs for training and 8,041 for testing.

    The official address is gone. Put the folders ``devkit``, ``cars_train`` and ``cars_test`` and the file
    ``cars_test_annos_withlabels.mat`` into ``root/stanford_cars``.

    Args:
        root: the folder that holds ``stanford_cars``.
        split: "train" or "test".
        transform: applied to the image.
        target_transform: applied to the class number.
        download: accepted so that programs need not change; True is an error if files are missing.
        loader: what makes an image of a path.

    Attributes:
        classes: the class names.
        class_to_idx: the class numbers by name.

    Raises:
        DatasetNotFound: files are missing.

    Reference: Krause et al., "3D Object Representations for Fine-Grained Categorization", 2013,
    https://ai.stanford.edu/~jkrause/cars/car_dataset.html
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        self._split = chosen(self, "split", split, ("train", "test"))
        folder = self.root / "stanford_cars"
        meta, images = folder / "devkit" / "cars_meta.mat", folder / f"cars_{split}"
        table = folder / ("devkit/cars_train_annos.mat" if split == "train" else "cars_test_annos_withlabels.mat")
        advice = "the official address is gone: get the data set elsewhere and put it there"
        require(self, [meta, table, images], self.download if download else None, advice)
        with reading(meta, "the list of car classes"):
            self.classes = [str(name) for name in read_mat(meta)["class_names"]]
        self.class_to_idx = numbered(self.classes)
        with reading(table, "the list of car images"):
            rows = read_mat(table)["annotations"].reshape(-1)  # a lone row comes without its dimension
            self._list((images / str(row["fname"]) for row in rows), (int(row["class"]) - 1 for row in rows))

    def download(self) -> None:
        """Raise: the official address is gone."""
        raise ArgumentError("StanfordCars: the official address is gone, so download=True cannot fetch it; pass False")
