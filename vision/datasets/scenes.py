"""Places and textures: SUN397, Places365 and DTD."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from framework.errors import ArgumentError
from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.folder import default_loader
from vision.datasets.listed import ListedImages
from vision.datasets.tables import read_lines
from vision.datasets.vision import numbered


class SUN397(ListedImages):
    """Scenes of 397 kinds, 108,754 photographs, at least a hundred a kind.

    Args:
        root: the folder that holds ``SUN397``.
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Attributes:
        classes: the class names, such as "abbey" or "apartment_building/outdoor".
        class_to_idx: the class numbers by name.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Xiao et al., "SUN Database: Large-scale Scene Recognition from Abbey to Zoo", 2010,
    https://vision.princeton.edu/projects/2010/SUN/. Images come sorted by path; in torchvision, as the disk lists them.
    """

    _DATASET_URL: ClassVar[str] = "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"
    _DATASET_MD5: ClassVar[str] = "8ca2778205c41d23104230ba66911c7a"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        folder = self.root / "SUN397"
        require(self, [folder], self.download if download else None)
        table = folder / "ClassName.txt"
        self.classes = [line[3:] for line in read_lines(table, "the list of classes")]  # without "/a/"
        self.class_to_idx = numbered(self.classes)
        files = sorted(folder.rglob("sun_*.jpg"))
        with reading(table, "the list of all classes"):
            names = ("/".join(file.relative_to(folder).parts[1:-1]) for file in files)
            self._list(files, (self.class_to_idx[name] for name in names))

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._DATASET_URL, self.root, md5=self._DATASET_MD5)


class Places365(ListedImages):
    """Scenes of 365 kinds: 1.8 million photographs for training (8 million in the challenge's), 36,500 for validation.

    Args:
        root: the folder that holds the lists and the image folders.
        split: "train-standard", "train-challenge", "val" or "test"; the last has no labels, its targets are None.
        small: the images reduced to 256 x 256.
        download: fetch what is missing of the lists and the images.
        transform: applied to the image.
        target_transform: applied to the class number.
        loader: what makes an image of a path.

    Attributes:
        classes: the class names, such as "/a/abbey", sorted.
        class_to_idx: the class numbers by name.
        imgs: (path, class number) of every image.

    Raises:
        DatasetNotFound: the lists are missing, and ``download`` is off.

    Reference: Zhou et al., "Places: A 10 million Image Database for Scene Recognition", 2017, http://places2.csail.mit.edu
    """

    _BASE_URL: ClassVar[str] = "http://data.csail.mit.edu/places/places365/"
    _DEVKIT_META: ClassVar[dict[str, tuple[str, str]]] = {
        "standard": ("filelist_places365-standard.tar", "35a0585fee1fa656440f3ab298f8479c"),
        "challenge": ("filelist_places365-challenge.tar", "70a8307e459c3de41690a7c76c931734"),
    }
    _FILE_LISTS: ClassVar[dict[str, str]] = {
        "train-standard": "places365_train_standard.txt",
        "train-challenge": "places365_train_challenge.txt",
        "val": "places365_val.txt",
        "test": "places365_test.txt",
    }
    _IMAGES_META: ClassVar[dict[tuple[str, bool], tuple[str, str]]] = {
        ("train-standard", False): ("train_large_places365standard.tar", "67e186b496a84c929568076ed01a8aa1"),
        ("train-challenge", False): ("train_large_places365challenge.tar", "605f18e68e510c82b958664ea134545f"),
        ("val", False): ("val_large.tar", "9b71c4993ad89d2d8bcbdc4aef38042f"),
        ("test", False): ("test_large.tar", "41a4b6b724b1d2cd862fb3871ed59913"),
        ("train-standard", True): ("train_256_places365standard.tar", "53ca1c756c3d1e7809517cc47c5561c5"),
        ("train-challenge", True): ("train_256_places365challenge.tar", "741915038a5e3471ec7332404dfb64ef"),
        ("val", True): ("val_256.tar", "e27b17d8d44f4af9a78502beb927f808"),
        ("test", True): ("test_256.tar", "f532f6ad7b582262a2ec8009075e186b"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train-standard",
        small: bool = False,
        download: bool = False,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        self.split = chosen(self, "split", split, self._FILE_LISTS)
        self.small = small
        names, table = self.root / "categories_places365.txt", self.root / self._FILE_LISTS[split]
        require(self, [names, table], self.download_devkit if download else None)
        with reading(names, "the list of classes and their numbers"):
            pairs = [line.split() for line in read_lines(names)]
            self.class_to_idx = {name: int(number) for name, number in pairs}
        self.classes = sorted(self.class_to_idx)
        with reading(table, "a list of images and their class numbers"):
            rows = [line.split() for line in read_lines(table)]
            self._list(
                (Path(self.images_dir, row[0].lstrip("/")) for row in rows),
                (int(row[1]) if len(row) > 1 else None for row in rows),
            )
        self.imgs = self.samples
        if download and not Path(self.images_dir).exists():
            self.download_images()

    @property
    def variant(self) -> str:
        """The edition: "standard" or "challenge"."""
        return "challenge" if "challenge" in self.split else "standard"

    @property
    def images_dir(self) -> str:
        """The folder of the images."""
        size = "256" if self.small else "large"
        name = f"data_{size}_{self.variant}" if self.split.startswith("train") else f"{self.split}_{size}"
        return os.fspath(self.root / name)

    def download_devkit(self) -> None:
        """Fetch the lists, verified, and unpack them."""
        name, md5 = self._DEVKIT_META[self.variant]
        download_and_extract_archive(self._BASE_URL + name, self.root, md5=md5)

    def download_images(self) -> None:
        """Fetch the images, verified, and unpack them."""
        name, md5 = self._IMAGES_META[self.split, self.small]
        download_and_extract_archive(self._BASE_URL + name, self.root, md5=md5)
        if self.split.startswith("train"):  # both editions unpack to one name
            os.rename(self.images_dir.rpartition("_")[0], self.images_dir)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}\nSmall: {self.small}"


class DTD(ListedImages):
    """Textures that people have words for: 47 words, 120 photographs a word.

    Args:
        root: the folder that holds ``dtd``.
        split: "train", "val" or "test".
        partition: which of the ten ways to split, 1 to 10.
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Attributes:
        classes: the class names, sorted.
        class_to_idx: the class numbers by name.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Cimpoi et al., "Describing Textures in the Wild", 2014, https://www.robots.ox.ac.uk/~vgg/data/dtd/
    """

    _URL: ClassVar[str] = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
    _MD5: ClassVar[str] = "fff73e5086ae6bdbea199a49dfb8a4c1"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        partition: int = 1,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        self._split = chosen(self, "split", split, ("train", "val", "test"))
        if not isinstance(partition, int) or not 1 <= partition <= 10:
            raise ArgumentError(f"DTD: partition must be a whole number from 1 to 10, got {partition!r}")
        self._partition = partition
        self._base_folder = self.root / "dtd"
        folder = self._base_folder / "dtd"
        require(self, [folder], self.download if download else None)
        table = folder / "labels" / f"{split}{partition}.txt"
        pairs = [line.split("/") for line in read_lines(table)]
        with reading(table, "a list of images in folders of classes"):
            self.classes = sorted({name for name, _ in pairs})
            self.class_to_idx = numbered(self.classes)
            self._list(
                (folder / "images" / name / file for name, file in pairs),
                (self.class_to_idx[name] for name, _ in pairs),
            )

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._URL, self._base_folder, md5=self._MD5)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"split={self._split}, partition={self._partition}"
