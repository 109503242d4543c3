"""Decoding and encoding of images, broken and hostile ones included."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, features

import framework as F
from framework.io import FileFormatError
from vision import io as vio


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def as_tensor(data: bytes):
    return F.from_numpy(np.frombuffer(data, np.uint8).copy())


@pytest.fixture
def colour(rng) -> np.ndarray:
    return rng.integers(0, 256, (17, 11, 3), dtype=np.uint8)


@pytest.mark.parametrize("format", ["PNG", "PPM", "BMP", "TIFF"])
def test_lossless_formats_come_back(colour, format):
    found = vio.decode_image(as_tensor(encoded(Image.fromarray(colour), format)))
    assert found.dtype is F.uint8 and tuple(found.shape) == (3, 17, 11)
    np.testing.assert_array_equal(found.numpy(), colour.transpose(2, 0, 1))


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(format):
    ramp = np.repeat(np.linspace(0, 255, 32, dtype=np.uint8)[None, :, None], 24, 0).repeat(3, 2)
    found = vio.decode_image(encoded(Image.fromarray(ramp), format, quality=95)).numpy().astype(int)
    assert np.abs(found - ramp.transpose(2, 0, 1)).max() < 12


@pytest.mark.parametrize(
    "mode, channels", [("UNCHANGED", 3), ("GRAY", 1), ("GRAY_ALPHA", 2), ("RGB", 3), ("RGB_ALPHA", 4), ("rgb", 3)]
)
def test_modes(colour, tmp_path, mode, channels):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(colour), "PNG"))
    assert vio.read_image(path, mode).shape[0] == channels
    if mode in vio.ImageReadMode.__members__:
        assert F.equal(vio.read_image(str(path), vio.ImageReadMode[mode]), vio.decode_image(path, mode=mode))


def test_unknown_mode():
    with pytest.raises(ValueError, match="mode must be one of"):
        vio.decode_image(b"", "CMYK")


def test_palettes_and_bits_become_channels(colour):
    palette = Image.fromarray(colour).quantize(16)
    np.testing.assert_array_equal(
        vio.decode_image(encoded(palette, "PNG")).numpy(), np.asarray(palette.convert("RGB")).transpose(2, 0, 1)
    )
    assert vio.decode_image(encoded(palette, "PNG", transparency=b"\x00" * 16)).shape[0] == 4
    bits = Image.fromarray(colour[..., 0] > 127)
    np.testing.assert_array_equal(vio.decode_image(encoded(bits, "PNG")).numpy()[0], (colour[..., 0] > 127) * 255)


def test_16_bit_grey_keeps_its_values_or_their_upper_byte(rng):
    deep = rng.integers(0, 65536, (5, 7)).astype(np.uint16)
    data = encoded(Image.fromarray(deep), "PNG")
    np.testing.assert_array_equal(vio.decode_image(data).numpy()[0], deep)
    np.testing.assert_array_equal(vio.decode_image(data, "RGB").numpy(), np.stack([deep >> 8] * 3))


def test_camera_orientation(colour):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    data = encoded(Image.fromarray(colour), "PNG", exif=exif)
    assert tuple(vio.decode_image(data).shape) == (3, 17, 11)
    turned = vio.decode_image(data, apply_exif_orientation=True)
    np.testing.assert_array_equal(turned.numpy(), np.rot90(colour, -1).transpose(2, 0, 1))


def test_writing_and_reading_files(colour, tmp_path):
    picture = F.from_numpy(colour.transpose(2, 0, 1).copy())
    vio.write_png(picture, tmp_path / "a.png")
    assert F.equal(vio.decode_png(vio.read_file(tmp_path / "a.png")), picture)
    vio.write_png(picture[:1], tmp_path / "g.png", compression_level=0)
    assert F.equal(vio.read_image(tmp_path / "g.png"), picture[:1])
    vio.write_jpeg(picture, tmp_path / "a.jpg", quality=90)
    assert F.equal(vio.read_file(tmp_path / "a.jpg"), vio.encode_jpeg(picture, 90))
    both = vio.decode_jpeg(vio.encode_jpeg([picture, picture[:1]]))
    assert [tuple(t.shape) for t in both] == [(3, 17, 11), (1, 17, 11)]
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".tmp"] == []


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: vio.encode_png(F.zeros(3, 4, 4)), TypeError, "uint8"),
        (lambda: vio.encode_png(F.zeros(4, 4, 4, dtype=F.uint8)), ValueError, "1 or 3 channels"),
        (lambda: vio.encode_png(F.zeros(4, 4, dtype=F.uint8)), ValueError, "1 or 3 channels"),
        (lambda: vio.encode_png(np.zeros((3, 4, 4), np.uint8)), TypeError, "expected a tensor"),
        (lambda: vio.encode_png(F.zeros(3, 4, 4, dtype=F.uint8), 10), ValueError, "between 0 and 9"),
        (lambda: vio.encode_jpeg(F.zeros(3, 4, 4, dtype=F.uint8), 0), ValueError, "between 1 and 100"),
        (lambda: vio.encode_jpeg([]), ValueError, "no image"),
        (lambda: vio.decode_jpeg([]), ValueError, "no image"),
        (lambda: vio.encode_webp(F.zeros(2, 4, 4, dtype=F.uint8)), ValueError, "1 or 3 or 4 channels"),
        (lambda: vio.encode_webp(F.zeros(3, 4, 4, dtype=F.uint8), 101), ValueError, "between 0 and 100"),
        (lambda: vio.encode_gif(F.zeros(0, 3, 4, 4, dtype=F.uint8)), ValueError, "no image"),
        (lambda: vio.encode_gif(F.zeros(2, 4, 4, 4, dtype=F.uint8)), ValueError, "1 or 3 channels"),
        (lambda: vio.encode_gif(F.zeros(3, 4, 4)), TypeError, "uint8"),
        (lambda: vio.decode_image(F.zeros(4)), TypeError, "1-d uint8"),
        (lambda: vio.decode_image(F.zeros(4, 4, dtype=F.uint8)), TypeError, "1-d uint8"),
    ],
)
def test_wrong_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no image file.*nowhere\.png"):
        vio.open_image(tmp_path / "nowhere.png")


def test_each_decoder_takes_its_own_format(colour):
    with pytest.raises(FileFormatError, match="not an image"):
        vio.decode_jpeg(encoded(Image.fromarray(colour), "PNG"))
    with pytest.raises(FileFormatError, match="not an image"):
        vio.decode_png(encoded(Image.fromarray(colour), "JPEG"))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "WEBP"])
def test_broken_files_are_errors_that_name_the_file(tmp_path, rng, format):
    """Cut or altered files raise FileFormatError or decode to something; nothing else comes out."""
    whole = encoded(Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)), format)
    failures = 0
    for round in range(60):
        data = bytearray(whole)
        if round % 2:
            del data[int(rng.integers(1, len(data))) :]
        else:
            for at in rng.integers(0, min(len(data), 200), 4):
                data[at] = int(rng.integers(256))
        path = tmp_path / "broken.img"
        path.write_bytes(data)
        try:
            vio.open_image(path)
        except FileFormatError as error:
            failures += 1
            assert "broken.img" in str(error)
    assert failures > 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_of_a_jpeg(orientation):
    """Pillow's own turning is the reference; a picture of one colour a quarter survives the compression."""
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:16, :24], picture[:16, 24:], picture[16:, :24] = (250, 20, 20), (20, 250, 20), (20, 20, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(picture), "JPEG", exif=exif, quality=95)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))).transpose(2, 0, 1)
    for decode in (vio.decode_image, vio.decode_jpeg):
        np.testing.assert_array_equal(decode(data, apply_exif_orientation=True).numpy(), upright)
    assert tuple(vio.decode_image(data).shape) == (3, 32, 48)


