"""From ``--data`` to data sets: what is meant, how pictures are prepared, and how they are augmented."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from framework.data import Dataset, Subset
from framework.errors import ArgumentError, nearest
from vision import transforms as T
from vision.datasets import CIFAR10, CIFAR100, KMNIST, MNIST, FashionMNIST, ImageFolder, RenderedDigits

NAMED: dict[str, Any] = {
    "mnist": MNIST, "fashion-mnist": FashionMNIST, "kmnist": KMNIST, "cifar10": CIFAR10, "cifar100": CIFAR100,
}  # fmt: skip
HELD_OUT = ("val", "valid", "validation", "test")  # folders with pictures that are not trained on
SHARE_HELD_OUT = 0.2  # of a folder without such a one
AUGMENTATIONS = ("none", "basic", "strong")


@dataclass
class Preparation:
    """How a picture becomes the model's input; kept beside the weights, so that prediction does the same."""

    size: int  # pixels a side
    channels: int  # 1 grey, 3 colour
    mean: list[float]
    std: list[float]
    resize: bool  # whether pictures have to be brought to size; else they have it

    def evaluation(self) -> Any:
        """The transform for evaluation and prediction."""
        steps: list[Any] = [T.Grayscale() if self.channels == 1 else T.RGB()]
        if self.resize:
            steps += [T.Resize(round(self.size * 8 / 7)), T.CenterCrop(self.size)]
        return T.Compose([*steps, T.ToTensor(), T.Normalize(self.mean, self.std)])

    def new_picture(self) -> Any:
        """The transform for a picture from elsewhere, of any size."""
        if self.resize:
            return self.evaluation()
        return T.Compose([T.Resize([self.size, self.size]), self.evaluation()])

    def training(self, augment: str, mirrored: bool) -> Any:
        """The transform for training.

        Args:
            augment: one of ``AUGMENTATIONS``.
            mirrored: whether a picture's mirror image is of the same class (not so for digits).
        """
        if augment == "none":
            return self.evaluation()
        steps: list[Any] = [T.Grayscale() if self.channels == 1 else T.RGB()]
        if self.resize:
            steps.append(T.RandomResizedCrop(self.size, scale=(0.35, 1.0) if augment == "basic" else (0.1, 1.0)))
        else:
            steps.append(T.RandomCrop(self.size, padding=2 if self.channels == 1 else 4))
        if mirrored:
            steps.append(T.RandomHorizontalFlip())
        if augment == "strong":
            steps.append(T.RandomAffine(15, shear=10, interpolation=T.InterpolationMode.BILINEAR))
            steps.append(T.ColorJitter(0.4, 0.4, 0.4 if self.channels == 3 else 0, 0.1 if self.channels == 3 else 0))
        steps += [T.ToTensor(), T.Normalize(self.mean, self.std)]
        return T.Compose([*steps, T.RandomErasing(0.25)] if augment == "strong" else steps)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for a JSON file."""
        return asdict(self)


@dataclass
class Images:
    """A classification task."""

    name: str
    train: Dataset
    test: Dataset
    classes: list[str]
    preparation: Preparation


GREY = Preparation(28, 1, [0.25], [0.3], False)
CIFAR = Preparation(32, 3, [0.491, 0.482, 0.447], [0.247, 0.243, 0.262], False)
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def load_images(data: str, root: str, augment: str, size: int, seed: int) -> Images:
    """The data sets that ``--data`` names, transformed and ready.

    Args:
        data: "digits", a name in ``NAMED``, or a folder.
        root: where a named data set's files are, or are downloaded to.
        augment: one of ``AUGMENTATIONS``.
        size: pixels a side, for folders of pictures.
        seed: decides which pictures of a folder without a test part are held out.

    Raises:
        ArgumentError, FileNotFoundError, FileFormatError: what is meant is not there, or broken.
    """
    if data == "digits":
        train, test = RenderedDigits(True), RenderedDigits(False)
        return _with_transforms("digits", train, test, GREY, augment, mirrored=False)
    if data in NAMED:
        return _named(data, NAMED[data], root, augment, download=True)
    if not os.path.isdir(data):
        known = ["digits", *NAMED]
        if os.path.exists(data) or os.sep in data:
            raise FileNotFoundError(
                f"--data {data}: there is no such folder; give a folder with one folder of pictures a class"
            )
        raise ArgumentError(f"--data {data}: neither a folder nor one of {', '.join(known)}{nearest(data, known)}")
    for name, kind in NAMED.items():
        if kind.present(data):
            return _named(name, kind, data, augment, download=False)
    return _folder(Path(data), augment, size, seed)


def _named(name: str, kind: Any, root: str, augment: str, download: bool) -> Images:
    train, test = (kind(root, train=part, download=download) for part in (True, False))
    preparation = GREY if issubclass(kind, MNIST) else CIFAR
    return _with_transforms(name, train, test, preparation, augment, mirrored=kind in (CIFAR10, CIFAR100, FashionMNIST))


def _with_transforms(
    name: str, train: Any, test: Any, preparation: Preparation, augment: str, mirrored: bool
) -> Images:
    train.transform = preparation.training(augment, mirrored)
    test.transform = preparation.evaluation()
    return Images(name, train, test, list(train.classes), preparation)


def _folder(folder: Path, augment: str, size: int, seed: int) -> Images:
    preparation = Preparation(size, 3, IMAGENET_MEAN, IMAGENET_STD, True)
    held_out = next((folder / name for name in HELD_OUT if (folder / name).is_dir()), None)
    if (folder / "train").is_dir() and held_out is not None:
        train, test = ImageFolder(folder / "train"), ImageFolder(held_out)
        if train.classes != test.classes:
            odd = sorted(set(train.classes) ^ set(test.classes))
            raise ArgumentError(f"--data {folder}: train and {held_out.name} differ in the classes {', '.join(odd)}")
        return _with_transforms(folder.name, train, test, preparation, augment, mirrored=True)
    train = ImageFolder(folder, transform=preparation.training(augment, True))
    test = ImageFolder(folder, transform=preparation.evaluation())
    if len(train.classes) < 2:
        raise ArgumentError(f"--data {folder}: found the one class {train.classes[0]}; a classifier needs two or more")
    first, second = _split(np.array(train.targets), seed)
    if not len(second):
        raise ArgumentError(
            f"--data {folder}: too few pictures to hold any out for testing; give a train and a val folder"
        )
    return Images(folder.name, Subset(train, first), Subset(test, second), list(train.classes), preparation)


def _split(targets: np.ndarray[Any, Any], seed: int) -> tuple[list[int], list[int]]:
    """Numbers of the samples to train on and to hold out, the same share of each class."""
    rng = np.random.Generator(np.random.Philox(seed))
    first: list[int] = []
    second: list[int] = []
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label)).tolist()
        count = round(len(members) * SHARE_HELD_OUT) if len(members) > 1 else 0
        second += members[:count]
        first += members[count:]
    return sorted(first), sorted(second)
