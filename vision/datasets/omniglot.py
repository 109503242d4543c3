"""Omniglot: characters of fifty alphabets, twenty of each, for learning from few examples."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from hub.archives import download_and_extract_archive
from hub.dataset_files import require
from vision.datasets.listed import ListedImages
from vision.io import open_image


def _grey(path: str) -> Any:
    return open_image(path, "L")


class Omniglot(ListedImages):
    """Handwritten characters of fifty alphabets, 105 x 105, by twenty people each; the target is the character.

    Args:
        root: the folder that holds ``omniglot-py``.
        background: the 964 characters of thirty alphabets to learn from, else the 659 of twenty others.
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the class number.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Lake, Salakhutdinov and Tenenbaum, "Human-level concept learning through probabilistic program
    induction", 2015, https://github.com/brendenlake/omniglot. Alphabets and characters are numbered in the order of
    their names; in torchvision, as the disk lists them.
    """

    folder: ClassVar[str] = "omniglot-py"
    download_url_prefix: ClassVar[str] = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
    zips_md5: ClassVar[dict[str, str]] = {
        "images_background": "68d2efa1b9178cc56df9314c21c6e718",
        "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        background: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        loader: Callable[[str], Any] | None = None,
    ) -> None:
        super().__init__(Path(root) / self.folder, transform, target_transform, loader or _grey)
        self.background = background
        self._name = "images_background" if background else "images_evaluation"
        folder = self.root / self._name
        self.target_folder = os.fspath(folder)
        require(self, [folder], self.download if download else None)
        characters = sorted(path for path in folder.glob("*/*") if path.is_dir())
        self._characters = [os.fspath(path.relative_to(folder)) for path in characters]
        pairs = [(file, number) for number, path in enumerate(characters) for file in sorted(path.glob("*.png"))]
        self._list((file for file, _ in pairs), (number for _, number in pairs))

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        url = f"{self.download_url_prefix}/{self._name}.zip"
        download_and_extract_archive(url, self.root, md5=self.zips_md5[self._name])
