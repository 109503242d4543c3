"""Choosing elements by a condition."""

from __future__ import annotations

from typing import Any

from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import DtypeError
from framework.ops.casting import NUMBERS, into, promote
from framework.ops.pointwise import broadcast_error, common_kind
from framework.tensor import Tensor


class Where(Op):
    """``a`` where the condition holds, ``b`` elsewhere."""

    broadcasts = True

    def forward(self, condition: Any, a: Any, b: Any) -> Any:
        self.condition = condition if any(self.needs) else None
        xp = array_module(condition)
        y = xp.where(condition, a, b)
        kind = common_kind(a, b)
        return y if kind is None or y.dtype == kind else y.astype(kind)

    def backward(self, g: Any) -> Any:
        c = self.condition
        return None, where(c, g, 0) if self.needs[1] else None, where(c, 0, g) if self.needs[2] else None


def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """Elements of ``input`` where ``condition`` is true, of ``other`` elsewhere; all three broadcast.

    With the condition alone: the indices of its true elements, one tensor a dimension.

    Args:
        condition: bool tensor.
        input, other: tensors or Python numbers, promoted to their common dtype.
    """
    if input is None and other is None:
        from framework.ops.indexing import nonzero

        return nonzero(condition, as_tuple=True)
    kind = condition.array.dtype if isinstance(condition, Tensor) else condition.dtype
    if kind.kind != "b" and kind != "uint8":
        raise DtypeError(f"where: expected condition to be a bool tensor, got {kind}")
    a, b = promote(input, other)
    if isinstance(a, NUMBERS) and isinstance(b, NUMBERS):
        from framework.ops.creation import tensor

        a, b = promote(tensor(a), tensor(b))
    if kind.kind != "b":
        condition = condition != 0
    try:
        y = apply(Where, condition, a, b)
    except ValueError as error:
        raise broadcast_error("where", a, b, error) from None
    return y if out is None else into(out, y)
