"""Vector norms. All accumulate in at least float32 and return the input's dtype, real for complex input."""

from __future__ import annotations

import math
from typing import Any

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError
from framework.ops.casting import cast, into
from framework.ops.dims import normalize_dim, normalize_dims, numpy_names
from framework.ops.extremes import share
from framework.ops.reduction import Dims, count_of, one_dim, plain, restore_axes, widened


class VectorNorm(Op):
    """``sum(abs(x) ** p) ** (1 / p)`` over some axes; for p = 0 the number of elements that are not zero."""

    def forward(self, x: Any, p: float, axes: tuple[int, ...], keepdim: bool) -> Any:
        self.p, self.axes, self.keepdim = p, axes, keepdim
        xp, w = array_module(x), widened(x)
        add = xp.add.reduce
        if p == 2:
            squares = w.real * w.real + w.imag * w.imag if x.dtype.kind == "c" else w * w
            y = xp.sqrt(add(squares, axis=axes, keepdims=keepdim))
        elif p == 0:
            y = add(w != 0, axis=axes, keepdims=keepdim)
        elif p == 1:
            y = add(xp.abs(w), axis=axes, keepdims=keepdim)
        elif math.isinf(p):
            size = xp.abs(w)
            y = size.max(axis=axes, keepdims=keepdim) if p > 0 else size.min(axis=axes, keepdims=keepdim)
        else:
            y = add(xp.abs(w) ** p, axis=axes, keepdims=keepdim) ** (1 / p)
        y = y.astype(x.real.dtype if x.dtype.kind == "c" else x.dtype)
        self.save(x, y)
        return y

    def backward(self, g: Any) -> Any:
        from framework.ops.selection import where
        from framework.ops.signs import abs, sgn

        p = self.p
        x, y = self.saved
        g, y = restore_axes(g, self.axes, self.keepdim), restore_axes(y, self.axes, self.keepdim)
        if p == 0:
            return x * 0 * g
        if p == 1:
            return sgn(x) * g
        if math.isinf(p):
            size, top = plain(abs(x)), plain(y)
            return sgn(x) * share(g, (size == top) | (size != size), self.axes)
        # A norm of zero has the subgradient 0. The ones put in keep 0 / 0 out of gradients of this gradient.
        scale = where(plain(y) == 0, 0, g / where(plain(y) == 0, 1, y) ** (p - 1))
        if p == 2:
            return x * scale
        if p > 2:
            return x * abs(x) ** (p - 2) * scale
        zero = plain(x) == 0
        size = abs(where(zero, 1, x))
        return where(zero, 0, sgn(x) * size ** (p - 1)) * scale


