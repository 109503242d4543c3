"""Memory: copies, memory formats, and the same memory under another history or dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from framework import dtypes
from framework.autograd.mode import is_grad_enabled
from framework.autograd.op import Op, apply
from framework.autograd.views import apply_view, bump
from framework.devices import array_module
from framework.errors import ArgumentError, GraphError, ShapeError
from framework.ops.dims import named_sizes, shape_of
from framework.ops.storage import UntypedStorage, address, flat, owner_of, strided
from framework.tensor import Tensor, wrap


class memory_format:
    """The order in which a tensor's elements lie in memory."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"framework.{self.name}"


class layout:
    """How a tensor's elements are held; there is one way here, ``framework.strided``."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"framework.{self.name}"


strided_layout = layout("strided")
contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
preserve_format = memory_format("preserve_format")


def layout_of(input: Tensor) -> layout:
    """How the tensor's elements are held: always ``framework.strided``."""
    return strided_layout


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


def kept_order(array: Any) -> tuple[int, ...]:
    """The axes from the slowest to the fastest in memory, where expanded axes (stride 0) stay in place."""
    order = list(range(array.ndim))[::-1]
    strides, shape = array.strides, array.shape
    for end in range(1, array.ndim):
        at = end
        for before in range(end - 1, -1, -1):
            a, b = order[before], order[at]
            if not strides[a] or not strides[b]:
                continue
            if strides[a] > strides[b] or (strides[a] == strides[b] and shape[a] > shape[b]):
                order[before], order[at] = b, a
                at = before
            elif strides[a] < strides[b]:
                break
    return tuple(order[::-1])


def empty_kept(array: Any, kind: Any) -> Any:
    """An uninitialised array of a shape and memory order like another's."""
    xp = array_module(array)
    if 0 not in array.strides:
        return xp.empty_like(array, dtype=kind)
    order = kept_order(array)
    inverse = [0] * len(order)
    for position, axis in enumerate(order):
        inverse[axis] = position
    return xp.empty([array.shape[axis] for axis in order], kind).transpose(inverse)


class Clone(Op):
    """A copy."""

    def forward(self, x: Any, format: memory_format | None) -> Any:
        if format is not None and not preserves(format):
            return arrange(x, format)
        if 0 not in x.strides:
            return x.copy(order="K")
        out = empty_kept(x, x.dtype)
        out[...] = x
        return out

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
        if x.itemsize == dtype.itemsize:
            return x.view(dtype)
        length = x.shape[-1] * x.itemsize // dtype.itemsize
        return strided(x, (*x.shape[:-1], length), (*x.strides[:-1], dtype.itemsize), dtype=dtype)


def view_as_dtype(input: Tensor, dtype: dtypes.dtype) -> Tensor:
    """The tensor's bytes read as another dtype; the last dim grows or shrinks with the element size."""
    if dtype is input.dtype:
        from framework.ops.shape import view_as

        return view_as(input, input)
    array, before, after = input.array, input.array.itemsize, dtype.itemsize
    if before != after:
        steps = array.strides[:-1] if array.ndim else ()
        fits = array.ndim and not (array.shape[-1] * before) % after
        if not fits or array.strides[-1] != before or any(s % after for s in steps):
            raise ArgumentError(
                f"view: shape {tuple(input.shape)} with stride {input.stride()} of {input.dtype} can't be read as "
                f"{dtype}: the last dim must have stride 1 and hold a whole number of elements"
            )
    return apply_view(ViewAsDtype, input, dtype=dtype.numpy)


def detach_(input: Tensor) -> Tensor:
    """Cut the tensor off from its history in place; it becomes a leaf.

    Raises:
        GraphError: the tensor is a view, whose history is its base's.
    """
    if input._view is not None:
        raise GraphError("detach_: can't detach views in-place; use detach() instead")
    input._node, input._output_nr, input._requires_grad = None, 0, False
    return input


