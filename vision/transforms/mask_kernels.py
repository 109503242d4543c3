"""What geometric transforms do to masks: the same as to images, by the nearest pixel, since class numbers do not mix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework.errors import ArgumentError
from vision import tv_tensors
from vision.transforms import geometry, warp
from vision.transforms.dispatch import kernel
from vision.transforms.distortion import elastic, perspective
from vision.transforms.images import InterpolationMode, interpolation_mode
from vision.tv_tensors import BoundingBoxes, KeyPoints, Mask

_NEAREST = (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT)


def _as_image(function: Callable[[Any], Any], mask: Any) -> Any:
    """A function of images (..., C, H, W) applied to a mask, which may lack the channels."""
    plain: Any = tv_tensors.plain(mask)
    out = function(plain) if mask.ndim > 2 else function(plain.unsqueeze(0)).squeeze(0)
    return tv_tensors.wrap(out, like=mask)


@kernel(geometry.resize, Mask)
def _resize(
    mask: Any,
    size: Any,
    interpolation: Any = InterpolationMode.NEAREST,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    mode = interpolation_mode(interpolation)
    mode = mode if mode in _NEAREST else InterpolationMode.NEAREST
    return _as_image(lambda image: geometry.resize(image, size, mode, max_size), mask)


@kernel(geometry.pad, Mask)
def _pad(mask: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    if isinstance(fill, tuple | list):
        raise ArgumentError(f"pad: masks take one number for fill, got {fill!r}; pass a dict by type")
    return _as_image(lambda image: geometry.pad(image, padding, fill, padding_mode), mask)


@kernel(geometry.crop, Mask)
def _crop(mask: Any, top: int, left: int, height: int, width: int) -> Any:
    return _as_image(lambda image: geometry.crop(image, top, left, height, width), mask)


kernel(geometry.horizontal_flip, Mask)(lambda mask: tv_tensors.wrap(mask.flip(-1), like=mask))
kernel(geometry.vertical_flip, Mask)(lambda mask: tv_tensors.wrap(mask.flip(-2), like=mask))

for _composed in (geometry.center_crop, geometry.resized_crop):  # these are made of the others
    kernel(_composed, Mask, BoundingBoxes, KeyPoints)(_composed.__wrapped__)  # type: ignore[attr-defined]


@kernel(warp.affine, Mask)
def _affine(
    mask: Any,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = None,
    fill: Any = None,
    center: Any = None,
) -> Any:
    return _as_image(lambda image: warp.affine(image, angle, translate, scale, shear, fill=fill, center=center), mask)


@kernel(warp.rotate, Mask)
def _rotate(
    mask: Any, angle: float, interpolation: Any = None, expand: bool = False, center: Any = None, fill: Any = None
) -> Any:
    return _as_image(lambda image: warp.rotate(image, angle, expand=expand, center=center, fill=fill), mask)


@kernel(perspective, Mask)
def _perspective(
    mask: Any, startpoints: Any, endpoints: Any, interpolation: Any = None, fill: Any = None, coefficients: Any = None
) -> Any:
    mode = InterpolationMode.NEAREST
    return _as_image(lambda image: perspective(image, startpoints, endpoints, mode, fill, coefficients), mask)


@kernel(elastic, Mask)
def _elastic(mask: Any, displacement: Any, interpolation: Any = None, fill: Any = None) -> Any:
    return _as_image(lambda image: elastic(image, displacement, InterpolationMode.NEAREST, fill), mask)
