"""Image files: decoding and encoding, by Pillow."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from framework.errors import ArgumentError, DtypeError
from framework.io import FileFormatError, atomic_write
from framework.tensor import Tensor, wrap

MODES = {"UNCHANGED": None, "GRAY": "L", "GRAY_ALPHA": "LA", "RGB": "RGB", "RGB_ALPHA": "RGBA"}


def open_image(source: str | os.PathLike[str] | bytes, mode: str | None = "RGB") -> Image.Image:
    """A decoded Pillow image.

    Args:
        source: a path, or the file's bytes.
        mode: the Pillow mode to convert to; None keeps the file's.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is no image, is broken or cut short, or is absurdly large; the message names it.
    """
    name = "the image" if isinstance(source, bytes) else os.fspath(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                image.load()
                return image.convert(mode) if mode else image.copy()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no image file {name!r}") from None
    except UnidentifiedImageError:
        raise FileFormatError(f"{name}: not an image that can be read; remove it or convert it") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise FileFormatError(f"{name}: has more pixels than is safe to decode; make it smaller") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise FileFormatError(f"{name}: the image is broken ({error}); replace it or remove it") from None


def to_array(image: Image.Image) -> np.ndarray[Any, Any]:
    """A Pillow image's pixels as uint8 (C, H, W)."""
    pixels = np.asarray(image)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decode_image(
    input: Tensor | bytes | str | os.PathLike[str], mode: str = "UNCHANGED", apply_exif_orientation: bool = False
) -> Tensor:
    """Decode an image file's bytes to a uint8 tensor (C, H, W) of values 0..255.

    Args:
        input: a uint8 tensor of the file's bytes, the bytes, or a path.
        mode: "UNCHANGED", "GRAY", "GRAY_ALPHA", "RGB" or "RGB_ALPHA".
        apply_exif_orientation: turn the image as the camera noted.
    """
    if mode not in MODES:
        raise ArgumentError(f"decode_image: mode must be one of {', '.join(MODES)}, got {mode!r}")
    image = open_image(input.numpy().tobytes() if isinstance(input, Tensor) else input, None)
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    if MODES[mode]:
        image = image.convert(MODES[mode])
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGB")
    return wrap(to_array(image))


def read_file(path: str | os.PathLike[str]) -> Tensor:
    """A file's bytes as a 1-d uint8 tensor."""
    return wrap(np.frombuffer(Path(path).read_bytes(), np.uint8).copy())


def read_image(path: str | os.PathLike[str], mode: str = "UNCHANGED", apply_exif_orientation: bool = False) -> Tensor:
    """Decode an image file to a uint8 tensor (C, H, W) of values 0..255."""
    return decode_image(path, mode, apply_exif_orientation)


decode_jpeg = decode_png = decode_image


def to_pil(input: Tensor) -> Image.Image:
    """A uint8 tensor (C, H, W) of 1, 3 or 4 channels as a Pillow image."""
    pixels = input.numpy()
    if pixels.dtype != np.uint8:
        raise DtypeError(f"encode: expected a uint8 tensor of values 0..255, got {input.dtype}")
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3, 4):
        raise ArgumentError(f"encode: expected shape (1, 3 or 4 channels, H, W), got {tuple(input.shape)}")
    return Image.fromarray(pixels[0] if pixels.shape[0] == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _encode(input: Tensor, format: str, **options: Any) -> Tensor:
    buffer = io.BytesIO()
    to_pil(input).save(buffer, format, **options)
    return wrap(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """A uint8 image tensor (C, H, W) as the bytes of a PNG file (compression 0..9)."""
    return _encode(input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """A uint8 image tensor (C, H, W) as the bytes of a JPEG file (quality 1..100)."""
    return _encode(input, "JPEG", quality=quality)


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Write a uint8 image tensor (C, H, W) to a PNG file."""
    atomic_write(filename, encode_png(input, compression_level).numpy().tobytes())


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Write a uint8 image tensor (C, H, W) to a JPEG file."""
    atomic_write(filename, encode_jpeg(input, quality).numpy().tobytes())
