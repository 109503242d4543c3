"""PyTorch's old tensor types: ``FloatTensor([1, 2])`` makes a float32 tensor, ``isinstance`` asks for one."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.errors import DtypeError
from framework.ops.creation import empty
from framework.ops.dims import shape_of
from framework.ops.values import as_array
from framework.tensor import Size, Tensor, wrap


def construct(name: str, data: tuple[Any, ...], dtype: dtypes.dtype, device: Any = None) -> Any:
    """The array that a tensor type called with ``data`` holds: a shape, a sequence of values, or a tensor.

    Raises:
        TypeError: the only argument is a number that is no length.
        DtypeError: a tensor of another dtype was given.
    """
    if not data:
        return empty(0, dtype=dtype, device=device).array
    first = data[0]
    if len(data) == 1 and isinstance(first, Tensor):
        if first.dtype is not dtype and name != "Tensor":
            raise DtypeError(f"{name}(): expected a tensor of {dtype}, got {first.dtype}; convert with .to({dtype})")
        return first.array
    if len(data) == 1 and not isinstance(first, Size) and (hasattr(first, "__len__") or isinstance(first, np.ndarray)):
        if isinstance(first, str):
            raise TypeError(f"{name}(): invalid data type 'str'; expected numbers")
        array = as_array(first, None, device, copy=True)
        return array if array.dtype == dtype.numpy else as_array(wrap(array), dtype, device, copy=False)
    if not isinstance(first, Size) and not all(hasattr(n, "__index__") for n in data):
        raise TypeError(f"{name}(): data must be a sequence (got {type(first).__name__})")
    return empty(shape_of((first,) if isinstance(first, Size) else data), dtype=dtype, device=device).array


class _OldType(type):
    """The type of the old tensor types: calling one makes a Tensor."""

    dtype: dtypes.dtype

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        return wrap(construct(cls.__name__, data, cls.dtype, device))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype and instance.is_cpu


class FloatTensor(metaclass=_OldType):
    """float32 tensors on the CPU."""

    dtype = dtypes.float32


class DoubleTensor(metaclass=_OldType):
    """float64 tensors on the CPU."""

    dtype = dtypes.float64


class HalfTensor(metaclass=_OldType):
    """float16 tensors on the CPU."""

    dtype = dtypes.float16


class BFloat16Tensor(metaclass=_OldType):
    """bfloat16 tensors on the CPU."""

    dtype = dtypes.bfloat16


class LongTensor(metaclass=_OldType):
    """int64 tensors on the CPU."""

    dtype = dtypes.int64


class IntTensor(metaclass=_OldType):
    """int32 tensors on the CPU."""

    dtype = dtypes.int32


class ShortTensor(metaclass=_OldType):
    """int16 tensors on the CPU."""

    dtype = dtypes.int16


class CharTensor(metaclass=_OldType):
    """int8 tensors on the CPU."""

    dtype = dtypes.int8


class ByteTensor(metaclass=_OldType):
    """uint8 tensors on the CPU."""

    dtype = dtypes.uint8


class BoolTensor(metaclass=_OldType):
    """bool tensors on the CPU."""

    dtype = dtypes.bool_


def typename(obj: Any, /) -> str:
    """The name of an object's type, with its module: "torch.FloatTensor" for a float32 tensor, as PyTorch has it."""
    if isinstance(obj, Tensor):
        return str(obj.type())
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", "") or ""
    return named.__qualname__ if module in ("", "builtins") else f"{module}.{named.__qualname__}"


def set_default_tensor_type(t: Any, /) -> None:
    """Set the default dtype by an old tensor type, such as ``framework.DoubleTensor`` or its name in PyTorch.

    Raises:
        TypeError: there is no such type, or it is not one of floating-point numbers.
    """
    name = t.rpartition(".")[2] if isinstance(t, str) else ""
    found = globals().get(name) if name else t
    if not isinstance(found, _OldType) or not found.dtype.is_floating_point:
        raise TypeError(f"set_default_tensor_type: expected a floating-point tensor type, got {t!r}")
    dtypes.set_default_dtype(found.dtype)
