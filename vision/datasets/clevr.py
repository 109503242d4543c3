"""CLEVR's rendered scenes, to be told by how many objects they hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from hub.archives import download_and_extract_archive
from hub.dataset_files import chosen, reading, require
from vision.datasets.folder import default_loader
from vision.datasets.listed import ListedImages
from vision.datasets.tables import read_json


class CLEVRClassification(ListedImages):
    """Rendered scenes of 3 to 10 objects; the target is their number.

    Args:
        root: the folder that holds ``clevr``.
        split: "train" (70,000 pictures), "val" (15,000) or "test" (15,000, whose targets are None).
        transform: applied to the image.
        target_transform: applied to the target.
        download: fetch the archive if the folder is missing.
        loader: what makes an image of a path.

    Raises:
        DatasetNotFound: the folder is missing, and ``download`` is off.

    Reference: Johnson et al., "CLEVR: A Diagnostic Dataset for Compositional Language and Elementary Visual Reasoning",
    2017, https://arxiv.org/abs/1612.06890
    """

    _URL: ClassVar[str] = "https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip"
    _MD5: ClassVar[str] = "b11922020e72d0cd9154779b2d3d07d2"

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
        self._split = chosen(self, "split", split, ("train", "val", "test"))
        self._base_folder = self.root / "clevr"
        folder = self._base_folder / "CLEVR_v1.0"
        require(self, [folder / "images" / split], self.download if download else None)
        files = sorted((folder / "images" / split).iterdir())
        if split == "test":
            self._list(files, [None] * len(files))
            return
        table = folder / "scenes" / f"CLEVR_{split}_scenes.json"
        content = read_json(table, "the list of scenes")
        with reading(table, "the list of all scenes"):
            counts = {scene["image_filename"]: len(scene["objects"]) for scene in content["scenes"]}
            self._list(files, (counts[file.name] for file in files))

    def download(self) -> None:
        """Fetch the archive, verified, and unpack it."""
        download_and_extract_archive(self._URL, self._base_folder, md5=self._MD5)
