"""Stochastic depth: residual branches dropped at random in training."""

from __future__ import annotations

from typing import Any

import framework
from framework import nn
from framework.errors import ArgumentError

MODES = ("batch", "row")


def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """In training, zero a residual branch with probability ``p`` and divide it by ``1 - p`` where it is kept.

    Args:
        input: the branch's output.
        p: the probability of zeroing, in [0, 1].
        mode: "row" decides for each sample of the batch, "batch" for all at once.
        training: outside training the input is returned as it is.

    Shape:
        (N, ...), unchanged.

    Raises:
        ArgumentError: ``p`` or ``mode`` is none of these.

    Reference: Huang et al., "Deep Networks with Stochastic Depth", https://arxiv.org/abs/1603.09382, which scales
    the kept branch at inference instead.
    """
    if p < 0.0 or p > 1.0:
        raise ArgumentError(f"stochastic_depth: drop probability has to be between 0 and 1, but got {p}")
    if mode not in MODES:
        raise ArgumentError(f"stochastic_depth: mode has to be either 'batch' or 'row', but got {mode!r}")
    if not training or p == 0.0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    kept = framework.empty((rows,) + (1,) * (input.ndim - 1), dtype=input.dtype, device=input.device)
    kept.bernoulli_(1.0 - p)
    if p < 1.0:
        kept /= 1.0 - p
    return input * kept


class StochasticDepth(nn.Module):
    """``stochastic_depth`` as a layer, with its ``p`` and ``mode``."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        """The settings."""
        return f"p={self.p}, mode={self.mode}"
