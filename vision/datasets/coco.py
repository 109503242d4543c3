"""COCO: objects in everyday photographs, with boxes, masks, key points and captions."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from hub.dataset_files import reading
from vision.datasets.masks import decode_mask
from vision.datasets.tables import read_json
from vision.datasets.vision import VisionDataset
from vision.io import open_image

_WHAT = "a COCO file of images and annotations"


def _several(value: Any) -> list[Any]:
    """A number, a name or several, as a list."""
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


class CocoIndex:
    """A COCO file's images, annotations and categories by number. Methods are named as in COCO's own tools.

    Args:
        path: the JSON file.

    Attributes:
        dataset: the file's content.
        imgs, anns, cats: images, annotations and categories by number.
        imgToAnns: the annotations of each image, by its number.
        catToImgs: the images' numbers of each category, by its number.

    Raises:
        DatasetNotFound: there is no such file.
        FileFormatError: it is not of COCO's form.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.dataset = read_json(path, _WHAT)
        self.imgToAnns: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        self.catToImgs: dict[Any, list[Any]] = defaultdict(list)
        with reading(path, _WHAT):
            self.imgs = {image["id"]: image for image in self.dataset["images"]}
            self.cats = {category["id"]: category for category in self.dataset.get("categories", [])}
            annotations = self.dataset.get("annotations", [])
            self.anns = {annotation["id"]: annotation for annotation in annotations}
            for annotation in annotations:
                self.imgToAnns[annotation["image_id"]].append(annotation)
                if "category_id" in annotation:
                    self.catToImgs[annotation["category_id"]].append(annotation["image_id"])

    def getAnnIds(
        self,
        imgIds: Any = (),
        catIds: Any = (),
        areaRng: tuple[float, float] | tuple[()] = (),
        iscrowd: bool | None = None,
    ) -> list[Any]:
        """The numbers of annotations: of some images, of some categories, of an area in pixels, of crowds or not."""
        images, categories = _several(imgIds), set(_several(catIds))
        found = [a for i in images for a in self.imgToAnns.get(i, [])] if images else list(self.anns.values())
        return [
            a["id"]
            for a in found
            if (not categories or a["category_id"] in categories)
            and (not areaRng or areaRng[0] < a["area"] < areaRng[1])
            and (iscrowd is None or bool(a["iscrowd"]) == bool(iscrowd))
        ]

    def getCatIds(self, catNms: Any = (), supNms: Any = (), catIds: Any = ()) -> list[Any]:
        """The numbers of categories: by name, by the group's name, or by number."""
        names, groups, numbers = set(_several(catNms)), set(_several(supNms)), set(_several(catIds))
        return [
            number
            for number, category in self.cats.items()
            if (not names or category["name"] in names)
            and (not groups or category["supercategory"] in groups)
            and (not numbers or number in numbers)
        ]

    def getImgIds(self, imgIds: Any = (), catIds: Any = ()) -> list[Any]:
        """The numbers of images: of some numbers, and that hold all of some categories."""
        found = set(_several(imgIds)) or set(self.imgs)
        for category in _several(catIds):
            found &= set(self.catToImgs.get(category, []))
        return list(found)

    def loadAnns(self, ids: Any = ()) -> list[dict[str, Any]]:
        """Annotations by number."""
        return [self.anns[number] for number in _several(ids)]

    def loadCats(self, ids: Any = ()) -> list[dict[str, Any]]:
        """Categories by number."""
        return [self.cats[number] for number in _several(ids)]

    def loadImgs(self, ids: Any = ()) -> list[dict[str, Any]]:
        """Images by number."""
        return [self.imgs[number] for number in _several(ids)]

    def annToMask(self, ann: dict[str, Any]) -> np.ndarray[Any, Any]:
        """An annotation's mask as a uint8 array (H, W) of 0 and 1."""
        image = self.imgs[ann["image_id"]]
        return decode_mask(ann["segmentation"], image["height"], image["width"])


class CocoDetection(VisionDataset):
    """Images of a folder, with the annotations that a COCO file has of each.

    Args:
        root: the images' folder.
        annFile: the JSON file.
        transform: applied to the image.
        target_transform: applied to the target, a list of dicts as they stand in the file: "bbox" (x, y, width and
            height in pixels), "category_id", "area", "iscrowd", "segmentation" and so on.
        transforms: applied to image and target together; excludes the other two.

    Attributes:
        coco: the file by number, a ``CocoIndex``.
        ids: the images' numbers, sorted.

    Raises:
        DatasetNotFound: there is no such file.
        FileFormatError: it is not of COCO's form.

    Reference: Lin et al., "Microsoft COCO: Common Objects in Context", 2014, https://arxiv.org/abs/1405.0312. The file is
    read here, not by ``pycocotools``; ``decode_mask`` turns a segmentation into pixels.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        annFile: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.coco = CocoIndex(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: Any) -> Any:
        return open_image(self.root / self.coco.imgs[id]["file_name"])

    def _load_target(self, id: Any) -> list[Any]:
        return list(self.coco.imgToAnns.get(id, []))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        id = self.ids[index]
        return self._finish(self._load_image(id), self._load_target(id))

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """Images of a folder, with the captions that a COCO file has of each.

    Args:
        root, annFile, transform, transforms: as in ``CocoDetection``.
        target_transform: applied to the target, a list of texts.

    Reference: Chen et al., "Microsoft COCO Captions: Data Collection and Evaluation Server", 2015,
    https://arxiv.org/abs/1504.00325
    """

    def _load_target(self, id: Any) -> list[Any]:
        return [annotation["caption"] for annotation in super()._load_target(id)]
