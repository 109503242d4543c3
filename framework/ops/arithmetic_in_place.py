"""Addition, subtraction, multiplication and division in place: without a temporary where nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from framework.autograd.mode import _enabled
from framework.autograd.views import bump, inplace
from framework.devices import array_module
from framework.kernels.generic.flat import BLOCK, blocks
from framework.ops.arithmetic import add, div, mul, sub
from framework.tensor import Tensor

_REAL = frozenset({bool, int, float})


def _in_place(function: Callable[..., Any], ufunc: str, scales: bool = False) -> Callable[..., Tensor]:
    """The ``name_`` form of an operation; ``scales`` if it has ``alpha``, by which the operand is multiplied."""
    name = f"{function.__name__}_"
    recorded = inplace(function, name)

    def method(self: Tensor, other: Any, *older: Any, **kwargs: Any) -> Tensor:
        array = self.array
        alpha = kwargs.get("alpha") if scales else None
        if (
            len(kwargs) == (type(alpha) in (int, float))
            and not older
            and array.flags.forc
            and array.dtype.kind == "f"
            and array.itemsize > 2
            and not self._detached_copy
        ):
            recording = _enabled.get()
            operand = None
            if isinstance(other, Tensor):
                if other.array.dtype is array.dtype and other.array.shape == array.shape:
                    recording = recording and other.requires_grad
                    operand = other.array
            elif type(other) in _REAL:
                recording, operand = False, other
            if operand is not None and not recording and not (self.requires_grad and _enabled.get()):
                compute = getattr(array_module(array), ufunc)
                if alpha is None:
                    compute(array, operand, out=array)
                else:
                    _scaled(compute, array, operand, alpha)
                bump(self, name)
                return self
        return recorded(self, other, *older, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = recorded.__doc__
    method.__wrapped__ = function  # type: ignore[attr-defined]  # gives it a signature
    return method


def _scaled(compute: Callable[..., Any], array: Any, operand: Any, alpha: float) -> None:
    """``compute`` of an array and a multiple of another, in blocks whose product stays in the cache."""
    if type(operand) in _REAL or array.size <= BLOCK or np.may_share_memory(array, operand):
        compute(array, operand * alpha, out=array)
        return
    for target, values in blocks((array, operand)):
        compute(target, values * alpha, out=target)


add_, sub_ = _in_place(add, "add", scales=True), _in_place(sub, "subtract", scales=True)
mul_, div_ = _in_place(mul, "multiply"), _in_place(div, "true_divide")
subtract_, multiply_, divide_ = sub_, mul_, div_
