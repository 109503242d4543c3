"""Augmentation by randomly chosen operations: AutoAugment, RandAugment, TrivialAugment, AugMix.

They work on one image or video a sample: bytes of 1 or 3 channels, a tensor or a Pillow image of mode L or RGB.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from framework.errors import ArgumentError
from framework.ops.ranges import linspace
from framework.ops.values import tensor
from framework.tensor import Tensor
from vision import tv_tensors
from vision.transforms.base import Transform, has_any, is_pure_tensor, random_numbers
from vision.transforms.color import adjust_brightness, adjust_contrast, adjust_saturation
from vision.transforms.convert import largest_value, pil_to_tensor, to_pil_image
from vision.transforms.images import Interpolation, check_fill, fill_for, get_size, interpolation_mode
from vision.transforms.policies import POLICIES, AutoAugmentPolicy
from vision.transforms.tones import adjust_sharpness, autocontrast, equalize, invert, posterize, solarize
from vision.transforms.warp import affine, rotate

Strength = tuple[float, float, bool] | None  # from weakest to strongest, and whether the sign is drawn
Operation = tuple[str, float]  # name and magnitude

_BY_FACTOR = {
    "Brightness": adjust_brightness,
    "Color": adjust_saturation,
    "Contrast": adjust_contrast,
    "Sharpness": adjust_sharpness,
}
_PLAIN = {"AutoContrast": autocontrast, "Equalize": equalize, "Invert": invert}


def operations(
    *, shear: float, across: float, down: float, turn: float, colour: float, bits: tuple[int, int]
) -> dict[str, Strength]:
    """The operations, and how strong each may be.

    Args:
        shear: as a tangent.
        across, down: pixels.
        turn: degrees.
        colour: distance of the factor from 1.
        bits: that are kept of each value, from weakest to strongest.
    """
    return {
        "ShearX": (0.0, shear, True),
        "ShearY": (0.0, shear, True),
        "TranslateX": (0.0, across, True),
        "TranslateY": (0.0, down, True),
        "Rotate": (0.0, turn, True),
        **dict.fromkeys(_BY_FACTOR, (0.0, colour, True)),
        "Posterize": (*bits, False),
        "Solarize": (1.0, 0.0, False),  # threshold as a share of white
        "AutoContrast": None,
        "Equalize": None,
    }


def magnitude(name: str, strength: Strength, level: int, levels: int) -> float:
    """The strength at one of some even steps, its sign drawn where it has one."""
    if strength is None:
        return 0.0
    low, high, signed = strength
    if name == "Posterize":
        return float(round(low + (high - low) * level / (levels - 1)))
    value = float(linspace(low, high, levels)[level])
    return -value if signed and random_numbers().random() <= 0.5 else value


def apply_operation(image: Any, name: str, strength: float, interpolation: Interpolation, fill: Any) -> Any:
    """An image after one operation."""
    if name in _BY_FACTOR:
        return _BY_FACTOR[name](image, 1.0 + strength)
    if name in _PLAIN:
        return _PLAIN[name](image)
    if name == "Rotate":
        return rotate(image, strength, interpolation, fill=fill)
    if name == "Posterize":
        return posterize(image, int(strength))
    if name == "Solarize":
        return solarize(image, strength * (largest_value(image.dtype) if isinstance(image, Tensor) else 255.0))
    if name == "Identity":
        return image
    axis = 0 if name.endswith("X") else 1
    if name.startswith("Shear"):
        shear = [0.0, 0.0]
        shear[axis] = math.degrees(math.atan(strength))
        return affine(image, 0.0, [0, 0], 1.0, shear, interpolation, fill, [0, 0])
    shift = [0, 0]
    shift[axis] = int(strength)
    return affine(image, 0.0, shift, 1.0, [0.0, 0.0], interpolation, fill)


class _AutoAugment(Transform):
    """Applies a list of operations that ``make_params`` draws."""

    _transformed_types = (is_pure_tensor, Image.Image, tv_tensors.Image, tv_tensors.Video)

    def __init__(self, interpolation: Interpolation, fill: Any) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        self.interpolation = interpolation
        self.fill = check_fill(type(self).__name__, fill)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse samples with boxes, masks or points, and all but a single image or video."""
        if has_any(flat_inputs, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints):
            raise TypeError(f"{type(self).__name__}: bounding boxes, masks and keypoints are not supported")
        count = sum(self._chosen(flat_inputs))
        if count != 1:
            raise TypeError(f"{type(self).__name__}: expected one image or video in the sample, found {count}")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image after the operations."""
        for name, strength in params["operations"]:
            inpt = apply_operation(inpt, name, strength, self.interpolation, fill_for(self.fill, inpt))
        return inpt


class AutoAugment(_AutoAugment):
    """An image after one of 25 policies, each of two operations, that were learnt on a data set.

    Args:
        policy: the data set.
        interpolation, fill: of the operations that move pixels. The fill may be a dict by the image's type.

    Reference: Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data", https://arxiv.org/abs/1805.09501
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Interpolation = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if policy not in POLICIES:
            raise ArgumentError(f"AutoAugment: policy should be an AutoAugmentPolicy, got {policy!r}")
        self.policy = policy

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The operations of a policy, each with its probability."""
        height, width = get_size(flat_inputs[0])
        known = operations(
            shear=0.3, across=150.0 / 331.0 * width, down=150.0 / 331.0 * height, turn=30.0, colour=0.9, bits=(8, 4)
        )
        stream = random_numbers()
        policies = POLICIES[self.policy]
        chosen = []
        for name, probability, level in policies[int(stream.integers(len(policies)))]:
            if stream.random() <= probability:
                chosen.append((name, 0.0 if level is None else magnitude(name, known.get(name), level, 10)))
        return {"operations": chosen}


class RandAugment(_AutoAugment):
    """An image after some operations chosen at random, all of one strength.

    Args:
        num_ops: how many.
        magnitude: the strength, below ``num_magnitude_bins``.
        num_magnitude_bins: how many strengths there are.
        interpolation, fill: as in ``AutoAugment``.

    Reference: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space",
        https://arxiv.org/abs/1909.13719
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Interpolation = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ArgumentError(f"RandAugment: num_ops should be a non-negative integer, got {num_ops!r}")
        if not 0 <= magnitude < num_magnitude_bins:
            raise ArgumentError(
                f"RandAugment: magnitude should be at least 0 and below num_magnitude_bins = {num_magnitude_bins}, got "
                f"{magnitude}"
            )
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The operations."""
        height, width = get_size(flat_inputs[0])
        known = {"Identity": None} | operations(
            shear=0.3, across=150.0 / 331.0 * width, down=150.0 / 331.0 * height, turn=30.0, colour=0.9, bits=(8, 4)
        )
        names = [list(known)[int(n)] for n in random_numbers().integers(len(known), size=self.num_ops)]
        chosen = [(name, magnitude(name, known[name], self.magnitude, self.num_magnitude_bins)) for name in names]
        return {"operations": chosen}


class TrivialAugmentWide(_AutoAugment):
    """An image after one operation chosen at random, of random strength.

    Args:
        num_magnitude_bins: how many strengths there are.
        interpolation, fill: as in ``AutoAugment``.

    Reference: Muller and Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
        https://arxiv.org/abs/2103.10158
    """

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Interpolation = "nearest", fill: Any = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The operation."""
        known = {"Identity": None} | operations(
            shear=0.99, across=32.0, down=32.0, turn=135.0, colour=0.99, bits=(8, 2)
        )
        number, level = random_numbers().integers((len(known), self.num_magnitude_bins))
        name = list(known)[int(number)]
        return {"operations": [(name, magnitude(name, known[name], int(level), self.num_magnitude_bins))]}


