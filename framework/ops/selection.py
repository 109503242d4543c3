"""Choosing elements: by a condition, the greater or smaller of two, and within bounds."""

from __future__ import annotations

import warnings
from typing import Any

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.ops.casting import NUMBERS, as_operand, into, promote, result_type
from framework.ops.pointwise import binary, broadcast_error, common_kind, unsupported
from framework.tensor import Tensor


class Where(Op):
    """``a`` where the condition holds, ``b`` elsewhere."""

    broadcasts = True

    def forward(self, condition: Any, a: Any, b: Any) -> Any:
        self.condition = condition if any(self.needs) else None
        xp = array_module(condition)
        kind = common_kind(a, b)
        if kind is not None and kind.kind == "V":  # NumPy finds no common type for bfloat16 and a Python number
            a, b = (xp.asarray(x, dtype=kind) if isinstance(x, NUMBERS) else x for x in (a, b))
        y = xp.where(condition, a, b)
        return y if kind is None or y.dtype == kind else y.astype(kind)

    def backward(self, g: Any) -> Any:
        c = self.condition
        return None, where(c, g, 0) if self.needs[1] else None, where(c, 0, g) if self.needs[2] else None


def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """Elements of ``input`` where ``condition`` is true, of ``other`` elsewhere; all three broadcast.

    With the condition alone: the indices of its true elements, one tensor a dimension.

    Args:
        condition: bool tensor.
        input, other: tensors or Python numbers, promoted to their common dtype.
    """
    if input is None and other is None:
        from framework.ops.nonzero import nonzero

        return nonzero(condition, as_tuple=True)
    if not hasattr(condition, "dtype"):
        raise TypeError(f"where(): argument 'condition' must be Tensor, not {type(condition).__name__}")
    kind = condition.array.dtype if isinstance(condition, Tensor) else condition.dtype
    if kind.kind != "b" and kind != "uint8":
        raise DtypeError(f"where: expected condition to be a boolean tensor, but got a tensor with dtype {kind}")
    numbers = isinstance(input, NUMBERS) and isinstance(other, NUMBERS)
    if numbers and not isinstance(condition, Tensor):
        # in a gradient rule, where NumPy's float64 of a 0-d array is a Python float too and keeps its dtype
        numbers = not (hasattr(input, "dtype") or hasattr(other, "dtype"))
    if numbers:
        dtype = result_type(input, other).numpy
        xp = array_module(condition.array if isinstance(condition, Tensor) else condition)
        a, b = xp.asarray(input, dtype=dtype), xp.asarray(other, dtype=dtype)
    else:
        a, b = promote(input, other, "where")
    if kind.kind != "b":
        warnings.warn("where: a uint8 condition is deprecated; give a bool tensor", stacklevel=2)
        condition = condition != 0
    try:
        y = apply(Where, condition, a, b)
    except ValueError as error:
        raise broadcast_error("where", a, b, error) from None
    return y if out is None else into(out, y, "where", condition, input, other)


def _shared(g: Any, ahead: Any, tie: Any) -> Any:
    """The gradient of the operand chosen where ``ahead``; where both are equal it gets half."""
    return where(tie, g / 2, where(ahead, g, 0))


@binary(
    gradient=(
        lambda g, a, b: _shared(g, (a > b) | (a != a) | (b != b), a == b),
        lambda g, a, b: _shared(g, (b > a) | (a != a) | (b != b), a == b),
    ),
    complex=False,
    numbers="none",
    exact=True,
)
def maximum(xp: Any, a: Any, b: Any) -> Any:
    """The greater of two elements; nan if either is nan. Equal elements share the gradient."""
    return xp.maximum(a, b)


@binary(
    gradient=(
        lambda g, a, b: _shared(g, (a < b) | (a != a) | (b != b), a == b),
        lambda g, a, b: _shared(g, (b < a) | (a != a) | (b != b), a == b),
    ),
    complex=False,
    numbers="none",
    exact=True,
)
def minimum(xp: Any, a: Any, b: Any) -> Any:
    """The smaller of two elements; nan if either is nan. Equal elements share the gradient."""
    return xp.minimum(a, b)


@binary(
    gradient=(
        lambda g, a, b: where((a >= b) | (b != b), g, 0),
        lambda g, a, b: where((a >= b) | (b != b), 0, g),
    ),
    complex=False,
    numbers="none",
    exact=True,
)
def fmax(xp: Any, a: Any, b: Any) -> Any:
    """The greater of two elements; where one is nan, the other."""
    return xp.fmax(a, b)


@binary(
    gradient=(
        lambda g, a, b: where((a <= b) | (b != b), g, 0),
        lambda g, a, b: where((a <= b) | (b != b), 0, g),
    ),
    complex=False,
    numbers="none",
    exact=True,
)
def fmin(xp: Any, a: Any, b: Any) -> Any:
    """The smaller of two elements; where one is nan, the other."""
    return xp.fmin(a, b)


