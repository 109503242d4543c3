"""Image files: decoding and encoding, by Pillow."""

from __future__ import annotations

import enum
import functools
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from framework import dtypes
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.io import FileFormatError, atomic_write
from framework.tensor import Tensor, wrap

# what is decoded: pictures made of pixels. Pillow's other readers are left out; one of them runs a program (EPS)
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "DIB", "TIFF", "WEBP", "GIF", "AVIF", "TGA", "ICO")


class ImageReadMode(enum.Enum):
    """The channels that a decoded image shall have."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_PILLOW_MODES = {"GRAY": "L", "GRAY_ALPHA": "LA", "RGB": "RGB", "RGB_ALPHA": "RGBA"}


def open_image(
    source: str | os.PathLike[str] | bytes, mode: str | None = "RGB", formats: tuple[str, ...] = FORMATS
) -> Image.Image:
    """A decoded Pillow image.

    Args:
        source: a path, or the file's bytes.
        mode: the Pillow mode to convert to; None keeps the file's.
        formats: Pillow's names of the formats to accept.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is no image, is broken or cut short, or is absurdly large; the message names it.
    """
    name = "the image" if isinstance(source, bytes) else os.fspath(source)
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no image file {name!r}") from None
    try:
        with Image.open(io.BytesIO(data), formats=_known(formats)) as image:
            image.load()
            return convert(image, mode) if mode else image.copy()
    except UnidentifiedImageError:
        raise FileFormatError(f"{name}: not an image that can be read; remove it or convert it") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise FileFormatError(f"{name}: has more pixels than is safe to decode; make it smaller") from None
    except Exception as error:  # a broken file can fail in any way inside a decoder
        raise FileFormatError(f"{name}: the image is broken ({error}); replace it or remove it") from None


@functools.cache
def _known(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the formats that this Pillow reads; older ones lack the newest."""
    Image.init()
    return tuple(name for name in formats if name in Image.OPEN)


def convert(image: Image.Image, mode: str) -> Image.Image:
    """An image in another Pillow mode; of 16-bit grey the upper byte counts, where Pillow would cut at 255."""
    if image.mode.startswith("I;16") and mode not in ("I", "F", image.mode):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes) and mode != "RGBA":
        image = image.convert("RGBA")
    return image.convert(mode)


def _pixels(image: Image.Image) -> Tensor:
    """An image's values as a tensor (C, H, W)."""
    values = np.asarray(image)
    return wrap((values[None] if values.ndim == 2 else values.transpose(2, 0, 1)).copy(order="C"))


def _mode_name(mode: ImageReadMode | str) -> str:
    name = mode.name if isinstance(mode, ImageReadMode) else str(mode).upper()
    if name not in ImageReadMode.__members__:
        raise ArgumentError(f"decode_image: mode must be one of {', '.join(ImageReadMode.__members__)}, got {mode!r}")
    return name


def _decode(input: Any, mode: ImageReadMode | str, apply_exif_orientation: bool, formats: tuple[str, ...]) -> Tensor:
    name = _mode_name(mode)
    if isinstance(input, Tensor):
        if input.dtype is not dtypes.uint8 or input.ndim != 1:
            raise DtypeError(
                f"decode_image: expected the file's bytes as a 1-d uint8 tensor, got {input.dtype} of shape "
                f"{tuple(input.shape)}; read_file gives them"
            )
        input = input.cpu().numpy().tobytes()
    image = open_image(input, None, formats)
    if apply_exif_orientation:
        image = ImageOps.exif_transpose(image)
    if name != "UNCHANGED":
        image = convert(image, _PILLOW_MODES[name])
    elif image.mode == "1":
        image = convert(image, "L")
    elif image.mode not in ("L", "LA", "RGB", "RGBA") and not image.mode.startswith("I;16"):
        image = convert(image, "RGBA" if "transparency" in image.info else "RGB")
    return _pixels(image)


