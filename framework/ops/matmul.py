"""Matrix products. All of them end in two ops, ``MatMul`` and ``Linear``, over the gemm kernels."""

from __future__ import annotations

import math
from typing import Any

from framework.autograd.autocast import recast, region
from framework.autograd.mode import _enabled
from framework.autograd.op import Op, apply
from framework.errors import DtypeError, ShapeError
from framework.kernels import choose
from framework.kernels.generic.gemm import column_sums
from framework.ops.arithmetic import conj_value
from framework.ops.casting import into
from framework.ops.dims import broadcast_shapes
from framework.ops.kept import kept
from framework.tensor import Tensor, wrap

FEW = 64  # rows, fewer than which make it worth looking whether something is kept of the weight


class MatMul(Op):
    """``a @ b`` over the last two axes, the leading ones broadcasting."""

    broadcasts = True

    def forward(self, a: Any, b: Any) -> Any:
        self.save(a if self.needs[1] else None, b if self.needs[0] else None)
        self.ndims = a.ndim, b.ndim
        return choose("gemm", a, b).matmul(a, b)

    def backward(self, g: Any) -> Any:
        a, b = self.saved
        left, right = self.ndims
        ga = gb = None
        if left == right == 1:
            return g * conj_value(b) if self.needs[0] else None, g * conj_value(a) if self.needs[1] else None
        if self.needs[0]:
            b = conj_value(b)
            rows = g if left > 1 else _row(g) if right > 1 else g
            rows = rows if right > 1 else _column(rows)
            ga = matmul(rows, (b if right > 1 else _column(b)).swapaxes(-1, -2))
            ga = ga if left > 1 else ga.reshape(ga.shape[:-2] + ga.shape[-1:])
        if self.needs[1]:
            a = conj_value(a)
            if left > 2 and right <= 2:  # the batch is one long matrix: one product instead of a sum over many
                a, g = _flat(a), g.reshape((-1,)) if right == 1 else _flat(g)
                gb = matmul(a.swapaxes(0, 1), g)
            else:
                columns = g if right > 1 else _column(g)
                columns = columns if left > 1 else _row(columns)
                gb = matmul((a if left > 1 else _row(a)).swapaxes(-1, -2), columns)
                gb = gb if right > 1 else gb.reshape(gb.shape[:-1])
        return ga, gb


class Linear(Op):
    """``x @ weight.T + bias`` over the last axis of ``x``."""

    def forward(self, x: Any, weight: Any, bias: Any, kept: Any = None) -> Any:
        self.save(x if self.needs[1] else None, weight if self.needs[0] else None)
        self.leading = x.shape[:-1]
        x = x if x.ndim == 2 else _flat(x)
        y = choose("gemm", x, weight.T).linear(x, weight, bias, kept=kept)
        return y if len(self.leading) == 1 else y.reshape((*self.leading, y.shape[-1]))

    def backward(self, g: Any) -> Any:
        x, weight = self.saved
        rows = g if len(self.leading) == 1 else _flat(g)
        gx = gw = None
        if self.needs[0]:
            gx = matmul(rows, conj_value(weight))
            gx = gx if len(self.leading) == 1 else gx.reshape((*self.leading, gx.shape[-1]))
        if self.needs[1]:  # (M, N) @ (N, K): comes out in the weight's own memory order
            x = conj_value(x)
            x = x if len(self.leading) == 1 else _flat(x)
            if self.needs[2] and not isinstance(g, Tensor) and not isinstance(x, Tensor):
                return gx, *choose("gemm", rows.T, x).weight_gradients(rows, x)
            gw = matmul(rows.swapaxes(0, 1), x)
        gb = None
        if self.needs[2]:
            gb = rows.sum(0) if isinstance(g, Tensor) else column_sums(rows)
        return gx, gw, gb


def _row(x: Any) -> Any:
    return x.reshape((*x.shape[:-1], 1, x.shape[-1]))


def _column(x: Any) -> Any:
    return x.reshape((*x.shape, 1))


def _flat(x: Any) -> Any:
    """All dims but the last as one."""
    return x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def check_operands(name: str, *operands: Any) -> None:
    """Refuse operands that are no tensors, of several dtypes, or bool.

    Raises:
        DtypeError: the dtypes differ, or are bool.
    """
    kinds = []
    for x in operands:
        if isinstance(x, Tensor):
            kinds.append(x.array.dtype)
        elif not hasattr(x, "dtype"):
            raise TypeError(f"{name}(): expected tensors, got {type(x).__name__}")
    for kind in kinds:
        if kind != kinds[0]:
            raise DtypeError(f"{name}: expected m1 and m2 to have the same dtype, but got: {kinds[0]} != {kind}")
        if kind.kind == "b":
            raise DtypeError(f"{name}: not implemented for 'Bool'; convert to an integer or float dtype")


