"""Changes of dtype and device, and the common dtype of operands."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.autograd.mode import is_grad_enabled
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, GraphError
from framework.kernels.registry import LARGE, choose
from framework.tensor import Tensor

NUMBERS = (bool, int, float, complex)
_REAL = frozenset({int, float})
OF_NUMBERS = frozenset({"add", "sub", "mul", "div", "trunc_quotient", "floor_quotient", "floor_divide"})
"""Ops that take two Python numbers too, and give a 0-d tensor."""


class Cast(Op):
    """Elements converted to another dtype."""

    name = "ToCopy"

    def forward(self, x: Any, dtype: Any) -> Any:
        self.dtype_in = x.dtype
        return convert(x, dtype)

    def backward(self, g: Any) -> Any:
        return cast(g, dtypes.OF_NUMPY[self.dtype_in])


class ToDevice(Op):
    """Elements copied to another device."""

    name = "ToCopy"

    def forward(self, x: Any, where: devices.device, non_blocking: bool = False) -> Any:
        self.source = devices.of(x)
        return devices.move(x, where, non_blocking)

    def backward(self, g: Any) -> Any:
        return apply(ToDevice, g, where=self.source)


def convert(array: Any, dtype: np.dtype[Any]) -> Any:
    """An array's elements in another dtype: complex to real drops the imaginary part, as PyTorch does."""
    if array.dtype.kind == "c" and dtype.kind != "c":
        array = array.real if dtype.kind != "b" else array != 0
    if array.size >= LARGE and dtype.itemsize + array.itemsize < 8 and type(array) is np.ndarray:
        return choose("conversion", array, dtype).cast(array, dtype)
    return array.astype(dtype)


def cast(input: Any, dtype: dtypes.dtype) -> Any:
    """The tensor in another dtype; the tensor itself if it has that dtype already."""
    kind = dtype.numpy
    return (
        input if (input.array if isinstance(input, Tensor) else input).dtype == kind else apply(Cast, input, dtype=kind)
    )


def cast_gradient(g: Any, dtype: np.dtype[Any]) -> Any:
    """A gradient in its input's dtype, the real part of it for a real input."""
    return cast(g, dtypes.OF_NUMPY[dtype])


def result_type(*operands: Any, **named: Any) -> dtypes.dtype:
    """The dtype of an op on these tensors and Python numbers: tensors with dimensions count most, then 0-d ones.

    Example:
        >>> result_type(framework.ones(2, dtype=framework.int32), 1.5)
        framework.float32
    """
    dimensioned: dtypes.dtype | None = None
    scalars: dtypes.dtype | None = None
    numbers: dtypes.dtype | None = None
    for x in (*operands, *named.values()) if named else operands:
        if isinstance(x, NUMBERS):
            found = dtypes.of_scalar(x)
            numbers = found if numbers is None else dtypes.promote_types(numbers, found)
            continue
        array = x.array if isinstance(x, Tensor) else x
        if not hasattr(array, "dtype"):
            raise TypeError(f"result_type(): expected tensors and numbers, got {type(x).__name__}")
        found = dtypes.of(array)
        if array.ndim:
            dimensioned = found if dimensioned is None else dtypes.promote_types(dimensioned, found)
        else:
            scalars = found if scalars is None else dtypes.promote_types(scalars, found)
    result = dtypes.combine(dimensioned, dtypes.combine(scalars, numbers))
    if result is None:
        raise DtypeError("result_type: expected at least one tensor or number")
    return result


def promote(input: Any, other: Any, name: str = "promote") -> tuple[Any, Any]:
    """Both operands in their common dtype. Python numbers stay numbers where NumPy treats them as PyTorch does.

    Raises:
        TypeError: an operand is neither a tensor nor a number.
    """
    if isinstance(input, Tensor):
        if isinstance(other, Tensor):
            if input.array.dtype is other.array.dtype:
                return input, other
        elif type(other) in _REAL and input.array.dtype.kind in "fV":
            return input, other
    elif isinstance(other, Tensor):
        if type(input) in _REAL and other.array.dtype.kind in "fV":
            return input, other
    elif hasattr(input, "dtype") or hasattr(other, "dtype"):
        return input, other  # raw arrays, inside a gradient rule
    elif name in OF_NUMBERS and isinstance(input, NUMBERS) and isinstance(other, NUMBERS):
        from framework.ops.values import tensor

        input = tensor(input, dtype=result_type(input, other))
    else:
        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
    input, other = _operand(input, "input", name), _operand(other, "other", name)
    dtype = result_type(input, other)
    return as_operand(input, dtype), as_operand(other, dtype)


