"""Numbers of channels, scaled and rounded."""

from __future__ import annotations


def make_divisible(v: float, divisor: int, min_value: int | None = None) -> int:
    """The multiple of ``divisor`` nearest to a scaled number of channels, or the next one where that takes away over a tenth.

    Args:
        v: the number of channels, such as a product with a width multiplier.
        divisor: what the result is a multiple of.
        min_value: the least result; ``divisor`` unless given.

    Example:
        >>> make_divisible(32 * 0.35, 8)  # 8 would be less than nine tenths of 11.2
        16
    """
    nearest = max(divisor if min_value is None else min_value, int(v + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * v else nearest