def _check_rank(name: str, x: Any, ndim: int, what: str) -> None:
    if x.ndim != ndim:
        raise ShapeError(f"{name}: {what} must be a {ndim}D tensor, got shape {tuple(x.shape)}")


def matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """The matrix product of the last two dims, the others broadcasting; vectors count as a row or a column.

    Shape:
        (..., n, k) @ (..., k, m) -> (..., n, m); (k,) @ (k,) -> ().
    """
    if region() is not None:
        return recast(matmul, locals())
    check_operands("matmul", input, other)
    if input.ndim == 0 or other.ndim == 0:
        raise ShapeError(
            f"matmul: both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D; "
            "use * for numbers"
        )
    inner = other.shape[-2] if other.ndim > 1 else other.shape[0]
    if input.shape[-1] != inner:
        raise ShapeError(
            f"matmul: mat1 and mat2 shapes cannot be multiplied ({tuple(input.shape)} and {tuple(other.shape)}): the "
            f"last dim of the first, {input.shape[-1]}, must equal the second's {inner}"
        )
    if input.ndim > 2 and other.ndim > 2:
        broadcast_shapes(input.shape[:-2], other.shape[:-2])
    y = apply(MatMul, input, other)
    return y if out is None else into(out, y)


def mm(input: Any, mat2: Any, out_dtype: Any = None, *, out: Any = None) -> Any:
    """The product of two matrices, (n, k) @ (k, m) -> (n, m), without broadcasting."""
    if region() is not None:
        return recast(mm, locals())
    check_operands("mm", input, mat2)
    _check_rank("mm", input, 2, "self")
    _check_rank("mm", mat2, 2, "mat2")
    return _in_dtype(matmul(input, mat2, out=out), out_dtype)


def bmm(input: Any, mat2: Any, out_dtype: Any = None, *, out: Any = None) -> Any:
    """The products of two batches of matrices, (b, n, k) @ (b, k, m) -> (b, n, m), without broadcasting."""
    if region() is not None:
        return recast(bmm, locals())
    check_operands("bmm", input, mat2)
    _check_rank("bmm", input, 3, "batch1")
    _check_rank("bmm", mat2, 3, "batch2")
    if tuple(mat2.shape[:2]) != (input.shape[0], input.shape[2]):
        raise ShapeError(
            f"bmm: expected size for first two dimensions of batch2 tensor to be: "
            f"{[input.shape[0], input.shape[2]]} but got: {list(mat2.shape[:2])}"
        )
    return _in_dtype(matmul(input, mat2, out=out), out_dtype)


def _in_dtype(y: Any, out_dtype: Any) -> Any:
    return y if out_dtype is None else y.to(out_dtype)


def mv(input: Any, vec: Any, *, out: Any = None) -> Any:
    """The product of a matrix and a vector, (n, k) @ (k,) -> (n,)."""
    if region() is not None:
        return recast(mv, locals())
    check_operands("mv", input, vec)
    _check_rank("mv", input, 2, "input")
    _check_rank("mv", vec, 1, "vec")
    return matmul(input, vec, out=out)


