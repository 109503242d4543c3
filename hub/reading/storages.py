"""Tensors as PyTorch pickles them: views of storages, built by a handful of functions.

Storages lie beside the pickle, so a tensor is made when the whole file is known. Tensors over one storage share their
memory here too.

Reference: the functions, https://github.com/pytorch/pytorch/blob/main/torch/_utils.py. Quantised, sparse, nested and meta
tensors and 8-bit floating types are refused.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import DeviceError
from framework.nn.parameter import Parameter
from framework.size import Size
from framework.tensor import Tensor, wrap
from hub.reading.files import elements
from hub.reading.machine import Inert, Machine, Refusal, shown
from hub.reading.standins import PLAIN_NAMES, Array, Function, Pending, Type, check_lengths

_LARGEST = 2**62
_LARGEST_REPEATED = 1 << 30  # bytes that a view which repeats elements may stand for, if its storage has fewer

_STORAGES = {
    "DoubleStorage": dtypes.float64, "FloatStorage": dtypes.float32, "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16, "LongStorage": dtypes.int64, "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16, "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8, "BoolStorage": dtypes.bool_,
    "ComplexFloatStorage": dtypes.complex64, "ComplexDoubleStorage": dtypes.complex128,
}  # fmt: skip
_UNTYPED = ("UntypedStorage", "_UntypedStorage")


class StorageType(Type):
    """Stands in for a class of storages: a dtype, or bytes."""

    __slots__ = ("kind",)

    def __init__(self, name: str, kind: dtypes.dtype) -> None:
        super().__init__(name)
        self.kind = kind


class Storage(Inert):
    """A storage, whose bytes may come later.

    Args:
        kind: the dtype of its elements.
        count: how many it has.
        device: where its tensors go.
        root: the storage that this one is a part of, and at which element it starts there.

    Attributes:
        data: its bytes, as uint8.
        swapped: whether the bytes of each number are in the other order than this machine's.
    """

    __slots__ = ("_device", "_flat", "_root", "count", "data", "kind", "swapped")

    def __init__(
        self, kind: dtypes.dtype, count: int, device: devices.device, root: tuple[Storage, int] | None = None
    ) -> None:
        if type(count) is not int or not 0 <= count < _LARGEST:
            raise Refusal(f"a storage of {shown(count)} elements")
        if root is not None and not (type(root[1]) is int and 0 <= root[1] <= root[0].count - count):
            raise Refusal("a part of a storage that lies outside it")
        self.kind = kind
        self.count: int = count
        self.data: np.ndarray[Any, Any] | None = None
        self.swapped = False
        self._device = device
        self._root = root
        self._flat: dict[dtypes.dtype, Any] = {}

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.count * self.kind.itemsize

    def flat(self, kind: dtypes.dtype) -> Any:
        """All elements in one dim, on the device."""
        if kind not in self._flat:
            if self._root is not None:
                storage, start = self._root
                found = storage.flat(self.kind)[start : start + self.count].view(kind.numpy)
            elif self.data is None:
                raise Refusal("a storage that the file has no bytes of")
            else:
                found = devices.move(elements(self.data, kind.numpy, self.swapped), self._device)
            self._flat[kind] = found
        return self._flat[kind]


class View(Pending):
    """A tensor, as a view of a storage."""

    __slots__ = ("_grad", "_kind", "_notes", "_shape", "_start", "_steps", "_storage", "_tensor")

    def __init__(
        self, storage: Any, start: Any, shape: Any, steps: Any, grad: Any = False, kind: Any = None, notes: Any = None
    ) -> None:
        if not isinstance(storage, Storage):
            raise Refusal(f"a tensor over {shown(storage)}")
        self._kind: dtypes.dtype = storage.kind if kind is None else kind
        if not isinstance(self._kind, dtypes.dtype):
            raise Refusal(f"a tensor of dtype {shown(kind)}")
        shape, steps = (tuple(v) if isinstance(v, Size) else v for v in (shape, steps))
        check_lengths("a tensor", shape)
        check_lengths("a tensor with steps", steps)
        count = storage.size // self._kind.itemsize
        last = (
            start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) if math.prod(shape) else start - 1
        )
        if type(start) is not int or start < 0 or last >= count:
            raise Refusal(
                f"a tensor of shape {shape} and steps {steps} at {shown(start)} in a storage of {count} elements"
            )
        if math.prod(shape) > count and math.prod(shape) * self._kind.itemsize > _LARGEST_REPEATED:
            raise Refusal(f"a tensor of shape {shape} over a storage of {count} elements")
        if notes and (not isinstance(notes, dict) or not set(notes) <= {"conj", "neg"}):
            raise Refusal(f"a tensor with {shown(notes)}")
        self._storage, self._start, self._shape, self._steps = storage, start, shape, steps
        self._grad = bool(grad)
        self._notes = notes or {}
        self._tensor: Tensor | None = None

    def value(self) -> Tensor:
        if self._tensor is None:
            self._tensor = wrap(self._array())
            if self._grad:
                self._tensor.requires_grad_()
        return self._tensor

    def _array(self) -> Any:
        flat = self._storage.flat(self._kind)
        count = math.prod(self._shape)
        if count == 0:
            return flat[:0].reshape(self._shape)
        if self._steps == _row_major(self._shape):
            array = flat[self._start : self._start + count].reshape(self._shape)
        else:
            xp = devices.array_module(flat)
            steps = tuple(step * self._kind.itemsize for step in self._steps)
            array = xp.lib.stride_tricks.as_strided(flat[self._start :], self._shape, steps)
        if self._notes.get("conj"):
            array = array.conj()
        return -array if self._notes.get("neg") else array


class OfArray(Pending):
    """A tensor that was pickled as an array of NumPy."""

    __slots__ = ("_array", "_device", "_grad", "_kind", "_tensor")

    def __init__(self, device: devices.device, array: Any, kind: Any, grad: Any) -> None:
        if not isinstance(array, Array) or not isinstance(kind, dtypes.dtype):
            raise Refusal(f"a tensor of {shown(array)}")
        self._array, self._kind, self._device, self._grad = array, kind, device, bool(grad)
        self._tensor: Tensor | None = None

    def value(self) -> Tensor:
        if self._tensor is None:
            self._tensor = wrap(devices.move(self._array.value().astype(self._kind.numpy), self._device))
            if self._grad:
                self._tensor.requires_grad_()
        return self._tensor


class OfParameter(Pending):
    """A parameter over a tensor."""

    __slots__ = ("_grad", "_of", "_parameter")

    def __init__(self, of: Any, grad: Any) -> None:
        if not isinstance(of, View | OfArray):
            raise Refusal(f"a parameter of {shown(of)}")
        self._of, self._grad = of, bool(grad)
        self._parameter: Parameter | None = None

    def value(self) -> Parameter:
        if self._parameter is None:
            self._parameter = Parameter(self._of.value(), self._grad)
        return self._parameter


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps = [1]
    for length in shape[:0:-1]:
        steps.append(steps[-1] * length)
    return tuple(reversed(steps[: len(shape)]))


# The functions that PyTorch builds tensors with. Hooks and attributes of tensors are plain data here, and left out.


def _rebuild_tensor(machine: Machine, storage: Any, start: Any, shape: Any, steps: Any) -> View:
    return View(storage, start, shape, steps)


def _rebuild_v2(
    machine: Machine, storage: Any, start: Any, shape: Any, steps: Any, grad: Any, hooks: Any, notes: Any = None
) -> View:
    return View(storage, start, shape, steps, grad, None, notes)


def _rebuild_v3(
    machine: Machine,
    storage: Any,
    start: Any,
    shape: Any,
    steps: Any,
    grad: Any,
    hooks: Any,
    kind: Any,
    notes: Any = None,
) -> View:
    return View(storage, start, shape, steps, grad, kind, notes)


def _rebuild_parameter(machine: Machine, data: Any, grad: Any, hooks: Any, attributes: Any = None) -> OfParameter:
    return OfParameter(data, grad)


def _rebuild_subclass(machine: Machine, function: Any, kind: Any, arguments: Any, attributes: Any) -> Any:
    if not isinstance(function, Function) or not isinstance(kind, Type) or type(arguments) is not tuple:
        raise Refusal(f"a tensor of the type {shown(kind)}")
    return function.call(machine, *arguments)


def _size(machine: Machine, lengths: Any = ()) -> Size:
    check_lengths("a size", lengths)
    machine.spend(len(lengths))
    return Size(lengths)


def _device(machine: Machine, kind: Any, index: Any = None) -> Any:
    """A device that the framework knows as itself, any other as its name."""
    if not isinstance(kind, str | bytes) or not (index is None or type(index) is int):
        raise Refusal(f"a device {shown(kind)}")
    name = kind.decode("ascii") if isinstance(kind, bytes) else kind
    full = name if index is None else f"{name}:{index}"
    try:
        return devices.device(full)
    except DeviceError:
        return full


def names(device: devices.device) -> dict[tuple[str, str], Any]:
    """What a pickle of PyTorch may name: plain data, storages, dtypes and the functions that build tensors.

    Args:
        device: where the tensors go.
    """
    found = {
        **PLAIN_NAMES,
        ("torch._utils", "_rebuild_device_tensor_from_numpy"): Function(
            "function", lambda machine, array, kind, _, grad: OfArray(device, array, kind, grad)
        ),
    }
    return found | _NAMES


def _names() -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {
        ("torch._utils", name): Function(f"function {name}", body)
        for name, body in (
            ("_rebuild_tensor", _rebuild_tensor),
            ("_rebuild_tensor_v2", _rebuild_v2),
            ("_rebuild_tensor_v3", _rebuild_v3),
            ("_rebuild_parameter", _rebuild_parameter),
            ("_rebuild_parameter_with_state", _rebuild_parameter),
        )
    }
    for module in ("torch._tensor", "torch.tensor"):
        found[module, "_rebuild_from_type_v2"] = Function("function", _rebuild_subclass)
    found["torch", "Tensor"] = Type("torch.Tensor")
    found["torch.nn.parameter", "Parameter"] = Type("torch.nn.Parameter")
    found["torch", "Size"] = Function("class torch.Size", _size)
    found["torch", "device"] = Function("class torch.device", _device)
    found.update({("torch", kind.name): kind for kind in dtypes.ALL})
    for module in ("torch", "torch.cuda"):
        for name, kind in _STORAGES.items():
            found[module, name] = StorageType(f"{module}.{name}", kind)
            tensors = name.replace("Storage", "Tensor")  # the types of tensors before 0.4
            found[module, tensors] = Type(f"{module}.{tensors}")
    for module in ("torch", "torch.storage", "torch.cuda"):
        found.update({(module, name): StorageType(f"{module}.{name}", dtypes.uint8) for name in _UNTYPED})
    return found


_NAMES = _names()
