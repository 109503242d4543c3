"""Plain tokenizers and n-grams."""

from __future__ import annotations

import re

import pytest

from text.utils import basic_english, get_tokenizer, ngrams_iterator

# the rules as a chain of regular expressions, one at a time
RULES = [
    (r"\'", " '  "), (r"\"", ""), (r"\.", " . "), (r"<br \/>", " "), (r",", " , "), (r"\(", " ( "), (r"\)", " ) "),
    (r"\!", " ! "), (r"\?", " ? "), (r"\;", " "), (r"\:", " "), (r"\s+", " "),
]  # fmt: skip
LINES = [
    "You can now install TorchText using pip!",
    'He said: "Don\'t (ever) do; that," - OK?',
    "a<br />b <BR />c <br;/>d",
    "tab\tnew\nline\u00a0blank  \x1c x",
    "",
    "...!!!",
]


@pytest.mark.parametrize("line", LINES)
def test_basic_english(line):
    expected = line.lower()
    for pattern, replacement in RULES:
        expected = re.sub(pattern, replacement, expected)
    assert basic_english(line) == expected.split() == get_tokenizer("basic_english")(line)


def test_get_tokenizer():
    assert get_tokenizer(None)("a  b.") == ["a", "b."]
    assert get_tokenizer(list)("ab") == ["a", "b"]
    with pytest.raises(ValueError, match="'en' only"):
        get_tokenizer("basic_english", "de")
    with pytest.raises(ValueError, match="got 'no such'"):
        get_tokenizer("no such")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, ["a", "b", "c"]),
        (2, ["a", "b", "c", "a b", "b c"]),
        (3, ["a", "b", "c", "a b", "b c", "a b c"]),
        (5, ["a", "b", "c", "a b", "b c", "a b c"]),
    ],
)
def test_ngrams(size, expected):
    assert list(ngrams_iterator(["a", "b", "c"], size)) == expected
