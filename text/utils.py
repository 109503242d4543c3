"""Plain tokenizers by name, and n-grams, as in torchtext."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from framework.errors import ArgumentError

# one after the other: the blanks of HTML's line break are those that the text itself has
_BASIC = (
    ("'", " '  "), ('"', ""), (".", " . "), ("<br />", " "), (",", " , "), ("(", " ( "), (")", " ) "), ("!", " ! "),
    ("?", " ? "), (";", " "), (":", " "),
)  # fmt: skip


def basic_english(line: str) -> list[str]:
    """Lower-cased words, with ``.,()!?'`` as words of their own and other marks left out."""
    line = line.lower()
    for mark, spaced in _BASIC:
        line = line.replace(mark, spaced)
    return line.split()


def get_tokenizer(
    tokenizer: str | Callable[[str], list[str]] | None, language: str = "en"
) -> Callable[[str], list[str]]:
    """A function that cuts a text into words.

    Args:
        tokenizer: ``None``, at blanks; ``"basic_english"``; ``"spacy"``, ``"moses"``, ``"toktok"``, ``"revtok"`` or
            ``"subword"``, by the library of that name, which must be installed (``sacremoses`` for ``"moses"``,
            ``nltk`` for ``"toktok"``, ``revtok`` for ``"subword"``); or a function, which is given back.
        language: of the text, where the library has several; for spaCy also the name of a model.

    Raises:
        ArgumentError: there is no such tokenizer, or not for that language.
        ImportError: its library is not installed.

    Example:
        >>> text.get_tokenizer("basic_english")("You can now install it!")
        ['you', 'can', 'now', 'install', 'it', '!']
    """
    if tokenizer is None:
        return str.split
    if callable(tokenizer):
        return tokenizer
    if tokenizer == "basic_english":
        if language != "en":
            raise ArgumentError(f"get_tokenizer: 'basic_english' is for 'en' only, got {language!r}")
        return basic_english
    make = _LIBRARIES.get(tokenizer)
    if make is None:
        raise ArgumentError(
            f"get_tokenizer: expected a function, None, 'basic_english' or one of {', '.join(_LIBRARIES)}, got {tokenizer!r}"
        )
    return make(language)


def ngrams_iterator(token_list: Sequence[str], ngrams: int) -> Iterator[str]:
    """The tokens, then the pairs of neighbours with a blank between, and so on up to ``ngrams`` of them.

    Example:
        >>> list(text.ngrams_iterator(["here", "we", "are"], 2))
        ['here', 'we', 'are', 'here we', 'we are']
    """
    yield from token_list
    for size in range(2, ngrams + 1):
        yield from map(" ".join, zip(*(token_list[start:] for start in range(size)), strict=False))


def _spacy(language: str) -> Callable[[str], list[str]]:
    import spacy

    model = spacy.load(language)
    return functools.partial(_spacy_words, model)


def _spacy_words(model: Any, line: str) -> list[str]:
    return [token.text for token in model.tokenizer(line)]


def _moses(language: str) -> Callable[[str], list[str]]:
    from sacremoses import MosesTokenizer

    return MosesTokenizer(language).tokenize


def _toktok(language: str) -> Callable[[str], list[str]]:
    from nltk.tokenize.toktok import ToktokTokenizer

    return ToktokTokenizer().tokenize


def _revtok(language: str) -> Callable[[str], list[str]]:
    import revtok

    return revtok.tokenize


def _subword(language: str) -> Callable[[str], list[str]]:
    import revtok

    return functools.partial(revtok.tokenize, decap=True)


_LIBRARIES = {"spacy": _spacy, "moses": _moses, "toktok": _toktok, "revtok": _revtok, "subword": _subword}
