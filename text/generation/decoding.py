"""A model at work on a batch of texts: the prompt once, then a token a call, with the cache between them."""

from __future__ import annotations

from typing import Any

import numpy as np

import framework
from framework.devices import array_module
from framework.tensor import Tensor, wrap
from text.models.cache import position_ids


class Decoding:
    """Gives the scores of the next token, (rows, vocabulary), as float32 arrays.

    Args:
        model: a decoder, or an encoder and decoder, with a head of token scores.
        prompt: (B, length) ids that the decoder begins with.
        mask: (B, length), 0 at padding of the prompt, or of the text that the encoder read; None where there is none.
        encoder_outputs: what the encoder gave for (B, S) tokens.
        max_length: tokens that the texts will have at most.
        copies: rows for each prompt; the prompt runs through the model once for all.
        logits: where to keep the scores of each step; None where nobody asks for them.
    """

    def __init__(
        self,
        model: Any,
        prompt: Any,
        mask: Any,
        encoder_outputs: Any,
        max_length: int,
        copies: int = 1,
        logits: list[Tensor] | None = None,
    ) -> None:
        self.model = model
        self._logits = logits
        self.cache = model.new_cache(len(prompt) * copies, max_length)
        self._encoded = encoder_outputs
        self._copies = copies
        self._prompt = prompt
        self._mask: Any = None
        self._places: Any = None
        if encoder_outputs is not None:
            self._read = None if mask is None else wrap(mask)
        elif mask is not None:
            xp = array_module(mask)
            self._mask = xp.ones((len(prompt), max_length), mask.dtype)
            self._mask[:, : prompt.shape[1]] = mask
        self._length = prompt.shape[1]

    def begin(self) -> Any:
        """The scores after the prompts."""
        prompt = wrap(self._prompt)
        extra: dict[str, Any] = {}
        if self._mask is not None:
            mask = wrap(self._mask[:, : self._length])
            places = position_ids(mask) + self.model.first_position
            extra = {"attention_mask": mask, "position_ids": places}
            self._places = places.array[:, -1:]
        logits = self._run(prompt, extra)
        if self._copies > 1:
            rows = np.repeat(np.arange(len(logits)), self._copies)
            logits = logits[rows]
            self.cache.reorder(rows)
            if self._mask is not None:
                self._mask, self._places = self._mask[rows], self._places[rows]
            if self._encoded is not None and self._read is not None:
                self._read = wrap(self._read.array[rows])
        return self._kept(logits)

    def step(self, tokens: Any) -> Any:
        """The scores after one more token for each row, (rows,)."""
        self._length += 1
        extra: dict[str, Any] = {}
        if self._mask is not None:
            self._places = self._places + 1
            extra = {"attention_mask": wrap(self._mask[:, : self._length]), "position_ids": wrap(self._places)}
        return self._kept(self._run(wrap(tokens[:, None]), extra))

    def follow(self, sources: Any, ids: Any) -> None:
        """Let row i go on from what row ``sources[i]`` was, which belongs to the same prompt.

        Beams mostly part a few tokens before their ends, and only what comes after is moved.

        Args:
            sources: (rows,).
            ids: (rows, length), what the rows were.
        """
        xp = array_module(ids)
        rows = xp.nonzero(sources != xp.arange(len(ids)))[0]
        others = sources[rows]
        differ = ids[rows] != ids[others]
        parted = differ.any(1)
        if parted.any():
            rows, others, start = rows[parted], others[parted], int(differ[parted].argmax(1).min())
            for layer in self.cache.layers:  # the encoder's keys are the same for all rows of a prompt
                layer.follow(rows, others, start)

    def _kept(self, logits: Any) -> Any:
        if self._logits is not None:
            self._logits.append(wrap(logits))
        return logits

    def _run(self, tokens: Tensor, extra: dict[str, Any]) -> Any:
        # not around the loop: texts are also streamed by generators, which would leave the mode on between tokens
        with framework.inference_mode():
            if self._encoded is None:
                output = self.model(tokens, past_key_values=self.cache, logits_to_keep=1, **extra)
            else:
                output = self.model(
                    encoder_outputs=self._encoded,
                    attention_mask=self._read,
                    decoder_input_ids=tokens,
                    past_key_values=self.cache,
                    logits_to_keep=1,
                )
        return output.logits.array[:, -1].astype(np.float32, copy=False)
