"""Tensors from values: Python numbers and nested lists, arrays, buffers, and whatever speaks DLPack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import ArgumentError, DtypeError
from framework.ops.casting import convert
from framework.tensor import Tensor, wrap

_NUMBERS = frozenset({bool, int, float, complex})
_LISTS = frozenset({list, tuple})


def leaf(array: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor over a fresh array, on the GPU that ``device=`` names."""
    if device is not None and not isinstance(array, np.ndarray):
        array = devices.move(array, devices.device(device))
    tensor = wrap(array)
    return tensor.requires_grad_() if requires_grad else tensor


def as_array(data: Any, dtype: Any, device: Any, copy: bool) -> Any:
    """An array of data given as nested lists, numbers, arrays or tensors, with PyTorch's default dtypes."""
    if isinstance(data, Tensor):
        array = data.array
    elif isinstance(data, np.ndarray | np.generic):
        array = native(np.asarray(data), "tensor")
    elif hasattr(data, "__cuda_array_interface__"):
        array = devices.module_of(devices.device("cuda")).asarray(data)  # over the same memory, whoever's it is
    elif hasattr(data, "__dlpack__"):
        array = np.from_dlpack(data)
    else:
        array, copy = from_python(data, None if dtype is None else dtypes.as_dtype(dtype)), False
    if dtype is not None and array.dtype != dtypes.as_dtype(dtype).numpy:
        array, copy = convert(array, dtypes.as_dtype(dtype).numpy), False
    if device is not None or (devices.default() is not devices.CPU and not isinstance(data, Tensor)):
        moved = devices.move(array, devices.default() if device is None else devices.device(device))
        array, copy = moved, copy and moved is array
    return array.copy(order="K") if copy else array


