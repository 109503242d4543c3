"""How elementwise ops are made: ``unary`` and ``binary`` turn a forward on arrays and a gradient rule into an op.

    @unary(gradient=lambda g, x: g * cos(x))
    def sin(xp, x):
        '''Sine of each element, in radians.'''
        return xp.sin(x)

The rule's parameters after ``g`` name what it reads: ``x`` (the input), ``y`` (the output), and so what is saved.
The public function has the signature ``sin(input, *, out=None)``, promotes as PyTorch does, and takes raw arrays too.
Half-precision operands are computed in float32 unless the op is ``exact``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.autocast_lists import LISTED
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError, GraphError, ShapeError
from framework.ops.casting import NUMBERS, cast, convert, into, promote, result_type
from framework.tensor import Tensor, wrap

Rule = Callable[..., Any]

HALF = dtypes.HALF
FLOAT32 = np.dtype(np.float32)


def unary(
    *,
    gradient: Rule | None = None,
    integers: str = "float",
    bools: bool = True,
    complex: bool = True,
    result: str = "same",
    exact: bool = False,
    half: bool = True,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a one-argument elementwise op.

    Args:
        gradient: the rule, ``(g, x)``, ``(g, y)`` or ``(g, x, y)``; None for an op without a gradient.
        integers: what integer and bool inputs do: "float" computes in the default dtype, "keep" stays, "refuse" raises.
        bools: whether bool inputs are allowed.
        complex: whether complex inputs are allowed.
        result: the output's dtype: "same", "bool", or "real" (of a complex input).
        exact: rounds nothing, so half-precision inputs need no float32.
        half: whether half-precision inputs are allowed.
    """
    # kinds of NumPy dtype that the public function must act on; floats are none of them, so they pass at once
    special = ("" if integers == "keep" else "iu") + ("" if integers == "keep" and bools else "b")
    special += ("" if complex else "c") + ("" if half else "fV")
    exact, real = exact or result == "bool", result == "real"

    def decorate(forward: Callable[..., Any]) -> Callable[..., Any]:
        name = forward.__name__
        reads = tuple(inspect.signature(gradient).parameters)[1:] if gradient else ()
        saves_x, saves_y = "x" in reads, "y" in reads

        class Unary(Op):
            bare = True

            def forward(self, x: Any) -> Any:
                dtype = x.dtype
                wide = convert(x, FLOAT32) if x.itemsize == 2 and not exact and dtype in HALF else x
                y = forward(array_module(x), wide)
                if y.dtype is not dtype and y.dtype != dtype and (result == "same" or (real and dtype.kind != "c")):
                    y = convert(y, dtype)
                if reads and self.needs[0]:
                    self.save(*((x,) if saves_x else ()), *((y,) if saves_y else ()))
                return y

            def backward(self, g: Any) -> Any:
                if gradient is None:
                    raise GraphError(f"{name}: the derivative is not implemented")
                return gradient(g, *self.saved)

        Unary.__name__ = Unary.__qualname__ = Unary.name = _camel(name)

        asks = name in LISTED

        def function(input: Any, *, out: Any = None) -> Any:
            if asks and region() is not None:
                return recast(function, {"out": out}, input)
            if not isinstance(input, Tensor):
                input = as_array(input, name, "input")
            elif (kind := input.array.dtype.kind) in special:
                if kind in "fV":
                    if input.array.itemsize == 2:
                        raise unsupported(name, input)
                elif kind == "c" or integers == "refuse" or (kind == "b" and not bools):
                    raise unsupported(name, input)
                else:
                    input = cast(input, dtypes.get_default_dtype())
            y = apply(Unary, input)
            return y if out is None else into(out, y, name, input)

        return _public(function, forward, name)

    return decorate


