"""Data sets whose targets become masks and boxes that transforms know."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import wrap
from vision.datasets.caltech import Caltech101, Caltech256
from vision.datasets.captions import SBU, Flickr8k, Flickr30k
from vision.datasets.celeba import CelebA
from vision.datasets.cifar import CIFAR10
from vision.datasets.cityscapes import Cityscapes
from vision.datasets.coco import CocoCaptions, CocoDetection
from vision.datasets.digits import RenderedDigits
from vision.datasets.emnist import QMNIST
from vision.datasets.fake import FakeData
from vision.datasets.fer2013 import FER2013
from vision.datasets.folder import DatasetFolder
from vision.datasets.inaturalist import INaturalist
from vision.datasets.kitti import KITTI_CATEGORIES, Kitti
from vision.datasets.lfw import LFWPeople
from vision.datasets.listed import ListedImages
from vision.datasets.lsun import LSUN, LSUNClass
from vision.datasets.manifest import ManifestDataset
from vision.datasets.masks import decode_mask
from vision.datasets.mnist import MNIST
from vision.datasets.pcam import PCAM
from vision.datasets.pets import OxfordIIITPet
from vision.datasets.sbd import SBDataset
from vision.datasets.stl10 import STL10
from vision.datasets.svhn import SVHN
from vision.datasets.usps import SEMEION, USPS
from vision.datasets.vision import VisionDataset
from vision.datasets.voc import VOC_CATEGORIES, VOCDetection, VOCSegmentation
from vision.datasets.widerface import WIDERFace
from vision.transforms.boxes import convert_bounding_box_format
from vision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Mask

Wrapper = Callable[[Any, int, Any, Any], Any]  # of dataset, number, image and target the new target


def wrap_dataset_for_transforms_v2(dataset: Any, target_keys: Collection[str] | str | None = None) -> Any:
    """A data set whose masks are ``Mask`` and whose boxes are ``BoundingBoxes`` of corners, so that transforms treat them.

    Targets of detection become dicts: of COCO "image_id", "boxes" and "labels"; of VOC and KITTI "boxes" and "labels";
    of WIDERFace all there is, with "bbox" as boxes. Segmentation masks become ``Mask``; Cityscapes' instances a dict of
    "masks" (N, H, W) and "labels". Class numbers and captions stay.

    Args:
        dataset: one of ``vision.datasets``. It is left as it is; its transforms are applied to what the new one wraps.
        target_keys: which entries a dict shall have, for COCO, VOC, KITTI and WIDERFace: names, or "all". COCO has also
            "masks" and what stands in the file, VOC "annotation", KITTI what stands in the file. Images without objects
            have empty boxes, labels and masks.

    Returns:
        A data set that is also of the class of ``dataset``, and has its attributes.

    Raises:
        ArgumentError: there is no such entry, or targets are of a kind that transforms do not know, such as outlines.
        TypeError: the data set's class is not known.

    Example:
        >>> data = wrap_dataset_for_transforms_v2(CocoDetection(root, file, transforms=preset), ["boxes", "labels", "masks"])
    """
    if isinstance(target_keys, str) and target_keys != "all":
        raise ArgumentError(f"target_keys must be None, 'all' or several names, got {target_keys!r}")
    kind: Any = type(dataset)
    return type(f"Wrapped{kind.__name__}", (_Wrapped, kind), {})(dataset, target_keys)


class _Wrapped:
    """The part of a wrapped data set that comes before its own class."""

    def __init__(self, dataset: Any, target_keys: Collection[str] | str | None) -> None:
        self._original = dataset
        self._target_keys = target_keys
        self._wrapper = _wrapper(dataset, target_keys)
        self._dataset = copy.copy(dataset)
        self._dataset.transform = self._dataset.target_transform = self._dataset.transforms = None
        self.transform, self.target_transform = dataset.transform, dataset.target_transform
        self.transforms = dataset.transforms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def __getitem__(self, index: int) -> Any:
        image, target = self._dataset[index]
        return self._finish(image, self._wrapper(self._dataset, index, image, target))

    def __len__(self) -> int:
        return len(self._dataset)

    def __reduce__(self) -> tuple[Any, ...]:
        return wrap_dataset_for_transforms_v2, (self._original, self._target_keys)


def _wrapper(dataset: Any, target_keys: Any) -> Wrapper:
    """What is done to the targets of a data set."""
    if not isinstance(dataset, VisionDataset):
        raise TypeError(
            f"expected a data set of vision.datasets, got {type(dataset).__name__}; wrap its samples yourself"
        )
    for kind in type(dataset).mro():
        if kind in _WITH_KEYS:
            make, available, default = _WITH_KEYS[kind]
            return make(_keys(target_keys, available, default))
        if kind in _WRAPPERS or kind in _PLAIN:
            if target_keys is not None:
                raise ArgumentError(
                    f"target_keys are for {', '.join(c.__name__ for c in _WITH_KEYS)}; {kind.__name__} has none"
                )
            if kind in _REFUSED:
                attribute, refused = _REFUSED[kind]
                asked = getattr(dataset, attribute)
                if not refused.isdisjoint([asked] if isinstance(asked, str) else asked):
                    raise ArgumentError(
                        f"{kind.__name__} with {attribute}={asked!r} has targets that transforms do not know"
                    )
            return _WRAPPERS.get(kind, _same)
    raise TypeError(f"there is no wrapper for {type(dataset).__name__}; wrap its samples yourself")


def _keys(wanted: Any, available: set[str], default: set[str]) -> set[str]:
    keys = available if wanted == "all" else default if wanted is None else set(wanted)
    if not keys <= available:
        raise ArgumentError(f"target keys {sorted(keys - available)} are not available; there are {sorted(available)}")
    return keys


def _boxes(values: Any, image: Any, format: str) -> BoundingBoxes:
    """Boxes of any format as corners."""
    if isinstance(values, list) and not values:
        values = np.zeros((0, 4), np.float32)
    boxes = BoundingBoxes(values, format=format, canvas_size=(image.height, image.width))
    return convert_bounding_box_format(boxes, new_format=BoundingBoxFormat.XYXY)


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = {name: None for row in rows for name in row}
    return {name: [row[name] for row in rows if name in row] for name in names}


def _by_type(attribute: str, kinds: dict[str, Callable[[Any, Any], Any]]) -> Wrapper:
    """Treats each part of a target by what the data set's attribute says that it is."""

    def wrapper(dataset: Any, index: int, image: Any, target: Any) -> Any:
        if target is None:
            return None
        types = getattr(dataset, attribute)
        parts = target if isinstance(target, tuple) else (target,)
        made = tuple(kinds[t](part, image) if t in kinds else part for part, t in zip(parts, types, strict=True))
        return made if len(made) > 1 else made[0]

    return wrapper


