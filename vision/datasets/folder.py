"""Images in one folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framework.errors import ArgumentError
from vision.datasets.skipping import Skipper
from vision.datasets.vision import VisionDataset, numbered
from vision.io import open_image

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether a file's name ends in one of the extensions, in small letters or capitals."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether a file's name ends as images' names do."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """The sub-folders of a folder as class names, sorted, and their numbers. Hidden ones are passed over.

    Raises:
        FileNotFoundError: the folder is missing or has no sub-folder.
    """
    name = os.fspath(directory)
    if not os.path.isdir(directory):
        raise FileNotFoundError(f"there is no folder {name!r}; give the folder that holds one folder a class")
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise FileNotFoundError(f"could not find any class folder in {name!r}; put images in one folder a class")
    return classes, numbered(classes)


def make_dataset(
    directory: str | os.PathLike[str],
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Callable[[str], bool] | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """(path, class number) of every file under the class folders that has one of the extensions.

    Raises:
        ArgumentError: both or neither of ``extensions`` and ``is_valid_file`` are given, or no class is.
        FileNotFoundError: a class has no file, unless ``allow_empty``.
    """
    if (extensions is None) == (is_valid_file is None):
        raise ArgumentError("make_dataset: extensions and is_valid_file cannot both be None, nor both be given")
    directory = Path(directory).expanduser()
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    elif not class_to_idx:
        raise ArgumentError("make_dataset: class_to_idx must have at least one entry to collect any samples")
    endings = (extensions,) if isinstance(extensions, str) else extensions or ()
    samples: list[tuple[str, int]] = []
    empty = []
    for name in sorted(class_to_idx):
        before = len(samples)
        for folder, _, files in sorted(os.walk(directory / name, followlinks=True)):
            for file in sorted(files):
                path = os.path.join(folder, file)
                if is_valid_file(path) if is_valid_file else has_file_allowed_extension(file, endings):
                    samples.append((path, class_to_idx[name]))
        if len(samples) == before:
            empty.append(name)
    if empty and not allow_empty:
        wanted = f" (supported extensions are: {', '.join(endings)})" if endings else ""
        raise FileNotFoundError(
            f"found no valid file for the classes {', '.join(empty)} in {os.fspath(directory)!r}{wanted}; add images, "
            "remove the folders, or pass allow_empty=True"
        )
    return samples


def pil_loader(path: str | os.PathLike[str]) -> Any:
    """The Pillow image in a file, in RGB."""
    return open_image(path)


default_loader = pil_loader


class DatasetFolder(VisionDataset):
    """Files of any kind in one folder a class. To find classes in another way, override ``find_classes``.

    Args:
        root: the folder.
        loader: what makes a sample of a path.
        extensions: the endings of the files to take; or give ``is_valid_file``.
        transform: applied to the sample.
        target_transform: applied to the class number.
        is_valid_file: whether to take the file at a path.
        allow_empty: accept classes without files.

    Attributes:
        classes: the class names, sorted.
        class_to_idx: the class numbers by name.
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
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.loader = loader
        self.extensions = extensions
        self.samples = self.make_dataset(self.root, self.class_to_idx, extensions, is_valid_file, allow_empty)
        self.targets = [target for _, target in self.samples]

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """The class names, and their numbers."""
        return find_classes(directory)

    @staticmethod
    def make_dataset(
        directory: str | os.PathLike[str],
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """(path, class number) of every file."""
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._finish(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in one folder a class: ``root/ants/1.jpg``, ``root/bees/2.jpg``. Files of other kinds are passed over.

    Args:
        root, transform, target_transform, is_valid_file, allow_empty: as in ``DatasetFolder``.
        loader: what makes an image of a path; Pillow, in RGB, unless given.
        on_error: "raise" at an image that cannot be read, or "skip" to give the next one that can in its place.

    Attributes:
        imgs: (path, class number) of every image.
        skipped: how many images were found broken, where ``on_error="skip"``; a loader's worker processes count alone.

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
        on_error: str = "raise",
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
        self._skipper = Skipper(self, on_error)

    @property
    def skipped(self) -> int:
        """How many images were found broken and skipped."""
        return len(self._skipper.broken)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        index, image = self._skipper.read(index, len(self.samples), lambda number: self.loader(self.samples[number][0]))
        return self._finish(image, self.samples[index][1])
