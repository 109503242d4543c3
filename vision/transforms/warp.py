"""Random turns, shears and shifts of Pillow images."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from framework.errors import ArgumentError
from vision.transforms.base import Transform, random_numbers
from vision.transforms.geometry import InterpolationMode, affine, fill_value, pillow_only


def rotate(
    inpt: Any,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = 0,
) -> Any:
    """A Pillow image turned by ``angle`` degrees counter-clockwise; ``expand`` makes room for the corners."""
    image = pillow_only("rotate", inpt)
    middle = None if center is None else (center[0], center[1])
    return image.rotate(angle, interpolation.pillow, expand, middle, fillcolor=fill_value(fill))


def interval(name: str, value: Any, lowest: float | None = None) -> tuple[float, float]:
    """(low, high) from one number, which stands for (-number, number), or from two."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ArgumentError(f"{name}: a single number must be positive, got {value}")
        value = (-value, value)
    low, high = (float(v) for v in value)
    if low > high or (lowest is not None and low < lowest):
        raise ArgumentError(f"{name}: expected (low, high), got {tuple(value)}")
    return low, high


class RandomRotation(Transform):
    """A Pillow image turned by a random angle.

    Args:
        degrees: (lowest, highest), or one number for both directions; counter-clockwise.
        interpolation, expand, center, fill: as in ``functional.rotate``.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        self.degrees = interval("RandomRotation: degrees", degrees)
        self.interpolation = interpolation
        self.expand = expand
        self.center = center
        self.fill = fill

    def make_params(self, inpt: Any) -> dict[str, Any]:
        return {"angle": random_numbers().uniform(*self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return rotate(inpt, params["angle"], self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """A Pillow image turned, shifted, scaled and sheared at random about its centre.

    Args:
        degrees: range of the angle, clockwise, or one number for both directions.
        translate: largest shifts as shares of the width and the height; None for no shift.
        scale: range of the scale; None for 1.
        shear: range of the shear along x in degrees, or (x low, x high, y low, y high); None for none.
        interpolation, fill, center: as in ``functional.affine``.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: tuple[float, float] | None = None,
        scale: tuple[float, float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        self.degrees = interval("RandomAffine: degrees", degrees)
        if translate is not None and not all(0.0 <= t <= 1.0 for t in translate):
            raise ArgumentError(f"RandomAffine: translation values should be between 0 and 1, got {translate}")
        if scale is not None and min(scale) <= 0:
            raise ArgumentError(f"RandomAffine: scale values should be positive, got {scale}")
        self.translate = translate
        self.scale = scale
        across: Any = None if shear is None else shear if isinstance(shear, numbers.Real) else tuple(shear)[:2]
        self.shear = None
        if shear is not None:
            down = tuple(shear)[2:] if not isinstance(shear, numbers.Real) and len(shear) == 4 else (0.0, 0.0)  # type: ignore[arg-type]
            self.shear = (interval("RandomAffine: shear", across), interval("RandomAffine: shear", down))
        self.interpolation = interpolation
        self.fill = fill
        self.center = center

    def make_params(self, inpt: Any) -> dict[str, Any]:
        stream, image = random_numbers(), pillow_only("RandomAffine", inpt)
        shift = (0, 0)
        if self.translate is not None:
            across, down = self.translate[0] * image.width, self.translate[1] * image.height
            shift = (round(stream.uniform(-across, across)), round(stream.uniform(-down, down)))
        return {
            "angle": stream.uniform(*self.degrees),
            "translate": shift,
            "scale": 1.0 if self.scale is None else stream.uniform(*self.scale),
            "shear": [0.0, 0.0] if self.shear is None else [stream.uniform(*s) for s in self.shear],
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return affine(inpt, **params, interpolation=self.interpolation, fill=self.fill, center=self.center)
