"""Padding layers: constants, reflections, repeated edges and wrapping around, in one to three dimensions."""

from __future__ import annotations

from typing import Any

from framework.nn.conv import ntuple
from framework.nn.module import Module
from framework.ops.padding import pad


class _Pad(Module):
    """Entries added at both ends of the last dims.

    Args:
        padding: one int for all sides, or two for each dim (before, after), the last dim first. Negative ones cut off,
            where the mode allows.
    """

    axes: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = ntuple(padding, 2 * self.axes)

    def forward(self, input: Any) -> Any:
        """The input, padded."""
        return pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        """The widths."""
        return f"{self.padding}"


class _ConstantPad(Module):
    """Entries of one value added at both ends of the last dims; ``padding`` as in ``ZeroPad2d``."""

    axes: int

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__()
        self.padding, self.value = ntuple(padding, 2 * self.axes), value

    def forward(self, input: Any) -> Any:
        """The input, padded."""
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """``value`` at both ends of the last dim."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """``value`` around the last two dims."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """``value`` around the last three dims."""

    axes = 3


class ZeroPad1d(_Pad):
    """Zeros at both ends of the last dim."""

    axes, mode = 1, "constant"


class ZeroPad2d(_Pad):
    """Zeros around the last two dims.

    Args:
        padding: one int for all sides, or (left, right, top, bottom). Negative ones cut off.
    """

    axes, mode = 2, "constant"


class ZeroPad3d(_Pad):
    """Zeros around the last three dims."""

    axes, mode = 3, "constant"


class ReflectionPad1d(_Pad):
    """The last dim reflected at its ends, which are not repeated."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two dims reflected at their ends, which are not repeated."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three dims reflected at their ends, which are not repeated."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The ends of the last dim repeated."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The ends of the last two dims repeated."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The ends of the last three dims repeated."""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The last dim continued from its other end."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The last two dims continued from their other ends."""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The last three dims continued from their other ends."""

    axes, mode = 3, "circular"
