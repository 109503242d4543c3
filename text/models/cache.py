"""Keys and values that decoders have seen, kept so that each new token costs one step.

What decoders (GPT-2, Llama ...) and encoder-decoders (T5, BART ...) share, and what ``text.generation`` builds on::

    cache = model.new_cache(batch, max_length)     # memory for that many sequences and tokens, taken at the first call
    output = model(input_ids, attention_mask=mask, position_ids=places, past_key_values=cache, logits_to_keep=1)
    output.logits                                  # (B, 1, vocabulary): of the last ``logits_to_keep`` tokens; 0 means all
    output.past_key_values is cache                # the same object, which now holds the tokens of input_ids, too

* ``input_ids`` (B, L) are the new tokens only. ``attention_mask`` (B, len(cache) + L) covers the old ones, too, 0 at
  padding on either side; None where nothing is padded, which is the fastest. ``position_ids`` (B, L) are those of the new
  tokens; they count on from the cache's length unless given, so a batch padded on the left should give them:
  ``position_ids(mask, L)`` of this file. T5, BART and Marian take no position ids.
* ``use_cache=True`` without ``past_key_values`` makes a cache. Without either none is made and ``past_key_values`` is None
  (transformers makes one unless told not to).
* ``cache.reorder(rows)`` lets sequence i go on from what sequence ``rows[i]`` was. ``rows`` may be longer or shorter than
  the batch: beams fan out after the prompt with ``[0, 0, 0, 1, 1, 1]``, and finished sequences leave. Cross-attention's keys
  follow, so ``encoder_outputs`` of the old batch are not looked at again.
* ``cache.crop(length)`` forgets all tokens after the first ``length``.
* Encoder-decoders: ``encoded = model.get_encoder()(input_ids, attention_mask)`` once, then ``model(encoder_outputs=encoded,
  attention_mask=mask, decoder_input_ids=new, past_key_values=cache, logits_to_keep=1)``, where ``attention_mask`` (B, S) is
  the encoder's, and ``decoder_attention_mask`` (B, len(cache) + L) is that of the target. The first call projects the
  encoder's states into the cache; ``encoder_outputs`` may be None in later ones.
  ``config.decoder_start_token_id`` begins a target.
* Call under ``framework.no_grad()``: where gradients are recorded, the cache holds the graph and copies at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from framework.devices import array_module
from framework.errors import ArgumentError, ShapeError
from framework.ops.joining import cat
from framework.tensor import Tensor, wrap

SHORTEST = 32  # tokens that memory is taken for at least


class CacheLayer:
    """The keys and values of one layer, (B, heads, length, D) each, in memory that doubles when it is full.

    Args:
        batch: sequences to take memory for; more may come.
        capacity: tokens to take memory for; more may come.
    """

    def __init__(self, batch: int = 0, capacity: int = 0) -> None:
        self.batch = batch
        self.capacity = capacity
        self.rows = 0
        self.length = 0
        self._graph: tuple[Tensor, Tensor] | None = None
        self._keys: Any = None
        self._values: Any = None

    def update(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Take in the keys and values of new tokens, (B, heads, L, D), and give those of all tokens, views of the memory.

        Raises:
            ShapeError: there are keys of another number of sequences.
        """
        if self._graph is not None or key.requires_grad or value.requires_grad:
            return self._join(key, value)
        first = not self.length
        keys, values = self.append(key.array, value.array)
        return (key, value) if first else (wrap(keys), wrap(values))

    def append(self, k: Any, v: Any) -> tuple[Any, Any]:
        """``update`` for arrays, which keep no graph."""
        rows = k.shape[0]
        start, stop = self._begin(rows), self.length + k.shape[2]
        if self._keys is None or stop > self._keys.shape[2] or rows > len(self._keys):
            self._grow(k, v, stop)
        keys, values = self._keys[:rows, :, :stop], self._values[:rows, :, :stop]
        keys[:, :, start:] = k
        values[:, :, start:] = v
        self.length = stop
        return keys, values

    def _begin(self, rows: int) -> int:
        """Where new tokens of so many sequences begin."""
        if self.length and rows != self.rows:
            raise ShapeError(
                f"CacheLayer: it holds {self.rows} sequences, got keys of {rows}; reorder the cache or take a new one"
            )
        self.rows = rows
        return self.length

    @property
    def keeps_graph(self) -> bool:
        """Whether what it holds was computed where gradients are recorded."""
        return self._graph is not None

    def get(self) -> tuple[Tensor, Tensor]:
        """The keys and values of all tokens."""
        if self._graph is not None:
            return self._graph
        return wrap(self._keys[: self.rows, :, : self.length]), wrap(self._values[: self.rows, :, : self.length])

    def put(self, key: Tensor, value: Tensor) -> None:
        """Hold these keys and values, which stay as they are: those of an encoder's states."""
        self._graph = (key, value) if key.requires_grad or value.requires_grad else None
        self._keys, self._values = key.array, value.array
        self.rows, self.length = key.shape[0], key.shape[2]

    def reorder(self, rows: Any) -> None:
        """Let sequence i be what sequence ``rows[i]`` was; ``rows`` is an array of integers of any length."""
        if not self.length:
            return
        if self._graph is not None:
            self.put(*(t[wrap(rows)] for t in self._graph))
            return
        seen = self.length
        keys, values = self._keys[rows, :, :seen], self._values[rows, :, :seen]
        self.rows = len(rows)
        if not self.capacity:  # what ``put`` took is not written to
            self._keys, self._values = keys, values
            return
        if self.rows > len(self._keys):
            self._take(keys, values, self._keys.shape[2])
        self._keys[: self.rows, :, :seen], self._values[: self.rows, :, :seen] = keys, values

    def follow(self, rows: Any, others: Any, start: int) -> None:
        """Let sequences ``rows`` be what sequences ``others`` were, which had the same tokens before place ``start``."""
        for memory in (self._keys, self._values):
            memory[rows, :, start : self.length] = memory[others, :, start : self.length]

    def crop(self, length: int) -> None:
        """Forget all tokens after the first ``length``."""
        self.length = min(self.length, length)
        if self._graph is not None:
            self._graph = (self._graph[0][:, :, :length], self._graph[1][:, :, :length]) if length else None

    def _grow(self, k: Any, v: Any, length: int) -> None:
        """Take memory for at least ``length`` tokens and move what there is."""
        held = 0 if self._keys is None else self._keys.shape[2]
        old, seen = (self._keys, self._values), self.length
        self.capacity = max(length, self.capacity, 2 * held, SHORTEST)
        self._take(k, v, self.capacity)
        if seen:
            for new, x in zip((self._keys, self._values), old, strict=True):
                new[: self.rows, :, :seen] = x[: self.rows, :, :seen]

    def _take(self, k: Any, v: Any, tokens: int) -> None:
        """New memory for keys and values like these."""
        batch, xp = max(self.batch, self.rows), array_module(k)
        self._keys, self._values = (xp.empty((batch, x.shape[1], tokens, x.shape[3]), x.dtype) for x in (k, v))

    def _join(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """``update`` where gradients are recorded."""
        if self._begin(key.shape[0]):
            key, value = (cat([old, new], 2) for old, new in zip(self.get(), (key, value), strict=True))
        self.put(key, value)
        return key, value


class Cache:
    """What a decoder has seen: one ``CacheLayer`` for each layer; see the top of this file for how models use it.

    Args:
        layers: number of the decoder's layers.
        batch: sequences to take memory for at the first call; more may come.
        max_length: tokens to take memory for at the first call; more may come.
        cross: whether the layers look at an encoder's states, too.

    Example:
        >>> cache = model.new_cache(2, 100)
        >>> output = model(input_ids, past_key_values=cache)
        >>> cache.length == input_ids.shape[1]
        True
    """

    def __init__(self, layers: int, batch: int = 0, max_length: int = 0, cross: bool = False) -> None:
        self.layers = [CacheLayer(batch, max_length) for _ in range(layers)]
        self.cross = [CacheLayer() for _ in range(layers)] if cross else []

    @property
    def length(self) -> int:
        """How many tokens it holds, padding counted."""
        return self.layers[0].length

    def __len__(self) -> int:
        return self.layers[0].length

    def get_seq_length(self) -> int:
        """``length``, as transformers spells it."""
        return self.layers[0].length

    def reorder(self, rows: Tensor | Sequence[int] | np.ndarray) -> None:
        """Let sequence i go on from what sequence ``rows[i]`` was; ``rows`` may be longer or shorter than the batch.

        Raises:
            ArgumentError: it is not a row of integers.
        """
        places = rows.array if isinstance(rows, Tensor) else np.asarray(rows)
        if places.ndim != 1 or places.dtype.kind not in "iu":
            raise ArgumentError(f"Cache.reorder: expected integers in one dim, got {places.dtype} {places.shape}")
        if len(places) == self.layers[0].rows and bool((places == np.arange(len(places))).all()):
            return
        for layer in (*self.layers, *self.cross):
            layer.reorder(places)

    def crop(self, length: int) -> None:
        """Forget all tokens after the first ``length``.

        Raises:
            ArgumentError: ``length`` is negative.
        """
        if length < 0:
            raise ArgumentError(f"Cache.crop: length must be 0 or more, got {length}")
        for layer in self.layers:
            layer.crop(length)


def position_ids(attention_mask: Tensor, new: int | None = None) -> Tensor:
    """The places of the last ``new`` tokens of sequences that may be padded on the left, (B, new); 0 at padding before.

    Args:
        attention_mask: (B, S), 0 at padding.
        new: how many tokens are not in the cache yet; all unless given.
    """
    seen = attention_mask.array != 0
    places = (seen.cumsum(-1) - 1).clip(0)
    return wrap(places if new is None else places[:, places.shape[1] - new :])
