"""The table of data sets: what to build, what to open, and what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.vision.datasets.annotated_trees import (
    celeba,
    cityscapes,
    inat,
    kitti,
    lfw,
    moving_mnist,
    omniglot,
    sbd,
    sbu,
    voc,
    widerface,
)
from tests.vision.datasets.trees import (
    aircraft,
    caltech101,
    caltech256,
    cars,
    clevr,
    country211,
    dtd,
    emnist,
    eurosat,
    fer2013,
    flowers,
    food101,
    gtsrb,
    imagenette,
    pets,
    places,
    qmnist,
    rendered_sst2,
    semeion,
    stl10,
    sun397,
    svhn,
    usps,
)


@dataclass
class Layout:
    """A row of the table: what to build, what to open, what is in it."""

    name: str
    build: Callable[..., None]
    length: int
    first: Any = None  # the first target, where it is plain
    given: dict[str, Any] = field(default_factory=dict)
    peer: bool = True  # torchvision reads it, too, and closes its files
    listed: bool = True  # in the same order

    @property
    def id(self) -> str:
        return "-".join([self.name, *(str(value) for value in self.given.values())])


LAYOUTS = [
    Layout("EuroSAT", eurosat, 3, 0),
    Layout("Country211", country211, 2, 0),
    Layout("Country211", country211, 2, 0, {"split": "valid"}),
    Layout("RenderedSST2", rendered_sst2, 3, 0),
    Layout("RenderedSST2", rendered_sst2, 3, 0, {"split": "val"}),
    Layout("Imagenette", imagenette, 3, 0, {"size": "160px"}),
    Layout("GTSRB", gtsrb, 3, 0),
    Layout("GTSRB", gtsrb, 2, 16, {"split": "test"}),
    Layout("Food101", food101, 3, 1),
    Layout("Food101", food101, 1, 1, {"split": "test"}),
    Layout("FGVCAircraft", aircraft, 2, 1),
    Layout("FGVCAircraft", aircraft, 2, 1, {"annotation_level": "family"}),
    Layout("StanfordCars", cars, 2, 1),
    Layout("StanfordCars", cars, 2, 0, {"split": "test"}),
    Layout("Flowers102", flowers, 2, 101),
    Layout("Flowers102", flowers, 2, 2, {"split": "test"}),
    Layout("OxfordIIITPet", pets, 3, 0),
    Layout("OxfordIIITPet", pets, 3, None, {"target_types": ["category", "binary-category", "segmentation"]}),
    Layout("OxfordIIITPet", pets, 1, None, {"target_types": [], "split": "test"}),
    Layout("SUN397", sun397, 3, 0, listed=False),
    Layout("Places365", places, 2, 0, {"small": True}),
    Layout("Places365", places, 1, 1, {"split": "val"}),
    Layout("Places365", places, 1, None, {"split": "test", "small": True}),
    Layout("DTD", dtd, 2, 1),
    Layout("DTD", dtd, 1, 0, {"split": "val", "partition": 10}),
    Layout("Caltech101", caltech101, 3, 0),
    Layout("Caltech101", caltech101, 3, None, {"target_type": ["annotation", "category"]}),
    Layout("Caltech256", caltech256, 3, 0),
    Layout("CLEVRClassification", clevr, 2, 3),
    Layout("CLEVRClassification", clevr, 2, None, {"split": "test"}),
    Layout("STL10", stl10, 5),
    Layout("STL10", stl10, 2, None, {"folds": 3}),
    Layout("STL10", stl10, 7, None, {"split": "train+unlabeled"}),
    Layout("STL10", stl10, 2, -1, {"split": "unlabeled"}),
    Layout("STL10", stl10, 3, None, {"split": "test"}),
    Layout("SVHN", svhn, 3, 0),
    Layout("SVHN", svhn, 3, 0, {"split": "extra"}),
    Layout("USPS", usps, 3, 6),
    Layout("USPS", usps, 3, 6, {"train": False}),
    Layout("SEMEION", semeion, 3, 0, {"download": False}),
    Layout("FER2013", fer2013, 2, 3),
    Layout("FER2013", fer2013, 2, 0, {"split": "test"}),
    Layout("EMNIST", emnist, 4, None, {"split": "letters"}),
    Layout("EMNIST", emnist, 4, None, {"split": "bymerge", "train": False}),
    Layout("QMNIST", qmnist, 4),
    Layout("QMNIST", qmnist, 3, None, {"what": "test50k", "compat": False}),
    Layout("QMNIST", qmnist, 5, None, {"what": "nist"}),
    Layout("CelebA", celeba, 2),
    Layout("CelebA", celeba, 4, None, {"split": "all", "target_type": ["attr", "identity", "bbox", "landmarks"]}),
    Layout("CelebA", celeba, 2, None, {"split": "test", "target_type": []}),
    Layout("LFWPeople", lfw, 6, 0),
    Layout("LFWPeople", lfw, 3, 2, {"split": "train"}),
    Layout("LFWPairs", lfw, 4),
    Layout("LFWPairs", lfw, 2, None, {"split": "test"}),
    Layout("WIDERFace", widerface, 2),
    Layout("WIDERFace", widerface, 2, None, {"split": "test"}),
    Layout("VOCDetection", voc, 3),
    Layout("VOCDetection", voc, 1, None, {"year": "2007", "image_set": "test"}),
    Layout("VOCSegmentation", voc, 3),
    Layout("VOCSegmentation", voc, 3, None, {"year": "2011"}),
    Layout("SBDataset", sbd, 2),
    Layout("SBDataset", sbd, 2, None, {"mode": "segmentation"}),
    Layout("SBDataset", sbd, 1, None, {"image_set": "train_noval"}),
    Layout("SBU", sbu, 2, "One", {"download": False}, peer=False),
    Layout("Cityscapes", cityscapes, 2, listed=False),
    Layout("Cityscapes", cityscapes, 2, None, {"target_type": ["semantic", "color", "polygon"]}, listed=False),
    Layout("Cityscapes", cityscapes, 2, None, {"mode": "coarse", "split": "train_extra"}, listed=False),
    Layout("Kitti", kitti, 2, listed=False),
    Layout("Kitti", kitti, 2, None, {"train": False}, listed=False),
    Layout("Omniglot", omniglot, 3, 0, listed=False),
    Layout("Omniglot", omniglot, 3, 0, {"background": False}, listed=False),
    Layout("INaturalist", inat, 2, 0, {"version": "2021_valid"}),
    Layout("INaturalist", inat, 2, (0, 0, 0), {"version": "2021_valid", "target_type": ["full", "kingdom", "genus"]}),
    Layout("INaturalist", inat, 3, 0, {"version": "2018"}, listed=False),
    Layout("INaturalist", inat, 3, 0, {"version": "2017", "target_type": "super"}, listed=False),
    Layout("MovingMNIST", moving_mnist, 3),
    Layout("MovingMNIST", moving_mnist, 3, None, {"split": "train", "split_ratio": 7}),
]
