"""KITTI: what a car's camera sees, with boxes in the picture and in space."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from hub.archives import download_and_extract_archive
from hub.dataset_files import reading, require
from vision.datasets.tables import read_lines
from vision.datasets.vision import VisionDataset
from vision.io import open_image

KITTI_CATEGORIES = (
    "Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", "DontCare",
)  # fmt: skip
_WHAT = "a list of objects with fifteen values each"


class Kitti(VisionDataset):
    """KITTI's object detection: the left colour camera, 7,481 pictures for training and 7,518 for testing.

    Args:
        root: the folder that holds ``Kitti/raw``.
        train: the training set, else the test set, whose targets are None.
        transform: applied to the image.
        target_transform: applied to the target, a list of a dict for each object: "type", "truncated" (0 to 1),
            "occluded" (0 to 3), "alpha" (radians), "bbox" (left, top, right, bottom in pixels), "dimensions" (height,
            width, length in metres), "location" (x, y, z in metres), "rotation_y" (radians).
        transforms: applied to image and target together; excludes the other two.
        download: fetch the archives if a folder is missing.

    Attributes:
        images: the images' paths, sorted.
        targets: the annotations' paths; none for the test set.

    Raises:
        DatasetNotFound: a folder is missing, and ``download`` is off.
        FileFormatError: an annotation is broken.

    Reference: Geiger, Lenz and Urtasun, "Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite", 2012,
    http://www.cvlibs.net/datasets/kitti. Unlike in torchvision, downloads are verified.
    """

    data_url: ClassVar[str] = "https://s3.eu-central-1.amazonaws.com/avg-kitti/"
    resources: ClassVar[list[str]] = ["data_object_image_2.zip", "data_object_label_2.zip"]
    _SHA256: ClassVar[tuple[str, str]] = (
        "351c5a2aa0cd9238b50174a3a62b846bc5855da256b82a196431d60ff8d43617",
        "4efc76220d867e1c31bb980bbf8cbc02599f02a9cb4350effa98dbb04aaed880",
    )
    image_dir_name: ClassVar[str] = "image_2"
    labels_dir_name: ClassVar[str] = "label_2"

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.train = train
        self._raw_folder = self.root / "Kitti" / "raw"
        folder = self._raw_folder / ("training" if train else "testing")
        images, labels = folder / self.image_dir_name, folder / self.labels_dir_name
        require(self, [images, labels] if train else [images], self.download if download else None)
        names = sorted(entry.name for entry in images.iterdir())
        self.images = [os.fspath(images / name) for name in names]
        self.targets = [os.fspath(labels / f"{name.split('.')[0]}.txt") for name in names] if train else []

    def download(self) -> None:
        """Fetch the archives, verified, and unpack them."""
        for name, sha256 in zip(self.resources, self._SHA256, strict=True):
            download_and_extract_archive(self.data_url + name, self._raw_folder, sha256=sha256)

    def _target(self, index: int) -> list[dict[str, Any]] | None:
        if not self.train:
            return None
        path = self.targets[index]
        rows = [line.split() for line in read_lines(path, _WHAT)]
        with reading(path, _WHAT):
            return [
                {
                    "type": kind,
                    "truncated": float(truncated),
                    "occluded": int(occluded),
                    "alpha": float(alpha),
                    "bbox": [float(value) for value in rest[:4]],
                    "dimensions": [float(value) for value in rest[4:7]],
                    "location": [float(value) for value in rest[7:10]],
                    "rotation_y": float(rest[10]),
                }
                for kind, truncated, occluded, alpha, *rest in rows
            ]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(open_image(self.images[index], None), self._target(index))

    def __len__(self) -> int:
        return len(self.images)
