"""Transforms of videos: tensors (..., T, C, H, W)."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from framework.errors import ArgumentError
from framework.tensor import Tensor
from vision.transforms.base import Transform
from vision.transforms.dispatch import functional


@functional
def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """Some frames of a video at even distances, the first and the last among them; repeated if there are too few."""
    if isinstance(inpt, Image.Image) or inpt.ndim < 4:
        raise TypeError("uniform_temporal_subsample: expected a video, a tensor (..., T, C, H, W)")
    if num_samples < 1:
        raise ArgumentError(f"uniform_temporal_subsample: num_samples should be at least 1, got {num_samples}")
    video: Any = inpt
    frames = np.linspace(0, video.shape[-4] - 1, num_samples, dtype=np.float32).astype(np.int64)
    return video[..., frames.tolist(), :, :, :]


class UniformTemporalSubsample(Transform):
    """``num_samples`` frames of a video at even distances."""

    _transformed_types = (Tensor,)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The frames."""
        return self._call_kernel(uniform_temporal_subsample, inpt, self.num_samples)
