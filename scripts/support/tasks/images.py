"""Classes of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from framework.data import DataLoader
from framework.errors import ArgumentError
from hub import create
from support import pictures, pretrained
from support import run as runs
from support.images import HELD_OUT, load_images
from support.placing import pinned
from support.preparation import Augmentation, Preparation
from support.recipe import fill_defaults, refuse
from support.tasks.task import Task, Trained
from vision.datasets import ImageFolder, is_image_file
from vision.io import open_image

IMAGE_SIZE = 224  # pixels a side, for photographs where nothing says otherwise


class ImageTask(Task):
    """Pictures that are known by name, or in a folder with one folder a class."""

    kind = "image-classification"
    samples = "pictures"

    def __init__(self, args: Any, folder: Path | None = None) -> None:
        self.source = pretrained.find(args)
        preparation = self.source.preparation
        if preparation is not None and args.image_size is not None:
            preparation = preparation.scaled(args.image_size)
        kind = "none" if args.cache_features == 1 else args.augment
        augmentation = Augmentation(kind, args.auto_augment, args.random_erase)
        images = load_images(
            args.data, args.data_root, augmentation, args.image_size or IMAGE_SIZE, args.seed, preparation
        )
        self.name, self.classes, self.train, self.test = images.name, images.classes, images.train, images.test
        self.images = images

    @staticmethod
    def settle(args: Any) -> None:
        """Fill in what the command line left open, and refuse what is for texts."""
        refuse(args, "is for texts", "text_column", "pair_column", "label_column", "max_length", "lora")
        if args.labels != "class":
            raise ArgumentError("--labels number: is for texts; leave it out")
        fill_defaults(args)
        if args.cache_features and (args.mixup_alpha or args.cutmix_alpha):
            raise ArgumentError(
                "--cache-features: --mixup-alpha and --cutmix-alpha mix pictures, not features; leave them out"
            )

    def build(self, args: Any) -> tuple[Any, dict[str, Any]]:
        """The model on its device, and the configuration that builds it again."""
        return pretrained.build(args, self.source, self.images.preparation, len(self.classes))

    def train_loader(self, args: Any) -> DataLoader:
        """Batches in a new order each epoch."""
        uneven = len(self.train) > args.batch_size and len(self.train) % args.batch_size == 1
        return DataLoader(
            self.train, args.batch_size, shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0,
            pin_memory=pinned(args.device), drop_last=uneven,  # a batch of one picture has no statistics for batch norm
        )  # fmt: skip

    def test_loader(self, dataset: Any, args: Any) -> DataLoader:
        """Batches in the data's order."""
        size = max(args.batch_size, 200)
        return DataLoader(dataset, size, num_workers=args.workers, pin_memory=pinned(args.device))

    @staticmethod
    def forward(model: Any, x: Any, device: str) -> Any:
        """Class scores of pictures (N, C, H, W)."""
        return model(x.to(device, non_blocking=True))

    def preparation(self) -> dict[str, Any]:
        """How pictures are prepared."""
        return self.images.preparation.as_dict()

    def show_mistakes(self, folder: Path, scores: Any, targets: Any) -> None:
        """``mistakes.png``."""
        pictures.draw_mistakes(folder, self.test, self.classes, scores, targets)


class TrainedOnImages(Trained):
    """A classifier of pictures."""

    samples = "pictures"

    def load(self) -> Any:
        """The model; how pictures are prepared for it."""
        self.preparation = Preparation(**self.settings["preparation"])
        model = create(self.settings["model"], **self.settings["model_config"])
        model.load_state_dict(runs.read_weights(self.folder))
        return model

    def inputs(self, given: list[str]) -> list[tuple[str, Any]]:
        """(path, picture) for each file, and for each picture in a folder."""
        transform = self.preparation.new_picture()
        paths = [path for name in given for path in _pictures_of(name)]
        opened = [open_image(path) for path in paths]
        return [(path, transform(picture).unsqueeze(0)) for path, picture in zip(paths, opened, strict=True)]

    def forward(self, x: Any) -> Any:
        """Class scores of pictures (N, C, H, W)."""
        return ImageTask.forward(self.model, x, self.device)

    def test_loader(self, args: Any) -> Any:
        """Batches of a folder of pictures, or of the run's own test pictures.

        Raises:
            ArgumentError: a folder holds a class that the model does not know.
        """
        pictures = self._test_pictures(args)
        return DataLoader(pictures, args.batch_size, num_workers=args.workers, pin_memory=pinned(args.device))

    def _test_pictures(self, args: Any) -> Any:
        stored = self.settings["arguments"]
        if args.data is None or args.data == stored["data"]:
            root = args.data_root or stored["data_root"]
            return load_images(stored["data"], root, Augmentation(), IMAGE_SIZE, stored["seed"], self.preparation).test
        folder = Path(args.data)
        held_out = (folder / name for name in HELD_OUT if (folder / name).is_dir() and name not in self.classes)
        images = ImageFolder(next(held_out, folder), transform=self.preparation.new_picture())
        unknown = [name for name in images.classes if name not in self.classes]
        if unknown:
            raise ArgumentError(f"--data {images.root}: the model does not know the classes {', '.join(unknown)}")
        numbers = [self.classes.index(name) for name in images.classes]
        images.target_transform = lambda target: numbers[target]
        return images


def _pictures_of(name: str) -> list[str]:
    """The file, or the pictures in the folder."""
    if not Path(name).is_dir():
        return [name]
    found = sorted(str(path) for path in Path(name).iterdir() if is_image_file(path.name))
    if not found:
        raise ArgumentError(f"{name}: a folder without pictures; give picture files, or a folder that holds some")
    return found
