"""Singular values, eigenvalues, and what is computed from them: pseudo-inverse, rank, least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.autocast import recast, region
from framework.autograd.op import Op, apply
from framework.devices import array_module
from framework.errors import ArgumentError, LinAlgError, ShapeError
from framework.ops.arithmetic import conj_value
from framework.ops.casting import into
from framework.ops.diagonals import diag_embed, diagonal
from framework.ops.dims import also_named
from framework.ops.linalg_checks import adjoint, check_matrix, check_same, column, identity, raw, row
from framework.ops.matmul import matmul
from framework.return_types import structure
from framework.tensor import Tensor, wrap


class SVD(Op):
    """``A = U @ diag(S) @ Vh``, singular values in descending order."""

    def forward(self, A: Any, full: bool) -> Any:
        self.shape, self.full = A.shape, full
        U, S, Vh = _svd(array_module(A), A, full)
        self.save(U, S, Vh)
        return U, S, Vh

    def backward(self, gU: Any, gS: Any, gVh: Any) -> Any:
        U, S, Vh = self.saved
        m, n = self.shape[-2:]
        k = min(m, n)
        if self.full:
            U, Vh = U[..., :, :k], Vh[..., :k, :]
            gU, gVh = None if gU is None else gU[..., :, :k], None if gVh is None else gVh[..., :k, :]
        if gU is None and gVh is None:
            if gS is None:
                return None
            return matmul(U * row(gS), Vh) if m >= n else matmul(U, column(gS) * Vh)
        squares = S * S
        eye = identity(S, k)
        gaps = row(squares) - column(squares) + eye
        inner = turn = None
        if gU is not None:
            turn = _skew(matmul(adjoint(U), gU))
            inner = turn / gaps * row(S)
        if gVh is not None:
            part = column(S) * (_skew(matmul(Vh, adjoint(gVh))) / gaps)
            inner = part if inner is None else inner + part
        if gS is not None:
            inner = inner + diag_embed(gS)
        if turn is not None and gVh is not None and raw(U).dtype.kind == "c":
            inner = inner + diag_embed(diagonal(turn, 0, -2, -1) / (S * 2))
        if m > k and gU is not None:
            scaled = gU / row(S)
            left = matmul(U, inner) + scaled - matmul(U, matmul(adjoint(U), scaled))
            return matmul(left, Vh)
        if n > k and gVh is not None:
            scaled = gVh / column(S)
            right = matmul(inner, Vh) + scaled - matmul(matmul(scaled, adjoint(Vh)), Vh)
            return matmul(U, right)
        return matmul(U, matmul(inner, Vh))


def _svd(xp: Any, A: Any, full: bool) -> Any:
    if xp is np and not np.isfinite(A).all():
        raise LinAlgError(
            "linalg.svd: The algorithm failed to converge because the input matrix contained non-finite values."
        )
    return tuple(xp.linalg.svd(A, full_matrices=full))


def _skew(X: Any) -> Any:
    return X - adjoint(X)


def linalg_svd(A: Any, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """The singular value decomposition ``A = U @ diag(S) @ Vh``.

    Args:
        full_matrices: square ``U`` and ``Vh``; else of shapes (m, k) and (k, n) with k = min(m, n).
        driver: accepted for PyTorch's signature.
    """
    if region() is not None:
        return recast(linalg_svd, locals())
    check_matrix("linalg.svd", A)
    y = structure("linalg_svd", "U", "S", "Vh")(*apply(SVD, A, full=full_matrices))
    return y if out is None else into(out, y)


def svd(input: Any, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """``linalg.svd`` under its older name, giving ``V`` and not its adjoint: ``input = U @ diag(S) @ V^H``.

    Args:
        some: reduced ``U`` and ``V``, else square ones.
        compute_uv: without it ``U`` and ``V`` are zeros.
    """
    if region() is not None:
        return recast(svd, locals())
    check_matrix("linalg.svd", input)
    kind = structure("svd", "U", "S", "V")
    if compute_uv:
        U, S, Vh = apply(SVD, input, full=not some)
        y = kind(U, S, adjoint(Vh))
    else:
        S = svdvals(input)
        array, (m, n) = raw(input), input.shape[-2:]
        batch, xp = array.shape[:-2], array_module(array)
        y = kind(wrap(xp.zeros((*batch, m, m), array.dtype)), S, wrap(xp.zeros((*batch, n, n), array.dtype)))
    return y if out is None else into(out, y)


def svdvals(A: Any, *, driver: str | None = None, out: Any = None) -> Any:
    """The singular values, in descending order."""
    if region() is not None:
        return recast(svdvals, locals())
    check_matrix("linalg.svdvals", A)
    if isinstance(A, Tensor) and not A.requires_grad:
        y = wrap(array_module(A.array).linalg.svd(A.array, compute_uv=False))
    else:
        y = apply(SVD, A, full=False)[1]
    return y if out is None else into(out, y)


class EigH(Op):
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices."""

    def forward(self, A: Any, UPLO: str) -> Any:
        values, vectors = array_module(A).linalg.eigh(A, UPLO)
        self.save(values, vectors)
        return values, vectors

    def backward(self, gL: Any, gV: Any) -> Any:
        L, V = self.saved
        if gV is None:
            return None if gL is None else matmul(V * row(gL), adjoint(V))
        eye = identity(L, L.shape[-1])
        gaps = row(L) - column(L) + eye
        inner = matmul(adjoint(V), gV) * (1 - eye) / gaps
        if gL is not None:
            inner = inner + diag_embed(gL)
        return matmul(V, matmul(inner, adjoint(V)))


