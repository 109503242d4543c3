"""The line search of L-BFGS: a step length that meets the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Point(NamedTuple):
    """A place on the line: its distance from the start, the loss, the gradient, and the slope along the line."""

    t: float
    loss: float
    gradient: Any
    slope: float


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points with their slopes is least, within bounds (by default between the two)."""
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t > b.t:
        a, b = b, a
    if a.t == b.t:
        return (low + high) / 2
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    denominator = b.slope - a.slope + 2 * d2
    if denominator == 0:
        return (low + high) / 2
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / denominator), low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Any]], t: float, largest: float, loss: float, gradient: Any, slope: float,
    direction: Any, c1: float = 1e-4, c2: float = 0.9, tolerance_change: float = 1e-9, max_ls: int = 25,
) -> tuple[float, Any, float, int]:  # fmt: skip
    """Find a step that lowers the loss enough (``c1``) and flattens its slope enough (``c2``).

    Args:
        evaluate: gives the loss and the gradient at a distance.
        t: the first distance to try.
        largest: the direction's largest element; a bracket under ``tolerance_change / largest`` ends the search.
        loss, gradient, slope: those at the start.
        direction: the direction, as a vector.
        max_ls: evaluations.

    Returns:
        The loss, the gradient, the distance and the number of evaluations.

    Reference: Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6.
    """
    evaluations = 0

    def at(t: float) -> Point:
        nonlocal evaluations
        evaluations += 1
        loss, gradient = evaluate(t)
        return Point(t, loss, gradient, float(gradient @ direction))

    def too_high(point: Point) -> bool:
        return point.loss > loss + c1 * point.t * slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * slope

    start = Point(0, loss, gradient, slope)
    previous, point = start, at(t)
    bracket: list[Point] = []
    tries = 0
    while tries < max_ls:  # go on until a minimum must lie between two points
        if too_high(point) or (tries > 1 and point.loss >= previous.loss):
            bracket = [previous, point]
            break
        if flat(point):
            return point.loss, point.gradient, point.t, evaluations
        if point.slope >= 0:
            bracket = [previous, point]
            break
        bounds = (point.t + 0.01 * (point.t - previous.t), point.t * 10)
        further = cubic_minimum(previous, point, bounds)
        previous, point = point, at(further)
        tries += 1
    if not bracket:
        bracket = [start, point]

    low, high = sorted(bracket, key=lambda p: p.loss)
    stalled = False
    while tries < max_ls and abs(high.t - low.t) * largest >= tolerance_change:  # narrow it
        t = cubic_minimum(low, high)
        left, right = min(low.t, high.t), max(low.t, high.t)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # close to an end: let it happen once, then step away from it
            if stalled or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        point = at(t)
        tries += 1
        if too_high(point) or point.loss >= low.loss:
            high = point
            if high.loss < low.loss:
                low, high = high, low
        else:
            done = flat(point)
            if not done and point.slope * (high.t - low.t) >= 0:
                high = low
            low = point
            if done:
                break
    return low.loss, low.gradient, low.t, evaluations
