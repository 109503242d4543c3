"""Images in one folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from vision.datasets.vision import VisionDataset
from vision.io import open_image

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """The sub-folders of a folder as class names, sorted, and their numbers.

    Raises:
        FileNotFoundError: the folder is missing or has no sub-folder.
    """
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"there is no folder {os.fspath(directory)!r}; give the folder that holds one folder a class")
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise FileNotFoundError(f"could not find any class folder in {os.fspath(directory)!r}; put images in one folder a class")
    return classes, {name: number for number, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike[str],
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """(path, class number) of every file under the class folders that has one of the extensions.

    Raises:
        ArgumentError: both or neither of ``extensions`` and ``is_valid_file`` are given.
        FileNotFoundError: a class has no file, unless ``allow_empty``.
    """
    if (extensions is None) == (is_valid_file is None):
        raise ArgumentError("make_dataset: give either extensions or is_valid_file")
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    endings = (extensions,) if isinstance(extensions, str) else extensions
    samples: list[tuple[str, int]] = []
    empty = []
    for name in sorted(class_to_idx):
        before = len(samples)
        for folder, _, files in sorted(os.walk(Path(directory) / name, followlinks=True)):
            for file in sorted(files):
                path = os.path.join(folder, file)
                if is_valid_file(path) if is_valid_file else file.lower().endswith(endings or ()):
                    samples.append((path, class_to_idx[name]))
        if len(samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        wanted = f" (supported extensions are: {', '.join(endings)})" if endings else ""
        raise FileNotFoundError(
            f"found no valid file for the classes {', '.join(empty)} in {os.fspath(directory)!r}{wanted}; add images or "
            "remove the folders"
        )
    return samples


def default_loader(path: str) -> Any:
    """A Pillow image in RGB."""
    return open_image(path)


class DatasetFolder(VisionDataset):
    """Files of any kind in one folder a class.

    Attributes:
        samples: (path, class number) of every file.
        targets: the class number of every file.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.classes, numbers = find_classes(root)
        self.loader = loader
        self.extensions = extensions
        self.samples = make_dataset(root, numbers, extensions, is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._finish(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in one folder a class: ``root/ants/1.jpg``, ``root/bees/2.jpg``. Files of other kinds are passed over.

    Example:
        >>> ImageFolder("flowers/train", transform=transforms.ToTensor()).classes
        ['daisy', 'rose']
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
