"""LSUN: many photographs of few kinds of scenes, in LMDB databases."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from hub.dataset_files import require
from vision.datasets.vision import VisionDataset
from vision.io import open_image

_CATEGORIES = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen", "living_room",
    "restaurant", "tower",
)  # fmt: skip
_SETS = ("train", "val", "test")


@functools.cache
def _opened(path: str, process: int) -> Any:
    """A database, open for reading: once in every process, as LMDB asks."""
    try:
        import lmdb
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "LSUN: its files are LMDB databases, which the library lmdb reads; install it with: pip install 'eagerkit[lmdb]'"
        ) from None
    return lmdb.open(path, max_readers=1, readonly=True, lock=False, readahead=False, meminit=False)


class LSUNClass(VisionDataset):
    """The images of one LMDB database; targets are None. Needs the extra ``lmdb``.

    Args:
        root: the database's folder.
        transform: applied to the image.
        target_transform: applied to None.

    Raises:
        DatasetNotFound: the folder is missing.
        ModuleNotFoundError: ``lmdb`` is not installed.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        require(self, [self.root], None, "get the database from https://github.com/fyu/lsun and unzip it there")
        with self._begin() as transaction:
            self.keys = list(transaction.cursor().iternext(keys=True, values=False))
        self.length = len(self.keys)

    def _begin(self) -> Any:
        return _opened(os.path.realpath(self.root), os.getpid()).begin(write=False)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        with self._begin() as transaction:
            data = transaction.get(self.keys[index])
        return self._finish(open_image(data), None)

    def __len__(self) -> int:
        return self.length


class LSUN(VisionDataset):
    """Photographs of ten kinds of scenes, 120,000 to 3 million a kind. Needs the extra ``lmdb``.

    Args:
        root: the folder that holds a database each, such as ``bedroom_train_lmdb``.
        classes: "train", "val" or "test" for all there is, or a list such as ``["bedroom_train", "bridge_train"]``.
        transform: applied to the image.
        target_transform: applied to the class number, which is the place in ``classes``.

    Raises:
        DatasetNotFound: a database is missing.
        ModuleNotFoundError: ``lmdb`` is not installed.

    Reference: Yu et al., "LSUN: Construction of a Large-scale Image Dataset using Deep Learning with Humans in the Loop",
    2015, https://arxiv.org/abs/1506.03365. No file of the databases' keys is left in the working folder.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        classes: str | Sequence[str] = "train",
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes = self._verify_classes(classes)
        self.dbs = [LSUNClass(Path(root, f"{name}_lmdb"), transform=transform) for name in self.classes]
        self.indices = list(accumulate(len(db) for db in self.dbs))
        self.length = self.indices[-1]

    @staticmethod
    def _verify_classes(classes: str | Sequence[str]) -> list[str]:
        if isinstance(classes, str) and classes in _SETS:
            return ["test"] if classes == "test" else [f"{name}_{classes}" for name in _CATEGORIES]
        known = {f"{name}_{part}" for name in _CATEGORIES for part in _SETS} | {"test"}
        if isinstance(classes, str) or not classes or not set(classes) <= known:
            raise ArgumentError(
                f"LSUN: classes must be one of {', '.join(_SETS)}, or a list of names such as 'bedroom_train' from "
                f"{', '.join(_CATEGORIES)}; got {classes!r}"
            )
        return list(classes)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        index = range(self.length)[index]
        number = next(n for n, end in enumerate(self.indices) if index < end)
        image, _ = self.dbs[number][index - (self.indices[number - 1] if number else 0)]
        return image, number if self.target_transform is None else self.target_transform(number)

    def __len__(self) -> int:
        return self.length

    def extra_repr(self) -> str:
        """Which classes it has."""
        return f"Classes: {self.classes}"