def test_broken_orientation_notes_never_raise_anything_else(colour, rng):
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = encoded(Image.fromarray(colour), "JPEG", exif=exif)
    start = whole.index(b"Exif")
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.integers(start, start + 40, 3):
            data[at] = int(rng.integers(256))
        with contextlib.suppress(FileFormatError):
            assert vio.decode_image(bytes(data), apply_exif_orientation=True).numel() == colour.size


def test_cmyk_pictures_become_rgb():
    flat = np.empty((16, 16, 3), np.uint8)
    flat[:] = (200, 30, 90)
    data = encoded(Image.fromarray(flat).convert("CMYK"), "JPEG", quality=95)
    for mode in ("UNCHANGED", "RGB"):
        found = vio.decode_jpeg(data, mode).numpy().astype(int)
        assert found.shape == (3, 16, 16) and np.abs(found - flat.transpose(2, 0, 1)).max() < 6


def test_wide_greys_keep_their_values_and_are_not_cut_at_255(rng):
    deep = rng.integers(0, 65536, (5, 7)).astype(np.uint16)
    pgm = b"P5 7 5 65535\n" + deep.astype(">u2").tobytes()
    np.testing.assert_array_equal(vio.decode_image(pgm).numpy()[0], deep)
    np.testing.assert_array_equal(vio.decode_image(pgm, "GRAY").numpy()[0], deep >> 8)
    for values in (deep.astype(np.int32), deep.astype(np.float32)):
        data = encoded(Image.fromarray(values), "TIFF")
        np.testing.assert_array_equal(vio.decode_image(data).numpy()[0], values)
        with pytest.raises(FileFormatError, match="32-bit values"):
            vio.decode_image(data, "RGB")


