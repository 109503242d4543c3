"""Data sets whose archive unpacks to one folder a class: EuroSAT, Country211, RenderedSST2, Imagenette, GTSRB."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.folder import ImageFolder, default_loader, find_classes, make_dataset
from vision.datasets.listed import ListedImages
from vision.datasets.tables import read_csv


class EuroSAT(ImageFolder):
    """Satellite pictures of ten kinds of land, 27,000 of 64 x 64, in ``root/eurosat/2750``.

    Args:
        root: the folder.
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Helber et al., "EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover
    Classification", 2019, https://arxiv.org/abs/1709.00029
    """

    url: ClassVar[str] = (
        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
    )
    md5: ClassVar[str] = "c8fa014336c82ac7804f0398fcb19387"

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        self._base_folder = Path(root).expanduser() / "eurosat"
        require(self, [self._base_folder / "2750"], self.download if download else None)
        super().__init__(self._base_folder / "2750", transform, target_transform, loader)
        self.root = Path(root).expanduser()

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self.url, self._base_folder, md5=self.md5)


class Country211(ImageFolder):
    """Photographs by country, 211 of them: 150 a country for training, 50 for validation, 100 for testing.

    Args:
        root: the folder that holds ``country211``.
        split: "train", "valid" or "test".
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
    https://arxiv.org/abs/2103.00020
    """

    _URL: ClassVar[str] = "https://openaipublic.azureedge.net/clip/data/country211.tgz"
    _MD5: ClassVar[str] = "84988d7644798601126c29e9877aab6a"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        self._split = chosen(self, "split", split, ("train", "valid", "test"))
        self.root = Path(root).expanduser()
        folder = self.root / "country211" / split
        require(self, [folder], self.download if download else None)
        super().__init__(folder, transform, target_transform, loader)
        self.root = Path(root).expanduser()

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)


class RenderedSST2(ListedImages):
    """Sentences of the Stanford Sentiment Treebank as pictures, negative (0) or positive (1), for reading models.

    Args:
        root: the folder that holds ``rendered-sst2``.
        split: "train" (6,920 pictures), "val" (872) or "test" (1,821).
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Raises:
        DatasetNotFound: a folder is missing, and ``download`` is off.

    Reference: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021,
    https://arxiv.org/abs/2103.00020
    """

    _URL: ClassVar[str] = "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz"
    _MD5: ClassVar[str] = "2384d08e9dcfa4bd55b324e610496ee5"

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
        self._split = chosen(self, "split", split, ("train", "val", "test"))
        folder = self.root / "rendered-sst2" / ("valid" if split == "val" else split)
        self.classes = ["negative", "positive"]
        self.class_to_idx = {"negative": 0, "positive": 1}
        require(self, [folder / name for name in self.classes], self.download if download else None)
        self._list(*zip(*make_dataset(folder, self.class_to_idx, ("png",)), strict=True))

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._URL, self.root, md5=self._MD5)


class Imagenette(ListedImages):
    """Ten easy classes of ImageNet.

    Args:
        root: the folder that holds ``imagenette2``, ``imagenette2-320`` or ``imagenette2-160``.
        split: "train" or "val".
        size: "full", or with the shorter side reduced to "320px" or "160px".
        download: fetch the archive if the folder is missing.
        transform: applied to the image.
        target_transform: applied to the class number.
        loader: what makes an image of a path.

    Attributes:
        classes: the names of each class, a tuple each.
        class_to_idx: the class numbers by each of the names.
        wnids: the classes' WordNet numbers, which are their folders' names.
        wnid_to_idx: the class numbers by WordNet number.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: https://github.com/fastai/imagenette
    """

    _ARCHIVES: ClassVar[dict[str, tuple[str, str]]] = {
        "full": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2.tgz", "fe2fc210e6bb7c5664d602c3cd71e612"),
        "320px": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz", "3df6f0d01a2c9592104656642f5e78a3"),
        "160px": ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz", "e793b78cc4c9e9a4ccc0c1155377a412"),
    }
    _WNID_TO_CLASS: ClassVar[dict[str, tuple[str, ...]]] = {
        "n01440764": ("tench", "Tinca tinca"),
        "n02102040": ("English springer", "English springer spaniel"),
        "n02979186": ("cassette player",),
        "n03000684": ("chain saw", "chainsaw"),
        "n03028079": ("church", "church building"),
        "n03394916": ("French horn", "horn"),
        "n03417042": ("garbage truck", "dustcart"),
        "n03425413": ("gas pump", "gasoline pump", "petrol pump", "island dispenser"),
        "n03445777": ("golf ball",),
        "n03888257": ("parachute", "chute"),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        size: str = "full",
        download: bool = False,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        self._split = chosen(self, "split", split, ("train", "val"))
        self._size = chosen(self, "size", size, self._ARCHIVES)
        self._url, self._md5 = self._ARCHIVES[size]
        folder = self.root / Path(self._url).stem / split
        require(self, [folder], self.download if download else None)
        self.wnids, self.wnid_to_idx = find_classes(folder)
        with reading(folder, "a folder of Imagenette's classes"):
            self.classes = [self._WNID_TO_CLASS[wnid] for wnid in self.wnids]
        self.class_to_idx = {name: number for number, names in enumerate(self.classes) for name in names}
        self._list(*zip(*make_dataset(folder, self.wnid_to_idx, ".jpeg"), strict=True))

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._url, self.root, md5=self._md5)


class GTSRB(ListedImages):
    """German traffic signs, 43 kinds, in pictures of 15 to 250 pixels a side.

    Args:
        root: the folder that holds ``gtsrb``.
        split: "train" (26,640 pictures, one folder a class) or "test" (12,630 pictures, listed in a table).
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archives of the split if its folder is missing.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Stallkamp et al., "Man vs. computer: Benchmarking machine learning algorithms for traffic sign
    recognition", 2012, https://benchmark.ini.rub.de/gtsrb_news.html
    """

    _URL: ClassVar[str] = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
    _ARCHIVES: ClassVar[dict[str, tuple[tuple[str, str], ...]]] = {
        "train": (("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478"),),
        "test": (
            ("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
            ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
        ),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self._split = chosen(self, "split", split, ("train", "test"))
        self._base_folder = self.root / "gtsrb"
        folder = self._base_folder / "GTSRB" / ("Training" if split == "train" else "Final_Test/Images")
        table = self._base_folder / "GT-final_test.csv"
        require(self, [folder] if split == "train" else [folder, table], self.download if download else None)
        if split == "train":
            self._list(*zip(*make_dataset(folder, extensions=".ppm"), strict=True))
        else:
            rows = read_csv(table, ";", "GTSRB's table of test pictures")
            with reading(table, "GTSRB's table of test pictures"):
                self._list((folder / row["Filename"] for row in rows), (int(row["ClassId"]) for row in rows))

    def download(self) -> None:
        """Fetch the archives of the split, verified, and unpack them."""
        for name, md5 in self._ARCHIVES[str(self._split)]:
            download_and_extract_archive(f"{self._URL}{name}", self._base_folder, md5=md5)
