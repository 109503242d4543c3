"""Softmax layers."""

from __future__ import annotations

from typing import Any

from framework.errors import ShapeError
from framework.nn.module import Module
from framework.ops import softmax as F


class _OverDim(Module):
    """A layer whose only setting is ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def extra_repr(self) -> str:
        """The dim."""
        return f"dim={self.dim}"


class Softmax(_OverDim):
    """``exp(x) / sum(exp(x))`` along ``dim``."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(_OverDim):
    """Softmax of ``-x`` along ``dim``."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(_OverDim):
    """The logarithm of softmax along ``dim``."""

    def __repr__(self) -> str:
        return f"{self._get_name()}(dim={self.dim})"

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Any) -> Any:
        """Apply it."""
        if input.ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: expected input to be 3D or 4D, got shape {tuple(input.shape)}")
        return F.softmax(input, -3, _stacklevel=5)