def dot(input: Any, tensor: Any, *, out: Any = None) -> Any:
    """The sum of the products of two vectors' elements; nothing is conjugated."""
    if region() is not None:
        return recast(dot, locals())
    check_operands("dot", input, tensor)
    if input.ndim != 1 or tensor.ndim != 1:
        raise ShapeError(f"dot: 1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input.shape != tensor.shape:
        raise ShapeError(
            f"dot: inconsistent tensor size, expected tensor {list(input.shape)} and src {list(tensor.shape)} to have "
            "the same number of elements"
        )
    return matmul(input, tensor, out=out)


def vdot(input: Any, other: Any, *, out: Any = None) -> Any:
    """``dot`` with the first vector conjugated."""
    if region() is not None:
        return recast(vdot, locals())
    return dot(conj_value(input), other, out=out)


def _fits(input: Any, weight: Any, bias: Any) -> bool:
    """Whether ``Linear`` takes these tensors as they are: a short way past checks, since decoding is full of calls."""
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        return False
    x, w = input.array, weight.array
    kind = x.dtype
    if w.ndim != 2 or not x.ndim or w.dtype is not kind or kind.kind != "f" or x.shape[-1] != w.shape[1]:
        return False
    if bias is None:
        return True
    return isinstance(bias, Tensor) and bias.array.dtype is kind and bias.array.shape == w.shape[:1]


def linear(input: Any, weight: Any, bias: Any = None, *, out: Any = None) -> Any:
    """``input @ weight.T + bias``.

    Shape:
        input (..., in_features), weight (out_features, in_features), bias (out_features) -> (..., out_features);
        a weight of shape (in_features,) takes the last dim away.
    """
    if region() is not None:
        return recast(linear, locals())
    if out is None and _fits(input, weight, bias):
        if input.array.size >= FEW * weight.array.shape[1] or _enabled.get():
            return apply(Linear, input, weight, bias)
        return apply(Linear, input, weight, bias, kept=kept(weight))
    check_operands("linear", input, weight, *(() if bias is None else (bias,)))
    if weight.ndim not in (1, 2) or not input.ndim:
        raise ShapeError(
            f"linear: expected a 2-d (or 1-d) weight and at least a 1-d input, got weight {tuple(weight.shape)} and "
            f"input {tuple(input.shape)}"
        )
    if input.shape[-1] != weight.shape[-1]:
        raise ShapeError(
            f"linear: mat1 and mat2 shapes cannot be multiplied: weight expects {weight.shape[-1]} input features, got "
            f"input with shape {tuple(input.shape)}; flatten the input or fix in_features"
        )
    if weight.ndim == 1 or (bias is not None and tuple(bias.shape) != (weight.shape[0],)):
        y = matmul(input, weight.swapaxes(0, 1) if weight.ndim > 1 else weight)
        if bias is None:
            return y if out is None else into(out, y, "linear")
        if broadcast_shapes(y.shape, bias.shape) != tuple(y.shape):
            raise ShapeError(f"linear: bias of shape {tuple(bias.shape)} doesn't fit an output of {tuple(y.shape)}")
        y = y + bias
    else:
        y = apply(Linear, input, weight, bias)
    return y if out is None else into(out, y, "linear")


def linear_then(input: Tensor, weight: Tensor, bias: Tensor | None, activation: tuple[Any, ...] | None) -> Tensor:
    """``linear`` and an activation in one pass, without a gradient.

    Args:
        activation: a function of the activation kernels and its parameters, such as ``("relu",)``; or None.
    """
    if activation is None:
        return linear(input, weight, bias)
    check_operands("linear", input, weight, *(() if bias is None else (bias,)))
    x, w = input.array, weight.array
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    place = kept(weight) if rows.shape[0] < FEW else None
    y = choose("gemm", rows, w.T).linear(rows, w, None if bias is None else bias.array, activation, place)
    return wrap(y.reshape(*x.shape[:-1], y.shape[-1]))


def linear_turned(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight + bias``, for a weight that lies the other way round.

    Shape:
        input (..., in_features), weight (in_features, out_features), bias (out_features) -> (..., out_features).
    """
    if _enabled.get() or region() is not None:
        return linear(input, weight.swapaxes(0, 1), bias)
    place = kept(weight) if input.array.size < FEW * weight.array.shape[0] else None
    turned = wrap(weight.array.T)  # a tenth of a view's time
    return apply(Linear, input, turned, bias, kept=place) if _fits(input, turned, bias) else linear(input, turned, bias)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """``input1 @ weight[k] @ input2 + bias[k]`` for each output feature ``k``.

    Shape:
        input1 (..., in1), input2 (..., in2), weight (out, in1, in2), bias (out,) -> (..., out).
    """
    if region() is not None:
        return recast(bilinear, locals())
    check_operands("bilinear", input1, input2, weight, *(() if bias is None else (bias,)))
    if tuple(input1.shape[:-1]) != tuple(input2.shape[:-1]):
        raise ShapeError(
            f"bilinear: input batch dimensions do not match: got {tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    if weight.ndim != 3 or (input1.shape[-1], input2.shape[-1]) != tuple(weight.shape[1:]):
        raise ShapeError(
            f"bilinear: weight {tuple(weight.shape)} must be (out, in1, in2) for inputs {tuple(input1.shape)} and "
            f"{tuple(input2.shape)}"
        )
    count, first, second = weight.shape
    # (N, in1) @ (in1, out * in2) gives input1 @ weight[k] for all k in one product
    half = matmul(_flat(input1), weight.swapaxes(0, 1).reshape((first, count * second)))
    y = matmul(half.reshape((half.shape[0], count, second)), _column(_flat(input2)))
    y = y.reshape((*input1.shape[:-1], count))
    return y if bias is None else y + bias