class Clamp(Op):
    """``x`` within bounds, of which either may be None."""

    broadcasts = True

    def forward(self, x: Any, low: Any, high: Any) -> Any:
        xp = array_module(x)
        if any(self.needs):
            # a bound that is nan lets nothing through, and the upper one wins where they cross
            above = None if low is None else x >= low
            below = None if high is None else x <= high
            self.inside = above if below is None else below if above is None else above & below
            if self.needs[1]:
                self.at_low = x < low if high is None else (x < low) & xp.less(low, high)
            if self.needs[2]:
                self.at_high = x > high if low is None else (x > high) | xp.less(high, low)
        dtype, y = x.dtype, x
        if type(low) in _PLAIN and type(high) in _PLAIN and dtype.kind == "f":
            return xp.clip(x, *(v if v is None else dtype.type(v) for v in (low, high)))  # one pass
        if low is not None:
            y = xp.maximum(y, low if hasattr(low, "dtype") else dtype.type(low))
        if high is not None:
            y = xp.minimum(y, high if hasattr(high, "dtype") else dtype.type(high))
        return y

    def backward(self, g: Any) -> Any:
        needs = self.needs
        return (
            where(self.inside, g, 0) if needs[0] else None,
            where(self.at_low, g, 0) if needs[1] else None,
            where(self.at_high, g, 0) if needs[2] else None,
        )


_PLAIN = frozenset({int, float, type(None)})  # bounds that leave a float tensor's dtype as it is


def clamp(input: Any, min: Any = None, max: Any = None, *, out: Any = None) -> Any:
    """Each element moved into ``[min, max]``; ``max`` where the bounds cross.

    Args:
        min, max: numbers, or tensors that broadcast, or None for no bound; one of them is needed.

    Example:
        >>> framework.tensor([-1.0, 0.5, 2.0]).clamp(0, 1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of 'min' or 'max' must not be None")
    return _clamp("clamp", input, min, max, out)


def _clamp(name: str, input: Any, low: Any, high: Any, out: Any) -> Any:
    if not isinstance(input, Tensor) and not hasattr(input, "dtype"):
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    x = input
    kind = (input.array if isinstance(input, Tensor) else input).dtype.kind
    if kind not in "fV" or type(low) not in _PLAIN or type(high) not in _PLAIN:
        dtype = result_type(input, *(v for v in (low, high) if v is not None))
        if dtype.is_complex or (dtype is dtypes.bool_ and (isinstance(low, bool) or isinstance(high, bool))):
            raise unsupported(name, input)
        x, low, high = (v if v is None else as_operand(v, dtype) for v in (input, low, high))
    try:
        y = apply(Clamp, x, low, high)
    except ValueError as error:
        raise broadcast_error(name, x, high if low is None else low, error) from None
    return y if out is None else into(out, y, name, input)


def clamp_min(input: Any, min: Any, *, out: Any = None) -> Any:
    """Each element, or ``min`` (a number or a tensor) where that is greater."""
    if min is None:
        raise TypeError("clamp_min(): argument 'min' must be Number or Tensor, not NoneType")
    return _clamp("clamp_min", input, min, None, out)


def clamp_max(input: Any, max: Any, *, out: Any = None) -> Any:
    """Each element, or ``max`` (a number or a tensor) where that is smaller."""
    if max is None:
        raise TypeError("clamp_max(): argument 'max' must be Number or Tensor, not NoneType")
    return _clamp("clamp_max", input, None, max, out)


class NanToNum(Op):
    """Numbers in place of nan and the infinities."""

    def forward(self, x: Any, nan: float, posinf: float, neginf: float) -> Any:
        xp = array_module(x)
        self.finite = xp.isfinite(x)
        y = xp.where(x != x, x.dtype.type(nan), x)
        infinite = ~self.finite & (x == x)
        y = xp.where(infinite, xp.where(x > 0, x.dtype.type(posinf), x.dtype.type(neginf)), y)
        return y.astype(x.dtype, copy=False)

    def backward(self, g: Any) -> Any:
        return where(self.finite, g, 0)


def nan_to_num(
    input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None, *, out: Any = None
) -> Any:
    """The tensor with numbers in place of nan, inf and -inf.

    Args:
        nan: in place of nan; 0 unless given.
        posinf: in place of inf; the dtype's greatest number unless given.
        neginf: in place of -inf; the dtype's least number unless given.
    """
    dtype = dtypes.of(input.array if isinstance(input, Tensor) else input)
    if dtype.is_complex:
        from framework.ops.complex import view_as_complex, view_as_real

        y = view_as_complex(nan_to_num(view_as_real(input), nan, posinf, neginf))
    elif not dtype.is_floating_point:
        from framework.ops.memory import clone

        y = clone(input)
    else:
        limits = dtypes.finfo(dtype)
        y = apply(
            NanToNum,
            input,
            nan=0.0 if nan is None else nan,
            posinf=limits.max if posinf is None else posinf,
            neginf=limits.min if neginf is None else neginf,
        )
    return y if out is None else into(out, y, "nan_to_num")


clip = clamp
