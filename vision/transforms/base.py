"""What a transform is.

A transform draws its random numbers once in ``make_params`` and applies them in ``transform``, so that two images of
one sample get the same treatment. Numbers come from the default generator, which a loader keys by pass and sample.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from framework import nn
from framework.errors import ArgumentError
from framework.random import default_generator
from framework.tensor import Tensor
from vision import tv_tensors
from vision.transforms.dispatch import Kernel, call_kernel

_SHOWN = (bool, int, float, str, tuple, list, enum.Enum)  # attributes of these types stand in a transform's repr


def random_numbers() -> np.random.Generator:
    """The stream that random transforms draw from."""
    stream: np.random.Generator = default_generator.numpy
    return stream


def uniform(bounds: Sequence[float]) -> float:
    """A random number between two others."""
    return float(random_numbers().uniform(bounds[0], bounds[1]))


def is_pure_tensor(inpt: Any) -> bool:
    """Whether something is a tensor of no particular kind."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, tv_tensors.TVTensor)


class Transform(nn.Module):
    """Turns an image, or a sample of images, masks, boxes and points, into another.

    Subclasses write ``transform``, and ``make_params`` if they are random.

    A sample may be nested in tuples, lists and dicts. Its Pillow images and its ``tv_tensors`` are transformed, all by
    the same random numbers. Where it has no image or video, its first plain tensor is the image. All else passes
    through, such as the class number in ``(image, target)``.

    Example:
        >>> class Darker(Transform):
        ...     def make_params(self, flat_inputs):
        ...         return {"factor": uniform((0.5, 1.0))}
        ...     def transform(self, inpt, params):
        ...         return functional.adjust_brightness(inpt, params["factor"])
    """

    _transformed_types: tuple[Any, ...] = (Tensor, Image.Image)  # types, or predicates

    def __init__(self) -> None:
        super().__init__()

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise if the sample holds what the transform cannot take."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw what one application needs, given the images, masks, boxes and points that it is for."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Apply to one of them."""
        raise NotImplementedError(f"{type(self).__name__}: a transform must define transform(inpt, params)")

    def forward(self, *inputs: Any) -> Any:
        """The sample with its images transformed; several arguments come back as a tuple."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = flatten(sample)
        self.check_inputs(leaves)
        chosen = self._chosen(leaves)
        params = self.make_params([leaf for leaf, wanted in zip(leaves, chosen, strict=True) if wanted])
        results = iter(
            [self.transform(leaf, params) if wanted else leaf for leaf, wanted in zip(leaves, chosen, strict=True)]
        )
        return unflatten(sample, results)

    def _chosen(self, leaves: list[Any]) -> list[bool]:
        """Which leaves to transform."""
        tensor_wanted = not has_any(leaves, Image.Image, tv_tensors.Image, tv_tensors.Video)
        chosen = []
        for leaf in leaves:
            wanted = check_type(leaf, self._transformed_types)
            if wanted and is_pure_tensor(leaf):
                wanted, tensor_wanted = tensor_wanted, False
            chosen.append(wanted)
        return chosen

    def _call_kernel(self, functional: Kernel, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        """What a functional makes of an input; what it has no kernel for passes through."""
        return call_kernel(functional, inpt, *args, **kwargs)

    def extra_repr(self) -> str:
        """The arguments, for ``repr``."""
        own = ((k, v) for k, v in vars(self).items() if not k.startswith("_") and k != "training")
        return ", ".join(f"{name}={value}" for name, value in own if isinstance(value, _SHOWN))


class RandomTransform(Transform):
    """A transform that is applied with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = check_probability(type(self).__name__, p)

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed or as it is."""
        if random_numbers().random() < self.p:
            return super().forward(*inputs)
        sample = inputs if len(inputs) > 1 else inputs[0]
        self.check_inputs(flatten(sample))
        return sample


class Identity(Transform):
    """The image as it is."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input itself."""
        return inpt


class Crops(tuple[Any, ...]):
    """The several images that a transform made of one."""

    __slots__ = ()


class Lambda(Transform):
    """Any function, of everything in the sample or of what has one of ``types``.

    Without ``types``, the crops that ``FiveCrop`` and ``TenCrop`` make of an image are one thing to it.

    Example:
        >>> Compose([FiveCrop(224), Lambda(lambda crops: framework.stack([to_tensor(crop) for crop in crops]))])
    """

    _transformed_types = (object,)

    def __init__(self, lambd: Any, *types: type) -> None:
        super().__init__()
        if not callable(lambd):
            raise TypeError(f"Lambda: argument should be callable, got {type(lambd).__name__}")
        self.lambd = lambd
        self.types = types or self._transformed_types

    def forward(self, *inputs: Any) -> Any:
        """The sample with what the function makes of its parts."""
        if len(inputs) == 1 and isinstance(inputs[0], Crops) and self.types == self._transformed_types:
            return self.lambd(inputs[0])
        return super().forward(*inputs)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """What the function makes of the input."""
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        """The function's name and the types."""
        names = [getattr(self.lambd, "__name__", ""), f"types={[t.__name__ for t in self.types]}"]
        return ", ".join(name for name in names if name)


def check_type(obj: Any, types_or_checks: tuple[Any, ...]) -> bool:
    """Whether something is of one of some types, or passes one of some predicates."""
    return any(isinstance(obj, t) if isinstance(t, type) else t(obj) for t in types_or_checks)


def has_any(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether a sample holds something of any of the types (or predicates)."""
    return any(check_type(leaf, types_or_checks) for leaf in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether a sample holds something of each of the types (or predicates)."""
    return all(has_any(flat_inputs, t) for t in types_or_checks)


def check_probability(who: str, p: float) -> float:
    """A probability, or an error that names the transform."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"{who}: p should be a number in the interval [0.0, 1.0], got {p}")
    return p


def flatten(sample: Any) -> list[Any]:
    """What tuples, lists and dicts hold, in order."""
    leaves: list[Any] = []
    pending = [sample]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            pending.extend(reversed(part.values()))
        elif isinstance(part, tuple | list):
            pending.extend(reversed(part))
        else:
            leaves.append(part)
    return leaves


def unflatten(sample: Any, leaves: Iterator[Any]) -> Any:
    """The same containers around other leaves."""
    if isinstance(sample, dict):
        filled = copy.copy(sample)
        filled.update((key, unflatten(value, leaves)) for key, value in sample.items())
        return filled
    if isinstance(sample, tuple | list):
        parts = [unflatten(part, leaves) for part in sample]
        return type(sample)(*parts) if hasattr(sample, "_fields") else type(sample)(parts)
    return next(leaves)
