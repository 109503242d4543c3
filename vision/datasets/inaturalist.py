"""iNaturalist: living beings, by species or by a group above it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from framework.io import FileFormatError
from hub import download as fetch
from hub.archives import extract_archive
from hub.dataset_files import chosen, require
from vision.datasets.vision import VisionDataset
from vision.io import open_image

CATEGORIES_2021 = ("kingdom", "phylum", "class", "order", "family", "genus")
_HOST = "https://ml-inat-competition-datasets.s3.amazonaws.com/"
DATASET_URLS = {
    "2017": f"{_HOST}2017/train_val_images.tar.gz",
    "2018": f"{_HOST}2018/train_val2018.tar.gz",
    "2019": f"{_HOST}2019/train_val2019.tar.gz",
    "2021_train": f"{_HOST}2021/train.tar.gz",
    "2021_train_mini": f"{_HOST}2021/train_mini.tar.gz",
    "2021_valid": f"{_HOST}2021/val.tar.gz",
}
DATASET_MD5 = {
    "2017": "7c784ea5e424efaec655bd392f87301f",
    "2018": "b1c6952ce38f31868cc50ea72d066cc3",
    "2019": "c60a6e2962c9b8ccbd458d12c8582644",
    "2021_train": "e0526d53c7f7b2e3167b2b43bb2690ed",
    "2021_train_mini": "db6ed8330e634445efc8fec83ae81442",
    "2021_valid": "f6f6e0e242e3d4c9569ba56400938afc",
}


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


class INaturalist(VisionDataset):
    """Plants, animals and fungi: 2.7 million photographs of 10,000 species in the training set of 2021.

    Args:
        root: the folder that holds one folder a version, named as it.
        version: "2017", "2018", "2019", "2021_train", "2021_train_mini" or "2021_valid".
        target_type: what a target is, or a list to get a tuple: "full", the number of the species; of 2021 also
            "kingdom", "phylum", "class", "order", "family" or "genus"; of the years before "super", the number of the
            group, such as birds.
        transform: applied to the image.
        target_transform: applied to the target.
        download: fetch the archive if the version's folder is missing.
        loader: what makes an image of a path; Pillow, in the file's mode, unless given.

    Attributes:
        all_categories: the species' folders by number.
        categories_index: of each kind of group the numbers by name.
        categories_map: of each species the numbers of its groups by kind.
        index: (species number, file name) of every image.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.
        FileFormatError: a folder is not named as the version's are.

    Reference: Van Horn et al., "The iNaturalist Species Classification and Detection Dataset", 2018,
    https://arxiv.org/abs/1707.06642. Images of a species come sorted by name; in torchvision, as the disk lists them.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        version: str = "2021_train",
        target_type: list[str] | str = "full",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] | None = None,
    ) -> None:
        self.version = chosen(self, "version", version, DATASET_URLS)
        super().__init__(Path(root) / version, transform=transform, target_transform=target_transform)
        newest = version.startswith("2021")
        kinds = [target_type] if isinstance(target_type, str) else target_type
        known = ("full", *CATEGORIES_2021) if newest else ("full", "super")
        self.target_type = [chosen(self, "target_type", kind, known) for kind in kinds]
        require(self, [self.root], self.download if download else None)
        self.all_categories: list[str] = []
        self.categories_index: dict[str, dict[str, int]] = {}
        self.categories_map: list[dict[str, int]] = []
        if newest:
            self._read_2021()
        else:
            self._read_older()
        self.index = [
            (number, name)
            for number, folder in enumerate(self.all_categories)
            for name in sorted(os.listdir(self.root / folder))
        ]
        self.loader = loader

    def _read_2021(self) -> None:
        """Folders are named number_kingdom_phylum_class_order_family_genus_species."""
        self.all_categories = _folders(self.root)
        self.categories_index = {kind: {} for kind in CATEGORIES_2021}
        for number, folder in enumerate(self.all_categories):
            parts = folder.split("_")
            if len(parts) != 8 or parts[0] != f"{number:05d}":
                raise FileFormatError(
                    f"{self.root / folder}: expected a folder named {number:05d} and seven names from kingdom to species"
                )
            groups = {}
            for kind, name in zip(CATEGORIES_2021, parts[1:7], strict=True):
                numbers = self.categories_index[kind]
                groups[kind] = numbers.setdefault(name, len(numbers))
            self.categories_map.append(groups)

    def _read_older(self) -> None:
        """Folders of groups hold folders of species, which are named by their numbers, but for 2017's."""
        groups = _folders(self.root)
        self.categories_index = {"super": {name: number for number, name in enumerate(groups)}}
        found: dict[int, tuple[int, str]] = {}
        for number, group in enumerate(groups):
            for name in _folders(self.root / group):
                if self.version != "2017" and not name.isdecimal():
                    raise FileFormatError(f"{self.root / group / name}: expected a folder named by a number")
                species = len(found) if self.version == "2017" else int(name)
                if species in found:
                    raise FileFormatError(f"{self.root / group / name}: species {species} has another folder already")
                found[species] = number, os.path.join(group, name)
        for species in range(len(found)):
            if species not in found:
                raise FileFormatError(f"{self.root}: there is no folder of species {species}; download it again")
            group_number, folder = found[species]
            self.categories_map.append({"super": group_number})
            self.all_categories.append(folder)

    def category_name(self, category_type: str, category_id: int) -> str:
        """The name of a species ("full") or of a group, by its number."""
        if category_type == "full":
            return self.all_categories[category_id]
        names = self.categories_index[chosen(self, "category_type", category_type, self.categories_index)]
        for name, number in names.items():
            if number == category_id:
                return name
        raise ArgumentError(f"INaturalist: {category_type} has the numbers 0 to {len(names) - 1}, got {category_id}")

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        url = DATASET_URLS[self.version]
        folder = self.root.parent
        archive = fetch(url, folder / f"{self.version}.tgz", md5=DATASET_MD5[self.version])
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            extract_archive(archive, temporary)
            os.rename(Path(temporary, os.path.basename(url).removesuffix(".tar.gz")), self.root)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        number, name = self.index[index]
        path = os.path.join(self.root, self.all_categories[number], name)
        image = open_image(path, None) if self.loader is None else self.loader(path)
        targets = tuple(number if kind == "full" else self.categories_map[number][kind] for kind in self.target_type)
        return self._finish(image, targets if len(targets) > 1 else targets[0])

    def __len__(self) -> int:
        return len(self.index)
