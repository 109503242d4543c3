"""Attention and the two-layer net of a transformer, over either library."""

from __future__ import annotations

from typing import Any


def attend(lib: Any) -> Any:
    """A class: attention itself, a module so that its products are counted like those of other layers."""

    class Attend(lib.nn.Module):
        """Scaled dot products of (N, H, T, D) queries with keys, and the mean of the values that they weigh."""

        def __init__(self, dropout: float = 0.0) -> None:
            super().__init__()
            self.p = dropout

        def forward(self, q: Any, k: Any, v: Any) -> Any:
            """The weighted values, (N, H, T, D)."""
            dropout = self.p if self.training else 0.0
            return lib.nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)

    return Attend


def attention(lib: Any) -> Any:
    """A class: self-attention with one product for queries, keys and values."""
    nn, core = lib.nn, attend(lib)

    class Attention(nn.Module):
        """(N, T, dim) -> (N, T, dim)."""

        def __init__(self, dim: int, heads: int, dropout: float = 0.0) -> None:
            super().__init__()
            self.heads = heads
            self.qkv = nn.Linear(dim, 3 * dim)
            self.attend = core(dropout)
            self.proj = nn.Linear(dim, dim)

        def forward(self, x: Any) -> Any:
            """Every token's mean of the others."""
            n, t, dim = x.shape
            q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
            return self.proj(self.attend(q, k, v).transpose(1, 2).reshape(n, t, dim))

    return Attention


def feed_forward(lib: Any) -> Any:
    """A class: two linear layers with a GELU between them."""
    nn = lib.nn

    class FeedForward(nn.Module):
        """(N, T, dim) -> (N, T, dim)."""

        def __init__(self, dim: int, hidden: int) -> None:
            super().__init__()
            self.fc1 = nn.Linear(dim, hidden)
            self.act = nn.GELU()
            self.fc2 = nn.Linear(hidden, dim)

        def forward(self, x: Any) -> Any:
            """The net on each token for itself."""
            return self.fc2(self.act(self.fc1(x)))

    return FeedForward
