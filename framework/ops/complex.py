"""Complex tensors: their parts, their magnitude and angle, and their making.

A conjugate is computed when it is asked for, so ``is_conj`` is always false and ``resolve_conj`` gives its argument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view
from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.ops.arithmetic import conj
from framework.ops.casting import into
from framework.ops.pointwise import binary, nothing_like, unary
from framework.ops.selection import where
from framework.tensor import Tensor


class Real(Op):
    """The real parts, as a view."""

    def forward(self, x: Any) -> Any:
        return x.real

    def backward(self, g: Any) -> Any:
        return g


class Imag(Op):
    """The imaginary parts, as a view."""

    def forward(self, x: Any) -> Any:
        return x.imag

    def backward(self, g: Any) -> Any:
        return g * 1j


def _is_complex(x: Any) -> bool:
    return (x.array if isinstance(x, Tensor) else x).dtype.kind == "c"


def real(input: Any) -> Any:
    """The real part of each element, as a view; a real tensor itself."""
    return apply_view(Real, input) if _is_complex(input) else input


def imag(input: Any) -> Any:
    """The imaginary part of each element, as a view.

    Raises:
        DtypeError: the tensor is real.
    """
    if not _is_complex(input):
        raise DtypeError("imag: not implemented for tensors with non-complex dtypes")
    return apply_view(Imag, input)


def resolve_conj(input: Any) -> Any:
    """The tensor itself, whose conjugation is never pending."""
    return input


def resolve_neg(input: Any) -> Any:
    """The tensor itself, whose negation is never pending."""
    return input


def is_conj(input: Any) -> bool:
    """False: a conjugate is computed at once."""
    return False


def is_neg(input: Any) -> bool:
    """False: a negation is computed at once."""
    return False


def _angle_gradient(g: Any, x: Any) -> Any:
    if not _is_complex(x):
        return nothing_like(g)
    zero = x == 0
    return where(zero, 0, g * 1j / conj(where(zero, 1, x)))


@unary(gradient=_angle_gradient, result="real")
def angle(xp: Any, x: Any) -> Any:
    """The angle of each element in radians, in [-pi, pi]: for real ones 0, or pi if negative."""
    if x.dtype.kind == "c":
        return xp.angle(x)
    return xp.where(x < 0, x.dtype.type(xp.pi), xp.where(x != x, x, x.dtype.type(0)))


class ViewAsReal(Op):
    """Complex numbers as pairs, in the same memory."""

    def forward(self, x: Any) -> Any:
        return x[..., None].view(x.real.dtype)

    def backward(self, g: Any) -> Any:
        return view_as_complex(_paired(g))


class ViewAsComplex(Op):
    """Pairs as complex numbers, in the same memory."""

    def forward(self, x: Any) -> Any:
        return x.view("complex64" if x.itemsize == 4 else "complex128")[..., 0]

    def backward(self, g: Any) -> Any:
        return view_as_real(g)


def _paired(g: Any) -> Any:
    """A gradient whose last axis lies in memory pair by pair."""
    from framework.ops.memory import clone, contiguous_format

    array = g.array if isinstance(g, Tensor) else g
    return g if _is_paired(array) else clone(g, memory_format=contiguous_format)


def _is_paired(array: Any) -> bool:
    return array.strides[-1] == array.itemsize and all(s % (2 * array.itemsize) == 0 for s in array.strides[:-1])


def view_as_real(input: Any) -> Any:
    """A real view of shape ``(*, 2)`` on a complex tensor: real and imaginary parts."""
    if not _is_complex(input):
        raise DtypeError(f"view_as_real: only complex tensors have a real view, got {input.dtype}")
    return apply_view(ViewAsReal, input)


def view_as_complex(input: Any) -> Any:
    """A complex view of shape ``(*)`` on a float32 or float64 tensor of shape ``(*, 2)``.

    Raises:
        ShapeError: the last dim has not 2 elements, or they do not lie beside each other in memory.
    """
    if region() is not None:
        return recast(view_as_complex, locals())
    array = input.array if isinstance(input, Tensor) else input
    if array.dtype not in (dtypes.float32.numpy, dtypes.float64.numpy):
        raise DtypeError(f"view_as_complex: only float32 and float64 tensors have a complex view, got {input.dtype}")
    if not array.ndim or array.shape[-1] != 2:
        raise ShapeError(f"view_as_complex: tensor must have a last dimension of size 2, got {tuple(array.shape)}")
    if array.size and not _is_paired(array):
        raise ShapeError(
            "view_as_complex: tensor must have a last dimension with stride 1, and even strides elsewhere; call "
            "contiguous() first"
        )
    return apply_view(ViewAsComplex, input)


@binary(
    gradient=(lambda g: real(g), lambda g: imag(g)), integers="refuse", complex=False, numbers="none", result="complex"
)
def _complex(xp: Any, a: Any, b: Any) -> Any:
    y = xp.empty(np.broadcast_shapes(a.shape, b.shape), xp.result_type(a.dtype, xp.complex64))
    y.real, y.imag = a, b  # not a + 1j * b, which is nan at infinity
    return y


def complex(real: Any, imag: Any, *, out: Any = None) -> Any:
    """Complex numbers from their real and imaginary parts, two float tensors of one dtype.

    Example:
        >>> framework.complex(framework.tensor([1.0]), framework.tensor([2.0]))
        tensor([1.+2.j])
    """
    _check_floats("complex", real, imag, out)
    return _complex(real, imag, out=out)


class Polar(Op):
    """``abs * (cos(angle) + i sin(angle))``."""

    broadcasts = True

    def forward(self, size: Any, angle: Any) -> Any:
        xp = array_module(size)
        y = _complex(size * xp.cos(angle), size * xp.sin(angle))
        self.save(None, angle, y)
        return y

    def backward(self, g: Any) -> Any:
        from framework.ops.trigonometric import cos, sin

        _, angle, y = self.saved
        by_size = real(g) * cos(angle) + imag(g) * sin(angle) if self.needs[0] else None
        return by_size, real(g * conj(y * 1j)) if self.needs[1] else None


def polar(abs: Any, angle: Any, *, out: Any = None) -> Any:
    """Complex numbers from their magnitudes and angles (radians), two float tensors of one dtype."""
    if region() is not None:
        return recast(polar, locals())
    _check_floats("polar", abs, angle, out)
    y = apply(Polar, abs, angle)
    return y if out is None else into(out, y, "polar")


def _check_floats(name: str, a: Any, b: Any, out: Any) -> None:
    for x in (a, b):
        if not hasattr(x, "dtype"):
            raise TypeError(f"{name}(): both arguments must be Tensor, not {type(x).__name__}")
    kinds = [dtypes.of(x.array if isinstance(x, Tensor) else x) for x in (a, b)]
    allowed = (dtypes.float16, dtypes.float32, dtypes.float64)
    if any(kind not in allowed for kind in kinds):
        raise DtypeError(
            f"{name}: expected both inputs to be half, float or double tensors, got {kinds[0]} and {kinds[1]}"
        )
    if kinds[0] is not kinds[1]:
        raise DtypeError(
            f"{name}: expected two tensors of one dtype, got {kinds[0]} and {kinds[1]}; convert one of them"
        )
    if out is not None and out.dtype is not kinds[0].to_complex():
        raise DtypeError(f"{name}: expected an out= of dtype {kinds[0].to_complex()}, got {out.dtype}")
