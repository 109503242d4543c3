"""What a tokenizer gives back: lists or tensors by name, and the way from tokens to the text and back."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import framework
from framework.errors import ArgumentError, MissingAttribute

if TYPE_CHECKING:
    from tokenizers import Encoding

_KINDS = (None, "pt", "np")


class CharSpan(NamedTuple):
    """Characters ``start`` up to, and not with, ``end``."""

    start: int
    end: int


class TokenSpan(NamedTuple):
    """Tokens ``start`` up to, and not with, ``end``."""

    start: int
    end: int


class BatchEncoding(UserDict):
    """The tokens of one text or of a batch: a dict whose entries are attributes too.

    ``batch["input_ids"]`` and ``batch.input_ids`` are the same; ``batch[i]`` is the ``tokenizers.Encoding`` of text
    ``i``; ``batch[a:b]`` cuts every entry. ``model(**batch)`` passes all of it.

    Args:
        data: lists, arrays or tensors by name.
        encodings: what the ``tokenizers`` library gave for each row; without it the methods that map tokens to words
            and characters raise.
        tensor_type: ``"pt"`` turns every entry into a framework tensor, ``"np"`` into a NumPy array.
        prepend_batch_axis: put a batch axis of one before the others while doing so.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        encodings: Sequence[Encoding] | None = None,
        tensor_type: str | None = None,
        prepend_batch_axis: bool = False,
    ) -> None:
        super().__init__(data)
        self._encodings = encodings
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self.data[key]
        if self._encodings is not None:
            return self._encodings[key]
        if isinstance(key, slice):
            return {name: value[key] for name, value in self.data.items()}
        raise KeyError(f"{key!r}: this batch has no encodings to count; its entries are {', '.join(self.data)}")

    def __getattr__(self, name: str) -> Any:
        data = self.__dict__.get("data", {})
        if name in data:
            return data[name]
        raise MissingAttribute(f"a batch with {', '.join(data) or 'nothing in it'} has no {name!r}", name, self)

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "_encodings": self._encodings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def encodings(self) -> Sequence[Encoding] | None:
        """What the ``tokenizers`` library gave, one a row."""
        return self._encodings

    @property
    def n_sequences(self) -> int | None:
        """Two for pairs, one for single texts, ``None`` where it is not known."""
        return self._encodings[0].n_sequences if self._encodings else None

    def convert_to_tensors(self, tensor_type: str | None = None, prepend_batch_axis: bool = False) -> BatchEncoding:
        """Turn every entry into a tensor, in place.

        Raises:
            ArgumentError: the rows of an entry differ in length.
        """
        if tensor_type not in _KINDS:
            raise ArgumentError(f"return_tensors: expected 'pt' (framework tensors), 'np' or None, got {tensor_type!r}")
        if tensor_type is None:
            return self
        for name, value in self.data.items():
            if not isinstance(value, np.ndarray | framework.Tensor):
                value = _array(name, [value] if prepend_batch_axis else value)
            if tensor_type == "pt" and isinstance(value, np.ndarray):
                value = framework.from_numpy(value)
            self.data[name] = value
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> BatchEncoding:
        """Move every tensor in it to a device, in place."""
        for name, value in self.data.items():
            if isinstance(value, framework.Tensor):
                self.data[name] = value.to(device=device, non_blocking=non_blocking)
        return self

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of one row as strings."""
        return self._row(batch_index).tokens

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token 0 or 1, the text of the pair it comes from; ``None`` for special tokens."""
        return self._row(batch_index).sequence_ids

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token the word it is part of; ``None`` for special tokens."""
        return self._row(batch_index).word_ids

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The text of the pair that a token comes from. With one index it is the token's, in row 0."""
        row, token = self._pair(batch_or_token_index, token_index)
        return row.token_to_sequence(token)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The word that a token is part of."""
        row, token = self._pair(batch_or_token_index, token_index)
        return row.token_to_word(token)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters that a token stands for; ``None`` for a special token."""
        row, token = self._pair(batch_or_token_index, token_index)
        span = row.token_to_chars(token)
        return None if span is None else CharSpan(*span)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token that a character is in; ``None`` for one in no token, as a blank may be."""
        row, char = self._pair(batch_or_char_index, char_index)
        return row.char_to_token(char, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that a character is in."""
        row, char = self._pair(batch_or_char_index, char_index)
        return row.char_to_word(char, sequence_index)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The tokens of a word."""
        row, word = self._pair(batch_or_word_index, word_index)
        span = row.word_to_tokens(word, sequence_index)
        return None if span is None else TokenSpan(*span)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word."""
        row, word = self._pair(batch_or_word_index, word_index)
        span = row.word_to_chars(word, sequence_index)
        return None if span is None else CharSpan(*span)

    def _row(self, index: int) -> Encoding:
        if self._encodings is None:
            raise ArgumentError("this batch does not know its texts; take the one that the tokenizer gave back")
        return self._encodings[index]

    def _pair(self, first: int, second: int | None) -> tuple[Encoding, int]:
        """The row and the place in it, of ``(place)`` or ``(row, place)``; a negative place counts from the end."""
        row, place = (0, first) if second is None else (first, second)
        encoding = self._row(row)
        return encoding, place if place >= 0 else len(encoding.ids) + place


def _array(name: str, value: Any) -> np.ndarray:
    """An array of a list of numbers, of lists of them, or of arrays or tensors of one shape."""
    if isinstance(value, Sequence) and len(value) and isinstance(value[0], framework.Tensor):
        value = [row.numpy() for row in value]
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(
            f"{name}: the rows are of lengths {_lengths(value)}, which no tensor can hold; pass padding=True, "
            "and truncation=True for long texts, or leave return_tensors out"
        ) from error
    if array.dtype == object or array.dtype.kind in "US":
        raise ArgumentError(f"{name}: expected numbers in rows of one length, got {value!r:.80}")
    return array if array.size else array.astype(np.int64)


def _lengths(rows: Iterable[Any]) -> str:
    lengths = sorted({len(row) for row in rows if hasattr(row, "__len__")})
    return ", ".join(map(str, lengths[:6])) + (" ..." if len(lengths) > 6 else "")
