"""The Semantic Boundaries Dataset: outlines and masks for the photographs of VOC 2011."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from hub import download as fetch
from hub.archives import extract_archive, move_into
from hub.dataset_files import chosen, reading, require
from vision.datasets.tables import read_lines, read_mat
from vision.datasets.vision import VisionDataset
from vision.io import open_image


class SBDataset(VisionDataset):
    """11,355 photographs of VOC 2011 with masks and outlines of twenty classes.

    Args:
        root: the folder that holds ``img``, ``cls`` and the lists.
        image_set: "train", "val", or "train_noval", which leaves out what is in VOC 2012's validation set.
        mode: what a target is: "boundaries", a uint8 array (20, H, W) of 0 and 1; "segmentation", a Pillow image of
            class numbers.
        download: fetch the archive, and the third list, if files are missing.
        transforms: applied to image and target together.

    Attributes:
        images, masks: paths.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: a mask is broken.

    Reference: Hariharan et al., "Semantic Contours from Inverse Detectors", 2011,
    http://home.bharathh.info/pubs/codes/SBD/download.html
    """

    url: ClassVar[str] = (
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz"
    )
    md5: ClassVar[str] = "82b4d87ceb2ed10f6038a1cba92111cb"
    filename: ClassVar[str] = "benchmark.tgz"
    voc_train_url: ClassVar[str] = "https://www.cs.cornell.edu/~bharathh/train_noval.txt"
    voc_split_filename: ClassVar[str] = "train_noval.txt"
    voc_split_md5: ClassVar[str] = "79bff800c5f0b1ec6b21080a3c066722"

    def __init__(
        self,
        root: str | os.PathLike[str],
        image_set: str = "train",
        mode: str = "boundaries",
        download: bool = False,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        super().__init__(root, transforms)
        self.image_set = chosen(self, "image_set", image_set, ("train", "val", "train_noval"))
        self.mode = chosen(self, "mode", mode, ("segmentation", "boundaries"))
        self.num_classes = 20
        table = self.root / f"{image_set}.txt"
        require(self, [self.root / "img", self.root / "cls", table], self.download if download else None)
        names = read_lines(table)
        self.images = [os.fspath(self.root / "img" / f"{name}.jpg") for name in names]
        self.masks = [os.fspath(self.root / "cls" / f"{name}.mat") for name in names]

    def download(self) -> None:
        """Fetch the archive, verified, and take images, masks and lists out of it; for "train_noval" also that list."""
        archive = fetch(self.url, self.root / self.filename, md5=self.md5)
        with tempfile.TemporaryDirectory(dir=self.root) as temporary:
            extract_archive(archive, temporary)
            for name in ("cls", "img", "inst", "train.txt", "val.txt"):
                move_into(Path(temporary, "benchmark_RELEASE", "dataset", name), self.root / name)
        if self.image_set == "train_noval":
            fetch(self.voc_train_url, self.root / self.voc_split_filename, md5=self.voc_split_md5)

    def _target(self, path: str) -> Any:
        with reading(path, "a mask of the Semantic Boundaries Dataset"):
            truth = read_mat(path, squeeze=False)["GTcls"][0]
            if self.mode == "segmentation":
                return Image.fromarray(truth["Segmentation"][0])
            planes = truth["Boundaries"][0]
            return np.stack([planes[number][0].toarray() for number in range(self.num_classes)])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(open_image(self.images[index]), self._target(self.masks[index]))

    def __len__(self) -> int:
        return len(self.images)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Image set: {self.image_set}\nMode: {self.mode}"
