"""Pictures of noise, to try a program without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from framework.errors import ArgumentError
from vision.datasets.vision import VisionDataset


class FakeData(VisionDataset):
    """Pictures of noise with random class numbers; each follows from its number alone.

    Args:
        size: how many.
        image_size: channels (1 or 3), height and width in pixels.
        num_classes: how many classes.
        transform: applied to the Pillow image.
        target_transform: applied to the class number.
        random_offset: another gives other pictures; picture i of offset k is picture i + k of offset 0.

    The noise is not the same as torchvision's, which comes from PyTorch's generator.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        if size < 0 or num_classes < 1 or len(image_size) != 3 or image_size[0] not in (1, 3):
            raise ArgumentError(
                "FakeData: expected size >= 0, num_classes >= 1 and image_size (1 or 3, height, width), got "
                f"{size}, {num_classes}, {image_size}"
            )
        self.size = size
        self.image_size = image_size
        self.num_classes = num_classes
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -self.size <= index < self.size:
            raise IndexError(f"FakeData: index {index} is out of range for {self.size} samples")
        rng = np.random.Generator(np.random.Philox(key=(index % self.size + self.random_offset) % 2**64))
        channels, height, width = self.image_size
        pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
        target = int(rng.integers(self.num_classes))
        return self._finish(Image.fromarray(pixels[..., 0] if channels == 1 else pixels), target)

    def __len__(self) -> int:
        return self.size
