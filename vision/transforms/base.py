"""What a transform is, and the ones that hold others.

A transform draws its random numbers in ``make_params`` and applies them in ``transform``; a subclass writes the second,
and the first if it is random. Numbers come from the default generator, which a loader keys by pass and sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.random import default_generator


def random_numbers() -> np.random.Generator:
    """The stream that random transforms draw from."""
    stream: np.random.Generator = default_generator.numpy
    return stream


class Transform:
    """Applies ``transform`` to its first argument; further arguments (a target) pass through."""

    def make_params(self, inpt: Any) -> dict[str, Any]:
        """Draw what one application needs; nothing, unless overridden."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Apply to one image."""
        raise NotImplementedError(f"{type(self).__name__}: transform is not written")

    def __call__(self, inpt: Any, *rest: Any) -> Any:
        out = self.transform(inpt, self.make_params(inpt))
        return (out, *rest) if rest else out

    forward = __call__

    def __repr__(self) -> str:
        fields = {k: v for k, v in vars(self).items() if not k.startswith("_") and not callable(v)}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in fields.items())})"


class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        if not isinstance(transforms, Sequence) or not transforms:
            raise ArgumentError("Compose: pass at least one transform")
        self.transforms = list(transforms)

    def __call__(self, inpt: Any) -> Any:
        for transform in self.transforms:
            inpt = transform(inpt)
        return inpt

    def __repr__(self) -> str:
        return "Compose(\n" + "\n".join(f"      {t!r}" for t in self.transforms) + "\n)"


class Lambda(Transform):
    """Any function of the image."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: argument should be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.lambd(inpt)


class Identity(Transform):
    """The image as it is."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class RandomApply(Transform):
    """All of some transforms with probability ``p``, else none."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: float = 0.5) -> None:
        self.transforms = list(transforms)
        self.p = check_probability("RandomApply", p)

    def make_params(self, inpt: Any) -> dict[str, Any]:
        return {"apply": random_numbers().random() < self.p}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for transform in self.transforms if params["apply"] else ():
            inpt = transform(inpt)
        return inpt


class RandomChoice(Transform):
    """One of some transforms, with probabilities proportional to ``p``."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        self.transforms = list(transforms)
        weights = [1.0] * len(self.transforms) if p is None else list(p)
        if len(weights) != len(self.transforms):
            raise ArgumentError(f"RandomChoice: {len(weights)} probabilities for {len(self.transforms)} transforms")
        self.p = [w / sum(weights) for w in weights]

    def make_params(self, inpt: Any) -> dict[str, Any]:
        return {"choice": int(random_numbers().choice(len(self.transforms), p=self.p))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.transforms[params["choice"]](inpt)


class RandomOrder(Transform):
    """All of some transforms, in random order."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        self.transforms = list(transforms)

    def make_params(self, inpt: Any) -> dict[str, Any]:
        return {"order": random_numbers().permutation(len(self.transforms))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for number in params["order"]:
            inpt = self.transforms[number](inpt)
        return inpt


def check_probability(who: str, p: float) -> float:
    """A probability, or an error that names the transform."""
    if not 0.0 <= p <= 1.0:
        raise ArgumentError(f"{who}: p must be a probability between 0 and 1, got {p}")
    return p
