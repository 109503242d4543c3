"""What turns the states of a text's tokens into one vector, and what may follow: the modules of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence

from framework import nn
from framework.devices import array_module
from framework.errors import ArgumentError
from framework.nn import functional as F
from framework.ops.joining import cat
from framework.ops.selection import where
from framework.tensor import Tensor, wrap

MODES = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


class Pooling(nn.Module):
    """One vector for each sequence from the states of its tokens; several ways are put side by side.

    Args:
        width: length of the states.
        modes: of ``"cls_token"``, ``"max_tokens"``, ``"mean_tokens"``, ``"mean_sqrt_len_tokens"`` (the sum over the square
            root of the length), ``"weightedmean_tokens"`` (later tokens weigh more) and ``"lasttoken"``.

    Raises:
        ArgumentError: a mode is none of these, or none is given.
    """

    def __init__(self, width: int, modes: Sequence[str] = ("mean_tokens",)) -> None:
        super().__init__()
        if not modes or set(modes) - set(MODES):
            raise ArgumentError(f"Pooling: expected modes among {', '.join(MODES)}, got {', '.join(modes) or 'none'}")
        self.width = width
        self.modes = tuple(mode for mode in MODES if mode in modes)

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """(B, S, width) states and (B, S) of 1 and, at padding, 0 as (B, modes * width)."""
        seen = attention_mask.to(hidden.dtype).unsqueeze(-1)
        pooled = [getattr(self, f"_{mode}")(hidden, seen) for mode in self.modes]
        return pooled[0] if len(pooled) == 1 else cat(pooled, 1)

    def _cls_token(self, hidden: Tensor, seen: Tensor) -> Tensor:
        return hidden[:, 0]

    def _max_tokens(self, hidden: Tensor, seen: Tensor) -> Tensor:
        return where(seen != 0, hidden, -1e9).amax(1)

    def _mean_tokens(self, hidden: Tensor, seen: Tensor) -> Tensor:
        return (hidden * seen).sum(1) / seen.sum(1).clamp(min=1e-9)

    def _mean_sqrt_len_tokens(self, hidden: Tensor, seen: Tensor) -> Tensor:
        return (hidden * seen).sum(1) / seen.sum(1).clamp(min=1e-9).sqrt()

    def _weightedmean_tokens(self, hidden: Tensor, seen: Tensor) -> Tensor:
        xp = array_module(hidden.array)
        weights = seen * wrap(xp.arange(1, hidden.shape[1] + 1, dtype=hidden.array.dtype)[:, None])
        return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)

    def _lasttoken(self, hidden: Tensor, seen: Tensor) -> Tensor:
        xp = array_module(hidden.array)
        places = xp.arange(hidden.shape[1])
        last = (seen.array[..., 0] * (places + 1)).argmax(1)
        return hidden[wrap(xp.arange(hidden.shape[0])), wrap(last)]


class Dense(nn.Module):
    """A linear layer and an activation on the pooled vector."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias)
        self.activation_function = activation or nn.Tanh()

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, inputs) as (B, outputs)."""
        return self.activation_function(self.linear(pooled))


class Normalize(nn.Module):
    """Vectors of length 1."""

    def forward(self, pooled: Tensor) -> Tensor:
        """Vectors of the same shape."""
        return F.normalize(pooled, dim=-1)
