"""Parameters and buffers: the tensors that a module owns."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import devices, dtypes
from framework.errors import GraphError
from framework.tensor import Tensor


def _array_of(data: Any, kind: str) -> Any:
    if data is None:
        return np.empty(0, dtypes.get_default_dtype().numpy)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{kind}: expected a Tensor or None, got {type(data).__name__}; wrap it with framework.tensor()"
        )
    return data.array


class Parameter(Tensor):
    """A tensor that a ``Module`` registers as its own when it is assigned to an attribute, and that optimizers train.

    Args:
        data: the values; their memory is shared, their history is not. None gives an empty tensor.
        requires_grad: whether ops on it are recorded.

    Example:
        >>> layer.scale = nn.Parameter(framework.ones(3))
    """

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        self.array = _array_of(data, "Parameter")
        self.requires_grad = requires_grad

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copy: Parameter = object.__new__(type(self))
        copy.array = self.array.copy(order="K")
        copy._requires_grad = self._requires_grad
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that a ``Module`` registers as a buffer when it is assigned to an attribute: state that is not trained.

    Args:
        data: the values; their memory is shared.
        persistent: whether ``state_dict`` includes it.
    """

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        self.array = _array_of(data, "Buffer")
        self._requires_grad = data is not None and data.requires_grad
        self.persistent = persistent


class _Uninitialized:
    """What the parameters of a lazy module are until the first input tells their shape."""

    array: Any
    _wanted: tuple[Any, Any]

    def _start(self, device: Any, dtype: Any) -> None:
        self._wanted = (device, dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype))
        where = devices.default() if device is None else devices.device(device)
        self.array = devices.move(np.empty(0, self._wanted[1].numpy), where)

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary tensor of this shape, with uninitialised values."""
        where = devices.of(self.array) if device is None else devices.device(device)
        kind = self.array.dtype if dtype is None else dtypes.as_dtype(dtype).numpy
        self.array = devices.move(devices.module_of(where).empty(tuple(shape), kind), where)
        self.__class__ = self._becomes  # type: ignore[assignment, attr-defined]

    def share_memory_(self) -> Any:
        """Refused: there is no memory to share yet."""
        raise GraphError(
            "share_memory_: an uninitialized parameter has no memory yet; run the module on an input first"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @property
    def shape(self) -> Any:
        """Refused: the shape is not known before the first input."""
        raise GraphError(
            f"{type(self).__name__}: the shape is not known before the first forward pass; run the module on an input, "
            "or call materialize(shape)"
        )


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter whose shape is not known yet."""

    _becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._start(device, dtype)
        self.requires_grad = requires_grad

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        copy = UninitializedParameter(self._requires_grad, devices.of(self.array), self._wanted[1])
        memo[id(self)] = copy
        return copy


class UninitializedBuffer(_Uninitialized, Buffer):
    """A buffer whose shape is not known yet."""

    _becomes = Buffer

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> None:
        self._start(device, dtype)
        self._requires_grad = requires_grad
        self.persistent = persistent


def is_lazy(tensor: Any) -> bool:
    """Whether a tensor is a parameter or buffer that still waits for its shape."""
    return isinstance(tensor, _Uninitialized)
