"""ImageNet's contest of 2012: 1,000 classes, 1.28 million photographs for training and 50,000 for validation."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any, ClassVar

from framework.io import FileFormatError, atomic_write
from hub import verify
from hub.archives import extract_archive
from hub.dataset_files import DatasetNotFound, chosen, reading
from hub.pickles import read_arrays
from vision.datasets.folder import ImageFolder
from vision.datasets.tables import read_json, read_mat

ARCHIVE_META = {
    "train": ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
    "val": ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
    "devkit": ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
}
META_FILE = "meta.json"
_WHAT = "ImageNet's classes and the validation images' WordNet numbers"


class ImageNet(ImageFolder):
    """Photographs of 1,000 classes, in ``root/train`` and ``root/val``, one folder a class.

    Where a folder is missing, it is made from the official archives in ``root``, which have to be fetched by hand:
    ``ILSVRC2012_devkit_t12.tar.gz`` and ``ILSVRC2012_img_train.tar`` or ``ILSVRC2012_img_val.tar``.

    Args:
        root: the folder.
        split: "train" or "val".
        kwargs: ``transform``, ``target_transform``, ``loader`` and so on, as in ``ImageFolder``.

    Attributes:
        classes: the names of each class, a tuple each.
        class_to_idx: the class numbers by each of the names.
        wnids: the classes' WordNet numbers, which are their folders' names.
        wnid_to_idx: the class numbers by WordNet number.

    Raises:
        DatasetNotFound: folders and archives are missing.
        FileFormatError: an archive is not the official one.

    Reference: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015,
    https://arxiv.org/abs/1409.0575. The class names are kept in ``meta.json``; torchvision's ``meta.bin`` is read, too.
    """

    archives: ClassVar[dict[str, tuple[str, str]]] = ARCHIVE_META

    def __init__(self, root: str | os.PathLike[str], split: str = "train", **kwargs: Any) -> None:
        self.split = chosen(self, "split", split, ("train", "val"))
        self.root = Path(root).expanduser()
        names, validation = self._meta()
        if not Path(self.split_folder).is_dir():
            if split == "train":
                self._unpack_train()
            else:
                self._unpack_val(validation)
        super().__init__(self.split_folder, **kwargs)
        self.root = Path(root).expanduser()
        self.wnids, self.wnid_to_idx = self.classes, self.class_to_idx
        with reading(self.split_folder, "a folder of ImageNet's classes, named by WordNet number"):
            self.classes: list[Any] = [tuple(names[wnid]) for wnid in self.wnids]
        self.class_to_idx = {name: number for number, names in enumerate(self.classes) for name in names}

    @property
    def split_folder(self) -> str:
        """The folder of the split's images."""
        return os.fspath(self.root / self.split)

    def _archive(self, kind: str) -> Path:
        name, md5 = self.archives[kind]
        path = self.root / name
        if not path.is_file():
            raise DatasetNotFound(
                f"ImageNet: there is no {os.fspath(path)!r}; get it from https://image-net.org/download and put it there"
            )
        if not verify(path, md5=md5):
            raise FileFormatError(f"{path}: not the official archive; fetch it again")
        return path

    def _meta(self) -> tuple[dict[str, list[str]], list[str]]:
        """The class names by WordNet number, and the validation images' WordNet numbers."""
        path, theirs = self.root / META_FILE, self.root / "meta.bin"
        if path.is_file():
            content = read_json(path, _WHAT)
            with reading(path, _WHAT):
                return dict(content["classes"]), list(content["validation"])
        if theirs.is_file():
            return _read_meta_bin(theirs)
        names, validation = _read_devkit(self._archive("devkit"))
        atomic_write(path, json.dumps({"classes": names, "validation": validation}))
        return names, validation

    def _unpack_train(self) -> None:
        archive = self._archive("train")
        with tempfile.TemporaryDirectory(dir=self.root) as temporary:
            whole = Path(temporary, "train")
            extract_archive(archive, whole)
            for inner in sorted(whole.glob("*.tar")):
                extract_archive(inner, inner.with_suffix(""), remove_finished=True)
            os.rename(whole, self.split_folder)

    def _unpack_val(self, wnids: list[str]) -> None:
        archive = self._archive("val")
        with tempfile.TemporaryDirectory(dir=self.root) as temporary:
            extract_archive(archive, Path(temporary, "images"))
            images = sorted(Path(temporary, "images").iterdir())
            if len(images) != len(wnids):
                raise FileFormatError(f"{archive}: holds {len(images)} images, and there are {len(wnids)} labels")
            for image, wnid in zip(images, wnids, strict=True):
                folder = Path(temporary, "val", wnid)
                folder.mkdir(parents=True, exist_ok=True)
                os.rename(image, folder / image.name)
            os.rename(Path(temporary, "val"), self.split_folder)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"


def _read_devkit(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Class names and validation labels, out of the development kit."""
    with reading(path, "ImageNet's development kit"), tarfile.open(path) as tar:
        contents = []
        for name in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt"):
            file = tar.extractfile(f"ILSVRC2012_devkit_t12/data/{name}")
            if file is None:
                raise ValueError(f"{name} is no plain file")
            contents.append(file.read())
        synsets = read_mat(io.BytesIO(contents[0]))["synsets"].reshape(-1)
        leaves = [row for row in synsets if row["num_children"] == 0]  # the others are groups of classes
        names = {str(row["WNID"]): str(row["words"]).split(", ") for row in leaves}
        wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in leaves}
        return names, [wnids[int(number)] for number in contents[1].split()]


def _read_meta_bin(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The same out of the file that torchvision leaves: a pickle in a zip, which is read without running it."""
    with reading(path, _WHAT):
        try:
            with zipfile.ZipFile(path) as archive:
                member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
                names, validation = read_arrays(archive.read(member), os.fspath(path))
        except (zipfile.BadZipFile, StopIteration) as error:
            raise ValueError(error) from None
        return {wnid: list(words) for wnid, words in names.items()}, list(validation)