def native(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """A NumPy array that a tensor can hold: a known dtype, this machine's byte order, no negative strides.

    Raises:
        DtypeError: the elements are of a type that no tensor holds.
        ArgumentError: a stride is negative, or the bytes are in the other order.
    """
    dtypes.of(array)
    if any(s < 0 for s in array.strides):
        raise ArgumentError(
            f"{name}: at least one stride in the given numpy array is negative, and negative strides are not "
            "supported; pass array.copy()"
        )
    if not array.dtype.isnative:
        raise ArgumentError(f"{name}: given numpy array has byte order different from the native byte order")
    return array


def from_python(data: Any, dtype: dtypes.dtype | None) -> np.ndarray[Any, Any]:
    """An array of Python numbers, or of nested sequences of numbers, NumPy scalars and one-element tensors."""
    kinds: set[type] = set()
    _gather_types((data,), kinds)
    if kinds <= _NUMBERS:
        inferred = _inferred(kinds)
    else:
        found: list[dtypes.dtype] = []
        data = _plain(data, found)
        inferred = found[0] if found else dtypes.get_default_dtype()
        for other in found[1:]:
            inferred = dtypes.promote_types(inferred, other)
    raw = (np.bool_, np.int64, np.float64, np.complex128)[inferred.category]
    try:
        array = np.array(data, raw)
    except OverflowError:
        if dtype is None or (dtype is not dtypes.uint64 and dtype.category == dtypes.INTEGRAL):
            raise ArgumentError("tensor: overflow when unpacking long long: an integer exceeds 64 bits") from None
        array = np.array(data, np.uint64 if dtype is dtypes.uint64 else np.float64)
    except (TypeError, ValueError):
        _check_rectangle(data, _lengths(data), 0)
        raise
    return stored(array, inferred if dtype is None else dtype)


def _gather_types(data: Any, kinds: set[type]) -> None:
    here = set(map(type, data))
    kinds |= here - _LISTS
    if not here.isdisjoint(_LISTS):
        for item in data:
            if type(item) in _LISTS:
                _gather_types(item, kinds)


def _inferred(kinds: set[type]) -> dtypes.dtype:
    default = dtypes.get_default_dtype()
    if complex in kinds:
        return default.to_complex()
    if float in kinds or not kinds:
        return default
    return dtypes.int64 if int in kinds else dtypes.bool_


def _plain(data: Any, found: list[dtypes.dtype]) -> Any:
    """Nested lists of Python numbers; the dtypes met go to ``found``."""
    if type(data) in _NUMBERS:
        found.append(dtypes.of_scalar(data))
        return data
    if isinstance(data, np.generic):
        found.append(dtypes.of(data))
        return data.item() if data.dtype.kind != "V" else float(data)
    if isinstance(data, Tensor):
        if data.array.size != 1:
            raise ArgumentError("tensor: only one element tensors can be converted to Python scalars; use stack()")
        found.append(data.dtype)
        return data.item()
    if isinstance(data, np.ndarray):
        found.append(dtypes.of(data))
        return data.tolist()
    if isinstance(data, bool | int | float | complex):
        found.append(dtypes.of_scalar(data))
        return data
    if isinstance(data, str | bytes):
        raise TypeError(f"tensor: invalid data type '{type(data).__name__}'; expected numbers")
    if isinstance(data, Sequence) or (
        hasattr(data, "__len__") and hasattr(data, "__getitem__") and not hasattr(data, "keys")
    ):
        return [_plain(item, found) for item in data]
    if hasattr(data, "__array__"):
        return _plain(np.asarray(data), found)
    raise DtypeError(f"tensor: could not infer dtype of {type(data).__name__}")


def _lengths(data: Any) -> list[int]:
    lengths = []
    while isinstance(data, Sequence):
        lengths.append(len(data))
        if not data:
            break
        data = data[0]
    return lengths


def _check_rectangle(data: Any, lengths: list[int], level: int) -> None:
    if level == len(lengths):
        if isinstance(data, Sequence):
            raise ArgumentError(f"tensor: expected a number at dim {level}, got a sequence of length {len(data)}")
        return
    if not isinstance(data, Sequence):
        raise TypeError(
            f"tensor: expected a sequence of length {lengths[level]} at dim {level}, got a number: not a sequence"
        )
    if len(data) != lengths[level]:
        raise ArgumentError(
            f"tensor: expected sequence of length {lengths[level]} at dim {level} (got {len(data)}); the lists must "
            "form a rectangle"
        )
    for item in data:
        _check_rectangle(item, lengths, level + 1)


def stored(array: np.ndarray[Any, Any], dtype: dtypes.dtype) -> np.ndarray[Any, Any]:
    """Python numbers in the dtype wanted.

    Raises:
        ArgumentError: a number is outside an integer dtype's range.
        DtypeError: a complex number for a real dtype.
    """
    if array.dtype.kind == "c" and dtype is not dtypes.bool_ and not dtype.is_complex:
        raise DtypeError(f"tensor: must be real number, not complex, for {dtype}")
    if dtype.category == dtypes.INTEGRAL and array.dtype.kind in "if" and array.size and array.dtype != dtype.numpy:
        info = dtypes.iinfo(dtype)
        low, high = array.min(), array.max()
        if not (low >= min(info.min, -info.max) and high <= info.max):
            raise ArgumentError(f"tensor: value cannot be converted to type {dtype.name} without overflow")
    return array if array.dtype == dtype.numpy else array.astype(dtype.numpy)


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A new leaf tensor from numbers, nested lists, arrays or tensors. The data is copied.

    Args:
        dtype: inferred unless given: Python floats take the default dtype, ints int64; arrays keep theirs.
        device: the default device unless given.
        requires_grad: whether ops on it are recorded.
        pin_memory: accepted for PyTorch's signature.

    Example:
        >>> framework.tensor([[1.0, 2.0], [3.0, 4.0]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    return wrap(as_array(data, dtype, device, copy=True)).requires_grad_(requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of the data that shares memory with it where it can: tensors and NumPy arrays uncopied."""
    if isinstance(data, Tensor):
        return data if dtype is None and device is None else data.to(device=device, dtype=dtype)
    return wrap(as_array(data, dtype, device, copy=False))


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of the object, on its memory where possible: always with ``copy=False``, never with ``copy=True``."""
    if isinstance(obj, Tensor):
        out = obj if dtype is None and device is None else obj.to(device=device, dtype=dtype)
        if copy and out is obj:
            out = obj.clone()
        elif copy is False and out is not obj:
            raise ArgumentError("asarray: can't alias the tensor, since dtype or device differ; leave copy=False out")
        if not requires_grad and out.requires_grad:
            out = out.detach()
        return out.requires_grad_() if requires_grad and out.is_leaf else out
    shared = isinstance(obj, np.ndarray) or hasattr(obj, "__dlpack__") or hasattr(obj, "__cuda_array_interface__")
    if not shared and isinstance(obj, bytes | bytearray | memoryview):
        out = frombuffer(obj, dtype=dtypes.get_default_dtype() if dtype is None else dtype)
        return (out.clone() if copy else out).requires_grad_(requires_grad)
    array = as_array(obj, dtype, device, copy=bool(copy))
    if copy is False and (not shared or (isinstance(obj, np.ndarray) and not np.may_share_memory(array, obj))):
        raise ArgumentError(f"asarray: can't alias {type(obj).__name__} without copying; leave copy=False out")
    return leaf(array, None, requires_grad)


def from_numpy(ndarray: np.ndarray[Any, Any]) -> Tensor:
    """A tensor over a NumPy array's memory: writes to either show in both.

    Raises:
        TypeError: the argument is not a NumPy array, or its dtype is none of ours.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a numpy.ndarray, got {type(ndarray).__name__}; use tensor() for lists")
    return wrap(native(ndarray, "from_numpy"))


def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A 1-d tensor over the bytes of a buffer, from byte ``offset`` on; all that remain unless ``count`` is given."""
    kind = dtypes.as_dtype(dtype).numpy
    size = memoryview(buffer).nbytes
    if not size or count == 0:
        raise ArgumentError(f"frombuffer: both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ArgumentError(
            f"frombuffer: offset ({offset} bytes) must be non-negative and no greater than buffer length ({size})"
        )
    if count < 0 and (size - offset) % kind.itemsize:
        raise ArgumentError(
            f"frombuffer: buffer length ({size - offset} bytes after offset) must be a multiple of {kind.itemsize}"
        )
    if count > 0 and offset + count * kind.itemsize > size:
        raise ArgumentError(
            f"frombuffer: requested buffer length ({count} * {kind.itemsize} bytes) exceeds the {size} there are"
        )
    return leaf(np.frombuffer(buffer, kind, count, offset), None, requires_grad)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any object that speaks DLPack (NumPy, CuPy, PyTorch, JAX, ...)."""
    if isinstance(ext_tensor, Tensor):
        array = ext_tensor.array
    elif not hasattr(ext_tensor, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: expected an object with __dlpack__, got {type(ext_tensor).__name__}")
    elif int(ext_tensor.__dlpack_device__()[0]) == 2:
        array = devices.module_of(devices.device("cuda")).from_dlpack(ext_tensor)
    else:
        array = np.from_dlpack(ext_tensor)
    if device is not None:
        array = devices.move(array, devices.device(device))
    return wrap(array.copy() if copy else array)


def to_dlpack(tensor: Tensor) -> Any:
    """The tensor's memory as a DLPack capsule."""
    return tensor.__dlpack__()
