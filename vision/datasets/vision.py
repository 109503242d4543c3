"""What image data sets have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.data import Dataset
from framework.errors import ArgumentError


class VisionDataset(Dataset):
    """Images under a folder, with transforms for them and for their targets.

    Args:
        root: the folder; "~" stands for the home folder. None for a data set that needs no files.
        transforms: applied to image and target together; excludes the other two.
        transform: applied to the image.
        target_transform: applied to the target.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ArgumentError("only transforms or transform/target_transform can be passed as argument, not both")
        self.root: Any = None if root is None else Path(root).expanduser()
        self.transforms = transforms
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: a data set of images must define __len__")

    def _finish(self, image: Any, target: Any) -> tuple[Any, Any]:
        """A sample as it leaves the data set."""
        if self.transforms is not None:
            return self.transforms(image, target)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def extra_repr(self) -> str:
        """More lines for ``repr``."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        for name in ("transforms", "transform", "target_transform"):
            if (value := getattr(self, name)) is not None:
                lines += f"{name}: {value!r}".splitlines()
        return "\n".join([f"Dataset {type(self).__name__}", *(f"    {line}" for line in lines)])


def numbered(names: list[str]) -> dict[str, int]:
    """The class numbers by name."""
    return {name: number for number, name in enumerate(names)}
