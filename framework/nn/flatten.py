"""Layers that change the shape and nothing else."""

from __future__ import annotations

from typing import Any

from framework.nn.module import Module


class Flatten(Module):
    """Joins the dims from ``start_dim`` to ``end_dim`` into one; by default all but the batch dim.

    Shape:
        (N, C, H, W) -> (N, C * H * W).
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        """The flattened tensor."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dims."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one dim into several: the inverse of ``Flatten``.

    Args:
        dim: the dim to split.
        unflattened_size: the lengths it is split into; one may be -1.
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be an int, got {type(dim).__name__}; named dims are not supported")
        if not isinstance(unflattened_size, tuple | list) or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of ints, got {unflattened_size!r}")
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Any) -> Any:
        """The unflattened tensor."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The dim and its parts."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
