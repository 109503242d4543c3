"""Bounding boxes, and the ways to write them down."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.values import as_tensor
from framework.tensor import Tensor
from vision.tv_tensors.base import TVTensor

CLAMPING_MODES = (None, "hard", "soft")


class BoundingBoxFormat(enum.Enum):
    """What the numbers of a box are, in pixels from the image's upper left corner; ``R`` is an angle.

    - ``XYXY``: upper left corner, lower right corner.
    - ``XYWH``: upper left corner, width, height.
    - ``CXCYWH``: centre, width, height.
    - ``XYWHR``, ``CXCYWHR``: the same, then turned by R degrees counter-clockwise about the corner or the centre.
    - ``XYXYXYXY``: four corners, clockwise from the upper left one of the box before it was turned.
    """

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"

    @property
    def length(self) -> int:
        """How many numbers make a box."""
        return (
            len(self.value)
            if self not in (BoundingBoxFormat.CXCYWH, BoundingBoxFormat.CXCYWHR)
            else len(self.value) - 2
        )

    @property
    def rotated(self) -> bool:
        """Whether boxes may be turned."""
        return self.length > 4


def box_format(format: BoundingBoxFormat | str) -> BoundingBoxFormat:
    """The format that is meant by a format or its name."""
    if isinstance(format, BoundingBoxFormat):
        return format
    if isinstance(format, str) and format.upper() in BoundingBoxFormat.__members__:
        return BoundingBoxFormat[format.upper()]
    names = ", ".join(BoundingBoxFormat.__members__)
    raise ArgumentError(f"BoundingBoxes: format should be one of {names}, got {format!r}")


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Whether boxes of a format may be turned."""
    return box_format(format).rotated


def canvas(who: str, size: Any) -> tuple[int, int]:
    """The (height, width) of the image that boxes or points lie in."""
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ArgumentError(f"{who}: canvas_size should be the image's (height, width), got {size!r}")
    return int(size[0]), int(size[1])


class BoundingBoxes(TVTensor):
    """The boxes of one image.

    Args:
        data: (N, K) numbers, or K for a single box; K is 4, or 5 or 8 where boxes may be turned.
        format: what the numbers are, a ``BoundingBoxFormat`` or its name.
        canvas_size: the image's (height, width).
        clamping_mode: what transforms do with boxes that reach out of the image. "soft" cuts unrotated ones at its
            border and turned ones only where they keep their shape; "hard" cuts all; None leaves them.
        dtype, device, requires_grad: as in ``TVTensor``.

    Raises:
        DtypeError: boxes of a rotated format are integers.
    """

    _metadata = ("format", "canvas_size", "clamping_mode")

    def __init__(
        self,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: Sequence[int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> None:
        tensor = as_tensor(data, dtype=dtype, device=device)
        self.format = box_format(format)
        if self.format.rotated and not tensor.is_floating_point():
            raise DtypeError(f"BoundingBoxes: rotated boxes should be floating point tensors, got {tensor.dtype}")
        self.canvas_size = canvas("BoundingBoxes", canvas_size)
        self.clamping_mode = _checked_mode(clamping_mode)
        super().__init__(_rows(tensor), requires_grad=requires_grad)

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **metadata: Any) -> Any:
        """A tensor as boxes, with the attributes of others, or with those given."""
        if "format" in metadata:
            metadata["format"] = box_format(metadata["format"])
        _checked_mode(metadata.get("clamping_mode"))
        return super().wrap(_rows(tensor), like, **metadata)


def _checked_mode(clamping_mode: Any) -> Any:
    if clamping_mode not in CLAMPING_MODES:
        raise ArgumentError(f"clamping_mode must be None, 'hard' or 'soft', got {clamping_mode!r}")
    return clamping_mode


def _rows(tensor: Any) -> Any:
    if tensor.ndim not in (1, 2):
        raise ShapeError(f"BoundingBoxes: expected a 1D or 2D tensor, got {tensor.ndim}D")
    return tensor if tensor.ndim == 2 else tensor.unsqueeze(0)
