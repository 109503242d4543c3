"""The operators of the stand-in's array: CuPy's ufuncs, and what they say to what is no array of CuPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.gpu.host.fake_array import ndarray
from tests.gpu.host.fake_functions import call
from tests.gpu.host.fake_ufunc import TABLE as UFUNCS


def _binary(name: str, swapped: bool = False) -> Callable[..., Any]:
    def operator(self: ndarray, other: Any) -> Any:
        if other is None and name in ("equal", "not_equal"):
            return call("full", self.shape, name == "not_equal")
        if not isinstance(other, ndarray | np.ndarray | bool | int | float | complex | np.generic):
            return NotImplemented
        if isinstance(other, np.ndarray) and not other.ndim and name.endswith(("equal", "less", "greater")):
            other = other.item()
        function = call if name == "matmul" else UFUNCS[name]
        args = (other, self) if swapped else (self, other)
        return call("matmul", *args) if function is call else function(*args)

    return operator


def _in_place(name: str) -> Callable[..., Any]:
    def operator(self: ndarray, other: Any) -> Any:
        UFUNCS[name](self, other, out=self)
        return self

    return operator


BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
for _short, _long in {**BINARY, "matmul": "matmul", "divmod": "divmod"}.items():
    setattr(ndarray, f"__{_short}__", _binary(_long))
    setattr(ndarray, f"__r{_short}__", _binary(_long, True))
    if _short in BINARY:
        setattr(ndarray, f"__i{_short}__", _in_place(_long))
for _short, _long in {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(ndarray, f"__{_short}__", _binary(_long))
for _short, _long in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
    setattr(ndarray, f"__{_short}__", lambda self, _ufunc=UFUNCS[_long]: _ufunc(self))
