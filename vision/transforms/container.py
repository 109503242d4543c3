"""Transforms that hold others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework import nn
from framework.errors import ArgumentError
from vision.transforms.base import Transform, check_probability, random_numbers


def _checked(who: str, transforms: Any) -> Any:
    if not isinstance(transforms, Sequence | nn.ModuleList):
        raise TypeError(f"{who}: transforms should be a sequence of callables, got {type(transforms).__name__}")
    if not len(transforms):
        raise ArgumentError(f"{who}: pass at least one transform")
    return transforms


class _Container(Transform):
    """Applies transforms to the whole sample; they may be any callables."""

    def __init__(self, transforms: Any) -> None:
        super().__init__()
        self.transforms = _checked(type(self).__name__, transforms)

    def _apply_in_turn(self, transforms: Any, inputs: tuple[Any, ...]) -> Any:
        several = len(inputs) > 1
        for transform in transforms:
            result = transform(*inputs)
            inputs = result if several else (result,)
        return inputs if several else inputs[0]

    def extra_repr(self) -> str:
        """One line a transform."""
        return "\n".join(f"    {t}" for t in self.transforms)


class Compose(_Container):
    """Transforms one after the other.

    Example:
        >>> Compose([Resize(256), CenterCrop(224), ToTensor(), Normalize(mean, std)])
    """

    def forward(self, *inputs: Any) -> Any:
        """The sample after all of the transforms."""
        return self._apply_in_turn(self.transforms, inputs)


class RandomApply(_Container):
    """All of some transforms with probability ``p``, else none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__(transforms)
        self.p = check_probability("RandomApply", p)

    def forward(self, *inputs: Any) -> Any:
        """The sample after all of the transforms, or as it is."""
        return self._apply_in_turn(self.transforms if random_numbers().random() < self.p else (), inputs)


class RandomChoice(_Container):
    """One of some transforms, with probabilities proportional to ``p``; the same for all unless given."""

    def __init__(self, transforms: Any, p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        weights = [1.0] * len(transforms) if p is None else [float(w) for w in p]
        if len(weights) != len(transforms):
            raise ArgumentError(
                f"RandomChoice: length of p doesn't match the number of transforms: {len(weights)} != {len(transforms)}"
            )
        if min(weights) < 0 or not sum(weights) > 0:
            raise ArgumentError(f"RandomChoice: p should be non-negative numbers with a sum above 0, got {weights}")
        self.p = [w / sum(weights) for w in weights]

    def forward(self, *inputs: Any) -> Any:
        """The sample after one of the transforms."""
        number = int(random_numbers().choice(len(self.transforms), p=self.p))
        return self._apply_in_turn((self.transforms[number],), inputs)


class RandomOrder(_Container):
    """All of some transforms, in random order."""

    def forward(self, *inputs: Any) -> Any:
        """The sample after all of the transforms."""
        order = random_numbers().permutation(len(self.transforms))
        return self._apply_in_turn([self.transforms[int(n)] for n in order], inputs)