def binary(
    *,
    gradient: tuple[Rule | None, Rule | None] | None = None,
    integers: str = "keep",
    bools: bool = True,
    floats: bool = True,
    complex: bool = True,
    numbers: str = "both",
    result: str = "same",
    exact: bool = False,
    half: bool = True,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a two-argument elementwise op that broadcasts.

    Args:
        gradient: a rule for each argument, of ``(g, a, b, y)`` or any part of it by name; None where there is none.
        integers: "keep", "float" (integer operands compute in the default dtype) or "refuse".
        bools: whether bool operands are allowed.
        floats: whether floating-point operands are allowed.
        complex: whether complex operands are allowed.
        numbers: which operand may be a Python number beside a tensor: "both", only the "other", or "none".
        result: the output's dtype: "same" (the common dtype) or "bool".
        exact: rounds nothing, so half-precision operands need no float32.
        half: whether half-precision operands are allowed.
    """
    special = ("" if integers == "keep" else "iu") + ("" if integers == "keep" and bools else "b")
    special += ("" if floats and half else "fV") + ("" if complex else "c")
    exact = exact or result == "bool"

    def decorate(forward: Callable[..., Any]) -> Callable[..., Any]:
        name = forward.__name__
        rules = gradient or (None, None)
        reads = [tuple(inspect.signature(rule).parameters)[1:] if rule else () for rule in rules]

        class Binary(Op):
            broadcasts = True
            bare = True

            def forward(self, a: Any, b: Any) -> Any:
                dtype = common_kind(a, b)
                x, z = a, b
                if dtype.itemsize == 2 and dtype in HALF:
                    x, z = (in_half(v, dtype) if exact else widen(v) for v in (a, b))
                y = forward(array_module(a if hasattr(a, "dtype") else b), x, z)
                if y.dtype is not dtype and result == "same" and y.dtype != dtype:
                    y = convert(y, dtype)
                if gradient is not None and any(self.needs):
                    wanted = {value for need, part in zip(self.needs, reads, strict=True) if need for value in part}
                    self.save(a if "a" in wanted else None, b if "b" in wanted else None, y if "y" in wanted else None)
                return y

            def backward(self, g: Any) -> Any:
                if gradient is None:
                    raise GraphError(f"{name}: the derivative is not implemented")
                for number, (need, rule) in enumerate(zip(self.needs, rules, strict=True)):
                    if need and rule is None:
                        raise GraphError(f"{name}: the derivative for argument {number} is not implemented")
                values = dict(zip("aby", self.saved, strict=True))
                return tuple(
                    rule(g, *[values[part] for part in parts]) if need and rule is not None else None
                    for need, rule, parts in zip(self.needs, rules, reads, strict=True)
                )

        Binary.__name__ = Binary.__qualname__ = Binary.name = _camel(name)

        asks = name in LISTED

        def function(input: Any, other: Any, *, out: Any = None) -> Any:
            if asks and region() is not None:
                return recast(function, {"out": out}, input, other)
            a, b = promote(input, other, name)
            if isinstance(a, Tensor) or isinstance(b, Tensor):
                if numbers != "both":
                    if isinstance(input, NUMBERS):
                        raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
                    if numbers == "none" and isinstance(other, NUMBERS):
                        raise TypeError(f"{name}(): argument 'other' must be Tensor, not {type(other).__name__}")
                tensor = a if isinstance(a, Tensor) else b
                if (kind := tensor.array.dtype.kind) in special:
                    if kind in "fV":
                        if not floats or tensor.array.itemsize == 2:
                            raise unsupported(name, tensor)
                    elif kind == "c" or integers == "refuse" or (kind == "b" and not bools):
                        raise unsupported(name, tensor)
                    else:
                        default = dtypes.get_default_dtype()
                        # a number as it was given: -1 beside a uint8 tensor is wrapped in an integer op only
                        a, b = (x if isinstance(x, NUMBERS) else cast(y, default) for x, y in ((input, a), (other, b)))
            try:
                y = apply(Binary, a, b)
            except ValueError as error:
                raise broadcast_error(name, a, b, error) from None
            return y if out is None else into(out, y, name, input, other)

        return _public(function, forward, name)

    return decorate


def common_kind(a: Any, b: Any) -> Any:
    """The NumPy dtype that two promoted operands share; a Python number takes the other's."""
    kind = getattr(a, "dtype", None)
    return getattr(b, "dtype", None) if kind is None else kind


def widen(x: Any) -> Any:
    """A half-precision array in float32; other arrays and Python numbers as they are."""
    return convert(x, FLOAT32) if hasattr(x, "dtype") and x.dtype in HALF else x


def in_half(x: Any, dtype: Any) -> Any:
    """A Python number rounded to a half-precision dtype, as PyTorch compares it; arrays as they are."""
    return np.asarray(x).astype(dtype)[()] if isinstance(x, NUMBERS) else x


def nothing_like(g: Any) -> Any:
    """A gradient of zeros: what a step function passes on."""
    if isinstance(g, Tensor):
        return wrap(array_module(g.array).zeros_like(g.array))
    return array_module(g).zeros_like(g)


def as_array(x: Any, name: str, argument: str) -> Any:
    """An argument that is not a Tensor, if it is an array or a NumPy number; those occur inside gradient rules."""
    if hasattr(x, "dtype") and hasattr(x, "ndim"):
        return x
    raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {type(x).__name__}")


def unsupported(name: str, tensor: Any) -> DtypeError:
    """The error for a dtype that an op is not defined for."""
    dtype = dtypes.of(tensor.array if isinstance(tensor, Tensor) else tensor)
    hint = "; convert with .float()" if dtype.category < dtypes.FLOATING or dtype.itemsize == 2 else ""
    return DtypeError(f"{name}: not implemented for {dtype} tensors{hint}")


def promote_all(name: str, *operands: Any) -> tuple[list[Any], dtypes.dtype]:
    """Three or more operands in their common dtype (Python numbers stay numbers), and that dtype."""
    first = operands[0]
    if isinstance(first, Tensor):
        kind = first.array.dtype
        if all(isinstance(x, Tensor) and x.array.dtype is kind for x in operands):
            return list(operands), dtypes.OF_NUMPY[kind]
    for number, x in enumerate(operands):
        if not isinstance(x, Tensor | int | float | complex) and not hasattr(x, "dtype"):
            raise TypeError(f"{name}(): argument {number + 1} must be Tensor, not {type(x).__name__}")
    dtype = result_type(*operands)
    return [x if isinstance(x, NUMBERS) else cast(x, dtype) for x in operands], dtype


def broadcast_error(name: str, a: Any, b: Any, error: ValueError) -> ValueError:
    """The error to raise in place of NumPy's when shapes do not broadcast; any other error is given back."""
    if "broadcast" not in str(error) or isinstance(error, ShapeError):
        return error
    return ShapeError(
        f"{name}: the size of tensor a must match the size of tensor b or be 1, got shapes {tuple(a.shape)} and "
        f"{tuple(b.shape)}; reshape or unsqueeze one of them"
    )


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _public(function: Callable[..., Any], forward: Callable[..., Any], name: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__module__ = forward.__module__
    function.__doc__ = forward.__doc__
    return function