def _operand(x: Any, argument: str, name: str) -> Any:
    if isinstance(x, np.generic):
        return x.item() if x.dtype.kind != "V" else float(x)  # a NumPy number counts as a Python number
    if isinstance(x, Tensor | bool | int | float | complex) or hasattr(x, "dtype"):
        return x
    raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(x).__name__}")


def as_operand(x: Any, dtype: dtypes.dtype) -> Any:
    """One operand in the common dtype. An integer is wrapped into range, as PyTorch does and NumPy refuses."""
    if isinstance(x, NUMBERS):
        if dtype.is_floating_point or dtype.is_complex:
            return x
        return np.asarray(x).astype(dtype.numpy)[()]  # a NumPy number, which CuPy takes beside its arrays
    return cast(x, dtype)


def can_cast(from_: dtypes.dtype, to: dtypes.dtype) -> bool:
    """Whether ``from_`` converts to ``to`` under the promotion rules: float to int does not."""
    return dtypes.can_cast(dtypes.as_dtype(from_), dtypes.as_dtype(to))


def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype, device or memory format: ``to(dtype)``, ``to(device, dtype)``, ``to(other)``.

    Args:
        dtype: the element type to convert to.
        device: where to copy it.
        non_blocking: let a copy between page-locked memory and a GPU run behind the host's back. What is copied to main
            memory is there once the stream has come so far: ``framework.cuda.synchronize()`` waits for it.
        copy: give a copy also when nothing changes.
        memory_format: ``framework.channels_last`` and the like.
    """
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    flags = list(args)
    if flags and isinstance(flags[0], Tensor):
        other = flags.pop(0)
        dtype, device = other.dtype, other.device
    if isinstance(other := kwargs.pop("other", None), Tensor):
        dtype, device = other.dtype, other.device
    if flags and (isinstance(flags[0], str | devices.device) or (type(flags[0]) is int)):
        device = flags.pop(0)
        if flags and not isinstance(flags[0], bool):
            dtype = flags.pop(0)
    elif flags and not isinstance(flags[0], bool):
        dtype = flags.pop(0)
    copy = kwargs.pop("copy", flags[1] if len(flags) > 1 else False)
    non_blocking = bool(kwargs.pop("non_blocking", flags[0] if flags else False))
    memory_format = kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(f"to: unexpected argument {', '.join(kwargs)}; it takes dtype, device, copy and memory_format")
    out = input
    if device is not None:
        where = devices.device(device)
        if not devices.at(out.array, where):
            out = apply(ToDevice, out, where=where, non_blocking=non_blocking)
    if dtype is not None:
        out = cast(out, dtypes.as_dtype(dtype))
    if memory_format is not None:
        from framework.ops.memory import contiguous, preserves

        if not preserves(memory_format):
            out = contiguous(out, memory_format=memory_format)
    if copy and out is input:
        from framework.ops.memory import clone

        return clone(out)
    return out


TYPE_NAMES = {
    "Float": dtypes.float32, "Double": dtypes.float64, "Half": dtypes.float16, "BFloat16": dtypes.bfloat16,
    "Byte": dtypes.uint8, "Char": dtypes.int8, "Short": dtypes.int16, "Int": dtypes.int32, "Long": dtypes.int64,
    "Bool": dtypes.bool_, "ComplexFloat": dtypes.complex64, "ComplexDouble": dtypes.complex128,
    "UInt16": dtypes.uint16, "UInt32": dtypes.uint32, "UInt64": dtypes.uint64,
}  # fmt: skip


def to_type(input: Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The tensor in another dtype; or with no dtype the name of its own, such as ``"torch.FloatTensor"``.

    Args:
        dtype: a dtype, an old tensor type (``framework.HalfTensor``), or PyTorch's name of one ("torch.HalfTensor",
            "torch.cuda.FloatTensor").
        non_blocking: as for ``to``.
    """
    if dtype is None:
        name = next(name for name, kind in TYPE_NAMES.items() if kind is input.dtype)
        return f"torch.{'cuda.' if input.is_cuda else ''}{name}Tensor"
    if not isinstance(dtype, str):
        old = getattr(dtype, "dtype", None)
        return cast(input, dtypes.as_dtype(old if isinstance(old, dtypes.dtype) else dtype))
    *prefix, last = dtype.split(".")
    found = TYPE_NAMES.get(last.removesuffix("Tensor"))
    if found is None or not last.endswith("Tensor"):
        raise ArgumentError(f"type: invalid type: {dtype!r}; give a dtype such as framework.float16")
    return to(input, "cuda" if "cuda" in prefix else "cpu", found, non_blocking)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor in another tensor's dtype, on its device."""
    return to(input, other)


