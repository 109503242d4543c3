"""Matrix products. All of them end in one op, ``MatMul``, over the gemm kernels."""

from __future__ import annotations

from typing import Any

from framework.autograd.op import Op, apply
from framework.errors import DtypeError, ShapeError
from framework.kernels import choose
from framework.ops.arithmetic import conj_value
from framework.ops.casting import into
from framework.tensor import Tensor


class MatMul(Op):
    """``a @ b`` over the last two axes, the leading ones broadcasting."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        self.ndims = a.ndim, b.ndim
        return choose("gemm", a, b).matmul(a, b)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        if self.ndims == (1, 1):
            return (
                g * conj_value(b) if self.needs[0] else None,
                g * conj_value(a) if self.needs[1] else None,
            )
        ga = gb = None
        if self.needs[0]:
            left = g if self.ndims[0] > 1 else _row(g)
            left = left if self.ndims[1] > 1 else _column(left)
            right = conj_value(b) if self.ndims[1] > 1 else _column(conj_value(b))
            ga = matmul(left, right.swapaxes(-1, -2))
            ga = ga if self.ndims[0] > 1 else ga.reshape(ga.shape[:-2] + ga.shape[-1:])
        if self.needs[1]:
            right = g if self.ndims[1] > 1 else _column(g)
            right = right if self.ndims[0] > 1 else _row(right)
            left = conj_value(a) if self.ndims[0] > 1 else _row(conj_value(a))
            gb = matmul(left.swapaxes(-1, -2), right)
            gb = gb if self.ndims[1] > 1 else gb.reshape(gb.shape[:-1])
        return ga, gb


def _row(x: Any) -> Any:
    return x.reshape((*x.shape[:-1], 1, x.shape[-1]))


def _column(x: Any) -> Any:
    return x.reshape((*x.shape, 1))


def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """The matrix product of the last two dims, the others broadcasting; vectors count as a row or a column.

    Shape:
        (..., n, k) @ (..., k, m) -> (..., n, m); (k,) @ (k,) -> ().
    """
    if input.ndim == 0 or other.ndim == 0:
        raise ShapeError("matmul: both arguments need to be at least 1D; use * for numbers")
    inner = other.shape[-2] if other.ndim > 1 else other.shape[0]
    if input.shape[-1] != inner:
        raise ShapeError(
            f"matmul: mat1 and mat2 shapes cannot be multiplied ({tuple(input.shape)} and {tuple(other.shape)}): the last "
            f"dim of the first, {input.shape[-1]}, must equal the second's {inner}"
        )
    if isinstance(input, Tensor) and isinstance(other, Tensor) and input.dtype != other.dtype:
        raise DtypeError(f"matmul: expected both to have the same dtype, but got {input.dtype} and {other.dtype}")
    y = apply(MatMul, input, other)
    return y if out is None else into(out, y)


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """``input @ weight.T + bias``.

    Shape:
        input (..., in_features), weight (out_features, in_features), bias (out_features) -> (..., out_features).
    """
    if input.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"linear: weight expects {weight.shape[-1]} input features, got input with shape {tuple(input.shape)}; "
            "flatten the input or fix in_features"
        )
    y = matmul(input, weight.swapaxes(-1, -2) if weight.ndim > 1 else weight)
    return y if bias is None else y + bias
