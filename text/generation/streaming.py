"""Text as it is written: pieces that are whole characters, from tokens that may be parts of them."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from typing import Any

import framework
from framework.errors import ArgumentError
from framework.tensor import Tensor
from text.generation.generate import token_steps

BROKEN = "\N{REPLACEMENT CHARACTER}"  # what tokenizers write for bytes that are no character yet


class PieceDecoder:
    """Turns tokens that come one by one into pieces of text, which joined are the text of all.

    Tokens are decoded with some before them, because what a token stands for may depend on its neighbour, and a character
    may be spread over several tokens: their piece is empty until the last one comes.

    Args:
        tokenizer: anything whose ``decode`` turns a list of ids into text.
        decode_options: for ``decode``, such as ``skip_special_tokens=True``.
    """

    def __init__(self, tokenizer: Any, **decode_options: Any) -> None:
        self._tokenizer = tokenizer
        self._options = decode_options
        self._ids: list[int] = []
        self._given = 0  # ids whose text was given; those before are kept as neighbours

    def push(self, ids: list[int]) -> str:
        """The text that more tokens complete; empty, if they complete nothing."""
        self._ids += ids
        text = self._text(self._ids)
        if text.endswith(BROKEN):
            return ""
        return self._give(text)

    def flush(self) -> str:
        """The rest of the text, with broken characters where it breaks off within one."""
        return self._give(self._text(self._ids))

    def _give(self, text: str) -> str:
        piece = text[len(self._text(self._ids[: self._given])) :]
        if piece:
            self._ids, self._given = self._ids[self._given :], len(self._ids) - self._given
        return piece

    def _text(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, **self._options) if ids else ""


class TextStreamer:
    """Prints a text while ``generate`` writes it; pass it as ``streamer``.

    Args:
        tokenizer: decodes the tokens.
        skip_prompt: do not print the prompt.
        decode_options: for ``decode``, such as ``skip_special_tokens=True``.

    transformers' prints until the last blank only; this one prints every character as soon as it is whole.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_options: Any) -> None:
        self.tokenizer = tokenizer
        self.skip_prompt = skip_prompt
        self.decode_options = decode_options
        self._pieces: PieceDecoder | None = None

    def put(self, value: Tensor) -> None:
        """Take the prompt, (1, length), or a token, (1,).

        Raises:
            ArgumentError: there is more than one text.
        """
        if value.shape[0] > 1:
            raise ArgumentError(f"{type(self).__name__}: one text can be streamed, got {value.shape[0]}")
        starts = self._pieces is None
        if self._pieces is None:
            self._pieces = PieceDecoder(self.tokenizer, **self.decode_options)
        if not (starts and self.skip_prompt):
            piece = self._pieces.push(value.reshape(-1).tolist())
            if piece:
                self.on_finalized_text(piece)

    def end(self) -> None:
        """Give the rest of the text."""
        rest = "" if self._pieces is None else self._pieces.flush()
        self._pieces = None
        self.on_finalized_text(rest, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """What is done with a piece: it is printed."""
        print(text, flush=True, end="\n" if stream_end else "")


class TextIteratorStreamer(TextStreamer):
    """Holds a text for another thread that iterates over its pieces, while ``generate`` writes it in this one.

    ``stream`` does the same without threads.

    Args:
        tokenizer, skip_prompt, decode_options: as for ``TextStreamer``.
        timeout: seconds to wait for a piece before ``queue.Empty`` is raised; no end unless given.
    """

    def __init__(
        self, tokenizer: Any, skip_prompt: bool = False, timeout: float | None = None, **decode_options: Any
    ) -> None:
        super().__init__(tokenizer, skip_prompt, **decode_options)
        self.timeout = timeout
        self.text_queue: Queue[str | None] = Queue()

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Queue the piece."""
        if text:
            self.text_queue.put(text)
        if stream_end:
            self.text_queue.put(None)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = self.text_queue.get(timeout=self.timeout)
        if piece is None:
            raise StopIteration
        return piece


def stream(
    model: Any, tokenizer: Any, prompt: str, *, skip_special_tokens: bool = True, **options: Any
) -> Iterator[str]:
    """The continuation of a prompt, or the answer to it, piece by piece while it is written.

    Joined, the pieces are the text without the prompt. Nothing is computed before the next piece is asked for.

    Args:
        model: as for ``generate``.
        tokenizer: encodes the prompt and decodes the tokens.
        prompt: what to begin with, or what the encoder reads.
        skip_special_tokens: leave out tokens such as the end.
        options: for ``generate``, such as ``max_new_tokens``; with ``num_return_sequences`` or beams there is no stream.

    Raises:
        ArgumentError: at the call, as for ``generate``.

    Example:
        >>> for piece in text.generation.stream(model, tokenizer, "Once upon a time", max_new_tokens=50):
        ...     print(piece, end="", flush=True)
    """
    if (options.get("num_return_sequences") or 1) > 1:
        raise ArgumentError("stream: one text can be streamed; leave out num_return_sequences")
    ids = framework.tensor([tokenizer(prompt)["input_ids"]])
    steps = token_steps(model, ids, framework.ones_like(ids), tokenizer=tokenizer, **options)
    return _pieces(steps, PieceDecoder(tokenizer, skip_special_tokens=skip_special_tokens))


def _pieces(steps: Iterator[Tensor], decoder: PieceDecoder) -> Iterator[str]:
    for tokens in steps:
        piece = decoder.push(tokens.tolist())
        if piece:
            yield piece
    rest = decoder.flush()
    if rest:
        yield rest