class AugMix(_AutoAugment):
    """An image averaged, by random shares, with what some chains of random operations make of it.

    Args:
        severity: greatest strength of the operations, from 1 to 10.
        mixture_width: how many chains.
        chain_depth: operations a chain; -1 draws 1, 2 or 3.
        alpha: parameter of the distributions of the shares.
        all_ops: use brightness, contrast, saturation and sharpness too.
        interpolation, fill: as in ``AutoAugment``.

    Reference: Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty",
        https://arxiv.org/abs/1912.02781
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Interpolation = "bilinear",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ArgumentError(f"AugMix: severity must be between 1 and 10, got {severity}")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The chains, and for each image of the batch the shares of itself and of each chain."""
        image = flat_inputs[0]
        height, width = get_size(image)
        known = operations(shear=0.3, across=width / 3.0, down=height / 3.0, turn=30.0, colour=0.9, bits=(4, 0))
        names = [name for name in known if self.all_ops or name not in _BY_FACTOR]
        stream = random_numbers()
        batch = image.shape[0] if isinstance(image, Tensor) and image.ndim == _batched_dims(image) else 1
        own = stream.dirichlet([self.alpha] * 2, batch)
        shares = stream.dirichlet([self.alpha] * self.mixture_width, batch) * own[:, 1:]
        chains = []
        for _ in range(self.mixture_width):
            depth = self.chain_depth if self.chain_depth > 0 else int(stream.integers(1, 4))
            chosen = [names[int(n)] for n in stream.integers(len(names), size=depth)]
            chains.append(
                [(name, magnitude(name, known[name], int(stream.integers(self.severity)), 10)) for name in chosen]
            )
        return {"weights": np.concatenate([own[:, :1], shares], 1), "chains": chains}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mixed image."""
        if isinstance(inpt, Image.Image):
            return to_pil_image(self.transform(pil_to_tensor(inpt), params), inpt.mode)
        image: Any = tv_tensors.plain(inpt)
        dims = _batched_dims(inpt)
        batch = image.reshape((1,) * (dims - image.ndim) + tuple(image.shape))
        weights: Any = tensor(params["weights"].astype(np.float32), device=image.device)
        weights = weights.reshape(*weights.shape, *(1,) * (dims - 1))
        mixed = weights[:, 0] * batch
        for number, chain in enumerate(params["chains"], 1):
            mixed = mixed + weights[:, number] * super().transform(batch, {"operations": chain})
        return tv_tensors.wrap(mixed.reshape(image.shape).to(image.dtype), like=inpt)


def _batched_dims(image: Any) -> int:
    return 5 if isinstance(image, tv_tensors.Video) else 4
