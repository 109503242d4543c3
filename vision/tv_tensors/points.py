"""Points in an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from framework.errors import ShapeError
from framework.ops.values import as_tensor
from framework.tensor import Tensor
from vision.tv_tensors.base import TVTensor
from vision.tv_tensors.boxes import canvas


class KeyPoints(TVTensor):
    """Points of one image: of a skeleton, a polygon, a chain.

    Args:
        data: (..., 2) numbers, x to the right and y down, in pixels; (2,) is a single point.
        canvas_size: the image's (height, width).
        dtype, device, requires_grad: as in ``TVTensor``.
    """

    _metadata = ("canvas_size",)

    def __init__(
        self,
        data: Any,
        *,
        canvas_size: Sequence[int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> None:
        self.canvas_size = canvas("KeyPoints", canvas_size)
        super().__init__(_pairs(as_tensor(data, dtype=dtype, device=device)), requires_grad=requires_grad)

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **metadata: Any) -> Any:
        """A tensor as points, with the canvas of others, or with the one given."""
        return super().wrap(_pairs(tensor), like, **metadata)


def _pairs(tensor: Any) -> Any:
    if tensor.ndim == 0 or tensor.shape[-1] != 2:
        raise ShapeError(f"KeyPoints: expected a tensor of shape (..., 2), got {tuple(tensor.shape)}")
    return tensor if tensor.ndim > 1 else tensor.unsqueeze(0)
