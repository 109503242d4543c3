"""Cholesky and QR factorisations and what is solved with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, GraphError, ShapeError
from framework.ops.casting import into
from framework.ops.diagonals import tril, triu
from framework.ops.dims import also_named
from framework.ops.linalg_checks import adjoint, check_matrix, check_same, each_matrix, fail, identity, raw
from framework.ops.linalg_solve import solve_triangular
from framework.ops.matmul import matmul
from framework.return_types import structure
from framework.tensor import Tensor, wrap


class Cholesky(Op):
    """The lower triangular ``L`` with ``L @ L^H = A``, and an int32 mark for matrices that have none."""

    def forward(self, A: Any) -> Any:
        xp = array_module(A)
        try:
            L, info = xp.linalg.cholesky(A), xp.zeros(A.shape[:-2], np.int32)
        except np.linalg.LinAlgError:
            results, info = each_matrix(np.linalg.cholesky, A)
            empty = np.full(A.shape[-2:], np.nan, A.dtype)
            L = np.stack([empty if r is None else r for r in results]).reshape(A.shape)
            for position in np.argwhere(info):
                info[tuple(position)] = _first_bad_minor(A[tuple(position)])
        self.save(L)
        return L, info

    def backward(self, g: Any, _: Any) -> Any:
        (L,) = self.saved
        if g is None:
            return None
        half = tril(matmul(adjoint(L), g))
        half = (half + tril(half, -1)) / 2  # the lower half, with half of the diagonal
        inner = (half + adjoint(half)) / 2
        # L^-H inner L^-1, by two triangular solves
        left = solve_triangular(adjoint(L), inner, upper=True)
        return adjoint(solve_triangular(adjoint(L), adjoint(left), upper=True))


def _first_bad_minor(A: Any) -> int:
    """The order of the first leading minor that is not positive definite."""
    for order in range(1, A.shape[-1] + 1):
        try:
            np.linalg.cholesky(A[:order, :order])
        except np.linalg.LinAlgError:
            return order
    return A.shape[-1]


def cholesky_ex(input: Any, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """The Cholesky factor, and an int32 ``info``: 0, or the order of the first minor that is not positive definite.

    Args:
        upper: give the upper triangular factor ``U`` with ``U^H @ U = A``.
        check_errors: raise where ``info`` is not 0.
    """
    if region() is not None:
        return recast(cholesky_ex, locals())
    check_matrix("linalg.cholesky", input, square=True)
    L, info = apply(Cholesky, adjoint(input) if upper else input)
    if check_errors:
        _raise_not_definite(info)
    kind = structure("linalg_cholesky_ex", "L", "info")
    y = kind(adjoint(L) if upper else L, info)
    return y if out is None else into(out, y)


def _raise_not_definite(info: Any) -> None:
    array = getattr(info, "array", info)
    fail(
        "linalg.cholesky",
        array,
        f"The factorization could not be completed because the input is not positive-definite (the leading minor of "
        f"order {int(array.max()) if array.size else 0} is not positive-definite).",
    )


@also_named(input="A")
def linalg_cholesky(A: Any, *, upper: bool = False, out: Any = None) -> Any:
    """The Cholesky factor of a Hermitian positive-definite matrix: lower triangular ``L`` with ``L @ L^H = A``.

    Raises:
        LinAlgError: the matrix is not positive definite.
    """
    if region() is not None:
        return recast(linalg_cholesky, locals())
    y = cholesky_ex(A, upper=upper, check_errors=True).L
    return y if out is None else into(out, y)


def cholesky(input: Any, upper: bool = False, *, out: Any = None) -> Any:
    """The Cholesky factor; ``linalg.cholesky`` under its older name."""
    if region() is not None:
        return recast(cholesky, locals())
    return linalg_cholesky(input, upper=upper, out=out)


@also_named(input="B", input2="L")
def cholesky_solve(B: Any, L: Any, upper: bool = False, *, out: Any = None) -> Any:
    """The solution of ``A @ X = B`` from the Cholesky factor ``L`` of ``A``."""
    if region() is not None:
        return recast(cholesky_solve, locals())
    check_matrix("cholesky_solve", L, square=True)
    check_matrix("cholesky_solve", B)
    check_same("cholesky_solve", L, B)
    y = apply(CholeskySolve, B, adjoint(L) if upper else L)
    return y if out is None else into(out, y)


class CholeskySolve(Op):
    """The ``X`` with ``L @ L^H @ X = B``; ``L`` is read in its lower triangle."""

    broadcasts = True

    def forward(self, B: Any, L: Any) -> Any:
        half = solve_triangular(L, B, upper=False)
        X = solve_triangular(adjoint(L), half, upper=True)
        self.save(L, X)
        return X

    def backward(self, g: Any) -> Any:
        L, X = self.saved
        gB = apply(CholeskySolve, g, L)
        both = matmul(gB, adjoint(X)) if self.needs[1] else None
        return gB if self.needs[0] else None, None if both is None else -matmul(both + adjoint(both), L)


@also_named(input="L")
def cholesky_inverse(L: Any, upper: bool = False, *, out: Any = None) -> Any:
    """The inverse of a matrix from its Cholesky factor."""
    if region() is not None:
        return recast(cholesky_inverse, locals())
    check_matrix("cholesky_inverse", L, square=True)
    L = adjoint(triu(L)) if upper else tril(L)
    half = solve_triangular(L, _eye_like(L), upper=False)
    y = matmul(adjoint(half), half)
    return y if out is None else into(out, y)


def _eye_like(A: Any) -> Any:
    eye = array_module(raw(A)).broadcast_to(identity(A, A.shape[-1]), tuple(A.shape))
    return wrap(eye) if isinstance(A, Tensor) else eye


class QR(Op):
    """``A = Q @ R`` with orthonormal columns in ``Q`` and an upper triangular ``R``."""

    def forward(self, A: Any, mode: str) -> Any:
        self.mode, self.shape = mode, A.shape
        Q, R = array_module(A).linalg.qr(A, mode="complete" if mode == "complete" else "reduced")
        if mode == "r":
            Q = array_module(A).empty((0,), A.dtype)
        self.save(Q, R)
        return Q, R

    def backward(self, gQ: Any, gR: Any) -> Any:
        Q, R = self.saved
        m, n = self.shape[-2:]
        if self.mode == "r":
            raise GraphError(
                "linalg.qr: the derivative depends on Q, which is not computed with mode='r'; use mode='reduced'"
            )
        if self.mode == "complete" and m > n:
            raise GraphError("linalg.qr: the derivative is not defined with mode='complete' and more rows than columns")
        if m >= n:
            return _tall_gradient(gQ, gR, Q, R)
        # wide: R = [U, V] with U square and V = Q^H Y for the columns Y of A beyond the first m
        if gR is None:
            gU, gV = None, None
        else:
            gU, gV = gR[..., :m], gR[..., m:]
        U, V = R[..., :m], R[..., m:]
        if gV is None:
            gX = _tall_gradient(gQ, None, Q, U)
            return _beside(gX, gX[..., :1] * 0, n - m)
        from framework.ops.joining import cat

        through = matmul(matmul(Q, V), adjoint(gV))  # Y gV^H, what V's gradient asks of Q
        gX = _tall_gradient(through if gQ is None else gQ + through, gU, Q, U)
        return cat([gX, matmul(Q, gV)], -1)


def _beside(left: Any, zero: Any, count: int) -> Any:
    from framework.ops.joining import cat

    return cat([left] + [zero] * count, -1)


def _tall_gradient(gQ: Any, gR: Any, Q: Any, R: Any) -> Any:
    """The gradient for matrices with at least as many rows as columns."""
    inner = None
    if gR is not None:
        inner = matmul(gR, adjoint(R))
    if gQ is not None:
        part = matmul(adjoint(Q), gQ)
        inner = -part if inner is None else inner - part
    upper = triu(inner)
    # mirror the strict upper half below, and keep the real part of the diagonal
    mirrored = (upper + adjoint(triu(upper, 1)) + (triu(upper, 1) + adjoint(upper))) / 2
    left = matmul(Q, mirrored)
    left = left if gQ is None else gQ + left
    # left @ R^-H = (R^-1 @ left^H)^H
    return adjoint(solve_triangular(R, adjoint(left), upper=True))


def _qr(A: Any, mode: str) -> Any:
    check_matrix("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return apply(QR, A, mode=mode)


def linalg_qr(A: Any, mode: str = "reduced", *, out: Any = None) -> Any:
    """The QR factorisation: ``Q`` with orthonormal columns, and upper triangular ``R``.

    Args:
        mode: "reduced" for Q of shape (m, min(m, n)), "complete" for (m, m), "r" for R alone (Q is then empty).
    """
    if region() is not None:
        return recast(linalg_qr, locals())
    y = structure("linalg_qr", "Q", "R")(*_qr(A, mode))
    return y if out is None else into(out, y)


def qr(input: Any, some: bool = True, *, out: Any = None) -> Any:
    """``linalg.qr`` under its older name: reduced with ``some``, else complete."""
    if region() is not None:
        return recast(qr, locals())
    y = structure("qr", "Q", "R")(*_qr(input, "reduced" if some else "complete"))
    return y if out is None else into(out, y)


@also_named(input="b")
def triangular_solve(
    b: Any, A: Any, upper: bool = True, transpose: bool = False, unitriangular: bool = False, *, out: Any = None
) -> Any:
    """The solution of ``A @ X = b`` (``A^H @ X = b`` with ``transpose``) for triangular ``A``, and a copy of ``A``."""
    if region() is not None:
        return recast(triangular_solve, locals())
    check_matrix("triangular_solve", A, square=True)
    if b.ndim < 2:
        raise ShapeError(f"triangular_solve: expected b to have at least 2 dimensions, but it has {b.ndim}")
    matrix = adjoint(A) if transpose else A
    x = solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    y = structure("triangular_solve", "solution", "cloned_coefficient")(x, A.clone())
    return y if out is None else into(out, y)
