"""Conversions of a module's parameters and buffers to other dtypes and devices, in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from framework import dtypes
from framework.autograd.mode import no_grad
from framework.nn.parameter import is_lazy
from framework.tensor import Tensor


class Convertible:
    """The part of ``Module`` that converts and moves."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def children(self) -> Iterator[Any]:
        """The modules directly below this one."""
        raise NotImplementedError

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the values of each parameter, its gradient and each buffer by ``fn`` of it; parameters stay."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for parameter in self._parameters.values():
            if parameter is None:
                continue
            gradient = parameter._grad
            with no_grad():
                parameter.array = fn(parameter).array
                if gradient is not None:
                    gradient.array = fn(gradient).array
        for name, buffer in self._buffers.items():
            if buffer is not None:
                converted = fn(buffer)
                if is_lazy(buffer):
                    buffer.array = converted.array
                else:
                    self._buffers[name] = converted
        return self

    def _cast(self, dtype: dtypes.dtype) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32."""
        return self._cast(dtypes.float32)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64."""
        return self._cast(dtypes.float64)

    def half(self) -> Self:
        """Convert floating-point parameters and buffers to float16."""
        return self._cast(dtypes.float16)

    def bfloat16(self) -> Self:
        """Convert floating-point parameters and buffers to bfloat16."""
        return self._cast(dtypes.bfloat16)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to a dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self) -> Self:
        """Move everything to main memory."""
        return self._apply(lambda t: t.to("cpu"))

    def cuda(self, device: Any = None) -> Self:
        """Move everything to a GPU."""
        where = "cuda" if device is None else device
        return self._apply(lambda t: t.to(where))

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, convert floating-point and complex parameters and buffers to a dtype, or both, in place.

        ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)``, ``to(memory_format=...)`` (4-d and 5-d
        parameters).
        """
        device, dtype, _, format = parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(f"to: a Module takes floating point or complex dtypes only, got {dtype}")

        def convert(t: Tensor) -> Tensor:
            kind = dtype if t.is_floating_point() or t.is_complex() else None
            if format is not None and t.array.ndim in (4, 5):
                return t.to(device=device, dtype=kind, memory_format=format)
            return t.to(device=device, dtype=kind)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device without copying the values, which are then whatever the memory held."""
        from framework.ops.creation import empty

        return self._apply(lambda t: empty(t.shape, dtype=t.dtype, device=device), recurse=recurse)

    def share_memory(self) -> Self:
        """Move parameters and buffers to memory that processes forked from this one share."""
        return self._apply(lambda t: t.share_memory_())


def parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """The device, dtype, non_blocking and memory format in the arguments of a ``to`` call."""
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    non_blocking, format = kwargs.pop("non_blocking", False), kwargs.pop("memory_format", None)
    kwargs.pop("copy", None)
    given = list(args)
    other = kwargs.pop("tensor", kwargs.pop("other", None))
    if given and isinstance(given[0], Tensor):
        other = given.pop(0)
    if kwargs:
        raise TypeError(
            f"to: unexpected argument {', '.join(kwargs)}; it takes device, dtype, non_blocking, memory_format"
        )
    if other is not None:
        return other.device, other.dtype, non_blocking, format
    for value in given:
        if isinstance(value, bool):
            non_blocking = value
        elif isinstance(value, dtypes.dtype) or value in (float, complex):
            dtype = value
        elif value is not None:
            device = value
    return device, None if dtype is None else dtypes.as_dtype(dtype), non_blocking, format