def _overlap(out: Any, x: Any, apart: bool) -> bool:
    """Whether an output shares memory with an input: all of it (wrong if ``apart``) or a part of it."""
    if not (out.size and x.size and array_module(out).may_share_memory(out, x)):
        return False
    if out.dtype == x.dtype and out.shape == x.shape and out.strides == x.strides:
        ours, theirs = (a.__array_interface__["data"][0] if isinstance(a, np.ndarray) else a.data.ptr for a in (out, x))
        if ours == theirs:
            return apart
    # only the bounds were compared: every second element and the ones between them do not meet
    return all(a.flags.c_contiguous or a.flags.f_contiguous for a in (out, x))


def into(out: Any, result: Any, name: str = "out", *inputs: Any, apart: bool = False) -> Any:
    """Store a result in the tensor given as ``out=`` and return that tensor. An ``out`` of another shape is resized.

    Args:
        out: a tensor; or a tuple of them for an op with several results; None gives the result itself.
        result: what the op computed.
        name: the op, for error messages.
        inputs: what the op read, where PyTorch refuses an ``out`` that shares part of their memory.
        apart: refuse it also where it shares all of it, as ops do that read an element after writing others.

    Raises:
        ArgumentError: ``out`` overlaps an input.
        DtypeError: the result can't be stored in ``out``'s dtype.
        GraphError: the result has a gradient, which would be lost.
    """
    if out is None:
        return result
    if isinstance(out, tuple | list):
        stored = [into(o, r, name, *inputs, apart=apart) for o, r in zip(out, result, strict=True)]
        return tuple(stored) if type(result) is tuple else type(result)(*stored)
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if result._requires_grad or (out._requires_grad and is_grad_enabled()):
        raise GraphError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad; leave out= away, or compute under no_grad()"
        )
    if (
        0 in out.array.strides
        and out.array.size
        and any(s == 0 and n > 1 for s, n in zip(out.array.strides, out.array.shape, strict=True))
    ):
        raise GraphError(
            f"{name}: out= is expanded: several elements refer to a single memory location; clone() it first"
        )
    if any(isinstance(x, Tensor) and _overlap(out.array, x.array, apart) for x in inputs):
        raise ArgumentError(
            f"{name}: unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
            "single memory location; clone() the tensor first"
        )
    if not dtypes.can_cast(result.dtype, out.dtype):
        raise DtypeError(
            f"{name}: result type {result.dtype} can't be cast to the desired output type {out.dtype}; give an out= of "
            "a dtype that holds it"
        )
    if out.array.shape != result.array.shape:
        if out.array.size:
            warnings.warn(
                f"{name}: an out= with shape {tuple(out.shape)} was resized to {tuple(result.shape)}, because it had "
                "elements and the wrong shape; give an empty tensor, or one of the result's shape",
                stacklevel=3,
            )
        out.array = array_module(result.array).empty(result.array.shape, out.array.dtype)
    devices.store(out.array, ..., convert(result.array, out.array.dtype))
    from framework.autograd.views import bump

    bump(out, "out=")
    return out
