"""How elementwise ops are made: ``unary`` and ``binary`` turn a forward on arrays and a gradient rule into an op.

    @unary(gradient=lambda g, x: g * cos(x))
    def sin(xp, x):
        '''Sine of each element, in radians.'''
        return xp.sin(x)

The rule's parameters after ``g`` name what it reads: ``x`` (the input), ``y`` (the output), and so what is saved.
The public function has the signature ``sin(input, *, out=None)``, promotes as PyTorch does, and takes raw arrays too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError, ShapeError
from framework.ops.casting import NUMBERS, cast, into, promote
from framework.tensor import Tensor

Rule = Callable[..., Any]


def unary(
    *,
    gradient: Rule | None = None,
    integers: str = "float",
    complex: bool = True,
    result: str = "same",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a one-argument elementwise op.

    Args:
        gradient: the rule, ``(g, x)``, ``(g, y)`` or ``(g, x, y)``; None for an op without a gradient.
        integers: what integer and bool inputs do: "float" computes in the default dtype, "keep" stays, "refuse" raises.
        complex: whether complex inputs are allowed.
        result: the output's dtype: "same", "bool", or "real" (of a complex input).
    """

    def decorate(forward: Callable[..., Any]) -> Callable[..., Any]:
        name = forward.__name__
        reads = tuple(inspect.signature(gradient).parameters)[1:] if gradient else ()
        saves_x, saves_y = "x" in reads, "y" in reads

        class Unary(Op):
            def forward(self, x: Any) -> Any:
                y = forward(array_module(x), x)
                if result == "same" and y.dtype != x.dtype:
                    y = y.astype(x.dtype)
                if self.needs[0] and reads:
                    self.save(*((x,) if saves_x else ()), *((y,) if saves_y else ()))
                return y

            def backward(self, g: Any) -> Any:
                if gradient is None:
                    raise DtypeError(f"{name}: not differentiable")
                return gradient(g, *self.saved)

        Unary.__name__ = Unary.__qualname__ = Unary.name = _camel(name)

        def function(input: Any, *, out: Any = None) -> Any:
            if not isinstance(input, Tensor):
                if isinstance(input, np.ndarray | np.generic) or hasattr(input, "dtype"):
                    return apply(Unary, input)
                raise TypeError(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}")
            kind = input.array.dtype.kind
            if kind in "biu" and integers != "keep":
                if integers == "refuse":
                    raise DtypeError(f"{name}: not defined for {input.dtype} tensors; convert with .float()")
                input = cast(input, dtypes.get_default_dtype())
            elif kind == "c" and not complex:
                raise DtypeError(f"{name}: not defined for complex tensors")
            y = apply(Unary, input)
            return y if out is None else into(out, y)

        return _public(function, forward, name)

    return decorate


def binary(
    *,
    gradient: tuple[Rule | None, Rule | None] | None = None,
    integers: str = "keep",
    bools: bool = True,
    complex: bool = True,
    result: str = "same",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a two-argument elementwise op that broadcasts.

    Args:
        gradient: a rule for each argument, of ``(g, a, b, y)`` or any part of it by name; None where there is none.
        integers: "keep", "float" (integer operands compute in the default dtype) or "refuse".
        bools: whether bool operands are allowed.
        complex: whether complex operands are allowed.
        result: the output's dtype: "same" (the common dtype) or "bool".
    """

    def decorate(forward: Callable[..., Any]) -> Callable[..., Any]:
        name = forward.__name__
        rules = gradient or (None, None)
        reads = [tuple(inspect.signature(rule).parameters)[1:] if rule else () for rule in rules]

        class Binary(Op):
            broadcasts = True

            def forward(self, a: Any, b: Any) -> Any:
                y = forward(array_module(a if hasattr(a, "dtype") else b), a, b)
                if result == "same":
                    kind = common_kind(a, b)
                    if kind is not None and y.dtype != kind:
                        y = y.astype(kind)
                if any(self.needs) and any(reads):
                    wanted = {value for need, part in zip(self.needs, reads, strict=True) if need for value in part}
                    self.save(
                        a if "a" in wanted else None, b if "b" in wanted else None, y if "y" in wanted else None
                    )
                return y

            def backward(self, g: Any) -> Any:
                values = dict(zip("aby", self.saved, strict=True)) if self.saved else {}
                return tuple(
                    rule(g, *[values[part] for part in parts]) if need and rule is not None else None
                    for need, rule, parts in zip(self.needs, rules, reads, strict=True)
                )

        Binary.__name__ = Binary.__qualname__ = Binary.name = _camel(name)

        def function(input: Any, other: Any, *, out: Any = None) -> Any:
            a, b = promote(input, other)
            if isinstance(a, Tensor) or isinstance(b, Tensor):
                tensor = a if isinstance(a, Tensor) else b
                kind = tensor.array.dtype.kind
                if kind in "biu":
                    if integers == "refuse" or (kind == "b" and not bools):
                        raise DtypeError(f"{name}: not defined for {tensor.dtype} tensors")
                    if integers == "float":
                        default = dtypes.get_default_dtype()
                        a, b = (x if isinstance(x, NUMBERS) else cast(x, default) for x in (a, b))
                elif kind == "c" and not complex:
                    raise DtypeError(f"{name}: not defined for complex tensors")
            try:
                y = apply(Binary, a, b)
            except ValueError as error:
                raise broadcast_error(name, a, b, error) from None
            return y if out is None else into(out, y)

        return _public(function, forward, name)

    return decorate


def common_kind(a: Any, b: Any) -> Any:
    """The dtype that two promoted operands share; a Python number takes the other's."""
    kind = getattr(a, "dtype", None)
    return getattr(b, "dtype", None) if kind is None else kind


def broadcast_error(name: str, a: Any, b: Any, error: ValueError) -> ValueError:
    """The error to raise in place of NumPy's when shapes do not broadcast; any other error is given back."""
    if "broadcast" not in str(error):
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
