"""Image files: decoding and encoding, by Pillow."""

from __future__ import annotations

import contextlib
import enum
import functools
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

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


_TURNS = {  # what each value of EXIF's orientation asks for; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # its EXIF tag
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
    with _opened(source, formats) as image:
        return convert(image, mode) if mode else image.copy()


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | bytes, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """A decoded image inside a block; whatever fails there is an error that names the file."""
    name = "the image" if isinstance(source, bytes) else os.fspath(source)
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no image file {name!r}") from None
    try:
        with Image.open(io.BytesIO(data), formats=_known(formats)) as image:
            image.load()
            yield _wide_grey(image)
    except FileFormatError as error:
        raise FileFormatError(f"{name}: {error}") from None
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


def _wide_grey(image: Image.Image) -> Image.Image:
    """16-bit grey in the mode of its own; for PGM, and for PNG in older releases, Pillow gives 32 bits."""
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        return Image.fromarray(np.asarray(image).astype(np.uint16))
    return image


def convert(image: Image.Image, mode: str) -> Image.Image:
    """An image in another Pillow mode; of 16-bit grey the upper byte counts, where Pillow would cut at 255.

    Raises:
        FileFormatError: the values have 32 bits, and nothing says which of them is white.
    """
    if image.mode.startswith("I;16") and mode not in ("I", "F", image.mode):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F") and mode not in ("I", "F"):
        raise FileFormatError("holds 32-bit values, which have no place in 0..255; read it with the mode UNCHANGED")
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes) and mode != "RGBA":
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)  # Pillow would copy


def _planes(image: Image.Image) -> np.ndarray[Any, Any]:
    """A view of an image's values as (C, H, W)."""
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


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
    with _opened(input, formats) as image:
        if image.format == "GIF":
            return _frames(image, "RGB" if name == "UNCHANGED" else _PILLOW_MODES[name])
        if apply_exif_orientation:
            turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
            image = image if turn is None else image.transpose(turn)
        return wrap(_planes(_in_mode(image, name)).copy(order="C"))


def _in_mode(image: Image.Image, name: str) -> Image.Image:
    """An image with the channels of an ``ImageReadMode``."""
    mode = _PILLOW_MODES.get(name)
    if mode is None and image.mode == "1":
        mode = "L"
    elif mode is None and image.mode not in ("L", "LA", "RGB", "RGBA", "I", "F") and not image.mode.startswith("I;16"):
        mode = "RGBA" if "transparency" in image.info else "RGB"
    return image if mode in (None, image.mode) else convert(image, mode)


def _frames(image: Any, mode: str) -> Tensor:
    """An animation's pictures (N, C, H, W), or its only one (C, H, W)."""
    count, limit = image.n_frames, Image.MAX_IMAGE_PIXELS
    if limit is not None and count * image.width * image.height > limit:
        raise FileFormatError(
            f"its {count} pictures have more pixels than is safe to decode; take fewer or smaller ones"
        )
    frames = np.empty((count, Image.getmodebands(mode), image.height, image.width), np.uint8)
    for number in range(count):
        image.seek(number)
        frames[number] = _planes(convert(image, mode))
    return wrap(frames[0] if count == 1 else frames)


