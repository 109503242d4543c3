"""Layers that resize."""

from __future__ import annotations

from typing import Any

from framework.nn.module import Module
from framework.ops.resize import interpolate


class _Resize(Module):
    def __init__(
        self, size: Any, scale_factor: Any, mode: str, align_corners: bool | None, recompute: bool | None
    ) -> None:
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor: Any = tuple(float(f) for f in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute

    def forward(self, input: Any) -> Any:
        """The input with its spatial dims resized."""
        return interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        """The size, and how."""
        size = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{size}, mode={self.mode!r}"


class Upsample(_Resize):
    """The input with its spatial dims resized.

    Args:
        size: the output's spatial lengths, an int or one for each dim; give it or ``scale_factor``.
        scale_factor: output length / input length, a number or one for each dim.
        mode: "nearest", "linear" (3-d input), "bilinear", "bicubic" (4-d) or "trilinear" (5-d).
        align_corners: whether the first and last entries of input and output fall together.
        recompute_scale_factor: compute positions from the rounded sizes and not from ``scale_factor``.

    Example:
        >>> nn.Upsample(scale_factor=2)(framework.randn(1, 3, 4, 4)).shape
        framework.Size([1, 3, 8, 8])
    """

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(size, scale_factor, mode, align_corners, recompute_scale_factor)


class UpsamplingNearest2d(_Resize):
    """``Upsample`` of images with mode "nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest", None, None)


class UpsamplingBilinear2d(_Resize):
    """``Upsample`` of images with mode "bilinear" and the corners aligned."""

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", True, None)
