"""PASCAL VOC: boxes and masks of twenty kinds of objects."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from xml.etree import ElementTree

from framework.io import FileFormatError
from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.tables import read_lines
from vision.datasets.vision import VisionDataset
from vision.io import open_image

VOC_CATEGORIES = (
    "__background__", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class _Year(NamedTuple):
    url: str
    filename: str
    md5: str
    base_dir: str


_HOST = "https://thor.robots.ox.ac.uk/pascal/VOC/"
DATASET_YEAR_DICT = {
    key: _Year(_HOST + path, filename, md5, base_dir)
    for key, path, filename, md5, base_dir in (
        (
            "2012",
            "voc2012/VOCtrainval_11-May-2012.tar",
            "VOCtrainval_11-May-2012.tar",
            "6cd6e144f989b92b3379bac3b3de84fd",
            "VOCdevkit/VOC2012",
        ),
        (
            "2011",
            "voc2011/VOCtrainval_25-May-2011.tar",
            "VOCtrainval_25-May-2011.tar",
            "6c3384ef61512963050cb5d687e5bf1e",
            "TrainVal/VOCdevkit/VOC2011",
        ),
        (
            "2010",
            "voc2010/VOCtrainval_03-May-2010.tar",
            "VOCtrainval_03-May-2010.tar",
            "da459979d0c395079b5c75ee67908abb",
            "VOCdevkit/VOC2010",
        ),
        (
            "2009",
            "voc2009/VOCtrainval_11-May-2009.tar",
            "VOCtrainval_11-May-2009.tar",
            "a3e00b113cfcfebf17e343f59da3caa1",
            "VOCdevkit/VOC2009",
        ),
        (
            "2008",
            "voc2008/VOCtrainval_14-Jul-2008.tar",
            "VOCtrainval_14-Jul-2008.tar",
            "2629fa636546599198acfcfbfcf1904a",
            "VOCdevkit/VOC2008",
        ),
        (
            "2007",
            "voc2007/VOCtrainval_06-Nov-2007.tar",
            "VOCtrainval_06-Nov-2007.tar",
            "c52e279531787c972589f7e41ab4ae64",
            "VOCdevkit/VOC2007",
        ),
        (
            "2007-test",
            "voc2007/VOCtest_06-Nov-2007.tar",
            "VOCtest_06-Nov-2007.tar",
            "b6e924de25625d8de591ea690078ad9f",
            "VOCdevkit/VOC2007",
        ),
    )
}


class _VOC(VisionDataset):
    """What boxes and masks share: lists of images, and the files beside them."""

    _SPLITS_DIR: ClassVar[str]
    _TARGET_DIR: ClassVar[str]
    _TARGET_FILE_EXT: ClassVar[str]

    def __init__(
        self,
        root: str | os.PathLike[str],
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.year = chosen(self, "year", year, [str(number) for number in range(2007, 2013)])
        sets = ("train", "trainval", "val", "test") if year == "2007" else ("train", "trainval", "val")
        self.image_set = chosen(self, "image_set", image_set, sets)
        key = "2007-test" if image_set == "test" else year
        self.url, self.filename, self.md5, base_dir = DATASET_YEAR_DICT[key]
        folder = self.root / base_dir
        table = folder / "ImageSets" / self._SPLITS_DIR / f"{image_set}.txt"
        require(self, [folder, table], self.download if download else None)
        names = read_lines(table)
        self.images = [os.fspath(folder / "JPEGImages" / f"{name}.jpg") for name in names]
        self.targets = [os.fspath(folder / self._TARGET_DIR / f"{name}{self._TARGET_FILE_EXT}") for name in names]

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.md5)

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOC):
    """Photographs with a map of what is where.

    Args:
        root: the folder that holds ``VOCdevkit`` (for 2011 ``TrainVal/VOCdevkit``).
        year: "2007" to "2012".
        image_set: "train", "trainval" or "val"; of 2007 also "test".
        download: fetch the archive if the list of images is missing.
        transform: applied to the image.
        target_transform: applied to the mask, a Pillow image (mode P) of class numbers; 255 is not to be judged.
        transforms: applied to image and mask together; excludes the other two.

    Attributes:
        images, masks: paths.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.

    Reference: Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", 2010,
    http://host.robots.ox.ac.uk/pascal/VOC/
    """

    _SPLITS_DIR = "Segmentation"
    _TARGET_DIR = "SegmentationClass"
    _TARGET_FILE_EXT = ".png"

    @property
    def masks(self) -> list[str]:
        """The masks' paths."""
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._finish(open_image(self.images[index]), open_image(self.masks[index], None))


class VOCDetection(_VOC):
    """Photographs with boxes around objects.

    Args:
        root: the folder that holds ``VOCdevkit`` (for 2011 ``TrainVal/VOCdevkit``).
        year: "2007" to "2012".
        image_set: "train", "trainval" or "val"; of 2007 also "test".
        download: fetch the archive if the list of images is missing.
        transform: applied to the image.
        target_transform: applied to the target, the XML file as nested dicts of texts:
            ``target["annotation"]["object"]`` is a list, of each object "name", "bndbox" ("xmin", "ymin", "xmax",
            "ymax" in pixels, from 1), "difficult" and so on.
        transforms: applied to image and target together; excludes the other two.

    Attributes:
        images, annotations: paths.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: an annotation is broken.

    Reference: Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", 2010,
    http://host.robots.ox.ac.uk/pascal/VOC/
    """

    _SPLITS_DIR = "Main"
    _TARGET_DIR = "Annotations"
    _TARGET_FILE_EXT = ".xml"

    @property
    def annotations(self) -> list[str]:
        """The annotations' paths."""
        return self.targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = open_image(self.images[index])
        return self._finish(image, self.parse_voc_xml(_parse(self.annotations[index])))

    @staticmethod
    def parse_voc_xml(node: ElementTree.Element) -> dict[str, Any]:
        """An XML element as nested dicts. Children of one name become a list; objects always do."""
        content = _content(node)
        return {} if content is None else {node.tag: content}


def _content(node: ElementTree.Element) -> Any:
    """An element's children by name, or its text; None if it has neither."""
    if not len(node):
        return None if node.text is None else node.text.strip()
    grouped: dict[str, list[Any]] = defaultdict(list)
    for child in node:
        if (content := _content(child)) is not None:
            grouped[child.tag].append(content)
    found = {name: contents[0] if len(contents) == 1 else contents for name, contents in grouped.items()}
    if node.tag == "annotation":
        found["object"] = grouped["object"]
    return found


def _parse(path: str) -> ElementTree.Element:
    with reading(path, "an XML file of annotations"):
        data = Path(path).read_bytes()
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # entities can grow without end
            raise FileFormatError(
                f"{path}: holds a document type or entities, which annotations need not; do not use it"
            )
        try:
            return ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise ValueError(error) from None
