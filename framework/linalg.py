"""Linear algebra: norms, products, factorisations, solvers, determinants and spectra, batched over the leading dims."""

# isort: off
# fmt: off
from typing import Any as _Any

from framework.tensor import missing as _missing
from framework.errors import LinAlgError
from framework.ops.norms import vector_norm
from framework.ops.linalg import (
    cond, linalg_norm as norm, linalg_vander as vander, matrix_exp, matrix_norm, matrix_power,
)
from framework.ops.matmul import matmul
from framework.ops.products import linalg_cross as cross, multi_dot, vecdot
from framework.ops.diagonals import linalg_diagonal as diagonal
from framework.ops.decompositions import cholesky_ex, linalg_cholesky as cholesky, linalg_qr as qr
from framework.ops.linalg_solve import (
    det, inv, inv_ex, linalg_slogdet as slogdet, solve, solve_ex, solve_triangular, tensorinv, tensorsolve,
)
from framework.ops.linalg_spectral import (
    eig, eigh, eigvals, eigvalsh, linalg_svd as svd, lstsq, matrix_rank, pinv, svdvals,
)

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "inv", "inv_ex", "lstsq", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm",
    "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve",
    "vander", "vecdot", "vector_norm",
]


def __getattr__(name: str) -> _Any:
    _missing("module 'framework.linalg'", name, globals())
