"""Images, masks and videos."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image as Pillow

from framework.errors import ShapeError
from framework.ops.values import as_tensor
from vision.tv_tensors.base import TVTensor


def _pixels(data: Any) -> Any:
    """A Pillow image's values as an array (C, H, W); all else as it is."""
    if not isinstance(data, Pillow.Image):
        return data
    values = np.asarray(data)
    return (values[None] if values.ndim == 2 else values.transpose(2, 0, 1)).copy()


class Image(TVTensor):
    """An image or a batch of them, of values 0..255 (uint8) or 0..1 (floats).

    Args:
        data: a tensor (..., C, H, W) or (H, W), which gains a channel; a Pillow image; or what makes a tensor.
        dtype, device, requires_grad: as in ``TVTensor``.
    """

    def __init__(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> None:
        tensor: Any = as_tensor(_pixels(data), dtype=dtype, device=device)
        if tensor.ndim < 2:
            raise ShapeError(f"Image: the tensor must be 2D or higher, got {tensor.ndim}D")
        super().__init__(tensor if tensor.ndim > 2 else tensor.unsqueeze(0), requires_grad=requires_grad)


class Video(TVTensor):
    """The frames of a video, (..., T, C, H, W)."""

    def __init__(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> None:
        super().__init__(data, dtype=dtype, device=device, requires_grad=requires_grad)
        if self.ndim < 4:
            raise ShapeError(f"Video: the tensor must be 4D or higher, (..., T, C, H, W), got {self.ndim}D")


class Mask(TVTensor):
    """A segmentation mask (H, W) of class numbers, or masks (N, H, W) of N objects.

    Args:
        data: a tensor (..., H, W), a Pillow image, or what makes a tensor.
        dtype, device, requires_grad: as in ``TVTensor``.
    """

    def __init__(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> None:
        super().__init__(_pixels(data), dtype=dtype, device=device, requires_grad=requires_grad)
