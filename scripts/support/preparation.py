"""How pictures are prepared for a model, and how they are augmented for training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from vision import transforms as T
from vision.transforms.presets import IMAGENET_MEAN, IMAGENET_STD

AUGMENTATIONS = ("none", "basic", "strong")
POLICIES: dict[str, Any] = {
    "ra": lambda mode: T.RandAugment(interpolation=mode),
    "ta_wide": lambda mode: T.TrivialAugmentWide(interpolation=mode),
    "augmix": lambda mode: T.AugMix(interpolation=mode),
    "imagenet": lambda mode: T.AutoAugment(T.AutoAugmentPolicy.IMAGENET, mode),
    "cifar10": lambda mode: T.AutoAugment(T.AutoAugmentPolicy.CIFAR10, mode),
    "svhn": lambda mode: T.AutoAugment(T.AutoAugmentPolicy.SVHN, mode),
}
_SHARES = {"basic": (0.35, 1.0), "strong": (0.1, 1.0)}  # of a picture's area that training sees


@dataclass
class Preparation:
    """How a picture becomes the model's input; kept beside the weights, so that prediction does the same.

    Args:
        size: pixels a side of what the model sees.
        channels: 1 grey, 3 colour.
        mean, std: by channel, of values 0..1.
        resize: pixels of the shorter side before the middle is taken; None for pictures that have the size.
        interpolation: of the resizing.
    """

    size: int
    channels: int
    mean: list[float]
    std: list[float]
    resize: int | None = None
    interpolation: str = "bilinear"

    @classmethod
    def of_weights(cls, preset: Any) -> Preparation:
        """The preprocessing of pretrained weights, an ``ImageClassification``."""
        crop, shorter = preset.crop_size, preset.resize_size
        return cls(crop[0], 3, list(preset.mean), list(preset.std), shorter[0], preset.interpolation.value)

    def scaled(self, size: int) -> Preparation:
        """The same for another size of what the model sees."""
        shorter = None if self.resize is None else round(self.resize * size / self.size)
        return replace(self, size=size, resize=shorter)

    @property
    def mode(self) -> T.InterpolationMode:
        """The interpolation."""
        return T.InterpolationMode(self.interpolation)

    def evaluation(self) -> Any:
        """The transform for evaluation and prediction."""
        steps: list[Any] = [T.Grayscale() if self.channels == 1 else T.RGB()]
        if self.resize is not None:
            steps += [T.Resize(self.resize, self.mode), T.CenterCrop(self.size)]
        return T.Compose([*steps, T.ToTensor(), T.Normalize(self.mean, self.std)])

    def new_picture(self) -> Any:
        """The transform for a picture from elsewhere, of any size."""
        if self.resize is not None:
            return self.evaluation()
        return T.Compose([T.Resize([self.size, self.size]), self.evaluation()])

    def training(self, augmentation: Augmentation, mirrored: bool) -> Any:
        """The transform for training.

        Args:
            augmentation: what is done to a picture.
            mirrored: whether a picture's mirror image is of the same class (not so for digits).
        """
        if augmentation.kind == "none" and augmentation.policy is None and not augmentation.erase:
            return self.evaluation()
        steps: list[Any] = [T.Grayscale() if self.channels == 1 else T.RGB()]
        if augmentation.kind == "none":
            steps += [] if self.resize is None else [T.Resize(self.resize, self.mode), T.CenterCrop(self.size)]
        elif self.resize is not None:
            steps.append(T.RandomResizedCrop(self.size, scale=_SHARES[augmentation.kind], interpolation=self.mode))
        else:
            steps.append(T.RandomCrop(self.size, padding=2 if self.channels == 1 else 4))
        if mirrored and augmentation.kind != "none":
            steps.append(T.RandomHorizontalFlip())
        if augmentation.policy is not None:
            steps.append(POLICIES[augmentation.policy](T.InterpolationMode.BILINEAR))
        if augmentation.kind == "strong":
            colours = (0.4, 0.1) if self.channels == 3 else (0, 0)
            steps.append(T.RandomAffine(15, shear=10, interpolation=T.InterpolationMode.BILINEAR))
            steps.append(T.ColorJitter(0.4, 0.4, *colours))
        steps += [T.ToTensor(), T.Normalize(self.mean, self.std)]
        share = augmentation.erase or (0.25 if augmentation.kind == "strong" else 0.0)
        return T.Compose([*steps, T.RandomErasing(share)] if share else steps)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for a JSON file."""
        return asdict(self)


@dataclass(frozen=True)
class Augmentation:
    """What is done to a training picture: a kind out of ``AUGMENTATIONS``, a policy out of ``POLICIES``, erasing."""

    kind: str = "none"
    policy: str | None = None
    erase: float = 0.0


GREY = Preparation(28, 1, [0.25], [0.3])
CIFAR = Preparation(32, 3, [0.491, 0.482, 0.447], [0.247, 0.243, 0.262])


def photographs(size: int) -> Preparation:
    """For folders of pictures of all sizes."""
    return Preparation(size, 3, list(IMAGENET_MEAN), list(IMAGENET_STD), round(size * 8 / 7))
