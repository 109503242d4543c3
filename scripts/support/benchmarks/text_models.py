"""The text models of the benchmark, over either library.

References: Wang et al., "MiniLM", https://arxiv.org/abs/2002.10957, an encoder of Devlin et al., "BERT",
https://arxiv.org/abs/1810.04805; Radford et al., "Language Models are Unsupervised Multitask Learners" (GPT-2) for the
decoder.
"""

from __future__ import annotations

from typing import Any

from support.benchmarks.layers import attend, feed_forward


def minilm(
    lib: Any,
    dim: int = 384,
    depth: int = 6,
    heads: int = 12,
    words: int = 30522,
    positions: int = 512,
    classes: int = 2,
) -> Any:
    """BERT's encoder in MiniLM's size with its classification head: 22.7 M parameters."""
    nn, core, widen = lib.nn, attend(lib), feed_forward(lib)

    class Layer(nn.Module):
        """Attention and a two-layer net, each followed by dropout, the input added back, and a norm."""

        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
            self.attend = core(0.1)
            self.output = nn.Linear(dim, dim)
            self.norm1 = nn.LayerNorm(dim, eps=1e-12)
            self.mlp = widen(dim, 4 * dim)
            self.norm2 = nn.LayerNorm(dim, eps=1e-12)
            self.dropout = nn.Dropout(0.1)

        def forward(self, x: Any) -> Any:
            """(N, T, dim) -> (N, T, dim)."""
            n, t, _ = x.shape
            q, k, v = (p(x).view(n, t, heads, dim // heads).transpose(1, 2) for p in (self.query, self.key, self.value))
            mixed = self.attend(q, k, v).transpose(1, 2).reshape(n, t, dim)
            x = self.norm1(self.dropout(self.output(mixed)) + x)
            return self.norm2(self.dropout(self.mlp(x)) + x)

    class MiniLM(nn.Module):
        """Words, positions and segments, the layers, and a head on the first token."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.positions = nn.Embedding(words, dim, padding_idx=0), nn.Embedding(positions, dim)
            self.segments = nn.Embedding(2, dim)
            self.norm = nn.LayerNorm(dim, eps=1e-12)
            self.dropout = nn.Dropout(0.1)
            self.layers = nn.Sequential(*[Layer() for _ in range(depth)])
            self.pooler = nn.Linear(dim, dim)
            self.classifier = nn.Linear(dim, classes)
            for layer in self.modules():
                if isinstance(layer, nn.Linear | nn.Embedding):
                    nn.init.normal_(layer.weight, std=0.02)

        def forward(self, ids: Any) -> Any:
            """The classes' scores: (N, T) -> (N, classes)."""
            places = lib.arange(ids.shape[1]).unsqueeze(0)
            x = self.words(ids) + self.segments(lib.zeros_like(ids)) + self.positions(places)
            x = self.layers(self.dropout(self.norm(x)))
            return self.classifier(self.dropout(lib.tanh(self.pooler(x[:, 0]))))

    return MiniLM()


def decoder(lib: Any, dim: int = 256, depth: int = 4, heads: int = 8, words: int = 1000, positions: int = 128) -> Any:
    """A causal language model that reads a token a call and keeps the keys and values of those before it."""
    nn, core, widen = lib.nn, attend(lib), feed_forward(lib)

    class Layer(nn.Module):
        """Attention to all tokens so far and a two-layer net, norms ahead."""

        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
            self.attend = core()
            self.mlp = widen(dim, 4 * dim)

        def forward(self, x: Any, cache: Any, at: int) -> Any:
            """(N, 1, dim) -> (N, 1, dim); the cache, (2, N, H, positions, D), takes this token's key and value."""
            n, t, _ = x.shape
            q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, heads, dim // heads).permute(2, 0, 3, 1, 4).unbind(0)
            cache[0, :, :, at : at + t] = k
            cache[1, :, :, at : at + t] = v
            mixed = self.attend(q, cache[0, :, :, : at + t], cache[1, :, :, : at + t])
            x = x + self.proj(mixed.transpose(1, 2).reshape(n, t, dim))
            return x + self.mlp(self.norm2(x))

    class Decoder(nn.Module):
        """Words and positions, the layers, a norm, and the words' scores."""

        def __init__(self) -> None:
            super().__init__()
            self.words, self.positions = nn.Embedding(words, dim), nn.Embedding(positions, dim)
            self.layers = nn.ModuleList([Layer() for _ in range(depth)])
            self.norm = nn.LayerNorm(dim)
            self.head = nn.Linear(dim, words, bias=False)

        def forward(self, token: Any, caches: Any, at: int) -> Any:
            """The scores of the next word: (N, 1) -> (N, 1, words)."""
            x = self.words(token) + self.positions.weight[at : at + 1]
            for layer, cache in zip(self.layers, caches, strict=True):
                x = layer(x, cache, at)
            return self.head(self.norm(x))

        def caches(self, batch: int) -> list[Any]:
            """Room for the keys and values of every position, a layer each."""
            size, where = (2, batch, heads, positions, dim // heads), self.words.weight.device
            return [lib.zeros(size, device=where) for _ in range(depth)]

        def greedy(self, first: Any, count: int) -> Any:
            """The ``count`` likeliest tokens, one after another, that follow the first: (N, 1) -> (N, count)."""
            caches, token, chosen = self.caches(first.shape[0]), first, []
            for at in range(count):
                token = self(token, caches, at)[:, -1].argmax(-1, keepdim=True)
                chosen.append(token)
            return lib.cat(chosen, dim=1)

    return Decoder()
