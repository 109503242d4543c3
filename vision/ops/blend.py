"""Weighted sums of the rows of a matrix: what pooling of regions and deformable convolution come down to.

With a sparse matrix S of weights, ``blend`` is ``S @ x``. The three ops below are the three derivatives of
``sum(g * (S @ x))``, so each one's gradient is made of the other two.
"""

from __future__ import annotations

from typing import Any

from framework.autograd.op import Op, apply
from framework.devices import array_module, scipy_for
from framework.kernels.generic.boxes import product

GATHERED = 1 << 22  # elements that a gradient of weights gathers at a time


class Pattern:
    """Where the weights of a sparse matrix stand, row after row.

    Args:
        starts: (R + 1,), where each row's entries begin among all, and their number.
        columns: (E,), the column of each entry.
        width: the number of columns.
    """

    def __init__(self, starts: Any, columns: Any, width: int) -> None:
        self.starts = starts
        self.columns = columns
        self.width = width

    def matrix(self, weights: Any) -> Any:
        """The sparse matrix (R, width) with these weights (E,); entries at one place add up."""
        sparse = scipy_for(array_module(weights), "sparse")
        return sparse.csr_matrix((weights, self.columns, self.starts), shape=(len(self.starts) - 1, self.width))

    def rows(self) -> Any:
        """The row of each entry."""
        return self.matrix(array_module(self.columns).ones(len(self.columns), "float32")).tocoo().row


class Blend(Op):
    """``S @ x``: each row of the result is a weighted sum of rows of ``x``."""

    def forward(self, x: Any, weights: Any, pattern: Pattern) -> Any:
        self.pattern = pattern
        self.save(x if self.needs[1] else None, weights if self.needs[0] else None)
        return product(pattern.matrix(weights), x)

    def backward(self, g: Any) -> Any:
        x, weights = self.saved
        gx = apply(Spread, g, weights, pattern=self.pattern) if self.needs[0] else None
        return gx, apply(Agreement, g, x, pattern=self.pattern) if self.needs[1] else None


class Spread(Op):
    """``S.T @ g``: each row of ``g`` is added, weighted, to the rows that it came from."""

    def forward(self, g: Any, weights: Any, pattern: Pattern) -> Any:
        self.pattern = pattern
        self.save(g if self.needs[1] else None, weights if self.needs[0] else None)
        return product(pattern.matrix(weights).T.tocsr(), g)

    def backward(self, gx: Any) -> Any:
        g, weights = self.saved
        gg = apply(Blend, gx, weights, pattern=self.pattern) if self.needs[0] else None
        return gg, apply(Agreement, g, gx, pattern=self.pattern) if self.needs[1] else None


class Agreement(Op):
    """For each entry of S the dot product of its row of ``g`` with its row of ``x``: the gradient of the weights."""

    def forward(self, g: Any, x: Any, pattern: Pattern) -> Any:
        self.pattern = pattern
        self.save(g if self.needs[1] else None, x if self.needs[0] else None)
        xp = array_module(g)
        rows, columns = pattern.rows(), pattern.columns
        out = xp.empty(len(columns), g.dtype)
        step = max(GATHERED // max(g.shape[1], 1), 1)
        for start in range(0, len(columns), step):
            part = slice(start, start + step)
            out[part] = xp.einsum("ec,ec->e", g[rows[part]], x[columns[part]])
        return out

    def backward(self, h: Any) -> Any:
        g, x = self.saved
        gg = apply(Blend, x, h, pattern=self.pattern) if self.needs[0] else None
        return gg, apply(Spread, g, h, pattern=self.pattern) if self.needs[1] else None


def blend(x: Any, weights: Any, pattern: Pattern) -> Any:
    """The rows ``S @ x`` for a sparse matrix S of weights, with gradients of ``x`` and the weights.

    Args:
        x: (M, C), float32 or float64.
        weights: (E,), of the same dtype.
        pattern: where the weights stand in S, (R, M).

    Shape:
        (R, C).
    """
    return apply(Blend, x, weights, pattern=pattern)
