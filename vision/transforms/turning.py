"""Transforms that turn, shift, scale and shear images, masks, boxes and points at random."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

from framework.errors import ArgumentError
from vision.transforms.base import Transform, uniform
from vision.transforms.images import Interpolation, check_fill, fill_for, interpolation_mode, query_size
from vision.transforms.warp import affine, rotate


def angles(name: str, value: Any, counts: tuple[int, ...] = (2,)) -> list[float]:
    """Ranges of angles: one number stands for (-number, number)."""
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ArgumentError(f"{name}: a single number must be positive, got {value}")
        value = (-value, value)  # type: ignore[operator]
    wanted = " or ".join(map(str, counts))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a number or a sequence of length {wanted}, got {type(value).__name__}")
    if len(value) not in counts:
        raise ArgumentError(f"{name} should be a sequence of length {wanted}, got {value!r}")
    return [float(v) for v in value]


def _check_pair(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length 2, got {type(value).__name__}")
    if len(value) != 2:
        raise ArgumentError(f"{name} should be a sequence of length 2, got {value!r}")


class RandomRotation(Transform):
    """An image turned by a random angle.

    Args:
        degrees: (lowest, highest), or one number for both directions; counter-clockwise.
        interpolation, expand, center, fill: as in ``functional.rotate``. The fill may be a dict by the image's type.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Interpolation = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        interpolation_mode(interpolation)
        _check_pair("RandomRotation: center", center)
        self.degrees = angles("RandomRotation: degrees", degrees)
        self.interpolation = interpolation
        self.expand = expand
        self.fill = check_fill("RandomRotation", fill)
        self.center = center

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle."""
        return uniform(degrees)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The angle."""
        return {"angle": self.get_params(self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The turned image."""
        fill = fill_for(self.fill, inpt)
        return self._call_kernel(rotate, inpt, params["angle"], self.interpolation, self.expand, self.center, fill)


class RandomAffine(Transform):
    """An image turned, shifted, scaled and sheared at random about its centre.

    Args:
        degrees: range of the angle, clockwise, or one number for both directions.
        translate: largest shifts as shares of the width and the height; None for no shift.
        scale: range of the scale; None for 1.
        shear: range of the shear along x in degrees, or (x low, x high, y low, y high); None for none.
        interpolation, fill, center: as in ``functional.affine``. The fill may be a dict by the image's type.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Interpolation = "nearest",
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = angles("RandomAffine: degrees", degrees)
        for name, value in (("translate", translate), ("scale", scale), ("center", center)):
            _check_pair(f"RandomAffine: {name}", value)
        if translate is not None and not all(0.0 <= t <= 1.0 for t in translate):
            raise ArgumentError(f"RandomAffine: translation values should be between 0 and 1, got {translate}")
        if scale is not None and min(scale) <= 0:
            raise ArgumentError(f"RandomAffine: scale values should be positive, got {scale}")
        interpolation_mode(interpolation)
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else angles("RandomAffine: shear", shear, (2, 4))
        self.interpolation = interpolation
        self.fill = check_fill("RandomAffine", fill)
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """A random (angle, shift, scale, shear) for ``functional.affine`` of an image of (width, height)."""
        angle = uniform(degrees)
        shift = (0, 0)
        if translate is not None:
            across, down = translate[0] * img_size[0], translate[1] * img_size[1]
            shift = (round(uniform((-across, across))), round(uniform((-down, down))))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges)
        ranges = (*(shears or (0.0, 0.0)), 0.0, 0.0)
        return angle, shift, scale, (uniform(ranges[:2]), uniform(ranges[2:4]))

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The angle, shift, scale and shear."""
        height, width = query_size(flat_inputs, "RandomAffine")
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, (width, height))
        return dict(zip(("angle", "translate", "scale", "shear"), drawn, strict=True))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The warped image."""
        fill = fill_for(self.fill, inpt)
        return self._call_kernel(
            affine, inpt, **params, interpolation=self.interpolation, fill=fill, center=self.center
        )
