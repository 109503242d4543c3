"""From ``--data`` to data sets: what is meant, and how its pictures are prepared."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from framework.data import Dataset, Subset
from framework.errors import ArgumentError, nearest
from support.preparation import CIFAR, GREY, Augmentation, Preparation, photographs
from support.splitting import divided
from vision import datasets as D

HELD_OUT = ("val", "valid", "validation", "test")  # folders with pictures that are not trained on


@dataclass(frozen=True)
class Named:
    """A data set that is known by name: how to make its training and test part, and how its pictures are."""

    make: Callable[..., Any]  # (root, training part?, download=) -> data set
    preparation: Preparation | None  # None for photographs of all sizes
    mirrored: bool  # whether mirror images are of the same class
    present: Callable[[str], bool] = lambda root: False  # whether a folder is recognised as holding it


def _train(kind: Any) -> Callable[..., Any]:
    return lambda root, training, download: kind(root, train=training, download=download)


def _split(kind: Any, first: str = "train", second: str = "test") -> Callable[..., Any]:
    return lambda root, training, download: kind(root, split=first if training else second, download=download)


NAMED: dict[str, Named] = {
    "mnist": Named(_train(D.MNIST), GREY, False, D.MNIST.present),
    "fashion-mnist": Named(_train(D.FashionMNIST), GREY, True, D.FashionMNIST.present),
    "kmnist": Named(_train(D.KMNIST), GREY, False, D.KMNIST.present),
    "cifar10": Named(_train(D.CIFAR10), CIFAR, True, D.CIFAR10.present),
    "cifar100": Named(_train(D.CIFAR100), CIFAR, True, D.CIFAR100.present),
    "stl10": Named(_split(D.STL10), None, True),
    "flowers102": Named(_split(D.Flowers102), None, True),
    "oxford-iiit-pet": Named(_split(D.OxfordIIITPet, "trainval"), None, True),
    "food101": Named(_split(D.Food101), None, True),
    "fgvc-aircraft": Named(_split(D.FGVCAircraft, "trainval"), None, True),
    "dtd": Named(_split(D.DTD), None, True),
}


@dataclass
class Images:
    """A classification task."""

    name: str
    train: Dataset
    test: Dataset
    classes: list[str]
    preparation: Preparation


def load_images(
    data: str, root: str, augmentation: Augmentation, size: int, seed: int, preparation: Preparation | None = None
) -> Images:
    """The data sets that ``--data`` names, transformed and ready.

    Args:
        data: "digits", a name in ``NAMED``, or a folder.
        root: where a named data set's files are, or are downloaded to.
        augmentation: of the training pictures.
        size: pixels a side, for folders of pictures.
        seed: decides which pictures of a folder without a test part are held out.
        preparation: that of pretrained weights, instead of the data set's own.

    Raises:
        ArgumentError, FileNotFoundError, FileFormatError: what is meant is not there, or broken.
    """
    if data == "digits":
        train, test = D.RenderedDigits(True), D.RenderedDigits(False)
        chosen = _for_any_size(preparation) or GREY
        return _with_transforms("digits", train, test, chosen, augmentation, mirrored=False)
    if data in NAMED:
        return _named(data, root, augmentation, size, preparation, download=True)
    if not os.path.isdir(data):
        known = ["digits", *NAMED]
        if os.path.exists(data) or os.sep in data:
            raise FileNotFoundError(
                f"--data {data}: there is no such folder; give a folder with one folder of pictures a class"
            )
        raise ArgumentError(f"--data {data}: neither a folder nor one of {', '.join(known)}{nearest(data, known)}")
    for name, entry in NAMED.items():
        if entry.present(data):
            return _named(name, data, augmentation, size, preparation, download=False)
    return _folder(Path(data), augmentation, _for_any_size(preparation) or photographs(size), seed)


def _for_any_size(preparation: Preparation | None) -> Preparation | None:
    """A preparation from elsewhere, which may have been for pictures that all had the model's size."""
    if preparation is None or preparation.resize is not None:
        return preparation
    return replace(preparation, resize=preparation.size)


def _named(
    name: str, root: str, augmentation: Augmentation, size: int, preparation: Preparation | None, download: bool
) -> Images:
    entry = NAMED[name]
    train, test = (entry.make(root, part, download=download) for part in (True, False))
    chosen = _for_any_size(preparation) or entry.preparation or photographs(size)
    return _with_transforms(name, train, test, chosen, augmentation, entry.mirrored)


def _with_transforms(
    name: str, train: Any, test: Any, preparation: Preparation, augmentation: Augmentation, mirrored: bool
) -> Images:
    train.transform = preparation.training(augmentation, mirrored)
    test.transform = preparation.evaluation()
    return Images(name, train, test, list(train.classes), preparation)


def _folder(folder: Path, augmentation: Augmentation, preparation: Preparation, seed: int) -> Images:
    held_out = next((folder / name for name in HELD_OUT if (folder / name).is_dir()), None)
    if (folder / "train").is_dir() and held_out is not None:
        train, test = D.ImageFolder(folder / "train"), D.ImageFolder(held_out)
        if train.classes != test.classes:
            odd = sorted(set(train.classes) ^ set(test.classes))
            raise ArgumentError(f"--data {folder}: train and {held_out.name} differ in the classes {', '.join(odd)}")
        return _with_transforms(folder.name, train, test, preparation, augmentation, mirrored=True)
    train = D.ImageFolder(folder, transform=preparation.training(augmentation, True))
    test = D.ImageFolder(folder, transform=preparation.evaluation())
    if len(train.classes) < 2:
        raise ArgumentError(f"--data {folder}: found the one class {train.classes[0]}; a classifier needs two or more")
    first, second = divided(np.array(train.targets), seed)
    if not len(second):
        raise ArgumentError(
            f"--data {folder}: too few pictures to hold any out for testing; give a train and a val folder"
        )
    return Images(folder.name, Subset(train, first), Subset(test, second), list(train.classes), preparation)
