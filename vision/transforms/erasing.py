"""Random erasing.

Reference: Zhong et al., "Random Erasing Data Augmentation", https://arxiv.org/abs/1708.04896
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from PIL import Image

from framework.errors import ArgumentError
from framework.ops.random import randn
from framework.ops.values import tensor
from framework.tensor import Tensor
from vision.transforms.base import RandomTransform, random_numbers, uniform
from vision.transforms.convert import pil_to_tensor, to_pil_image
from vision.transforms.crops import check_ranges
from vision.transforms.dispatch import functional
from vision.transforms.images import query_chw


@functional
def erase(inpt: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """An image with a rectangle overwritten.

    Args:
        i, j: row and column of the rectangle's upper left corner.
        h, w: its height and width.
        v: the new values, a tensor that broadcasts to (C, h, w).
        inplace: write into the tensor given.
    """
    if isinstance(inpt, Image.Image):
        return to_pil_image(erase(pil_to_tensor(inpt), i, j, h, w, v), inpt.mode)
    image: Any = inpt if inplace else inpt.clone()
    image[..., i : i + h, j : j + w] = v.to(image.dtype) if isinstance(v, Tensor) else v
    return image


class RandomErasing(RandomTransform):
    """A random rectangle of an image overwritten, with probability ``p``. Masks, boxes and points stay.

    Args:
        p: the probability.
        scale: the rectangle's smallest and largest share of the area.
        ratio: its smallest and largest height / width.
        value: what to write: a number, one a channel, or "random" for normal noise.
        inplace: write into the tensor given.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p)
        if not isinstance(value, numbers.Number | str | tuple | list):
            raise TypeError(f"RandomErasing: value should be a number, one a channel, or 'random', got {value!r}")
        if isinstance(value, str) and value != "random":
            raise ArgumentError(f"RandomErasing: if value is a str, it should be 'random', got {value!r}")
        check_ranges("RandomErasing", scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ArgumentError(f"RandomErasing: scale should be between 0 and 1, got {scale}")
        self.scale = scale
        self.ratio = ratio
        self.value = None if isinstance(value, str) else [float(v) for v in _values(value)]  # None is for noise
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Any]:
        """(i, j, h, w, v) for ``functional.erase``: a random rectangle of an image, with noise unless values are given."""
        kind = RandomErasing(1.0, scale, ratio, "random" if value is None else list(value))
        found = kind.make_params([img])
        return found["i"], found["j"], found["h"], found["w"], img if found["v"] is None else found["v"]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The rectangle and its values; ``v`` is None where no rectangle was found."""
        channels, rows, columns = query_chw(flat_inputs, "RandomErasing")
        if self.value is not None and len(self.value) not in (1, channels):
            raise ArgumentError(f"RandomErasing: value should be one number or {channels}, got {len(self.value)}")
        stream = random_numbers()
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(10):
            area = rows * columns * uniform(self.scale)
            aspect = math.exp(uniform((low, high)))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < rows and width < columns:
                value = randn(channels, height, width) if self.value is None else tensor(self.value).reshape(-1, 1, 1)
                top, left = int(stream.integers(rows - height + 1)), int(stream.integers(columns - width + 1))
                return {"i": top, "j": left, "h": height, "w": width, "v": value}
        return {"i": 0, "j": 0, "h": rows, "w": columns, "v": None}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The image with the rectangle, if there is one."""
        return inpt if params["v"] is None else self._call_kernel(erase, inpt, **params, inplace=self.inplace)


def _values(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else (value,)
