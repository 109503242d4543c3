"""Rendered digits: the data set that needs no files.

Digits are drawn with the font that comes inside Pillow, then stretched, turned, sheared, thickened, blurred, covered in
part and drowned in noise. Every picture follows from (seed, part, number) alone, on any machine with the same Pillow.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from framework.errors import ArgumentError
from vision.datasets.vision import VisionDataset, numbered

SIZE = 28  # pixels a side
DRAWN = 96  # pixels a side of the drawing that is warped down to SIZE


@functools.lru_cache(maxsize=512)
def _glyph(digit: int, points: int, thickness: int) -> Image.Image:
    """A digit in white on black, centred, much larger than it will be shown."""
    image = Image.new("L", (DRAWN, DRAWN))
    font = ImageFont.load_default(points)
    ImageDraw.Draw(image).text(
        (DRAWN / 2, DRAWN / 2), str(digit), fill=255, font=font, anchor="mm", stroke_width=thickness, stroke_fill=255
    )
    return image


def render(digit: int, rng: np.random.Generator) -> Image.Image:
    """One picture of a digit, mode L, 28 x 28."""
    glyph = _glyph(digit, int(rng.integers(62, 84)), int(rng.integers(0, 5)))
    angle, shear = rng.uniform(-0.3, 0.3), rng.uniform(-0.25, 0.25)
    across, down = rng.uniform(0.9, 1.35, 2)
    dx, dy = rng.uniform(-2.0, 2.0, 2)
    cos, sin = math.cos(angle), math.sin(angle)
    scale = DRAWN / SIZE
    # where in the drawing each pixel comes from
    a, b = scale / across * (cos + shear * sin), scale / across * (sin - shear * cos)
    d, e = -scale / down * sin, scale / down * cos
    centre, middle = SIZE / 2, DRAWN / 2
    matrix = (
        a, b, middle - a * (centre + dx) - b * (centre + dy),
        d, e, middle - d * (centre + dx) - e * (centre + dy),
    )  # fmt: skip
    image = glyph.reduce(2).transform(
        (SIZE, SIZE), Image.Transform.AFFINE, tuple(v / 2 for v in matrix), Image.Resampling.BILINEAR
    )
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.0, 0.9))))
    pixels = np.asarray(image, np.float32) * np.float32(rng.uniform(0.6, 1.0))
    if rng.random() < 0.35:  # a bar across, dark or bright
        thickness, at = rng.uniform(1.0, 2.4), rng.uniform(6, 22)
        slope = rng.uniform(-1.0, 1.0)
        rows, columns = np.mgrid[0:SIZE, 0:SIZE]
        if rng.random() < 0.5:
            rows, columns = columns, rows
        bar = np.abs(rows - at - slope * (columns - centre)) < thickness / 2 * math.hypot(1, slope)
        pixels = np.where(bar, np.float32(rng.choice([0.0, 160.0])), pixels)
    pixels = pixels + rng.standard_normal((SIZE, SIZE), np.float32) * np.float32(rng.uniform(4, 26))
    pixels += np.float32(rng.uniform(0, 40))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


class RenderedDigits(VisionDataset):
    """Digits drawn by the machine: ten classes, 28 x 28 grey.

    Hard enough that a linear classifier stays under 90 %, easy enough that a small convolutional net passes 97 %.

    Args:
        train: the training set (10,000 pictures unless ``size`` says otherwise), else the test set (2,000).
        transform: applied to the Pillow image (mode L).
        target_transform: applied to the class number.
        size: the number of pictures.
        seed: another seed gives other pictures.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        size: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.train = bool(train)
        self.seed = seed
        self.size = (10_000 if train else 2_000) if size is None else size
        if self.size < 1:
            raise ArgumentError(f"RenderedDigits: size must be at least 1, got {size}")
        if not 0 <= seed < 2**62:
            raise ArgumentError(f"RenderedDigits: seed must be a number from 0 to 2**62 - 1, got {seed}")
        self.classes = [str(d) for d in range(10)]
        self.class_to_idx = numbered(self.classes)
        self._drawn: dict[int, Image.Image] = {}

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self.seed * 2 + self.train, index]))

    def _target(self, index: int) -> int:
        return index % 10

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -self.size <= index < self.size:
            raise IndexError(f"RenderedDigits: index {index} is out of range for {self.size} samples")
        index %= self.size
        image = self._drawn.get(index)
        if image is None:
            image = self._drawn[index] = render(self._target(index), self._rng(index))
        return self._finish(image.copy(), self._target(index))  # a copy, since a transform may write into it

    def __len__(self) -> int:
        return self.size

    @property
    def targets(self) -> list[int]:
        """The class number of every picture."""
        return [self._target(i) for i in range(self.size)]

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"
