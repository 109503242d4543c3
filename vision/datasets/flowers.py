"""Flowers common in Britain, of 102 kinds."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from hub import download as fetch
from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.folder import default_loader
from vision.datasets.listed import ListedImages
from vision.datasets.tables import read_mat
from vision.datasets.vision import numbered

_NAMES = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger lily, moon orchid,
bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king protea, spear thistle, yellow iris,
globe-flower, purple coneflower, peruvian lily, balloon flower, giant white arum lily, fire lily, pincushion flower,
fritillary, red ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke,
sweet william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya,
cape flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword lily, poinsettia,
bolero deep blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion, petunia, wild pansy, primula,
sunflower, pelargonium, bishop of llandaff, gaura, geranium, orange dahlia, pink-yellow dahlia?, cautleya spicata,
japanese anemone, black-eyed susan, silverbush, californian poppy, osteospermum, spring crocus, bearded iris,
windflower, tree poppy, gazania, azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus,
toad lily, anthurium, frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen,
watercress, canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow,
mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
"""


class Flowers102(ListedImages):
    """Flowers of 102 kinds: ten photographs a kind for training, ten for validation, 6,149 in all for testing.

    Args:
        root: the folder that holds ``flowers-102``.
        split: "train", "val" or "test".
        transform: applied to the image.
        target_transform: applied to the class number.
        download: fetch the archive and the lists if one is missing.
        loader: what makes an image of a path.

    Attributes:
        classes: the flowers' names.
        class_to_idx: the class numbers by name.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.

    Reference: Nilsback and Zisserman, "Automated Flower Classification over a Large Number of Classes", 2008,
    https://www.robots.ox.ac.uk/~vgg/data/flowers/102/
    """

    _download_url_prefix: ClassVar[str] = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _file_dict: ClassVar[dict[str, tuple[str, str]]] = {
        "image": ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
        "label": ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
        "setid": ("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
    }
    _splits_map: ClassVar[dict[str, str]] = {"train": "trnid", "val": "valid", "test": "tstid"}
    classes: ClassVar[list[str]] = _NAMES.strip().replace(",\n", ", ").split(", ")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform, target_transform, loader)
        self._split = chosen(self, "split", split, self._splits_map)
        self._base_folder = self.root / "flowers-102"
        images = self._base_folder / "jpg"
        labels, sets = (self._base_folder / self._file_dict[key][0] for key in ("label", "setid"))
        require(self, [images, labels, sets], self.download if download else None)
        self.class_to_idx = numbered(self.classes)
        with reading(sets, "the list of the sets' flowers"):
            numbers = [int(number) for number in read_mat(sets)[self._splits_map[split]].reshape(-1)]
        with reading(labels, "the flowers' labels"):
            targets = read_mat(labels)["labels"].reshape(-1)
            if min(numbers) < 1:
                raise ValueError("images count from 1")
            self._list(
                (images / f"image_{number:05d}.jpg" for number in numbers),
                (int(targets[number - 1]) - 1 for number in numbers),
            )

    def download(self) -> None:
        """Fetch the archive and the lists, verified, and unpack the images."""
        name, md5 = self._file_dict["image"]
        download_and_extract_archive(self._download_url_prefix + name, self._base_folder, md5=md5)
        for key in ("label", "setid"):
            name, md5 = self._file_dict[key]
            fetch(self._download_url_prefix + name, self._base_folder / name, md5=md5)
