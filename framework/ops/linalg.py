"""Matrix norms and condition, powers and exponentials of matrices, Vandermonde matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework import dtypes
from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, DtypeError, ShapeError
from framework.ops.casting import cast, into
from framework.ops.dims import also_named, normalize_dim, numpy_names
from framework.ops.linalg_checks import adjoint, check_floating, check_matrix, identity, raw
from framework.ops.linalg_solve import inv, inv_ex
from framework.ops.linalg_spectral import svdvals
from framework.ops.matmul import matmul
from framework.tensor import Tensor, wrap

INF = float("inf")


def _in_dtype(name: str, A: Any, dtype: Any) -> Any:
    if dtype is None:
        check_floating(name, A, half=True)
        return A
    wanted = dtypes.as_dtype(dtype)
    if wanted.category < dtypes.FLOATING:
        raise DtypeError(f"{name}: dtype should be floating point or complex, but got {wanted}")
    if raw(A).dtype.kind == "c" and wanted.category != dtypes.COMPLEX:
        raise DtypeError(f"{name}: dtype should be complex for complex inputs, but got {wanted}")
    if not dtypes.can_cast(A.dtype, wanted) or (
        A.dtype.category == wanted.category and A.dtype.itemsize > wanted.itemsize
    ):
        raise DtypeError(
            f"{name}: the dtype of the input {A.dtype} should be convertible without narrowing to {wanted}"
        )
    return cast(A, wanted)


def _largest(x: Any, dim: int, keepdim: bool) -> Any:
    """The largest of values that are not negative; 0 if there are none."""
    from framework.ops.extremes import amax

    return amax(x, dim, keepdim) if x.shape[dim] else x.sum(dim, keepdim)


@numpy_names
@also_named(input="A")
def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """A norm of the matrices in two dims.

    Args:
        ord: "fro" (root of the sum of squares), "nuc" (sum of the singular values), 2 and -2 (largest and smallest
            singular value), 1 and -1 (largest and smallest column sum), inf and -inf (of row sums).
        dtype: compute in this dtype.
    """
    if region() is not None:
        return recast(matrix_norm, locals())
    from framework.ops.extremes import amin
    from framework.ops.norms import vector_norm

    name = "linalg.matrix_norm"
    if A.ndim < 2:
        raise ShapeError(f"{name}: The input tensor A must have at least 2 dimensions, got shape {tuple(A.shape)}")
    if isinstance(dim, int) or len(dim) != 2:
        raise ShapeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    rows, columns = (normalize_dim(d, A.ndim) for d in dim)
    if rows == columns:
        raise ShapeError(f"{name}: dims must be different. Got {tuple(dim)}")
    A = _in_dtype(name, A, dtype)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim, out=out)
    if ord in ("nuc", 2, -2):
        from framework.ops.shape import permute

        order = [d for d in range(A.ndim) if d not in (rows, columns)] + [rows, columns]
        S = svdvals(permute(A, order))
        y = S.sum(-1) if ord == "nuc" else _largest(S, -1, False) if ord == 2 else amin(S, -1)
        if keepdim:
            y = y.reshape([1 if d in (rows, columns) else n for d, n in enumerate(A.shape)])
    elif ord in (1, -1, INF, -INF):
        summed, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = vector_norm(A, 1, summed, True)
        y = _largest(sums, over, True) if ord > 0 else amin(sums, over, True)
        if not keepdim:
            y = y.reshape([n for d, n in enumerate(A.shape) if d not in (rows, columns)])
    else:
        raise ArgumentError(f"{name}: Order {ord} not supported")
    return y if out is None else into(out, y)


@numpy_names
@also_named(input="A")
def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, out: Any = None, dtype: Any = None
) -> Any:
    """A vector norm for one dim, a matrix norm for two; without ``ord`` the 2-norm of all elements in ``dim``."""
    from framework.ops.norms import vector_norm

    if dim is not None and not isinstance(dim, int) and len(dim) not in (1, 2) and ord is not None:
        raise ShapeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dim}")
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype, out=out)
    if dim is None:
        if A.ndim not in (1, 2):
            raise ShapeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D"
            )
        dim = tuple(range(A.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if isinstance(ord, str) or len(dims) == 2:
        return matrix_norm(A, ord, dims if len(dims) == 2 else dim, keepdim, dtype=dtype, out=out)
    return vector_norm(A, ord, dims, keepdim, dtype=dtype, out=out)


@also_named(input="A")
def cond(A: Any, p: Any = None, *, out: Any = None) -> Any:
    """The condition number ``norm(A, p) * norm(A^-1, p)``; by singular values for p of None, 2 and -2."""
    if region() is not None:
        return recast(cond, locals())
    check_matrix("linalg.cond", A)
    if p in (None, 2, -2):
        S = svdvals(A)
        if not S.shape[-1]:
            y = S.sum(-1)
        else:
            largest, smallest = S[..., 0], S[..., -1]
            y = smallest / largest if p == -2 else largest / smallest
    else:
        check_matrix(f"linalg.cond(ord={p})", A, square=True)
        inverted, info = inv_ex(A)
        y = matrix_norm(A, p) * matrix_norm(inverted, p)
        singular = raw(info) != 0
        if singular.any():
            from framework.ops.masking import masked_fill

            y = masked_fill(y, singular, INF)
    return y if out is None else into(out, y)


@also_named(input="A")
def matrix_power(A: Any, n: int, *, out: Any = None) -> Any:
    """``A`` multiplied with itself ``n`` times, by repeated squaring; its inverse for negative ``n``."""
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they have shape {tuple(A.shape)}"
        )
    if n < 0:
        A, n = inv(A), -n
    if n == 0:
        array = raw(A)
        y = A * 0 + identity(A, A.shape[-1]) if array.dtype.kind in "fc" else wrap(array * 0 + identity(A, A.shape[-1]))
        return y if out is None else into(out, y)
    result, square = None, A
    while n:
        if n & 1:
            result = square if result is None else matmul(result, square)
        n >>= 1
        if n:
            square = matmul(square, square)
    if result is A and isinstance(A, Tensor):
        result = A.clone()
    return result if out is None else into(out, result)


class MatrixExp(Op):
    """The exponential series of square matrices."""

    def forward(self, A: Any) -> Any:
        self.save(A)
        if A.dtype in dtypes.HALF:
            return _exponential(A.astype(np.float32)).astype(A.dtype)
        return _exponential(A)

    def backward(self, g: Any) -> Any:
        from framework.ops.joining import cat

        (A,) = self.saved
        n = A.shape[-1]
        back = adjoint(A)
        # the exponential of [[A^H, g], [0, A^H]] holds the gradient in its upper right corner
        block = cat([cat([back, g], -1), cat([back * 0, back], -1)], -2)
        exponential: Any = apply(MatrixExp, block)
        return exponential[..., :n, n:]


_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
    10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip


def _exponential(A: Any) -> Any:
    """Scaling and squaring around the Pade approximant of order 13.

    Reference: N. Higham, The scaling and squaring method for the matrix exponential revisited (2005).
    """
    xp = array_module(A)
    if not A.size:
        return A.copy()
    wide = A.astype(np.complex128 if A.dtype.kind == "c" else np.float64)
    size = abs(wide).sum(-2).max(-1)
    finite = xp.isfinite(size)
    steps = xp.where(finite & (size > 0), xp.ceil(xp.log2(xp.where(finite & (size > 0), size, 1) / 5.37)), 0)
    steps = xp.maximum(steps, 0).astype(np.int64)
    M = wide / (2.0 ** steps[..., None, None])
    eye = xp.eye(A.shape[-1])
    b = _PADE
    M2 = M @ M
    M4 = M2 @ M2
    M6 = M2 @ M4
    odd = M @ (M6 @ (b[13] * M6 + b[11] * M4 + b[9] * M2) + b[7] * M6 + b[5] * M4 + b[3] * M2 + b[1] * eye)
    even = M6 @ (b[12] * M6 + b[10] * M4 + b[8] * M2) + b[6] * M6 + b[4] * M4 + b[2] * M2 + b[0] * eye
    X = xp.linalg.solve(even - odd, even + odd)
    for step in range(int(steps.max())):
        X = xp.where((steps > step)[..., None, None], X @ X, X)
    return X.astype(A.dtype)


@also_named(input="A")
def matrix_exp(A: Any) -> Any:
    """The exponential of square matrices, ``I + A + A @ A / 2 + ...``."""
    check_matrix("linalg.matrix_exp", A, square=True, half=True)
    return apply(MatrixExp, A)


def linalg_vander(x: Any, *, N: int | None = None) -> Any:
    """The powers 0 to ``N - 1`` of each element, along a new last dim; ``N`` is the length unless given."""
    from framework.ops.cumulative import cumprod
    from framework.ops.joining import cat
    from framework.ops.shape import expand

    if not x.ndim and N is None:
        raise ShapeError("linalg.vander: expected a tensor of at least one dim, or N")
    n = x.shape[-1] if N is None else N
    if N is not None and N <= 1:
        raise ArgumentError(f"linalg.vander: N must be greater than 1, got {N}")
    x = x if x.ndim else x.reshape((1,))
    kind = raw(x).dtype
    if kind.kind in "biu" and kind != np.int64:
        x = cast(x, dtypes.int64)
    base = x.reshape((*x.shape, 1))
    ones: Any = wrap(array_module(raw(x)).ones(tuple(base.shape), raw(x).dtype))
    if n < 2:
        return ones[..., :n]
    return cat([ones, cumprod(expand(base, (*x.shape, n - 1)), -1)], -1)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The powers of the elements of a vector, a row each: from ``N - 1`` down to 0, or up with ``increasing``."""
    if x.ndim != 1:
        raise ShapeError(f"vander: x must be a one-dimensional tensor, got shape {tuple(x.shape)}")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise ArgumentError(f"vander: N must be non-negative, got {n}")
    if n < 2 or not x.shape[0]:
        kind = raw(x).dtype if raw(x).dtype.kind in "fc" else np.dtype(np.int64)
        return wrap(array_module(raw(x)).ones((x.shape[0], n), kind))
    y = linalg_vander(x, N=n)
    if increasing:
        return y
    from framework.ops.rearrange import flip

    return flip(y, (1,))
