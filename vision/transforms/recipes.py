"""The transforms of torchvision's reference trainings of classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework import dtypes
from framework.errors import ArgumentError
from framework.tensor import Tensor
from vision.transforms.auto_augment import AugMix, AutoAugment, RandAugment, TrivialAugmentWide
from vision.transforms.container import Compose
from vision.transforms.conversions import Normalize, PILToTensor, ToDtype
from vision.transforms.crops import CenterCrop, RandomHorizontalFlip, RandomResizedCrop, Resize
from vision.transforms.erasing import RandomErasing
from vision.transforms.images import Interpolation, InterpolationMode
from vision.transforms.policies import AutoAugmentPolicy
from vision.transforms.presets import IMAGENET_MEAN, IMAGENET_STD

_BACKENDS = ("pil", "tensor")


def _with_tensors(backend: str, steps: list[Any]) -> list[Any]:
    """Steps on images, done on Pillow images or on tensors, with a tensor at the end."""
    if backend.lower() not in _BACKENDS:
        raise ArgumentError(f"backend should be 'pil' or 'tensor', got {backend!r}")
    return [PILToTensor(), *steps] if backend.lower() == "tensor" else [*steps, PILToTensor()]


def _policy(name: str, interpolation: Interpolation, ra_magnitude: int, augmix_severity: int) -> Any:
    if name == "ra":
        return RandAugment(interpolation=interpolation, magnitude=ra_magnitude)
    if name == "ta_wide":
        return TrivialAugmentWide(interpolation=interpolation)
    if name == "augmix":
        return AugMix(interpolation=interpolation, severity=augmix_severity)
    known = [policy.value for policy in AutoAugmentPolicy]
    if name not in known:
        raise ArgumentError(
            f"auto_augment_policy should be one of ra, ta_wide, augmix, {', '.join(known)}, got {name!r}"
        )
    return AutoAugment(AutoAugmentPolicy(name), interpolation)


class _Recipe:
    """A callable on Pillow images that shows its steps."""

    transforms: Compose

    def __call__(self, img: Any) -> Tensor:
        result: Tensor = self.transforms(img)
        return result

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transforms})"


class ClassificationPresetTrain(_Recipe):
    """What pictures go through when a classifier is trained: a random crop, a flip, augmentation, normalisation.

    Args:
        crop_size: height and width in pixels that the model takes.
        mean, std: of each channel, of values 0..1.
        interpolation: of resizing, and of the augmentation's movements.
        hflip_prob: probability of mirroring.
        auto_augment_policy: "ra" (RandAugment), "ta_wide" (TrivialAugment), "augmix", "imagenet", "cifar10", "svhn"
            (AutoAugment), or None.
        ra_magnitude: RandAugment's strength, 0 to 30.
        augmix_severity: AugMix's strength, 1 to 10.
        random_erase_prob: probability of random erasing.
        backend: "pil" to work on Pillow images, "tensor" on tensors. Either takes a Pillow image and gives a tensor.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        interpolation: Interpolation = InterpolationMode.BILINEAR,
        hflip_prob: float = 0.5,
        auto_augment_policy: str | None = None,
        ra_magnitude: int = 9,
        augmix_severity: int = 3,
        random_erase_prob: float = 0.0,
        backend: str = "pil",
    ) -> None:
        steps: list[Any] = [RandomResizedCrop(crop_size, interpolation=interpolation, antialias=True)]
        if hflip_prob > 0:
            steps.append(RandomHorizontalFlip(hflip_prob))
        if auto_augment_policy is not None:
            steps.append(_policy(auto_augment_policy, interpolation, ra_magnitude, augmix_severity))
        steps = [*_with_tensors(backend, steps), ToDtype(dtypes.float32, scale=True), Normalize(mean, std)]
        if random_erase_prob > 0:
            steps.append(RandomErasing(p=random_erase_prob))
        self.transforms = Compose(steps)


class ClassificationPresetEval(_Recipe):
    """What pictures go through when a classifier is tested: resizing, the middle crop, normalisation.

    Args:
        crop_size: height and width in pixels that the model takes.
        resize_size: length in pixels of the shorter side before the crop.
        mean, std, interpolation, backend: as in ``ClassificationPresetTrain``.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        interpolation: Interpolation = InterpolationMode.BILINEAR,
        backend: str = "pil",
    ) -> None:
        steps = [Resize(resize_size, interpolation=interpolation, antialias=True), CenterCrop(crop_size)]
        steps = [*_with_tensors(backend, steps), ToDtype(dtypes.float32, scale=True), Normalize(mean, std)]
        self.transforms = Compose(steps)
