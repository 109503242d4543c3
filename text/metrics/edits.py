"""Sequences compared: how many edits lie between two, and how long the longest is that both contain.

Rows of the usual tables are kept as the bits of one whole number, so that a row takes a few operations.

Reference: Hyyrö, "A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit Distances", 2003, and "Bit-Parallel
LCS-length Computation Revisited", 2004.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def _places(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """For each item the places where it stands, as bits."""
    places: dict[Hashable, int] = {}
    for place, item in enumerate(sequence):
        places[item] = places.get(item, 0) | 1 << place
    return places


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """How many items have to be put in, taken out or replaced to make one sequence of the other.

    Example:
        >>> edit_distance("kitten", "sitting")
        3
    """
    if not first:
        return len(second)
    places, last, mask = _places(first), 1 << (len(first) - 1), (1 << len(first)) - 1
    distance, up, down = len(first), mask, 0  # where the table's column goes up and down by one
    for item in second:
        equal = places.get(item, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        rises, falls = down | (mask & ~(horizontal | up)), up & horizontal
        if rises & last:
            distance += 1
        elif falls & last:
            distance -= 1
        rises, falls = rises << 1 | 1, falls << 1
        up, down = (falls | ~(vertical | rises)) & mask, rises & vertical & mask
    return distance


def longest_common(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The length of the longest sequence whose items both have in its order, maybe with others between.

    Example:
        >>> longest_common("the cat sat".split(), "the sat cat sat".split())
        3
    """
    places, mask = _places(first), (1 << len(first)) - 1
    row = mask
    for item in second:
        matched = row & places.get(item, 0)
        row = (row + matched | row - matched) & mask
    return len(first) - row.bit_count()
