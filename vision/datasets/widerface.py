"""WIDER FACE: faces of all sizes, with boxes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from framework.tensor import wrap
from hub import download as fetch
from hub.archives import download_and_extract_archive, extract_archive, google_drive
from hub.dataset_files import chosen, reading, require
from vision.datasets.tables import read_lines
from vision.datasets.vision import VisionDataset
from vision.io import open_image

_COLUMNS = ("blur", "expression", "illumination", "occlusion", "pose", "invalid")
_WHAT = "a list of images, each with the number of its faces and ten numbers a face"


class WIDERFace(VisionDataset):
    """32,203 photographs with 393,703 faces.

    Args:
        root: the folder that holds ``widerface``.
        split: "train", "val" or "test"; the last has no targets, they are None.
        transform: applied to the image.
        target_transform: applied to the target, a dict of int64 tensors: "bbox" (faces, 4), x, y, width and height in
            pixels, and "blur", "expression", "illumination", "occlusion", "pose" and "invalid" (faces).
        download: fetch the archives if one was not unpacked yet.

    Attributes:
        img_info: of every image a dict of "img_path" and, but for the test split, "annotations".

    Raises:
        DatasetNotFound: a folder is missing, and ``download`` is off.
        FileFormatError: a list is broken.

    Reference: Yang et al., "WIDER FACE: A Face Detection Benchmark", 2016, https://arxiv.org/abs/1511.06523. Unlike in
    torchvision, only the images of the split have to be there. As there, an image without a face has one of size zero.
    """

    BASE_FOLDER: ClassVar[str] = "widerface"
    FILE_LIST: ClassVar[list[tuple[str, str, str]]] = [  # number on Google Drive, md5, name
        ("15hGDLhsx8bLgLcIRD5DhYt5iBxnjNF1M", "3fedf70df600953d25982bcd13d91ba2", "WIDER_train.zip"),
        ("1GUCogbp16PMGa39thoMMeWxp7Rp5oM8Q", "dfa7d7e790efa35df3788964cf0bbaea", "WIDER_val.zip"),
        ("1HIfDbVEWKmsYKJZm4lchTBDLW5N7dY5T", "e5d8f4248ed24c334bbd12f49c29dd40", "WIDER_test.zip"),
    ]
    ANNOTATIONS_FILE: ClassVar[tuple[str, str, str]] = (
        "http://shuoyang1213.me/WIDERFACE/support/bbx_annotation/wider_face_split.zip",
        "0e3767bcf0e326556d407bf5bff5d27c",
        "wider_face_split.zip",
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(Path(root) / self.BASE_FOLDER, transform=transform, target_transform=target_transform)
        self.split = chosen(self, "split", split, ("train", "val", "test"))
        lists, images = self.root / "wider_face_split", self.root / f"WIDER_{split}" / "images"
        require(self, [lists, images], self.download if download else None)
        self.img_info: list[dict[str, Any]] = []
        if split == "test":
            names = read_lines(lists / "wider_face_test_filelist.txt")
            self.img_info = [{"img_path": os.path.abspath(images / name)} for name in names]
        else:
            self._read_boxes(lists / f"wider_face_{split}_bbx_gt.txt", images)

    def _read_boxes(self, path: Path, images: Path) -> None:
        lines = read_lines(path, _WHAT)
        at = 0
        with reading(path, _WHAT):
            while at < len(lines):
                count = max(int(lines[at + 1]), 1)  # an image without a face has a line of zeros
                rows = [line.split() for line in lines[at + 2 : at + 2 + count]]
                values = np.array(rows, np.int64).reshape(count, 10)
                columns = zip(_COLUMNS, values.T[4:], strict=True)
                annotations = {"bbox": wrap(values[:, :4].copy()), **{name: wrap(c.copy()) for name, c in columns}}
                self.img_info.append({"img_path": os.path.abspath(images / lines[at]), "annotations": annotations})
                at += 2 + count

    def download(self) -> None:
        """Fetch the archives of all splits, verified, and unpack them."""
        for number, md5, name in self.FILE_LIST:
            extract_archive(fetch(google_drive(number), self.root / name, md5=md5))
        url, md5, name = self.ANNOTATIONS_FILE
        download_and_extract_archive(url, self.root, filename=name, md5=md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        entry = self.img_info[index]
        return self._finish(open_image(entry["img_path"], None), entry.get("annotations"))

    def __len__(self) -> int:
        return len(self.img_info)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"
