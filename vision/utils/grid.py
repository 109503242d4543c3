"""Many images in one, and the way to a file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.io import atomic_write
from framework.ops.creation import full
from framework.ops.joining import stack
from framework.tensor import Tensor


@no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Any:
    """Lay images out in rows, as one image.

    Args:
        tensor: images (B, C, H, W), one image (C, H, W) or (H, W), or a list of images of one shape. One channel
            becomes three.
        nrow: how many images stand in a row.
        padding: pixels between images and around them.
        normalize: bring the values to 0..1; the images must be floats.
        value_range: (min, max), what becomes 0 and 1 in ``normalize``; values outside are cut. By default it is the
            range of the values.
        scale_each: take the range of each image by itself.
        pad_value: the value of the padding.

    Returns:
        A tensor (C, rows * (H + padding) + padding, columns * (W + padding) + padding). An image alone comes back
        without padding.

    Example:
        >>> make_grid(framework.rand(10, 3, 32, 32), nrow=5).shape
        framework.Size([3, 70, 172])
    """
    images = _batch(tensor)
    if nrow < 1 or padding < 0:
        raise ArgumentError(f"make_grid: nrow must be positive and padding not negative, got {nrow} and {padding}")
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError(f"make_grid: value_range must be a tuple (min, max), got {value_range!r}")
    if normalize:
        if not images.is_floating_point():
            raise DtypeError(f"make_grid: normalize needs float images, got {images.dtype}; use to_dtype before it")
        images = images.clone()
        for part in images if scale_each else [images]:
            low, high = value_range or (float(part.min()), float(part.max()))
            part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    count, channels, height, width = images.shape
    if count == 1:
        return images.squeeze(0).contiguous()
    columns = min(nrow, count)
    rows = -(-count // columns)
    shape = (channels, rows * (height + padding) + padding, columns * (width + padding) + padding)
    grid = full(shape, pad_value, dtype=images.dtype, device=images.device)
    canvas, pixels = grid.array, images.array
    for number in range(count):
        top = number // columns * (height + padding) + padding
        left = number % columns * (width + padding) + padding
        canvas[:, top : top + height, left : left + width] = pixels[number]
    return grid


def _batch(tensor: Any) -> Any:
    """Images of any accepted form as (B, C, H, W), of three channels where they had one."""
    parts = tensor if isinstance(tensor, list) else [tensor]
    for part in parts:
        if not isinstance(part, Tensor):
            raise TypeError(f"make_grid: expected a tensor or a list of tensors, got {type(part).__name__}")
    if not parts:
        raise ArgumentError("make_grid: the list holds no image")
    images: Any = stack(parts) if isinstance(tensor, list) else tensor
    if images.ndim == 2:
        images = images.unsqueeze(0)
    if images.ndim == 3:
        images = images.unsqueeze(0)
    if images.ndim != 4 or images.shape[0] == 0:
        raise ShapeError(f"make_grid: expected images (B, C, H, W), at least one, got shape {tuple(images.shape)}")
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


@no_grad()
def save_image(
    tensor: Tensor | list[Tensor],
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Write an image, or a grid of several, to a file.

    Args:
        tensor: as ``make_grid`` takes it. Floats are values 0..1, and what lies outside is cut.
        fp: a path, or a file open for writing bytes.
        format: Pillow's name of the format; by the path's suffix unless given.
        **kwargs: of ``make_grid``.

    Differs from torchvision: uint8 images are written as they are, where it fails, and a file appears whole or not at all.
    """
    grid = make_grid(tensor, **kwargs)
    if grid.dtype is not dtypes.uint8:
        grid = grid.mul(255).add_(0.5).clamp_(0, 255).to(dtypes.uint8)  # half a level: to the nearest one
    pixels = grid.permute(1, 2, 0).cpu().numpy()
    if pixels.shape[2] not in (2, 3, 4):
        raise ShapeError(f"save_image: expected images of 1 to 4 channels, got {pixels.shape[2]}")
    image = Image.fromarray(pixels)
    if not isinstance(fp, str | os.PathLike):
        image.save(fp, format)
        return
    buffer = io.BytesIO()
    image.save(buffer, format or _format_of(Path(fp)))
    atomic_write(fp, buffer.getvalue())


def _format_of(path: Path) -> str:
    known = Image.registered_extensions()
    if path.suffix.lower() not in known:
        raise ArgumentError(
            f"save_image: {str(path)!r} has no suffix of an image format; end it in .png or .jpg, or give format"
        )
    return known[path.suffix.lower()]
