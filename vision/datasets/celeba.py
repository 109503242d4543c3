"""CelebA: celebrities' faces with attributes, names, boxes and landmarks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from framework.errors import ArgumentError
from framework.io import FileFormatError
from framework.tensor import wrap
from hub import download as fetch
from hub.archives import extract_archive, google_drive
from hub.dataset_files import chosen, reading, require
from vision.datasets.vision import VisionDataset
from vision.io import open_image

_SPLITS = {"train": 0, "valid": 1, "test": 2, "all": None}
_TYPES = ("attr", "identity", "bbox", "landmarks")


class CelebA(VisionDataset):
    """Faces of 10,177 celebrities, 202,599 pictures, cut out and aligned to 178 x 218 pixels.

    Args:
        root: the folder that holds ``celeba``.
        split: "train", "valid", "test" or "all".
        target_type: what a target is, or a list to get a tuple; an empty list gives None.
            "attr": int64 tensor (40) of 0 and 1; "identity": the person's number, a tensor;
            "bbox": int64 tensor (4), x, y, width and height in pixels of the picture before it was cut out;
            "landmarks": int64 tensor (10), x and y of left eye, right eye, nose, left and right corner of the mouth.
        transform: applied to the image.
        target_transform: applied to the target.
        download: fetch the files from Google Drive if one is missing.

    Attributes:
        filename: the images' names.
        attr, identity, bbox, landmarks_align: what targets are taken from, a row an image.
        attr_names: the names of the 40 attributes.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: a list is broken, or two do not fit.

    Reference: Liu et al., "Deep Learning Face Attributes in the Wild", 2015,
    https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html
    """

    base_folder: ClassVar[str] = "celeba"
    file_list: ClassVar[list[tuple[str, str, str]]] = [  # number on Google Drive, md5, name
        ("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb", "img_align_celeba.zip"),
        ("0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c", "list_attr_celeba.txt"),
        ("1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2", "identity_CelebA.txt"),
        ("0B7EVK8r0v71pbThiMVRxWXZ4dU0", "00566efa6fedff7a56946cd1c10f1c16", "list_bbox_celeba.txt"),
        ("0B7EVK8r0v71pd0FJY3Blby1HUTQ", "cc24ecafdb5b50baae59b03474781f8c", "list_landmarks_align_celeba.txt"),
        ("0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668", "list_eval_partition.txt"),
    ]

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        target_type: list[str] | str = "attr",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = chosen(self, "split", split.lower() if isinstance(split, str) else split, _SPLITS)
        kinds = [target_type] if isinstance(target_type, str) else target_type
        self.target_type = [chosen(self, "target_type", kind, _TYPES) for kind in kinds]
        if not self.target_type and target_transform is not None:
            raise ArgumentError(
                "CelebA: a target_transform is given, and target_type is empty; name a target or drop it"
            )
        folder = self.root / self.base_folder
        tables = [folder / name for _, _, name in self.file_list[1:]]
        require(self, [folder / "img_align_celeba", *tables], self.download if download else None)
        names, parts, _ = self._table("list_eval_partition.txt", 1, False)
        kept = slice(None) if _SPLITS[self.split] is None else parts[:, 0] == _SPLITS[self.split]
        self.filename: list[str] = np.array(names)[kept].tolist()
        columns = {}
        for name, width, titled in (
            ("identity_CelebA.txt", 1, False),
            ("list_bbox_celeba.txt", 4, True),
            ("list_landmarks_align_celeba.txt", 10, True),
            ("list_attr_celeba.txt", 40, True),
        ):
            others, values, titles = self._table(name, width, titled)
            if others != names:
                raise FileFormatError(f"{folder / name}: lists other images than list_eval_partition.txt")
            columns[name] = wrap(values[kept])
        self.identity, self.bbox, self.landmarks_align, attributes = columns.values()
        self.attr = (attributes + 1) // 2  # from -1 and 1
        self.attr_names = titles

    def _table(self, name: str, width: int, titled: bool) -> tuple[list[str], np.ndarray[Any, Any], list[str]]:
        """The images, so many numbers of each, and the columns' titles, where a list begins with count and titles."""
        path = self.root / self.base_folder / name
        with reading(path, "a list of images and numbers"):
            lines = path.read_text(encoding="utf-8").splitlines()
            titles = lines[1].split() if titled else []
            rows = [line.split() for line in lines[2 if titled else 0 :] if line.strip()]
            values = np.array([row[1:] for row in rows], np.int64).reshape(len(rows), width)
            return [row[0] for row in rows], values, titles

    def download(self) -> None:
        """Fetch the files from Google Drive, verified, and unpack the images."""
        folder = self.root / self.base_folder
        for number, md5, name in self.file_list:
            fetch(google_drive(number), folder / name, md5=md5)
        extract_archive(folder / self.file_list[0][2])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = open_image(self.root / self.base_folder / "img_align_celeba" / self.filename[index], None)
        tables = {"attr": self.attr, "bbox": self.bbox, "landmarks": self.landmarks_align}
        targets = tuple(
            self.identity[index, 0] if kind == "identity" else tables[kind][index] for kind in self.target_type
        )
        if not targets:
            return (image if self.transform is None else self.transform(image)), None
        return self._finish(image, targets if len(targets) > 1 else targets[0])

    def __len__(self) -> int:
        return len(self.filename)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Target type: {self.target_type}\nSplit: {self.split}"
