"""Element types and PyTorch's promotion rules.

A ``dtype`` wraps one NumPy dtype. The wrapper exists because NumPy's own rules are not PyTorch's: an integer and a
float32 meet in float32 here, and ``ml_dtypes.bfloat16`` reports itself as ``kind == "V"`` to NumPy.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy

from framework.errors import DtypeError

BOOL, INTEGRAL, FLOATING, COMPLEX = range(4)  # the categories, each promoting to the ones after it


class dtype:
    """An element type, such as ``framework.float32``. Instances are singletons: compare with ``is`` or ``==``."""

    __slots__ = ("category", "is_complex", "is_floating_point", "is_signed", "itemsize", "name", "numpy")

    def __init__(self, name: str, array_type: Any, category: int) -> None:
        self.name = name
        self.numpy = numpy.dtype(array_type)
        self.category = category
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = category == FLOATING
        self.is_complex = category == COMPLEX
        self.is_signed = category >= FLOATING or self.numpy.kind == "i"

    def __repr__(self) -> str:
        return f"framework.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    def to_real(self) -> dtype:
        """The real type of the same precision: complex64 gives float32."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex type that holds this one: float32 gives complex64."""
        return complex128 if self.name in ("float64", "complex128") else complex64


bool_ = dtype("bool", numpy.bool_, BOOL)
uint8 = dtype("uint8", numpy.uint8, INTEGRAL)
int8 = dtype("int8", numpy.int8, INTEGRAL)
int16 = dtype("int16", numpy.int16, INTEGRAL)
int32 = dtype("int32", numpy.int32, INTEGRAL)
int64 = dtype("int64", numpy.int64, INTEGRAL)
uint16 = dtype("uint16", numpy.uint16, INTEGRAL)
uint32 = dtype("uint32", numpy.uint32, INTEGRAL)
uint64 = dtype("uint64", numpy.uint64, INTEGRAL)
float16 = dtype("float16", numpy.float16, FLOATING)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOATING)
float32 = dtype("float32", numpy.float32, FLOATING)
float64 = dtype("float64", numpy.float64, FLOATING)
complex64 = dtype("complex64", numpy.complex64, COMPLEX)
complex128 = dtype("complex128", numpy.complex128, COMPLEX)

ALL = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
OF_NUMPY: dict[numpy.dtype[Any], dtype] = {d.numpy: d for d in ALL}
HALF = (float16.numpy, bfloat16.numpy)  # computed in float32, stored in 16 bits

_default = float32


def of(array: Any) -> dtype:
    """The framework's dtype of an array.

    Raises:
        DtypeError: the array holds something no tensor can hold (strings, objects, dates).
    """
    found = OF_NUMPY.get(array.dtype) or OF_NUMPY.get(array.dtype.newbyteorder("="))
    if found is None:
        raise DtypeError(
            f"tensor: can't hold NumPy elements of type {array.dtype}; supported are {', '.join(d.name for d in ALL)}"
        )
    return found


def as_dtype(value: Any) -> dtype:
    """A dtype from a dtype, a NumPy dtype or scalar type, or a Python type (``float`` is the default dtype)."""
    if isinstance(value, dtype):
        return value
    if value is bool:
        return bool_
    if value is int:
        return int64
    if value is float:
        return float64
    if value is complex:
        return complex128
    try:
        return OF_NUMPY[numpy.dtype(value)]
    except (TypeError, KeyError):
        raise DtypeError(f"dtype: expected a framework dtype such as framework.float32, got {value!r}") from None


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats; float32 unless ``set_default_dtype`` said otherwise."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of tensors made from Python floats.

    Raises:
        DtypeError: ``d`` is not a floating-point dtype.
    """
    global _default
    d = as_dtype(d)
    if not d.is_floating_point:
        raise DtypeError(f"set_default_dtype: expected a floating-point dtype, got {d}")
    _default = d


@cache
def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest dtype that both promote to, by PyTorch's table.

    Example:
        >>> promote_types(framework.int32, framework.float32)
        framework.float32
    """
    a, b = sorted((as_dtype(type1), as_dtype(type2)), key=lambda d: d.category)
    if a is b:
        return a
    if a.category != b.category:
        return complex128 if b.is_complex and a is float64 else b  # complex64 can't hold a float64
    if {a, b} == {float16, bfloat16}:
        return float32
    if a.category == FLOATING:
        return a if a.itemsize > b.itemsize else b
    return OF_NUMPY[numpy.promote_types(a.numpy, b.numpy)]


def of_scalar(value: bool | int | float | complex) -> dtype:
    """The dtype a bare Python number stands for."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    return _default if isinstance(value, float) else _default.to_complex()


def combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    """Join two priority classes of operands: ``lower`` changes the outcome only if its category is greater."""
    if higher is None or lower is None:
        return higher or lower
    if higher.category >= lower.category and higher is not bool_:
        return higher
    if higher.category == FLOATING:
        return higher.to_complex()
    return promote_types(higher, lower)


@cache
def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether PyTorch casts implicitly: never from a category to an earlier one, such as float to int."""
    return from_.category <= to.category and not (from_.category == INTEGRAL and to.category == BOOL)


class finfo:
    """Limits of a floating-point dtype: ``bits eps max min tiny smallest_normal resolution dtype``."""

    def __init__(self, type: dtype | None = None) -> None:
        d = as_dtype(_default if type is None else type).to_real()
        if not d.is_floating_point:
            raise DtypeError(f"finfo: expected a floating-point dtype, got {d}; use iinfo for integers")
        info = ml_dtypes.finfo(d.numpy)
        self.bits = d.itemsize * 8
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)
        self.dtype = d.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: ``bits max min dtype``."""

    def __init__(self, type: dtype) -> None:
        d = as_dtype(type)
        if d.category != INTEGRAL:
            raise DtypeError(f"iinfo: expected an integer dtype, got {d}; use finfo for floating point")
        info = numpy.iinfo(d.numpy)
        self.bits, self.max, self.min, self.dtype = d.itemsize * 8, int(info.max), int(info.min), d.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
