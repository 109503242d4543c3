"""The operators and methods of ``Tensor``: each is the op of ``framework.ops`` that has its name.

An op takes the tensor as its first argument, so it serves as the method unchanged. ``IN_PLACE`` lists the ops that have a
``name_`` form too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from framework import dtypes
from framework.autograd import engine
from framework.autograd.views import inplace
from framework.ops import (
    arithmetic,
    casting,
    comparison,
    exponential,
    indexing,
    joining,
    matmul,
    memory,
    reduction,
    selection,
    shape,
)
from framework.tensor import Tensor

METHODS: dict[str, Callable[..., Any]] = {}


def _collect(module: Any, *names: str) -> None:
    METHODS.update({name: getattr(module, name) for name in names})


_collect(arithmetic, "add", "sub", "mul", "div", "pow", "neg", "conj", "square", "subtract", "multiply", "divide")
_collect(arithmetic, "true_divide", "negative")
_collect(comparison, "eq", "ne", "lt", "le", "gt", "ge", "not_equal", "less", "less_equal", "greater", "greater_equal")
_collect(exponential, "exp", "log", "sqrt")
_collect(reduction, "sum", "mean", "sum_to_size")
_collect(shape, "reshape", "view", "transpose", "expand", "unsqueeze", "squeeze")
_collect(memory, "clone", "contiguous", "is_contiguous", "detach")
_collect(matmul, "matmul")
_collect(joining, "split")
_collect(casting, "to")
_collect(indexing, "nonzero")

OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": arithmetic.add,
    "__radd__": arithmetic.add,
    "__sub__": arithmetic.sub,
    "__rsub__": arithmetic.rsub,
    "__mul__": arithmetic.mul,
    "__rmul__": arithmetic.mul,
    "__truediv__": arithmetic.div,
    "__neg__": arithmetic.neg,
    "__pow__": arithmetic.pow,
    "__matmul__": matmul.matmul,
    "__eq__": comparison.eq,
    "__ne__": comparison.ne,
    "__lt__": comparison.lt,
    "__le__": comparison.le,
    "__gt__": comparison.gt,
    "__ge__": comparison.ge,
    "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
}

IN_PLACE = ("add", "sub", "mul", "div", "pow", "neg", "exp", "log", "sqrt", "square")

CONVERSIONS = {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}


def _varargs(function: Callable[..., Any]) -> Callable[..., Any]:
    """The method form of an op that takes a tuple: ``x.permute(1, 0)`` beside ``permute(x, (1, 0))``."""

    def method(self: Tensor, *dims: Any, **kwargs: Any) -> Any:
        if len(dims) == 1 and hasattr(dims[0], "__len__"):
            dims = tuple(dims[0])
        return function(self, dims, **kwargs)

    method.__name__, method.__doc__ = function.__name__, function.__doc__
    return method


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return method


def _conversion(dtype: dtypes.dtype) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return casting.cast(self, dtype)

    method.__doc__ = f"The tensor as {dtype}."
    return method


def backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Accumulate the gradient of this tensor (times ``gradient``; 1 for a scalar) into ``.grad`` of the leaves."""
    engine.backward(self, gradient, retain_graph, create_graph, inputs)


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Store ``src``, broadcast and converted, in this tensor. Gradients flow to ``src``."""
    return indexing.overwrite(self, src, "copy_")


def zero_(self: Tensor) -> Tensor:
    """Fill the tensor with zeros."""
    return indexing.overwrite(self, 0, "zero_")


def fill_(self: Tensor, value: Any) -> Tensor:
    """Fill the tensor with a number."""
    return indexing.overwrite(self, value, "fill_")


def attach() -> None:
    """Give ``Tensor`` its operators and methods."""
    for table in (METHODS, OPERATORS):
        for name, function in table.items():
            setattr(Tensor, name, function)
    for name in IN_PLACE:
        setattr(Tensor, f"{name}_", inplace(METHODS[name], f"{name}_"))
    for operator, name in (("__iadd__", "add_"), ("__isub__", "sub_"), ("__imul__", "mul_"), ("__itruediv__", "div_")):
        setattr(Tensor, operator, getattr(Tensor, name))
    for name, dtype in CONVERSIONS.items():
        setattr(Tensor, name, _conversion(dtype))
    for function in (shape.permute,):
        setattr(Tensor, function.__name__, _varargs(function))
    for function in (backward, copy_, zero_, fill_):
        setattr(Tensor, function.__name__, function)
    for name, function in (("__rtruediv__", arithmetic.div), ("__rpow__", arithmetic.pow), ("__rmatmul__", matmul.matmul)):
        setattr(Tensor, name, _reflected(function))
    setattr(Tensor, "swapaxes", shape.transpose)
