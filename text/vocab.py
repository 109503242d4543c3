"""Vocabularies: tokens by number and numbers by token, as in torchtext."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from framework import nn
from framework.errors import ArgumentError, BoundsError
from text.vectors import CharNGram, FastText, GloVe, Vectors

# torchtext has its vectors in this module too
__all__ = ["CharNGram", "FastText", "GloVe", "Vectors", "Vocab", "build_vocab_from_iterator", "vocab"]


class _Numbers(dict[str, int]):
    """Numbers by token. What is not there gets the default, so that a whole text can be looked up by ``map``."""

    default: int | None = None

    def __missing__(self, token: str) -> int:
        if self.default is None:
            raise ArgumentError(
                f"Vocab: there is no token {token!r}; set_default_index(vocab['<unk>']) gives a number to unknown ones"
            )
        return self.default


class Vocab(nn.Module):
    """Tokens and their numbers. Called with a list of tokens it gives the list of their numbers.

    Mostly made by ``vocab`` or ``build_vocab_from_iterator``.

    Args:
        tokens: the tokens in the order of their numbers.
        default_index: the number of tokens that are not there; without one they are errors.

    Raises:
        ArgumentError: a token is there twice.

    Example:
        >>> numbers = text.vocab.Vocab(["<unk>", "the", "dog"], default_index=0)
        >>> numbers(["the", "cat"])
        [1, 0]
    """

    def __init__(self, tokens: Iterable[str] = (), default_index: int | None = None) -> None:
        super().__init__()
        self._tokens: list[str] = []
        self._numbers = _Numbers()
        self._append(tokens)
        self.set_default_index(default_index)

    def _append(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            if not isinstance(token, str):
                raise ArgumentError(f"Vocab: expected tokens that are strings, got {token!r:.60}")
            if token in self._numbers:
                raise ArgumentError(
                    f"Vocab: the token {token!r} is there already, with the number {self._numbers[token]}"
                )
            self._numbers[token] = len(self._tokens)
            self._tokens.append(token)

    def forward(self, tokens: Sequence[str]) -> list[int]:
        """The numbers of a list of tokens."""
        return list(map(self._numbers.__getitem__, tokens))

    lookup_indices = forward

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._numbers

    def __getitem__(self, token: str) -> int:
        return self._numbers[token]

    def set_default_index(self, index: int | None) -> None:
        """Set the number that unknown tokens get; ``None`` makes them errors."""
        if index is not None and not isinstance(index, int):
            raise ArgumentError(f"set_default_index: expected a number or None, got {index!r:.60}")
        self._numbers.default = index

    def get_default_index(self) -> int | None:
        """The number that unknown tokens get."""
        return self._numbers.default

    def insert_token(self, token: str, index: int) -> None:
        """Put a token at a number; those from there on move up by one."""
        if not 0 <= index <= len(self._tokens):
            raise BoundsError(f"insert_token: expected a number from 0 to {len(self._tokens)}, got {index}")
        default = self._numbers.default
        tokens = [*self._tokens[:index], token, *self._tokens[index:]]
        fresh = Vocab(tokens, default)
        self._tokens, self._numbers = fresh._tokens, fresh._numbers

    def append_token(self, token: str) -> None:
        """Put a token at the end."""
        self._append([token])

    def lookup_token(self, index: int) -> str:
        """The token of a number."""
        if not 0 <= index < len(self._tokens):
            raise BoundsError(f"lookup_token: expected a number below {len(self._tokens)}, got {index}")
        return self._tokens[index]

    def lookup_tokens(self, indices: Sequence[int]) -> list[str]:
        """The tokens of a list of numbers."""
        return [self.lookup_token(index) for index in indices]

    def get_stoi(self) -> dict[str, int]:
        """The numbers by token."""
        return dict(self._numbers)

    def get_itos(self) -> list[str]:
        """The tokens in the order of their numbers."""
        return list(self._tokens)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"{len(self)} tokens, default_index={self._numbers.default}"


def vocab(
    ordered_dict: Mapping[str, int],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
) -> Vocab:
    """A vocabulary of the tokens of a mapping, in its order.

    Args:
        ordered_dict: how often each token occurs.
        min_freq: rarer tokens are left out.
        specials: tokens that are put in whatever they occur, such as ``["<unk>", "<pad>"]``.
        special_first: at the start, or at the end.

    Example:
        >>> counts = collections.Counter(["a", "b", "a"])
        >>> text.vocab.vocab(counts, specials=["<unk>"]).get_itos()
        ['<unk>', 'a', 'b']
    """
    first = list(specials or ())
    taken = set(first)
    tokens = [token for token, count in ordered_dict.items() if count >= min_freq and token not in taken]
    return Vocab([*first, *tokens] if special_first else [*tokens, *first])


def build_vocab_from_iterator(
    iterator: Iterable[Iterable[str]],
    min_freq: int = 1,
    specials: Sequence[str] | None = None,
    special_first: bool = True,
    max_tokens: int | None = None,
) -> Vocab:
    """A vocabulary of the tokens of many texts, the most frequent first, those as frequent by the alphabet.

    Args:
        iterator: lists of tokens.
        min_freq, specials, special_first: as for ``vocab``.
        max_tokens: how many tokens there may be at most, ``specials`` included.

    Raises:
        ArgumentError: ``max_tokens`` leaves room for the special tokens only.

    Example:
        >>> texts = (line.split() for line in open("book.txt"))  # doctest: +SKIP
        >>> text.vocab.build_vocab_from_iterator(texts, min_freq=2, specials=["<unk>"])  # doctest: +SKIP
    """
    counts: Counter[str] = Counter()
    for tokens in iterator:
        counts.update(tokens)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if max_tokens is not None:
        room = max_tokens - len(specials or ())
        if room <= 0:
            raise ArgumentError(
                f"build_vocab_from_iterator: max_tokens, {max_tokens}, leaves no room beside {len(specials or ())} specials"
            )
        ordered = ordered[:room]
    return vocab(dict(ordered), min_freq, specials, special_first)