@numpy_names
def vector_norm(
    input: Any, ord: Any = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """The vector norm ``sum(abs(x) ** ord) ** (1 / ord)`` of all elements, or over ``dim``.

    Args:
        ord: any number; ``inf`` for the largest magnitude, ``-inf`` for the smallest, 0 for the count of non-zeros.
        dim: dim or dims; None for all.
        keepdim: leave the reduced dims with length 1.
        dtype: compute in this dtype, which must hold the input's values.

    Raises:
        DtypeError: the input is integer or bool, or ``dtype`` is real for a complex input, or the reverse.
        ArgumentError: a negative or infinite norm of no elements.

    Example:
        >>> framework.linalg.vector_norm(framework.tensor([3.0, 4.0]))
        tensor(5.)
    """
    if region() is not None:
        return recast(vector_norm, locals())
    x, given = input, dtypes.of(plain(input))
    if given.category < dtypes.FLOATING:
        raise DtypeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {given}")
    if isinstance(ord, str) or ord is None:
        raise ArgumentError(f"linalg.vector_norm: ord must be a number, got {ord!r}")
    if dtype is not None:
        wanted = dtypes.as_dtype(dtype)
        if wanted.category < dtypes.FLOATING or wanted.is_complex != given.is_complex:
            kind = "complex" if given.is_complex else "real"
            raise DtypeError(f"linalg.vector_norm: dtype should be {kind} for {kind} inputs, but got {wanted}")
        if dtypes.promote_types(given, wanted) is not wanted:
            raise DtypeError(f"linalg.vector_norm: the dtype of the input {given} should be convertible to {wanted}")
        x = cast(x, wanted)
    p, axes = float(ord), normalize_dims(dim, x.ndim)
    if (p < 0 or p == math.inf) and 0 in x.shape and count_of(tuple(x.shape), axes) == 0:
        empty = [axis for axis in axes if x.shape[axis] == 0]
        where = "an empty tensor" if dim is None else f"the dimension {empty[0]} because this dimension is empty"
        raise ArgumentError(
            f"linalg.vector_norm cannot compute the {ord} norm on {where}, the operation having no identity"
        )
    y = apply(VectorNorm, x, p=p, axes=axes, keepdim=keepdim)
    return y if out is None else into(out, y, "vector_norm")


@numpy_names
def norm(
    input: Any, p: Any = "fro", dim: Dims = None, keepdim: bool = False, out: Any = None, dtype: Any = None
) -> Any:
    """The vector norm of all elements or over ``dim``; the nuclear norm of matrices for ``p="nuc"``.

    Args:
        p: a number, ``inf``, or "fro" (the same as 2), or "nuc" (the sum of the singular values, over two dims).
        dim: dim or dims; None for all.
        keepdim: leave the reduced dims with length 1.
        dtype: compute in this dtype.
    """
    if region() is not None:
        return recast(norm, locals())
    if isinstance(p, str) and p != "fro":
        from framework.ops.linalg import matrix_norm

        if p != "nuc":
            raise ArgumentError(f"norm: Order {p} not supported; expected a number, 'fro' or 'nuc'")
        if dim is None and input.ndim > 2:
            raise ArgumentError(f"norm: p='nuc' needs a matrix or two dims, got shape {tuple(input.shape)}")
        dims = (-2, -1) if dim is None else dim
        return matrix_norm(input, "nuc", dims, keepdim, dtype=dtype, out=out)
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


@numpy_names
def renorm(input: Any, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Any:
    """The tensor with every slice along ``dim`` whose p-norm exceeds ``maxnorm`` scaled down to it.

    Raises:
        ArgumentError: ``p`` is not positive, ``maxnorm`` is negative, or the input has fewer than 2 dims.
    """
    if region() is not None:
        return recast(renorm, locals())
    from framework.ops.selection import where

    if not isinstance(p, int | float) or p <= 0:
        raise ArgumentError(f"renorm: non-positive-norm not supported, got p={p}")
    if maxnorm < 0:
        raise ArgumentError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise ArgumentError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    axis = normalize_dim(one_dim("renorm", dim), input.ndim)
    others = tuple(d for d in range(input.ndim) if d != axis)
    kind = dtypes.of(plain(input))
    sizes = vector_norm(input, p, others, True, dtype=dtypes.float32 if plain(input).dtype in dtypes.HALF else None)
    factor = where(plain(sizes) > maxnorm, maxnorm / (sizes + 1e-7), 1)
    y = input * cast(factor, kind.to_real())
    return y if out is None else into(out, y, "renorm")


def frobenius_norm(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """The square root of the sum of squares over one or two dims."""
    if region() is not None:
        return recast(frobenius_norm, locals())
    return norm(input, "fro", dim, keepdim, out=out)


def nuclear_norm(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The sum of the singular values, of a matrix or over two dims."""
    if region() is not None:
        return recast(nuclear_norm, locals())
    if isinstance(dim, bool):  # nuclear_norm(input, keepdim)
        dim, keepdim = None, dim
    return norm(input, "nuc", dim, keepdim, out=out)


def norm_except_dim(v: Any, pow: int = 2, dim: int = 0) -> Any:
    """The norm of order ``pow`` over all dims but ``dim``, whose other lengths become 1; over all for ``dim=-1``."""
    if dim == -1:
        return norm(v, pow)
    return norm(v, pow, [d for d in range(v.ndim) if d != dim % v.ndim], keepdim=True)
