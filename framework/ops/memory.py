"""Memory: copies, memory formats, and the same memory under another history or dtype."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.tensor import Tensor, wrap


class memory_format:
    """The order in which a tensor's elements lie in memory."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"framework.{self.name}"


contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
preserve_format = memory_format("preserve_format")


def preserves(format: memory_format | None) -> bool:
    """Whether a ``memory_format`` argument leaves the order of the memory as it is."""
    return format is None or format is preserve_format


def axis_order(array: Any, format: memory_format) -> tuple[int, ...]:
    """The axes from the slowest to the fastest in memory, for a format."""
    if format is contiguous_format:
        return tuple(range(array.ndim))
    wanted = 4 if format is channels_last else 5
    if array.ndim != wanted:
        raise ShapeError(f"{format}: expected a {wanted}-d tensor (N, C, ...), got shape {tuple(array.shape)}")
    return (0, *range(2, wanted), 1)


def matches(array: Any, format: memory_format) -> bool:
    """Whether an array's memory has a format already. Axes of length 1 do not count."""
    if format is not contiguous_format and array.ndim != (4 if format is channels_last else 5):
        return False
    expected = array.itemsize
    for axis in reversed(axis_order(array, format)):
        if array.shape[axis] == 0:
            return True
        if array.shape[axis] != 1:
            if array.strides[axis] != expected:
                return False
            expected *= array.shape[axis]
    return True


def is_channels_last(array: Any) -> bool:
    """Whether a 4-d or 5-d array lies in channels-last order."""
    return matches(array, channels_last) or matches(array, channels_last_3d)


def arrange(array: Any, format: memory_format) -> Any:
    """A copy of an array in a format's memory order."""
    order = axis_order(array, format)
    inverse = [0] * len(order)
    for position, axis in enumerate(order):
        inverse[axis] = position
    return array.transpose(order).copy(order="C").transpose(inverse)


class Clone(Op):
    """A copy."""

    def forward(self, x: Any, format: memory_format | None) -> Any:
        return x.copy(order="K") if preserves(format) else arrange(x, format)

    def backward(self, g: Any) -> Any:
        return g


def clone(input: Any, *, memory_format: memory_format | None = preserve_format) -> Any:
    """A copy with its own memory, through which gradients flow back to the original."""
    return apply(Clone, input, format=memory_format)


def contiguous(input: Tensor, memory_format: memory_format = contiguous_format) -> Tensor:
    """The tensor itself if its memory has the format already, else a copy that has."""
    return input if matches(input.array, memory_format) else clone(input, memory_format=memory_format)


def is_contiguous(input: Tensor, memory_format: memory_format = contiguous_format) -> bool:
    """Whether the memory has the format: row-major unless said otherwise."""
    return matches(input.array, memory_format)


def detach(input: Tensor) -> Tensor:
    """A tensor over the same memory that autograd sees as data. In-place writes to either are seen by both."""
    out = wrap(input.array)
    out._counter = input._shared_counter()
    return out


class ViewAsDtype(Op):
    """The same bytes read as another dtype; no gradient."""

    def forward(self, x: Any, dtype: Any) -> Any:
        return x.view(dtype)


def view_as_dtype(input: Tensor, dtype: dtypes.dtype) -> Tensor:
    """The tensor's bytes read as another dtype; the last dim grows or shrinks with the element size."""
    ratio_in, ratio_out = input.array.itemsize, dtype.itemsize
    if ratio_in != ratio_out and (input.ndim == 0 or (input.shape[-1] * ratio_in) % ratio_out):
        raise ArgumentError(
            f"view: shape {tuple(input.shape)} of {input.dtype} can't be read as {dtype}: the last dim must hold a whole "
            "number of elements"
        )
    return apply_view(ViewAsDtype, input, dtype=dtype.numpy)


def empty_strided(size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """An uninitialised tensor with these steps, in elements, between entries along each dim."""
    from framework import devices

    kind = dtypes.as_dtype(dtype or dtypes.get_default_dtype()).numpy
    xp = devices.module_of(devices.device(device or "cpu"))
    span = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else 0
    storage = xp.empty(span, kind)
    steps = tuple(s * storage.itemsize for s in stride)
    array = array_module(storage).lib.stride_tricks.as_strided(storage, tuple(size), steps)
    return wrap(array).requires_grad_(requires_grad)
