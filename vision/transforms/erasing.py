"""Random erasing.

Reference: Zhong et al., "Random Erasing Data Augmentation", https://arxiv.org/abs/1708.04896
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework.errors import ArgumentError
from framework.tensor import Tensor, wrap
from vision.transforms.base import Transform, check_probability, random_numbers


class RandomErasing(Transform):
    """A random rectangle of a tensor (..., C, H, W) overwritten, with probability ``p``.

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
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        if isinstance(value, str) and value != "random":
            raise ArgumentError(f"RandomErasing: value must be a number, one a channel, or 'random', got {value!r}")
        if scale[0] > scale[1] or ratio[0] > ratio[1] or not 0 <= scale[0] <= scale[1] <= 1:
            raise ArgumentError(f"RandomErasing: scale {scale} and ratio {ratio} should be of kind (min, max), scale in 0..1")
        self.p = check_probability("RandomErasing", p)
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    def make_params(self, inpt: Any) -> dict[str, Any]:
        stream = random_numbers()
        if not isinstance(inpt, Tensor):
            raise TypeError(f"RandomErasing: takes tensors, got {type(inpt).__name__}; put it after ToTensor")
        if stream.random() >= self.p:
            return {"region": None}
        channels, rows, columns = inpt.shape[-3:]
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(10):
            area = rows * columns * stream.uniform(*self.scale)
            aspect = math.exp(stream.uniform(low, high))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if height < rows and width < columns:
                top, left = int(stream.integers(rows - height + 1)), int(stream.integers(columns - width + 1))
                if self.value == "random":
                    value: Any = stream.standard_normal((channels, height, width)).astype(inpt.array.dtype)
                else:
                    value = np.asarray(self.value, inpt.array.dtype).reshape(-1, 1, 1)
                return {"region": (slice(top, top + height), slice(left, left + width)), "value": value}
        return {"region": None}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["region"] is None:
            return inpt
        array = inpt.array if self.inplace else inpt.array.copy()
        array[(..., *params["region"])] = params["value"]
        return inpt if self.inplace else wrap(array)