def decode_image(
    input: Tensor | bytes | str | os.PathLike[str],
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """Decode an image file to a uint8 tensor (C, H, W) of values 0..255, or a uint16 one if it is 16-bit grey.

    Args:
        input: a 1-d uint8 tensor of the file's bytes, the bytes, or a path.
        mode: an ``ImageReadMode`` or its name. UNCHANGED makes RGB of palettes and CMYK, or RGB_ALPHA where a colour
            is transparent, and leaves 32-bit grey as int32 or float32.
        apply_exif_orientation: turn the image as the camera noted.

    Returns:
        A tensor (C, H, W); of an animated GIF (N, C, H, W), its N pictures as a viewer shows them.

    Raises:
        FileNotFoundError: there is no such file.
        FileFormatError: the file is no image, or a broken one.

    Differs from torchvision: of 16-bit colour only the upper bytes are read, what a GIF leaves transparent is not
    painted in its background colour, and AVIF, BMP, TIFF and other formats are read too.
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
        _refuse_empty("decode_jpeg", input)
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


def decode_avif(input: Any, mode: ImageReadMode | str = ImageReadMode.UNCHANGED) -> Tensor:
    """Decode the bytes of an AVIF file to a uint8 tensor (C, H, W); see ``decode_image``. Pillow 11.3 or later does it."""
    return _decode(input, mode, False, ("AVIF",))


def decode_gif(input: Any) -> Tensor:
    """Decode the bytes of a GIF file to a uint8 tensor (3, H, W), or (N, 3, H, W) if it has several pictures."""
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


def _refuse_empty(name: str, images: list[Any]) -> None:
    if not images:
        raise ArgumentError(f"{name}: the list holds no image; give at least one")


def _picture(name: str, input: Any, channels: tuple[int, ...] = (1, 3)) -> Image.Image:
    """An image tensor as a Pillow image, or an error that names the function."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected a tensor, got {type(input).__name__}")
    if input.dtype is not dtypes.uint8:
        raise DtypeError(f"{name}: expected a uint8 tensor of values 0..255, got {input.dtype}")
    if input.ndim != 3 or input.shape[0] not in channels:
        counts = " or ".join(str(count) for count in channels)
        raise ShapeError(f"{name}: expected shape ({counts} channels, H, W), got {tuple(input.shape)}")
    pixels = input.cpu().numpy()
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _encode(image: Image.Image, format: str, **options: Any) -> Tensor:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return wrap(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """A uint8 image tensor (1 or 3, H, W) as the bytes of a PNG file (compression 0..9)."""
    if not 0 <= compression_level <= 9:
        raise ArgumentError(f"encode_png: compression level should be between 0 and 9, got {compression_level}")
    return _encode(_picture("encode_png", input), "PNG", compress_level=compression_level)


def encode_jpeg(input: Any, quality: int = 75) -> Any:
    """A uint8 image tensor (1 or 3, H, W), or each in a list, as the bytes of a JPEG file (quality 1..100)."""
    if not 1 <= quality <= 100:
        raise ArgumentError(f"encode_jpeg: image quality should be a positive number between 1 and 100, got {quality}")
    if isinstance(input, list):
        _refuse_empty("encode_jpeg", input)
        return [encode_jpeg(one, quality) for one in input]
    return _encode(_picture("encode_jpeg", input), "JPEG", quality=quality)


def encode_webp(input: Tensor, quality: int = 80, lossless: bool = False) -> Tensor:
    """A uint8 image tensor (1, 3 or 4, H, W) as the bytes of a WebP file.

    Args:
        input: the image; four channels are RGB and opacity.
        quality: 0..100; with ``lossless``, the effort.
        lossless: keep every pixel as it is.
    """
    if not 0 <= quality <= 100:
        raise ArgumentError(f"encode_webp: quality should be between 0 and 100, got {quality}")
    return _encode(_picture("encode_webp", input, (1, 3, 4)), "WEBP", quality=quality, lossless=lossless)


def encode_gif(input: Tensor, duration: int = 100, loop: int | None = 0) -> Tensor:
    """uint8 images as the bytes of a GIF file, with at most 256 colours each.

    Args:
        input: one image (1 or 3, H, W), or the pictures of an animation (N, 1 or 3, H, W). Of equal pictures in a row
            one is kept, for as long as they would have lasted.
        duration: how long each picture stands, in milliseconds.
        loop: how often the animation runs, 0 for without end; None for once.
    """
    images = [input] if not isinstance(input, Tensor) or input.ndim < 4 else list(input)  # type: ignore[call-overload]
    _refuse_empty("encode_gif", images)
    first, *rest = (_picture("encode_gif", image) for image in images)
    options = {} if loop is None else {"loop": loop}
    return _encode(first, "GIF", save_all=bool(rest), append_images=rest, duration=duration, **options)


def write_png(input: Tensor, filename: str | os.PathLike[str], compression_level: int = 6) -> None:
    """Write a uint8 image tensor (1 or 3, H, W) to a PNG file."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: str | os.PathLike[str], quality: int = 75) -> None:
    """Write a uint8 image tensor (1 or 3, H, W) to a JPEG file."""
    write_file(filename, encode_jpeg(input, quality))


def write_webp(input: Tensor, filename: str | os.PathLike[str], quality: int = 80, lossless: bool = False) -> None:
    """Write a uint8 image tensor (1, 3 or 4, H, W) to a WebP file."""
    write_file(filename, encode_webp(input, quality, lossless))


def write_gif(input: Tensor, filename: str | os.PathLike[str], duration: int = 100, loop: int | None = 0) -> None:
    """Write a uint8 image tensor, or an animation (N, 1 or 3, H, W), to a GIF file; see ``encode_gif``."""
    write_file(filename, encode_gif(input, duration, loop))
