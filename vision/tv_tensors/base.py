"""What kinds of tensors share: how they are made, what they carry, and what ops make of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from framework import methods
from framework.errors import ArgumentError
from framework.ops.values import as_tensor
from framework.tensor import Tensor

_KEPT = ("clone", "to", "detach", "pin_memory")  # these give the same kind of tensor always


class TVTensor(Tensor):
    """A tensor of one kind. Subclass it for kinds of your own, and give them kernels by ``register_kernel``.

    Args:
        data: a tensor, whose memory and history are shared, or whatever ``framework.as_tensor`` takes.
        dtype, device: those of ``data`` unless given.
        requires_grad: whether ops on it are recorded; as ``data`` unless given.
    """

    _metadata: tuple[str, ...] = ()  # the attributes it carries beside its values

    def __init__(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None) -> None:
        self._take(as_tensor(data, dtype=dtype, device=device))
        if requires_grad is not None:
            self.requires_grad = requires_grad

    def _take(self, tensor: Tensor) -> None:
        """Become another name for a tensor's values and history."""
        if tensor.requires_grad:
            vars(self).update(vars(tensor.view_as(tensor)))
        else:
            self.array = tensor.array
            self._counter = tensor._shared_counter()

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **metadata: Any) -> Any:
        """A tensor as one of this kind, with the attributes of another, or with those given."""
        out = object.__new__(cls)
        out._take(tensor)
        for name in cls._metadata:
            setattr(out, name, metadata[name] if name in metadata else getattr(like, name))
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        metadata = {name: getattr(self, name) for name in self._metadata}
        return _restored, (type(self), super().__reduce__(), metadata)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        plain = object.__new__(Tensor)
        vars(plain).update(vars(self))
        copy = memo[id(self)] = self.wrap(plain.__deepcopy__(memo).detach(), like=self)
        copy._requires_grad = self._requires_grad
        return copy

    def __repr__(self) -> str:
        text = super().__repr__().replace("tensor", type(self).__name__, 1)
        extra = "".join(f", {name}={getattr(self, name)}" for name in self._metadata)
        return f"{text[:-1]}{extra})"


def _restored(kind: type[TVTensor], reduced: tuple[Any, ...], metadata: dict[str, Any]) -> Any:
    """What a pickle holds, as it was."""
    rebuild, (_, *state) = reduced[:2]
    out = rebuild(kind, *state)
    vars(out).update(metadata)
    return out


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A tensor as the kind that another is, carrying what the other carries.

    Args:
        wrappee: the values; their memory is shared.
        like: a tensor of the kind wanted. A plain tensor gives a plain one.
        kwargs: attributes that shall differ, such as ``canvas_size``.

    Example:
        >>> wrap(boxes * 2, like=boxes, canvas_size=(64, 64))
    """
    return type(like).wrap(wrappee, like, **kwargs) if isinstance(like, TVTensor) else wrappee


def plain(tensor: Tensor) -> Tensor:
    """The same values and history as a tensor of no particular kind."""
    out = object.__new__(Tensor)
    source: Any = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach()
    vars(out).update(vars(source))
    return out


def _same_kind(out: Any, like: TVTensor) -> Any:
    """The tensors in an op's result as the kind of its first operand."""
    if type(out) is Tensor:
        kind = object.__new__(type(like))
        vars(kind).update(vars(out))
        vars(kind).update((name, getattr(like, name)) for name in like._metadata)
        return kind
    if isinstance(out, tuple | list):
        parts = [_same_kind(part, like) for part in out]
        return type(out)(*parts) if hasattr(out, "_fields") else type(out)(parts)
    return out


def _keeping(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose results are of the kind of the tensor that it is called on."""

    @functools.wraps(function)
    def method(self: TVTensor, *args: Any, **kwargs: Any) -> Any:
        return _same_kind(function(self, *args, **kwargs), self)

    return method


for _name in _KEPT:
    setattr(TVTensor, _name, _keeping(getattr(Tensor, _name)))

_SWITCHED = tuple(
    name
    for table in (methods.METHODS, methods.OPERATORS, methods.REFLECTED, methods.CONVERSIONS)
    for name in table
    if name not in _KEPT
)


class _Restore:
    """Puts the former return type back when a ``with`` block ends."""

    def __init__(self, kept: bool) -> None:
        self._kept = kept

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        _switch(self._kept)


def _switch(kept: bool) -> bool:
    """Let all methods keep the kind, or only those that always do; whether they did before."""
    before = "__add__" in vars(TVTensor)
    for name in _SWITCHED if kept is not before else ():
        if kept:
            setattr(TVTensor, name, _keeping(getattr(Tensor, name)))
        else:
            delattr(TVTensor, name)
    return before


def set_return_type(return_type: str) -> _Restore:
    """Say what operators and methods of a ``TVTensor`` give: a plain "Tensor", as at first, or the same "TVTensor".

    It holds for the whole program, or for a ``with`` block. Functions (``framework.add``) give plain tensors always.

    Example:
        >>> with set_return_type("TVTensor"):
        ...     image = image + 2  # still an Image
    """
    types = {"tensor": False, "tvtensor": True}
    if return_type.lower() not in types:
        raise ArgumentError(f"set_return_type: return_type must be 'TVTensor' or 'Tensor', got {return_type!r}")
    return _Restore(_switch(types[return_type.lower()]))
