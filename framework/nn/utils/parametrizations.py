"""Ready parametrizations: of length and direction, of spectral norm 1, and orthogonal."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.autograd.mode import no_grad
from framework.devices import array_module
from framework.nn.module import Module
from framework.nn.utils.parametrize import register_parametrization
from framework.nn.utils.spectral_norm import as_matrix, default_dim
from framework.nn.utils.weight_norm import norm_except_dim, weight_from
from framework.ops.creation import zeros, zeros_like
from framework.ops.decompositions import linalg_qr
from framework.ops.joining import cat
from framework.ops.linalg import matrix_exp
from framework.ops.linalg_solve import solve
from framework.ops.matmul import matmul, mv, vdot
from framework.ops.random import randn
from framework.ops.ranges import eye
from framework.ops.similarity import normalize
from framework.tensor import Tensor, missing, wrap

ORTHOGONAL_MAPS = ("matrix_exp", "cayley", "householder")


class _WeightNorm(Module):
    """A weight from its lengths and its direction."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return weight_from(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train a weight's lengths (``original0``) and direction (``original1``) apart.

    Args:
        dim: the dim that keeps a length for each entry; None for one length in all.

    Reference: Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, *_: Any) -> None:
        """Take the keys of the older hook, ``<name>_g`` and ``<name>_v``."""
        if f"{prefix}{name}_g" in state_dict and f"{prefix}{name}_v" in state_dict:
            for old, new in (("g", 0), ("v", 1)):
                state_dict[f"{prefix}parametrizations.{name}.original{new}"] = state_dict.pop(f"{prefix}{name}_{old}")

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    """A weight over its greatest singular value, which power iteration keeps track of."""

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-weight.ndim}, {weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(f"spectral_norm: expected n_power_iterations to be positive, but got {n_power_iterations}")
        self.dim, self.eps = dim % weight.ndim, eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            for name, length in (("_u", matrix.shape[0]), ("_v", matrix.shape[1])):
                self.register_buffer(name, normalize(matrix.new_empty(length).normal_(0, 1), dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: Any, n_power_iterations: int) -> None:
        with no_grad():
            for _ in range(n_power_iterations):
                self._u.copy_(normalize(mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(normalize(mv(matrix.mH, self._u), dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # a later call may change the buffers before this one's backward
        return weight / vdot(u, mv(matrix, v))

    def right_inverse(self, value: Any) -> Any:
        return value  # close enough to the original when that has norm 1


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Keep a weight's greatest singular value at 1.

    Args:
        n_power_iterations: steps of power iteration at each use in training.
        dim: the dim of the output features; by default 1 for transposed convolutions, else 0.

    Reference: Miyato et al., 2018, https://arxiv.org/abs/1802.05957
    """
    weight = _weight_of(module, name, "spectral_norm")
    chosen = default_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, chosen, eps))


def _weight_of(module: Module, name: str, who: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{who}: module {module._get_name()} has no parameter or buffer with name {name!r}")
    return weight


class _Orthogonal(Module):
    """An orthogonal matrix (or batch of them) from an unconstrained one; wide matrices get orthonormal rows."""

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("orthogonal: the householder parametrization does not support complex tensors")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        self.trivialized = use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        rows, columns = X.shape[-2:]
        wide = rows < columns
        if wide:
            X, rows, columns = X.mT, columns, rows
        if self.orthogonal_map == "householder":
            A = X.tril(-1)
            tau = 2.0 / (1.0 + (A * A).sum(-2))
            Q = _reflections(A, tau) * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            X = X.tril()
            if rows != columns:
                X = cat([X, zeros(*X.shape[:-2], rows, rows - columns, dtype=X.dtype, device=X.device)], -1)
            skew: Any = X - X.mH
            if self.orthogonal_map == "matrix_exp":
                Q = matrix_exp(skew)
            else:
                unit: Any = eye(rows, dtype=X.dtype, device=X.device)
                Q = solve(unit - 0.5 * skew, unit + 0.5 * skew)
            Q = Q[..., :columns]
        if self.trivialized:
            Q = matmul(self.base, Q)
        return Q.mT if wide else Q

    def right_inverse(self, Q: Any) -> Any:
        if Q.shape != self.shape:
            raise ValueError(f"orthogonal: expected a tensor of shape {tuple(self.shape)}, got {tuple(Q.shape)}")
        start = Q
        with no_grad():
            wide = Q.shape[-2] < Q.shape[-1]
            Q = Q.mT if wide else Q
            rows, columns = Q.shape[-2:]
            if not self.trivialized:
                if self.orthogonal_map != "householder":
                    raise NotImplementedError(
                        "orthogonal: it is not possible to assign to the matrix exponential or the Cayley "
                        "parametrizations when use_trivialization=False"
                    )
                A = _reflectors(Q)
                return A.mT if wide else A
            if rows != columns:
                noise = randn(*Q.shape[:-2], rows, rows - columns, dtype=Q.dtype, device=Q.device)
                Q = _orthonormal(cat([Q, noise], -1))
            else:
                Q = Q.clone() if _is_orthogonal(Q) else _orthonormal(Q)
            self.base = Q  # the trained matrix starts as minus the identity, which the maps take to the identity
            negative = zeros_like(start)
            negative.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
            return negative


def _reflections(A: Any, tau: Any) -> Any:
    """The first columns of the product of the reflections ``1 - tau v v'``; ``v``: a column of ``A`` below a 1."""
    rows, columns = A.shape[-2:]
    unit = eye(rows, columns, dtype=A.dtype, device=A.device)
    Q = unit.expand(A.shape)
    V = A + unit
    for j in reversed(range(columns)):
        v = V[..., :, j : j + 1]
        Q = Q - matmul(v * tau[..., j : j + 1].unsqueeze(-1), matmul(v.mT, Q))
    return Q


def _reflectors(Q: Any) -> Any:
    """The matrix from which ``_reflections`` gives an orthonormal ``Q`` back, with signs on its diagonal."""
    xp = array_module(Q.array)
    h, tau = np.linalg.qr(Q.array if xp is np else Q.array.get(), mode="raw")
    A = np.swapaxes(h, -1, -2).copy()
    k = np.arange(A.shape[-1])
    A[..., k, k] = np.where(tau == 0, -1, 1) * np.sign(A[..., k, k])
    return wrap(xp.asarray(A.astype(Q.array.dtype)))


def _orthonormal(A: Any) -> Any:
    Q, R = linalg_qr(A)
    return Q * R.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthogonal(Q: Any) -> bool:
    from framework import dtypes

    rows, columns = Q.shape[-2:]
    unit: Any = eye(columns, dtype=Q.dtype, device=Q.device)
    return bool(((matmul(Q.mH, Q) - unit).abs() <= 10.0 * rows * dtypes.finfo(Q.dtype).eps + 1e-5 * unit).all())


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a matrix (or a batch of them) orthogonal; a rectangular one gets orthonormal rows or columns.

    Args:
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square and complex matrices,
            the last for others.
        use_trivialization: start from the matrix's own nearest orthogonal one, kept in the buffer ``base``.

    Reference: Lezcano-Casado, 2019, https://arxiv.org/abs/1909.09501
    """
    weight = _weight_of(module, name, "orthogonal")
    if weight.ndim < 2:
        raise ValueError(
            f"orthogonal: expected a matrix or batch of matrices, got a tensor of {weight.ndim} dimensions"
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in ORTHOGONAL_MAPS:
        raise ValueError(
            f'orthogonal: orthogonal_map has to be one of "matrix_exp", "cayley", "householder", got {orthogonal_map!r}'
        )
    orth = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, orth, unsafe=True)


def __getattr__(name: str) -> Any:
    missing("module 'framework.nn.utils.parametrizations'", name, globals())
