"""Linear systems, inverses and determinants."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.ops.arithmetic import conj_value
from framework.ops.casting import into
from framework.ops.diagonals import diagonal, tril, triu
from framework.ops.dims import also_named, broadcast_shapes
from framework.ops.linalg_checks import (
    adjoint,
    check_matrix,
    check_same,
    column,
    each_matrix,
    fail,
    identity,
    raw,
)
from framework.ops.matmul import matmul
from framework.return_types import structure

SINGULAR = "because the input matrix is singular"


class Inverse(Op):
    """``A^-1``, and an int32 mark for singular matrices."""

    def forward(self, A: Any) -> Any:
        xp = array_module(A)
        try:
            Y, info = xp.linalg.inv(A), xp.zeros(A.shape[:-2], np.int32)
        except np.linalg.LinAlgError:
            results, info = each_matrix(np.linalg.inv, A)
            Y = _stacked(results, A.shape[-2:], A)
        self.save(Y)
        return Y, info

    def backward(self, g: Any, _: Any) -> Any:
        (Y,) = self.saved
        back = adjoint(Y)
        return None if g is None else -matmul(back, matmul(g, back))


def _stacked(results: list[Any], shape: tuple[int, ...], A: Any) -> Any:
    """A batch put together again, with infinities where there is no result."""
    missing = np.full(shape, np.inf, A.dtype)
    return np.stack([missing if r is None else r for r in results]).reshape((*A.shape[:-2], *shape))


class Solve(Op):
    """The ``X`` with ``A @ X = B``, and an int32 mark for singular ``A``."""

    broadcasts = True

    def forward(self, A: Any, B: Any) -> Any:
        xp = array_module(A)
        batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
        try:
            X, info = xp.linalg.solve(A, B), xp.zeros(A.shape[:-2], np.int32)
        except np.linalg.LinAlgError:
            every = [np.broadcast_to(M, (*batch, *M.shape[-2:])) for M in (A, B)]
            results, info = each_matrix(np.linalg.solve, *every)
            X = _stacked(results, B.shape[-2:], every[0])
            info = info if A.ndim - 2 == len(batch) and A.shape[:-2] == batch else each_matrix(np.linalg.inv, A)[1]
        self.save(A, X)
        return X, info

    def backward(self, g: Any, _: Any) -> Any:
        A, X = self.saved
        if g is None:
            return None, None
        gB = _solve(adjoint(A), g)
        return -matmul(gB, adjoint(X)) if self.needs[0] else None, gB if self.needs[1] else None


def _solve(A: Any, B: Any) -> Any:
    return apply(Solve, A, B)[0]


def inv_ex(A: Any, *, check_errors: bool = False, out: Any = None) -> Any:
    """The inverse, and an int32 ``info`` that is not 0 for singular matrices."""
    if region() is not None:
        return recast(inv_ex, locals())
    check_matrix("linalg.inv_ex", A, square=True)
    Y, info = apply(Inverse, A)
    if check_errors:
        fail("linalg.inv_ex", raw(info), f"The inversion could not be completed {SINGULAR}.")
    y = structure("linalg_inv_ex", "inverse", "info")(Y, info)
    return y if out is None else into(out, y)


def inv(A: Any, *, out: Any = None) -> Any:
    """The inverse of square matrices.

    Raises:
        LinAlgError: a matrix is singular.
    """
    if region() is not None:
        return recast(inv, locals())
    check_matrix("linalg.inv", A, square=True)
    Y, info = apply(Inverse, A)
    fail("linalg.inv", raw(info), f"A diagonal element is zero, the inversion could not be completed {SINGULAR}.")
    return Y if out is None else into(out, Y)


def inverse(input: Any, *, out: Any = None) -> Any:
    """The inverse of square matrices; ``linalg.inv`` under its older name."""
    if region() is not None:
        return recast(inverse, locals())
    return inv(input, out=out)


def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """The solution of ``A @ X = B``, and an int32 ``info`` that is not 0 for singular ``A``."""
    name = "linalg.solve"
    check_matrix(name, A, square=True)
    check_same(name, A, B)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector and not left:
        raise ArgumentError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False")
    X = column(B) if vector else B
    if A.shape[-1] != X.shape[-2 if left else -1]:
        raise ShapeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.shape[-2]}x{A.shape[-1]} and {X.shape[-2]}x{X.shape[-1]})"
        )
    broadcast_shapes(A.shape[:-2], X.shape[:-2])
    if left:
        X, info = apply(Solve, A, X)
    else:
        X, info = apply(Solve, A.swapaxes(-1, -2), X.swapaxes(-1, -2))
        X = X.swapaxes(-1, -2)
    if check_errors:
        fail(name, raw(info), f"The solver failed {SINGULAR}.")
    X = X.reshape(X.shape[:-1]) if vector else X
    y = structure("linalg_solve_ex", "result", "info")(X, info)
    return y if out is None else into(out, y)


def solve(A: Any, B: Any, *, left: bool = True, out: Any = None) -> Any:
    """The solution ``X`` of ``A @ X = B``, or of ``X @ A = B`` with ``left=False``; a vector ``B`` gives a vector.

    Raises:
        LinAlgError: ``A`` is singular.
    """
    if region() is not None:
        return recast(solve, locals())
    y = solve_ex(A, B, left=left, check_errors=True).result
    return y if out is None else into(out, y)


class SolveTriangular(Op):
    """The ``X`` with ``A @ X = B`` for triangular ``A``."""

    broadcasts = True

    def forward(self, A: Any, B: Any, upper: bool, unitriangular: bool) -> Any:
        self.upper, self.unitriangular = upper, unitriangular
        T = _triangle(A, upper, unitriangular)
        X = _substitute(T, B, upper)
        self.save(A, X)
        return X

    def backward(self, g: Any) -> Any:
        A, X = self.saved
        gB = apply(SolveTriangular, adjoint(A), g, upper=not self.upper, unitriangular=self.unitriangular)
        gA = None
        if self.needs[0]:
            whole = -matmul(gB, adjoint(X))
            edge = 1 if self.unitriangular else 0
            gA = triu(whole, edge) if self.upper else tril(whole, -edge)
        return gA, gB if self.needs[1] else None


def _triangle(A: Any, upper: bool, unitriangular: bool) -> Any:
    xp = array_module(A)
    if unitriangular:
        return (xp.triu(A, 1) if upper else xp.tril(A, -1)) + identity(A, A.shape[-1])
    return xp.triu(A) if upper else xp.tril(A)


def _substitute(T: Any, B: Any, upper: bool) -> Any:
    """Solve by the general solver, which for a triangular matrix is substitution; row by row if one is singular."""
    xp = array_module(T)
    try:
        return xp.linalg.solve(T, B)
    except np.linalg.LinAlgError:
        n = T.shape[-1]
        X = np.zeros((*np.broadcast_shapes(T.shape[:-2], B.shape[:-2]), *B.shape[-2:]), B.dtype)
        for i in reversed(range(n)) if upper else range(n):
            rest = slice(i + 1, n) if upper else slice(0, i)
            known = np.matmul(T[..., i : i + 1, rest], X[..., rest, :])[..., 0, :]
            X[..., i, :] = (B[..., i, :] - known) / T[..., i, i, None]
        return X


@also_named(input="A")
def solve_triangular(
    A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Any = None
) -> Any:
    """The solution of ``A @ X = B`` (``X @ A = B`` with ``left=False``) for triangular ``A``; a zero pivot gives inf.

    Args:
        upper: which triangle of ``A`` counts.
        unitriangular: take the diagonal of ``A`` as ones.
    """
    check_matrix("linalg.solve_triangular", A, square=True)
    if B.ndim < 2:
        raise ShapeError(f"linalg.solve_triangular: The input tensor B must have at least 2 dimensions, got {B.ndim}")
    check_same("linalg.solve_triangular", A, B)
    if A.shape[-1] != B.shape[-2 if left else -1]:
        raise ShapeError(
            f"linalg.solve_triangular: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if left else 'XA = B'} ({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    broadcast_shapes(A.shape[:-2], B.shape[:-2])
    if left:
        y = apply(SolveTriangular, A, B, upper=upper, unitriangular=unitriangular)
    else:
        y = apply(
            SolveTriangular, A.swapaxes(-1, -2), B.swapaxes(-1, -2), upper=not upper, unitriangular=unitriangular
        ).swapaxes(-1, -2)
    return y if out is None else into(out, y)


class Det(Op):
    """The determinant."""

    def forward(self, A: Any) -> Any:
        y = array_module(A).linalg.det(A)
        self.save(A, y)
        return y

    def backward(self, g: Any) -> Any:
        A, y = self.saved
        if bool((raw(y) == 0).any()):  # a singular matrix has no inverse, but it has cofactors
            return _matrix_scalar(g) * adjoint(_adjugate(A))
        eye = identity(A, A.shape[-1])
        scaled = _matrix_scalar(g * conj_value(y)) * eye
        return _solve(adjoint(A), scaled)


def _matrix_scalar(x: Any) -> Any:
    return x.reshape((*x.shape, 1, 1))


def _adjugate(A: Any) -> Any:
    """The transposed cofactors, by the recurrence of Faddeev and LeVerrier: products and traces only."""
    n = A.shape[-1]
    eye = identity(A, n)
    M = A * 0 + eye
    for k in range(1, n):
        product = matmul(A, M)
        coefficient = diagonal(product, 0, -2, -1).sum(-1) / -k
        M = product + _matrix_scalar(coefficient) * eye
    return M if n % 2 else -M


@also_named(input="A")
def det(A: Any, *, out: Any = None) -> Any:
    """The determinant of square matrices."""
    check_matrix("linalg.det", A, square=True)
    y = apply(Det, A)
    return y if out is None else into(out, y)


class SLogDet(Op):
    """The sign (or phase) of the determinant, and the logarithm of its absolute value."""

    def forward(self, A: Any) -> Any:
        sign, logarithm = array_module(A).linalg.slogdet(A)
        self.save(A, sign)
        return sign, logarithm

    def backward(self, g_sign: Any, g_log: Any) -> Any:
        A, sign = self.saved
        total = g_log
        if g_sign is not None and raw(A).dtype.kind == "c":
            turn = conj_value(g_sign) * sign
            turn = (turn - conj_value(turn)) / 2  # i times the imaginary part
            total = -turn if total is None else total - turn
        if total is None:
            return _matrix_scalar(g_sign * 0) * A
        eye = identity(A, A.shape[-1])
        return _solve(adjoint(A), _matrix_scalar(total) * eye)


def _slogdet(A: Any) -> Any:
    check_matrix("linalg.slogdet", A, square=True)
    return apply(SLogDet, A)


def linalg_slogdet(A: Any, *, out: Any = None) -> Any:
    """The sign of the determinant and the logarithm of its absolute value: ``(sign, logabsdet)``."""
    y = structure("linalg_slogdet", "sign", "logabsdet")(*_slogdet(A))
    return y if out is None else into(out, y)


def slogdet(input: Any, *, out: Any = None) -> Any:
    """``linalg.slogdet`` under its older name."""
    y = structure("slogdet", "sign", "logabsdet")(*_slogdet(input))
    return y if out is None else into(out, y)


def logdet(input: Any) -> Any:
    """The logarithm of the determinant: -inf where it is 0, nan where it is negative."""
    sign, logarithm = _slogdet(input)
    if raw(input).dtype.kind == "c":
        from framework.ops.exponential import log

        return log(sign) + logarithm
    negative = raw(sign) < 0
    return logarithm + array_module(negative).where(negative, np.nan, 0).astype(raw(logarithm).dtype)


@also_named(input="A")
def tensorinv(A: Any, ind: int = 2, *, out: Any = None) -> Any:
    """The inverse of ``tensordot`` with ``A``: the first ``ind`` dims are its rows, the others its columns."""
    if region() is not None:
        return recast(tensorinv, locals())
    if ind <= 0:
        raise ArgumentError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', got {ind}")
    rows, columns = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    n, m = int(np.prod(rows, dtype=np.int64)), int(np.prod(columns, dtype=np.int64))
    if n != m:
        raise ShapeError(
            f"linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {m} != {n}"
        )
    y = inv(A.reshape((n, m))).reshape((*columns, *rows))
    return y if out is None else into(out, y)


@also_named(input="A", other="B")
def tensorsolve(A: Any, B: Any, dims: Any = None, *, out: Any = None) -> Any:
    """The ``X`` with ``tensordot(A, X, X.ndim) = B``; ``dims`` of ``A`` are moved to the end first."""
    if region() is not None:
        return recast(tensorsolve, locals())
    if dims is not None:
        from framework.ops.shape import permute

        moved = [d % A.ndim for d in dims]
        A = permute(A, [d for d in range(A.ndim) if d not in moved] + moved)
    count = int(np.prod(B.shape, dtype=np.int64))
    shape = tuple(A.shape[B.ndim :])
    if int(np.prod(shape, dtype=np.int64)) != count or raw(A).size != count * count:
        raise ShapeError(
            f"linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got A {tuple(A.shape)} and B {tuple(B.shape)}"
        )
    y = solve(A.reshape((count, count)), B.reshape((count,))).reshape(shape)
    return y if out is None else into(out, y)