def relaid(function: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """The ``name_`` form of a view op: the tensor itself takes the view's shape, strides and history."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.requires_grad and self._node is None and is_grad_enabled():
            raise GraphError(f"{name}: a leaf tensor that requires grad is being used in an in-place operation")
        out = function(self, *args, **kwargs)
        self.array = out.array
        self._node, self._output_nr, self._requires_grad = out._node, out._output_nr, out._requires_grad
        if self._view is not None:
            self._view = out._view
        bump(self, name)
        return self

    method.__name__ = method.__qualname__ = name
    method.__wrapped__ = function  # type: ignore[attr-defined]  # gives it a signature
    method.__doc__ = f"``{name[:-1]}`` in place: the tensor itself takes the new shape."
    return method


def resize_(input: Tensor, *size: Any, memory_format: memory_format | None = contiguous_format, **named: Any) -> Tensor:
    """Give the tensor another shape in place: the first elements stay, new ones hold whatever the memory held."""
    shape = named_sizes("resize_", size, named, "size")
    if input.requires_grad:
        raise GraphError("resize_: cannot resize variables that require grad; use reshape(), or detach() first")
    if any(n < 0 for n in shape):
        raise ShapeError(f"resize_: lengths must be non-negative, got {shape}")
    old = input.array
    if shape != old.shape:
        xp = array_module(old)
        memory = flat(old)[address(old) - address(owner_of(old)) :] if old.size else flat(old)
        count = 1
        for n in shape:
            count *= n
        if memory.size >= count * old.itemsize:
            input.array = memory[: count * old.itemsize].view(old.dtype).reshape(shape)
        else:
            fresh = xp.empty(count, old.dtype)
            kept = memory.size // old.itemsize
            fresh[:kept] = memory[: kept * old.itemsize].view(old.dtype)
            input.array = fresh.reshape(shape)
    if not preserves(memory_format) and not matches(input.array, memory_format or contiguous_format):
        input.array = arrange(input.array, memory_format or contiguous_format)
    bump(input, "resize_")
    return input


def resize_as_(
    input: Tensor, the_template: Tensor, *, memory_format: memory_format | None = contiguous_format
) -> Tensor:
    """``resize_`` to the shape of another tensor."""
    return resize_(input, tuple(the_template.shape), memory_format=memory_format)


def set_(
    input: Tensor,
    source: Tensor | UntypedStorage | None = None,
    storage_offset: int = 0,
    size: Any = None,
    stride: Any = None,
) -> Tensor:
    """Make the tensor look at other memory: a tensor's with its shape and strides, or a region of a storage; at none.

    Args:
        storage_offset, size, stride: the region, in elements; the whole unless given. The stride is contiguous unless
            given.
    """
    kind = input.array.dtype
    if source is None:
        input.array = array_module(input.array).empty(0, kind)
    elif isinstance(source, Tensor) and size is None:
        input.array = source.array
    else:
        memory = flat(source.array if isinstance(source, Tensor) else source._array)
        if size is None:
            size = (memory.size // kind.itemsize - storage_offset,)
        shape = shape_of((size,))
        if stride is None:
            steps = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        else:
            steps = [int(s) for s in stride]
        strides = tuple(step * kind.itemsize for step in steps)
        input.array = strided(memory, shape, strides, storage_offset * kind.itemsize, kind)
    bump(input, "set_")
    return input


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input.array.shape == other.array.shape


def is_signed(input: Tensor) -> bool:
    """Whether the tensor's dtype has negative values."""
    return input.is_signed()


def get_device(input: Tensor) -> int:
    """The index of the GPU that holds the tensor, or -1 on the CPU."""
    return input.get_device()


def is_distributed(input: Tensor) -> bool:
    """False: no tensor is spread over processes."""
    return False


def is_tensor(obj: Any) -> bool:
    """Whether an object is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether an object is the memory of a tensor."""
    return isinstance(obj, UntypedStorage)


def is_floating_point(input: Tensor) -> bool:
    """Whether the tensor holds real floating-point numbers."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the tensor holds complex numbers."""
    return input.dtype.is_complex


def is_inference(input: Tensor) -> bool:
    """False: tensors made under ``inference_mode`` are plain tensors without history."""
    return False


def numel(input: Tensor) -> int:
    """The number of elements."""
    return int(input.array.size)


def dim_order(input: Tensor) -> tuple[int, ...]:
    """The dims from the slowest to the fastest in memory."""
    strides = input.array.strides
    return tuple(sorted(range(input.array.ndim), key=lambda axis: (-strides[axis], axis)))
