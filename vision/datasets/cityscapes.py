"""Cityscapes: streets of fifty cities, labelled to the pixel."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from hub.archives import extract_archive
from hub.dataset_files import chosen, require
from vision.datasets.tables import read_json
from vision.datasets.vision import VisionDataset
from vision.io import open_image

_SUFFIXES = {
    "instance": "instanceIds.png",
    "semantic": "labelIds.png",
    "color": "color.png",
    "polygon": "polygons.json",
}
# name, number, number for training, category, its number, counted as single things, left out when judged, colour
_CLASSES = """
unlabeled              0 255 void         0 - x   0,0,0
ego vehicle            1 255 void         0 - x   0,0,0
rectification border   2 255 void         0 - x   0,0,0
out of roi             3 255 void         0 - x   0,0,0
static                 4 255 void         0 - x   0,0,0
dynamic                5 255 void         0 - x   111,74,0
ground                 6 255 void         0 - x   81,0,81
road                   7   0 flat         1 - -   128,64,128
sidewalk               8   1 flat         1 - -   244,35,232
parking                9 255 flat         1 - x   250,170,160
rail track            10 255 flat         1 - x   230,150,140
building              11   2 construction 2 - -   70,70,70
wall                  12   3 construction 2 - -   102,102,156
fence                 13   4 construction 2 - -   190,153,153
guard rail            14 255 construction 2 - x   180,165,180
bridge                15 255 construction 2 - x   150,100,100
tunnel                16 255 construction 2 - x   150,120,90
pole                  17   5 object       3 - -   153,153,153
polegroup             18 255 object       3 - x   153,153,153
traffic light         19   6 object       3 - -   250,170,30
traffic sign          20   7 object       3 - -   220,220,0
vegetation            21   8 nature       4 - -   107,142,35
terrain               22   9 nature       4 - -   152,251,152
sky                   23  10 sky          5 - -   70,130,180
person                24  11 human        6 x -   220,20,60
rider                 25  12 human        6 x -   255,0,0
car                   26  13 vehicle      7 x -   0,0,142
truck                 27  14 vehicle      7 x -   0,0,70
bus                   28  15 vehicle      7 x -   0,60,100
caravan               29 255 vehicle      7 x x   0,0,90
trailer               30 255 vehicle      7 x x   0,0,110
train                 31  16 vehicle      7 x -   0,80,100
motorcycle            32  17 vehicle      7 x -   0,0,230
bicycle               33  18 vehicle      7 x -   119,11,32
license plate         -1  -1 vehicle      7 - x   0,0,142
"""


class CityscapesClass(NamedTuple):
    """A class of Cityscapes. Class numbers for training run without gaps; 255 and -1 are not trained on."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, ...]


def _class(line: str) -> CityscapesClass:
    name, number, train, category, group, counted, ignored, colour = line.rsplit(maxsplit=7)
    levels = tuple(int(level) for level in colour.split(","))
    return CityscapesClass(name, int(number), int(train), category, int(group), counted == "x", ignored == "x", levels)


class Cityscapes(VisionDataset):
    """Streets of fifty cities, 2048 x 1024: 5,000 photographs labelled finely, 20,000 coarsely.

    Args:
        root: the folder that holds ``leftImg8bit`` and ``gtFine`` or ``gtCoarse``, or their archives, which are unpacked.
        split: "train", "val" or "test"; of the coarse labels "train", "train_extra" or "val".
        mode: which labels: "fine" or "coarse".
        target_type: what a target is, or a list to get a tuple: "instance", a Pillow image of class numbers, for single
            things times 1000 plus a count; "semantic", a Pillow image of class numbers; "color", a Pillow image to look
            at; "polygon", the outlines as a dict.
        transform: applied to the image.
        target_transform: applied to the target.
        transforms: applied to image and target together; excludes the other two.

    Attributes:
        classes: all classes, a ``CityscapesClass`` each.
        images: the images' paths, by city and name.
        targets: a list of the targets' paths for each image.

    Raises:
        DatasetNotFound: folders and archives are missing. They are not fetched, since the site wants a login.

    Reference: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", 2016,
    https://arxiv.org/abs/1604.01685
    """

    CityscapesClass: ClassVar[type[CityscapesClass]] = CityscapesClass
    classes: ClassVar[list[Any]] = [_class(line) for line in _CLASSES.strip().splitlines()]

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        mode: str = "fine",
        target_type: Sequence[str] | str = "instance",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        fine = chosen(self, "mode", mode, ("fine", "coarse")) == "fine"
        self.mode = "gtFine" if fine else "gtCoarse"
        self.split = chosen(self, "split", split, ("train", "test", "val") if fine else ("train", "train_extra", "val"))
        kinds = [target_type] if isinstance(target_type, str) else target_type
        self.target_type = [chosen(self, "target_type", kind, _SUFFIXES) for kind in kinds]
        images, targets = self.root / "leftImg8bit" / split, self.root / self.mode / split
        self.images_dir, self.targets_dir = os.fspath(images), os.fspath(targets)
        archives = [
            self.root / f"leftImg8bit_{'trainextra' if split == 'train_extra' else 'trainvaltest'}.zip",
            self.root / ("gtFine_trainvaltest.zip" if fine else "gtCoarse.zip"),
        ]
        if not (images.is_dir() and targets.is_dir()) and all(path.is_file() for path in archives):
            for path in archives:
                extract_archive(path)
        names = " and ".join(path.name for path in archives)
        require(
            self, [images, targets], None, f"get {names} from https://www.cityscapes-dataset.com and put them there"
        )
        self.images: list[str] = []
        self.targets: list[list[str]] = []
        for path in sorted(images.glob("*/*")):
            start = Path(targets, path.parent.name, path.name.partition("_leftImg8bit")[0])
            self.images.append(os.fspath(path))
            self.targets.append([f"{start}_{self.mode}_{_SUFFIXES[kind]}" for kind in self.target_type])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        targets = tuple(
            read_json(path) if path.endswith(".json") else open_image(path, None) for path in self.targets[index]
        )
        return self._finish(open_image(self.images[index]), targets if len(targets) > 1 else targets[0])

    def __len__(self) -> int:
        return len(self.images)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}\nMode: {self.mode}\nType: {self.target_type}"
