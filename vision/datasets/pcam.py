"""PatchCamelyon: is there a tumour in the middle of a piece of tissue?"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

from PIL import Image

from framework.io import FileFormatError
from hub import download as fetch
from hub.archives import extract_archive, google_drive
from hub.dataset_files import chosen, require
from vision.datasets.vision import VisionDataset


class PCAM(VisionDataset):
    """Pieces of lymph node tissue, 96 x 96 colour; 1 if the middle 32 x 32 pixels hold a tumour, else 0.

    Reading needs the extra ``hdf5``.

    Args:
        root: the folder that holds ``pcam``.
        split: "train" (262,144 pictures), "val" (32,768) or "test" (32,768).
        transform: applied to the Pillow image.
        target_transform: applied to the class number.
        download: fetch the split's files if one is missing.

    Raises:
        DatasetNotFound: files are missing, and ``download`` is off.
        FileFormatError: a file is broken.
        ModuleNotFoundError: ``h5py`` is not installed.

    Reference: Veeling et al., "Rotation Equivariant CNNs for Digital Pathology", 2018, https://arxiv.org/abs/1806.03962
    """

    _FILES: ClassVar[dict[str, dict[str, tuple[str, str, str]]]] = {  # name, number on Google Drive, md5 when packed
        "train": {
            "images": (
                "camelyonpatch_level_2_split_train_x.h5",
                "1Ka0XfEMiwgCYPdTI-vv6eUElOBnKFKQ2",
                "1571f514728f59376b705fc836ff4b63",
            ),
            "targets": (
                "camelyonpatch_level_2_split_train_y.h5",
                "1269yhu3pZDP8UYFQs-NYs3FPwuK-nGSG",
                "35c2d7259d906cfc8143347bb8e05be7",
            ),
        },
        "test": {
            "images": (
                "camelyonpatch_level_2_split_test_x.h5",
                "1qV65ZqZvWzuIVthK8eVDhIwrbnsJdbg_",
                "d8c2d60d490dbd479f8199bdfa0cf6ec",
            ),
            "targets": (
                "camelyonpatch_level_2_split_test_y.h5",
                "17BHrSrwWKjYsOgTMmoqrIjDy6Fa2o_gP",
                "60a7035772fbdb7f34eb86d4420cf66a",
            ),
        },
        "val": {
            "images": (
                "camelyonpatch_level_2_split_valid_x.h5",
                "1hgshYGWK8V-eGRy8LToWJJgDU_rXWVJ3",
                "d5b63470df7cfa627aeec8b9dc0c066e",
            ),
            "targets": (
                "camelyonpatch_level_2_split_valid_y.h5",
                "1bH8ZRbhSVAhScTS0p9-ZzGnX91cHT3uO",
                "2b85f58b927af9964a4c15b8f7e8f179",
            ),
        },
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = chosen(self, "split", split, self._FILES)
        self._base_folder = self.root / "pcam"
        self._images, self._targets = (
            self._base_folder / self._FILES[split][kind][0] for kind in ("images", "targets")
        )
        require(self, [self._images, self._targets], self.download if download else None)

    def download(self) -> None:
        """Fetch the split's files from Google Drive, verified, and unpack them."""
        for name, number, md5 in self._FILES[self._split].values():
            archive = fetch(google_drive(number), self._base_folder / f"{name}.gz", md5=md5)
            extract_archive(archive)

    def _read(self, path: os.PathLike[str], name: str, index: Any) -> Any:
        """A part of an array; files are opened for each, since open ones cannot go to other processes."""
        try:
            import h5py
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "PCAM: its files are HDF5, which the library h5py reads; install it with: pip install 'eagerkit[hdf5]'"
            ) from None
        try:
            with h5py.File(path) as file:
                return file[name].shape if index is None else file[name][index]
        except (OSError, KeyError) as error:
            raise FileFormatError(f"{path}: not PCAM's HDF5 file ({error}); download it again") from None

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(self._read(self._images, "x", index)).convert("RGB")
        return self._finish(image, int(self._read(self._targets, "y", (index, 0, 0, 0))))

    def __len__(self) -> int:
        return int(self._read(self._images, "x", None)[0])

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"split={self._split}"
