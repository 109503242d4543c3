"""Perplexity of language models."""

from __future__ import annotations

from typing import Any

import numpy as np

from framework.errors import ArgumentError, BoundsError, ShapeError
from framework.utils.metric import Metric, as_array


class Perplexity(Metric):
    """Among how many tokens, all as likely, a model would have to choose to be as unsure as it is: exp(mean loss).

    Args:
        ignore_index: a target that does not count.
        shift: whether the scores at a place are for the token at the next one, as causal models give them with
            ``labels=input_ids``.
    """

    _settings = ("ignore_index", "shift")
    _state = ("loss", "total")

    def __init__(self, ignore_index: int = -100, shift: bool = False) -> None:
        self.ignore_index = ignore_index
        self.shift = shift
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.loss = np.zeros(())
        self.total = np.zeros((), np.int64)

    def update(self, output: Any, target: Any) -> None:
        """Add scores (logits) (N, C) or (N, L, C), and tokens (N) or (N, L)."""
        scores, tokens = as_array(output), as_array(target)
        if scores.ndim != tokens.ndim + 1 or scores.shape[:-1] != tokens.shape:
            raise ShapeError(f"Perplexity: scores of shape {scores.shape} do not fit tokens of shape {tokens.shape}")
        if self.shift:
            scores, tokens = scores[..., :-1, :], tokens[..., 1:]
        counted = tokens != self.ignore_index
        chosen = tokens[counted]
        rows = scores[counted].astype(np.float64)
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < rows.shape[-1]:
            raise BoundsError(
                f"Perplexity: the tokens {chosen.min()}..{chosen.max()} are not all in 0..{rows.shape[-1] - 1}"
            )
        top = rows.max(axis=-1, initial=-np.inf)
        totals = np.log(np.exp(rows - top[:, None]).sum(axis=-1)) + top
        own = np.take_along_axis(rows, chosen[:, None].astype(np.intp), axis=-1)[:, 0]
        self.add_loss((totals - own).sum(), len(chosen))

    def add_loss(self, loss: Any, count: int) -> None:
        """Add the summed loss of so many tokens, in nats, where it is at hand."""
        self.loss = self.loss + float(loss)
        self.total = self.total + count

    def compute(self) -> float:
        """The perplexity, 1 or more."""
        if not self.total:
            raise ArgumentError("Perplexity: no token was counted; call update before compute")
        return float(np.exp(self.loss / self.total))