def test_sixteen_bit_colour_gives_its_upper_bytes(rng):
    deep = rng.integers(0, 65536, (3, 4, 3)).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    np.testing.assert_array_equal(vio.decode_png(data).numpy(), (deep >> 8).transpose(2, 0, 1))


def few_colours(rng, *shape) -> np.ndarray:
    """Images that a palette holds exactly."""
    return rng.integers(0, 3, shape).astype(np.uint8) * 100


def test_animations(rng, tmp_path):
    frames = few_colours(rng, 4, 3, 17, 11)
    vio.write_gif(F.from_numpy(frames), tmp_path / "a.gif", duration=50)
    for found in (vio.decode_gif(vio.read_file(tmp_path / "a.gif")), vio.read_image(tmp_path / "a.gif")):
        assert tuple(found.shape) == (4, 3, 17, 11)
        np.testing.assert_array_equal(found.numpy(), frames)
    assert tuple(vio.read_image(tmp_path / "a.gif", "GRAY").shape) == (4, 1, 17, 11)
    assert vio.open_image(tmp_path / "a.gif").size == (11, 17)  # the first picture, for data sets
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["duration"] == 50 and image.info["loop"] == 0
    one = vio.decode_gif(vio.encode_gif(F.from_numpy(frames[0]), loop=None))
    np.testing.assert_array_equal(one.numpy(), frames[0])
    grey = vio.decode_gif(vio.encode_gif(F.from_numpy(frames[:, :1])))
    np.testing.assert_array_equal(grey.numpy(), frames[:, :1].repeat(3, 1))


def test_pictures_that_only_change_in_part_are_shown_whole():
    first = np.full((8, 8, 3), 200, np.uint8)
    second = first.copy()
    second[2:4, 3:5] = (0, 100, 0)
    data = encoded(Image.fromarray(first), "GIF", save_all=True, append_images=[Image.fromarray(second)])
    np.testing.assert_array_equal(vio.decode_gif(data).numpy(), np.stack([first, second]).transpose(0, 3, 1, 2))


def test_an_animation_of_too_many_pixels_is_refused(rng, monkeypatch, tmp_path):
    vio.write_gif(F.from_numpy(few_colours(rng, 4, 3, 17, 11)), tmp_path / "long.gif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4 * 17 * 11 - 1)
    with pytest.raises(FileFormatError, match=r"long\.gif: its 4 pictures have more pixels"):
        vio.read_image(tmp_path / "long.gif")


def test_broken_animations(rng, tmp_path):
    whole = vio.encode_gif(F.from_numpy(few_colours(rng, 4, 3, 17, 11))).numpy().tobytes()
    failures = 0
    for _ in range(80):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 5):
            data[at] = int(rng.integers(256))
        try:
            vio.decode_gif(bytes(data[: int(rng.integers(20, len(data)))]))
        except FileFormatError:
            failures += 1
    assert failures > 5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_webp_without_loss(rng, tmp_path, channels):
    pixels = rng.integers(0, 256, (channels, 17, 11), dtype=np.uint8)
    pixels[3:] |= 1  # colours under full transparency are not kept
    vio.write_webp(F.from_numpy(pixels.copy()), tmp_path / "a.webp", lossless=True)
    found = vio.decode_webp(vio.read_file(tmp_path / "a.webp")).numpy()
    np.testing.assert_array_equal(found, pixels.repeat(3, 0) if channels == 1 else pixels)
    small, large = (len(vio.encode_webp(F.from_numpy(pixels), quality)) for quality in (5, 95))
    assert small < large


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif():
    ramp = np.repeat(np.linspace(0, 255, 32, dtype=np.uint8)[None, :, None], 24, 0).repeat(3, 2)
    data = encoded(Image.fromarray(ramp), "AVIF", quality=95)
    for found in (vio.decode_avif(data), vio.decode_image(data)):
        assert np.abs(found.numpy().astype(int) - ramp.transpose(2, 0, 1)).max() < 12
    with pytest.raises(FileFormatError, match="not an image"):
        vio.decode_avif(encoded(Image.fromarray(ramp), "PNG"))


def test_errors_name_the_path_whichever_way_it_is_read(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    for call in (vio.read_image, vio.decode_image, vio.open_image):
        with pytest.raises(FileFormatError, match=r"bad\.jpg"):
            call(tmp_path / "bad.jpg")


def test_a_picture_of_absurd_size_is_refused():
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    with pytest.raises(FileFormatError, match="more pixels"):
        vio.decode_image(data)


def test_formats_that_run_programs_are_not_read(tmp_path):
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(FileFormatError, match="not an image"):
        vio.open_image(path)


def test_real_photographs_are_pillows(realdata):
    paths = sorted((realdata / "imagenet-samples-200").rglob("*.jp*g"), key=str)[:8]
    assert paths
    for path in paths:
        with Image.open(path) as image:
            expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(vio.read_image(path, "RGB").numpy(), expected)