def _same(dataset: Any, index: int, image: Any, target: Any) -> Any:
    return target


def _mask(dataset: Any, index: int, image: Any, target: Any) -> Mask:
    return Mask(target)


def _instances(target: Any, image: Any) -> dict[str, Any]:
    pixels = np.asarray(target)
    numbers = np.unique(pixels).astype(np.int64)  # of single things, the class's number times 1000 and a count
    labels = np.where(numbers >= 1000, numbers // 1000, numbers)
    return {"masks": Mask(wrap(pixels == numbers[:, None, None])), "labels": wrap(labels)}


def _coco(keys: set[str]) -> Wrapper:
    def wrapper(dataset: Any, index: int, image: Any, target: Any) -> Any:
        columns = _columns(target)
        made: dict[str, Any] = {name: columns.get(name, []) for name in keys - {"boxes", "masks", "labels"}}
        if "image_id" in keys:
            made["image_id"] = dataset.ids[index]
        if "boxes" in keys:
            made["boxes"] = _boxes(columns.get("bbox", []), image, "XYWH")
        if "labels" in keys:
            made["labels"] = wrap(np.array(columns.get("category_id", []), np.int64))
        if "masks" in keys:
            size = image.height, image.width
            masks = [decode_mask(segmentation, *size) for segmentation in columns.get("segmentation", [])]
            made["masks"] = Mask(wrap(np.stack(masks) if masks else np.zeros((0, *size), np.uint8)))
        return made

    return wrapper


def _voc(keys: set[str]) -> Wrapper:
    def wrapper(dataset: Any, index: int, image: Any, target: Any) -> Any:
        objects = target["annotation"]["object"]
        made = dict(target) if "annotation" in keys else {}
        if "boxes" in keys:
            corners = [[int(o["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax")] for o in objects]
            made["boxes"] = _boxes(corners, image, "XYXY")
        if "labels" in keys:
            made["labels"] = wrap(np.array([VOC_CATEGORIES.index(o["name"]) for o in objects], np.int64))
        return made

    return wrapper


def _kitti(keys: set[str]) -> Wrapper:
    def wrapper(dataset: Any, index: int, image: Any, target: Any) -> Any:
        if target is None:
            return None
        columns = _columns(target)
        made: dict[str, Any] = {name: columns.get(name, []) for name in keys - {"boxes", "labels"}}
        if "boxes" in keys:
            made["boxes"] = _boxes(columns.get("bbox", []), image, "XYXY")
        if "labels" in keys:
            numbers = [KITTI_CATEGORIES.index(name) for name in columns.get("type", [])]
            made["labels"] = wrap(np.array(numbers, np.int64))
        return made

    return wrapper


def _widerface(keys: set[str]) -> Wrapper:
    def wrapper(dataset: Any, index: int, image: Any, target: Any) -> Any:
        if target is None:
            return None
        made = {name: target[name] for name in keys}
        if "bbox" in keys:
            made["bbox"] = _boxes(made["bbox"], image, "XYWH")
        return made

    return wrapper


_COCO_FILE = {"segmentation", "area", "iscrowd", "image_id", "bbox", "category_id"}
_KITTI_FILE = {"type", "truncated", "occluded", "alpha", "bbox", "dimensions", "location", "rotation_y"}
_FACES = {"bbox", "blur", "expression", "illumination", "occlusion", "pose", "invalid"}
# what makes the wrapper, the entries there are, those there are by default
_WITH_KEYS: dict[type, tuple[Callable[[set[str]], Wrapper], set[str], set[str]]] = {
    CocoDetection: (_coco, _COCO_FILE | {"boxes", "masks", "labels"}, {"image_id", "boxes", "labels"}),
    VOCDetection: (_voc, {"annotation", "boxes", "labels"}, {"boxes", "labels"}),
    Kitti: (_kitti, _KITTI_FILE | {"boxes", "labels"}, {"boxes", "labels"}),
    WIDERFace: (_widerface, _FACES, _FACES),
}
_WRAPPERS: dict[type, Wrapper] = {
    VOCSegmentation: _mask,
    SBDataset: _mask,
    CelebA: _by_type("target_type", {"bbox": lambda part, image: _boxes(part, image, "XYWH")}),
    OxfordIIITPet: _by_type("_target_types", {"segmentation": lambda part, image: Mask(part)}),
    Cityscapes: _by_type("target_type", {"semantic": lambda part, image: Mask(part), "instance": _instances}),
}
_REFUSED: dict[type, tuple[str, set[str]]] = {
    Caltech101: ("target_type", {"annotation"}),
    CelebA: ("target_type", {"attr", "landmarks"}),
    Cityscapes: ("target_type", {"polygon", "color"}),
    SBDataset: ("mode", {"boundaries"}),
}
_PLAIN = {
    Caltech101, Caltech256, CIFAR10, CocoCaptions, DatasetFolder, FakeData, FER2013, Flickr30k, Flickr8k, INaturalist,
    LFWPeople, ListedImages, LSUN, LSUNClass, ManifestDataset, MNIST, PCAM, QMNIST, RenderedDigits, SBU, SEMEION, STL10,
    SVHN, USPS,
}  # fmt: skip