def _uplo(UPLO: str) -> str:
    if UPLO.upper() not in ("L", "U"):
        raise ArgumentError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper()


@also_named(input="A")
def eigh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues, ascending, and orthonormal eigenvectors (columns) of symmetric or Hermitian matrices.

    Args:
        UPLO: the triangle that is read, "L" or "U".
    """
    if region() is not None:
        return recast(eigh, locals())
    check_matrix("linalg.eigh", A, square=True)
    y = structure("linalg_eigh", "eigenvalues", "eigenvectors")(*apply(EigH, A, UPLO=_uplo(UPLO)))
    return y if out is None else into(out, y)


@also_named(input="A")
def eigvalsh(A: Any, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues, ascending, of symmetric or Hermitian matrices."""
    if region() is not None:
        return recast(eigvalsh, locals())
    check_matrix("linalg.eigvalsh", A, square=True)
    if isinstance(A, Tensor) and not A.requires_grad:
        y = wrap(array_module(A.array).linalg.eigvalsh(A.array, _uplo(UPLO)))
    else:
        y = apply(EigH, A, UPLO=_uplo(UPLO))[0]
    return y if out is None else into(out, y)


class Eig(Op):
    """Complex eigenvalues and eigenvectors of square matrices."""

    def forward(self, A: Any) -> Any:
        if array_module(A) is np and not np.isfinite(A).all():
            raise LinAlgError("linalg.eig: input tensor should not contain infs or NaNs.")
        kind = np.result_type(A.dtype, np.complex64)
        values, vectors = array_module(A).linalg.eig(A)
        values, vectors = values.astype(kind, copy=False), vectors.astype(kind, copy=False)
        self.save(values, vectors)
        return values, vectors

    def backward(self, gL: Any, gV: Any) -> Any:
        L, V = self.saved
        back = adjoint(V)
        if gV is None:
            if gL is None:
                return None
            inner = column(gL) * back
        else:
            eye = identity(L, L.shape[-1]).real
            turned = matmul(back, gV)
            lengths = diagonal(turned, 0, -2, -1)
            lengths = (lengths + conj_value(lengths)) / 2  # eigenvectors have length 1: no gradient along them
            gaps = row(L) - column(L)
            inner = (turned - matmul(back, V * row(lengths))) * (1 - eye) / (conj_value(gaps) + eye)
            if gL is not None:
                inner = inner + diag_embed(gL)
            inner = matmul(inner, back)
        from framework.ops.linalg_solve import _solve

        return _solve(back, inner)


@also_named(input="A")
def eig(A: Any, *, out: Any = None) -> Any:
    """Eigenvalues and eigenvectors (columns of length 1) of square matrices; both complex, in no order."""
    if region() is not None:
        return recast(eig, locals())
    check_matrix("linalg.eig", A, square=True)
    y = structure("linalg_eig", "eigenvalues", "eigenvectors")(*apply(Eig, A))
    return y if out is None else into(out, y)


@also_named(input="A")
def eigvals(A: Any, *, out: Any = None) -> Any:
    """Eigenvalues of square matrices; complex, in no order."""
    if region() is not None:
        return recast(eigvals, locals())
    check_matrix("linalg.eigvals", A, square=True)
    y = apply(Eig, A)[0]
    return y if out is None else into(out, y)


def _tolerance(S: Any, shape: Any, atol: Any, rtol: Any) -> Any:
    """Singular values up to ``max(atol, rtol * largest)`` count as zero; plain arrays."""
    xp = array_module(S)
    if rtol is None:
        rtol = 0.0 if atol is not None and np.all(raw(atol) > 0) else max(shape[-2:]) * float(np.finfo(S.dtype).eps)
        if isinstance(atol, Tensor):
            rtol = xp.where(raw(atol) > 0, 0.0, max(shape[-2:]) * float(np.finfo(S.dtype).eps))
    atol, rtol = (xp.asarray(raw(v)) for v in (0.0 if atol is None else atol, rtol))
    largest = S.max(-1, keepdims=True) if S.shape[-1] else xp.zeros((*S.shape[:-1], 1), S.dtype)
    return xp.maximum(atol[..., None], rtol[..., None] * largest)


