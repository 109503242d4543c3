"""Products, quotients and steps that are added to a tensor in one op: ``addcmul``, ``addcdiv`` and ``lerp``."""

from __future__ import annotations

from typing import Any

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError
from framework.ops.arithmetic import category_of, conj_value, fixed, plain
from framework.ops.casting import NUMBERS, cast, into
from framework.ops.pointwise import broadcast_error, promote_all, unsupported, widen
from framework.tensor import Tensor


class Addcmul(Op):
    """``x + value * a * b``."""

    broadcasts = True

    def forward(self, x: Any, a: Any, b: Any, value: Any) -> Any:
        self.value = value
        self.save(None, a, b)
        y = widen(a) * widen(b)
        return fixed(widen(x) + (y if value == 1 else value * y), x, a)

    def backward(self, g: Any) -> Any:
        _, a, b = self.saved
        value = self.value
        return (
            g if self.needs[0] else None,
            g * conj_value(b if value == 1 else b * value) if self.needs[1] else None,
            g * conj_value(a if value == 1 else a * value) if self.needs[2] else None,
        )


def addcmul(input: Any, tensor1: Any, tensor2: Any, *older: Any, value: Any = 1, out: Any = None) -> Any:
    """``input + value * tensor1 * tensor2``, elementwise with broadcasting.

    Args:
        value: a number; an integer for integer tensors.
    """
    if older:
        tensor1, tensor2, value = _older_form("addcmul", tensor1, tensor2, older)
    if region() is not None:
        return recast(addcmul, {"value": value, "out": out}, input, tensor1, tensor2)
    _check_tensors("addcmul", tensor1, tensor2, value)
    (x, a, b), dtype = promote_all("addcmul", input, tensor1, tensor2)
    _no_bools("addcmul", x, dtype)
    if dtype.category <= dtypes.INTEGRAL:
        value = int(value)
    try:
        y = apply(Addcmul, x, a, b, value=value)
    except ValueError as error:
        raise broadcast_error("addcmul", a, b, error) from None
    return y if out is None else into(out, y, "addcmul", input, tensor1, tensor2)


class Addcdiv(Op):
    """``x + value * a / b``."""

    broadcasts = True

    def forward(self, x: Any, a: Any, b: Any, value: Any) -> Any:
        self.value = value
        self.save(None, a, b)
        y = widen(a) / widen(b)
        return fixed(widen(x) + (y if value == 1 else value * y), x, a)

    def backward(self, g: Any) -> Any:
        _, a, b = self.saved
        return (
            g if self.needs[0] else None,
            g * conj_value(self.value / b) if self.needs[1] else None,
            -g * conj_value(a * self.value / (b * b)) if self.needs[2] else None,
        )


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *older: Any, value: Any = 1, out: Any = None) -> Any:
    """``input + value * tensor1 / tensor2``, elementwise with broadcasting. Integers are refused.

    Args:
        value: a number.
    """
    if older:
        tensor1, tensor2, value = _older_form("addcdiv", tensor1, tensor2, older)
    if region() is not None:
        return recast(addcdiv, {"value": value, "out": out}, input, tensor1, tensor2)
    _check_tensors("addcdiv", tensor1, tensor2, value)
    (x, a, b), _ = promote_all("addcdiv", input, tensor1, tensor2)
    if category_of(tensor1) <= dtypes.INTEGRAL and category_of(tensor2) <= dtypes.INTEGRAL:
        raise DtypeError(
            f"addcdiv: integer division with addcdiv is not supported, got {dtypes.of(plain(tensor1))} and "
            f"{dtypes.of(plain(tensor2))}; convert with .float()"
        )
    try:
        y = apply(Addcdiv, x, a, b, value=value)
    except ValueError as error:
        raise broadcast_error("addcdiv", a, b, error) from None
    return y if out is None else into(out, y, "addcdiv", input, tensor1, tensor2)


def _older_form(name: str, value: Any, tensor1: Any, older: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """The tensors and the number of a call in four positions, ``addcmul(x, value, tensor1, tensor2)``."""
    if len(older) != 1 or not isinstance(value, NUMBERS):
        raise TypeError(f"{name}() takes 3 positional arguments but {3 + len(older)} were given; pass value by keyword")
    return tensor1, older[0], value


def _check_tensors(name: str, tensor1: Any, tensor2: Any, value: Any) -> None:
    for argument, x in (("tensor1", tensor1), ("tensor2", tensor2)):
        if not hasattr(x, "dtype"):
            raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(x).__name__}")
    if isinstance(value, Tensor) and value.ndim:
        raise TypeError(f"{name}(): argument 'value' must be Number, not Tensor")


class Lerp(Op):
    """``a + weight * (b - a)``, computed from the nearer end so that weight 1 gives b exactly."""

    broadcasts = True

    def forward(self, a: Any, b: Any, weight: Any) -> Any:
        self.save(a if self.needs[2] else None, b if self.needs[2] else None, weight)
        x, z, w = widen(a), widen(b), widen(weight)
        step = z - x
        if isinstance(w, NUMBERS):
            y = x + w * step if abs(w) < 0.5 else z - step * (1 - w)
        else:
            y = array_module(a).where(abs(w) < 0.5, x + w * step, z - step * (1 - w))
        return fixed(y, a, b)

    def backward(self, g: Any) -> Any:
        a, b, weight = self.saved
        w = conj_value(weight)
        return (
            g * (1 - w) if self.needs[0] else None,
            g * w if self.needs[1] else None,
            g * conj_value(b - a) if self.needs[2] else None,
        )


def lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Any:
    """``input + weight * (end - input)``: from ``input`` at weight 0 to ``end`` at weight 1.

    Args:
        weight: a number or a tensor that broadcasts.
    """
    for argument, x in (("input", input), ("end", end)):
        if not hasattr(x, "dtype"):
            raise TypeError(f"lerp(): argument '{argument}' must be Tensor, not {type(x).__name__}")
        if category_of(x) <= dtypes.INTEGRAL:
            raise unsupported("lerp", x)
    for argument, x in (("end", end), ("weight", weight)):
        if not isinstance(x, NUMBERS) and plain(x).dtype != plain(input).dtype and (argument == "end" or x.ndim):
            raise DtypeError(
                f"lerp: expected dtype {dtypes.of(plain(input))} for `{argument}` but got dtype {dtypes.of(plain(x))}"
                "; convert one of them"
            )
    if not isinstance(weight, NUMBERS):
        weight = cast(weight, dtypes.of(plain(input)))
    try:
        y = apply(Lerp, input, end, weight)
    except ValueError as error:
        raise broadcast_error("lerp", input, end, error) from None
    return y if out is None else into(out, y, "lerp", input, end, weight)


def _no_bools(name: str, x: Any, dtype: dtypes.dtype) -> None:
    if dtype is dtypes.bool_:
        raise unsupported(name, x)
