"""Cats and dogs of 37 breeds, with the animal's outline."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.tables import read_lines
from vision.datasets.vision import VisionDataset, numbered
from vision.io import open_image


class OxfordIIITPet(VisionDataset):
    """Cats and dogs of 37 breeds, some 200 photographs a breed, each with a map of animal, background and border.

    Args:
        root: the folder that holds ``oxford-iiit-pet``.
        split: "trainval" or "test".
        target_types: what a target is, or a list to get a tuple: "category", the breed's number; "binary-category",
            0 for cats and 1 for dogs; "segmentation", a Pillow image of 1 animal, 2 background, 3 border.
        transforms: applied to image and target together; excludes the other two.
        transform: applied to the image.
        target_transform: applied to the target.
        download: fetch the archives if a folder is missing.

    Attributes:
        classes: the breeds' names.
        class_to_idx: the breeds' numbers by name.
        bin_classes: "Cat" and "Dog".
        bin_class_to_idx: their numbers.

    Raises:
        DatasetNotFound: a folder is missing, and ``download`` is off.

    Reference: Parkhi et al., "Cats and Dogs", 2012, https://www.robots.ox.ac.uk/~vgg/data/pets/
    """

    _RESOURCES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
    )
    _VALID_TARGET_TYPES: ClassVar[tuple[str, ...]] = ("category", "binary-category", "segmentation")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "trainval",
        target_types: Sequence[str] | str = "category",
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self._split = chosen(self, "split", split, ("trainval", "test"))
        kinds = [target_types] if isinstance(target_types, str) else target_types
        self._target_types = [chosen(self, "target_types", kind, self._VALID_TARGET_TYPES) for kind in kinds]
        self._base_folder = self.root / "oxford-iiit-pet"
        images, annotations = self._base_folder / "images", self._base_folder / "annotations"
        require(self, [images, annotations], self.download if download else None)
        table = annotations / f"{split}.txt"
        rows = [line.split() for line in read_lines(table)]
        with reading(table, "a list of pets, with name, breed, species and number within it"):
            names = [name for name, _, _, _ in rows]
            self._labels = [int(breed) - 1 for _, breed, _, _ in rows]
            self._bin_labels = [int(species) - 1 for _, _, species, _ in rows]
        self._images = [os.fspath(images / f"{name}.jpg") for name in names]
        self._segs = [os.fspath(annotations / "trimaps" / f"{name}.png") for name in names]
        breeds = {label: name.rpartition("_")[0] for name, label in zip(names, self._labels, strict=True)}
        self.classes = [" ".join(part.title() for part in breeds[label].split("_")) for label in sorted(breeds)]
        self.class_to_idx = numbered(self.classes)
        self.bin_classes = ["Cat", "Dog"]
        self.bin_class_to_idx = numbered(self.bin_classes)

    def download(self) -> None:
        """Fetch the archives, verified, and unpack them."""
        for url, md5 in self._RESOURCES:
            download_and_extract_archive(url, self._base_folder, md5=md5)

    def _target(self, kind: str, index: int) -> Any:
        if kind == "segmentation":
            return open_image(self._segs[index], None)
        return self._labels[index] if kind == "category" else self._bin_labels[index]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        targets = tuple(self._target(kind, index) for kind in self._target_types)
        target = targets if len(targets) > 1 else targets[0] if targets else None
        return self._finish(open_image(self._images[index]), target)

    def __len__(self) -> int:
        return len(self._images)
