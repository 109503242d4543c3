"""Rounding, rounded quotients and remainders."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.ops.casting import into
from framework.ops.pointwise import binary, common_kind, nothing_like, unary, widen
from framework.tensor import Tensor


def _as_is(x: Any) -> Any:
    """A copy of what is whole already."""
    return x.copy()


@unary(gradient=nothing_like, integers="keep", bools=False, complex=False, exact=True)
def floor(xp: Any, x: Any) -> Any:
    """The greatest whole number not above each element."""
    return _as_is(x) if x.dtype.kind in "iu" else xp.floor(x)


@unary(gradient=nothing_like, integers="keep", bools=False, complex=False, exact=True)
def ceil(xp: Any, x: Any) -> Any:
    """The least whole number not below each element."""
    return _as_is(x) if x.dtype.kind in "iu" else xp.ceil(x)


@unary(gradient=nothing_like, integers="keep", bools=False, complex=False, exact=True)
def trunc(xp: Any, x: Any) -> Any:
    """Each element without its fraction: rounded towards zero."""
    return _as_is(x) if x.dtype.kind in "iu" else xp.trunc(x)


@unary(gradient=lambda g: g, integers="refuse", complex=False, exact=True)
def frac(xp: Any, x: Any) -> Any:
    """The fraction of each element, with its sign."""
    return x - xp.trunc(x)


@unary(gradient=nothing_like, integers="keep", bools=False, complex=False, exact=True)
def _round(xp: Any, x: Any) -> Any:
    return _as_is(x) if x.dtype.kind in "iu" else xp.rint(x)


class RoundDecimals(Op):
    """Rounded to a number of decimal places."""

    def forward(self, x: Any, decimals: int) -> Any:
        rint, wide, scale = array_module(x).rint, widen(x), 10.0 ** abs(decimals)
        y = rint(wide * scale) / scale if decimals > 0 else rint(wide / scale) * scale
        return y.astype(x.dtype)

    def backward(self, g: Any) -> Any:
        return nothing_like(g)


def round(input: Any, *, decimals: int = 0, out: Any = None) -> Any:
    """Each element rounded to the nearest number with so many decimals; halves go to the even one.

    Args:
        decimals: decimal places to keep; negative rounds to tens, hundreds and so on. 0 for integer tensors.
    """
    if not decimals:
        return _round(input, out=out)
    if isinstance(input, Tensor) and not input.dtype.is_floating_point:
        raise DtypeError(f"round: decimals={decimals} is not implemented for {input.dtype} tensors")
    y = apply(RoundDecimals, input, decimals=decimals)
    return y if out is None else into(out, y, "round")


def _check_divisor(xp: Any, a: Any, b: Any) -> None:
    """Refuse to divide integers by zero, as PyTorch does on the CPU; a GPU can't look without waiting."""
    if common_kind(a, b).kind in "iu" and xp is np and not np.all(b):
        raise ArgumentError("ZeroDivisionError: an integer is divided by zero; check the divisor, or use floats")


def _floor_divide(xp: Any, a: Any, b: Any) -> Any:
    _check_divisor(xp, a, b)
    return xp.floor_divide(a, b)


@binary(bools=False, complex=False)
def floor_divide(xp: Any, a: Any, b: Any) -> Any:
    """``input / other`` rounded down, elementwise. It has no gradient; ``div(rounding_mode="floor")`` has zeros."""
    return _floor_divide(xp, a, b)


@binary(gradient=(nothing_like, nothing_like), bools=False, complex=False)
def floor_quotient(xp: Any, a: Any, b: Any) -> Any:
    """``input / other`` rounded down, with a gradient of zero."""
    return _floor_divide(xp, a, b)


@binary(gradient=(nothing_like, nothing_like), bools=False, complex=False, exact=True)
def trunc_quotient(xp: Any, a: Any, b: Any) -> Any:
    """``input / other`` rounded towards zero, with a gradient of zero.

    In half precision the quotient is rounded to the dtype before it is cut off, as PyTorch does.
    """
    if common_kind(a, b).kind in "iu":
        _check_divisor(xp, a, b)
        down, rest = xp.divmod(a, b)
        return down + ((rest != 0) & ((rest < 0) != (xp.asarray(a) < 0)))
    return xp.trunc(xp.true_divide(a, b))


@binary(gradient=(lambda g: g, lambda g, a, b: -g * trunc_quotient(a, b)), bools=False, complex=False, numbers="other")
def fmod(xp: Any, a: Any, b: Any) -> Any:
    """The remainder of ``input / other`` with the sign of ``input``."""
    _check_divisor(xp, a, b)
    return xp.fmod(a, b)


@binary(gradient=(lambda g: g, lambda g, a, b: -g * floor_quotient(a, b)), bools=False, complex=False)
def remainder(xp: Any, a: Any, b: Any) -> Any:
    """The remainder of ``input / other`` with the sign of ``other``, as Python's ``%``."""
    _check_divisor(xp, a, b)
    return xp.remainder(a, b)


def divmod(input: Any, other: Any) -> tuple[Any, Any]:
    """``(input // other, input % other)``."""
    return floor_divide(input, other), remainder(input, other)


fix = trunc
