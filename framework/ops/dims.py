"""Checks and conversions of ``dim`` and shape arguments, shared by all families."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from framework.errors import DimensionError, ShapeError

F = TypeVar("F", bound=Callable[..., Any])

NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}


def numpy_names(function: F) -> F:
    """Let NumPy's argument names (``axis``, ``keepdims``, ``x``) stand for ``dim``, ``keepdim`` and ``input``.

    The function made raises a ``TypeError`` when its first argument is neither a tensor nor an array, unless it takes
    a list of ``tensors``.
    """
    takes_list = function.__code__.co_varnames[:1] == ("tensors",)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not NUMPY_NAMES.keys().isdisjoint(kwargs):
            kwargs = {NUMPY_NAMES.get(name, name): value for name, value in kwargs.items()}
        if args and not takes_list and not hasattr(args[0], "ndim"):
            raise TypeError(
                f"{function.__name__}(): argument 'input' (position 1) must be Tensor, not {type(args[0]).__name__}"
            )
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def also_named(**aliases: str) -> Callable[[F], F]:
    """Let keyword names that PyTorch's parser takes stand for the names in the signature: ``also_named(input="A")``."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs and not aliases.keys().isdisjoint(kwargs):
                kwargs = {aliases.get(name, name): value for name, value in kwargs.items()}
            return function(*args, **kwargs)

        call.aliases = aliases  # type: ignore[attr-defined]
        return call  # type: ignore[return-value]

    return decorate


def normalize_dim(dim: int, ndim: int) -> int:
    """A dim counted from the front. A 0-d tensor counts as having one dim.

    Raises:
        DimensionError: ``dim`` is not in ``[-ndim, ndim - 1]``.
    """
    limit = ndim or 1
    index = operator.index(dim)
    if not -limit <= index < limit:
        raise DimensionError(
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
        )
    return index % limit


def normalize_dims(dims: Any, ndim: int) -> tuple[int, ...]:
    """Dims counted from the front, each once; None and an empty list stand for all."""
    if dims is None:
        return tuple(range(ndim))
    if not isinstance(dims, Iterable):
        return (normalize_dim(dims, ndim),) if ndim else ((), normalize_dim(dims, ndim))[0]
    found = tuple(normalize_dim(d, ndim) for d in dims)
    if len(set(found)) != len(found):
        raise ShapeError(f"dim {found[0] if len(found) == 1 else found} appears multiple times in the list of dims")
    if not found:
        return tuple(range(ndim))
    return found if ndim else ()


def named_sizes(name: str, args: tuple[Any, ...], named: dict[str, Any], keyword: str) -> tuple[int, ...]:
    """A shape given as ``f(2, 3)``, ``f((2, 3))`` or by one keyword: ``f(size=(2, 3))``.

    Raises:
        TypeError: another keyword was given, or both forms were.
    """
    if named:
        if args or named.keys() != {keyword}:
            wrong = next((key for key in named if key != keyword), keyword)
            raise TypeError(f"{name}() got an unexpected keyword argument '{wrong}'; it takes {keyword}")
        args = (named[keyword],)
    return shape_of(args)


def shape_of(args: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape given as ``f(2, 3)``, ``f((2, 3))``, ``f([2, 3])`` or ``f(shape)``."""
    if len(args) == 1 and isinstance(args[0], Iterable) and getattr(args[0], "ndim", True):
        args = tuple(args[0])
    return tuple(operator.index(n) for n in args)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that all of ``shapes`` broadcast to.

    Raises:
        ShapeError: two lengths differ and neither is 1.
    """
    sizes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    ndim = max((len(s) for s in sizes), default=0)
    out = [1] * ndim
    for s in sizes:
        for axis, length in enumerate(s, ndim - len(s)):
            if length != 1 and out[axis] not in (1, length):
                raise ShapeError(
                    f"The size of tensor a ({out[axis]}) must match the size of tensor b ({length}) at non-singleton "
                    f"dimension {axis}: shapes {', '.join(str(tuple(x)) for x in sizes)} do not broadcast"
                )
            if length != 1:
                out[axis] = length
    return tuple(out)