def decode_image(
    input: Tensor | bytes | str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """Decode an image file to a uint8 tensor (C, H, W) of values 0..255, or a uint16 one if it is 16-bit grey.

    Args:
        input: a 1-d uint8 tensor of the file's bytes, the bytes, or a path.
        mode: an ``ImageReadMode`` or its name. Palettes become RGB, or RGB_ALPHA where a colour is transparent.
        apply_exif_orientation: turn the image as the camera noted.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is no image, or a broken one.
    """
    return _decode(input, mode, apply_exif_orientation, FORMATS)


def decode_jpeg(
    input: Any,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Any:
    """Decode the bytes of a JPEG file, or of each in a list, to uint8 tensors (C, H, W); see ``decode_image``."""
    if isinstance(input, list):
        return [decode_jpeg(one, mode, device, apply_exif_orientation) for one in input]
    return _decode(input, mode, apply_exif_orientation, ("JPEG",)).to(device)


def decode_png(
    input: Any, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """Decode the bytes of a PNG file to a uint8 tensor (C, H, W); see ``decode_image``."""
    return _decode(input, mode, apply_exif_orientation, ("PNG",))


def decode_webp(input: Any, mode: ImageReadMode | str = ImageReadMode.UNCHANGED) -> Tensor:
    """Decode the bytes of a WebP file to a uint8 tensor (C, H, W); see ``decode_image``."""
    return _decode(input, mode, False, ("WEBP",))


def decode_gif(input: Any) -> Tensor:
    """Decode the bytes of a GIF file's first picture to a uint8 tensor (3, H, W)."""
    return _decode(input, ImageReadMode.RGB, False, ("GIF",))


def read_file(path: str | os.PathLike[str]) -> Tensor:
    """A file's bytes as a 1-d uint8 tensor."""
    return wrap(np.frombuffer(Path(path).read_bytes(), np.uint8).copy())


def write_file(filename: str | os.PathLike[str], data: Tensor) -> None:
    """Write a 1-d uint8 tensor as a file's bytes."""
    if data.dtype is not dtypes.uint8 or data.ndim != 1:
        raise DtypeError(f"write_file: expected a 1-d uint8 tensor, got {data.dtype} of shape {tuple(data.shape)}")
    atomic_write(filename, data.cpu().numpy().tobytes())


def read_image(
    path: str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """Decode an image file to a uint8 tensor (C, H, W); see ``decode_image``."""
    return decode_image(os.fspath(path), mode, apply_exif_orientation)


def _encode(name: str, input: Tensor, format: str, **options: int) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a tensor, got {type(input).__name__}")
    if input.dtype is not dtypes.uint8:
        raise DtypeError(f"{name}: expected a uint8 tensor of values 0..255, got {input.dtype}")
    if input.ndim != 3 or input.shape[0] not in (1, 3):
        raise ShapeError(f"{name}: expected shape (1 or 3 channels, H, W), got {tuple(input.shape)}")
    pixels = input.cpu().numpy()
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return wrap(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """A uint8 image tensor (1 or 3, H, W) as the bytes of a PNG file (compression 0..9)."""
    if not 0 <= compression_level <= 9:
        raise ArgumentError(f"encode_png: compression level should be between 0 and 9, got {compression_level}")
    return _encode("encode_png", input, "PNG", compress_level=compression_level)


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """A uint8 image tensor (1 or 3, H, W), or each in a list, as the bytes of a JPEG file (quality 1..100)."""
    if not 1 <= quality <= 100:
        raise ArgumentError(f"encode_jpeg: image quality should be a positive number between 1 and 100, got {quality}")
    if isinstance(input, list):
        return [encode_jpeg(one, quality) for one in input]
    return _encode("encode_jpeg", input, "JPEG", quality=quality)


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Write a uint8 image tensor (1 or 3, H, W) to a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Write a uint8 image tensor (1 or 3, H, W) to a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))