@also_named(input="A")
def matrix_rank(
    A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """The number of singular values above ``max(atol, rtol * largest)``, int64.

    Args:
        tol: ``atol`` under its older name.
        hermitian: take absolute eigenvalues, which is faster.
        rtol: max(m, n) times the dtype's epsilon, unless ``atol`` is given.
    """
    if region() is not None:
        return recast(matrix_rank, locals())
    check_matrix("linalg.matrix_rank", A, square=hermitian)
    xp = array_module(A.array)
    if hermitian:
        S = abs(xp.linalg.eigvalsh(A.array))
    else:
        S = xp.linalg.svd(A.array, compute_uv=False)
    if tol is not None:
        atol, rtol = tol, 0.0
    y = wrap(xp.asarray((_tolerance(S, A.shape, atol, rtol) < S).sum(-1), np.int64))
    return y if out is None else into(out, y)


class PInv(Op):
    """The Moore-Penrose inverse."""

    def forward(self, A: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
        xp = array_module(A)
        if hermitian:
            values, V = xp.linalg.eigh(A)
            size, left = abs(values), V
            right = V.conj().swapaxes(-1, -2)
        else:
            U, size, Vh = xp.linalg.svd(A, full_matrices=False)
            values, left, right = size, Vh.conj().swapaxes(-1, -2), U.conj().swapaxes(-1, -2)
        kept = size > _tolerance(size, A.shape, atol, rtol)
        inverted = xp.where(kept, 1 / xp.where(kept, values, 1), 0).astype(size.dtype)
        P = xp.matmul(left * inverted[..., None, :], right)
        self.save(A, P)
        return P

    def backward(self, g: Any) -> Any:
        A, P = self.saved
        back, gh = adjoint(P), adjoint(g)
        if A.shape[-2] <= A.shape[-1]:
            K = matmul(gh, P)
            through = matmul(K, back)
            rest = matmul(matmul(back, P), gh - matmul(K, A))
            return -adjoint(matmul(P, K)) + through - matmul(matmul(A, P), through) + rest
        K = matmul(P, gh)
        through = matmul(back, K)
        rest = matmul(matmul(gh - matmul(A, K), P), back)
        return -adjoint(matmul(K, P)) + rest + through - matmul(matmul(through, P), A)


@also_named(input="A")
def pinv(
    A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None
) -> Any:
    """The Moore-Penrose pseudo-inverse: singular values up to ``max(atol, rtol * largest)`` count as zero.

    Args:
        rcond: ``rtol`` under its older name.
        hermitian: ``A`` is symmetric or Hermitian: its eigenvalues serve, which is faster.
    """
    check_matrix("linalg.pinv", A, square=hermitian)
    y = apply(PInv, A, atol=atol, rtol=rcond if rtol is None else rtol, hermitian=hermitian)
    return y if out is None else into(out, y)


def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """``linalg.pinv`` under its older name."""
    if region() is not None:
        return recast(pinverse, locals())
    return pinv(input, rcond)


DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@also_named(input="A", b="B")
def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None, out: Any = None) -> Any:
    """The ``X`` that makes ``|A @ X - B|`` least: ``(solution, residuals, rank, singular_values)``.

    Args:
        rcond: singular values up to this part of the largest count as zero; max(m, n) times epsilon unless given.
        driver: LAPACK's name: "gelsy" (the default), "gels", "gelsd" or "gelss". It decides which of the results are
            filled: residuals of full-rank tall systems with all but gelsy, rank with all but gels, singular values
            with gelsd and gelss.
    """
    if region() is not None:
        return recast(lstsq, locals())
    name = "linalg.lstsq"
    check_matrix(name, A)
    check_same(name, A, B)
    if driver not in (None, *DRIVERS):
        raise ArgumentError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}")
    driver = driver or "gelsy"
    m, n = A.shape[-2:]
    vector = A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1])
    X = column(B) if vector else B
    if X.ndim < 2 or X.shape[-2] != m:
        raise ShapeError(
            f"{name}: input.size(-2) should match other.size(-2), got {tuple(A.shape)} and {tuple(B.shape)}"
        )
    solution = matmul(pinv(A, rcond), X)
    array, xp = A.array, array_module(A.array)
    S = xp.linalg.svd(array, compute_uv=False)
    rank = (_tolerance(S, array.shape, None, rcond) < S).sum(-1)
    residuals = abs(solution.reshape((-1,))[:0])
    if m > n and driver != "gelsy" and bool((rank == n).all()):
        errors = matmul(A, solution) - X
        residuals = abs(errors * conj_value(errors)).sum(-2)
        residuals = residuals[..., 0] if vector else residuals
    y = structure("lstsq", "solution", "residuals", "rank", "singular_values")(
        solution.reshape(solution.shape[:-1]) if vector else solution,
        residuals,
        wrap(xp.asarray(rank, np.int64) if driver != "gels" else xp.empty((0,), np.int64)),
        wrap(S if driver in ("gelsd", "gelss") else xp.empty((0,), S.dtype)),
    )
    return y if out is None else into(out, y)
